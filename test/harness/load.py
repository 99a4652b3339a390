"""A seeded load of transactions over three tables whose whole effect on the stream is known beforehand.

One writer, so commit order is the order of generation. Every change writes a new value of `seq`, so each event can be
told from every other; `expected` lists the events in commit order.

* load_a: integer key, replica identity default, key changes, truncated now and then
* load_b: key of two columns, replica identity full
* load_c: large values kept out of line, which most updates leave alone
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

TABLES = ("load_a", "load_b", "load_c")
SCHEMA = """
create table load_a (id bigint primary key, seq bigint not null, v text, n numeric(20,4), at timestamptz, flag bool);
create table load_b (k1 int, k2 text, seq bigint not null, payload text, doc jsonb, primary key (k1, k2));
alter table load_b replica identity full;
create table load_c (id int primary key, seq bigint not null, big text, counts int[]);
alter table load_c alter big set storage external, alter counts set storage external;
create table load_mark (id bigint primary key);
"""
INCLUDE = "public.load_a,public.load_b,public.load_c,public.load_mark"
PUBLISHED = "load_a, load_b, load_c, load_mark"
KEYS: dict[str, tuple[str, ...]] = {"load_a": ("id",), "load_b": ("k1", "k2"), "load_c": ("id",)}

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Event:
    """A change as the log must hold it. `key` is the row's key after the change, before it for a delete."""

    table: str
    op: str  # insert update delete truncate
    key: Key
    seq: int | None


@dataclass
class Load:
    """Makes and runs transactions. Not thread-safe; `run_in_thread` hands it to a thread of its own."""

    connect: Callable[[], psycopg.Connection[Any]]
    seed: int
    largest: int = 12  # statements in a transaction
    truncates: bool = True
    expected: list[Event] = field(default_factory=list)
    transactions: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._seq = 0
        self._next = {"load_a": 1, "load_b": 1, "load_c": 1}
        self._live: dict[str, list[Key]] = {table: [] for table in TABLES}
        self._connection: psycopg.Connection[Any] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    # ---- statements: each executes, changes the model, and gives its events

    def _number(self) -> int:
        self._seq += 1
        return self._seq

    def _insert(self, cursor: psycopg.Cursor[Any], table: str) -> list[Event]:
        seq, number = self._number(), self._next[table]
        self._next[table] += 1
        key: Key = (number,)
        if table == "load_a":
            cursor.execute("insert into load_a values (%s, %s, %s, %s, now() + %s * interval '1 second', %s)",
                           (number, seq, f"value {number} é \"q\"", f"{self._dice.randrange(10**9)}.{seq % 10000:04}",
                            number, number % 3 == 0))
        elif table == "load_b":
            key = (number, f"k:{number % 7}")
            cursor.execute("insert into load_b values (%s, %s, %s, %s, %s)",
                           (*key, seq, "p" * self._dice.randrange(200), f'{{"n": {seq}, "a": [1, null, "x"]}}'))
        else:
            cursor.execute("insert into load_c values (%s, %s, %s, array(select generate_series(1, 700)))",
                           (number, seq, chr(97 + number % 26) * 2500))
        self._live[table].append(key)
        return [Event(table, "insert", key, seq)]

    def _update(self, cursor: psycopg.Cursor[Any], table: str) -> list[Event]:
        seq, key = self._number(), self._dice.choice(self._live[table])
        if table == "load_a":
            cursor.execute("update load_a set seq = %s, n = n + 1, v = nullif(v, '') where id = %s", (seq, *key))
        elif table == "load_b":
            cursor.execute("update load_b set seq = %s, payload = null where k1 = %s and k2 = %s", (seq, *key))
        elif self._dice.random() < 0.8:
            cursor.execute("update load_c set seq = %s where id = %s", (seq, *key))
        else:
            cursor.execute("update load_c set seq = %s, big = %s where id = %s", (seq, "z" * (seq % 3000), *key))
        return [Event(table, "update", key, seq)]

    def _delete(self, cursor: psycopg.Cursor[Any], table: str) -> list[Event]:
        key = self._live[table].pop(self._dice.randrange(len(self._live[table])))
        where = " and ".join(f"{column} = %s" for column in KEYS[table])
        cursor.execute(f"delete from {table} where {where}", key)
        return [Event(table, "delete", key, None)]

    def _change_key(self, cursor: psycopg.Cursor[Any], table: str) -> list[Event]:
        seq, at = self._number(), self._dice.randrange(len(self._live[table]))
        old, number = self._live[table][at], self._next[table]
        self._next[table] += 1
        new: Key = (old[0], f"m:{number}") if table == "load_b" else (number,)
        if table == "load_b":
            cursor.execute("update load_b set seq = %s, k2 = %s where k1 = %s and k2 = %s", (seq, new[1], *old))
        else:
            cursor.execute(f"update {table} set seq = %s, id = %s where id = %s",
                           (seq, *new, *old))
        self._live[table][at] = new
        return [Event(table, "update", new, seq)]

    def _truncate(self, cursor: psycopg.Cursor[Any]) -> list[Event]:
        cursor.execute("truncate load_a")
        self._live["load_a"].clear()
        return [Event("load_a", "truncate", (), None)]

    def _statement(self, cursor: psycopg.Cursor[Any]) -> list[Event]:
        table, dice = self._dice.choice(TABLES), self._dice.random()
        if self.truncates and dice < 0.004:
            return self._truncate(cursor)
        if dice < 0.45 or not self._live[table]:
            return self._insert(cursor, table)
        if dice < 0.78:
            return self._update(cursor, table)
        return self._delete(cursor, table) if dice < 0.92 else self._change_key(cursor, table)

    # ---- transactions

    def transaction(self, statements: int | None = None) -> None:
        """One transaction; one in twelve is rolled back and leaves no trace."""
        if self._connection is None or self._connection.closed:
            self._connection = self.connect()
            self._connection.autocommit = False
        count = statements if statements is not None else self._dice.randint(1, self.largest)
        rolled_back = statements is None and self._dice.random() < 1 / 12
        saved = {table: list(keys) for table, keys in self._live.items()} if rolled_back else {}
        events: list[Event] = []
        with self._connection.cursor() as cursor:
            for _ in range(count):
                events += self._statement(cursor)
        if rolled_back:
            self._connection.rollback()
            self._live = saved
            return
        self._connection.commit()
        self.expected += events
        self.transactions += 1

    def run(self, transactions: int) -> None:
        for _ in range(transactions):
            self.transaction()

    def run_in_thread(self, pause_s: float = 0.0) -> None:
        """Goes on until `stop`."""
        def body() -> None:
            try:
                while not self._stop.wait(pause_s) if pause_s else not self._stop.is_set():
                    self.transaction()
            except BaseException as error:
                self.error = error

        self._stop.clear()
        self._thread = threading.Thread(target=body, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)
            self._thread = None
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)
        if self._connection is not None:
            self._connection.close()

    def mark(self, number: int) -> None:
        """A row of its own after everything so far: once it has arrived, all before it has."""
        with self.connect() as connection:
            connection.execute("insert into load_mark values (%s)", (number,))
