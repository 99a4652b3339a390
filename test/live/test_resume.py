"""Going on from a position that is no longer right is refused, with the choices, rather than skip anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis
from conftest import MakeMillrace

from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def captured(shop: Shop, database: Database, client: redis.Redis) -> Millrace:
    """A pipeline that has captured a row and was stopped."""
    database.script("create table s (id int primary key);")
    millrace = shop("public.s").start()
    millrace.wait_state("source", "running")
    database.script("insert into s values (1);")
    wait_until(lambda: client.exists("s:id:1"), "captured", 15, context=millrace.tail)
    millrace.terminate()
    return millrace


def assert_refused(millrace: Millrace, *words: str) -> None:
    """Fails with a sentence that has one of the words, and logs nothing more."""
    said = millrace.start(wait=False).wait_refused("source").lower()
    if millrace.running():
        assert millrace.next_offset("t.public.s") == 1
    assert any(word in said for word in words), said[-2000:]


def test_slot_dropped(shop: Shop, database: Database, client: redis.Redis) -> None:
    millrace = captured(shop, database, client)
    wait_until(lambda: not database.slot_active(), "slot is free", 10)
    database.execute(f"select pg_drop_replication_slot('{database.slot}')", "insert into s values (2)")
    assert_refused(millrace, "slot")
    assert not client.exists("s:id:2")


def test_reset_takes_a_new_snapshot(shop: Shop, database: Database, client: redis.Redis) -> None:
    """What the refusal tells to do: what was missed comes by a new snapshot, into the same topic."""
    millrace = captured(shop, database, client)
    wait_until(lambda: not database.slot_active(), "slot is free", 10)
    database.execute(f"select pg_drop_replication_slot('{database.slot}')", "insert into s values (2)")
    millrace.connectors["source"]["snapshot.mode"] = "initial"
    millrace.start()
    assert "millrace reset" in str(millrace.wait_state("source", "failed"))
    done = millrace.command("reset", "source", "--url", millrace.url)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: client.exists("s:id:2"), "the missed row", 20, context=millrace.tail)
    database.execute("insert into s values (3)")
    wait_until(lambda: client.exists("s:id:3"), "and the stream", 20, context=millrace.tail)
    assert [row["op"] for row in millrace.consume("t.public.s")] == ["c", "r", "r", "c"]


def test_a_sink_begins_anew_and_one_that_is_gone_is_forgotten(shop: Shop, database: Database,
                                                              client: redis.Redis) -> None:
    millrace = captured(shop, database, client)
    millrace.start()
    millrace.wait_state("cache", "running")
    client.delete("s:id:1")
    assert millrace.command("reset", "cache", "--url", millrace.url).returncode == 0
    wait_until(lambda: client.exists("s:id:1"), "sent again from the log's start", 15, context=millrace.tail)
    refused = millrace.command("forget", "cache", "--url", millrace.url)
    assert refused.returncode == 1 and "in the pipeline" in refused.stderr, refused.stderr
    millrace.terminate()
    del millrace.connectors["cache"]
    millrace.start()
    wait_until(lambda: "millrace forget" in millrace.tail(), "a sink that is gone is told", 10)
    assert millrace.command("forget", "cache", "--url", millrace.url).returncode == 0
    assert millrace.try_get("/api/v1/sinks") == "[]\n"
    assert millrace.command("forget", "cache", "--url", millrace.url).returncode == 1


def test_slot_dropped_and_made_anew(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A new slot of the same name begins later than our position: what lies between is gone."""
    millrace = captured(shop, database, client)
    wait_until(lambda: not database.slot_active(), "slot is free", 10)
    database.execute(f"select pg_drop_replication_slot('{database.slot}')", "insert into s values (2)",
                     f"select pg_create_logical_replication_slot('{database.slot}', 'pgoutput')",
                     "insert into s values (3)")
    assert_refused(millrace, "slot", "position")
    assert not client.exists("s:id:3")


def test_slot_advanced_by_someone_else(shop: Shop, database: Database, client: redis.Redis) -> None:
    millrace = captured(shop, database, client)
    wait_until(lambda: not database.slot_active(), "slot is free", 10)
    database.execute("insert into s values (2)",
                     f"select pg_replication_slot_advance('{database.slot}', pg_current_wal_lsn())",
                     "insert into s values (3)")
    assert_refused(millrace, "slot", "position", "confirmed")
    assert not client.exists("s:id:3")


def test_another_server(shop: Shop, database: Database, client: redis.Redis, root: Path) -> None:
    """The same names on a server with another system identifier."""
    millrace = captured(shop, database, client)
    other = PostgresServer(root / "other-postgres")
    other.start()
    try:
        twin = Database(other, database.name)
        twin.script("create table s (id int primary key); insert into s values (1);")
        twin.make_slot("s")
        twin.execute("insert into s values (2)")
        millrace.connectors["source"]["database.port"] = str(other.port)
        assert_refused(millrace, "system", "another server", "identifier")
        millrace.close()
    finally:
        other.destroy()


def test_slot_of_another_database(shop: Shop, database: Database, postgres: PostgresServer) -> None:
    database.script("create table s (id int primary key);")
    neighbour = Database(postgres, database.name + "_n")
    try:
        neighbour.execute(f"select pg_create_logical_replication_slot('{database.slot}', 'pgoutput')")
        said = shop("public.s").start(wait=False).wait_refused("source")
        assert neighbour.name in said, said[-1500:]
    finally:
        neighbour.drop()


def test_slot_of_another_plugin(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key);")
    database.execute(f"select pg_create_logical_replication_slot('{database.slot}', 'test_decoding')")
    assert "pgoutput" in shop("public.s").start(wait=False).wait_refused("source")


def test_a_slot_in_use_is_waited_for(make: MakeMillrace, shop: Shop, database: Database, client: redis.Redis,
                                     redis_server: RedisServer) -> None:
    """Two processes with logs of their own on one slot: the second waits until the first is gone."""
    first = captured(shop, database, client)
    first.start()
    first.wait_state("source", "running")
    second = make({"source": database.settings("public.s"), "cache": redis_settings(redis_server.uri)})
    second.start()
    status = second.wait_state("source", "waiting for source", "failed")
    assert "slot" in str(status).lower()
    assert first.state("source") == "running"


def test_a_sink_added_later_gets_all_that_the_log_has(make: MakeMillrace, shop: Shop, database: Database,
                                                      client: redis.Redis) -> None:
    millrace = captured(shop, database, client)
    millrace.connectors["second"] = dict(millrace.connectors["cache"]) | {"target.key": "again:{table}:{id}"}
    millrace.start()
    wait_until(lambda: client.exists("again:s:1"), "the new sink begins at the log's start", 15, context=millrace.tail)
