"""What builds on a row that is parked: it is parked too, writes all that it knows, or takes along what was left behind;
never does it leave a state that the row did not have. Letters that later changes have made void close by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from conftest import MakeMillrace
from test_dead_letters import act, document, letters, wait_parked
from test_stream import start
from test_verify import verify

from harness.millrace import Millrace
from harness.postgres import Database
from harness.redis_cluster import RedisCluster
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
DEEP = "(repeat('[', 300) || repeat(']', 300))::jsonb"  # Redis refuses it
TABLE = "create table t (id int primary key, j jsonb, big text); alter table t alter big set storage external;"
FIRST = "insert into t values (1, '{}', repeat('a', 5000));"


def shown(client: redis.Redis, key: str = "t:id:1") -> tuple[Any, str]:
    """The document's `j`, and what its large value is made of."""
    found = document(client, key)
    return (found["j"], found["big"][:1]) if found else (None, "")


def states(millrace: Millrace) -> list[str]:
    return [one["state"] for one in letters(millrace)]


def edit(millrace: Millrace, letter: int) -> dict[str, Any]:
    """Sends it again with a value that Redis takes."""
    file = millrace.directory / "edit.json"
    file.write_text('{"j": [1]}')
    return act(millrace, "replay", "--id", str(letter), "--edit", str(file))


@pytest.fixture
def millrace(shop: Shop, database: Database, client: redis.Redis) -> Millrace:
    """The row is there; then its next change is parked, with another large value."""
    database.script(TABLE)
    one = start(shop("public.t"))
    database.script(FIRST)
    wait_until(lambda: client.exists("t:id:1"), "it is there", 15, context=one.tail)
    database.script(f"update t set j = {DEEP}, big = repeat('b', 5000);")
    wait_parked(one, 1)
    return one


def test_a_change_that_keeps_values_of_a_parked_one(millrace: Millrace, database: Database,
                                                    client: redis.Redis) -> None:
    """It is parked behind it; both together, in order, lead to the row as it is."""
    database.script("update t set j = '{\"c\": 1}';")
    wait_parked(millrace, 2)
    assert "keeps values of an earlier one" in letters(millrace)[1]["error"]
    assert shown(client) == ({}, "a")
    assert act(millrace, "replay", "--id", "2", code=1)["failed"] == 1
    assert shown(client) == ({}, "a")
    edit(millrace, 1)
    assert shown(client) == ([1], "b")
    assert act(millrace, "replay", "--all")["done"] == 1
    assert shown(client) == ({"c": 1}, "b")
    database.script("update t set j = '{\"c\": 2}';")
    wait_until(lambda: shown(client) == ({"c": 2}, "b"), "it goes on", 15, context=millrace.tail)
    assert states(millrace) == ["done", "done"]


def test_it_is_known_after_a_restart(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    millrace.terminate()
    start(millrace)
    database.script("update t set j = '{\"c\": 1}';")
    wait_parked(millrace, 2)
    assert shown(client) == ({}, "a")


def test_a_change_in_flight(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The second one comes before Redis has answered the first: it waits for what becomes of that."""
    database.script(TABLE)
    one = start(shop("public.t", more={"runtime.batch.rows": 1}))
    database.script(FIRST)
    wait_until(lambda: client.exists("t:id:1"), "it is there", 15, context=one.tail)
    with database.connect() as connection:
        for number in range(20):
            connection.execute(f"update t set j = {DEEP}, big = repeat('b', 5000)")
            connection.execute(f"update t set j = '{number}'")
    wait_parked(one, 40)
    assert shown(client) == ({}, "a")


def test_a_later_whole_change_closes_the_letter(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    """Nobody has to look at it any more; what comes behind is applied, also after a restart."""
    database.script("update t set j = '{}', big = repeat('c', 5000);")
    wait_until(lambda: states(millrace) == ["superseded"], "it is overtaken", 15, context=millrace.tail)
    last = letters(millrace)[0]["history"][-1]
    assert (last["what"], last["note"]) == ("overtaken", "its key was written since")
    millrace.terminate()
    start(millrace)
    database.script("update t set j = '7';")
    wait_until(lambda: shown(client) == (7, "c"), "it is applied", 15, context=millrace.tail)
    assert millrace.status()["cache"]["dead_letters"] == 0
    verify(millrace, code=0)


def test_a_delete_closes_the_letter(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    database.script("delete from t;")
    wait_until(lambda: states(millrace) == ["superseded"], "it is overtaken", 15, context=millrace.tail)
    assert not client.exists("t:id:1")


def test_a_dropped_letter_is_not_waited_for(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    """Who gives the row up has what Redis has, and changes go on from there."""
    assert act(millrace, "drop", "--all")["dropped"] == 1
    database.script("update t set j = '7';")
    wait_until(lambda: shown(client) == (7, "a"), "it is applied", 15, context=millrace.tail)


def test_a_merge_behind_a_parked_row(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Columns that the row says are as before are not so in Redis: all that are known are written."""
    database.script("create table t (id int primary key, j jsonb, v text); alter table t replica identity full;")
    one = start(shop("public.t", redis={"target.update": "merge"}))
    database.script("insert into t values (1, '{}', 'a');")
    wait_until(lambda: client.exists("t:id:1"), "it is there", 15, context=one.tail)
    database.script(f"update t set j = {DEEP}, v = 'b';")
    wait_parked(one, 1)
    database.script("update t set j = '{\"c\": 1}';")
    wait_until(lambda: document(client, "t:id:1") == {"id": 1, "j": {"c": 1}, "v": "b"}, "the row", 15,
               context=one.tail)
    wait_until(lambda: states(one) == ["superseded"], "it is overtaken", 15, context=one.tail)


def test_a_parked_change_of_key_and_then_a_delete(millrace: Millrace, database: Database,
                                                  client: redis.Redis) -> None:
    """The document that the row was to leave goes with the row, after a restart too."""
    database.script("update t set big = repeat('c', 5000), j = '{}';")
    wait_parked(millrace, 0)
    database.script(f"update t set id = 2, j = {DEEP};")
    wait_parked(millrace, 1)
    database.script("update t set id = 3, j = '1';")
    wait_parked(millrace, 2)
    assert list(client.scan_iter("t:*")) == ["t:id:1"]
    millrace.terminate()
    start(millrace)
    database.script("delete from t;")
    wait_parked(millrace, 0)
    assert list(client.scan_iter("t:*")) == []


def test_a_key_that_another_row_has_taken(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    """What was left behind there is the other row's by now, and stays."""
    database.script("update t set big = repeat('c', 5000), j = '{}';")
    wait_parked(millrace, 0)
    database.script(f"update t set id = 2, j = {DEEP};")
    wait_parked(millrace, 1)
    database.script("insert into t values (1, '{}', 'new');")
    wait_until(lambda: shown(client) == ({}, "n"), "the new row", 15, context=millrace.tail)
    database.script("delete from t where id = 2;")
    wait_parked(millrace, 0)
    assert shown(client) == ({}, "n")


def test_a_refused_change_of_key_in_a_cluster(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """What is parked leaves nothing behind: Redis has what it had before; and the old document goes with the row."""
    database.script(TABLE)
    one = start(make({"source": database.settings("public.t"),
                      "cache": {"kind": "redis", **cluster.settings, "topics": "t.public.t"}}))
    client = cluster.client()
    database.script(FIRST)
    wait_until(lambda: client.exists("t:id:1"), "it is there", 15, context=one.tail)
    database.script(f"update t set id = 2, j = {DEEP};")
    wait_parked(one, 1)
    assert list(client.scan_iter("t:*", target_nodes="primaries")) == ["t:id:1"]
    database.script("delete from t;")
    wait_parked(one, 0)
    assert list(client.scan_iter("t:*", target_nodes="primaries")) == []
