"""A Redis that is killed, emptied, restored, full or slow while random histories are on their way: at the end `verify`
finds nothing to mend."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeMillrace
from test_redis_replicas import Sentinel
from test_stream import start
from test_verify import verify

from harness.history import INCLUDE, OUTPUTS, PUBLISHED, SCHEMA, History, assert_in_step, seed_of, turns
from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.proxy import Proxy
from harness.redis_stack import RedisServer
from harness.rights import rights, set_user
from harness.waiting import wait_until

Pipeline = Callable[..., Millrace]
EVERY_SECOND = ["--appendonly", "yes", "--appendfsync", "everysec"]
ALWAYS = ["--appendonly", "yes", "--appendfsync", "always"]


@pytest.fixture
def history(database: Database, request: pytest.FixtureRequest) -> Iterator[History]:
    database.script(SCHEMA)
    database.make_slot(PUBLISHED)
    one = History(database.connect, seed_of(request.node.name))
    yield one
    with contextlib.suppress(AssertionError):
        one.stop()


@pytest.fixture
def server(root: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own; what it keeps on disk is up to `options`."""
    one = RedisServer(root / "fault-redis")
    yield one
    one.destroy()


@pytest.fixture
def pipeline(make: MakeMillrace, database: Database, history: History, server: RedisServer) -> Pipeline:
    """All of the history's tables into every type of target."""
    del history  # its tables are made

    def factory(**more: Any) -> Millrace:
        return make({"source": database.settings(INCLUDE), "cache": redis_settings(server.uri, **OUTPUTS, **more)},
                    {"runtime.batch.rows": 64})

    return factory


def last_file(server: RedisServer) -> Path:
    """The append-only file that is written just now."""
    return max(server.root.glob("appendonlydir/*.incr.aof"), key=lambda one: int(one.name.split(".")[-3]))


def cut(server: RedisServer, dice: random.Random) -> None:
    """What a machine that loses its power does to a file that was not synced: its end is gone."""
    file = last_file(server)
    with file.open("r+b") as handle:
        handle.truncate(max(0, file.stat().st_size - dice.randrange(1, 40_000)))


@pytest.mark.parametrize("options", [EVERY_SECOND, ALWAYS], ids=["everysec", "always"])
def test_killed_again_and_again(options: list[str], pipeline: Pipeline, history: History, server: RedisServer,
                                database: Database) -> None:
    """With everysec the end of the file goes too now and then: the position goes back with the data."""
    server.options = options
    server.start()
    millrace = start(pipeline())
    dice = random.Random(history.seed)
    history.start()
    for _ in turns(5):
        history.advance(dice.randint(20, 150))
        server.kill()
        if options is EVERY_SECOND and dice.random() < 0.6:
            cut(server, dice)
        history.advance(dice.randint(0, 60))
        server.start()
    assert_in_step(millrace, database, server.client(), history)


def test_both_killed(pipeline: Pipeline, history: History, server: RedisServer, database: Database) -> None:
    server.options = EVERY_SECOND
    server.start()
    millrace = start(pipeline())
    dice = random.Random(history.seed)
    history.start()
    for turn in turns(7):
        history.advance(dice.randint(5, 120))
        if turn % 3 != 1:
            millrace.kill()
        if turn % 3 != 0:
            server.kill()
            if dice.random() < 0.5:
                cut(server, dice)
        history.advance(dice.randint(0, 30))
        if not server.running():
            server.start()
        if not millrace.running():
            millrace.start(wait=False)
    wait_until(lambda: millrace.status() != {}, "millrace answers", 30, context=millrace.tail)
    assert_in_step(millrace, database, server.client(), history)


def test_emptied_again_and_again(pipeline: Pipeline, history: History, server: RedisServer, database: Database) -> None:
    """Whatever takes the data away: it is noticed, said, and all is filled again."""
    server.start()
    millrace = start(pipeline())
    client = server.client()
    dice = random.Random(history.seed)
    history.start()
    for turn in turns(6):
        history.advance(dice.randint(20, 100))
        fault = turn % 6
        if fault == 0:
            client.flushall()
        elif fault == 1:
            client.flushdb()
        elif fault == 2:
            client.execute_command("DEBUG", "RELOAD")  # loses nothing
        elif fault == 3:
            client.execute_command("SCRIPT", "FLUSH")
        elif fault == 4:  # nothing on disk: it comes back empty
            server.kill()
            server.start()
        else:
            client.delete("millrace:position:cache")
    assert_in_step(millrace, database, server.client(), history)
    said = millrace.output.read_text()
    assert "target holds nothing of this log: it is filled again" in said
    assert "Redis has lost its data while we were connected to it" in said


def test_restored_from_an_older_copy(pipeline: Pipeline, history: History, server: RedisServer,
                                     database: Database) -> None:
    """The position is as old as the data; what came after is sent again."""
    server.start()
    millrace = start(pipeline())
    history.start()
    for _ in turns(2):
        history.advance(60)
        server.client().save()
        copy = (server.root / "dump.rdb").read_bytes()
        history.advance(120)
        server.kill()
        (server.root / "dump.rdb").write_bytes(copy)
        server.start()
    assert_in_step(millrace, database, server.client(), history)


def test_restored_from_another_pipelines_copy(make: MakeMillrace, database: Database, server: RedisServer) -> None:
    """What is there is of another log: it says nothing of the rows of this one."""
    server.start()
    client = server.client()
    database.script("create table s (id int primary key, v text); alter table s replica identity full;")
    sink = redis_settings(server.uri, topics="t.public.s")
    millrace = start(make({"source": database.settings("public.s"), "cache": sink}))
    database.script("insert into s select i, 'v' from generate_series(1, 50) i;")
    wait_until(lambda: client.exists("s:id:50"), "rows", 15)
    delivered(millrace, 50)
    server.kill()
    server.start()
    client.hset("millrace:position:cache", mapping={"log": "another", "position": "1:1000:0"})
    database.script("insert into s values (51, 'v');")
    wait_until(lambda: len(client.keys("s:*")) == 51, "filled again", 15, context=millrace.tail)
    assert "filled again" in millrace.output.read_text()
    # The ids of streams are places in the log: with those of another one there is no going on.
    millrace.terminate()
    millrace.connectors = {**millrace.connectors, "cache": sink | {"target.type": "stream"}}
    client.hset("millrace:position:cache", "log", "another")
    millrace.start()
    said = millrace.wait_refused("cache")
    assert "another log" in said
    client.delete("millrace:position:cache")
    assert millrace.command("restart", "cache", "--url", millrace.url).returncode == 0
    wait_until(lambda: client.xlen("t.public.s") == 51, "a new stream", 15, context=millrace.tail)


def delivered(millrace: Millrace, rows: int) -> None:
    """So many rows of table s are in the log, and what is there is at the target."""
    millrace.wait_offset("t.public.s", rows)
    millrace.wait_settled()


def test_disturbed_while_connected(pipeline: Pipeline, history: History, server: RedisServer,
                                   database: Database) -> None:
    """Nothing is lost, and nothing is parked, when the server drops us, is made read-only, pauses or is busy."""
    server.start()
    millrace = start(pipeline(redis__socket__timeout__ms=1000))
    client = server.client()
    dice = random.Random(history.seed)
    history.start()
    for turn in turns(6):
        history.advance(dice.randint(10, 60))
        millrace.wait_state("cache", "running")
        fault = turn % 6
        if fault == 0:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        elif fault == 1:
            client.execute_command("CLIENT", "PAUSE", 700, "WRITE")
        elif fault == 2:
            client.execute_command("DEBUG", "SLEEP", 0.7)
        elif fault == 3:  # demoted where it stands
            client.execute_command("REPLICAOF", "127.0.0.1", 1)
            status = millrace.wait_state("cache", "waiting for target")
            assert "read-only replica" in status["message"], status
            assert "primary" in status["hint"], status
            client.execute_command("REPLICAOF", "NO", "ONE")
        elif fault == 4:  # longer than is waited for
            client.execute_command("CLIENT", "PAUSE", 2500, "ALL")
            status = millrace.wait_state("cache", "waiting for target")
            assert "no answer for" in status["message"], status
        else:
            client.config_set("min-replicas-to-write", 1)
            status = millrace.wait_state("cache", "waiting for target")
            assert "too few replicas" in status["message"], status
            client.config_set("min-replicas-to-write", 0)
    assert_in_step(millrace, database, client, history)


def test_out_of_memory_and_on(pipeline: Pipeline, history: History, server: RedisServer, database: Database) -> None:
    """No room is no fault of a row: all wait until there is some."""
    server.start()
    millrace = start(pipeline())
    client = server.client()
    history.start()
    for _ in turns(3):
        history.advance(40)
        client.config_set("maxmemory", 1_000_000)  # less than is in use
        status = millrace.wait_state("cache", "waiting for target")
        assert "out of memory (OOM)" in status["message"], status
        assert "raise maxmemory" in status["hint"], status
        history.advance(40)
        client.config_set("maxmemory", 0)
        millrace.wait_state("cache", "running")
    assert_in_step(millrace, database, client, history)


def rows_keys(client: Any) -> list[str]:
    """What is in Redis but for the keys that the sink keeps for itself."""
    return [key for key in client.scan_iter() if not key.startswith("millrace:")]


def mend(millrace: Millrace, client: Any, key: str) -> None:
    """A key that is gone is found and written again."""
    assert client.unlink(key) == 1
    found_and_mended(millrace)
    assert client.exists(key)


def found_and_mended(millrace: Millrace) -> None:
    verify(millrace, code=1)
    verify(millrace, "--repair", "missing,different", code=0)
    verify(millrace, code=0)


@pytest.mark.parametrize("kind", ["json", "hash", "string", "set", "sorted_set", "stream", "target.update: merge",
                                  "target.expire"])
def test_least_rights(kind: str, make: MakeMillrace, database: Database, server: RedisServer) -> None:
    """The rights that the docs name are enough for whatever a row does."""
    server.start()
    client = server.client()
    of_json = kind.startswith("target")
    set_user(client, "on", ">user-secret", "resetkeys", "~s:*", "~millrace:*", "~t.public.s",
             *rights("json", kind) if of_json else rights(kind), *rights("millrace verify"))
    database.script("""create table s (id int primary key, v int, big text);
      alter table s alter big set storage external;""")
    more: dict[str, Any] = {"target.update: merge": {"target.update": "merge"},
                            "target.expire": {"target.expire": "{v}"}}.get(kind, {})
    if kind == "sorted_set":
        more = {"target.score": "v"}
    if kind in ("set", "sorted_set"):
        more |= {"target.key": "s:{id}", "target.member": "{id}"}
    if kind == "string":
        more |= {"target.value": "{id}/{v}"}
    sink = redis_settings(server.uri, topics="t.public.s", redis__username="app", redis__password="user-secret",
                          target__type="json" if of_json else kind) | more
    millrace = start(make({"source": database.settings("public.s"), "cache": sink}))
    database.script("insert into s select i, i, repeat('b', 3000) from generate_series(1, 20) i;")
    delivered(millrace, 20)
    database.script("""update s set v = v + 1; update s set v = null where id = 3; update s set id = 30 where id = 4;
      delete from s where id = 5; alter table s add w int; update s set w = 1; alter table s drop column w;
      update s set v = 0 where id = 6;""")
    delivered(millrace, 63)
    assert rows_keys(client)
    database.script("truncate s; insert into s values (40, 1, 'b');")
    delivered(millrace, 65)
    wait_until(lambda: len(rows_keys(client)) == 1, "what is left", 15,
               context=lambda: f"{client.keys()} {millrace.tail()}")
    if kind not in ("stream", "target.expire"):  # a history, and what may have gone by itself: neither is missed
        mend(millrace, client, "s:40" if kind in ("set", "sorted_set") else "s:id:40")
    status = millrace.status()["cache"]
    assert (status["state"], status["dead_letters"]) == ("running", 0), status
    denied = {entry["object"] for entry in client.acl_log()}
    assert denied <= {"acl|dryrun", "config|get", "command|info", "info", "type"}, denied


def test_least_rights_for_documents_in_documents(make: MakeMillrace, database: Database, server: RedisServer) -> None:
    """And for indexes."""
    server.start()
    client = server.client()
    set_user(client, "on", ">user-secret", "resetkeys", "~s:*", "~by_v*", "~millrace:*",
             *rights("json", "target.nest", "indexes", "millrace verify"))
    database.script("""create table s (id int primary key, v int, till timestamptz, big text);
      alter table s alter big set storage external;
      create table c (no int primary key, s int, v int); alter table c replica identity full;""")
    outputs = {"outputs.s.topics": "t.public.s", "outputs.s.target.key": "s:{id}",
               "outputs.c.topics": "t.public.c", "outputs.c.target.key": "s:{s}", "outputs.c.target.nest": "children"}
    sink = redis_settings(server.uri, topics="t.public.s,t.public.c", redis__username="app",
                          redis__password="user-secret") | outputs | {"indexes.by_v.prefix": "s:",
                                                                      "indexes.by_v.fields.v": "NUMERIC"}
    millrace = start(make({"source": database.settings("public.s,public.c"), "cache": sink}))
    database.script("""insert into c select i, i % 5, i from generate_series(1, 20) i;
      insert into s select i, i, null, repeat('b', 3000) from generate_series(1, 9) i;""")
    delivered(millrace, 9)
    database.script("""update s set v = v + 1; update s set till = now() + interval '1 hour' where id < 4;
      update s set till = null where id = 2; delete from s where id = 3; update c set s = 2 where no = 7;
      delete from c where no = 8; truncate c; insert into c values (30, 1, 1); truncate s;
      insert into s values (1, 1, now() + interval '1 hour', 'b');""")
    wanted = [{"30": {"no": 30, "s": 1, "v": 1}}]
    wait_until(lambda: client.keys("s:*") == ["s:1"] and client.json().get("s:1", "$.children") == wanted, "all", 15,
               context=lambda: f"{client.json().get('s:1')} {millrace.tail()}")
    assert client.json().delete("s:1", "$.children['30']") == 1
    found_and_mended(millrace)
    status = millrace.status()["cache"]
    assert (status["state"], status["dead_letters"]) == ("running", 0), status
    denied = {entry["object"] for entry in client.acl_log()}
    assert denied <= {"acl|dryrun", "config|get", "command|info", "info", "type"}, denied


def test_rights_and_passwords_taken_away(pipeline: Pipeline, history: History, server: RedisServer,
                                         database: Database) -> None:
    """What lacks is named; given again, a restart of the sink goes on."""
    server.start()
    client = server.client()
    set_user(client, "on", ">user-secret", "~*", "+@all")
    millrace = start(pipeline(redis__username="app", redis__password="user-secret"))
    history.start()
    for take, give, said in (
        (["-json.set"], ["+json.set"], "json.set"),
        (["-zadd"], ["+zadd"], "zadd"),
        (["resetkeys", "~millrace:*"], ["~*"], "one of the keys"),
        (["resetpass", ">other"], ["resetpass", ">user-secret"], "WRONGPASS"),
    ):
        history.advance(30)
        set_user(client, *take)
        if said == "WRONGPASS":
            client.execute_command("CLIENT", "KILL", "USER", "app")
        status = millrace.wait_state("cache", "failed")
        assert said in status["message"], status
        assert status["hint"], status
        assert "user-secret" not in str(status)
        set_user(client, *give)
        assert millrace.command("restart", "cache", "--url", millrace.url).returncode == 0
        millrace.wait_state("cache", "running")
    assert_in_step(millrace, database, client, history)


def test_evicted(make: MakeMillrace, database: Database, server: RedisServer) -> None:
    """A policy of eviction is warned of; what it has taken, `verify` finds and writes again."""
    server.start()
    client = server.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_500_000)
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s"), "cache": redis_settings(server.uri)})
    assert "maxmemory-policy allkeys-lru removes documents" in millrace.check().stdout
    start(millrace)
    assert "maxmemory-policy allkeys-lru removes documents" in millrace.output.read_text()
    database.script("insert into s select i, repeat(md5(i::text), 30) from generate_series(1, 3000) i;")
    millrace.wait_offset("t.public.s", 3000)
    wait_until(lambda: client.info("stats")["evicted_keys"] > 0, "keys are gone", 15)
    # Where the position is among them, all would be filled again by itself.
    assert millrace.command("pause", "cache", "--url", millrace.url).returncode == 0
    millrace.wait_state("cache", "paused")
    client.config_set("maxmemory", 0)
    found = verify(millrace, code=1)["public.s"]
    assert found["missing"] > 0, found
    mended = verify(millrace, "--repair", "missing", code=0)["public.s"]
    assert mended["repaired"] > 0, mended
    assert millrace.command("resume", "cache", "--url", millrace.url).returncode == 0
    delivered(millrace, 3000)
    verify(millrace, code=0)
    assert len(list(client.scan_iter("s:*", count=1000))) == 3000


def memory_of(millrace: Millrace) -> int:
    line = next(line for line in Path(f"/proc/{millrace.pid}/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) * 1024


def test_a_link_that_lets_little_through(pipeline: Pipeline, history: History, server: RedisServer,
                                         database: Database) -> None:
    """The rows wait in the log, not in memory, and slow is no error."""
    server.start()
    with Proxy(server.port) as proxy:
        millrace = start(pipeline(redis__uri=f"redis://127.0.0.1:{proxy.port}/0", redis__socket__timeout__ms=2000))
        history.run(20)
        before = memory_of(millrace)
        proxy.rate(300_000)
        with database.connect() as connection:
            for turn in turns(3):
                connection.execute("insert into h_int select i, (select string_agg(md5((i + j * 7)::text), '') "
                                   "from generate_series(%s, %s + 20) j) from generate_series(1000, 5000) i "
                                   "on conflict (id) do update set v = excluded.v", (turn, turn))
                history.run(10)
        wait_until(lambda: millrace.status()["source"]["rows"] > 12_000, "all is in the log", 30, context=millrace.tail)
        wait_until(lambda: millrace.status()["cache"]["rows"] > 1_200, "some go through", 30, context=millrace.tail)
        status = millrace.status()
        assert status["cache"]["rows"] < status["source"]["rows"] - 4_000, "most rows wait"
        assert memory_of(millrace) - before < 120_000_000
        assert millrace.status()["cache"]["errors"] == 0, millrace.tail()
        assert millrace.state("cache") == "running"
        proxy.rate(None)
        assert_in_step(millrace, database, server.client(), history)
        assert millrace.status()["cache"]["errors"] == 0, millrace.tail()


@pytest.mark.parametrize("waits", [0, 1])
def test_failover_to_a_replica_that_lacks_the_last_writes(waits: int, pipeline: Pipeline, history: History,
                                                          database: Database, tmp_path: Path) -> None:
    """Its position is as old as its data. With redis.wait nothing was settled that it lacks."""
    primary = RedisServer(tmp_path / "primary")
    primary.start()
    with Proxy(primary.port) as link:
        replica = RedisServer(tmp_path / "replica", options=["--replicaof", "127.0.0.1", str(link.port),
                                                             "--repl-diskless-sync-delay", "0"])
        replica.start()
        wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up", "in step", 30)
        sentinel = Sentinel(tmp_path / "sentinel", primary)
        settings = {"redis__sentinel__nodes": f"127.0.0.1:{sentinel.port}", "redis__sentinel__master__name": "shop"}
        millrace = start(pipeline(redis__wait__replicas=waits, redis__wait__timeout__ms=300, **settings))
        try:
            history.start()
            history.advance(100)
            link.freeze(True)
            history.advance(100)
            if waits:
                status = millrace.wait_state("cache", "waiting for target")
                assert "replicas of the 1" in status["message"], status
                millrace.terminate()  # with one server left there is nobody to wait for
                cache = {**millrace.connectors["cache"], "redis.wait.replicas": 0}
                millrace.connectors = {**millrace.connectors, "cache": cache}
            primary.kill()
            if waits:
                millrace.start()
            wait_until(lambda: replica.client().info("replication")["role"] == "master", "it takes over", 30)
            history.advance(30)
            assert_in_step(millrace, database, replica.client(), history)
        finally:
            sentinel.stop()
            replica.destroy()
            primary.destroy()
