"""A mix of changes (40 % inserts, 50 % updates, 10 % deletes) from the log to Redis documents and hashes, with 0, 1 and
5 fields indexed: beside a bare pipelined client that sends ready-made the command of each change, and beside a consumer
as Python users write it.

The log is filled once. The client's commands and the consumer's rows are made of what `millrace consume` prints. The
consumer (redis_consumer.py) reads them from a file, so it is spared what a broker would cost it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import BENCH_SETTINGS, WORK, Report, cpu_seconds, median, memory_mb
from redis_sink import INDEX_FIELDS, TABLE, TOPIC, create_index, encode, send_all

from harness.millrace import Millrace
from harness.paths import remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer

VALUES = """'Customer ' || {n} % 50000 || ' Lee', 'user' || {i} || '@example.com',
  (array['new', 'paid', 'sent', 'done'])[1 + {n} % 4], round(({n} % 100000 / 7.0)::numeric, 2)::float8, 18 + {n} % 70,
  'Townsville-' || {n} % 997, ({n} % 400) || ' Long Avenue North, apt ' || {i} % 99, 1700000000000 + {n},
  repeat('x', 120)"""
# A transaction of 100 changes: 40 inserts, 50 updates and 10 deletes of keys spread over those that are there.
CHANGE = f"""insert into customers select i, {VALUES.format(i="i", n="i")} from generate_series(~, ~ + 39) as i;
  update customers set (name, email, status, amount, age, city, street, updated_at, note) =
    (select {VALUES.format(i="id", n="(id + ~)")})
    where id = any (array(select (k::bigint * 7919) % greatest(~, 1) from generate_series(~, ~ + 49) as k));
  delete from customers where id = any (array(select (k::bigint * 104729) % greatest(~, 1)
    from generate_series(~, ~ + 9) as k));"""
FIELDS = {0: {}, 1: {"status": "TAG"}, 5: INDEX_FIELDS}


def fill_log(millrace: Millrace, server: PostgresServer, changes: int) -> int:
    """Rows in the log: about `changes`."""
    database = Database(server, "customers")
    database.execute(TABLE)
    millrace.connectors = {"shop": database.settings("public.customers")}
    millrace.start()
    millrace.wait_state("shop", "running")
    with database.connect() as connection:
        for turn in range(changes // 100):
            connection.execute(CHANGE.replace("~", str(turn * 40)))
    seen, now = -1, 0
    while now != seen or not seen:  # all there: nothing more comes
        time.sleep(1)
        seen, now = now, millrace.next_offset(TOPIC)
    millrace.terminate()
    return seen


def records(millrace: Millrace) -> list[str]:
    millrace.connectors = {}
    millrace.start()
    done = millrace.command("consume", TOPIC, "--url", millrace.url, timeout_s=300)
    millrace.terminate()
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout.splitlines()


def command(record: dict[str, Any], kind: str) -> bytes:
    """What a change asks for, alone."""
    row = record["after"] if record["op"] != "d" else record["before"]
    key = f"customer:{row['id']}".encode()
    if record["op"] == "d":
        return encode(b"JSON.DEL", key) if kind == "json" else encode(b"UNLINK", key)
    if kind == "json":
        return encode(b"JSON.SET", key, b"$", json.dumps(row, separators=(",", ":")).encode())
    words = [word for name, value in row.items() if value is not None for word in (name.encode(), str(value).encode())]
    return encode(b"HSET", key, *words)


def batches(lines: list[str], kind: str) -> list[tuple[bytes, int]]:
    out = []
    for begin in range(0, len(lines), 500):
        part = lines[begin:begin + 500]
        out.append((b"".join(command(json.loads(line), kind) for line in part), len(part)))
    return out


def run_millrace(millrace: Millrace, redis: RedisServer, rows: int, name: str, settings: dict[str, Any]
                 ) -> tuple[float, float, float]:
    """Changes a second from the first seen applied to the last, CPU seconds per million, peak MB."""
    redis.client().flushall()
    millrace.connectors = {name: redis_settings(redis.uri, topics=TOPIC, target__key="customer:{id}", **settings)}
    millrace.start(wait=False)
    try:
        first, at, end = 0, 0.0, time.monotonic() + 300
        while True:
            text = millrace.try_get("/api/v1/status")
            seen = json.loads(text)["connectors"][0]["rows"] if text else 0
            now = time.monotonic()
            if seen and not first:
                first, at = seen, now
            if seen >= rows:
                break
            if now > end:
                raise RuntimeError(f"{seen} of {rows} changes")
            time.sleep(0.005)
        result = (rows - first) / (now - at), cpu_seconds(millrace.pid) / rows * 1e6, memory_mb(millrace.pid)
        millrace.terminate()
    finally:
        millrace.close()
    return result


def run_consumer(redis: RedisServer, records: Path, kind: str) -> tuple[float, float, float]:
    """Changes a second, CPU seconds per million, peak MB."""
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("redis_consumer.py")), str(redis.port), kind,
                           str(records)], capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(done.stdout)
    return found["rate"], found["cpu"], found["peak_mb"]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run targets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--changes", type=int, default=300_000)
    options = parser.parse_args(arguments)
    root = WORK / "targets"
    remove_tree(root)
    postgres, redis = PostgresServer(root / "postgres", BENCH_SETTINGS), RedisServer(root / "redis")
    postgres.start()
    redis.start()
    millrace = Millrace(root / "millrace", {})
    try:
        rows = fill_log(millrace, postgres, options.changes)
        postgres.stop()
        lines = records(millrace)
        kept = root / "records.json"
        kept.write_text("\n".join(lines) + "\n")
        report = Report("targets", f"Log -> Redis, {rows:,} changes (40 % inserts, 50 % updates, 10 % deletes)",
                        {"redis": redis.client().info("server")["redis_version"]})
        report.line(f"{'target':8}{'fields':8}{'round':6}{'writer':10}{'chg/s':>9}{'ratio':>7}{'CPU s/M':>9}"
                    f"{'peak MB':>9}")
        number = 0
        for kind in ("json", "hash"):
            ready = batches(lines, kind)
            for count, fields in FIELDS.items():
                ratios = []
                settings: dict[str, Any] = {"target.type": kind}
                if fields:
                    settings["indexes"] = {"customers": {"prefix": "customer:", "fields": fields}}
                for turn in range(1, options.rounds + 1):
                    number += 1
                    own, cpu, peak = run_millrace(millrace, redis, rows, f"cache{number}", settings)
                    redis.client().flushall()
                    if fields:
                        create_index(redis, fields, kind == "json")
                    peer = send_all(redis, ready)
                    ratios.append(own / peer)
                    head = f"{kind:8}{count:<8}{turn:<6}"
                    report.line(f"{head}{'client':10}{peer:9.0f}{1:7.2f}")
                    report.line(f"{head}{'millrace':10}{own:9.0f}{own / peer:7.2f}{cpu:9.2f}{peak:9.1f}")
                redis.client().flushall()
                if fields:
                    create_index(redis, fields, kind == "json")
                rate, cpu, peak = run_consumer(redis, kept, kind)
                report.line(f"{kind:8}{count:<8}{'':6}{'Python':10}{rate:9.0f}{rate / peer:7.2f}{cpu:9.2f}"
                            f"{peak:9.1f}")
                report.line(f"  {kind}, {count} fields: median ratio to the client {median(ratios):.2f} (min "
                            f"{min(ratios):.2f}, max {max(ratios):.2f}); wanted >= 0.9")
        report.save()
    finally:
        millrace.close()
        redis.destroy()
        postgres.stop()
        remove_tree(root)
