"""A primary with a replica: waiting for it, and a failover by a sentinel in the middle of the load."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from conftest import MakeMillrace
from test_stream import start

from harness.load import INCLUDE, SCHEMA, Load
from harness.oracle import settle_and_compare
from harness.paths import redis_stack_home
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
from harness.rights import rights, set_user
from harness.waiting import free_port, wait_until


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary and its replica, in step."""
    primary = RedisServer(tmp_path / "primary")
    primary.start()
    replica = RedisServer(tmp_path / "replica", options=["--replicaof", "127.0.0.1", str(primary.port),
                                                         "--repl-diskless-sync-delay", "0"])
    replica.start()
    wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica is in step", 30)
    yield primary, replica
    replica.destroy()
    primary.destroy()


class Sentinel:
    """One sentinel that fails over after half a second."""

    def __init__(self, root: Path, primary: RedisServer) -> None:
        self.port = free_port()
        root.mkdir()
        file = root / "sentinel.conf"
        file.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {root}\n"
                        f"sentinel monitor shop 127.0.0.1 {primary.port} 1\n"
                        "sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n")
        with open(root / "log", "ab") as log:
            home = redis_stack_home()
            self._process = subprocess.Popen(
                [str(home / "server" / "bin" / "redis-server"), str(file), "--sentinel"], stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "LD_LIBRARY_PATH": str(home / "ssl11")})
        self.client = redis.Redis(port=self.port, protocol=2, decode_responses=True)
        wait_until(self.knows_replica, "the sentinel knows the replica", 30)

    def knows_replica(self) -> bool:
        try:
            return bool(self.client.execute_command("SENTINEL", "replicas", "shop"))
        except redis.RedisError:
            return False

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(15)


def test_a_write_waits_for_its_replica(make: MakeMillrace, database: Database,
                                       pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    database.script("create table s (id int primary key, v text);")
    millrace = start(make({"source": database.settings("public.s"),
                           "cache": redis_settings(primary.uri, redis__wait__replicas=1,
                                                   redis__wait__timeout__ms=300)}))
    database.script("insert into s values (1, 'one');")
    wait_until(lambda: bool(replica.client().exists("s:id:1")), "it is at the replica", 15)
    millrace.wait_settled()
    replica.kill()
    database.script("insert into s values (2, 'two');")
    wait_until(lambda: "replicas" in millrace.status()["cache"]["message"], "the sink says what it waits for", 15,
               context=lambda: str(millrace.status()))
    replica.start()
    millrace.wait_settled()
    assert replica.client().json().get("s:id:2") == {"id": 2, "v": "two"}
    assert millrace.status()["cache"]["dead_letters"] == 0


@pytest.mark.parametrize("waits", [0, 1])
def test_failover_in_the_middle_of_a_batch(make: MakeMillrace, database: Database, tmp_path: Path, waits: int,
                                           pair: tuple[RedisServer, RedisServer]) -> None:
    """The primary is killed under load. The replica has a prefix of what was written, its position with it, and the
    sink goes on from there, with the least rights."""
    primary, replica = pair
    for server in pair:
        set_user(server.client(), "on", ">user-secret", "~*",
                 *rights("json", "redis.wait.replicas", "Sentinel"))
    database.script(SCHEMA)
    load = Load(database.connect, seed=11 + waits)
    sentinel = Sentinel(tmp_path / "sentinel", primary)
    millrace = start(make({"source": database.settings(INCLUDE),
                           "cache": redis_settings("redis://127.0.0.1:1/0", redis__wait__replicas=waits,
                                                   redis__username="app", redis__password="user-secret",
                                                   redis__sentinel__nodes=f"127.0.0.1:1,127.0.0.1:{sentinel.port}",
                                                   redis__sentinel__master__name="shop")}))
    load.run(50)
    if waits:  # with one server left there is nobody to wait for
        millrace.terminate()
        alone = {**millrace.connectors["cache"], "redis.wait.replicas": 0}
        millrace.connectors = {**millrace.connectors, "cache": alone}
        start(millrace)
    load.run(50)
    primary.kill()
    load.run(100)
    wait_until(lambda: replica.client().info("replication")["role"] == "master", "the replica takes over", 30)
    load.run(50)
    settle_and_compare(millrace, database, replica.client(), load, 1)
    denied = {entry["object"] for server in pair[1:] for entry in server.client().acl_log()}
    assert denied <= {"acl|dryrun", "config|get", "command|info", "info"}, denied
    load.close()
    sentinel.stop()


def test_an_unknown_primary_is_told(make: MakeMillrace, database: Database, tmp_path: Path,
                                    pair: tuple[RedisServer, RedisServer]) -> None:
    sentinel = Sentinel(tmp_path / "sentinel", pair[0])
    database.script("create table s (id int primary key);")
    done = make({"source": database.settings("public.s"),
                 "cache": redis_settings("redis://127.0.0.1:1/0", redis__sentinel__master__name="shpo",
                                         redis__sentinel__nodes=f"127.0.0.1:{sentinel.port}")}).check()
    assert done.returncode == 3
    assert "called shpo" in done.stdout + done.stderr
    sentinel.stop()
