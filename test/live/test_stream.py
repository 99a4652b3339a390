"""Changes as they happen: what is in Redis follows the source, and the log holds each change once, in order."""

from __future__ import annotations

from collections.abc import Callable

import redis

from harness.load import Load
from harness.millrace import Millrace
from harness.oracle import assert_same_rows, documents, op_of, settle_and_compare
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def wait_documents(millrace: Millrace, client: redis.Redis, wanted: dict[str, dict[str, object]],
                   pattern: str = "*") -> None:
    """Waits until Redis holds exactly these documents."""
    seen: dict[str, object] = {}

    def same() -> bool:
        seen.clear()
        seen.update(documents(client, pattern))
        return seen == wanted

    wait_until(same, "documents are as wanted", 15,
               context=lambda: f"wanted {wanted}\nseen   {seen}\n{millrace.status()}\n{millrace.tail()}")


def start(millrace: Millrace) -> Millrace:
    millrace.start()
    millrace.wait_state("source", "running")
    millrace.wait_state("cache", "running")
    return millrace


def test_follows_a_mixed_load(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    millrace = start(shop())
    load.run(300)
    settle_and_compare(millrace, database, client, load, 1)


def test_a_transaction_larger_than_a_batch(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    millrace = start(shop(more={"runtime.batch.rows": 64}))
    load.transaction(statements=1500)
    load.run(5)
    settle_and_compare(millrace, database, client, load, 1)


def test_rolled_back_work_leaves_no_trace(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.execute("create table r (id int primary key, v text)")
    millrace = start(shop("public.r"))
    with database.connect(autocommit=False) as connection:
        connection.execute("insert into r values (1, 'kept')")
        connection.execute("savepoint s")
        connection.execute("insert into r values (2, 'undone')")
        connection.execute("rollback to s")
        connection.execute("insert into r values (3, 'kept')")
        connection.commit()
        connection.execute("insert into r values (4, 'undone')")
        connection.rollback()
        connection.execute("insert into r values (5, 'last')")
        connection.commit()
    wait_documents(millrace, client, {f"r:id:{i}": {"id": i, "v": v}
                                      for i, v in ((1, "kept"), (3, "kept"), (5, "last"))})
    assert [record["after"]["id"] for record in millrace.consume("t.public.r")] == [1, 3, 5]


def test_key_changes_move_the_document(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table pk1 (id int primary key, v text);
      create table pk2 (a int, b text, v text, primary key (a, b));
      create table pkf (id int primary key, v text); alter table pkf replica identity full;""")
    millrace = start(shop("public.pk1,public.pk2,public.pkf"))
    database.script("""insert into pk1 values (1, 'one'); insert into pk2 values (1, 'x', 'v');
      insert into pkf values (1, 'one');
      update pk1 set id = 2; update pk2 set b = 'y'; update pkf set id = 2, v = 'two';
      update pk1 set id = 3, v = 'three';""")
    wait_documents(millrace, client, {"pk1:id:3": {"id": 3, "v": "three"}, "pk2:a:1:b:y": {"a": 1, "b": "y", "v": "v"},
                                      "pkf:id:2": {"id": 2, "v": "two"}})
    database.script("delete from pk1; delete from pk2; delete from pkf;")
    wait_documents(millrace, client, {})


def test_keys_that_change_places(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A key freed and taken again within one transaction, the way around that a naive sink gets wrong."""
    database.script("create table swap (id int primary key, v text); insert into swap values (1, 'a'), (2, 'b');")
    millrace = start(shop("public.swap", postgres={"snapshot.mode": "initial"}))
    wait_documents(millrace, client, {"swap:id:1": {"id": 1, "v": "a"}, "swap:id:2": {"id": 2, "v": "b"}})
    database.script("""begin; update swap set id = 3 where id = 1; update swap set id = 1 where id = 2;
                       update swap set id = 2 where id = 3; commit;""")
    wait_documents(millrace, client, {"swap:id:1": {"id": 1, "v": "b"}, "swap:id:2": {"id": 2, "v": "a"}})


def test_many_changes_of_one_key_in_a_transaction(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table hot (id int primary key, n int, big text);
      alter table hot alter big set storage external;""")
    millrace = start(shop("public.hot"))
    database.script("""begin; insert into hot values (1, 0, repeat('b', 3000)); delete from hot;
      insert into hot values (1, 1, repeat('c', 3000));
      update hot set n = 2; update hot set n = n + 1; delete from hot;
      insert into hot values (1, 10, repeat('d', 3000));
      update hot set n = n + 1; insert into hot values (2, 0, 'short'); delete from hot where id = 2; commit;""")
    wait_documents(millrace, client, {"hot:id:1": {"id": 1, "n": 11, "big": "d" * 3000}})


def test_replica_identities(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table ri_default (id int primary key, a text, b int);
      create table ri_full (id int primary key, a text, b int); alter table ri_full replica identity full;
      create table ri_index (id int primary key, k text not null, b int);
      create unique index ri_index_k on ri_index (k);
      alter table ri_index replica identity using index ri_index_k;""")
    millrace = start(shop("public.ri_default,public.ri_full,public.ri_index"))
    database.script("""insert into ri_default values (1, 'x', 1), (2, 'y', 2);
      insert into ri_full values (1, 'x', 1), (2, null, 2);
      insert into ri_index values (1, 'k1', 1), (2, 'k2', 2);
      update ri_default set b = 10 where id = 1; update ri_full set b = 10 where id = 1;
      update ri_index set b = 10 where id = 1;""")
    wait_documents(millrace, client, {
        "ri_default:id:1": {"id": 1, "a": "x", "b": 10}, "ri_default:id:2": {"id": 2, "a": "y", "b": 2},
        "ri_full:id:1": {"id": 1, "a": "x", "b": 10}, "ri_full:id:2": {"id": 2, "a": None, "b": 2}}, "ri_[df]*")

    def rows() -> list[tuple[int, str, int]]:
        return sorted((one["id"], one["k"], one["b"]) for one in documents(client, "ri_index:*").values())

    wait_until(lambda: rows() == [(1, "k1", 10), (2, "k2", 2)], "identity by index", 15, context=millrace.tail)
    database.script("""update ri_index set k = 'k1b' where id = 1; update ri_index set id = 100 where id = 2;
      delete from ri_default where id = 1; delete from ri_full;""")

    wait_until(lambda: rows() == [(1, "k1b", 10), (100, "k2", 2)], "identity by index followed", 15,
               context=millrace.tail)
    database.script("delete from ri_index")
    wait_documents(millrace, client, {"ri_default:id:2": {"id": 2, "a": "y", "b": 2}})
    before = [record["before"] for record in millrace.consume("t.public.ri_full") if op_of(record) == "delete"]
    assert sorted(row["a"] or "" for row in before) == ["", "x"], "a full identity sends the whole old row"


def test_truncate_takes_the_topics_documents_only(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table tr1 (id int primary key, v text);
      create table tr2 (id int primary key, r int references tr1);""")
    client.set("tr1:other", "not ours")
    client.set("tr1:id:99", "not ours either: no row ever had this key")
    millrace = start(shop("public.tr1,public.tr2"))
    database.script("""insert into tr1 values (1, 'a'), (7, 'g'); insert into tr2 values (1, 1); truncate tr1, tr2;
      insert into tr1 values (2, 'b');""")
    wait_documents(millrace, client, {"tr1:id:2": {"id": 2, "v": "b"}})
    database.script("truncate tr1 cascade; insert into tr1 values (3, 'c');")
    wait_documents(millrace, client, {"tr1:id:3": {"id": 3, "v": "c"}})
    assert client.get("tr1:other") == "not ours"
    assert [op_of(record) for record in millrace.consume("t.public.tr1")] == [
        "insert", "insert", "truncate", "insert", "truncate", "insert"]


def test_toasted_values_left_alone_stay(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table tt_def (id int primary key, n int, big text, bin bytea, j jsonb, ta text[], ia
      int[], vc varchar);
      create table tt_full (like tt_def including all); alter table tt_full replica identity full;
      do $$ declare t text; begin foreach t in array array['tt_def', 'tt_full'] loop
        execute format('alter table %I alter big set storage external, alter bin set storage external, alter j set
        storage external,
          alter ta set storage external, alter ia set storage external, alter vc set storage external', t); end loop;
          end $$;""")
    millrace = start(shop("public.tt_def,public.tt_full"))
    database.script("""insert into tt_def select 1, 1, repeat('A', 3000), decode(repeat('ab', 3000), 'hex'),
        jsonb_build_object('k', repeat('j', 3000)), array[repeat('t', 3000)], array(select generate_series(1, 800)),
        repeat('v', 3000);
      insert into tt_full select * from tt_def;""")
    wait_until(lambda: len(documents(client, "tt_*")) == 2, "inserted", 15, context=millrace.tail)
    first = documents(client, "tt_*")
    assert first["tt_def:id:1"]["big"] == "A" * 3000
    assert first["tt_def:id:1"]["ia"] == list(range(1, 801))
    database.script("update tt_def set n = 2; update tt_full set n = 2;")
    wait_documents(millrace, client, {key: one | {"n": 2} for key, one in first.items()})
    database.script("update tt_def set big = 'small now'; update tt_full set big = 'small now';")
    wait_documents(millrace, client, {key: one | {"n": 2, "big": "small now"} for key, one in first.items()})
    database.script("update tt_full set id = 5; update tt_def set id = 5, big = 'with a new key';")
    row = first["tt_def:id:1"] | {"n": 2, "id": 5}
    wait_documents(millrace, client, {"tt_def:id:5": row | {"big": "with a new key"},
                                      "tt_full:id:5": row | {"big": "small now"}})


def test_odd_names(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create schema "My Schema";
      create table "My Schema"."Order-Lines" ("Id" int primary key, "some col" text, "naïve" int, "a.b" text, "1st"
      int, "select" text);
      create table "таблица" (id int primary key, "имя" text); create table "UPPER_case$x" (id int primary key);""")
    millrace = start(shop("My Schema.Order-Lines,public.таблица,public.UPPER_case\\$x"))
    database.script("""insert into "My Schema"."Order-Lines" values (1, 's', 2, 'ab', 3, 'sel');
      insert into "таблица" values (1, 'Иван');
      insert into "UPPER_case$x" values (1);""")
    wait_documents(millrace, client, {
        "Order-Lines:Id:1": {"Id": 1, "some col": "s", "naïve": 2, "a.b": "ab", "1st": 3, "select": "sel"},
        "таблица:id:1": {"id": 1, "имя": "Иван"}, "UPPER_case$x:id:1": {"id": 1}})


def test_two_rows_never_share_a_key(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Values that hold the separator, the escape and nothing at all."""
    database.script("create table amb (a text, b text, primary key (a, b));")
    millrace = start(shop("public.amb"))
    values = ["", ":", "b", "b:", ":b", "b:b", "\\", "\\:", "%3A", "a:b:c", "x:b:y", "é", "a b", "\n", "{", "*"]
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("insert into amb values (%s, %s)", [(a, b) for a in values for b in values])
    wait_until(lambda: len(documents(client, "amb:*")) == len(values) ** 2, "as many documents as rows", 15,
               context=lambda: f"{len(documents(client, 'amb:*'))} documents\n{millrace.tail()}")
    assert_same_rows(database, client, "amb", ("a", "b"))
    database.script("delete from amb where a <> ':'")
    wait_until(lambda: len(documents(client, "amb:*")) == len(values), "deletes hit the right keys", 15)
    assert_same_rows(database, client, "amb", ("a", "b"))


def test_partitions_by_leaf(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table pt (id int, region text, v text, primary key (id, region)) partition by list
      (region);
      create table pt_eu partition of pt for values in ('eu');
      create table pt_us partition of pt for values in ('us');""")
    millrace = start(shop("public.pt_eu,public.pt_us"))
    database.script("insert into pt values (1, 'eu', 'a'), (2, 'us', 'b'); update pt set v = 'c' where id = 1;")
    wait_documents(millrace, client, {"pt_eu:id:1:region:eu": {"id": 1, "region": "eu", "v": "c"},
                                      "pt_us:id:2:region:us": {"id": 2, "region": "us", "v": "b"}})
    database.script("update pt set region = 'us' where id = 1;")
    wait_documents(millrace, client, {"pt_us:id:1:region:us": {"id": 1, "region": "us", "v": "c"},
                                      "pt_us:id:2:region:us": {"id": 2, "region": "us", "v": "b"}})
    database.script("delete from pt;")
    wait_documents(millrace, client, {})


def test_a_table_that_is_not_named_is_not_captured(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table mine (id int primary key); create table other (id int primary key);")
    millrace = start(shop("public.mine"))
    published = database.query("select tablename from pg_publication_tables where pubname = %s",
                               (database.publication,))
    assert published == [("mine",)], "only the named tables are published"
    database.script("insert into other values (1); insert into mine values (1); insert into other values (2);")
    wait_documents(millrace, client, {"mine:id:1": {"id": 1}})
    assert "t.public.other" not in millrace.topics()


def test_hash_documents(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table h (id int primary key, v text, n numeric(10,3), b bool);")
    millrace = start(shop("public.h", redis={"target.type": "hash"}))
    database.script("""insert into h values (1, 'one', 1.500, true), (2, null, null, null);
      update h set v = 'uno' where id = 1;""")
    wait_until(lambda: client.hget("h:id:1", "v") == "uno" and client.exists("h:id:2"), "hashes written", 15,
               context=lambda: f"{client.hgetall('h:id:1')} {millrace.tail()}")
    found = client.hgetall("h:id:1")
    assert (found["id"], found["n"]) == ("1", "1.500")
    assert client.hgetall("h:id:2") == {"id": "2"}
    database.script("update h set v = null, n = null where id = 1; delete from h where id = 2;")
    wait_until(lambda: not client.exists("h:id:2"), "delete followed", 15)
    assert "v" not in client.hgetall("h:id:1")
    assert "n" not in client.hgetall("h:id:1")


def test_key_template_and_index(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table flights (id bigint primary key, origin text, delay int, destination text);")
    millrace = start(shop("public.flights", redis={
        "topics": "t.public.flights", "target.key": "flight:{id}",
        "indexes": {"flights": {"prefix": "flight:", "fields": {"origin": "TAG", "delay": "NUMERIC SORTABLE",
                                                                "destination": "TEXT"}}}}))
    database.script("""insert into flights select i, 'AB' || i % 3, i * 10, 'Town number ' || i from generate_series(1,
      30) as i;""")

    def search(query: str) -> list[str]:
        answer = client.execute_command("FT.SEARCH", "flights", query, "NOCONTENT", "SORTBY", "delay")
        return [str(one) for one in answer[1:]]

    wait_until(lambda: client.exists("flight:30"), "documents written", 15, context=millrace.tail)
    assert search("@delay:[290 300]") == ["flight:29", "flight:30"]
    assert len(search("@origin:{AB1}")) == 10
    database.script("update flights set delay = 295 where id = 1")
    wait_until(lambda: search("@delay:[291 300]") == ["flight:1", "flight:30"], "the search follows the update", 15)
    database.script("delete from flights where id = 30")
    wait_until(lambda: search("@delay:[291 300]") == ["flight:1"], "the search follows the delete", 15)
