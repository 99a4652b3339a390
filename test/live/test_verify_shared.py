"""`millrace verify` where rows share keys: members of sets and sorted sets, rows in documents of others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import redis
from test_redis_targets import output
from test_stream import start
from test_verify import counts, settled, verify

from harness.millrace import Millrace
from harness.postgres import Database

Shop = Callable[..., Millrace]
EVERYTHING = ("--repair", "missing,different,extra")
FLIGHTS = """create table f (id int primary key, g text, n int, code text not null);
  alter table f replica identity full;
  insert into f select i, 'g' || i % 3, i, 'c' || i from generate_series(1, 3000) i;"""


def kinds(found: dict[str, Any]) -> dict[str, str]:
    """What differs, by its place."""
    return {one["key"]: one["kind"] for one in found["differences"]}


def test_members_of_sets(shop: Shop, database: Database, client: redis.Redis) -> None:
    """More members than come in one portion; what no row of the table can have put there is nobody's business."""
    database.script(FLIGHTS)
    millrace = start(shop("public.f", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.f", "target.type": "set", "target.key": "by:{g}",
                                 "target.member": "{id}:{code}"}))
    settled(millrace)
    assert verify(millrace, code=0)["public.f"]["limits"] == []
    client.sadd("by:g1", "9999:c9999", "2:c2", "abc:c", "12", "7:")
    client.sadd("by:gone", "1:c1", "someone's")
    found = verify(millrace, code=1)["public.f"]
    assert kinds(found) == {"by:g1 9999:c9999": "extra", "by:g1 2:c2": "extra", "by:gone 1:c1": "extra"}
    assert {"g": "g1", "id": "2", "code": "c2"} in [one["row"] for one in found["differences"]]
    assert verify(millrace, "--repair", "extra", code=0)["public.f"]["repaired"] == 3
    assert verify(millrace, code=0)["public.f"]["repaired"] == 0
    assert client.smembers("by:gone") == {"someone's"}
    assert client.scard("by:g1") == 1003
    assert client.sismember("by:g2", "2:c2")


def test_members_of_sorted_sets(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A row without a score has no member: one that is there all the same is different from what the row says."""
    database.script(FLIGHTS + "insert into f values (4000, 'g1', null, 'x');")
    millrace = start(shop("public.f", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.f", "target.type": "sorted_set", "target.key": "rank",
                                 "target.score": "n"}))
    settled(millrace)
    assert verify(millrace, code=0)["public.f"]["limits"] == []
    assert client.zcard("rank") == 3000
    client.zadd("rank", {"4000": 1.5, "5000": 2, "two": 3, "7": 0})
    found = verify(millrace, code=1)["public.f"]
    assert kinds(found) == {"rank 4000": "different", "rank 5000": "extra", "rank 7": "different"}
    assert verify(millrace, *EVERYTHING, code=0)["public.f"]["repaired"] == 3
    assert verify(millrace, code=0)["public.f"]["repaired"] == 0
    assert client.zcard("rank") == 3001
    assert client.zscore("rank", "7") == 7
    assert client.zscore("rank", "two") == 3


ORDERS = """create table o (id int primary key, v text);
  create table l (o_id int, no int, v text, primary key (o_id, no)); alter table l replica identity full;
  create table a (o_id int, no int, id int, v text, primary key (o_id, no, id)); alter table a replica identity full;
  insert into o select i, 'o' from generate_series(1, 200) i;
  insert into l select o, n, 'l' from generate_series(1, 200) o, generate_series(1, 2) n;
  insert into a select o, 1, i, 'a' from generate_series(1, 200) o, generate_series(1, 2) i;"""
NESTED = ({"topics": "t.public.o,t.public.l,t.public.a"}
          | output("o", topics="t.public.o", target__key="o:{id}")
          | output("l", topics="t.public.l", target__key="o:{o_id}", target__nest="lines", target__member="{no}")
          | output("a", topics="t.public.a", target__key="o:{o_id}", target__nest="lines.{no}.parts",
                   target__member="{id}"))


def document(client: redis.Redis, key: str) -> Any:
    return client.json().get(key)


def nested(shop: Shop, database: Database) -> Millrace:
    database.script(ORDERS)
    millrace = start(shop("public.o,public.l,public.a", postgres={"snapshot.mode": "initial"}, redis=NESTED))
    settled(millrace)
    return millrace


def test_rows_in_documents(shop: Shop, database: Database, client: redis.Redis) -> None:
    millrace = nested(shop, database)
    assert [table["limits"] for table in verify(millrace, code=0).values()] == [[], [], []]
    json = client.json()
    json.set("o:1", '$.lines["9"]', {"o_id": 1, "no": 9, "v": "x"})
    json.set("o:2", '$.lines["2"].parts', {"1": {"v": "x"}, "mine": {"v": "not a number"}})
    json.set("o:3", '$.lines["1"].parts["2"].v', "changed")
    json.delete("o:4", '$.lines["1"].parts["2"]')
    found = verify(millrace, code=1)
    assert kinds(found["public.l"]) == {'o:1 $["lines"]["9"]': "extra"}
    assert kinds(found["public.a"]) == {'o:2 $["lines"]["2"]["parts"]["1"]': "extra",
                                        'o:3 $["lines"]["1"]["parts"]["2"]': "different",
                                        'o:4 $["lines"]["1"]["parts"]["2"]': "missing"}
    assert counts(found["public.o"]) == {}
    extra = next(one for one in found["public.a"]["differences"] if one["kind"] == "extra")
    assert extra["row"] == {"o_id": "2", "no": "2", "id": "1"}
    found = verify(millrace, *EVERYTHING, code=0)
    assert (found["public.l"]["repaired"], found["public.a"]["repaired"]) == (1, 3)
    assert sum(table["repaired"] for table in verify(millrace, *EVERYTHING, code=0).values()) == 0
    assert sorted(document(client, "o:1")["lines"]) == ["1", "2"]
    assert document(client, "o:2")["lines"]["2"]["parts"] == {"mine": {"v": "not a number"}}


def test_a_document_without_a_row_keeps_the_rows_in_it(shop: Shop, database: Database, client: redis.Redis) -> None:
    """They are of other tables: they wait for the next document, and that is as it should be."""
    millrace = nested(shop, database)
    client.json().set("o:999", "$", {"id": 999, "lines": {"1": {"v": "x"}}})
    database.script("insert into l values (999, 2, 'waits');")
    settled(millrace)
    found = verify(millrace, "--table", "public.o", *EVERYTHING, code=0)
    assert found["public.o"]["repaired"] == 1
    assert not client.exists("o:999")
    found = verify(millrace, code=1)
    assert kinds(found["public.l"]) == {'o:999 $["lines"]["1"]': "extra"}
    assert verify(millrace, *EVERYTHING, code=0)["public.l"]["repaired"] == 1
    database.script("insert into o values (999, 'new');")
    settled(millrace)
    verify(millrace, code=0)
    assert document(client, "o:999")["lines"] == {"2": {"o_id": 999, "no": 2, "v": "waits"}}


def test_rows_that_wait_for_their_document(shop: Shop, database: Database, client: redis.Redis) -> None:
    millrace = nested(shop, database)
    database.script("insert into l values (500, 1, 'w'), (500, 2, 'w'); insert into a values (500, 1, 7, 'w');")
    settled(millrace)
    verify(millrace, code=0)
    waiting = "millrace:nest:cache:o:500"
    fields = client.hgetall(waiting)
    assert len(fields) == 3
    first, second, part = ('$\0["lines"]\0001', '$\0["lines"]\0002', '$["lines"]["1"]\0["parts"]\0007')
    client.hdel(waiting, first)
    client.hset(waiting, second, '{"v":"changed"}')
    client.hset(waiting, part[:-1] + "8", '{"v":"of nobody"}')
    client.hset(waiting, "of somebody", "else")
    found = verify(millrace, code=1)
    assert kinds(found["public.l"]) == {'o:500 $["lines"]["1"]': "missing", 'o:500 $["lines"]["2"]': "different"}
    assert kinds(found["public.a"]) == {'o:500 $["lines"]["1"]["parts"]["8"]': "extra"}
    verify(millrace, *EVERYTHING, code=0)
    assert client.hgetall(waiting) == {**fields, "of somebody": "else"}
    client.delete("o:7")  # with all that lies in it
    found = verify(millrace, *EVERYTHING, code=0)
    assert {name: table["repaired"] for name, table in found.items()} == {"public.o": 1, "public.l": 2, "public.a": 2}
    assert sum(table["repaired"] for table in verify(millrace, *EVERYTHING, code=0).values()) == 0
    assert sorted(document(client, "o:7")["lines"]["1"]["parts"]) == ["1", "2"]


def test_nothing_false_while_members_move(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Rows change their sets, their scores and their parents all the time, and what is wrong is found among them."""
    database.script("""create table m (id int primary key, g int, n int, p int); alter table m replica identity full;
      create table p (id int primary key);
      insert into p select i from generate_series(0, 9) i;
      insert into m select i, i % 5, i, i % 12 from generate_series(1, 400) i;""")
    shared = ({"topics": "t.public.m,t.public.p"}
              | output("set", topics="t.public.m", target__type="set", target__key="set:{g}")
              | output("rank", topics="t.public.m", target__type="sorted_set", target__key="rank:{g}",
                       target__score="n")
              | output("p", topics="t.public.p", target__key="p:{id}")
              | output("m", topics="t.public.m", target__key="p:{p}", target__nest="m", target__nest__in="p"))
    millrace = start(shop("public.m,public.p", postgres={"snapshot.mode": "initial"}, redis=shared))
    settled(millrace)
    stop = threading.Event()

    def change() -> None:
        with database.connect() as connection:
            turn = 0
            while not stop.is_set():
                turn += 1
                at = turn % 400 + 1
                connection.execute("update m set g = (g + 1) %% 5, n = nullif(n + 1, 100), p = (p + 1) %% 12 "
                                   "where id = %s", (at,))
                connection.execute("delete from m where id = %s", ((at * 7) % 400 + 1,))
                connection.execute("insert into m values (%s, 1, %s, 11) on conflict do nothing",
                                   ((at * 7) % 400 + 1, turn))
                if turn % 20 == 0:
                    connection.execute("delete from p where id = %s", (turn // 20 % 10,))
                    connection.execute("insert into p values (%s) on conflict do nothing", ((turn // 20 + 5) % 10,))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for turn in range(3):
            verify(millrace, code=0)
            client.sadd(f"set:{turn}", "1001")
            client.zadd(f"rank:{turn}", {"1001": 5})
            found = verify(millrace, *EVERYTHING, code=0)
            assert found["public.m"]["repaired"] >= 2
            assert not client.sismember(f"set:{turn}", "1001")
    finally:
        stop.set()
        writer.join()
    settled(millrace)
    verify(millrace, code=0)


def test_what_is_not_looked_for_is_said(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table s (id int primary key, a text, n int); alter table s replica identity full;
      create table p (id int primary key); insert into s values (1, 'x', null), (2, 'X', 3);""")
    shared = ({"topics": "t.public.s,t.public.p"}
              | output("fold", topics="t.public.s", target__type="set", target__key="fold:{lower(a)}")
              | output("both", topics="t.public.s", target__type="set", target__key="both",
                       target__member="{a}{id}")
              | output("names", topics="t.public.s", target__type="sorted_set", target__key="names",
                       target__member="{lower(a)}", target__score="n")
              | output("p", topics="t.public.p", target__key="p:{id}")
              | output("list", topics="t.public.s", target__key="p:{n}", target__nest="list[id]", target__nest__in="p"))
    millrace = start(shop("public.s,public.p", postgres={"snapshot.mode": "initial"}, redis=shared))
    settled(millrace)
    client.sadd("fold:x", "7")
    client.sadd("both", "x7")
    client.zadd("names", {"y": 1})
    found = verify(millrace, *EVERYTHING, code=0)
    limits = sorted(found["public.s"]["limits"])
    assert [one.split(":")[0] for one in limits] == [
        "output both", "output fold", "output list", "output names", "output names"]
    for one, word in zip(limits, ("target.member", "target.key", "target.nest", "no score", "target.member"),
                         strict=True):
        assert word in one
    # The member of the row without a score is that of another row too: it stays.
    assert client.zscore("names", "x") == 3
    assert found["public.p"]["limits"] == []
