"""What rows can become in Redis: every target type, several outputs at once, chosen fields, merging, expiry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, cast

import redis
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def wait_equal(millrace: Millrace, get: Callable[[], Any], wanted: object) -> None:
    seen: list[Any] = []

    def same() -> bool:
        seen[:] = [get()]
        return bool(seen[0] == wanted)

    wait_until(same, "it is as wanted", 15,
               context=lambda: f"wanted {wanted}\nseen   {seen}\n{millrace.status()}\n{millrace.tail()}")


def entries(client: redis.Redis, stream: str) -> list[dict[str, str]]:
    """The fields of a stream's entries, oldest first."""
    return [dict(fields) for _, fields in cast("list[tuple[str, dict[str, str]]]", client.xrange(stream))]


def output(name: str, **options: str) -> dict[str, str]:
    return {f"outputs.{name}.{option.replace('__', '.')}": value for option, value in options.items()}


def wait_parked(millrace: Millrace) -> None:
    wait_until(lambda: bool(millrace.status()["cache"]["dead_letters"]), "a row is parked", 15, context=millrace.tail)


def test_one_table_many_outputs(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The same rows as documents, hashes, strings, members of sets and sorted sets, and a stream; all in step through
    inserts, updates that move members, deletes, a TRUNCATE, and a kill in between."""
    database.script("""create table f (id int primary key, origin text, delay int, at timestamptz);
      alter table f replica identity full;""")
    outputs = (output("doc", target__type="json", target__key="doc:{id}",
                      target__fields="id, origin as place.code, delay as place.delay")
               | output("hash", target__type="hash", target__key="hash:{id}", target__fields="-at")
               | output("text", target__type="string", target__key="text:{id}", target__value="{origin}/{delay}")
               | output("set", target__type="set", target__key="by:{lower(origin)}")
               | output("rank", target__type="sorted_set", target__key="rank:{date(at, %Y)}", target__score="delay")
               | output("log", target__type="stream", target__key="log:{table}", target__fields="id, delay"))
    millrace = start(shop("public.f", redis={"topics": "t.public.f"} | outputs))
    state: dict[int, tuple[str, int | None, str]] = {}

    def expected() -> dict[str, object]:
        out: dict[str, object] = {}
        for key, (origin, delay, year) in state.items():
            out[f"doc:{key}"] = {"id": key, "place": {"code": origin, "delay": delay}}
            out[f"hash:{key}"] = {"id": str(key), "origin": origin} | ({} if delay is None else {"delay": str(delay)})
            out[f"text:{key}"] = f"{origin}/{'' if delay is None else delay}"
            out.setdefault(f"by:{origin.lower()}", set()).add(str(key))  # type: ignore[attr-defined]
            if delay is not None:
                out.setdefault(f"rank:{year}", {})[str(key)] = float(delay)  # type: ignore[index]
        return out

    def found() -> dict[str, object]:
        out: dict[str, object] = {}
        for key in client.scan_iter("*"):
            if key.startswith("doc:"):
                out[key] = client.json().get(key)
            elif key.startswith("hash:"):
                out[key] = client.hgetall(key)
            elif key.startswith("text:"):
                out[key] = client.get(key)
            elif key.startswith("by:"):
                out[key] = client.smembers(key)
            elif key.startswith("rank:"):
                out[key] = dict(cast("list[tuple[str, float]]", client.zrange(key, 0, -1, withscores=True)))
            elif key.startswith(("log:", "millrace:")):
                continue
            else:
                out[key] = client.type(key)
        return out

    changes = 0

    def change(sql: str, rows: int, **rows_after: object) -> None:
        nonlocal changes
        database.script(sql)
        changes += rows

    change("""insert into f values (1, 'SEA', 5, '2024-03-01'), (2, 'SEA', null, '2024-03-01'),
      (3, 'JFK', -7, '2025-01-01');""", 3)
    state |= {1: ("SEA", 5, "2024"), 2: ("SEA", None, "2024"), 3: ("JFK", -7, "2025")}
    wait_equal(millrace, found, expected())
    change("update f set origin = 'LAX', delay = 9 where id = 2; update f set at = '2025-06-01' where id = 1;", 2)
    state |= {2: ("LAX", 9, "2024"), 1: ("SEA", 5, "2025")}
    wait_equal(millrace, found, expected())
    change("update f set id = 30 where id = 3; delete from f where id = 1; update f set delay = null where id = 2;", 3)
    state = {30: ("JFK", -7, "2025"), 2: ("LAX", None, "2024")}
    wait_equal(millrace, found, expected())
    millrace.kill()
    change("update f set delay = 1; insert into f values (4, 'SEA', 2, '2024-01-01');", 3)
    state = {30: ("JFK", 1, "2025"), 2: ("LAX", 1, "2024"), 4: ("SEA", 2, "2024")}
    start(millrace)
    wait_equal(millrace, found, expected())
    wait_equal(millrace, lambda: client.xlen("log:f"), changes)
    events = entries(client, "log:f")
    assert [event["op"] for event in events] == list("cccuuuduuuc")
    assert json.loads(events[3]["before"]) == {"id": 2, "delay": None}
    assert json.loads(events[3]["after"]) == {"id": 2, "delay": 9}
    assert events[6].keys() == {"op", "topic", "ts_us", "before"}
    change("truncate f;", 1)
    state = {}
    wait_equal(millrace, found, {})
    wait_equal(millrace, lambda: entries(client, "log:f")[-1]["op"], "t")
    assert millrace.status()["cache"]["dead_letters"] == 0


def test_a_stream_has_each_change_once(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Killed after each write, and its position taken back: Redis refuses what it has."""
    database.script("create table e (id int primary key, v text);")
    millrace = shop("public.e", redis={"target.type": "stream"})
    start(millrace)
    for turn in range(5):
        database.script(f"insert into e select {turn} * 100 + i, 'v' from generate_series(1, 100) i;")
        wait_equal(millrace, lambda: client.xlen("t.public.e"), (turn + 1) * 100)
        if turn % 2:
            millrace.kill()
            client.hset("millrace:position:cache", "position", "1:0:0")  # says of nothing that it is there
            start(millrace)
    database.script("update e set v = 'w' where id = 1;")
    wait_equal(millrace, lambda: client.xlen("t.public.e"), 501)
    rows = [json.loads(entry["after"])["id"] for entry in entries(client, "t.public.e")]
    assert rows == [*sorted(rows[:-1]), 1]
    assert millrace.status()["cache"]["dead_letters"] == 0


def test_a_stream_of_somebody_else_is_not_mixed_with(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table e (id int primary key);")
    client.xadd("t.public.e", {"not": "ours"})
    millrace = start(shop("public.e", redis={"target.type": "stream"}))
    database.script("insert into e values (1);")
    row = millrace.wait_state("cache", "failed")
    assert "stream" in str(row)
    assert client.xlen("t.public.e") == 1


def test_a_long_stream_is_cut(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table e (id int primary key);")
    millrace = start(shop("public.e", redis={"target.type": "stream", "target.stream.max.length": 500}))
    database.script("insert into e select generate_series(1, 5000);")
    wait_equal(millrace, lambda: [json.loads(entry["after"])["id"] for entry in entries(client, "t.public.e")][-1:],
               [5000])
    assert 500 <= client.xlen("t.public.e") < 1000


def test_merge_leaves_what_is_not_the_rows(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Two tables in one document, and what an application put there."""
    database.script("""create table p (id int primary key, name text, info jsonb);
      create table q (id int primary key, stock int); alter table p replica identity full;""")
    outputs = (output("p", topics="t.public.p", target__key="item:{id}", target__update="merge")
               | output("q", topics="t.public.q", target__key="item:{id}", target__update="merge",
                        target__fields="stock as supply.stock"))
    millrace = start(shop("public.p,public.q", redis={"topics": "t.public.p,t.public.q"} | outputs))
    database.script("insert into p values (1, 'one', '{\"a\": 1}'); insert into q values (1, 5);")
    get = lambda: client.json().get("item:1")  # noqa: E731
    wait_equal(millrace, get, {"id": 1, "name": "one", "info": {"a": 1}, "supply": {"stock": 5}})
    client.json().set("item:1", "$.mine", True)
    database.script("update p set info = '{\"b\": 2}' where id = 1; update q set stock = null where id = 1;")
    wait_equal(millrace, get, {"id": 1, "name": "one", "info": {"b": 2}, "supply": {"stock": None}, "mine": True})
    client.json().set("item:1", "$.name", "changed by hand")
    database.script("update p set info = null where id = 1;")
    wait_equal(millrace, get, {"id": 1, "name": "changed by hand", "info": None, "supply": {"stock": None},
                               "mine": True})


def test_a_merged_row_takes_only_its_own_members_with_it(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Two tables in one document, and what an application put there: each goes by itself, by DELETE, by a change of key
    or by TRUNCATE, and the document with the last."""
    database.script("create table a (id int primary key, x text); create table b (id int primary key, y text);")
    millrace = start(shop("public.a,public.b", redis={"topics": "t.public.a,t.public.b", "target.update": "merge"}
                          | output("a", topics="t.public.a", target__key="m:{id}", target__fields="id, x as o.x")
                          | output("b", topics="t.public.b", target__key="m:{id}", target__fields="id, y as o.i.y")))

    def get() -> dict[str, Any]:
        return {key: client.json().get(key) for key in client.scan_iter("m:*")}

    both = {"id": 1, "o": {"x": "x", "i": {"y": "y"}}}
    for sql, wanted in (
        ("insert into a values (1, 'x'); insert into b values (1, 'y');", {"m:1": both}),
        ("delete from a;", {"m:1": {"id": 1, "o": {"i": {"y": "y"}}}}),
        ("insert into a values (1, 'x');", {"m:1": both}),
        ("delete from b;", {"m:1": {"id": 1, "o": {"x": "x"}}}),
        ("delete from a;", {}),
        ("insert into b values (1, 'y'); insert into a values (1, 'x');", {"m:1": both}),
        ("update b set id = 2;", {"m:1": {"id": 1, "o": {"x": "x"}}, "m:2": {"id": 2, "o": {"i": {"y": "y"}}}}),
        ("update b set id = 1;", {"m:1": both}),
        ("truncate a;", {"m:1": {"id": 1, "o": {"i": {"y": "y"}}}}),
        ("truncate b;", {}),
        ("insert into a values (1, 'x');", {"m:1": {"id": 1, "o": {"x": "x"}}}),
    ):
        database.script(sql)
        wait_equal(millrace, get, wanted)
    client.json().set("m:1", "$.mine", True)
    client.json().set("m:1", "$.o.mine", 5)
    database.script("delete from a;")
    wait_equal(millrace, get, {"m:1": {"id": 1, "o": {"mine": 5}, "mine": True}})
    assert millrace.status()["cache"]["dead_letters"] == 0


def test_untouched_toast_of_a_merged_row_that_moves(shop: Shop, database: Database, client: redis.Redis) -> None:
    """It goes along with the row's own members, into a document that is new or that others have; theirs stay."""
    database.script("""create table a (id int primary key, v text, big text);
      create table b (id int primary key, y text);
      alter table a alter big set storage external;""")
    millrace = start(shop("public.a,public.b", redis={"topics": "t.public.a,t.public.b", "target.update": "merge"}
                          | output("a", topics="t.public.a", target__key="m:{id}", target__fields="id, v, big as o.big")
                          | output("b", topics="t.public.b", target__key="m:{id}", target__fields="id, y as o.y")))

    def get() -> dict[str, Any]:
        return {key: client.json().get(key) for key in client.scan_iter("m:*")}

    big = "x" * 5000
    database.script("insert into a values (1, null, repeat('x', 5000)); insert into b values (1, 'one'), (2, 'two');")
    one, two = {"id": 1, "o": {"y": "one"}}, {"id": 2, "o": {"y": "two"}}
    wait_equal(millrace, get, {"m:1": {"id": 1, "v": None, "o": {"y": "one", "big": big}}, "m:2": two})
    client.json().set("m:2", "$.mine", 5)
    database.script("update a set id = 2;")
    wait_equal(millrace, get, {"m:1": one, "m:2": {"id": 2, "v": None, "o": {"y": "two", "big": big}, "mine": 5}})
    database.script("update a set id = 3, v = 'w';")
    wait_equal(millrace, get, {"m:1": one, "m:2": two | {"mine": 5}, "m:3": {"id": 3, "v": "w", "o": {"big": big}}})
    database.script("update a set id = 4;")
    wait_equal(millrace, get, {"m:1": one, "m:2": two | {"mine": 5}, "m:4": {"id": 4, "v": "w", "o": {"big": big}}})
    assert millrace.status()["cache"]["dead_letters"] == 0


def test_a_merged_row_that_comes_again(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The same whether a batch ends between DELETE and INSERT or not: what others put there stays, and what the row
    had in a column that has been dropped since goes."""
    for together in (False, True):
        client.flushall()
        database.script("drop table if exists t; create table t (id int primary key, v text, w text);")
        names = {"slot.name": f"again_{together}".lower(), "publication.name": f"again_{together}".lower()}
        millrace = start(shop("public.t", redis={"target.update": "merge"}, postgres=names))
        database.script("insert into t values (1, 'a', 'w');")
        get = lambda: client.json().get("t:id:1")  # noqa: E731
        wait_equal(millrace, get, {"id": 1, "v": "a", "w": "w"})
        client.json().set("t:id:1", "$.mine", 1)
        if together:
            database.script("begin; delete from t; alter table t drop w; insert into t values (1, 'b'); commit;")
        else:
            database.script("delete from t;")
            wait_equal(millrace, get, {"id": 1, "mine": 1})
            database.script("alter table t drop w; insert into t values (1, 'b');")
        wait_equal(millrace, get, {"id": 1, "v": "b", "mine": 1})
        millrace.terminate()


def test_untouched_toast_inside_an_object(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table b (id int primary key, v int, big text);
      alter table b alter big set storage external;""")
    millrace = start(shop("public.b", redis={"target.fields": "id, v as o.v, big as o.big"}))
    database.script("insert into b values (1, 1, repeat('x', 5000)); update b set v = 2; update b set id = 2;")
    wait_equal(millrace, lambda: client.json().get("b:id:2"), {"id": 2, "o": {"v": 2, "big": "x" * 5000}})
    database.script("update b set v = 3; update b set id = 3, v = 4;")
    wait_equal(millrace, lambda: client.json().get("b:id:3"), {"id": 3, "o": {"v": 4, "big": "x" * 5000}})
    assert not client.exists("b:id:2")


def test_untouched_toast_in_two_outputs_that_move(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A key change that carries values only Redis has, in each of the outputs."""
    database.script("""create table b (id int primary key, big text); alter table b alter big set storage external;""")
    millrace = start(shop("public.b", redis={"topics": "t.public.b"} | output("one", target__key="one:{id}")
                          | output("two", target__key="two:{id}", target__type="hash")))
    database.script("insert into b values (1, repeat('x', 5000));")
    wait_equal(millrace, lambda: client.hgetall("two:1"), {"id": "1", "big": "x" * 5000})
    database.script("update b set id = 2;")
    wait_equal(millrace, lambda: (client.json().get("one:2"), client.hgetall("two:2")),
               ({"id": 2, "big": "x" * 5000}, {"id": "2", "big": "x" * 5000}))
    assert not client.exists("one:1", "two:1")


def test_untouched_toast_that_nobody_has_is_parked(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The document that has it was removed behind our back. Once the source sends it, the row is written."""
    database.script("""create table p (id int primary key, v int, big text);
      alter table p alter big set storage external;""")
    millrace = start(shop("public.p", redis={"topics": "t.public.p", "target.key": "p:{id}"}))
    database.script("insert into p select i, 0, repeat('b', 5000) from generate_series(1, 3) i;")
    wait_equal(millrace, lambda: client.exists("p:1", "p:2", "p:3"), 3)
    client.delete("p:1", "p:2")
    database.script("update p set v = 1; update p set id = 4 where id = 2; update p set id = 5 where id = 3;")
    wait_equal(millrace, lambda: client.json().get("p:5"), {"id": 5, "v": 1, "big": "b" * 5000})
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 3)
    listed = millrace.command("dead-letters", "cache", "--url", millrace.url, "--json").stdout
    assert "REPLICA IDENTITY FULL makes the source send them" in listed
    assert "bbbb" not in millrace.output.read_text()
    assert not client.exists("p:1", "p:2", "p:3", "p:4")
    database.script("alter table p replica identity full; update p set v = 2;")
    wait_equal(millrace, lambda: client.json().get("p:1"), {"id": 1, "v": 2, "big": "b" * 5000})
    wait_equal(millrace, lambda: client.json().get("p:4"), {"id": 4, "v": 2, "big": "b" * 5000})


def test_keys_of_another_type_are_left_alone(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Whatever the target type: the row is parked and the key stays as it is."""
    database.script("create table o (id int primary key, n int);")
    for kind in ("json", "hash", "string", "set", "sorted_set", "stream"):
        client.flushall()
        if kind == "set":
            client.set("x:1", "not ours")
        else:
            client.sadd("x:1", "not ours")
        more = {"target.score": "n"} if kind == "sorted_set" else {}
        millrace = shop("public.o", redis={"topics": "t.public.o", "target.type": kind, "target.key": "x:{id}"} | more,
                        postgres={"slot.name": f"o_{kind}", "publication.name": f"o_{kind}"})
        start(millrace)
        database.script("delete from o; insert into o values (1, 1), (2, 2);")
        wait_parked(millrace)
        wait_until(lambda: bool(client.exists("x:2")), f"{kind}: the others go on", 15, context=millrace.tail)
        database.script("delete from o;")
        time.sleep(0.3)
        assert client.type("x:1") == ("string" if kind == "set" else "set"), kind
        millrace.terminate()


def test_a_truncate_leaves_the_rows_of_other_outputs(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Whose keys lie among those of the table: more of their text is fixed. Also behind a restart, when no row of them
    has been seen."""
    database.script("create table f (code text primary key); create table g (id int primary key);")
    millrace = start(shop("public.f,public.g", redis={"topics": "t.public.f,t.public.g"}
                          | output("f", topics="t.public.f", target__key="flight:{code}")
                          | output("g", topics="t.public.g", target__key="flight:leg:{id}")))
    database.script("insert into f values ('a'), ('leg'); insert into g values (1), (2);")
    wait_until(lambda: len(client.keys("flight:*")) == 4, "all is there", 15, context=millrace.tail)
    millrace.terminate()
    start(millrace)
    database.script("truncate f;")
    wait_until(lambda: not client.exists("flight:a", "flight:leg"), "they are gone", 15, context=millrace.tail)
    assert sorted(client.keys("flight:*")) == ["flight:leg:1", "flight:leg:2"]
    database.script("insert into f values ('b'); truncate g;")
    wait_until(lambda: client.keys("flight:*") == ["flight:b"], "the others", 15, context=millrace.tail)


def test_settings_that_mean_nothing_are_refused(shop: Shop, database: Database) -> None:
    for settings, words in (({"target.type": "set"}, ["needs a key"]),
                            ({"target.type": "sorted_set", "target.key": "a"}, ["target.score", "needs the column"]),
                            ({"target.member": "{id}"}, ["target.member", "set or sorted_set"]),
                            ({"target.fields": "a as b c"}, ["target.fields"]),
                            ({"target.expire": "soon"}, ["target.expire", "seconds"]),
                            ({"target.type": "hash", "target.expire.fields": "v soon"}, ["'v soon'", "seconds"]),
                            ({"target.expire.fields": "v 5"}, ["target.expire.fields", "hash"]),
                            (output("a", target__type="json") | output("b", target__type="hash"),
                             ["write the same keys"]),
                            (output("a", target__key="a:{id}", target__expire="60")
                             | output("b", target__key="a:{a_id}", target__nest="bs", target__member="{id}"),
                             ["outputs.a.target.expire", "cannot expire", "output b"])):
        done = shop("public.s", redis=settings).check()
        assert done.returncode == 2
        for word in words:
            assert word in done.stdout + done.stderr, f"{settings}: {done.stdout + done.stderr}"
