"""Rows of one table inside the documents of another, whatever the order in which they come and go."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import redis
from test_redis_targets import output, wait_equal
from test_stream import start
from test_verify import settled, verify

from harness.millrace import Millrace
from harness.oracle import documents
from harness.postgres import Database

Shop = Callable[..., Millrace]

TABLES = """create table o (id int primary key, v text);
  create table l (no int primary key, o_id int, v text, big text);
  create table a (l_no int, o_id int, part int, v text, primary key (l_no, part));
  alter table l alter big set storage external;
  alter table l replica identity full; alter table a replica identity full;"""
TOPICS = {"topics": "t.public.o,t.public.l,t.public.a"}
OUTPUTS = (TOPICS | output("order", topics="t.public.o", target__key="order:{id}")
           | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest="lines",
                    target__member="{no}", target__fields="v, big")
           | output("allocation", topics="t.public.a", target__key="order:{o_id}",
                    target__nest="lines.{l_no}.parts", target__member="{part}", target__fields="v"))


# The same in arrays, also of rows in arrays.
ARRAYS = (TOPICS | output("order", topics="t.public.o", target__key="order:{id}")
          | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest="lines[no]",
                   target__fields="no, v, big")
          | output("allocation", topics="t.public.a", target__key="order:{o_id}",
                   target__nest="lines[no].{l_no}.parts[part]", target__fields="part, v"))
MIXED = ARRAYS | output("allocation", target__nest="lines[no].{l_no}.parts", target__member="{part}",
                        target__fields="v")


def as_arrays(found: dict[str, object], levels: tuple[str, ...]) -> dict[str, object]:
    """What maps by number would be as arrays, sorted by it; `levels`: the members that tell the rows apart."""
    def turn(value: Any, boxes: tuple[str, ...], ids: tuple[str, ...]) -> Any:
        if not boxes or boxes[0] not in value:
            return value
        inner = {key: turn(row, boxes[1:], ids[1:]) for key, row in value[boxes[0]].items()}
        rows = sorted(({ids[0]: int(key)} | row for key, row in inner.items()), key=lambda row: row[ids[0]])
        return {**value, boxes[0]: rows if ids[0] else inner}

    return {key: turn(value, ("lines", "parts"), levels) for key, value in found.items()}


def expected(database: Database) -> dict[str, object]:
    """What the documents are to be, by the tables."""
    orders: dict[str, dict[str, object]] = {}
    with database.connect() as connection:
        for key, value in connection.execute("select id, v from o"):
            orders[f"order:{key}"] = {"id": key, "v": value}
        lines: dict[tuple[int, int], dict[str, object]] = {}
        for number, order, value, big in connection.execute("select no, o_id, v, big from l where o_id is not null"):
            lines[order, number] = {"v": value, "big": big}
            if document := orders.get(f"order:{order}"):
                document.setdefault("lines", {})[str(number)] = lines[order, number]  # type: ignore[index]
        for number, order, part, value in connection.execute("select l_no, o_id, part, v from a"):
            if (line := lines.get((order, number))) is not None:
                line.setdefault("parts", {})[str(part)] = {"v": value}  # type: ignore[index]
    return dict(orders)


def bare(found: dict[str, object]) -> dict[str, object]:
    """Without objects that have become empty: they stay."""
    def strip(value: object) -> object:
        if isinstance(value, list):
            return [strip(one) for one in value]
        if not isinstance(value, dict):
            return value
        out = {key: strip(inner) for key, inner in value.items()}
        return {key: inner for key, inner in out.items() if not (key in ("lines", "parts") and inner in ({}, []))}

    return {key: strip(value) for key, value in found.items()}


def wait_same(millrace: Millrace, database: Database, client: redis.Redis, levels: tuple[str, ...] = ("", "")) -> None:
    wait_equal(millrace, lambda: bare(documents(client, "order:*")), as_arrays(expected(database), levels))


@pytest.mark.parametrize(("outputs", "levels"), [(OUTPUTS, ("", "")), (ARRAYS, ("no", "part")), (MIXED, ("no", ""))],
                         ids=["objects", "arrays", "objects in an array"])
def test_children_come_and_go(shop: Shop, database: Database, client: redis.Redis, outputs: dict[str, str],
                              levels: tuple[str, ...]) -> None:
    database.script(TABLES)
    millrace = start(shop("public.o,public.l,public.a", redis=outputs))
    for sql in (
        "insert into a values (7, 1, 1, 'first of all'); insert into l values (7, 1, 'before its parent', 'b');",
        "insert into o values (1, 'one'), (2, 'two');",
        "insert into l values (8, 1, 'x', repeat('y', 5000)); insert into a values (8, 1, 1, 'p'), (8, 1, 2, 'q');",
        "update o set v = 'changed'; update l set v = 'z' where no = 8; update a set v = 'r' where part = 2;",
        "update l set o_id = 2 where no = 8; update a set o_id = 2 where l_no = 8;",
        "delete from o where id = 2;",
        "update l set v = 'changed while waiting', big = 'c' where no = 8; delete from a where l_no = 8 and part = 1;",
        "insert into o values (2, 'again');",
        "update o set id = 3 where id = 2;",
        "update l set o_id = 3 where no = 8; update a set o_id = 3 where l_no = 8;",
        "update l set o_id = null where no = 7;",
        "update l set o_id = 1 where no = 7;",
        "delete from l where no = 8;",
        "insert into l values (8, 3, 'back', null);",
        "truncate a;",
        "insert into a values (8, 3, 5, 'after');",
        "truncate l, a;",
        "truncate o;",
        "insert into o values (1, 'anew'); insert into l values (7, 1, 'anew', null);",
    ):
        database.script(sql)
        wait_same(millrace, database, client, levels)
    assert millrace.status()["cache"]["dead_letters"] == 0
    settled(millrace)
    verify(millrace, code=0)


def test_a_parent_truncated_leaves_its_children_waiting(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLES)
    millrace = start(shop("public.o,public.l,public.a", redis=OUTPUTS))
    database.script("""insert into o values (1, 'one'); insert into l values (7, 1, 'x', 'y');
      insert into a values (7, 1, 1, 'p');""")
    wait_same(millrace, database, client)
    database.script("truncate o;")
    wait_same(millrace, database, client)
    database.script("insert into o values (1, 'again');")
    wait_same(millrace, database, client)


def test_odd_names(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Names that paths and Lua treat in ways of their own; what RedisJSON cannot say in a path is parked."""
    database.script("""create table o (id text primary key); create table l (k text primary key, o_id text, v int);
      alter table l replica identity full;""")
    millrace = start(shop("public.o,public.l", redis={"topics": "t.public.o,t.public.l"}
                          | output("o", topics="t.public.o", target__key="o:{id}")
                          | output("l", topics="t.public.l", target__key="o:{o_id}", target__nest="l%*'[",
                                   target__fields="v")))
    names = ["a/b", "it's", "a.b", "[0]", "*", "ünï", "new\nline", "tab\t", "", "%z", "$"]
    with database.connect() as connection:
        for number, name in enumerate([*names, 'a"b', "a\\b", " "]):
            connection.execute("insert into l values (%s, 'x:%%', %s)", (name, number))
        connection.execute("insert into o values ('x:%')")
        connection.execute("update l set v = v + 1")
    wanted = {name: {"v": number + 1} for number, name in enumerate(names)}
    wait_equal(millrace, lambda: documents(client, "o:*"), {"o:x:%": {"id": "x:%", "l%*'[": wanted}})
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 6)
    database.script("delete from o; delete from l where v % 2 = 0; insert into o values ('x:%');")
    wanted = {name: value for name, value in wanted.items() if value["v"] % 2}
    wait_equal(millrace, lambda: documents(client, "o:*"), {"o:x:%": {"id": "x:%", "l%*'[": wanted}})
    database.script("truncate l;")
    wait_equal(millrace, lambda: documents(client, "o:*"), {"o:x:%": {"id": "x:%"}})


@pytest.mark.parametrize(("outputs", "levels"), [(OUTPUTS, ("", "")), (ARRAYS, ("no", "part"))],
                         ids=["objects", "arrays"])
def test_random_changes_and_kills(shop: Shop, database: Database, client: redis.Redis, outputs: dict[str, str],
                                  levels: tuple[str, ...]) -> None:
    database.script(TABLES)
    millrace = start(shop("public.o,public.l,public.a", redis=outputs, more={"runtime.batch.rows": 16}))
    random_one = random.Random(7)
    for turn in range(6):
        with database.connect(autocommit=False) as connection:
            for _ in range(120):
                order, line, part = random_one.randint(1, 6), random_one.randint(1, 9), random_one.randint(1, 3)
                connection.execute(random_one.choice([
                    f"insert into o values ({order}, 'o') on conflict (id) do update set v = o.v || 'x'",
                    f"delete from o where id = {order}",
                    f"insert into l values ({line}, {order}, 'l', repeat('b', 4000)) on conflict (no) do nothing",
                    f"update l set v = v || 'y' where no = {line}",
                    f"delete from l where no = {line}",
                    f"update l set o_id = {order} where no = {line}",
                    f"insert into a select no, o_id, {part}, 'a' from l where no = {line} and o_id is not null "
                    "on conflict (l_no, part) do update set v = a.v || 'z'",
                    f"delete from a where l_no = {line} and part = {part}",
                    f"update a set o_id = l.o_id from l where l.no = a.l_no and l.no = {line} and l.o_id is not null",
                ]))
                if random_one.random() < 0.2:
                    connection.commit()
            connection.commit()
        if turn % 2:
            millrace.kill()
            start(millrace)
    wait_same(millrace, database, client, levels)
    assert millrace.status()["cache"]["dead_letters"] == 0


def test_arrays_of_texts(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Sorted as numbers or as texts, exact to the last bit; what a filter cannot say is parked."""
    database.script("""create table o (id int primary key); create table l (k text primary key, o_id int, n bigint);
      alter table l replica identity full;""")
    millrace = start(shop("public.o,public.l", redis={"topics": "t.public.o,t.public.l", "target.key": "o:{id}"}
                          | output("o", topics="t.public.o")
                          | output("texts", topics="t.public.l", target__key="o:{o_id}", target__nest="texts[k]",
                                   target__fields="k")
                          | output("numbers", topics="t.public.l", target__key="o:{o_id}", target__nest="numbers[id]",
                                   target__fields="n as id, k as text")))
    names = ["b", "a)]b", "it's", "]", "a&&b", "@.k", "ünï", "~", "*", "A", "7"]
    odd = ['a"b', "a\\b", " x", "line\nbreak", ""]
    big = 9007199254740992
    with database.connect() as connection:
        connection.execute("insert into o values (1)")
        for number, name in enumerate([*names, *odd]):
            connection.execute("insert into l values (%s, 1, %s)", (name, big + number))
        connection.execute("update l set n = n + 100 where n % 2 = 1")
    numbers = {name: big + at + (100 if at % 2 else 0) for at, name in enumerate([*names, *odd])}

    def found() -> tuple[list[str], list[int]]:
        document: Any = client.json().get("o:1") or {}
        return ([row["k"] for row in document.get("texts", [])], [row["id"] for row in document.get("numbers", [])])

    wait_equal(millrace, found, (sorted(names, key=str.encode), sorted(numbers.values())))
    # Each of the odd ones by its insert and, of every second, by its update.
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 8)
    database.script("delete from l where n % 2 = 0; update l set k = k || '!' where o_id = 1;")
    left = [name + "!" for name, number in numbers.items() if number % 2 and name in names]
    wait_equal(millrace, lambda: found()[0], sorted(left, key=str.encode))
    verify(millrace, "--repair", "missing,different", code=1)  # the ones that cannot be written


def test_arrays_without_what_tells_rows_apart(shop: Shop, database: Database) -> None:
    database.script("create table o (id int primary key); create table l (no int primary key, o_id int, f float8);")
    for options, said in (({"target__nest": "lines[]"}, "in brackets"),
                          ({"target__nest": "lines[no]", "target__member": "{no}"}, "target.member")):
        millrace = shop("public.o,public.l", redis={"topics": "t.public.o,t.public.l", "target.key": "o:{id}"}
                        | output("o", topics="t.public.o")
                        | output("l", topics="t.public.l", target__key="o:{o_id}", **options))
        done = millrace.check()
        assert done.returncode == 2 and said in done.stdout + done.stderr, done.stdout + done.stderr


def test_rows_that_name_no_row_on_the_way(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A column of target.nest that is NULL names no parent: the row is nowhere until it does."""
    database.script(TABLES + """create table b (id int primary key, o_id int, l_no int);
      alter table b replica identity full;""")
    millrace = start(shop("public.o,public.l,public.b", redis={"topics": "t.public.o,t.public.l,t.public.b"}
                          | output("order", topics="t.public.o", target__key="order:{id}")
                          | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest="lines",
                                   target__member="{no}", target__fields="v")
                          | output("part", topics="t.public.b", target__key="order:{o_id}",
                                   target__nest="lines.{l_no}.parts", target__member="{id}", target__fields="id")))
    database.script("""insert into o values (1, 'o'); insert into l values (7, 1, 'l');
      insert into b values (1, 1, null);""")
    settled(millrace)
    assert not client.keys("millrace:nest:*")
    verify(millrace, code=0)
    database.script("update b set l_no = 7;")
    wanted = {"id": 1, "v": "o", "lines": {"7": {"v": "l", "parts": {"1": {"id": 1}}}}}
    wait_equal(millrace, lambda: client.json().get("order:1"), wanted)
    database.script("update b set l_no = null;")
    wanted["lines"] = {"7": {"v": "l", "parts": {}}}
    wait_equal(millrace, lambda: client.json().get("order:1"), wanted)
    settled(millrace)
    assert not client.keys("millrace:nest:*")
    assert millrace.status()["cache"]["dead_letters"] == 0
    verify(millrace, code=0)


def test_a_column_of_the_name_of_nested_rows(shop: Shop, database: Database, client: redis.Redis) -> None:
    """It would be written over: such rows are parked, and say what to do."""
    database.script("""create table o (id int primary key, lines int);
      create table l (no int primary key, o_id int, v text); alter table l replica identity full;""")
    outputs = ({"topics": "t.public.o,t.public.l"} | output("order", topics="t.public.o", target__key="order:{id}")
               | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest="lines"))
    millrace = start(shop("public.o,public.l", redis=outputs))
    database.script("insert into o values (1, 5); insert into l values (7, 1, 'x');")
    settled(millrace)
    listed = millrace.command("dead-letters", "cache", "--url", millrace.url).stdout
    assert "column lines of table public.o" in listed and "target.fields" in listed
    millrace.terminate()
    millrace.connectors["cache"]["outputs.order.target.fields"] = "*, lines as count"
    start(millrace)
    assert millrace.command("dead-letters", "cache", "replay", "--all", "--url", millrace.url).returncode == 0
    wanted = {"id": 1, "count": 5, "lines": {"7": {"no": 7, "o_id": 1, "v": "x"}}}
    wait_equal(millrace, lambda: client.json().get("order:1"), wanted)
def test_a_middle_level_truncated_leaves_its_children_waiting(shop: Shop, database: Database,
                                                              client: redis.Redis) -> None:
    """The rows in the rows of a truncated table are none of it: they wait for their parents to come again."""
    for turn, (outputs, levels) in enumerate(((OUTPUTS, ("", "")), (ARRAYS, ("no", "part")))):
        client.flushall()
        database.script(f"drop table if exists o, l, a; {TABLES}")
        names = {"slot.name": f"n_{turn}", "publication.name": f"n_{turn}"}
        millrace = start(shop("public.o,public.l,public.a", redis=outputs, postgres=names))
        database.script("""insert into o values (1, 'one'); insert into l values (7, 1, 'x', 'y'), (-8, 1, 'x', 'y');
          insert into a values (7, 1, 1, 'p'), (-8, 1, -2, 'q'), (-8, 1, -10, 'r'), (9, 1, 1, 'waits');""")
        wait_same(millrace, database, client, levels)
        database.script("truncate l;")
        wait_same(millrace, database, client, levels)
        assert client.hlen("millrace:nest:cache:order:1") == 4
        database.script("insert into l values (7, 1, 'again', 'y'), (-8, 1, 'again', 'y');")
        wait_same(millrace, database, client, levels)
        assert client.hlen("millrace:nest:cache:order:1") == 1
        millrace.terminate()


@pytest.mark.parametrize("nest", ["lines", "lines[no]"])
def test_many_children_of_one_parent(nest: str, shop: Shop, database: Database, client: redis.Redis) -> None:
    """10,000 rows come and go with their parent, and Redis answers others all the time: no script takes a second."""
    database.script("""create table o (id int primary key, v int);
      create table l (no int primary key, o_id int, v text); alter table l replica identity full;""")
    millrace = start(shop("public.o,public.l", redis={"topics": "t.public.o,t.public.l"}
                          | output("order", topics="t.public.o", target__key="order:{id}")
                          | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest=nest)))
    many, waiting = 10_000, "millrace:nest:cache:order:1"

    def in_document() -> int:
        document: Any = client.json().get("order:1") or {}
        return len(document.get("lines", ()))

    client.config_set("slowlog-log-slower-than", 1_000_000)
    client.slowlog_reset()
    database.script(f"insert into l select i, 1, 'v' from generate_series(1, {many}) i;")
    wait_equal(millrace, lambda: client.hlen(waiting), many)
    for sql, there in (("insert into o values (1);", many), ("update o set v = 1;", many), ("delete from o;", 0),
                       ("insert into o values (1, 2);", many), ("truncate o;", 0),
                       ("insert into o values (1, 3);", many)):
        database.script(sql)
        wait_equal(millrace, lambda: (in_document(), client.hlen(waiting)), (there, many - there))
    document: Any = client.json().get("order:1")
    lines = document["lines"]
    numbers = [line["no"] for line in (lines if isinstance(lines, list) else lines.values())]
    assert sorted(numbers) == list(range(1, many + 1)) and (nest == "lines" or numbers == sorted(numbers))
    database.script("truncate l;")
    wait_equal(millrace, lambda: (in_document(), client.hlen(waiting)), (0, 0))
    assert not client.slowlog_get(10), client.slowlog_get(10)
    assert millrace.status()["cache"]["dead_letters"] == 0


@pytest.mark.parametrize("nest", ["lines", "lines[no]"])
def test_a_row_that_fits_in_no_document_does_not_wait(nest: str, shop: Shop, database: Database,
                                                      client: redis.Redis) -> None:
    """JSON that Redis refuses is parked when it comes, and does not keep its parent out later; what nests as deep as
    it may where it lies, and not inside its parent's text, is parked too, whichever of the two comes first."""
    database.script("""create table o (id int primary key);
      create table l (no int primary key, o_id int, j jsonb); alter table l replica identity full;""")
    millrace = start(shop("public.o,public.l", redis={"topics": "t.public.o,t.public.l"}
                          | output("order", topics="t.public.o", target__key="order:{id}")
                          | output("line", topics="t.public.l", target__key="order:{o_id}", target__nest=nest)))
    deep, fits = "[" * 126 + "]" * 126, "[" * 120 + "]" * 120
    rows = f"(1, {{0}}, '{deep}'), (2, {{0}}, '1e999'), (3, {{0}}, '{fits}'), (4, {{0}}, '{{{{\"a\": 1}}}}')"

    def numbers(order: int) -> list[int]:
        document: Any = client.json().get(f"order:{order}") or {}
        lines = document.get("lines", {})
        return [line["no"] for line in (lines.values() if isinstance(lines, dict) else lines)]

    database.script(f"insert into l values {rows.format(1)}; insert into o values (1);")
    wait_equal(millrace, lambda: numbers(1), [3, 4])
    database.script("delete from l; insert into o values (2);")
    wait_equal(millrace, lambda: client.exists("order:2"), 1)
    database.script(f"insert into l values {rows.format(2)};")
    wait_equal(millrace, lambda: numbers(2), [3, 4])
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 2)  # those of the first two are void
    assert millrace.status()["cache"]["dead_letters_ever"] == 4
    database.script("delete from o where id = 2; insert into o values (2);")
    wait_equal(millrace, lambda: numbers(2), [3, 4])
    assert not list(client.scan_iter("millrace:nest:*"))


def test_a_document_of_somebody_else_takes_in_what_waits(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Rows wait, and their parent's key is written by hand with rows in it: with the parent's row they are together."""
    database.script(TABLES)
    millrace = start(shop("public.o,public.l,public.a", redis=ARRAYS))
    database.script("""insert into l values (-3, 1, 'c', null), (20, 1, 'd', null), (7, 1, 'e', null);
      insert into a values (20, 1, 1, 'p'), (7, 1, 2, 'q');""")
    wait_equal(millrace, lambda: client.hlen("millrace:nest:cache:order:1"), 5)
    client.json().set("order:1", "$", {"lines": [{"no": 5, "v": "f"}, {"no": 7, "parts": [{"part": 1}]}]})
    database.script("insert into o values (1, 'one');")
    wait_equal(millrace, lambda: client.json().get("order:1"), {"id": 1, "v": "one", "lines": [
        {"no": -3, "v": "c", "big": None}, {"no": 5, "v": "f"},
        {"no": 7, "v": "e", "big": None, "parts": [{"part": 1}, {"part": 2, "v": "q"}]},
        {"no": 20, "v": "d", "big": None, "parts": [{"part": 1, "v": "p"}]}]})
