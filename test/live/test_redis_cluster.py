"""A real cluster: every target type, slots that move while rows flow, masters and millrace killed in the middle."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from conftest import MakeMillrace
from test_redis_targets import output
from test_stream import start

from harness.load import INCLUDE, SCHEMA, Load
from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_cluster import RedisCluster
from harness.waiting import wait_until

TABLES = """create table f (id int primary key, origin text, delay int, big text);
  alter table f alter big set storage external;
  create table p (id int primary key, v text); create table c (id int primary key, p_id int, v text);
  alter table c replica identity full; create table g (id int primary key, origin text, delay int);
  alter table g replica identity full;"""
OUTPUTS = ({"topics": "t.public.f,t.public.g,t.public.p,t.public.c"}
           | output("doc", topics="t.public.f", target__key="doc:{id}")
           | output("hash", topics="t.public.f", target__type="hash", target__key="hash:{id}", target__fields="-big")
           | output("text", topics="t.public.g", target__type="string", target__key="text:{id}",
                    target__value="{origin}/{delay}")
           | output("set", topics="t.public.g", target__type="set", target__key="by:{origin}")
           | output("rank", topics="t.public.g", target__type="sorted_set", target__key="rank:{origin}",
                    target__score="delay")
           | output("log", topics="t.public.g", target__type="stream", target__key="log:{id}")
           | output("all", topics="t.public.g", target__type="stream", target__key="all")
           | output("parent", topics="t.public.p", target__key="p:{id}")
           | output("child", topics="t.public.c", target__key="p:{p_id}", target__nest="lines",
                    target__nest__in="parent", target__member="{id}", target__fields="v"))
INCLUDED = "public.f,public.g,public.p,public.c"


def verified(millrace: Millrace, *tables: str) -> dict[str, Any]:
    chosen = [word for table in tables for word in ("--table", table)]
    done = millrace.command("verify", "{file}", "--json", "--settle-ms", "3000", *chosen, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr + millrace.tail()
    return dict(json.loads(done.stdout))


def settled(millrace: Millrace, timeout_s: float = 60) -> None:
    millrace.wait_settled(timeout_s=timeout_s)
    letters = millrace.command("dead-letters", "cache", "--url", millrace.url).stdout
    assert millrace.status()["cache"]["dead_letters"] == 0, letters


class Writer:
    """Changes rows of every table all the time, in transactions; counts the changes of `g`, which streams keep."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.events = 0
        self.turns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def turn(self) -> None:
        n, i = self.turns, self.turns % 40
        self.turns += 1
        with self.database.connect(autocommit=False) as connection:
            for sql in (
                f"insert into f values ({i}, 'o{n % 7}', {n}, repeat('b', 3000)) on conflict (id) do update "
                f"set origin = excluded.origin, delay = {n}",
                f"update f set delay = delay + 1 where id % 5 = {n % 5}",
                f"update f set id = id + 1000 where id = {(i * 7) % 40} and not exists "
                f"(select 1 from f where id = {(i * 7) % 40 + 1000})",
                f"delete from f where id = {1000 + (i * 3) % 40}",
                f"insert into p values ({i}, 'p{n}') on conflict (id) do update set v = excluded.v",
                f"insert into c values ({i}, {(i * 3) % 40}, 'c{n}') on conflict (id) do update "
                f"set v = excluded.v, p_id = {(n * 3) % 40}",
                f"delete from p where id = {(n * 11) % 40}",
                f"delete from c where id = {(n * 13) % 40}",
            ):
                connection.execute(sql)
            for sql in (
                f"insert into g values ({i}, 'o{n % 3}', {n}) on conflict (id) do update "
                f"set origin = excluded.origin, delay = excluded.delay",
                f"update g set delay = delay + 1 where id % 6 = {n % 6}",
                f"delete from g where id = {(n * 11) % 40}",
            ):
                self.events += max(0, connection.execute(sql).rowcount)
            connection.commit()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.turn()

    def begin(self) -> Writer:
        self._thread.start()
        return self

    def wait_turns(self, count: int) -> None:
        goal = self.turns + count
        wait_until(lambda: self.turns >= goal, f"{count} more transactions", 60)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def assert_all_there(millrace: Millrace, database: Database, cluster: RedisCluster, events: int) -> None:
    """By verify, and by what it does not know: streams have each change once, in order, and rows that nest are in the
    parents that are there."""
    verified(millrace, "public.f", "public.g", "public.p")
    client = cluster.client()
    ids = [one for one, _ in cast("list[tuple[str, Any]]", client.xrange("all"))]
    assert len(ids) == events, f"{len(ids)} entries of {events} changes"
    assert len(set(ids)) == len(ids)
    assert sum(int(client.xlen(key)) for key in client.scan_iter("log:*", target_nodes="primaries")) == events
    with database.connect() as connection:
        children: dict[str, dict[str, object]] = {}
        for key, parent, value in connection.execute("select id, p_id, v from c"):
            children.setdefault(str(parent), {})[str(key)] = {"v": value}
        for key, value in connection.execute("select id, v from p"):
            found = cast("dict[str, object] | None", client.json().get(f"p:{key}"))
            wanted = {"id": key, "v": value, "lines": children.get(str(key), {})}
            assert {"lines": {}, **(found or {})} == wanted


def make_all(make: MakeMillrace, database: Database, cluster: RedisCluster, **more: Any) -> Millrace:
    database.script(TABLES)
    return make({"source": database.settings(INCLUDED),
                 "cache": {"kind": "redis", **cluster.settings, **OUTPUTS, **more}}, {"runtime.batch.rows": 50})


def test_every_target_type(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """Rows come, change keys, go; tables are emptied; the position stands on each master."""
    millrace = start(make_all(make, database, cluster))
    writer = Writer(database)
    for _ in range(150):
        writer.turn()
    settled(millrace)
    assert_all_there(millrace, database, cluster, writer.events)
    database.script("truncate f; truncate p; truncate c;")
    settled(millrace)
    client = cluster.client()
    wait_until(lambda: not [*client.scan_iter("doc:*", target_nodes="primaries"),
                            *client.scan_iter("p:*", target_nodes="primaries"),
                            *client.scan_iter("millrace:nest:*", target_nodes="primaries")], "they are empty", 15)
    for _ in range(30):
        writer.turn()
    settled(millrace)
    assert_all_there(millrace, database, cluster, writer.events)
    for node in cluster.masters:
        keys = list(node.client().scan_iter("millrace:position:cache:*"))
        assert len(keys) == 1
        assert node.client().hgetall(keys[0])["slots"]


def test_slots_move_while_rows_flow(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """Both redirections are met: keys that have gone ahead to the other node, and slots that have moved for good. Every
    master gives slots away, the one of its position too."""
    millrace = start(make_all(make, database, cluster))
    writer = Writer(database).begin()
    writer.wait_turns(20)
    client = cluster.client()
    slots = sorted({int(client.cluster_keyslot(key)) for key in
                    ["doc:1", "hash:2", "text:3", "by:o1", "rank:o2", "all", "log:4", "doc:5", "doc:1006", "text:7"]}
                   | {0, 5461, 10922})
    for slot in slots:
        source = cluster.owner(slot)
        target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
        cluster.begin_move(slot, source, target)
        writer.wait_turns(8)
        cluster.move_keys(slot, source, target, 1)
        writer.wait_turns(8)
        cluster.end_move(slot, source, target)
        writer.wait_turns(8)
    writer.end()
    settled(millrace, 90)
    assert_all_there(millrace, database, cluster, writer.events)
    seen = cluster.redirections()
    assert seen["ASK"] > 0, seen
    assert seen["MOVED"] > 0, seen


def test_slots_move_while_millrace_is_away(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """The position goes with its slot, wherever that is by then: nothing is read again from the beginning."""
    millrace = start(make_all(make, database, cluster))
    writer = Writer(database)
    for _ in range(60):
        writer.turn()
    settled(millrace)
    millrace.terminate()
    for slot in [0, 1, 5460, 5461, 5462, 10922]:
        source = cluster.owner(slot)
        cluster.move_slot(slot, cluster.masters[(cluster.masters.index(source) + 2) % 3])
    for _ in range(20):
        writer.turn()
    start(millrace)
    settled(millrace)
    assert "oldest" not in millrace.tail(), millrace.tail()
    assert_all_there(millrace, database, cluster, writer.events)


@pytest.mark.parametrize("waits", [0, 1])
def test_a_master_dies_and_its_replica_takes_over(make: MakeMillrace, database: Database, tmp_path: Path,
                                                  waits: int) -> None:
    """The replica has a prefix of what its master was sent, the position with it; all masters' rows are sent again from
    there."""
    cluster = RedisCluster(tmp_path / "cluster", replicas=[0, 1, 2] if waits else [1]).start()
    try:
        millrace = start(make_all(make, database, cluster, **{"redis.wait.replicas": waits}))
        writer = Writer(database).begin()
        writer.wait_turns(40)
        if waits:  # with nobody left to wait for
            millrace.terminate()
            millrace.connectors["cache"]["redis.wait.replicas"] = 0
            start(millrace)
        writer.wait_turns(40)
        cluster.masters[1].kill()
        wait_until(lambda: millrace.state("cache") == "waiting for target", "the sink waits", 30,
                   context=lambda: str(millrace.status()))
        message = millrace.status()["cache"]["message"]
        writer.wait_turns(10)
        wait_until(lambda: cluster.replicas[1].client().info("replication")["role"] == "master",
                   "the replica takes over", 30)
        writer.wait_turns(30)
        writer.end()
        settled(millrace, 90)
        assert "slots" in message, message
        assert_all_there(millrace, database, cluster, writer.events)
    finally:
        cluster.destroy()


def test_killed_again_and_again(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """Rows of which nobody knows whether they were written are written again, moves of keys included."""
    millrace = make_all(make, database, cluster)
    database.make_slot(INCLUDED)
    writer = Writer(database).begin()
    for point in ("redis.after_write=kill@30", "redis.in_move=kill@1", "redis.after_write=kill@90",
                  "redis.in_move=kill@2", "redis.in_move=kill@3", "runtime.before_settle=kill@3",
                  "redis.in_move=kill@13", "redis.after_write=kill@11", "redis.in_move=kill@17"):
        millrace.start(point, wait=False)
        wait_until(lambda: not millrace.running(), f"{point} kills it", 60, context=millrace.tail)
    start(millrace)
    writer.wait_turns(10)
    writer.end()
    settled(millrace)
    assert_all_there(millrace, database, cluster, writer.events)


def test_one_master_is_emptied(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """It is noticed by its position, and all is written again from the log."""
    database.script("create table s (id int primary key, v text);")
    millrace = start(make({"source": database.settings("public.s"),
                           "cache": redis_settings("redis://127.0.0.1") | cluster.settings}))
    database.script("insert into s select i, 'v' || i from generate_series(1, 300) i;")
    settled(millrace)
    verified(millrace)
    cluster.masters[2].client().flushall()
    database.script("insert into s select i, 'v' || i from generate_series(301, 400) i;")
    client = cluster.client()
    wait_until(lambda: sum(1 for _ in client.scan_iter("s:*", target_nodes="primaries")) == 400, "all is there", 30,
               context=millrace.tail)
    settled(millrace)
    verified(millrace)


def test_the_mixed_load(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """The load that a single server is held against: types, big values, TRUNCATE, keys that change."""
    database.script(SCHEMA)
    load = Load(database.connect, seed=23)
    millrace = start(make({"source": database.settings(INCLUDE),
                           "cache": redis_settings("redis://127.0.0.1") | cluster.settings}))
    load.run(300)
    settled(millrace)
    verified(millrace)
    millrace.kill()
    load.run(100)
    start(millrace)
    settled(millrace)
    verified(millrace)
    load.close()


def test_check_names_the_nodes(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s"),
                     "cache": redis_settings("redis://127.0.0.1") | cluster.settings})
    done = millrace.check()
    assert done.returncode == 0, done.stdout + done.stderr
    for number, slots in enumerate(["0-5460", "5461-10921", "10922-16383"]):
        assert f"127.0.0.1:{cluster.masters[number].port}" in done.stdout
        assert f"slots {slots}" in done.stdout
    single = make({"source": database.settings("public.s"), "cache": redis_settings(cluster.masters[0].uri)})
    told = single.check()
    assert told.returncode == 3
    assert "redis.cluster.nodes" in told.stdout + told.stderr


def test_indexes_are_refused(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """An index would know of one node's documents only."""
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s"),
                     "cache": redis_settings("redis://127.0.0.1", topics="t.public.s", target__key="s:{id}")
                     | cluster.settings | {"indexes.s.fields.v": "TAG"}})
    done = millrace.check()
    assert done.returncode != 0
    assert "indexes.s.fields" in done.stdout + done.stderr
    with pytest.raises(redis.RedisError):
        cluster.masters[0].client().execute_command("FT.INFO", "s")
