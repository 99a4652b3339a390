"""Commit to document readable in Redis, beside a bare replication reader's own figure for the same load.

Each transaction inserts one row that takes clock_timestamp() itself, just before its commit, so the commit is part of
what is measured. Redis tells of every document by a key event as it is written; the bare reader notes when the row's
bytes arrive. Times are taken once per receive and matched with the rows after the run.
"""

from __future__ import annotations

import argparse
import re
import select
import socket
import subprocess
import time
from pathlib import Path

from common import BENCH_SETTINGS, WORK, Report, cpu_seconds, percentile, postgres_version
from replication import BareReader

from harness.millrace import Millrace
from harness.paths import postgres_bin, remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

TABLE = """create table lat (id bigserial primary key, ts timestamptz not null default clock_timestamp(), note text)"""
LATEST_S = 60  # rows that are later than this after the last commit count as lost
INSERT = "insert into lat (note) values ('a row of about sixty characters, which is a usual length here');\n"


def start_writers(database: Database, directory: Path, rate: int, seconds: int) -> subprocess.Popen[str]:
    script = directory / "lat.sql"
    script.write_text(INSERT)
    server = database.server
    return subprocess.Popen(
        [str(postgres_bin() / "pgbench"), "-h", str(server.root), "-p", str(server.port), "-U", "postgres", "-n", "-f",
         str(script), "-c", "2", "-j", "1", "-M", "prepared", "-R", str(rate), "-T", str(seconds), database.name],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish_writers(process: subprocess.Popen[str]) -> float:
    text = process.communicate(timeout=60)[0]
    found = re.search(r"tps = ([\d.]+)", text)
    if process.returncode or not found:
        raise RuntimeError(f"pgbench: {text[-500:]}")
    return float(found.group(1))


def commit_times(database: Database) -> dict[int, float]:
    return {row[0]: float(row[1]) for row in database.query("select id, extract(epoch from ts) from lat")}


def summary(arrived: dict[int, float], written: dict[int, float]) -> list[float]:
    missing = len(written) - len(arrived)
    if missing:
        raise RuntimeError(f"{missing} of {len(written)} rows never arrived")
    return sorted((arrived[number] - at) * 1000 for number, at in written.items())


def measure_reader(database: Database, directory: Path, rate: int, seconds: int) -> tuple[list[float], float]:
    server = database.server
    database.execute("truncate lat", "select pg_create_logical_replication_slot('lat_bare', 'pgoutput')")
    reader = BareReader(server.root, server.port, database.name, "lat_bare", database.publication)
    writers = start_writers(database, directory, rate, seconds)
    reader.read_for(seconds + 1.5)
    tps = finish_writers(writers)
    reader.close()
    wait_until(lambda: not database.value("select active from pg_replication_slots where slot_name = 'lat_bare'"),
               "bare reader's slot is free", 10)
    database.execute("select pg_drop_replication_slot('lat_bare')")
    arrived = {int(columns[0] or 0): at for at, columns in reader.inserts()}
    return summary(arrived, commit_times(database)), tps


class KeyEvents:
    """Subscribes to the key events of JSON.SET on a raw socket; received chunks are parsed after the run."""

    def __init__(self, redis: RedisServer) -> None:
        redis.client().config_set("notify-keyspace-events", "Ed")
        self._socket = socket.create_connection(("127.0.0.1", redis.port))
        self._socket.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$23\r\n__keyevent@0__:json.set\r\n")
        self._socket.recv(4096)
        self.chunks: list[tuple[float, bytes]] = []

    def read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                data = self._socket.recv(1 << 20)
                self.chunks.append((time.time(), data))

    def arrived(self) -> dict[int, float]:
        found: dict[int, float] = {}
        text, ends = b"".join(chunk for _, chunk in self.chunks), list[tuple[int, float]]()
        total = index = 0
        for at, chunk in self.chunks:
            total += len(chunk)
            ends.append((total, at))
        for match in re.finditer(rb"\r\nlat:(\d+)\r\n", text):
            while ends[index][0] < match.end():
                index += 1
            found.setdefault(int(match.group(1)), ends[index][1])
        return found

    def close(self) -> None:
        self._socket.close()


def measure_millrace(database: Database, redis: RedisServer, directory: Path, rate: int,
                     seconds: int) -> tuple[list[float], float, float]:
    """Latencies in ms, transactions a second, CPU share of millrace."""
    database.execute("truncate lat")
    redis.client().flushall()
    remove_tree(directory / "millrace")
    millrace = Millrace(directory / "millrace", {
        "lat": database.settings("public.lat"),
        "cache": redis_settings(redis.uri, topics="t.public.lat", target__key="lat:{id}")})
    millrace.start()
    events = KeyEvents(redis)
    try:
        millrace.wait_state("lat", "running")
        millrace.wait_state("cache", "running")
        before, writers = cpu_seconds(millrace.pid), start_writers(database, directory, rate, seconds)
        events.read_for(seconds + 1)
        share = (cpu_seconds(millrace.pid) - before) / (seconds + 1)
        tps = finish_writers(writers)
        written = commit_times(database)
        end = time.monotonic() + LATEST_S
        while len(events.arrived()) < len(written) and time.monotonic() < end:
            events.read_for(0.5)
        millrace.terminate()
    finally:
        millrace.close()
        events.close()
    wait_until(lambda: not database.slot_active(), "millrace's slot is free", 10)
    database.execute(f"select pg_drop_replication_slot('{database.slot}')")
    return summary(events.arrived(), written), tps, share


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run latency")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rates", type=int, nargs="*", default=[500, 2000])
    options = parser.parse_args(arguments)
    root = WORK / "latency"
    remove_tree(root)
    postgres, redis = PostgresServer(root / "postgres", BENCH_SETTINGS), RedisServer(root / "redis")
    postgres.start()
    redis.start()
    try:
        database = Database(postgres, "lat")
        database.execute(TABLE, f"create publication {database.publication} for table lat")
        report = Report("latency", f"Commit -> document readable in Redis, {options.seconds} s a rate",
                        {"postgres": postgres_version(postgres)})
        report.line(f"{'rate':>6}  {'reader':14}{'tx/s':>7}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}{'max ms':>8}"
                    f"{'CPU %':>7}")
        for rate in options.rates:
            bare, bare_tps = measure_reader(database, root, rate, options.seconds)
            own, own_tps, share = measure_millrace(database, redis, root, rate, options.seconds)
            for name, values, tps, cpu in (("bare reader", bare, bare_tps, ""),
                                           ("millrace", own, own_tps, f"{share * 100:.1f}")):
                report.line(f"{rate:6}  {name:14}{tps:7.0f}{percentile(values, .5):8.2f}{percentile(values, .95):8.2f}"
                            f"{percentile(values, .99):8.2f}{values[-1]:8.2f}{cpu:>7}")
        report.line()
        report.line("wanted: p50 <= 5 ms, p99 <= 25 ms")
        report.save()
    finally:
        redis.destroy()
        postgres.stop()
        remove_tree(root)
