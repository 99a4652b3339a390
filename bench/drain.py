"""Backlog drain: 1.4 million events from a slot to millrace's durable log, beside pg_recvlogical to nowhere.

One base slot is made before the load; every run reads a copy of it, so all drain the same backlog. The two take turns.
Both come over TCP on loopback (the ratio asked for is between these two) and, for comparison, over the Unix socket.
Time is from process start; for pg_recvlogical to its exit at the end position, for millrace until its log's topic has
all events (its offsets move only with what is synced to disk).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import time
from dataclasses import dataclass

from common import BENCH, BENCH_SETTINGS, WORK, Report, WalSender, cpu_seconds, median, memory_mb, postgres_version

from harness.millrace import Millrace
from harness.paths import postgres_bin, remove_tree
from harness.postgres import PASSWORD, Database, PostgresServer

EVENTS = 1_400_000
DATABASE = "w1"
PUBLICATION = "pub_w1"
BASE_SLOT = "w1_base"
TOPIC = "t.public.orders"
WAYS = ("TCP", "Unix")


@dataclass
class Run:
    seconds: float
    cpu: float
    walsender_cpu: float
    peak_mb: float
    first_row: float = 0.0  # seconds from process start until the log was seen to have a row

    @property
    def rate(self) -> float:
        return EVENTS / self.seconds


def load(server: PostgresServer) -> None:
    """Makes table, publication and base slot, then runs the workload and notes where it ends."""
    print("loading 1.4 million events (once; kept in bench/work)...", flush=True)
    database = Database(server, DATABASE)
    database.execute(
        "create table orders (id bigint primary key, customer_id int not null, sku text not null, note text,"
        " amount numeric(12,2), price float8, placed_at timestamptz, paid bool, ref uuid, attrs jsonb)",
        f"create publication {PUBLICATION} for table orders",
        f"select pg_create_logical_replication_slot('{BASE_SLOT}', 'pgoutput')")
    database.script((BENCH / "w1.sql").read_text())
    database.execute("create table w1_mark as select pg_current_wal_lsn() as end_lsn", "vacuum analyze orders",
                     "checkpoint")


def open_server() -> tuple[PostgresServer, str]:
    """The server with the backlog, loaded when need be, and the position where the backlog ends."""
    root = WORK / "drain-postgres"
    ready = root / "loaded"
    if not ready.exists():
        remove_tree(root)
    server = PostgresServer(root, BENCH_SETTINGS)
    server.start()
    try:
        if not ready.exists():
            load(server)
            ready.write_text("w1\n")
        with server.connect(DATABASE) as connection:
            row = connection.execute("select end_lsn::text from w1_mark").fetchone()
            connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
            connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                               "where slot_name <> %s and not active", (BASE_SLOT,))
    except BaseException:
        server.stop()
        raise
    assert row is not None
    return server, row[0]


def copy_slot(server: PostgresServer, name: str) -> None:
    server.execute(DATABASE, f"select pg_copy_logical_replication_slot('{BASE_SLOT}', '{name}')")


def drop_slot(server: PostgresServer, name: str) -> None:
    server.execute(DATABASE, f"select pg_drop_replication_slot('{name}')")


def run_recvlogical(server: PostgresServer, host: str, end: str, slot: str) -> Run:
    copy_slot(server, slot)
    sender = WalSender(server, slot)
    sender.start()
    begin = time.monotonic()
    process = subprocess.Popen(
        [str(postgres_bin() / "pg_recvlogical"), "-h", host, "-p", str(server.port), "-U", "postgres", "-w",
         "-d", DATABASE, "--slot", slot, "--start", "-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}",
         "--endpos", end, "--no-loop", "-f", "/dev/null"], env=os.environ | {"PGPASSWORD": PASSWORD})
    cpu = peak = 0.0
    while process.poll() is None:
        cpu, peak = max(cpu, cpu_seconds(process.pid)), max(peak, memory_mb(process.pid))
        time.sleep(0.02)
    took = time.monotonic() - begin
    assert process.returncode == 0, f"pg_recvlogical: exit code {process.returncode}"
    walsender = sender.stop()
    drop_slot(server, slot)
    return Run(took, cpu, walsender, peak)


def run_millrace(server: PostgresServer, host: str, slot: str) -> Run:
    directory = WORK / "drain-millrace"
    remove_tree(directory)
    copy_slot(server, slot)
    sender = WalSender(server, slot)
    sender.start()
    millrace = Millrace(directory, {"w1": {
        "kind": "postgres", "topic.prefix": "t", "database.hostname": host, "database.port": str(server.port),
        "database.user": "postgres", "database.password": "${env:MILLRACE_TEST_PGPASSWORD}",
        "database.dbname": DATABASE, "table.include.list": "public.orders", "slot.name": slot,
        "publication.name": PUBLICATION, "snapshot.mode": "no_data"}})
    begin, first = time.monotonic(), 0.0
    millrace.start(wait=False)
    try:
        while True:
            text = millrace.try_get("/api/v1/topics")
            now = time.monotonic()
            offset = next((one["next_offset"] for one in json.loads(text) if one["topic"] == TOPIC), 0) if text else 0
            if offset and not first:
                first = now - begin
            if offset >= EVENTS:
                break
            if not millrace.running() or now - begin > 300:
                raise RuntimeError(f"stopped at {offset} events\n{millrace.tail()}")
            time.sleep(0.05)
        run = Run(now - begin, cpu_seconds(millrace.pid), sender.stop(), memory_mb(millrace.pid), first)
        assert offset == EVENTS, f"{offset} events instead of {EVENTS}"
        millrace.terminate()
    finally:
        millrace.close()
    drop_slot(server, slot)
    remove_tree(directory)
    return run


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run drain")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    server, end = open_server()
    try:
        report = Report("drain", "Backlog drain, PostgreSQL -> durable log, 1.4 M events (375 MB of pgoutput)",
                        {"postgres": postgres_version(server)})
        report.line(f"{'round':6}{'reader':16}{'over':6}{'seconds':>8}{'k ev/s':>8}{'ratio':>7}{'CPU s/M':>9}"
                    f"{'walsender CPU s/M':>19}{'peak MB':>9}{'first row s':>13}")
        pairs: dict[str, list[tuple[Run, Run]]] = {way: [] for way in WAYS}
        for number, way in itertools.product(range(1, rounds + 1), WAYS):
            host = "127.0.0.1" if way == "TCP" else str(server.root)
            peer = run_recvlogical(server, host, end, f"w1_recv_{number}")
            own = run_millrace(server, host, f"w1_millrace_{number}")
            pairs[way].append((peer, own))
            for name, run, ratio in (("pg_recvlogical", peer, 1.0), ("millrace", own, own.rate / peer.rate)):
                first = f"{run.first_row:.2f}" if run.first_row else "-"
                report.line(f"{number:<6}{name:16}{way:6}{run.seconds:8.2f}{run.rate / 1e3:8.1f}{ratio:7.2f}"
                            f"{run.cpu / EVENTS * 1e6:9.2f}{run.walsender_cpu / EVENTS * 1e6:19.2f}{run.peak_mb:9.1f}"
                            f"{first:>13}")
        report.line()
        for way in WAYS:
            ratios = sorted(own.rate / peer.rate for peer, own in pairs[way])
            wanted = "; wanted >= 1.3, aim 2" if way == "TCP" else ""
            report.line(f"median ratio to pg_recvlogical, both over {way:4}  {median(ratios):.2f} "
                        f"(min {ratios[0]:.2f}, max {ratios[-1]:.2f}){wanted}")
        tcp = [own for _, own in pairs["TCP"]]
        report.line(f"median CPU s per million rows {median(run.cpu for run in tcp) / EVENTS * 1e6:.2f}; wanted <= 2")
        report.line(f"peak RSS {max(run.peak_mb for run in tcp):.0f} MB; wanted <= 150")
        report.save()
    finally:
        server.stop()
