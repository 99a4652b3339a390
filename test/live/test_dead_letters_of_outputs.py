"""Dead letters of sinks that write rows in several ways, or beside others: each goes to where it was refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import redis
from test_dead_letters import act, document, letters, wait_parked
from test_redis_targets import output
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
DEEP = "(repeat('[', 300) || repeat(']', 300))::jsonb"  # RedisJSON refuses it, a hash takes it
TABLE = "create table t (id int primary key, j jsonb, v int);"


def edit(millrace: Millrace, letter: int, values: dict[str, Any], *more: str, code: int = 0) -> dict[str, Any]:
    """Sends it again with other values."""
    file = millrace.directory / "edit.json"
    file.write_text(json.dumps(values))
    return act(millrace, "replay", "--id", str(letter), "--edit", str(file), *more, code=code)


def test_a_letter_goes_to_the_output_that_refused_it(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Of two rows with one key the hash has taken both: the first one, sent again, must not come over the second."""
    database.script(TABLE)
    millrace = start(shop("public.t", redis={"topics": "t.public.t"}
                          | output("hash", topics="t.public.t", target__type="hash", target__key="h:{id}")
                          | output("doc", topics="t.public.t", target__key="d:{id}")))
    database.script(f"insert into t values (1, {DEEP}, 1);")
    wait_parked(millrace, 1)
    database.script(f"update t set v = 2, j = {DEEP};")
    wait_parked(millrace, 2)
    assert [one["output"] for one in letters(millrace)] == ["doc", "doc"]
    assert edit(millrace, 1, {"j": {}})["done"] == 1
    assert document(client, "d:1") == {"id": 1, "j": {}, "v": 1}
    assert client.hget("h:1", "v") == "2"


def test_each_output_has_a_letter_of_its_own(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Both refuse the row: two letters, chosen by output, shown with it."""
    database.script(TABLE)
    client.set("h:1", "of somebody else")
    millrace = start(shop("public.t", redis={"topics": "t.public.t"}
                          | output("hash", topics="t.public.t", target__type="hash", target__key="h:{id}")
                          | output("doc", topics="t.public.t", target__key="d:{id}")))
    database.script(f"insert into t values (1, {DEEP}, 1);")
    wait_parked(millrace, 2)
    groups = millrace.command("dead-letters", "cache", "--groups", "--url", millrace.url)
    assert [" doc " in groups.stdout, " hash " in groups.stdout] == [True, True], groups.stdout
    client.delete("h:1")
    assert act(millrace, "replay", "--output", "hash")["done"] == 1
    assert client.hget("h:1", "v") == "1"
    assert {one["output"]: one["state"] for one in letters(millrace)} == {"hash": "done", "doc": "parked"}


def test_an_output_that_is_gone(shop: Shop, database: Database) -> None:
    """What it refused is held, with the reason; nothing goes elsewhere."""
    database.script(TABLE)
    doc = {"topics": "t.public.t"} | output("doc", topics="t.public.t", target__key="d:{id}")
    millrace = start(shop("public.t", redis=doc))
    database.script(f"insert into t values (1, {DEEP}, 1);")
    wait_parked(millrace, 1)
    millrace.terminate()
    cache = millrace.connectors["cache"]
    millrace.connectors["cache"] = {name.replace("outputs.doc.", "outputs.documents."): cache[name] for name in cache}
    millrace.write()
    start(millrace)
    assert act(millrace, "replay", "--all", code=1)["held"] == 1
    assert "no output doc any more" in letters(millrace)[0]["history"][-1]["note"]


def test_a_guard_that_leaves_a_letter_out(shop: Shop, database: Database, client: redis.Redis) -> None:
    """`--force` does not ask the log for later changes; what Redis itself knows to be later stays, and it is said."""
    database.script(TABLE)
    millrace = start(shop("public.t", redis={"target.guard": "version"}))
    database.script(f"insert into t values (1, {DEEP}, 1);")
    wait_parked(millrace, 1)
    database.script("update t set v = 2, j = '{}';")
    wait_until(lambda: (document(client, "t:id:1") or {}).get("v") == 2, "the later one", 10)
    edit(millrace, 1, {"j": {}}, "--force")
    assert document(client, "t:id:1")["v"] == 2
    assert letters(millrace)[0]["state"] == "superseded"
