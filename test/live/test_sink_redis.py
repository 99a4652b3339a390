"""What only a real Redis can show of its sink: what happens there behind the sink's back."""

from __future__ import annotations

from collections.abc import Callable

import redis
from test_stream import start, wait_documents

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def test_emptied_while_connected(shop: Shop, database: Database, client: redis.Redis) -> None:
    """FLUSHALL is noticed by the next change, and all is written again from the log."""
    database.script("create table s (id int primary key, v text);")
    millrace = start(shop("public.s"))
    database.script("insert into s select i, 'v' || i from generate_series(1, 20) i;")
    wanted: dict[str, dict[str, object]] = {f"s:id:{i}": {"id": i, "v": f"v{i}"} for i in range(1, 21)}
    wait_documents(millrace, client, wanted)
    client.flushall()
    database.script("insert into s values (21, 'v21');")
    wanted["s:id:21"] = {"id": 21, "v": "v21"}
    wait_documents(millrace, client, wanted)
    assert millrace.wait_state("cache", "running").get("dead_letters", 0) == 0


def test_emptied_while_nothing_changes(shop: Shop, database: Database, client: redis.Redis) -> None:
    """An idle sink looks at its target too."""
    database.script("create table s (id int primary key, v text);")
    millrace = start(shop("public.s"))
    database.script("insert into s values (1, 'one');")
    wait_documents(millrace, client, {"s:id:1": {"id": 1, "v": "one"}})
    client.flushall()
    wait_documents(millrace, client, {"s:id:1": {"id": 1, "v": "one"}})


def test_rows_that_change_places(shop: Shop, database: Database, client: redis.Redis) -> None:
    """In one statement, as a key allows that is checked at the end of the transaction."""
    database.script("""create table d (id int primary key deferrable initially deferred, v text);
      alter table d replica identity full;""")
    millrace = start(shop("public.d", redis={"target.key": "{table}:id:{id}"}))
    database.script("insert into d values (1, 'one'), (2, 'two'), (3, 'three');")
    database.script("update d set id = id % 3 + 1;")
    wait_documents(millrace, client, {"d:id:2": {"id": 2, "v": "one"}, "d:id:3": {"id": 3, "v": "two"},
                                      "d:id:1": {"id": 1, "v": "three"}})


def test_a_row_that_loses_its_key(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The row is parked, and its document does not stay behind."""
    database.script("create table n (id int primary key, k text); alter table n replica identity full;")
    millrace = start(shop("public.n", redis={"target.key": "{table}:{k}"}))
    database.script("insert into n values (1, 'x'), (2, 'y'); update n set k = null where id = 1;")
    wait_documents(millrace, client, {"n:y": {"id": 2, "k": "y"}})
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == 1, "the row is parked", 15, context=millrace.tail)


def test_columns_dropped_while_stopped(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A hash keeps no field of a column that its table has no longer."""
    database.script("create table h (id int primary key, a text, b text);")
    millrace = start(shop("public.h", redis={"target.type": "hash"}))
    database.script("insert into h values (1, 'a', 'b');")
    wait_until(lambda: client.hgetall("h:id:1") == {"id": "1", "a": "a", "b": "b"}, "it is there", 15)
    millrace.terminate()
    database.script("alter table h drop column b; update h set a = 'new';")
    start(millrace)
    wait_until(lambda: client.hgetall("h:id:1") == {"id": "1", "a": "new"}, "the field is gone", 15,
               context=lambda: str(client.hgetall("h:id:1")))


def test_moved_in_the_transaction_that_widens_the_table(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The row's document is in the same batch under the old key, of the table's version before."""
    database.script("""create table m (id int primary key, v text);
      alter table m alter v set storage external;""")
    millrace = start(shop("public.m"))
    database.script("""begin; insert into m values (1, repeat('v', 3000)); alter table m add c int;
      update m set id = 2 where id = 1; insert into m values (3, 'three', 3); commit;""")
    wait_documents(millrace, client, {"m:id:2": {"id": 2, "v": "v" * 3000, "c": None},
                                      "m:id:3": {"id": 3, "v": "three", "c": 3}})


def test_emptied_before_a_move(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The move finds neither its document nor the position: that is no fault of the row."""
    database.script("create table m (id int primary key, v text); alter table m alter v set storage external;")
    millrace = start(shop("public.m"))
    database.script("insert into m values (1, repeat('v', 3000));")
    wait_documents(millrace, client, {"m:id:1": {"id": 1, "v": "v" * 3000}})
    client.flushall()
    database.script("update m set id = 2;")
    wait_documents(millrace, client, {"m:id:2": {"id": 2, "v": "v" * 3000}})
    assert millrace.wait_state("cache", "running").get("dead_letters", 0) == 0
