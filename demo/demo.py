"""The demonstration: a public data set in PostgreSQL, followed live by a search index in Redis Stack.

Everything lies in demo/work. Ctrl-C stops; run again, it goes on where it was."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

DEMO = Path(__file__).resolve().parent
sys.path.insert(0, str(DEMO.parent / "test"))

import data  # noqa: E402
from changes import Changer, update_and_search  # noqa: E402
from screen import Progress, say  # noqa: E402

from harness.millrace import Millrace  # noqa: E402
from harness.postgres import Database, PostgresServer  # noqa: E402
from harness.redis_stack import RedisServer  # noqa: E402

WORK = Path(os.environ.get("MILLRACE_DEMO_WORK", DEMO / "work"))
TOPICS = {"flights": "demo.public.flights", "airports": "demo.public.airports"}


def connectors(database: Database, redis: RedisServer) -> dict[str, dict[str, Any]]:
    source = database.settings("public.flights,public.airports", topic_prefix="demo", snapshot_mode="initial")
    sink = {"kind": "redis", "redis.uri": redis.uri, "target.type": "json"}
    return {
        "shop": source,
        "flights": sink | {
            "topics": TOPICS["flights"], "target.key": "flight:{id}",
            "indexes": {"flights": {"prefix": "flight:", "fields": {
                "delay": "NUMERIC SORTABLE", "distance": "NUMERIC", "hour": "NUMERIC"}}}},
        "airports": sink | {
            "topics": TOPICS["airports"], "target.key": "airport:{iata}",
            "indexes": {"airports": {"prefix": "airport:", "fields": {
                "name": "TEXT", "city": "TEXT", "state": "TAG"}}}},
    }


def end_leftovers() -> None:
    """Servers of an earlier run that was killed hard still hold our directories: ends them, and only them."""
    with contextlib.suppress(FileNotFoundError):
        for line in (WORK / "pids").read_text().split():
            with contextlib.suppress(OSError):
                if str(WORK) in Path(f"/proc/{line}/cmdline").read_text() + os.readlink(f"/proc/{line}/cwd"):
                    os.kill(int(line), signal.SIGTERM)
                    while Path(f"/proc/{line}").exists():
                        time.sleep(0.05)
        (WORK / "pids").unlink()


class Demo:
    def __init__(self) -> None:
        WORK.mkdir(parents=True, exist_ok=True)
        end_leftovers()
        self.loaded = WORK / "loaded"
        if not self.loaded.exists():
            for part in ("postgres", "redis", "millrace"):
                shutil.rmtree(WORK / part, ignore_errors=True)
        self.postgres = PostgresServer(WORK / "postgres", {"max_wal_size": "1GB"})
        self.redis = RedisServer(WORK / "redis", durable=True, options=["--appendfsync", "everysec"])
        self.millrace: Millrace | None = None
        self.changer: Changer | None = None

    def start_servers(self) -> Database:
        self.postgres.start()
        self.redis.start()
        with self.postgres.connect("postgres") as connection:
            exists = connection.execute("select 1 from pg_database where datname = 'demo'").fetchone()
        database = Database(self.postgres, "demo", create=exists is None)
        version = str(database.value("show server_version")).split()[0]
        say("servers", f"PostgreSQL {version} on 127.0.0.1:{self.postgres.port}, Redis Stack "
            f"{self.redis.client().info('server')['redis_version']} on 127.0.0.1:{self.redis.port}")
        if not self.loaded.exists():
            data.fetch(WORK / "download")
            with database.connect() as connection:
                data.load(connection, WORK / "download")
            self.loaded.touch()
        return database

    def start_millrace(self, database: Database) -> None:
        self.millrace = Millrace(WORK / "millrace", connectors(database, self.redis))
        again = self.millrace.log_directory.exists()
        self.millrace.start()
        if not self.millrace.running():
            raise RuntimeError(self.millrace.tail())
        self.remember()
        say("millrace", f"pid {self.millrace.pid}, {self.millrace.url}, pipeline {self.millrace.file}")
        if again:
            say("millrace", "going on where it was")

    def remember(self) -> None:
        assert self.millrace is not None
        (WORK / "pids").write_text(f"{self.millrace.pid} {self.redis.pid} {self.postgres.pid}\n")

    def follow_snapshot(self, database: Database) -> None:
        """Shows the rows arriving until Redis holds a document for every row there was."""
        assert self.millrace is not None
        client = self.redis.client()
        for table, prefix in (("airports", "airport:"), ("flights", "flight:")):
            total = int(database.value(f"select count(*) from public.{table}"))
            if self.documents(client, table) >= total:
                say("redis", f"{total:,} documents {prefix}* are there")
                continue
            progress = Progress("snapshot", f"public.{table} -> {prefix}*", total)
            while (count := self.documents(client, table)) < total:
                self.fail_if_stopped()
                progress.show(count)
                time.sleep(0.05)
            progress.done(count)

    @staticmethod
    def documents(client: Any, index: str) -> int:
        try:
            return int(client.execute_command("FT.SEARCH", index, "*", "LIMIT", "0", "0")[0])
        except Exception:
            return 0

    def fail_if_stopped(self) -> None:
        assert self.millrace is not None
        if not self.millrace.running():
            raise RuntimeError(f"millrace ended\n{self.millrace.tail()}")
        for name, one in self.millrace.status().items():
            if one["state"] in ("failed", "stuck"):
                raise RuntimeError(f"connector {name}: {one}\n{self.millrace.tail()}")
        if self.changer is not None and self.changer.error is not None:
            raise RuntimeError(f"the changing of rows failed: {self.changer.error}")

    def live(self, database: Database, seconds: float | None) -> None:
        """Changes, searches and rates, until Ctrl-C or for `seconds`."""
        assert self.millrace is not None
        client = self.redis.client()
        self.changer = Changer(database.connect)
        self.changer.start()
        say("look", f"build/release/millrace status --url {self.millrace.url}; redis-cli -p {self.redis.port}; "
            f"psql -h {self.postgres.root} -p {self.postgres.port} -U postgres demo")
        say("live", "changing rows all the time; Ctrl-C stops, `make demo` again goes on")
        end = time.monotonic() + seconds if seconds else None
        number, rows, at = int(time.time()), self.delivered(), time.monotonic()
        with database.connect() as connection:
            while end is None or time.monotonic() < end:
                self.fail_if_stopped()
                found = update_and_search(connection, client, number)
                number += 1
                say("change", found.statement)
                say("answer", f"{found.query} -> {found.answer}")
                say("", f"found {found.latency_ms:.1f} ms after the commit")
                time.sleep(1.0)
                now, count = time.monotonic(), self.delivered()
                late = client.execute_command("FT.SEARCH", "flights", "@delay:[120 +inf]", "LIMIT", "0", "0")[0]
                lag = max((int(one.get("lag_ms", 0)) for one in self.millrace.status().values()), default=0)
                say("live", f"{(count - rows) / (now - at):,.0f} rows/s into Redis, {count:,} so far, lag {lag} ms, "
                    f"{late:,} flights two hours late or more")
                rows, at = count, now

    def delivered(self) -> int:
        assert self.millrace is not None
        return sum(int(one["rows"]) for one in self.millrace.status().values() if one["kind"] == "redis")

    def stop(self) -> None:
        begin = time.monotonic()
        if self.changer is not None:
            self.changer.stop()
        if self.millrace is not None and self.millrace.running():
            say("stop", f"millrace stopped in {self.millrace.terminate():.2f} s")
        self.redis.stop()
        self.postgres.stop()
        (WORK / "pids").unlink(missing_ok=True)
        say("stop", f"all stopped in {time.monotonic() - begin:.1f} s; data kept in {WORK}")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo/run", description=__doc__)
    parser.add_argument("--seconds", type=float, help="stop by itself after so many seconds of live changes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    say("data", data.SOURCE)
    demo = Demo()
    try:
        database = demo.start_servers()
        demo.start_millrace(database)
        demo.follow_snapshot(database)
        demo.live(database, options.seconds)
    except KeyboardInterrupt:
        say("stop", "stopping")
    except RuntimeError as error:
        say("failed", str(error))
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave servers behind
        demo.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
