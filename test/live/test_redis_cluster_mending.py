"""What mends a target, in a real cluster: repairs, a rebuild, the guard of keys, dead letters sent again."""

from __future__ import annotations

from typing import Any

import redis
from conftest import MakeMillrace
from test_dead_letters import IN_THE_WAY, act, wait_parked
from test_redis_cluster import Writer, make_all, settled
from test_redis_rebuild import rebuild
from test_redis_targets import output
from test_stream import start
from test_verify import verify

from harness.postgres import Database
from harness.redis_cluster import RedisCluster

EVERYTHING = ("--repair", "missing,different,extra")


def kinds(found: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["kind"] for table in found.values() for one in table["differences"]}


def waiting_key(client: redis.RedisCluster, key: str) -> str:
    """Where rows wait for a document: its tag keeps it in the document's slot."""
    found = list(client.scan_iter(f"millrace:nest:cache:{{*}}{key}", target_nodes="primaries"))
    assert len(found) == 1, found
    assert client.cluster_keyslot(found[0]) == client.cluster_keyslot(key)
    return str(found[0])


def test_whatever_is_wrong_is_repaired(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """Keys, members of keys that rows share, rows in documents and those that wait for one, on every node."""
    millrace = start(make_all(make, database, cluster))
    database.script("""insert into f select i, 'o' || i % 7, i, 'b' from generate_series(1, 60) i;
      insert into g select i, 'o' || i % 7, i from generate_series(1, 60) i;
      insert into p select i, 'p' from generate_series(1, 20) i;
      insert into c select i, 1 + i % 25, 'c' from generate_series(1, 50) i;""")
    settled(millrace)
    verify(millrace, code=0)
    client = cluster.client()
    wrong: dict[str, str] = {}
    for i in range(1, 21):  # keys of all nodes
        client.delete(f"doc:{i}")
        client.hset(f"hash:{i}", "delay", "-1")
        client.set(f"text:{i + 100}", "of nobody")
        wrong |= {f"doc:{i}": "missing", f"hash:{i}": "different", f"text:{i + 100}": "extra"}
    for i in range(7):
        client.sadd(f"by:o{i}", "777")
        client.zrem(f"rank:o{i}", str(i + 7))
        wrong |= {f"by:o{i} 777": "extra", f"rank:o{i} {i + 7}": "missing"}
    for i in range(1, 21):
        client.json().set(f"p:{i}", '$.lines["888"]', {"v": "x"})
        wrong[f'p:{i} $["lines"]["888"]'] = "extra"
    for i in range(21, 26):
        waiting = waiting_key(client, f"p:{i}")
        assert client.hlen(waiting) == 2
        client.hset(waiting, '$\0["lines"]\000999', '{"v":"x"}')
        wrong[f'p:{i} $["lines"]["999"]'] = "extra"
    assert kinds(verify(millrace, code=1)) == wrong
    found = verify(millrace, *EVERYTHING, code=0)
    assert sum(table["repaired"] for table in found.values()) == len(wrong)
    assert sum(table["repaired"] for table in verify(millrace, *EVERYTHING, code=0).values()) == 0
    assert client.scard("by:o1") == 9
    assert client.hlen(waiting_key(client, "p:21")) == 2


def test_repaired_while_rows_flow_and_slots_move(make: MakeMillrace, database: Database,
                                                 cluster: RedisCluster) -> None:
    millrace = make_all(make, database, cluster)
    database.script("alter table f replica identity full;")  # a document taken away has nothing to keep
    start(millrace)
    writer = Writer(database).begin()
    writer.wait_turns(20)
    client = cluster.client()
    for slot in (int(client.cluster_keyslot("doc:5")), int(client.cluster_keyslot("hash:9")), 100):
        for i in range(10):
            client.delete(f"doc:{i}", f"hash:{i}")
            client.set(f"text:{i + 100}", "of nobody")
        source = cluster.owner(slot)
        target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
        cluster.begin_move(slot, source, target)
        found = millrace.command("verify", "{file}", "--json", *EVERYTHING, timeout_s=120)
        assert found.returncode in (0, 5), found.stdout + found.stderr  # slots on the move may refuse a look
        cluster.end_move(slot, source, target)
        verify(millrace, *EVERYTHING, code=0)
    writer.end()
    settled(millrace)
    verify(millrace, code=0)
    assert not list(client.scan_iter("text:1??", target_nodes="primaries"))


def test_rebuilt_under_other_keys(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """The keys of the settings before go at the end, on every node; those of other outputs stay."""
    millrace = start(make_all(make, database, cluster))
    writer = Writer(database)
    for _ in range(40):
        writer.turn()
    settled(millrace)
    millrace.terminate()
    millrace.connectors["cache"] |= output("hash", topics="t.public.f", target__type="hash", target__key="row:{id}",
                                           target__fields="-big")
    start(millrace)
    writer.begin()
    writer.wait_turns(5)
    client = cluster.client()
    assert list(client.scan_iter("hash:*", target_nodes="primaries"))
    rebuild(millrace)
    writer.end()
    settled(millrace)
    assert not list(client.scan_iter("hash:*", target_nodes="primaries"))
    with database.connect() as connection:
        ids = {f"row:{one}" for (one,) in connection.execute("select id from f")}
    assert set(client.scan_iter("row:*", target_nodes="primaries")) == ids
    verify(millrace, code=0)


def test_emptied_and_rebuilt(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    millrace = start(make_all(make, database, cluster))
    writer = Writer(database)
    for _ in range(40):
        writer.turn()
    settled(millrace)
    client = cluster.client()
    for pattern in ("doc:*", "text:*", "p:*", "by:*"):
        for key in client.scan_iter(pattern, target_nodes="primaries"):
            client.delete(key)
    rebuild(millrace)
    verify(millrace, code=0)


def test_the_guard_of_keys(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    """Two writers of the same keys, one of them far behind: what is newer stays."""
    database.script("create table s (id int primary key, v int); alter table s replica identity full;")
    guarded = {"kind": "redis", **cluster.settings, "target.guard": "version", "topics": "t.public.s",
               "target.key": "s:{id}"}
    millrace = start(make({"source": database.settings("public.s"), "cache": dict(guarded), "slow": dict(guarded)}))
    assert millrace.command("pause", "slow", "--url", millrace.url).returncode == 0
    database.script("insert into s select i, 0 from generate_series(1, 60) i;")
    for turn in range(1, 6):
        database.script(f"update s set v = {turn}; delete from s where id = {turn};")
    settled(millrace)
    client = cluster.client()

    def documents() -> dict[str, Any]:
        return {key: client.json().get(key) for key in client.scan_iter("s:*", target_nodes="primaries")}

    wanted = {f"s:{i}": {"id": i, "v": 5} for i in range(6, 61)}
    assert documents() == wanted
    assert millrace.command("resume", "slow", "--url", millrace.url).returncode == 0
    millrace.wait_settled("slow")
    assert documents() == wanted
    stale = next(line for line in millrace.metrics().splitlines()
                 if line.startswith('millrace_redis_stale_writes_total{connector="slow"}'))
    assert int(stale.split()[-1]) >= 60, stale
    found = millrace.command("verify", "{file}", "cache", "--json", timeout_s=60)
    assert found.returncode == 0, found.stdout


def test_dead_letters_sent_again(make: MakeMillrace, database: Database, cluster: RedisCluster) -> None:
    millrace = start(make_all(make, database, cluster))
    client = cluster.client()
    for i in range(1, 13):  # on every node
        client.lpush(f"hash:{i}", "of somebody else")
    database.script("""insert into f select i, 'a', i, 'b' from generate_series(1, 20) i;
      update f set delay = 100 where id < 5; delete from f where id = 7;""")
    wait_parked(millrace, 12 + 4 + 1)
    failed = act(millrace, "replay", "--all", code=1)
    assert (failed["failed"], failed["held"]) == (12, 5)
    for i in range(1, 13):
        client.delete(f"hash:{i}")
    assert act(millrace, "replay", "--error", IN_THE_WAY)["done"] == 17
    wait_parked(millrace, 0)
    assert client.hgetall("hash:2") == {"id": "2", "origin": "a", "delay": "100"}
    assert not client.exists("hash:7")
    verify(millrace, "--table", "public.f", code=0)
