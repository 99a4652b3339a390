"""Random histories over tables that a Redis sink writes in every way it has. What they should lead to is asked of
PostgreSQL at the end, by `millrace verify` and, for what that does not compare, by the model below.

A seed that fails is shown: `MILLRACE_HISTORY_SEED=<n>` runs it again, `MILLRACE_HISTORY_SECONDS=<n>` lets each history
go on for so long.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import psycopg
import redis

from harness.millrace import Millrace
from harness.oracle import documents, op_of
from harness.postgres import Database
from harness.waiting import wait_until

SCHEMA = """
create table h_int (id bigint primary key, v text, n numeric(12, 3), at timestamptz);
create table h_text (id text primary key, small text, big text, doc jsonb);
alter table h_text alter big set storage external, alter doc set storage external;
create table h_pair (a int, b text, v text, big text, primary key (a, b));
alter table h_pair alter big set storage external;
create table h_full (id int primary key, g text, n int, big text);
alter table h_full replica identity full;
alter table h_full alter big set storage external;
create table h_parent (id int primary key, v text, big text);
alter table h_parent alter big set storage external;
create table h_child (no int primary key, parent int, v text);
alter table h_child replica identity full;
create table h_mark (id bigint primary key);
"""
TABLES = ("h_int", "h_text", "h_pair", "h_full", "h_parent", "h_child", "h_mark")
INCLUDE = ",".join(f"public.{table}" for table in TABLES)
PUBLISHED = ", ".join(TABLES)
WIDENED = ("h_int", "h_pair")  # those that gain and lose columns


def _output(name: str, table: str, **options: str) -> dict[str, str]:
    found = {"topics": f"t.public.{table}"} | {f"target.{option}": value for option, value in options.items()}
    return {f"outputs.{name}.{option}": value for option, value in found.items()}


OUTPUTS: dict[str, str] = (
    {"topics": ",".join(f"t.public.{table}" for table in TABLES)}
    | _output("int", "h_int", type="json")
    | _output("text", "h_text", type="json")
    | _output("pair", "h_pair", type="hash")
    | _output("full", "h_full", type="hash", key="full:{id}")
    | _output("value", "h_full", type="string", key="value:{id}", value="{g}/{n}")
    | _output("members", "h_full", type="set", key="by:{g}")
    | _output("rank", "h_full", type="sorted_set", key="rank:{g}", score="n")
    | _output("events", "h_full", type="stream", key="events:{table}", fields="id, n")
    | _output("parent", "h_parent", type="json", key="parent:{id}")
    | _output("child", "h_child", key="parent:{parent}", nest="children", **{"nest.in": "parent"}, member="{no}")
    | _output("mark", "h_mark", type="json"))


def seed_of(name: str) -> int:
    """The seed of the test of that name, unless the environment says another."""
    return int(os.environ.get("MILLRACE_HISTORY_SEED") or sum(map(ord, name)))


def turns(at_least: int) -> Iterator[int]:
    """So many turns, and more until the time is over that the environment gives."""
    end = time.monotonic() + float(os.environ.get("MILLRACE_HISTORY_SECONDS") or 0)
    number = 0
    while number < at_least or time.monotonic() < end:
        yield number
        number += 1


class History:
    """Makes changes, in the caller's thread or in one of its own. The seed decides all of them."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], seed: int, truncates: bool = True) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.transactions = 0
        self._connect = connect
        self._truncates = truncates
        self._columns: dict[str, list[str]] = {table: [] for table in WIDENED}
        self._count = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    # ---- statements

    def _statement(self) -> str:
        makers = (self._int, self._text, self._pair, self._full, self._full, self._parent, self._child, self._child)
        if self._truncates and self.dice.random() < 0.004:
            return "truncate " + self.dice.choice(("h_int", "h_text", "h_pair", "h_full", "h_parent", "h_child",
                                                   "h_parent, h_child"))
        if self.dice.random() < 0.005:
            return self._alter(self.dice.choice(WIDENED))
        return self.dice.choice(makers)()

    def _words(self) -> str:
        """A value of a column, as SQL; now and then NULL."""
        self._count += 1
        return self.dice.choice(("null", f"'v{self._count}'", f"'ü\"{{{self._count}}}'",
                                 f"repeat('w', {self._count % 90})"))

    def _large(self) -> str:
        """A value that lies out of line."""
        self._count += 1
        return self.dice.choice(("null", f"repeat('{chr(97 + self._count % 26)}', {self.dice.randint(2100, 6000)})"))

    def _int(self) -> str:
        key, other, words = self.dice.randint(1, 80), self.dice.randint(1, 80), self._words()
        return self.dice.choice((
            f"insert into h_int values ({key}, {words}, {self.dice.uniform(-9, 9):.3f}, now()) "
            f"on conflict (id) do update set v = excluded.v, at = excluded.at",
            f"update h_int set v = {words}, n = n + 1 where id = {key}",
            f"update h_int set id = {other} where id = {key} and not exists (select from h_int where id = {other})",
            f"delete from h_int where id = {key}",
            f"insert into h_int select i, {words}, i / 7.0 from generate_series({key}, {key + 20}) i "
            f"on conflict (id) do nothing",
            f"update h_int set n = coalesce(n, 0) + 0.5 where id between {key} and {key + 15}"))

    def _text(self) -> str:
        key, other = f"'k:{self.dice.randint(1, 40)}%'", f"'k:{self.dice.randint(1, 40)}%'"
        return self.dice.choice((
            f"insert into h_text values ({key}, {self._words()}, {self._large()}, "
            f"jsonb_build_object('a', {self._large()}, 'b', {self._count})) on conflict (id) do update "
            f"set big = excluded.big",
            f"update h_text set small = {self._words()} where id = {key}",
            f"update h_text set small = {self._words()} where id = {key}",
            f"update h_text set doc = jsonb_build_array({self._count}, {self._large()}) where id = {key}",
            f"update h_text set id = {other} where id = {key} and not exists (select from h_text where id = {other})",
            f"delete from h_text where id = {key}"))

    def _pair(self) -> str:
        dice = self.dice
        where = f"a = {dice.randint(1, 6)} and b = 'b:{dice.randint(1, 6)}'"
        return dice.choice((
            f"insert into h_pair (a, b, v, big) values ({dice.randint(1, 6)}, 'b:{dice.randint(1, 6)}', "
            f"{self._words()}, {self._large()}) on conflict (a, b) do update set v = excluded.v",
            f"update h_pair set v = {self._words()} where {where}",
            f"update h_pair p set b = p.b || 'x' where {where} and length(b) < 8 "
            f"and not exists (select from h_pair q where q.a = p.a and q.b = p.b || 'x')",
            f"delete from h_pair where {where}",
            f"delete from h_pair where length(b) > 4 and a = {dice.randint(1, 6)}"))

    def _full(self) -> str:
        key, group = self.dice.randint(1, 50), f"'g{self.dice.randint(1, 4)}'"
        return self.dice.choice((
            f"insert into h_full values ({key}, {group}, {self.dice.randint(-99, 99)}, {self._large()}) "
            f"on conflict (id) do update set g = excluded.g",
            f"update h_full set n = {self.dice.choice(('null', str(self._count)))} where id = {key}",
            f"update h_full set g = {group} where id = {key}",
            f"update h_full set id = {key + 50} where id = {key} "
            f"and not exists (select from h_full where id = {key + 50})",
            f"delete from h_full where id in ({key}, {key + 50})"))

    def _parent(self) -> str:
        key, other = self.dice.randint(1, 12), self.dice.randint(1, 12)
        return self.dice.choice((
            f"insert into h_parent values ({key}, {self._words()}, {self._large()}) on conflict (id) do update "
            f"set v = excluded.v",
            f"update h_parent set v = {self._words()} where id = {key}",
            f"update h_parent set id = {other}, big = big || '' where id = {key} "  # sent anew: it cannot be carried
            f"and not exists (select from h_parent where id = {other})",
            f"delete from h_parent where id = {key}"))

    def _child(self) -> str:
        key, parent = self.dice.randint(1, 40), self.dice.choice((*map(str, range(1, 13)), "null"))
        return self.dice.choice((
            f"insert into h_child values ({key}, {parent}, {self._words()}) "
            f"on conflict (no) do update set v = excluded.v",
            f"update h_child set parent = {parent} where no = {key}",
            f"update h_child set v = {self._words()} where no = {key}",
            f"delete from h_child where no = {key}"))

    def _alter(self, table: str) -> str:
        """Rows are written again, so that what is in Redis has the new columns and not the old ones."""
        columns = self._columns[table]
        if columns and (len(columns) > 2 or self.dice.random() < 0.4):
            name = columns.pop(self.dice.randrange(len(columns)))
            return f"alter table {table} drop column {name}; update {table} set v = v"
        self._count += 1
        columns.append(f"c{self._count}")
        kind = self.dice.choice(("int default 7", "text", "bool default false", "jsonb"))
        return f"alter table {table} add column {columns[-1]} {kind}; update {table} set v = v"

    # ---- transactions

    def _transaction(self, connection: psycopg.Connection[Any]) -> None:
        """A few statements; some are undone to a savepoint, some transactions altogether."""
        columns = {table: list(names) for table, names in self._columns.items()}
        for _ in range(self.dice.randint(1, 9)):
            if self.dice.random() < 0.1:
                inner = {table: list(names) for table, names in self._columns.items()}
                connection.execute("savepoint s")
                connection.execute(self._statement())
                if self.dice.random() < 0.5:
                    connection.execute("rollback to s")
                    self._columns = inner
            connection.execute(self._statement())
        if self.dice.random() < 0.08:
            connection.rollback()
            self._columns = columns
        else:
            connection.commit()
        self.transactions += 1

    def run(self, transactions: int) -> None:
        with self._connect() as connection:
            connection.autocommit = False
            for _ in range(transactions):
                self._transaction(connection)

    def start(self, pause_s: float = 0.002) -> History:
        """Goes on in a thread until `stop`."""
        def body() -> None:
            try:
                while not self._stop.wait(pause_s):
                    self.run(5)
            except BaseException as error:
                self._error = error

        self._stop.clear()
        self._thread = threading.Thread(target=body, daemon=True)
        self._thread.start()
        return self

    def advance(self, transactions: int) -> None:
        """Waits until the thread has made so many more."""
        goal = self.transactions + transactions
        wait_until(lambda: self.transactions >= goal or self._error, "the history goes on", 30, pause_s=0.005)
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise AssertionError(f"the history of seed {self.seed} ended") from self._error

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)
            self._thread = None
        self._raise()

    def end(self) -> None:
        """Rows that wait for a parent lie nowhere: there are none at the end. The mark comes behind all."""
        self.stop()
        with self._connect() as connection:
            connection.execute("delete from h_child where parent is not null "
                               "and parent not in (select id from h_parent)")
            connection.execute("insert into h_mark select coalesce(max(id), 0) + 1 from h_mark")


def assert_in_step(millrace: Millrace, database: Database, client: redis.Redis, history: History) -> None:
    """Ends the history; then `verify` must find nothing without a repair, and neither must the model."""
    history.end()
    mark = database.value("select max(id) from h_mark")

    def arrived() -> bool:
        assert millrace.running(), f"seed {history.seed}: millrace ended\n{millrace.tail()}"
        try:
            return bool(client.exists(f"h_mark:id:{mark}"))
        except redis.RedisError:
            return False

    def context() -> str:
        return f"seed {history.seed}\n{millrace.status()}\n{millrace.tail()}"

    wait_until(arrived, "the mark is in Redis", 90, context=context)
    wait_until(lambda: millrace.status()["cache"]["lag_bytes"] == 0, "all is delivered", 30, context=context)
    assert millrace.status()["cache"]["dead_letters"] == 0, f"{context()}\n{_letters(millrace)}"
    done = millrace.command("verify", "{file}", "--json", "--settle-ms", "1500", timeout_s=120)
    assert done.returncode == 0, f"{context()}\n{_differences(client, done.stdout)}\n{done.stderr[-2000:]}"
    report = json.loads(done.stdout)
    tables = {table["table"] for sink in report["sinks"] for table in sink["tables"]}
    assert tables >= {f"public.{table}" for table in TABLES}, done.stdout
    wanted, found = model(database), shared(client)
    assert found == wanted, f"{context()}\nwanted {wanted}\nfound  {found}"
    _assert_events(millrace, client, context)


def _differences(client: redis.Redis, report: str) -> str:
    """The first of them, each with what Redis holds, large values shortened."""
    lines: list[str] = []
    for table in (table for sink in json.loads(report)["sinks"] for table in sink["tables"]):
        for one in table["differences"][:4]:
            kind = client.type(one["key"])
            found: Any = client.hgetall(one["key"]) if kind == "hash" else kind
            if kind == "ReJSON-RL":
                found = client.json().get(one["key"])
            text = re.sub(r"(.)\1{20,}", r"\1...", str(found))
            lines.append(f"{table['table']} {one}: {text}")
    return "\n".join(lines)


def _letters(millrace: Millrace) -> str:
    return millrace.command("dead-letters", "cache", "--url", millrace.url).stdout[-3000:]


def model(database: Database) -> dict[str, Any]:
    """Members that rows share and children inside documents, by the tables."""
    wanted: dict[str, Any] = {}
    for key, group, score in database.query("select id, g, n from h_full where g is not null"):
        wanted.setdefault(f"by:{group}", set()).add(str(key))
        if score is not None:
            wanted.setdefault(f"rank:{group}", {})[str(key)] = float(score)
    for number, parent in database.query("select no, parent from h_child where parent is not null"):
        wanted.setdefault(f"parent:{parent}", set()).add(str(number))
    return wanted


def shared(client: redis.Redis) -> dict[str, Any]:
    """The same as it is in Redis."""
    found: dict[str, Any] = {}
    for key in client.scan_iter("by:*", count=1000):
        found[key] = set(cast("set[str]", client.smembers(key)))
    for key in client.scan_iter("rank:*", count=1000):
        found[key] = dict(cast("list[tuple[str, float]]", client.zrange(key, 0, -1, withscores=True)))
    for key, document in documents(client, "parent:*").items():
        if children := document.get("children"):
            found[key] = set(children)
    return found


def _assert_events(millrace: Millrace, client: redis.Redis, context: Callable[[], str]) -> None:
    """The stream has each change of the log once, in its order."""
    def event(op: str, row: Any) -> tuple[str, str]:
        return op, "" if row is None else str(row["id"])

    logged = [event(op_of(one), one["before"] if op_of(one) == "delete" else one["after"])
              for one in millrace.consume("t.public.h_full")]
    added = [event(op_of(fields), json.loads(fields.get("after") or fields.get("before") or "null"))
             for _, fields in cast("list[tuple[str, dict[str, str]]]", client.xrange("events:h_full"))]
    assert added == logged, f"{context()}\n{len(added)} entries in the stream, {len(logged)} changes in the log"
