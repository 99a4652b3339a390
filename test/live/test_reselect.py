"""Large values that an update left alone are read from the table when the source is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import PASSWORD, Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
RESELECT = {"reselect.unavailable.values": "true"}
TABLE = """create table s (id int primary key, n int, big text, tags text[], doc jsonb);
  alter table s alter big set storage external; alter table s alter doc set storage external;
  alter table s alter tags set storage external;"""
LARGE = "create table s (id int primary key, n int, big text); alter table s alter big set storage external;"
ROW = """insert into s select {id}, 0, repeat('x{id}', 5000), array_agg('t' || i),
  jsonb_build_object('k', repeat('y', 9000)) from generate_series(1, 2000) i"""


def shop_of(shop: Shop, **more: str) -> Millrace:
    return start(shop("public.s", postgres=RESELECT | more, redis={"topics": "t.public.s", "target.key": "s:{id}"}))


def updated(millrace: Millrace, n: int) -> bool:
    if "t.public.s" not in millrace.topics():
        return False
    rows = millrace.consume("t.public.s")
    return bool(rows) and rows[-1]["after"]["n"] == n


def last_row(millrace: Millrace) -> dict[str, object]:
    row: dict[str, object] = millrace.consume("t.public.s")[-1]["after"]
    return row


def test_what_the_stream_leaves_out_is_read(shop: Shop, database: Database, client: redis.Redis) -> None:
    """In the log, and so in a target that has never had the row, also under a new key."""
    database.script(TABLE + ";".join(ROW.format(id=i) for i in (1, 2, 3)) + ";update s set tags = null where id = 3;")
    millrace = start(shop("public.s", postgres=RESELECT | {"snapshot.mode": "no_data"},
                          redis={"topics": "t.public.s", "target.key": "s:{id}"}))
    database.execute("update s set n = 1 where id = 1", "update s set id = 20 where id = 2",
                     "update s set n = 1 where id = 3")
    wait_until(lambda: client.exists("s:1", "s:20", "s:3") == 3, "all rows", 15, context=millrace.tail)
    for key, big in (("s:1", "x1" * 5000), ("s:20", "x2" * 5000), ("s:3", "x3" * 5000)):
        document: Any = client.json().get(key)
        assert document["big"] == big
        assert document["doc"] == {"k": "y" * 9000}
        assert document["tags"] == (None if key == "s:3" else [f"t{i}" for i in range(1, 2001)])
    assert not millrace.status()["cache"]["dead_letters"]


def test_of_many_rows_and_those_that_are_gone(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A row that is gone when its values are asked for keeps its marks, and goes; nothing is parked."""
    database.script(LARGE + "insert into s select i, 0, repeat('x', 3000) || i from generate_series(1, 3000) i;")
    millrace = shop_of(shop, **{"snapshot.mode": "initial"})
    wait_until(lambda: client.exists("s:3000"), "the snapshot", 30, context=millrace.tail)
    with database.connect(autocommit=False) as connection:
        connection.execute("update s set n = 1")
        connection.execute("delete from s where id % 3 = 0")
        connection.commit()
    database.execute("insert into s values (9999, 0, '')")
    wait_until(lambda: client.exists("s:9999"), "all changes", 30, context=millrace.tail)
    assert len(list(client.scan_iter("s:*"))) == 2001
    assert client.json().get("s:2", "$.big") == ["x" * 3000 + "2"]
    assert not millrace.status()["cache"]["dead_letters"]
    rows = [row for row in millrace.consume("t.public.s") if row["op"] == "u"]
    assert len(rows) == 3000
    assert sum("big" in row["after"] for row in rows) == 2000


def test_only_columns_that_are_listed(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLE + ROW.format(id=1) + ";")
    millrace = shop_of(shop, **{"snapshot.mode": "initial", "reselect.columns.include.list": "public.s:(big|tags)"})
    wait_until(lambda: client.exists("s:1"), "the snapshot", 15, context=millrace.tail)
    database.execute("update s set n = 1")
    wait_until(lambda: client.json().get("s:1", "$.n") == [1], "the update", 15, context=millrace.tail)
    assert set(last_row(millrace)) == {"id", "n", "big", "tags"}


def test_refused(shop: Shop, database: Database, client: redis.Redis) -> None:
    """By default the values keep their marks, and the log says why, once; or the connector ends and says what lacks."""
    role = f"{database.slot}_reader"
    database.script(TABLE + ROW.format(id=1) + f""";create role {role} login replication password '{PASSWORD}';
      create publication {database.slot} for table s; grant create on database {database.name} to {role};""")
    database.execute(f"alter publication {database.slot} owner to {role}")
    millrace = start(shop("public.s", redis={"topics": "t.public.s", "target.key": "s:{id}"},
                          postgres=RESELECT | {"snapshot.mode": "no_data", "database.user": role,
                                               "publication.autocreate.mode": "disabled"}))
    try:
        for n in (1, 2):
            database.execute(f"update s set n = {n}")
            wait_until(partial(updated, millrace, n), "the update", 15, context=millrace.tail)
            assert set(last_row(millrace)) == {"id", "n"}
        assert millrace.tail(20000).count("unchanged values cannot be read") == 1
        millrace.terminate()
        millrace.connectors["source"]["reselect.error.handling.mode"] = "fail"
        millrace.start()
        database.execute("update s set n = 3")
        assert "permission denied" in str(millrace.wait_state("source", "failed"))
        database.execute(f"grant select on s to {role}")
        assert millrace.command("restart", "source", "--url", millrace.url).returncode == 0
        wait_until(partial(updated, millrace, 3), "the update", 15, context=millrace.tail)
        assert set(last_row(millrace)) == {"id", "n", "big", "tags", "doc"}
    finally:
        millrace.close()
        wait_until(lambda: not database.slot_active(), "slot is free", 10)
        database.execute(f"select pg_drop_replication_slot('{database.slot}')", f"drop owned by {role}",
                         f"drop role {role}")


def test_the_connection_is_cut_in_the_middle(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Nothing is lost, nothing keeps a mark that could be read."""
    database.script(LARGE + "insert into s select i, 0, repeat('x', 3000) || i from generate_series(1, 500) i;")
    millrace = start(shop("public.s", postgres=RESELECT | {"snapshot.mode": "no_data"},
                          redis={"topics": "t.public.s", "target.key": "s:{id}"}))
    cut = 0
    for n in range(1, 6):
        database.execute(f"update s set n = {n}")
        with database.connect() as connection:
            cut += len(connection.execute("""select pg_terminate_backend(pid) from pg_stat_activity
              where application_name like 'millrace%' and backend_type = 'client backend'""").fetchall())
    wait_until(lambda: client.json().get("s:500", "$.n") == [5], "all updates", 60, context=millrace.tail)
    assert cut > 0
    assert client.json().get("s:7") == {"id": 7, "n": 5, "big": "x" * 3000 + "7"}
    assert not millrace.status()["cache"]["dead_letters"]


def test_the_server_ends_the_connection_that_reads(shop: Shop, database: Database, client: redis.Redis) -> None:
    """With a last word, which is no refusal of the table."""
    database.script(LARGE + "insert into s values (1, 0, repeat('x', 3000));")
    millrace = start(shop("public.s", postgres=RESELECT | {"snapshot.mode": "no_data"},
                          redis={"topics": "t.public.s", "target.key": "s:{id}"}))
    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like {!r}"
    with database.connect(autocommit=False) as writer, database.connect(autocommit=False) as locker:
        writer.execute("update s set n = 1")
        # It is next when the writer commits, so that whoever reads then waits.
        thread = threading.Thread(target=lambda: locker.execute("lock table s in access exclusive mode"))
        thread.start()
        wait_until(lambda: database.query(waiting.format("lock table%")), "the lock is asked for", 15)
        writer.commit()
        thread.join()
        reader = "SELECT%FROM%public%s%WHERE%"
        wait_until(lambda: database.query(waiting.format(reader)), "the values are asked for", 15,
                   context=millrace.tail)
        (pid,) = database.query(waiting.format(reader))[0]
        database.execute(f"select pg_terminate_backend({pid})")
        wait_until(lambda: not database.query(waiting.format(reader)), "it has gone", 15)
        locker.rollback()
    wait_until(lambda: client.json().get("s:1", "$.n") == [1], "the update", 30, context=millrace.tail)
    assert client.json().get("s:1") == {"id": 1, "n": 1, "big": "x" * 3000}
    assert not millrace.status()["cache"]["dead_letters"]
