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
from test_stream import start

from harness.history import INCLUDE, OUTPUTS, PUBLISHED, SCHEMA, History, assert_in_step, seed_of, turns
from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
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
    delivered(millrace)
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


def delivered(millrace: Millrace) -> None:
    wait_until(lambda: millrace.status()["cache"]["lag_bytes"] == 0 and millrace.status()["source"]["lag_bytes"] == 0,
               "all is delivered", 30, context=millrace.tail)


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
