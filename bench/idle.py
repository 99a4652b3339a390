"""Memory and CPU of one source and one sink with nothing to do."""

from __future__ import annotations

import argparse
import time

from common import BENCH_SETTINGS, WORK, Report, cpu_seconds, memory_mb, postgres_version

from harness.millrace import Millrace
from harness.paths import remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run idle")
    parser.add_argument("--seconds", type=int, default=20)
    seconds = parser.parse_args(arguments).seconds
    root = WORK / "idle"
    remove_tree(root)
    postgres, redis = PostgresServer(root / "postgres", BENCH_SETTINGS), RedisServer(root / "redis")
    postgres.start()
    redis.start()
    try:
        database = Database(postgres, "idle")
        database.execute("create table quiet (id bigint primary key, v text)", "insert into quiet values (1, 'one')")
        millrace = Millrace(root / "millrace", {
            "quiet": database.settings("public.quiet", snapshot_mode="initial"),
            "cache": redis_settings(redis.uri, indexes={"quiet": {"prefix": "quiet:", "fields": {"v": "TEXT"}}})})
        millrace.start()
        try:
            millrace.wait_state("quiet", "running")
            millrace.wait_state("cache", "running")
            time.sleep(3)  # what start-up left to do is not idleness
            before = cpu_seconds(millrace.pid)
            time.sleep(seconds)
            share = (cpu_seconds(millrace.pid) - before) / seconds
            present, peak = memory_mb(millrace.pid, "VmRSS"), memory_mb(millrace.pid)
            millrace.terminate()
        finally:
            millrace.close()
        report = Report("idle", f"One source and one sink idle for {seconds} s",
                        {"postgres": postgres_version(postgres)})
        report.line(f"RSS {present:.1f} MB (peak {peak:.1f}); wanted <= 30")
        report.line(f"CPU {share * 100:.2f} %; wanted < 0.5")
        report.save()
    finally:
        redis.destroy()
        postgres.stop()
        remove_tree(root)
