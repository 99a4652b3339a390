"""What was there before the stream, and the seam between the two."""

from __future__ import annotations

from collections.abc import Callable

import redis

from harness.load import KEYS, PUBLISHED, Load
from harness.millrace import Millrace
from harness.oracle import assert_log_exact, assert_same_rows, event_of, fold, op_of, settle_and_compare
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
INITIAL = {"snapshot.mode": "initial"}


def test_initial_then_stream(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    load.run(200)
    before = {table: database.value(f"select count(*) from {table}") for table in KEYS}
    load.expected.clear()
    millrace = shop(postgres=INITIAL).start()
    millrace.wait_state("source", "running")
    load.run(100)
    settle_and_compare(millrace, database, client, load, 1)
    for table, count in before.items():
        records = millrace.consume(f"t.public.{table}")
        assert sum(op_of(record) == "read" for record in records) == count, f"{table}: one read for each row there was"


def test_snapshot_under_load_has_no_gap_and_no_overlap(shop: Shop, database: Database, client: redis.Redis,
                                                       load: Load) -> None:
    """Writers never pause: each change is either in the snapshot or in the stream."""
    load.truncates = False
    load.run(400)
    load.run_in_thread()
    try:
        millrace = shop(postgres=INITIAL, more={"runtime.batch.rows": 100}).start()
        millrace.wait_state("source", "running")
        wait_until(lambda: millrace.next_offset("t.public.load_a") > 1500, "some changes streamed", 30)
    finally:
        load.stop()
    settle_and_compare(millrace, database, client, load, 1, exact=False)
    for table, key in KEYS.items():
        records = millrace.consume(f"t.public.{table}")
        reads = [record for record in records if op_of(record) == "read"]
        assert records[:len(reads)] == reads, f"{table}: the snapshot comes before the stream"
        streamed = [event_of(table, record) for record in records[len(reads):]]
        made = [event for event in load.expected if event.table == table]
        assert streamed == made[len(made) - len(streamed):], f"{table}: the stream is the tail of what was made"
        assert len({tuple(record["after"][name] for name in key) for record in reads}) == len(reads)
        rows = fold(records, key)
        assert len(rows) == database.value(f"select count(*) from {table}")
        seqs = {tuple(row): seq for *row, seq in database.query(f"select {', '.join(key)}, seq from {table}")}
        assert {identity: int(row["seq"]) for identity, row in rows.items()} == seqs


def test_no_data_starts_with_the_stream(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key); insert into s values (1), (2);")
    millrace = shop("public.s").start()
    millrace.wait_state("source", "running")
    database.script("insert into s values (3);")
    wait_until(lambda: client.exists("s:id:3"), "the new row is in Redis", 15, context=millrace.tail)
    assert not client.exists("s:id:1")
    assert [record["after"]["id"] for record in millrace.consume("t.public.s")] == [3]


def test_a_slot_made_beforehand_is_used_from_its_position(shop: Shop, database: Database, client: redis.Redis,
                                                          load: Load) -> None:
    """The backlog between the making of the slot and the first start is not skipped."""
    database.make_slot(PUBLISHED)
    load.run(100)
    millrace = shop().start()
    settle_and_compare(millrace, database, client, load, 1)


def test_a_snapshot_is_not_taken_twice(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table s (id int primary key, v text);
      insert into s select i, 'v' || i from generate_series(1, 500) as i;""")
    millrace = shop("public.s", postgres=INITIAL).start()
    millrace.wait_state("source", "running")
    wait_until(lambda: client.dbsize() >= 500, "snapshot in Redis", 15, context=millrace.tail)
    millrace.terminate()
    database.script("update s set v = 'changed' where id = 7; delete from s where id = 8;")
    millrace.start()
    millrace.wait_offset("t.public.s", 502)
    records = millrace.consume("t.public.s")
    assert [op_of(record) for record in records[500:]] == ["update", "delete"]
    wait_until(lambda: not client.exists("s:id:8"), "delete followed", 15)
    assert_same_rows(database, client, "s")


def test_an_empty_table_has_an_empty_snapshot(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    millrace = shop(postgres=INITIAL).start()
    millrace.wait_state("source", "running")
    load.run(10)
    settle_and_compare(millrace, database, client, load, 1)
    assert_log_exact(millrace, load)


def test_snapshot_progress_is_shown(shop: Shop, database: Database) -> None:
    database.script("""create table s (id int primary key, v text);
      insert into s select i, repeat('v', 200) from generate_series(1, 60000) as i;""")
    millrace = shop("public.s", postgres=INITIAL, more={"runtime.batch.rows": 200}).start()
    seen = millrace.wait_state("source", "snapshot", "running")
    millrace.wait_offset("t.public.s", 60000)
    millrace.wait_state("source", "running")
    assert seen["state"] == "snapshot", "a snapshot of 60,000 rows is a state of its own"
