"""Forms that are made of columns: functions in target.fields beside the plain values, through every kind of write."""

from __future__ import annotations

from collections.abc import Callable

import redis
from test_redis_targets import output, wait_equal
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import Database

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
