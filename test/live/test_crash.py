"""kill -9 at every named point, at chance moments, and inside the snapshot: nothing lost, nothing twice."""

from __future__ import annotations

import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable

import pytest
import redis

from harness.load import KEYS, PUBLISHED, Load
from harness.millrace import Millrace
from harness.oracle import assert_same_rows, place_of, settle_and_compare
from harness.postgres import Database
from harness.waiting import DeadlinePassed, wait_until

Shop = Callable[..., Millrace]
SMALL = {"runtime.batch.rows": 40}

FAILPOINTS = [
    "postgres.after_read",
    "log.before_append",
    "log.after_append",
    "runtime.after_append_before_acknowledge",
    "postgres.before_acknowledge",
    "postgres.after_acknowledge",
    "redis.after_write",
    "runtime.before_settle",
    "runtime.after_settle",
]


def run_until_killed(millrace: Millrace, load: Load, failpoints: str) -> None:
    """Starts with a failpoint and makes changes until the program has killed itself. A point that is never passed is a
    failure of the test."""
    millrace.start(failpoints, wait=False)

    def step() -> bool:
        if millrace.running():
            load.run(3)
        return not millrace.running()

    wait_until(step, f"{failpoints} kills the program", 30, pause_s=0.01,
               context=lambda: f"{millrace.status()}\n{millrace.tail()}")
    assert millrace.exit_code() == -signal.SIGKILL, millrace.tail()


@pytest.mark.parametrize("passing", [1, 4, 15])
@pytest.mark.parametrize("point", FAILPOINTS)
def test_killed_at(point: str, passing: int, shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """Dies at the n-th passing, with a transaction of several batches under way."""
    database.make_slot(PUBLISHED)
    millrace = shop(more=SMALL)
    load.run(5)
    load.transaction(statements=300)
    run_until_killed(millrace, load, f"{point}=kill@{passing}")
    load.run(5)
    millrace.start()
    load.run(20)
    settle_and_compare(millrace, database, client, load, 1)


def test_killed_again_and_again(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """Every point in turn on one log."""
    database.make_slot(PUBLISHED)
    millrace = shop(more=SMALL)
    for point in FAILPOINTS:
        load.transaction(statements=150)
        run_until_killed(millrace, load, f"{point}=kill@3")
    millrace.start()
    settle_and_compare(millrace, database, client, load, 1)


def test_killed_at_chance_moments_under_load(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    dice = random.Random(20240229)
    database.make_slot(PUBLISHED)
    millrace = shop(more={"runtime.batch.rows": 100})
    load.run_in_thread(pause_s=0.001)
    try:
        for _ in range(12):
            millrace.start(wait=False)
            target, life = len(load.expected) + dice.randrange(50, 600), dice.uniform(0.05, 1.2)
            with contextlib.suppress(DeadlinePassed):  # whichever comes first: so many events or so much time
                wait_until(lambda goal=target: len(load.expected) > goal, "some load", life)  # type: ignore[misc]
            assert millrace.running(), millrace.tail()
            millrace.kill()
    finally:
        load.stop()
    millrace.start()
    settle_and_compare(millrace, database, client, load, 1, timeout_s=90)


@pytest.mark.parametrize("passing", [1, 2, 6, 20])
def test_killed_inside_the_snapshot(passing: int, shop: Shop, database: Database, client: redis.Redis,
                                    load: Load) -> None:
    """Rows change and vanish while the program is down: what the first attempt has delivered must not stay behind."""
    load.truncates = False
    load.run(300)
    load.transaction(statements=600)
    millrace = shop(postgres={"snapshot.mode": "initial"}, more=SMALL)
    millrace.start(f"postgres.in_snapshot=kill@{passing}", wait=False)
    assert millrace.wait_exit(30) == -signal.SIGKILL, millrace.tail()
    database.script("""delete from load_a where id % 3 = 0; update load_a set v = 'after the crash' where id % 3 = 1;
                       delete from load_b where k1 % 2 = 0; update load_c set id = id + 100000 where id % 4 = 0;""")
    millrace.start()
    load.mark(1)
    wait_until(lambda: client.exists("load_mark:id:1"), "the mark is in Redis", 60,
               context=lambda: f"{millrace.status()}\n{millrace.tail()}")
    for table, key in KEYS.items():
        assert_same_rows(database, client, table, key)
        places = Counter(place_of(record) for record in millrace.consume(f"t.public.{table}"))
        twice = [place for place, count in places.items() if count > 1]
        assert not twice, f"{table}: {len(twice)} of {len(places)} (commit, index) more than once: {twice[:3]}"


def test_killed_in_a_snapshot_that_the_sink_has_seen(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The first attempt's rows are in Redis before the crash; those gone from the source since must go there too."""
    database.script("create table s (id int primary key, v text); create table z (id int primary key);"
                    "insert into s select i, 'v' from generate_series(1, 2000) as i;"
                    "insert into z select generate_series(1, 200000);")
    millrace = shop("public.s,public.z", postgres={"snapshot.mode": "initial"}, more=SMALL)
    millrace.start("postgres.in_snapshot=kill@4000", wait=False)
    assert millrace.wait_exit(60) == -signal.SIGKILL, millrace.tail()
    assert client.dbsize() > 500, "the sink had not seen enough for this test to mean anything"
    database.script("""delete from s where id % 2 = 0; delete from z where id <= 100;
      insert into s values (100000, 'new');""")
    millrace.start()
    millrace.wait_state("source", "running", timeout_s=60)
    database.script("insert into z values (999999)")
    wait_until(lambda: client.exists("z:id:999999"), "the mark is in Redis", 60, context=millrace.tail)
    for table in ("s", "z"):
        assert_same_rows(database, client, table)


def test_stopped_and_started_under_load(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """SIGTERM at any time takes less than a second and loses nothing."""
    database.make_slot(PUBLISHED)
    millrace = shop()
    load.run_in_thread()
    try:
        for number in range(1, 6):
            millrace.start()
            millrace.wait_state("source", "running")
            goal = len(load.expected) + 150 * number
            wait_until(lambda goal=goal: len(load.expected) > goal, "some load", 20)  # type: ignore[misc]
            took = millrace.terminate()
            assert took < 1.0, f"stop number {number} took {took:.2f} s"
    finally:
        load.stop()
    millrace.start()
    settle_and_compare(millrace, database, client, load, 1)


def test_failed_calls_are_tried_again(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """The n-th call fails instead of killing: reconnects, loses nothing, and the state says running again."""
    database.make_slot(PUBLISHED)
    millrace = shop(more=SMALL)
    millrace.start(",".join(f"{point}=error@{number}" for number, point in enumerate(FAILPOINTS, 2)))
    load.run(100)
    settle_and_compare(millrace, database, client, load, 1)
    millrace.wait_state("source", "running")
    millrace.wait_state("cache", "running")
