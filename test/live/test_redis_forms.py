"""Forms that are made of columns: functions in target.fields beside the plain values, through every kind of write."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
import redis
from test_redis_targets import output, wait_equal
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import Database

INDEXED = """create table s (id int primary key, price numeric, at timestamptz, n bigint, pos point, area box,
  near real[], span interval, inner_ jsonb);"""
INDEX_FIELDS = {"price": "NUMERIC SORTABLE", "at": "NUMERIC", "n": "NUMERIC", "pos": "GEO", "area": "GEOSHAPE FLAT",
                "near": "VECTOR FLAT TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2", "span": "NUMERIC"}
ROWS = """insert into s values
  (1, 12.50, '2024-02-29 00:00:00+00', 9007199254740993, '(13.4,52.5)', '(0,0),(10,10)', '{1,0.5}', '1 hour',
   '{"deep": 5}'),
  (2, 99.99, 'infinity', 1, '(2.35,48.85)', '(20,20),(30,30)', '{7,7}', '1 day', '{"deep": 6}'),
  (3, 'NaN', null, null, null, null, null, null, null);"""

Shop = Callable[..., Millrace]

TABLE = """create table g (id int primary key, price numeric(30,10), at timestamptz, pos point, lon float8, lat numeric,
  area polygon, note text, span interval, big text);"""
FIELDS = ("*, number(price) as price_number, epoch(at) as at_seconds, millis(at) as at_millis, iso(at) as at_text, "
          "geo(pos) as place, geo(lon, lat) as where, wkt(area) as shape, number(note) as note_number, "
          "epoch(span) as span_seconds, text(id) as id_text, number(big) as big_number")
ROW = ("1, 12.5, '2024-02-29 13:45:59.5+00', '(13.4,52.5)', 2.35, 48.85, '((0,0),(0,10),(10,10))', ' 7 ', "
       "'1 day 2 hours', repeat('9', 20)")
MADE = {"price_number": 12.5, "at_seconds": 1709214359.5, "at_millis": 1709214359500,
        "at_text": "2024-02-29T13:45:59.500000Z", "place": "13.4,52.5", "where": "2.35,48.85",
        "shape": "POLYGON((0 0,0 10,10 10,0 0))", "note_number": 7, "span_seconds": 93600, "id_text": "1",
        "big_number": 1e20}


def made(document: object) -> dict[str, object]:
    assert isinstance(document, dict)
    return {name: document.get(name) for name in MADE}


def wait_made(millrace: Millrace, client: redis.Redis, key: str, wanted: dict[str, object]) -> None:
    """Those of the fields made that `wanted` names are as it says."""
    wait_equal(millrace, lambda: {name: one for name, one in made(client.json().get(key) or {}).items()
                                  if name in wanted}, wanted)


def as_text(values: dict[str, object]) -> dict[str, str]:
    return {name: f"{value:.17g}" if isinstance(value, float) else str(value) for name, value in values.items()}


def test_functions_of_columns(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Documents replaced and merged and hashes, through inserts, values that have no such form, a large value that
    is not sent, and a key that changes with it."""
    database.script(TABLE)
    all_of = {"target__fields": FIELDS}
    millrace = start(shop("public.g", redis={"topics": "t.public.g", "format.time": "millis"}
                          | output("doc", target__key="doc:{id}", **all_of)
                          | output("merged", target__key="merged:{id}", target__update="merge", **all_of)
                          | output("hash", target__key="hash:{id}", target__type="hash", **all_of)))
    database.script(f"insert into g values ({ROW});")
    for key in ("doc:1", "merged:1"):
        wait_made(millrace, client, key, MADE)
    wait_equal(millrace, lambda: client.json().get("doc:1", "$.price", "$.at", "$.pos"),
               {"$.price": ["12.5000000000"], "$.at": [1709214359500], "$.pos": ["(13.4,52.5)"]})
    hashed = as_text(MADE) | {"big_number": "1e+20"}
    wait_equal(millrace, lambda: {name: client.hget("hash:1", name) for name in MADE}, hashed)
    # None of these has the form asked for: NULL, and in a hash no field.
    database.script("""update g set price = 'NaN', at = 'infinity', pos = '(200,0)', lon = null,
      area = '((0,0),(1,1))', note = 'x', span = null;""")
    none = dict.fromkeys(MADE) | {"at_text": "infinity", "id_text": "1", "big_number": 1e20}
    for key in ("doc:1", "merged:1"):
        wait_made(millrace, client, key, none)
    wait_equal(millrace, lambda: {name for name in MADE if client.hexists("hash:1", name)},
               {"at_text", "id_text", "big_number"})
    # A value of which nothing was sent is untouched, and so is what was made of it; it goes along with the key.
    database.script("""alter table g alter big set storage external;
      update g set big = repeat('9', 300) where id = 1;
      insert into g select 2, 1, '2024-01-01', '(1,2)', 1, 2, null, repeat('0', 4000) || '1.5', null, null;""")
    database.script("update g set price = 3; update g set id = 3 where id = 2;")
    for key in ("doc:1", "merged:1"):
        wait_made(millrace, client, key, {"big_number": 1e300})
    for key in ("doc:3", "merged:3"):
        wait_made(millrace, client, key, {"price_number": 3, "place": "1,2", "id_text": "3", "note_number": 1.5})
    wait_equal(millrace, lambda: client.hmget("hash:3", "note_number", "price_number"), ["1.5", "3"])
    assert not client.exists("doc:2", "merged:2", "hash:2")
    assert millrace.status()["cache"]["dead_letters"] == 0
    done = millrace.command("verify", "{file}", "--settle-ms", "1500")
    assert done.returncode == 0, done.stdout + done.stderr


def test_functions_in_rows_that_nest(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table o (id int primary key, at date);
      create table l (o int, n int, price numeric, primary key (o, n));""")
    millrace = start(shop("public.o, public.l", redis={"topics": "t.public.o, t.public.l"}
                          | output("doc", topics="t.public.o", target__key="o:{id}",
                                   target__fields="*, epoch(at) as at_seconds")
                          | output("line", topics="t.public.l", target__key="o:{o}", target__nest="lines",
                                   target__member="{n}", target__fields="n, price, number(price) as money")))
    database.script("insert into l values (1, 7, 2.50); insert into o values (1, '1970-01-02');")
    wait_equal(millrace, lambda: client.json().get("o:1"),
               {"id": 1, "at": "1970-01-02", "at_seconds": 86400,
                "lines": {"7": {"n": 7, "price": "2.50", "money": 2.5}}})


def found(client: redis.Redis, query: str, *more: Any) -> set[str]:
    answer = client.execute_command("FT.SEARCH", "ix", query, "NOCONTENT", *more, "DIALECT", "3")
    return {str(one) for one in answer[1:]}


def nearest(client: redis.Redis) -> set[str]:
    return found(client, "*=>[KNN 1 @near $to]", "PARAMS", "2", "to", struct.pack("<2f", 1, 0))


SQUARE = ("PARAMS", "2", "q", "POLYGON((-1 -1,-1 11,11 11,11 -1,-1 -1))")


@pytest.mark.parametrize("kind", ["json", "hash"])
def test_what_an_index_cannot_read_stands_beside(kind: str, shop: Shop, database: Database,
                                                 client: redis.Redis) -> None:
    """Exact values under their names, and beside them what RediSearch takes: no row is left out of the index."""
    database.script(INDEXED + ROWS)
    inner = {"inner_.deep": "NUMERIC"} if kind == "json" else {}
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}, redis={
        "topics": "t.public.s", "target.key": "s:{id}", "target.type": kind, "redis.index.poll.ms": 200,
        "indexes": {"ix": {"fields": INDEX_FIELDS | inner}}}))
    wait_equal(millrace, lambda: found(client, "*"), {"s:1", "s:2", "s:3"})
    assert found(client, "@price:[12.5 12.5]") == {"s:1"}
    assert found(client, "@at:[1709164800000 1709164800000]") == {"s:1"}
    assert found(client, "@n:[2 inf]") == {"s:1"}
    assert found(client, "@span:[3600000 3600000]") == {"s:1"}
    assert found(client, "@pos:[13 52 200 km]") == {"s:1"}
    assert found(client, "@area:[WITHIN $q]", *SQUARE) == {"s:1"}
    assert nearest(client) == {"s:1"}
    if kind == "json":
        assert found(client, "@inner__deep:[6 6]") == {"s:2"}, "inside a json column as it is"
        assert client.json().get("s:1") == {
            "id": 1, "price": "12.50", "price.number": 12.5, "at": "2024-02-29T00:00:00Z", "at.number": 1709164800000,
            "n": 9007199254740993, "n.number": 9007199254740993, "pos": "(13.4,52.5)", "pos.geo": "13.4,52.5",
            "area": "(10,10),(0,0)", "area.shape": "POLYGON((0 0,10 0,10 10,0 10,0 0))", "near": [1, 0.5],
            "span": "PT1H", "span.number": 3600000, "inner_": {"deep": 5}}
    else:
        assert client.hmget("s:1", "price", "price.number", "pos.geo") == ["12.50", "12.5", "13.4,52.5"]
    database.script("update s set price = 7.10, near = '{100,100}' where id = 1; update s set price = 5 where id = 3;")
    wait_equal(millrace, lambda: (found(client, "@price:[7.1 7.1]"), found(client, "@price:[12 13]"), nearest(client)),
               ({"s:1"}, set(), {"s:2"}))
    assert found(client, "@price:[5 5]") == {"s:3"}
    assert "left out" not in str(millrace.status()["cache"]["warnings"])
    done = millrace.command("verify", "{file}", "--settle-ms", "1500")
    assert done.returncode == 0, done.stdout + done.stderr
    database.script("update s set pos = '(500,0)' where id = 3;")
    wait_equal(millrace, lambda: "1 by field pos, last s:3" in str(millrace.status()["cache"]["warnings"]), True)


def test_an_index_that_needs_another_form_waits_for_a_rebuild(shop: Shop, database: Database,
                                                              client: redis.Redis) -> None:
    database.script("create table s (id int primary key, price numeric); insert into s values (1, 12.50);")
    settings = {"topics": "t.public.s", "target.key": "s:{id}", "redis.index.poll.ms": 200}
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}, redis=settings))
    wait_equal(millrace, lambda: client.json().get("s:1"), {"id": 1, "price": "12.50"})
    millrace.terminate()
    millrace.connectors["cache"].update({"indexes": {"ix": {"fields": {"price": "NUMERIC"}}}})
    start(millrace)
    wait_equal(millrace, lambda: "indexes" in str(millrace.status()["cache"]["warnings"]), True)
    done = millrace.command("rebuild", "{file}")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_equal(millrace, lambda: client.json().get("s:1"), {"id": 1, "price": "12.50", "price.number": 12.5})
    wait_equal(millrace, lambda: found(client, "@price:[12 13]"), {"s:1"})


def test_bytes_that_are_no_vector_are_parked(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key, near real[]);")
    millrace = start(shop("public.s", redis={
        "topics": "t.public.s", "target.key": "s:{id}", "target.type": "hash", "redis.index.poll.ms": 200,
        "indexes": {"ix": {"fields": {"near": INDEX_FIELDS["near"]}}}}))
    database.script("insert into s values (1, '{1,null}'), (2, '{1,2,3}'), (3, '{1,2}');")
    wait_equal(millrace, lambda: client.exists("s:1", "s:2", "s:3"), 2)
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 1)
    wait_equal(millrace, lambda: "1 by field near" in str(millrace.status()["cache"]["warnings"]), True)
    assert nearest(client) == {"s:3"}


def test_faults_are_told(shop: Shop, database: Database, client: redis.Redis) -> None:
    for item, words in (("price(x) as y", "no function price()"), ("number(a, b)", "one column"),
                        ("geo(a, b)", "needs a name")):
        done = shop("public.x", redis={"target.fields": [item]}).check()
        assert done.returncode == 2
        assert words in done.stdout + done.stderr, done.stdout + done.stderr
    # What only the table tells parks its rows.
    database.script("create table x (id int primary key, u uuid);")
    millrace = start(shop("public.x", redis={"target.fields": ["id", "number(u) as n"]}))
    database.script("insert into x values (1, gen_random_uuid());")
    wait_equal(millrace, lambda: millrace.status()["cache"]["dead_letters"], 1)
    listed = millrace.command("dead-letters", "cache", "--url", millrace.url, "--json").stdout
    assert "number() takes numbers" in listed
