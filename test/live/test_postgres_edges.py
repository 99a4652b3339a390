"""Where PostgreSQL itself is not as simple as its rows: rewrites under a snapshot, row security, tables that leave."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.millrace import Millrace
from harness.oracle import op_of
from harness.postgres import PASSWORD, Database
from harness.proxy import Proxy
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
INITIAL = {"snapshot.mode": "initial"}
# The first read of the snapshot, of the table first by name, takes this long: time to change the next one.
HELD = "postgres.in_snapshot=sleep:3000@1"


def reads(millrace: Millrace, topic: str) -> list[int]:
    return sorted(record["after"]["id"] for record in millrace.consume(topic) if op_of(record) == "read")


def test_a_table_rewritten_before_it_is_read_is_read_all_the_same(shop: Shop, database: Database) -> None:
    """A rewrite leaves no row that an older snapshot sees, and no change in the stream."""
    database.script("""create table a (id int primary key); insert into a values (1);
      create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 50) i;
      create table pt (id int primary key, v int) partition by range (id);
      create table pt_1 partition of pt for values from (0) to (100);
      insert into pt select i, i from generate_series(1, 50) i;""")
    millrace = shop("public.(a|b|pt)", postgres=INITIAL | {"publish.via.partition.root": "true"}).start(HELD)
    millrace.wait_state("source", "snapshot")
    database.script("alter table b alter column v type bigint; alter table pt alter column v type bigint;")
    millrace.wait_state("source", "running")
    assert reads(millrace, "t.public.b") == list(range(1, 51)), millrace.tail()
    assert reads(millrace, "t.public.pt") == list(range(1, 51)), millrace.tail()


def test_a_column_dropped_before_the_table_is_read(shop: Shop, database: Database) -> None:
    """The snapshot still shows the column, COPY does not know it any more: read under a newer snapshot."""
    database.script("""create table a (id int primary key); insert into a values (1);
      create table b (id int primary key, v int); insert into b select i, i from generate_series(1, 50) i;
      create table c (id int primary key); insert into c values (1);""")
    millrace = shop("public.(a|b|c)", postgres=INITIAL).start(HELD)
    millrace.wait_state("source", "snapshot")
    database.script("alter table b drop column v; drop table c;")
    millrace.wait_state("source", "running")
    assert reads(millrace, "t.public.b") == list(range(1, 51)), millrace.tail()


def test_row_security_never_filters_the_snapshot(shop: Shop, database: Database) -> None:
    """A role that a policy holds rows back from is refused, and told what would let it read them."""
    role = f"reader_{database.name}"
    database.script(f"""create role {role} login replication password '{PASSWORD}';
      create table s (id int primary key, mine bool); insert into s values (1, true), (2, false);
      alter table s enable row level security; create policy p on s using (mine);
      grant select on s to {role}; create publication {database.publication} for table s;""")
    try:
        millrace = shop("public.s", postgres=INITIAL | {"database.user": role})
        checked = millrace.check()
        assert checked.returncode != 0
        assert "row security" in checked.stdout
        assert f'ALTER ROLE "{role}" BYPASSRLS' in checked.stdout, checked.stdout
        said = millrace.start(wait=False).wait_refused("source")
        assert "row-level security" in said, said
        millrace.close()
        database.execute(f"alter role {role} bypassrls")
        millrace.start().wait_state("source", "running")
        assert reads(millrace, "t.public.s") == [1, 2]
        millrace.close()
    finally:
        database.execute(f"drop owned by {role}", f"drop role {role}")


class SlowProxy(Proxy):
    """Brings what the server sends at a fixed rate."""

    bytes_per_s = 1_000_000

    def _pump(self, pair: Any, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
                if target is pair.sockets[0]:
                    time.sleep(len(data) / self.bytes_per_s)
        pair.close(reset=False)


def test_a_row_that_takes_long_to_arrive_is_no_silence(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key, v text);")
    with SlowProxy(database.server.port) as proxy:
        millrace = shop("public.s", postgres={"database.port": str(proxy.port), "status.update.interval.ms": "1000"})
        millrace.start().wait_state("source", "running")
        connections = proxy.connections
        database.script("insert into s select 1, repeat('0123456789', 800000);")
        millrace.wait_offset("t.public.s", 1)
        assert proxy.connections == connections, millrace.tail()


def test_a_busy_walsender_is_no_dead_connection(shop: Shop, database: Database) -> None:
    """It says nothing for many intervals, but the server answers elsewhere and still has it at work."""
    database.script("create table s (id int primary key);")
    millrace = shop("public.s", postgres={"status.update.interval.ms": "1000"}).start()
    millrace.wait_state("source", "running")
    wait_until(database.slot_active, "streaming", 10)
    pid = database.value("select active_pid from pg_replication_slots where slot_name = %s", (database.slot,))
    os.kill(pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert millrace.state("source") == "running", millrace.tail()
            time.sleep(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    database.script("insert into s values (1);")
    millrace.wait_offset("t.public.s", 1)
    assert millrace.status()["source"]["errors"] == 0, millrace.tail()


def test_far_behind_over_other_tables_is_not_idle(shop: Shop, database: Database) -> None:
    """Nothing of ours is in it, but what comes behind it waits as long as it takes."""
    database.script("create table s (id int primary key); create table busy (v text);")
    millrace = shop("public.s", postgres={"status.update.interval.ms": "1000"}).start()
    millrace.wait_state("source", "running")
    wait_until(lambda: millrace.status()["source"]["lag_ms"] == 0, "idle", 15)
    pid = database.value("select active_pid from pg_replication_slots where slot_name = %s", (database.slot,))
    os.kill(pid, signal.SIGSTOP)
    try:
        database.script("insert into busy select repeat('w', 1000) from generate_series(1, 5000);")
        wait_until(lambda: millrace.status()["source"]["lag_ms"] != 0, "no longer idle", 15,
                   context=lambda: str(millrace.status()))
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: millrace.status()["source"]["lag_ms"] == 0, "idle again", 15)


def test_a_slot_waits_for_old_transactions_and_is_not_left_half_made(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key); create table other (id int);")
    millrace = shop("public.s")
    with database.connect(autocommit=False) as writer:
        writer.execute("insert into other values (1)")
        millrace.start()
        wait_until(lambda: "waits for older transactions" in millrace.tail(), "said", 20, context=millrace.tail)
        assert millrace.terminate() < 1.5
        wait_until(lambda: not database.value("select count(*) from pg_replication_slots where slot_name = %s",
                                              (database.slot,)), "the half of a slot is gone", 5)
        millrace.start()
        wait_until(lambda: database.value("select count(*) from pg_replication_slots where slot_name = %s",
                                          (database.slot,)), "the next attempt waits", 10)
        writer.commit()
    millrace.wait_state("source", "running")


def test_a_table_taken_out_of_the_publication_is_refused(shop: Shop, database: Database) -> None:
    """Its changes since are in no stream; adding it again in silence would hide that."""
    database.script("create table s (id int primary key); create table u (id int primary key);")
    millrace = shop("public.[a-z]+").start()
    millrace.wait_state("source", "running")
    database.script("insert into s values (1); insert into u values (1);")
    millrace.wait_offset("t.public.u", 1)
    millrace.terminate()
    database.script(f"""alter publication {database.publication} drop table u; insert into u values (2);
      create table fresh (id int primary key);""")
    said = millrace.start(wait=False).wait_refused("source")
    assert "public.u" in said, said
    assert "public.s" not in said, said
    assert f'ALTER PUBLICATION "{database.publication}" ADD TABLE' in said, said
    millrace.close()
    database.script(f"alter publication {database.publication} add table u;")
    millrace.start().wait_state("source", "running")
    assert "rows that these tables had before are not captured connector=source tables=public.fresh" in millrace.tail()
    database.script("insert into u values (3); insert into fresh values (1);")
    millrace.wait_offset("t.public.u", 2)
    millrace.wait_offset("t.public.fresh", 1)


@pytest.mark.parametrize("how", ["detached", "dropped"])
def test_a_partition_that_leaves_keeps_its_changes(how: str, shop: Shop, database: Database) -> None:
    """Captured by the name of its partitioned table, which it no longer has when its older changes come."""
    database.script("""create table pt (id int primary key) partition by range (id);
      create table pt_1 partition of pt for values from (0) to (100);
      create table pt_2 partition of pt for values from (100) to (200); create table other (id int primary key);""")
    millrace = shop("public.pt").start()
    millrace.wait_state("source", "running")
    database.script(f"alter publication {database.publication} add table other;")
    os.kill(millrace.pid, signal.SIGSTOP)
    try:
        database.script("insert into pt values (1), (101); insert into other values (1);")
        database.script("alter table pt detach partition pt_1;" if how == "detached" else "drop table pt_1;")
        database.script("insert into pt values (102);")
    finally:
        os.kill(millrace.pid, signal.SIGCONT)
    millrace.wait_offset("t.public.pt_2", 2)
    assert millrace.next_offset("t.public.pt_1") == 1, millrace.tail()
    assert "a published table is not captured" in millrace.tail()


def test_a_role_with_a_right_to_the_published_columns_only(shop: Shop, database: Database) -> None:
    role = f"columns_{database.name}"
    database.script(f"""create role {role} login replication password '{PASSWORD}';
      create table s (id int primary key, secret text); insert into s values (1, 'x'), (2, 'y');
      grant select (id) on s to {role}; create publication {database.publication} for table s (id);""")
    try:
        millrace = shop("public.s", postgres=INITIAL | {"database.user": role}).start()
        millrace.wait_state("source", "running")
        assert reads(millrace, "t.public.s") == [1, 2]
        millrace.close()
    finally:
        database.execute(f"drop owned by {role}", f"drop role {role}")
