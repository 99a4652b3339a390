"""Keeps changing the tables in the background, and makes the one change that the search is to follow."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

ROWS_A_CHANGE = 20
CHANGES_A_SECOND = 25
FLIGHTS = 200_000


class Changer(threading.Thread):
    """Updates, inserts and deletes flights, a few hundred rows a second, until `stop`."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        super().__init__(daemon=True)
        self._connect = connect
        self._stopped = threading.Event()
        self.rows = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self._connect() as connection:
                while not self._stopped.wait(1 / CHANGES_A_SECOND):
                    self._change(connection)
        except psycopg.Error as error:
            self.error = error

    def _change(self, connection: psycopg.Connection[Any]) -> None:
        first, dice = random.randrange(1, FLIGHTS - ROWS_A_CHANGE), random.random()
        with connection.transaction():
            self.rows += connection.execute("update public.flights set delay = delay + (random() * 10)::int - 5 "
                                            "where id between %s and %s", (first, first + ROWS_A_CHANGE - 1)).rowcount
            if dice < 0.2:
                self.rows += connection.execute(
                    "insert into public.flights select %s + i, (random() * 200)::int, 500, 12.5 "
                    "from generate_series(1, 5) as i on conflict do nothing", (FLIGHTS + first,)).rowcount
            elif dice < 0.4:
                self.rows += connection.execute("delete from public.flights where id in (select id from public.flights "
                                                "where id > %s limit 5)", (FLIGHTS,)).rowcount

    def stop(self) -> None:
        self._stopped.set()
        self.join(10)


@dataclass
class Followed:
    statement: str
    query: str
    answer: str
    latency_ms: float


def update_and_search(connection: psycopg.Connection[Any], client: redis.Redis, number: int) -> Followed:
    """Renames an airport, then asks the search index until the answer has the new name."""
    row = connection.execute("select iata, regexp_replace(name, ' demo[0-9]+$', '') from public.airports "
                             "where iata ~ '^[A-Z]{3}$' order by random() limit 1").fetchone()
    assert row is not None
    token = f"demo{number}"
    connection.execute("update public.airports set name = %s where iata = %s", (f"{row[1]} {token}", row[0]))
    begin = time.monotonic()
    query = f"@name:{token}"
    while True:
        answer: Any = client.execute_command("FT.SEARCH", "airports", query, "RETURN", "3", "name", "city", "state")
        took = (time.monotonic() - begin) * 1000
        if answer[0]:
            break
        if took > 15_000:
            raise RuntimeError(f"FT.SEARCH airports {query} still finds nothing 15 s after the commit")
    fields = dict(zip(answer[2][::2], answer[2][1::2], strict=True))
    return Followed(f"UPDATE airports SET name = '{row[1]} {token}' WHERE iata = '{row[0]}'",
                    f"FT.SEARCH airports {query}", f"{answer[1]}  {fields}", took)
