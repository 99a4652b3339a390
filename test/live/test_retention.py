"""The log lets go of old rows, and a sink that comes after that is told what it lacks."""

from __future__ import annotations

from collections.abc import Callable

import redis

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

ROWS = 40_000
TOPIC = "t.public.s"


def test_a_sink_added_after_retention_starts_incomplete(shop: Callable[..., Millrace], database: Database,
                                                        client: redis.Redis) -> None:
    database.script("create table s (id int primary key, note text);")
    millrace = shop("public.s")
    # More than this much of one source is not kept.
    millrace.more["log"] = {"kind": "rocks", "dir": str(millrace.log_directory), "retention.bytes": 2_000_000}
    millrace.start()
    millrace.wait_state("source", "running")
    for part in range(4):
        database.execute(f"insert into s select i, md5(i::text) || repeat(md5((i * 7)::text), 10) "
                         f"from generate_series({part * ROWS // 4 + 1}, {(part + 1) * ROWS // 4}) i")
    wait_until(lambda: client.dbsize() >= ROWS, "first sink has all", 40, context=millrace.tail)
    wait_until(lambda: millrace.topics()[TOPIC]["first_offset"] > 0, "retention cuts", 40, context=millrace.tail)
    done = millrace.command("consume", TOPIC, "--url", millrace.url, "--from", "0", "--limit", "1")
    assert done.returncode == 0 and "begins at" in done.stderr, done.stderr
    millrace.terminate()

    millrace.connectors["late"] = dict(millrace.connectors["cache"]) | {"target.key": "late:{id}", "topics": TOPIC}
    del millrace.connectors["late"]["topics.regex"]
    millrace.start()
    wait_until(lambda: millrace.status().get("late", {}).get("warnings"), "the late sink warns", 20,
               context=millrace.tail)
    warnings = millrace.status()["late"]["warnings"]
    assert TOPIC in warnings[0] and "starts incomplete" in warnings[0] and "millrace rebuild" in warnings[0], warnings
    assert not millrace.status()["cache"]["warnings"]
    wait_until(lambda: client.exists(f"late:{ROWS}"), "what the log has comes", 30, context=millrace.tail)
    assert not client.exists("late:1")
    done = millrace.command("rebuild", "{file}", "late", timeout_s=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.dbsize() >= 2 * ROWS
    database.execute("update s set note = 'new' where id = 1")
    wait_until(lambda: client.json().get("late:1", "$.note") == ["new"], "and follows", 20, context=millrace.tail)
