"""`millrace verify`: finds what differs and nothing else, while changes flow, and mends it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from test_redis_targets import output
from test_stream import start

from harness.load import SCHEMA, Load
from harness.millrace import Millrace
from harness.postgres import PASSWORD, Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
CORPUS = Path(__file__).resolve().parent.parent / "corpus" / "pg"


def verify(millrace: Millrace, *arguments: str, code: int | None = None) -> dict[str, Any]:
    """What it finds, by table; with a short patience for rows that differ."""
    done = millrace.command("verify", "{file}", "--json", "--settle-ms", "1500", *arguments, timeout_s=120)
    if code is not None:
        assert done.returncode == code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["in_step"] == (done.returncode == 0), done.stdout
    return {table["table"]: table for sink in report["sinks"] for table in sink["tables"]}


def counts(table: dict[str, Any]) -> dict[str, int]:
    return {kind: table[kind] for kind in ("missing", "different", "extra", "unwritable", "unsettled") if table[kind]}


def documents(client: redis.Redis, pattern: str = "s:*") -> int:
    return sum(1 for _ in client.scan_iter(pattern, count=1000))


def settled(millrace: Millrace) -> None:
    millrace.wait_settled()


@pytest.fixture
def filled(shop: Shop, database: Database, client: redis.Redis) -> Millrace:
    """2,500 rows delivered."""
    database.script("""create table s (id int primary key, v text, n numeric, f float8, j jsonb, at timestamptz);
      insert into s select i, 'v' || i, i / 7.0, i / 3.0, jsonb_build_object('b', i, 'a', 'x'), now()
        from generate_series(1, 2500) i;""")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) >= 2500, "all is there", 30, context=millrace.tail)
    settled(millrace)
    return millrace


def test_in_step(filled: Millrace, client: redis.Redis) -> None:
    found = verify(filled, "--chunk-rows", "1000", code=0)
    assert found["public.s"]["rows"] == 2500
    assert found["public.s"]["looked_again"] <= 2500
    text = filled.command("verify", "{file}")
    assert text.returncode == 0
    assert "public.s: 2500 rows, in step" in text.stdout


def test_what_was_changed_by_hand_is_found_and_mended(filled: Millrace, client: redis.Redis) -> None:
    client.delete("s:id:7", "s:id:8")
    client.json().set("s:id:9", "$.v", "changed")
    client.json().set("s:id:10", "$.mine", 1)
    client.json().delete("s:id:11", "$.j")
    client.delete("s:id:12")
    client.set("s:id:12", "another type")
    client.json().set("s:id:9999", "$", {"id": 9999})
    client.json().set("s:id:x", "$", {"id": 1})  # no row of the table can have this key
    found = verify(filled, code=1)["public.s"]
    assert counts(found) == {"missing": 2, "different": 3, "extra": 1, "unwritable": 1}
    by_key = {one["key"]: one for one in found["differences"]}
    assert by_key["s:id:9"]["fields"] == ["v"]
    assert by_key["s:id:10"]["fields"] == ["mine"]
    assert by_key["s:id:11"]["fields"] == ["j"]
    assert by_key["s:id:9999"]["kind"] == "extra"
    assert by_key["s:id:7"]["row"] == {"id": "7"}
    assert "type" in by_key["s:id:12"]["reason"]
    only = verify(filled, "--repair", "missing", code=1)["public.s"]
    assert (counts(only), only["repaired"]) == ({"different": 3, "extra": 1, "unwritable": 1}, 2)
    client.delete("s:id:12")
    rest = verify(filled, "--repair", "missing,different,extra", code=0)["public.s"]
    assert rest["repaired"] == 5
    assert not client.exists("s:id:9999")
    assert client.exists("s:id:x")
    assert verify(filled, code=0)["public.s"]["looked_again"] <= 2500


def test_nothing_false_while_changes_flow(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(SCHEMA)
    millrace = start(shop())
    load, stop = Load(database.connect, seed=5), threading.Event()
    load.run(50)

    def write() -> None:
        while not stop.is_set():
            load.run(20)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            done = millrace.command("verify", "{file}", "--json", timeout_s=120)
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        stop.set()
        writer.join()
        load.close()


def test_repair_never_writes_over_something_newer(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Documents are broken all the time while rows change all the time; verify mends, the sink delivers, and at the end
    both are the same."""
    database.script("""create table c (id int primary key, v int);
      insert into c select i, 0 from generate_series(1, 50) i;""")
    millrace = start(shop("public.c", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client, "c:*") >= 50, "all is there", 30, context=millrace.tail)
    stop = threading.Event()

    def change() -> None:
        with database.connect() as connection:
            turn = 0
            while not stop.is_set():
                turn += 1
                connection.execute("update c set v = v + 1 where id = %s", (turn % 50 + 1,))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for turn in range(4):
            for key in range(1 + turn, 50, 5):
                client.delete(f"c:id:{key}")
            millrace.command("verify", "{file}", "--settle-ms", "200", "--repair", "missing,different,extra",
                             timeout_s=120)
    finally:
        stop.set()
        writer.join()
    settled(millrace)
    verify(millrace, "--repair", "missing,different,extra", code=0)
    assert counts(verify(millrace, code=0)["public.c"]) == {}


def test_keys_of_every_kind(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""
      create table k_text (a text, b int, v text, primary key (a, b));
      create table k_uuid (id uuid primary key); create table k_bytes (id bytea primary key);
      create table k_time (at timestamptz, d date, primary key (at, d)); create table k_number (n numeric primary key);
      create table k_bool (b bool, c char(3), primary key (b, c)); create table k_none (v int);
      alter table k_none replica identity full;
      insert into k_text select x, i, null
        from unnest(array['', ' ', 'a:b', '%41', 'Ä', 'ß', '"', '\\', E'\\n', '''']) x, generate_series(-1, 1) i;
      insert into k_uuid select gen_random_uuid() from generate_series(1, 50);
      insert into k_bytes values (''), ('\\x00'), ('\\xff3a25'), ('abc');
      insert into k_time values ('2024-02-29 13:45:59.5+02', '2024-02-29'), ('infinity', '-infinity'),
        ('1970-01-01', 'infinity');
      insert into k_number values (1.50), (-0.001), ('NaN'), (1e30);
      insert into k_bool values (true, 'a'), (false, 'abc');""")
    tables = "public.k_text,public.k_uuid,public.k_bytes,public.k_time,public.k_number,public.k_bool,public.k_none"
    millrace = start(shop(tables, postgres={"snapshot.mode": "initial"}))
    settled(millrace)
    found = verify(millrace, "--chunk-rows", "2", code=0)
    assert {name.removeprefix("public."): table["rows"] for name, table in found.items()} == {
        "k_text": 30, "k_uuid": 50, "k_bytes": 4, "k_time": 3, "k_number": 4, "k_bool": 2, "k_none": 0}
    assert "no key" in found["public.k_none"]["skipped"]
    keys = list(client.scan_iter("k_*"))
    assert len(keys) == 93
    client.delete(*keys)
    found = verify(millrace, code=1)
    assert {name: counts(table).get("missing") for name, table in found.items() if not table["skipped"]} == {
        name: table["rows"] for name, table in found.items() if not table["skipped"]}
    verify(millrace, "--repair", "missing", code=0)
    assert sorted(client.scan_iter("k_*")) == sorted(keys)
    database.script("""truncate k_text, k_uuid, k_bytes, k_time, k_number, k_bool;""")
    wait_until(lambda: not list(client.scan_iter("k_*")), "all is gone", 15)
    for key in keys:
        client.json().set(key, "$", {})
    found = verify(millrace, code=1)
    assert sum(counts(table).get("extra", 0) for table in found.values()) == 93
    verify(millrace, "--repair", "extra", code=0)
    assert not list(client.scan_iter("k_*"))


@pytest.mark.parametrize("kind", ["json", "hash", "string"])
@pytest.mark.parametrize("folder", sorted(path.parent.name for path in CORPUS.glob("*/setup.sql")))
def test_every_column_type(folder: str, kind: str, shop: Shop, database: Database) -> None:
    for name in ("setup.sql", "rows.sql", "changes.sql"):
        if (CORPUS / folder / name).exists():
            database.script((CORPUS / folder / name).read_text())
    millrace = start(shop("public.*", redis={"target.type": kind}, postgres={"snapshot.mode": "initial"}))
    settled(millrace)
    found = verify(millrace, code=0)
    assert sum(table["rows"] for table in found.values()) > 0


def test_keys_of_dates_far_away(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Before the year 1 and behind 9999 PostgreSQL writes them in another form than the target's keys do: their rows
    are found all the same, and never taken for gone."""
    database.script("""create table d (at date primary key, t timestamp, z timestamptz, v text);
      insert into d values ('0044-03-15 BC', null, null, 'ides'), ('12024-01-01', null, null, 'late'),
        ('0001-12-31 BC', null, null, 'last'), ('2024-01-01', null, null, 'now'), ('infinity', null, null, 'never');
      create table z (t timestamp, z timestamptz, primary key (t, z));
      insert into z values ('4713-01-01 10:00:00.5 BC', '0002-01-01 10:00:00+02 BC'), ('12024-01-01', '-infinity');""")
    millrace = start(shop("public.d,public.z", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client, "?:*") == 7, "all is there", 15, context=millrace.tail)
    settled(millrace)
    verify(millrace, code=0)
    for key in client.scan_iter("d:*"):
        client.json().set(key, "$.v", "changed by hand")
    client.delete(*client.scan_iter("z:*"))
    found = verify(millrace, "--repair", "missing,different,extra", code=0)
    assert (found["public.d"]["repaired"], found["public.z"]["repaired"]) == (5, 2), found
    assert documents(client, "?:*") == 7


def test_keys_of_many_types(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Whatever can be a key: its row is found by what the target says of it, or the table says why it cannot be."""
    values = {
        "bool": "false", "int2": "-3", "int8": "9223372036854775807", "float4": "0.1", "float8": "-1e300",
        "numeric": "-0.00", "money": "-12.50", '"char"': "x", "name": "a b", "varchar(9)": "é'", "bpchar": "a ",
        "time": "24:00", "bytea": "\\x00ff", "timetz": "10:00:00.5+02:30", "interval": "-1 year 3 days -00:00:01",
        "bit(5)": "10110", "varbit": "", "inet": "10.0.0.1/8", "cidr": "::/0", "macaddr": "08:00:2b:01:02:03",
        "macaddr8": "08:00:2b:01:02:03:04:05", "oid": "4294967295", "pg_lsn": "16/B374D848", "tsvector": "a fat",
        "tsquery": "fat & rat", "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "jsonb": '{"a": [1, 2], "b": null}',
        "int4range": "[1,5)", "tstzrange": "[2024-01-01,)", "int4multirange": "{[1,3),[5,7)}", "xid8": "77",
        "mood": "so so", "positive": "5", "hstore": '"a"=>"1"', "ltree": "Top.Science", "cube": "(1, 2)",
        "int4[]": "{1,2}", "pair": "(1,a)", "timestamp": "0001-01-01 00:00:00 BC", "date": "-infinity"}
    database.script("""create extension hstore; create extension ltree; create extension cube;
      create type mood as enum ('so so', 'well'); create domain positive as int check (value > 0);
      create type pair as (a int, b text);""")
    for number, (kind, value) in enumerate(values.items()):
        text = value.replace("'", "''")
        database.script(f"create table k{number} (id {kind} primary key, v int);"
                        f"insert into k{number} values ('{text}', 1);")
    tables = ",".join(f"public.k{number}" for number in range(len(values)))
    millrace = start(shop(tables, postgres={"snapshot.mode": "initial"}))
    settled(millrace)
    wait_until(lambda: documents(client, "k*") == len(values), "all is there", 15, context=millrace.tail)
    found = verify(millrace)
    kinds = list(values)
    skipped = {kinds[int(name.removeprefix("public.k"))] for name, table in found.items() if table["skipped"]}
    assert skipped == {"int4[]"}
    keys = list(client.scan_iter("k*"))
    for key in keys:
        client.json().set(key, "$.v", 2)
    found = verify(millrace, "--repair", "missing,different,extra")
    wrong = {kinds[int(name.removeprefix("public.k"))]: (table["repaired"], counts(table))
             for name, table in found.items() if not table["skipped"] and (table["repaired"] != 1 or counts(table))}
    assert wrong == {}
    assert sorted(client.scan_iter("k*")) == sorted(keys)


def test_keys_of_an_extensions_type(shop: Shop, database: Database, client: redis.Redis) -> None:
    """citext: its own order is another than that of the text."""
    database.script("""create extension citext; create table k (id citext primary key);""")
    database.script("""insert into k select case when i % 2 = 0 then 'a' else 'B' end || i
      from generate_series(1, 40) i;""")
    millrace = start(shop("public.k", postgres={"snapshot.mode": "initial"}))
    settled(millrace)
    assert verify(millrace, "--chunk-rows", "3", code=0)["public.k"]["rows"] == 40
    client.delete("k:id:a2")
    assert verify(millrace, "--repair", "missing", "--chunk-rows", "3", code=0)["public.k"]["repaired"] == 1


def test_rows_larger_than_what_is_held_at_once(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A chunk ends at its bytes; rows are looked up in as few as it takes."""
    database.script("create table w (id int primary key, v text);")
    millrace = start(shop("public.w"))
    database.script("insert into w select i, repeat('x', 30000000) from generate_series(1, 12) i;")
    wait_until(lambda: documents(client, "w:*") == 12, "all is there", 30, context=millrace.tail)
    settled(millrace)
    done = verify(millrace, "--chunk-rows", "5000", code=0)
    assert done["public.w"]["rows"] == 12
    for i in range(1, 13):
        client.json().set(f"w:id:{i}", "$.v", "short")
    assert verify(millrace, "--repair", "different", code=0)["public.w"]["repaired"] == 12
    assert {str(client.json().strlen(key, "$.v")) for key in client.scan_iter("w:*")} == {"[30000000]"}


def test_a_dropped_column_in_a_hash(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table h (id int primary key, big text, gone text, n int);
      alter table h alter big set storage external;""")
    millrace = start(shop("public.h", redis={"target.type": "hash"}))
    database.script("""insert into h select i, repeat('x', 5000), 'g', i from generate_series(1, 50) i;
      update h set n = null where id % 2 = 0;""")
    settled(millrace)
    verify(millrace, code=0)
    database.script("alter table h drop column gone; update h set n = 5;")
    settled(millrace)
    verify(millrace, code=0)
    client.hset("h:id:3", "gone", "still here")
    found = verify(millrace, code=1)["public.h"]
    assert [one["fields"] for one in found["differences"]] == [["gone"]]
    verify(millrace, "--repair", "different", code=0)
    assert "gone" not in client.hgetall("h:id:3")


def test_keys_of_others_are_not_extra(shop: Shop, database: Database, client: redis.Redis) -> None:
    """`flight:{code}` may be any text behind the colon, that of `flight:leg:{id}` too; and what is no value of the
    key's type is nobody's row."""
    database.script("""create table f (code text primary key); create table g (id uuid primary key);
      create table h (id uuid primary key); insert into f values ('a');
      insert into g values (gen_random_uuid()); insert into h values (gen_random_uuid());""")
    millrace = start(shop("public.f,public.g,public.h", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.f,t.public.g,t.public.h"}
                          | output("f", topics="t.public.f", target__key="flight:{code}")
                          | output("g", topics="t.public.g", target__key="flight:leg:{id}")
                          | output("h", topics="t.public.h", target__key="other:{id}")))
    settled(millrace)
    found = verify(millrace, "--repair", "extra", code=0)
    assert len(list(client.scan_iter("flight:*"))) == 2
    said = "rows of another table or output may have too"
    assert [any(said in limit for limit in found[f"public.{name}"]["limits"]) for name in "fgh"] == [True, True, False]
    client.json().set("other:abc-1", "$", {})
    found = verify(millrace, code=1)
    assert counts(found["public.h"]) == {"extra": 1}
    verify(millrace, "--repair", "extra", code=0)
    assert len(list(client.scan_iter("other:*"))) == 1


def test_hashes_without_any_field(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Redis has no empty hashes: a row whose columns are all NULL is in step without one, unless it has one."""
    database.script("create table s (id int primary key, v text); insert into s values (1, null), (2, 'b'), (3, null);")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"},
                          redis={"target.type": "hash", "target.fields": "v"}))
    wait_until(lambda: client.exists("s:id:2"), "all is there", 30, context=millrace.tail)
    settled(millrace)
    verify(millrace, code=0)
    client.hset("s:id:1", "v", "a")
    client.hset("s:id:3", "of somebody", "else")
    assert counts(verify(millrace, code=1)["public.s"]) == {"different": 1}
    verify(millrace, "--repair", "different", code=0)
    assert client.hgetall("s:id:3") == {"of somebody": "else"}
    assert not client.exists("s:id:1")


def test_members_that_others_merged(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Beside those of the row they are nobody's business; inside a value of the row they are wrong."""
    database.script("""create table s (id int primary key, j jsonb, x int, y int);
      insert into s values (1, '{"a": 1}', 1, 2);""")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"},
                          redis={"target.update": "merge", "target.fields": "id, j, x as at.x, y as at.y"}))
    wait_until(lambda: documents(client) == 1, "all is there", 30, context=millrace.tail)
    json = client.json()
    json.set("s:id:1", "$.mine", 1)
    json.set("s:id:1", "$.at.mine", 1)
    verify(millrace, code=0)
    json.set("s:id:1", "$.j.b", 2)
    assert counts(verify(millrace, code=1)["public.s"]) == {"different": 1}
    verify(millrace, "--repair", "different", code=0)
    assert json.get("s:id:1") == {"id": 1, "j": {"a": 1}, "at": {"x": 1, "y": 2, "mine": 1}, "mine": 1}


def test_a_sink_that_stands_still_is_not_in_step(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key);")
    millrace = start(shop("public.s"))
    millrace.command("pause", "cache", "--url", millrace.url)
    database.script("insert into s values (1);")
    assert counts(verify(millrace, code=1)["public.s"]) == {"missing": 1}
    said = millrace.command("verify", "{file}", "--settle-ms", "300").stdout
    assert "note: cache is paused: what is missing or different may be on its way" in said, said
    millrace.command("resume", "cache", "--url", millrace.url)
    settled(millrace)
    verify(millrace, code=0)


def test_what_a_change_on_its_way_builds_on_stays(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A row has moved to another key and keeps a value that only the old document has; the sink stands still."""
    database.script("""create table t (id int primary key, v int, big text);
      alter table t alter big set storage external;""")
    millrace = start(shop("public.t"))
    database.script("insert into t values (5, 0, repeat('b', 5000)), (6, 0, repeat('b', 5000));")
    settled(millrace)
    millrace.command("pause", "cache", "--url", millrace.url)
    millrace.wait_state("cache", "paused")
    database.script("update t set id = 1 where id = 5; update t set v = 1 where id = 6; delete from t where id = 6;")
    found = verify(millrace, "--repair", "extra", code=1)["public.t"]
    assert counts(found) == {"missing": 1, "extra": 2}
    assert {one["reason"] for one in found["differences"] if one["kind"] == "extra"} == {
        "not removed, as cache is paused"}
    done = millrace.command("rebuild", "{file}", "--settle-ms", "300", timeout_s=60)
    assert (done.returncode, "cache is paused" in done.stdout) == (1, True), done.stdout
    millrace.command("resume", "cache", "--url", millrace.url)
    settled(millrace)
    assert millrace.status()["cache"]["dead_letters"] == 0
    assert client.keys("t:*") == ["t:id:1"]
    verify(millrace, code=0)


def test_every_target_type(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table f (id int primary key, g text, n int); alter table f replica identity full;
      create table c (id int primary key, f_id int, v text); alter table c replica identity full;""")
    outputs = ({"topics": "t.public.f,t.public.c"}
               | output("doc", topics="t.public.f", target__key="doc:{id}")
               | output("child", topics="t.public.c", target__key="doc:{f_id}", target__nest="children")
               | output("hash", topics="t.public.f", target__type="hash", target__key="hash:{id}")
               | output("text", topics="t.public.f", target__type="string", target__key="text:{id}")
               | output("set", topics="t.public.f", target__type="set", target__key="by:{g}")
               | output("rank", topics="t.public.f", target__type="sorted_set", target__key="rank", target__score="n")
               | output("log", topics="t.public.f", target__type="stream", target__key="log:{table}"))
    millrace = start(shop("public.f,public.c", redis=outputs))
    database.script("""insert into f select i, 'g' || i % 3, i from generate_series(1, 30) i;
      insert into f values (31, 'g', null);
      insert into c select i, 1 + i % 31, 'c' from generate_series(1, 60) i; delete from f where id = 5;""")
    settled(millrace)
    found = verify(millrace)
    assert counts(found["public.f"]) == {}, found
    assert any("stream" in limit for limit in found["public.f"]["limits"])
    assert counts(found["public.c"]) == {}  # two rows wait for their parent, which is gone
    client.json().set("doc:2", "$.n", 0)
    client.json().set("doc:3", "$.children['33'].v", "changed")
    client.hset("hash:2", mapping={"n": "0", "mine": "1"})
    client.set("text:2", "{}")
    client.srem("by:g2", "2")
    client.zadd("rank", {"2": 0.5})
    found = verify(millrace, "--repair", "missing,different", code=0)
    assert counts(found["public.f"]) == {}
    assert found["public.f"]["repaired"] == 5
    assert found["public.c"]["repaired"] == 1
    assert client.hgetall("hash:2") == {"id": "2", "g": "g2", "n": "2", "mine": "1"}
    assert client.zscore("rank", "2") == 2


def test_a_table_that_may_not_be_read(shop: Shop, database: Database, client: redis.Redis) -> None:
    """It is told, with exit code 3, and the others are compared."""
    role = f"reader_{database.name}"
    database.script(f"""create table a (id int primary key); create table s (id int primary key);
      create table z (id int primary key);
      create role {role} login password '{PASSWORD}'; grant select on a, z to {role};
      insert into a values (1); insert into s values (1); insert into z values (1);""")
    try:
        millrace = start(shop("public.a,public.s,public.z", postgres={"snapshot.mode": "initial"}))
        wait_until(lambda: documents(client, "?:*") == 3, "all is there", 15, context=millrace.tail)
        client.delete("z:id:1")
        text = millrace.file.read_text()
        (millrace.directory / "reader.yaml").write_text(
            text.replace("database.user: postgres", f"database.user: {role}"))
        done = millrace.command("verify", "reader.yaml", "--json", "--settle-ms", "300", timeout_s=60)
        assert done.returncode == 3, done.stdout + done.stderr
        found = {table["table"]: table for table in json.loads(done.stdout)["sinks"][0]["tables"]}
        assert "permission denied" in found["public.s"]["error"]
        assert [found[name]["in_step"] for name in ("public.a", "public.s", "public.z")] == [True, False, False]
        assert found["public.z"]["missing"] == 1
        done = millrace.command("verify", "{file}", "--table", "public.nope")
        assert done.returncode == 3 and "public.nope" in done.stderr and "public.a, public.s, public.z" in done.stderr
    finally:
        database.script(f"drop owned by {role}; drop role {role};")


def test_what_cannot_be_looked_at_is_told(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key);")
    millrace = start(shop("public.s"))
    settled(millrace)
    for arguments, code, words in ((("nobody",), 2, "no connector nobody"), (("source",), 2, "is a source"),
                                   (("--table", "public.x"), 3, "captures a table public.x"),
                                   (("--repair", "all"), 2, "all")):
        done = millrace.command("verify", "{file}", *arguments)
        assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr
    for away in ({"postgres": {"database.port": "1"}}, {"redis": {"redis.uri": "redis://127.0.0.1:1/0"}}):
        other = shop("public.s", **away)
        other.write()
        done = other.command("verify", "{file}")
        assert done.returncode == 3
        assert "127.0.0.1" in done.stderr


def test_what_a_merged_row_has_left_is_found(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Members without a row are extra and go; what only an application or the key still has in a document is not."""
    database.script("create table t (id int primary key, v text);")
    millrace = start(shop("public.t", redis={"target.update": "merge", "target.fields": "id, v as o.v"}))
    database.script("insert into t values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');")
    wait_until(lambda: bool(client.exists("t:id:4")), "the rows", 15, context=millrace.tail)
    client.json().set("t:id:2", "$.mine", 1)
    database.script("delete from t where id > 1;")
    wait_until(lambda: not client.exists("t:id:4"), "they have gone", 15, context=millrace.tail)
    millrace.wait_settled()
    assert client.json().get("t:id:2") == {"id": 2, "mine": 1}
    verify(millrace, code=0)
    client.json().set("t:id:8", "$", {"id": 8, "o": {"v": "left", "mine": 2}})
    client.json().set("t:id:9", "$", {"id": 9, "o": {"v": "left"}})
    assert verify(millrace, code=1)["public.t"]["extra"] == 2
    verify(millrace, "--repair", "extra", code=0)
    assert client.json().get("t:id:8") == {"id": 8, "o": {"mine": 2}} and not client.exists("t:id:9")
    verify(millrace, code=0)
