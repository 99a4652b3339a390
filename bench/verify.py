"""`millrace verify` of a table of a million rows beside what it costs the source to give the rows at all: `COPY table
TO STDOUT` into /dev/null. CPU of the server's process is that of the backend that serves it.

Checksums made at the source would spare it nothing: the last line is a sum of hashes of the rows' text, which is what
PostgreSQL could compute in the place of giving the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import threading
import time

from common import BENCH_SETTINGS, WORK, Report, cpu_seconds, median, memory_mb, postgres_version
from redis import Redis
from redis_sink import ROWS, TABLE

from harness.millrace import Millrace, environment
from harness.paths import millrace_binary, remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer


class Backend(threading.Thread):
    """CPU time of the backends with an application name, sampled until `stop`."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        super().__init__(daemon=True)
        self._server, self._name, self._stopped = server, name, threading.Event()
        self._cpu: dict[int, float] = {}

    def run(self) -> None:
        with self._server.connect("postgres") as connection:
            while not self._stopped.wait(0.02):
                for (pid,) in connection.execute("select pid from pg_stat_activity where application_name = %s",
                                                 (self._name,)):
                    self._cpu[pid] = max(self._cpu.get(pid, 0.0), cpu_seconds(pid))

    def stop(self) -> float:
        self._stopped.set()
        self.join()
        return sum(self._cpu.values())


def run_verify(millrace: Millrace, server: PostgresServer,
               redis: RedisServer, command: str) -> tuple[float, float, float, float, float]:
    """Seconds, CPU seconds of millrace, of the backend and of Redis, peak MB."""
    backend = Backend(server, "shop verify")
    backend.start()
    redis_before, begin = cpu_seconds(redis.pid), time.monotonic()
    process = subprocess.Popen([str(millrace_binary()), command, str(millrace.file), "--json"], stdout=subprocess.PIPE,
                               env=environment({}), cwd=millrace.directory)
    cpu = peak = 0.0
    while process.poll() is None:
        cpu, peak = max(cpu, cpu_seconds(process.pid)), max(peak, memory_mb(process.pid))
        time.sleep(0.02)
    took = time.monotonic() - begin
    report = json.loads(process.communicate()[0])
    if not report["in_step"]:
        raise RuntimeError(str(report)[:2000])
    return took, cpu, backend.stop(), cpu_seconds(redis.pid) - redis_before, peak


def remove_keys(client: Redis, pattern: str) -> None:
    cursor = -1
    while cursor != 0:
        cursor, keys = client.scan(max(cursor, 0), pattern, 10_000)
        if keys:
            client.unlink(*keys)


def run_sql(server: PostgresServer, database: Database, sql: str) -> tuple[float, float]:
    backend = Backend(server, "bench copy")
    backend.start()
    begin = time.monotonic()
    command = ["psql", "-w", "-qAt", "-h", str(server.root), "-p", str(server.port), "-U", "postgres", "-c", sql,
               database.name]
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(command, stdout=nowhere, stdin=subprocess.DEVNULL, check=True,
                       env={**os.environ, "PGAPPNAME": "bench copy"})
    took = time.monotonic() - begin
    return took, backend.stop()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run verify")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    root = WORK / "verify"
    remove_tree(root)
    postgres, redis = PostgresServer(root / "postgres", BENCH_SETTINGS), RedisServer(root / "redis")
    postgres.start()
    redis.start()
    millrace = Millrace(root / "millrace", {})
    try:
        database = Database(postgres, "customers")
        database.execute(TABLE, ROWS.format(rows=options.rows))
        database.execute("vacuum analyze customers")
        millrace.connectors = {"shop": database.settings("public.customers", snapshot_mode="initial"),
                               "cache": redis_settings(redis.uri, target__key="{table}:{id}")}
        millrace.start()
        client, end = redis.client(), time.monotonic() + 600
        while client.dbsize() <= options.rows and time.monotonic() < end:
            time.sleep(0.2)
        report = Report("verify", f"millrace verify of {options.rows:,} rows of 10 fields as JSON documents",
                        {"postgres": postgres_version(postgres), "redis": client.info("server")["redis_version"]})
        report.line(f"{'round':6}{'what':10}{'seconds':>9}{'k rows/s':>10}{'source CPU s/M':>16}{'Redis CPU s/M':>15}"
                    f"{'own CPU s/M':>13}{'peak MB':>9}")
        million, ratios = options.rows / 1e6, []
        for turn in range(1, options.rounds + 1):
            took, own, source, target, peak = run_verify(millrace, postgres, redis, "verify")
            report.line(f"{turn:<6}{'verify':10}{took:9.2f}{options.rows / took / 1e3:10.1f}{source / million:16.2f}"
                        f"{target / million:15.2f}{own / million:13.2f}{peak:9.1f}")
            load = source
            remove_keys(client, "customers:*")
            took, own, source, target, peak = run_verify(millrace, postgres, redis, "rebuild")
            report.line(f"{turn:<6}{'rebuild':10}{took:9.2f}{options.rows / took / 1e3:10.1f}{source / million:16.2f}"
                        f"{target / million:15.2f}{own / million:13.2f}{peak:9.1f}")
            copy_took, copy = run_sql(postgres, database, "copy customers to stdout")
            report.line(f"{turn:<6}{'COPY':10}{copy_took:9.2f}{options.rows / copy_took / 1e3:10.1f}"
                        f"{copy / million:16.2f}")
            ratios.append(load / copy)
            sum_took, hashes = run_sql(postgres, database,
                                       "select sum(hashtextextended(customers::text, 0)::numeric) from customers")
            report.line(f"{turn:<6}{'hashes':10}{sum_took:9.2f}{options.rows / sum_took / 1e3:10.1f}"
                        f"{hashes / million:16.2f}")
        report.line(f"\nload on the source: {median(ratios):.2f} x that of COPY (min {min(ratios):.2f}, max "
                    f"{max(ratios):.2f})")
        report.save()
    finally:
        millrace.close()
        redis.destroy()
        postgres.stop()
        remove_tree(root)
