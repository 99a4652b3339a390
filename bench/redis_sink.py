"""Log to Redis JSON documents, beside a raw pipelined client that sends the same JSON.SETs (ready-made, depth 500).

The log is filled once by a snapshot. Then the two take turns on the same server, without an index and with one of five
fields. The client sends the very documents that millrace wrote. A run is timed from the first document seen to the
last.
"""

from __future__ import annotations

import argparse
import socket
import time
from collections.abc import Callable
from typing import Any

from common import BENCH_SETTINGS, WORK, Report, cpu_seconds, median, memory_mb

from harness.millrace import Millrace
from harness.paths import remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer

TOPIC = "t.public.customers"
INDEX_FIELDS = {"email": "TAG", "status": "TAG", "amount": "NUMERIC", "age": "NUMERIC", "name": "TEXT"}
# amount is float8: a NUMERIC index takes numbers only, and decimals are kept exact, as text
TABLE = """create table customers (id bigint primary key, name text, email text, status text, amount float8, age int,
  city text, street text, updated_at bigint, note text)"""
ROWS = """insert into customers select i, 'Customer ' || j % 50000 || ' Lee', 'user' || i || '@example.com',
  (array['new', 'paid', 'sent', 'done'])[1 + j % 4], round((j % 100000 / 7.0)::numeric, 2)::float8, 18 + j % 70,
  'Townsville-' || j % 997, (j % 400) || ' Long Avenue North, apt ' || i % 99, 1700000000000 + i, repeat('x', 120)
  from (select i, (i * 2654435761) & 4294967295 as j from generate_series(0, {rows} - 1) as i) as numbered"""


def fill_log(millrace: Millrace, server: PostgresServer, rows: int) -> None:
    database = Database(server, "customers")
    database.execute(TABLE, ROWS.format(rows=rows))
    millrace.connectors = {"shop": database.settings("public.customers", snapshot_mode="initial")}
    millrace.start()
    millrace.wait_offset(TOPIC, rows, 300)
    millrace.terminate()


def timed(client: Any, wanted: int, keys: Callable[[], int], limit_s: float = 300) -> float:
    """Documents a second from the first look that saw some to the last document."""
    begin, first, at = time.monotonic(), 0, 0.0
    while True:
        seen, now = keys(), time.monotonic()
        if seen and not first:
            first, at = seen, now
        if seen >= wanted:
            return (wanted - first) / (now - at)
        if now - begin > limit_s:
            raise RuntimeError(f"{seen} of {wanted} documents after {limit_s} s")
        time.sleep(0.01)


def create_index_settings(index: bool) -> dict[str, Any]:
    if not index:
        return {}
    return {"indexes": {"customers": {"prefix": "customer:", "fields": INDEX_FIELDS}}}


def run_millrace(millrace: Millrace, redis: RedisServer, rows: int, number: int,
                 index: bool) -> tuple[float, float, float]:
    """Rate, CPU seconds per million rows, peak MB. A sink with a new name begins at the start of the log."""
    client = redis.client()
    client.flushall()
    millrace.connectors = {f"cache{number}": redis_settings(redis.uri, topics=TOPIC, target__key="customer:{id}",
                                                            **create_index_settings(index))}
    millrace.start(wait=False)
    try:
        rate = timed(client, rows, client.dbsize)
        result = rate, cpu_seconds(millrace.pid) / rows * 1e6, memory_mb(millrace.pid)
        millrace.terminate()
    finally:
        millrace.close()
    return result


def encode(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def commands(redis: RedisServer, rows: int) -> list[tuple[bytes, int]]:
    """What millrace wrote, as ready-made batches of 500 JSON.SETs in the order of the log."""
    batches: list[tuple[bytes, int]] = []
    for begin in range(0, rows, 500):
        keys = [f"customer:{i}" for i in range(begin, min(begin + 500, rows))]
        texts = raw_json(redis, keys)
        batches.append((b"".join(encode(b"JSON.SET", key.encode(), b"$", text.encode())
                                 for key, text in zip(keys, texts, strict=True)), len(keys)))
    return batches


def raw_json(redis: RedisServer, keys: list[str]) -> list[str]:
    """JSON.GET of many keys, as the server prints it (the client library would parse it)."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.sendall(b"".join(encode(b"JSON.GET", key.encode()) for key in keys))
        reader = connection.makefile("rb")
        texts = []
        for key in keys:
            head = reader.readline()
            if not head.startswith(b"$") or head == b"$-1\r\n":
                raise RuntimeError(f"{key}: {head!r}")
            texts.append(reader.read(int(head[1:]) + 2)[:-2].decode())
        return texts


def create_index(redis: RedisServer, fields: dict[str, str], json: bool = True) -> None:
    words: list[str] = []
    for field, kind in fields.items():
        words += [f"$.{field}", "AS", field, kind] if json else [field, kind]
    redis.client().execute_command("FT.CREATE", "customers", "ON", "JSON" if json else "HASH", "PREFIX", "1",
                                   "customer:", "SCHEMA", *words)


def send_all(redis: RedisServer, batches: list[tuple[bytes, int]]) -> float:
    """Commands a second of a bare client: each batch is sent in one go, then its replies are awaited."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.monotonic()
        for commands_bytes, count in batches:
            connection.sendall(commands_bytes)
            got = 0
            while got < count:
                data = connection.recv(1 << 18)
                if not data or data[:1] == b"-" or b"\n-" in data:
                    raise RuntimeError(f"Redis answers {data[:200]!r}")
                got += data.count(b"\n")
        took = time.monotonic() - begin
    return sum(count for _, count in batches) / took


def run_client(redis: RedisServer, batches: list[tuple[bytes, int]], index: bool) -> float:
    redis.client().flushall()
    if index:
        create_index(redis, INDEX_FIELDS)
    return send_all(redis, batches)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run redis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args(arguments)
    root = WORK / "redis"
    remove_tree(root)
    postgres, redis = PostgresServer(root / "postgres", BENCH_SETTINGS), RedisServer(root / "redis")
    postgres.start()
    redis.start()
    millrace = Millrace(root / "millrace", {})
    try:
        version = redis.client().info("server")["redis_version"]
        report = Report("redis", f"Log -> Redis JSON documents, {options.rows:,} rows of 10 fields", {"redis": version})
        fill_log(millrace, postgres, options.rows)
        postgres.stop()
        number, batches = 0, None
        report.line(f"{'index':10}{'round':6}{'writer':10}{'docs/s':>9}{'ratio':>7}{'CPU s/M':>9}{'peak MB':>9}")
        for index in (False, True):
            label, ratios = "5 fields" if index else "none", []
            for turn in range(1, options.rounds + 1):
                number += 1
                own, cpu, peak = run_millrace(millrace, redis, options.rows, number, index)
                batches = batches or commands(redis, options.rows)
                peer = run_client(redis, batches, index)
                ratios.append(own / peer)
                report.line(f"{label:10}{turn:<6}{'client':10}{peer:9.0f}{1:7.2f}")
                report.line(f"{label:10}{turn:<6}{'millrace':10}{own:9.0f}{own / peer:7.2f}{cpu:9.2f}{peak:9.1f}")
            report.line(f"  index {label}: median ratio {median(ratios):.2f} (min {min(ratios):.2f}, max "
                        f"{max(ratios):.2f}); wanted >= 0.9")
        report.save()
    finally:
        millrace.close()
        redis.destroy()
        postgres.stop()
        remove_tree(root)
