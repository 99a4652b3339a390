"""Servers once for each worker, a database and an empty Redis for each test, and millrace processes that are ended."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.load import INCLUDE, SCHEMA, Load
from harness.millrace import Millrace
from harness.paths import remove_tree
from harness.pipeline import Settings, redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_cluster import RedisCluster
from harness.redis_stack import RedisServer

_numbers = itertools.count(1)
MakeMillrace = Callable[..., Millrace]


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    """A short path of our own: PostgreSQL's socket lies below it."""
    path = Path(tempfile.mkdtemp(prefix="millrace-"))
    yield path
    remove_tree(path)


@pytest.fixture(scope="session")
def postgres(root: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(root / "postgres")
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def redis_server(root: Path) -> Iterator[RedisServer]:
    server = RedisServer(root / "redis")
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    one = Database(postgres, f"test_{next(_numbers)}")
    yield one
    one.drop()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """The shared Redis, emptied of keys and indexes."""
    one = redis_server.client()
    one.flushall()
    for index in one.execute_command("FT._LIST"):
        one.execute_command("FT.DROPINDEX", index)
    yield one
    one.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    """Three masters, one of them with a replica."""
    one = RedisCluster(tmp_path / "cluster", replicas=[1]).start()
    yield one
    one.destroy()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED = pytest.StashKey[bool]()


@pytest.fixture
def make(root: Path, database: Database, client: redis.Redis, request: pytest.FixtureRequest) -> Iterator[MakeMillrace]:
    """Makes millrace processes; whatever still runs at the end is killed, before its database is dropped. Nothing that
    any of them printed may hold a secret."""
    del database, client  # torn down after the processes
    made: list[Millrace] = []

    def factory(connectors: Mapping[str, Settings], more: Settings | None = None) -> Millrace:
        made.append(Millrace(root / f"millrace-{next(_numbers)}", connectors, more))
        return made[-1]

    yield factory
    for one in made:
        one.close()
        if request.node.stash.get(_FAILED, False):
            print(one.tail(6000))
    try:
        for one in made:
            one.assert_no_secret()
    finally:
        for one in made:
            remove_tree(one.directory)


@pytest.fixture
def shop(make: MakeMillrace, database: Database, redis_server: RedisServer) -> Callable[..., Millrace]:
    """Makes a source of the given tables and a sink of all their topics; `postgres` and `redis` change settings, `more`
    the file's own."""

    def factory(tables: str = INCLUDE, postgres: dict[str, Any] | None = None, redis: dict[str, Any] | None = None,
                more: Settings | None = None) -> Millrace:
        return make({"source": database.settings(tables) | (postgres or {}),
                     "cache": redis_settings(redis_server.uri, **(redis or {}))}, more)

    return factory


@pytest.fixture
def load(database: Database, request: pytest.FixtureRequest) -> Iterator[Load]:
    """The seeded load, its tables made; the seed is the test's name, so each test has a load of its own."""
    database.script(SCHEMA)
    one = Load(database.connect, seed=sum(map(ord, request.node.name)))
    yield one
    one.close()
