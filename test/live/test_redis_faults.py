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
