"""`target.guard: version`: several writers of the same keys; the slower never undoes what the faster has done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from conftest import MakeMillrace
from test_redis_targets import output
from test_verify import settled, verify

from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


class Watch(threading.Thread):
    """Reads a row's number all the time; it may only rise, and once gone the row stays away."""

    def __init__(self, client: redis.Redis, read: Callable[[redis.Redis], int | None]) -> None:
        super().__init__()
        self.client, self.read = client, read
        self.highest, self.went_back = -1, 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            now = self.read(self.client)
            if now is not None and now < self.highest:
                self.went_back += 1
            self.highest = max(self.highest, now or 0)

    def stop(self) -> None:
        self.over.set()
        self.join(30)


def number(kind: str) -> Callable[[redis.Redis], int | None]:
    def of_json(client: redis.Redis) -> int | None:
        found: Any = client.json().get("s:1", "$.n")
        return int(found[0]) if found else None

    def of_hash(client: redis.Redis) -> int | None:
        found = client.hget("s:1", "n")
        return int(found) if found else None

    def of_string(client: redis.Redis) -> int | None:
        found = client.get("s:1")
        return int(found) if found else None

    return {"json": of_json, "hash": of_hash, "string": of_string}[kind]


@pytest.mark.parametrize("kind", ["json", "hash", "string"])
def test_a_writer_that_lags_never_goes_back(make: MakeMillrace, database: Database, redis_server: RedisServer,
                                            client: redis.Redis, kind: str) -> None:
    """Two pipelines with slots and logs of their own write the same keys; one stands still while the other goes on, and
    then catches up through all the old changes."""
    database.script("create table s (id int primary key, n int); insert into s values (1, 0), (2, 0);")
    more: dict[str, Any] = {"topics": "t.public.s", "target.key": "s:{id}", "target.type": kind,
                            "target.guard": "version"}
    if kind == "string":
        more["target.value"] = "{n}"
    pair = []
    for name in ("a", "b"):
        source = database.settings("public.s") | {"slot.name": f"{database.slot}_{name}", "snapshot.mode": "initial"}
        pair.append(make({"source": source, f"cache-{name}": redis_settings(redis_server.uri, **more)}).start())
    fast, slow = pair
    read = number(kind)
    wait_until(lambda: read(client) == 0, "the snapshot", 15, context=fast.tail)
    slow.wait_state("cache-b", "running")
    slow.command("pause", "cache-b", "--url", slow.url)
    slow.wait_state("cache-b", "paused")
    for n in range(1, 301):
        database.execute(f"update s set n = {n} where id = 1")
    database.execute("delete from s where id = 2")
    wait_until(lambda: read(client) == 300 and not client.exists("s:2"), "the faster one", 15, context=fast.tail)
    watch = Watch(client, read)
    watch.start()
    assert slow.command("resume", "cache-b", "--url", slow.url).returncode == 0
    slow.wait_settled("cache-b")
    database.execute("update s set n = 1000 where id = 1")
    wait_until(lambda: read(client) == 1000, "both go on", 15, context=slow.tail)
    watch.stop()
    assert watch.highest in (300, 1000) and watch.went_back == 0
    assert not client.exists("s:2")
    assert client.ttl("millrace:version:{s:2}") > 80_000
    assert client.ttl("millrace:version:{s:1}") == -1


def test_what_is_guarded_is_what_is_not(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Moves, untouched large values, expiry, deletes: the target is in step with the table as without a guard; what a
    guard cannot carry over is parked."""
    database.script("""create table s (id int primary key, n int, big text, until timestamptz);
      alter table s alter big set storage external;
      insert into s select i, 0, repeat('x', 3000), now() + interval '1 hour' from generate_series(1, 20) i;""")
    millrace = shop("public.s", postgres={"snapshot.mode": "initial", "reselect.unavailable.values": "true"},
                    redis={"topics": "t.public.s", "target.key": "s:{id}", "target.guard": "version",
                           "target.expire": "{until}"}).start()
    millrace.wait_state("cache", "running")
    database.script("""update s set n = 1 where id < 10; update s set id = id + 100 where id < 5;
      delete from s where id between 16 and 99; update s set until = null where id = 7;
      insert into s values (4, 9, 'again', null);""")
    wait_until(lambda: client.exists("s:4", "s:101") == 2 and not client.exists("s:20"), "all changes", 15,
               context=millrace.tail)
    settled(millrace)
    verify(millrace, code=0)
    assert client.ttl("s:7") == -1 and client.ttl("s:8") > 0
    assert not millrace.status()["cache"]["dead_letters"]
    client.json().set("s:8", "$.n", 77)
    verify(millrace, "--repair", "different", code=0)
    assert client.json().get("s:8", "$.n") == [1]


def test_a_source_that_begins_anew_needs_another_epoch(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A key that has a version from later than anything the source says now is left alone until the epoch is raised."""
    database.script("create table s (id int primary key, n int);")
    millrace = shop("public.s", redis={"topics": "t.public.s", "target.key": "s:{id}",
                                       "target.guard": "version"}).start()
    millrace.wait_state("source", "running")
    client.set("millrace:version:{s:1}", "00000000" + "FFFFFFFFFFFFFFF0" + "00000000")
    database.execute("insert into s values (1, 1), (2, 2)")
    wait_until(lambda: client.exists("s:2"), "the row without a version", 15, context=millrace.tail)
    settled(millrace)
    assert not client.exists("s:1")
    assert not millrace.status()["cache"]["warnings"]
    database.execute("update s set n = 2 where id = 1")
    settled(millrace)
    wait_until(lambda: "2 of 3 writes were left out" in str(millrace.status()["cache"]["warnings"]), "the warning", 10)
    assert "target.guard.epoch" in str(millrace.status()["cache"]["warnings"])
    assert 'millrace_redis_stale_writes_total{connector="cache"} 2' in millrace.metrics()
    millrace.terminate()
    millrace.connectors["cache"]["target.guard.epoch"] = 1
    millrace.start()
    database.execute("update s set n = 5 where id = 1")
    wait_until(lambda: client.json().get("s:1", "$.n") == [5], "the row of the new epoch", 15, context=millrace.tail)


def test_versions_go_with_their_keys(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Some time behind them: keys that expire, rows that are deleted, tables that are emptied."""
    database.script("create table s (id int primary key, till timestamptz); create table u (id int primary key);")
    millrace = shop("public.s,public.u", redis={"topics": "t.public.s,t.public.u", "target.guard": "version",
                                                "target.guard.keep.seconds": 2}
                    | output("s", topics="t.public.s", target__key="s:{id}", target__expire="{till}")
                    | output("u", topics="t.public.u", target__key="u:{id}")).start()
    millrace.wait_state("cache", "running")
    database.script("""insert into s values (1, now() + interval '1 hour'), (2, now() + interval '1 second'), (3, null);
      insert into u select generate_series(1, 20);""")
    wait_until(lambda: len(client.keys("u:*")) == 20, "all is there", 15, context=millrace.tail)
    assert 3500 < client.ttl("millrace:version:{s:1}") <= 3602
    assert client.ttl("millrace:version:{s:3}") == -1
    assert client.ttl("millrace:version:{u:1}") == -1
    database.script("delete from s where id = 3; truncate u;")
    wait_until(lambda: not client.keys("u:*") and not client.exists("s:2", "s:3"), "they are gone", 15)
    wait_until(lambda: client.keys("millrace:version:*") == ["millrace:version:{s:1}"], "their versions too", 15)
