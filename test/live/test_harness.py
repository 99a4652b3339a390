"""The instruments themselves: a load that says what it does, a proxy that does what it says."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
import redis

from harness.load import PUBLISHED, Event, Load
from harness.metrics import parse_metrics
from harness.oracle import assert_same_rows, canonical
from harness.postgres import Database
from harness.proxy import Proxy
from harness.redis_stack import RedisServer


def test_the_load_is_what_the_server_streams(database: Database, load: Load) -> None:
    """Held against the server's own test decoder, so that the oracle can be trusted."""
    database.execute("select pg_create_logical_replication_slot('probe', 'test_decoding')")
    load.run(150)
    lines = [row[0] for row in database.query("select data from pg_logical_slot_get_changes('probe', null, null)")]
    found = []
    for line in lines:
        match = re.match(r"table public\.(\w+): (INSERT|UPDATE|DELETE|TRUNCATE):", line)
        if match:
            seq = re.findall(r" seq\[bigint\]:(\d+)", line)
            op = match[2].lower()
            found.append((match[1], op, int(seq[-1]) if seq and op in ("insert", "update") else None))
    assert found == [(event.table, event.op, event.seq) for event in load.expected]
    assert {event.op for event in load.expected} == {"insert", "update", "delete", "truncate"}
    assert len(found) > 500


def test_the_same_seed_makes_the_same_load(database: Database, load: Load) -> None:
    load.run(20)
    first = list(load.expected)
    database.script(f"truncate {PUBLISHED}")
    again = Load(database.connect, seed=load.seed)
    again.run(20)
    again.close()
    assert again.expected == first
    assert isinstance(first[0], Event)


def test_the_oracle_sees_a_wrong_document(database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key, n numeric(8,3), v text); insert into s values (1, 1.5, null);")
    client.json().set("s:id:1", "$", {"id": 1, "n": "1.500", "v": None})
    assert assert_same_rows(database, client, "s") == 1
    wrongs: list[dict[str, Any]] = [{"id": 1, "n": "1.5", "v": None}, {"id": 1, "n": "1.500", "v": ""},
                                    {"id": 2, "n": "1.500"}]
    for wrong in wrongs:
        client.json().set("s:id:1", "$", wrong)
        with pytest.raises(AssertionError):
            assert_same_rows(database, client, "s")
    client.json().set("s:id:1", "$", {"id": 1, "n": "1.500"})
    client.json().set("s:id:2", "$", {"id": 2})
    with pytest.raises(AssertionError):
        assert_same_rows(database, client, "s")


def test_timestamps_are_compared_as_instants() -> None:
    kind = "timestamp with time zone"
    assert canonical(kind, "2024-01-01 10:00:00.5+02") == canonical(kind, "2024-01-01T08:00:00.500000Z")
    assert canonical(kind, "2024-01-01 10:00:00+02") != canonical(kind, "2024-01-01T10:00:00Z")


def test_the_proxy(redis_server: RedisServer) -> None:
    with Proxy(redis_server.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as one:
        one.settimeout(0.3)
        one.sendall(b"PING\r\n")
        assert one.recv(100) == b"+PONG\r\n"
        proxy.freeze(True)
        one.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            one.recv(100)
        proxy.freeze(False)
        one.settimeout(5)
        with pytest.raises(ConnectionResetError):
            one.recv(100)
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as two:
            two.sendall(b"PING\r\n")
            assert two.recv(100) == b"+PONG\r\n"
            proxy.cut(reset=False)
            assert two.recv(100) == b""


@pytest.mark.parametrize("text", ["a 1", "# TYPE a counter\na{b=1} 1\n", "# TYPE a counter\na 1\na 1\n", "a 1\n", "\n",
                                  "# TYPE a counter\na one\n", "# TYPE a wrong\na 1\n"])
def test_bad_metrics_are_seen(text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        parse_metrics(text)


def test_good_metrics_are_read() -> None:
    text = ('# HELP a of things\n# TYPE a summary\na{x="1",quantile="0.5"} 2.5e-3\na_sum{x="1"} 3\na_count{x="1"} 4\n'
            '# TYPE b_total counter\nb_total{x="a \\"b\\" \\\\ \\n"} 7\n')
    assert [(sample.name, sample.value) for sample in parse_metrics(text)] == [
        ("a", 0.0025), ("a_sum", 3), ("a_count", 4), ("b_total", 7)]
