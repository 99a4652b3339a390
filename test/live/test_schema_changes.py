"""Tables that change while they are captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from harness.millrace import Millrace
from harness.oracle import documents, op_of
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def wait_same(millrace: Millrace, client: redis.Redis, key: str, wanted: dict[str, Any]) -> None:
    """Waits for the document; a key that is not there counts as NULL."""
    seen: dict[str, Any] = {}

    def same() -> bool:
        seen.clear()
        seen.update(documents(client, key).get(key, {}))
        return bool(seen) and {name: value for name, value in seen.items() if value is not None} == \
            {name: value for name, value in wanted.items() if value is not None}

    wait_until(same, f"{key} is {wanted}", 15, context=lambda: f"seen {seen}\n{millrace.status()}\n{millrace.tail()}")


def test_columns_added_dropped_renamed_retyped(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table al (id int primary key, a text, b int);")
    millrace = shop("public.al").start()
    millrace.wait_state("source", "running")
    steps: list[tuple[str, dict[str, Any]]] = [
        ("insert into al values (1, 'a', 1);", {"id": 1, "a": "a", "b": 1}),
        ("alter table al add column c numeric(8,2) default 5; insert into al values (2, 'b', 2, 3.5);",
         {"id": 2, "a": "b", "b": 2, "c": "3.50"}),
        ("alter table al drop column a; insert into al values (3, 3, 4);", {"id": 3, "b": 3, "c": "4.00"}),
        ("alter table al rename column b to bb; insert into al values (4, 4, 4);", {"id": 4, "bb": 4, "c": "4.00"}),
        ("alter table al alter column bb type bigint; insert into al values (5, 5000000000, 5);",
         {"id": 5, "bb": 5000000000, "c": "5.00"}),
        ("alter table al alter column c type text using 'c' || c; insert into al values (6, 6, 'text');",
         {"id": 6, "bb": 6, "c": "text"}),
        ("alter table al add column d jsonb, add column e text not null default 'e'; "
         "insert into al values (7, 7, 'x', '[1]', 'y');",
         {"id": 7, "bb": 7, "c": "x", "d": [1], "e": "y"}),
    ]
    for sql, wanted in steps:
        database.script(sql)
        wait_same(millrace, client, f"al:id:{wanted['id']}", wanted)
    database.script("update al set bb = 11 where id = 1; delete from al where id = 2;")
    wait_same(millrace, client, "al:id:1", {"id": 1, "bb": 11, "c": "c5.00", "e": "e"})
    wait_until(lambda: not client.exists("al:id:2"), "delete after the changes", 15)


def test_all_changes_in_one_backlog(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The table is already different when its old changes are read: each row has the shape it was written in."""
    database.execute("create table al (id int primary key, a text, b int)",
                     f"create publication {database.publication} for table al",
                     f"select pg_create_logical_replication_slot('{database.slot}', 'pgoutput')")
    database.script("""insert into al values (1, 'a', 1); alter table al add column c int;
      insert into al values (2, 'b', 2, 2);
      alter table al drop column a; insert into al values (3, 3, 3); alter table al rename column b to bb;
      insert into al values (4, 4, 4);
      alter table al alter column bb type text; insert into al values (5, 'five', 5);""")
    millrace = shop("public.al").start()
    millrace.wait_offset("t.public.al", 5)
    assert [record["after"] for record in millrace.consume("t.public.al") if op_of(record) == "insert"] == [
        {"id": 1, "a": "a", "b": 1}, {"id": 2, "a": "b", "b": 2, "c": 2}, {"id": 3, "b": 3, "c": 3},
        {"id": 4, "bb": 4, "c": 4}, {"id": 5, "bb": "five", "c": 5}]
    wait_same(millrace, client, "al:id:5", {"id": 5, "bb": "five", "c": 5})


def test_old_rows_stay_readable_after_a_restart(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Schemas live in the log: rows of every version are read by a process that never saw them made."""
    database.script("create table al (id int primary key, a text);")
    millrace = shop("public.al").start()
    millrace.wait_state("source", "running")
    database.script("""insert into al values (1, 'a'); alter table al add column b int;
      insert into al values (2, 'b', 2);""")
    millrace.wait_offset("t.public.al", 2)
    millrace.kill()
    millrace.start()
    millrace.wait_state("source", "running")
    database.script("alter table al drop column a; insert into al values (3, 3);")
    millrace.wait_offset("t.public.al", 3)
    assert [record["after"] for record in millrace.consume("t.public.al")] == [
        {"id": 1, "a": "a"}, {"id": 2, "a": "b", "b": 2}, {"id": 3, "b": 3}]
    wait_same(millrace, client, "al:id:3", {"id": 3, "b": 3})


def test_a_primary_key_that_changes(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table pk (id int not null, k text not null, v int, primary key (id));")
    millrace = shop("public.pk").start()
    millrace.wait_state("source", "running")
    database.script("insert into pk values (1, 'a', 1);")
    wait_same(millrace, client, "pk:id:1", {"id": 1, "k": "a", "v": 1})
    database.script("""alter table pk drop constraint pk_pkey, add primary key (id, k);
      insert into pk values (1, 'b', 2);""")
    wait_same(millrace, client, "pk:id:1:k:b", {"id": 1, "k": "b", "v": 2})
    database.script("update pk set v = 3 where k = 'b'; delete from pk where k = 'b';")
    wait_until(lambda: not client.exists("pk:id:1:k:b"), "delete by the new key", 15, context=millrace.tail)
    assert millrace.state("source") == "running"
