"""Servers and connections that fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from conftest import MakeMillrace
from disk import fill, small_disk, wait_held

from harness.load import INCLUDE, PUBLISHED, SCHEMA, Load
from harness.millrace import Millrace
from harness.oracle import settle_and_compare
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.proxy import Proxy
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


@pytest.fixture
def own_postgres(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[PostgresServer]:
    """A server of the test's own, to be killed and changed."""
    del tmp_path_factory
    server = PostgresServer(root / "own-postgres", {"fsync": "on"})
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def own_redis(root: Path) -> Iterator[RedisServer]:
    server = RedisServer(root / "own-redis", durable=True)
    server.start()
    yield server
    server.destroy()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_postgres_restarts(how: str, own_postgres: PostgresServer, make: MakeMillrace, redis_server: RedisServer,
                           client: redis.Redis) -> None:
    database = Database(own_postgres, "restarted")
    database.script(SCHEMA)
    load = Load(database.connect, seed=1, largest=6)
    database.make_slot(PUBLISHED)
    millrace = make({"source": database.settings(INCLUDE), "cache": redis_settings(redis_server.uri)})
    millrace.start()
    try:
        for _ in range(3):
            load.run(30)
            load.close()
            if how == "kill":
                own_postgres.kill()
            else:
                own_postgres.stop()
            status = millrace.wait_state("source", "waiting for source")
            assert status["errors"] > 0
            own_postgres.start()
        load.run(20)
        settle_and_compare(millrace, database, client, load, 1)
        assert millrace.state("source") == "running"
    finally:
        load.close()
        millrace.close()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_redis_restarts(how: str, own_redis: RedisServer, make: MakeMillrace, database: Database, load: Load) -> None:
    database.make_slot(PUBLISHED)
    millrace = make({"source": database.settings(INCLUDE), "cache": redis_settings(own_redis.uri)})
    millrace.start()
    load.run_in_thread(pause_s=0.002)
    try:
        for number in range(1, 4):
            goal = len(load.expected) + 200 * number
            wait_until(lambda goal=goal: len(load.expected) > goal, "some load", 20)  # type: ignore[misc]
            if how == "kill":
                own_redis.kill()
            else:
                own_redis.stop()
            millrace.wait_state("cache", "waiting for target")
            assert millrace.state("source") == "running", "a target that is away stops no source"
            own_redis.start()
    finally:
        load.stop()
    settle_and_compare(millrace, database, own_redis.client(), load, 1)
    assert millrace.state("cache") == "running"
    millrace.terminate()


def test_redis_that_has_lost_its_data(own_redis: RedisServer, make: MakeMillrace, database: Database,
                                      load: Load) -> None:
    """A Redis that comes back empty does not know where it stands. Either it is filled again from what the log
      holds, or
    the operator is told; it is never half full in silence."""
    database.make_slot(PUBLISHED)
    millrace = make({"source": database.settings(INCLUDE), "cache": redis_settings(own_redis.uri)})
    millrace.start()
    load.run(50)
    settle_and_compare(millrace, database, own_redis.client(), load, 1)
    own_redis.kill()
    for file in own_redis.root.glob("appendonlydir/*"):
        file.unlink()
    own_redis.start()
    load.run(5)
    load.mark(2)
    wait_until(lambda: own_redis.client().exists("load_mark:id:2"), "goes on", 30, context=millrace.tail)
    if millrace.state("cache") == "running" and not millrace.status()["cache"].get("warnings"):
        settle_and_compare(millrace, database, own_redis.client(), load, 3)


def test_redis_out_of_memory(own_redis: RedisServer, make: MakeMillrace, database: Database) -> None:
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s"), "cache": redis_settings(own_redis.uri)})
    millrace.start()
    millrace.wait_state("source", "running")
    millrace.wait_state("cache", "running")
    client = own_redis.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)
    database.script("insert into s select i, repeat('x', 1000) from generate_series(1, 8000) as i;")
    status = millrace.wait_state("cache", "waiting for target")
    assert "memory" in str(status).lower()
    client.config_set("maxmemory", 0)
    wait_until(lambda: client.exists("s:id:8000"), "goes on once there is room", 60, context=millrace.tail)
    wait_until(lambda: len(list(client.scan_iter("s:*", count=2000))) == 8000, "all rows", 15)
    assert status.get("dead_letters", 0) == 0, "no room is no fault of the row"


def test_a_key_of_another_type_is_parked(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key, v text);")
    millrace = shop("public.s").start()
    millrace.wait_state("source", "running")
    millrace.wait_state("cache", "running")
    client.lpush("s:id:2", "a list of somebody else")
    database.script("insert into s values (1, 'a'), (2, 'private-value-2'), (3, 'c');")
    wait_until(lambda: client.exists("s:id:3"), "the neighbours are written", 15, context=millrace.tail)
    wait_until(lambda: millrace.status()["cache"].get("dead_letters") == 1, "one dead letter is counted", 15,
               context=lambda: str(millrace.status()))
    assert client.exists("s:id:1")
    assert client.lrange("s:id:2", 0, -1) == ["a list of somebody else"]
    listed = millrace.command("dead-letters", "cache", "--url", millrace.url, "--json")
    assert listed.returncode == 0, listed.stderr
    assert "s:id:2" in listed.stdout
    assert "private-value-2" not in millrace.output.read_text(), "cell values stay out of the logs"
    millrace.kill()
    millrace.start()
    millrace.wait_state("cache", "running")
    again = millrace.command("dead-letters", "cache", "--url", millrace.url, "--json")
    assert again.stdout == listed.stdout, "the dead letter outlives the process and is not parked twice"


def through(proxy: Proxy, link: str) -> dict[str, dict[str, str]]:
    """Settings that lead one of the two links through the proxy."""
    if link == "source":
        return {"postgres": {"database.port": str(proxy.port)}}
    return {"redis": {"redis.uri": f"redis://127.0.0.1:{proxy.port}/0"}}


@pytest.mark.parametrize("link", ["source", "target"])
def test_connections_cut(link: str, shop: Shop, database: Database, client: redis.Redis, load: Load,
                         redis_server: RedisServer) -> None:
    database.make_slot(PUBLISHED)
    with Proxy(database.server.port if link == "source" else redis_server.port) as proxy:
        millrace = shop(**through(proxy, link))
        millrace.start()
        load.run_in_thread(pause_s=0.002)
        try:
            for number in range(1, 8):
                goal = len(load.expected) + 60 * number
                wait_until(lambda goal=goal: len(load.expected) > goal, "some load", 20)  # type: ignore[misc]
                wait_until(lambda: proxy.active > 0, "connected again", 20, context=millrace.tail)
                proxy.cut(reset=number % 2 == 0)
        finally:
            load.stop()
        settle_and_compare(millrace, database, client, load, 1)
        assert proxy.connections > 7, "it has connected anew after each cut"


@pytest.mark.parametrize("link", ["source", "target"])
def test_connections_half_open(link: str, shop: Shop, database: Database, client: redis.Redis, load: Load,
                               redis_server: RedisServer) -> None:
    """The other side falls silent without a word. That is noticed within the stated time, and nothing is lost."""
    database.make_slot(PUBLISHED)
    with Proxy(database.server.port if link == "source" else redis_server.port) as proxy:
        millrace = shop(**through(proxy, link))
        millrace.connectors["cache"]["redis.socket.timeout.ms"] = "3000"
        millrace.connectors["source"]["status.update.interval.ms"] = "1000"
        millrace.start()
        load.run(20)
        settle_and_compare(millrace, database, client, load, 1)
        proxy.freeze(True)
        load.run(20)
        connector = "source" if link == "source" else "cache"
        millrace.wait_state(connector, f"waiting for {link}", timeout_s=30)
        proxy.freeze(False)
        settle_and_compare(millrace, database, client, load, 2)
        assert millrace.terminate() < 1.5


def test_stops_quickly_while_the_other_side_is_silent(shop: Shop, database: Database, load: Load,
                                                      redis_server: RedisServer) -> None:
    database.make_slot(PUBLISHED)
    with Proxy(database.server.port) as source, Proxy(redis_server.port) as target:
        millrace = shop(postgres={"database.port": str(source.port)},
                        redis={"redis.uri": f"redis://127.0.0.1:{target.port}/0"}).start()
        millrace.wait_state("source", "running")
        millrace.wait_state("cache", "running")
        source.freeze(True)
        target.freeze(True)
        load.run(20)
        assert millrace.terminate() < 1.5


def test_a_slow_link(shop: Shop, database: Database, client: redis.Redis, load: Load,
                     redis_server: RedisServer) -> None:
    database.make_slot(PUBLISHED)
    with Proxy(database.server.port) as source, Proxy(redis_server.port) as target:
        source.latency(0.1)
        target.latency(0.1)
        millrace = shop(postgres={"database.port": str(source.port)},
                        redis={"redis.uri": f"redis://127.0.0.1:{target.port}/0"}).start()
        load.run(60)
        settle_and_compare(millrace, database, client, load, 1)


def test_one_failing_connector_stops_no_other(make: MakeMillrace, database: Database, redis_server: RedisServer,
                                              client: redis.Redis) -> None:
    database.script("create table a (id int primary key); create table b (id int primary key);")
    broken = database.settings("public.b", slot_name=database.slot + "_b", publication_name=database.publication + "_b",
                               topic_prefix="u", database_dbname="no_such_database")
    away = redis_settings("redis://127.0.0.1:1/0")
    millrace = make({"good": database.settings("public.a"), "broken": broken, "cache": redis_settings(redis_server.uri),
                     "away": away})
    millrace.start()
    millrace.wait_state("good", "running")
    database.script("insert into a values (1);")
    wait_until(lambda: client.exists("a:id:1"), "the good ones work", 15, context=millrace.tail)
    assert millrace.state("away") == "waiting for target"
    assert millrace.state("broken") in ("failed", "waiting for source")


def assert_stays_connected(database: Database, seconds: float = 6) -> None:
    """The server does not time the connection out."""
    query = "select active_pid from pg_replication_slots where slot_name = %s"
    pid = database.value(query, (database.slot,))
    assert pid, "connected while intake is held back"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert database.value(query, (database.slot,)) == pid, "the server has timed the connection out"
        time.sleep(0.2)


def test_intake_held_back_keeps_the_connection(own_postgres: PostgresServer, make: MakeMillrace) -> None:
    """The log's disk is full for longer than wal_sender_timeout: the server must still be answered."""
    database = Database(own_postgres, "held")
    own_postgres.execute("postgres", "alter system set wal_sender_timeout = '2s'", "select pg_reload_conf()")
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s")})
    with small_disk(millrace.log_directory, "290m") as disk:
        millrace.start()
        millrace.wait_state("source", "running")
        wait_held(millrace, lambda: fill(database, "s", "text"))
        assert_stays_connected(database)
        # Also when nothing has got into the log since the start.
        millrace.kill()
        millrace.start()
        wait_until(database.slot_active, "connected again", 20, context=millrace.tail)
        assert_stays_connected(database)
        disk.grow("2g")
        millrace.wait_offset("t.public.s", database.value("select count(*) from s"), 60)
    millrace.close()


def test_an_idle_table_pins_no_wal(shop: Shop, database: Database) -> None:
    """Other tables write; the slot's confirmed position follows although nothing of ours happens."""
    database.script("create table quiet (id int primary key); create table busy (id bigserial primary key, v text);")
    millrace = shop("public.quiet", postgres={"heartbeat.interval.ms": "1000"}).start()
    millrace.wait_state("source", "running")
    database.script("insert into busy (v) select repeat('w', 500) from generate_series(1, 20000);")
    target = database.value("select pg_current_wal_lsn()::text")
    wait_until(lambda: database.value("select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots where "
                                      "slot_name = %s", (target, database.slot)),
               "the slot is confirmed past the other table's changes", 20,
               context=lambda: f"{millrace.status()}\n{millrace.tail()}")
