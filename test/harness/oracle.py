"""Is the target what the source is, and is every change in the log exactly once?

Source rows are read as text, as PostgreSQL prints them; both sides are brought into one form by the column's type.
Nothing here knows how millrace works, only what it promises.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import redis
from psycopg import sql

from harness.load import KEYS, TABLES, Event, Load
from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

Rows = dict[tuple[str, ...], dict[str, Any]]


def canonical(kind: str, value: Any) -> Any:
    """A value of column type `kind`, from PostgreSQL's text or from a document, in one form for both."""
    if value is None:
        return None
    if kind in ("smallint", "integer", "bigint"):
        return int(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else {"t": True, "f": False, "true": True, "false": False}[value]
    if kind in ("json", "jsonb"):
        return json.loads(value) if isinstance(value, str) else value
    if kind == "timestamp with time zone":
        text = str(value).replace("Z", "+00:00")
        return dt.datetime.fromisoformat(text if text[-3] in "+-" or text[-6] in "+-" else text + "+00:00")
    if kind == "ARRAY":
        return value if isinstance(value, list) else [int(one) for one in value.strip("{}").split(",") if one]
    return str(value)


def column_types(database: Database, table: str) -> dict[str, str]:
    return dict(database.query("select column_name, data_type from information_schema.columns where "
                               "table_schema = 'public' and table_name = %s order by ordinal_position", (table,)))


def source_rows(database: Database, table: str, key: Sequence[str]) -> Rows:
    kinds = column_types(database, table)
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in kinds)
    with database.connect() as connection:
        found = connection.execute(sql.SQL("select {} from {}").format(columns, sql.Identifier(table))).fetchall()
    rows: Rows = {}
    for one in found:
        row = dict(zip(kinds, one, strict=True))
        rows[tuple(row[name] for name in key)] = {name: canonical(kinds[name], row[name]) for name in kinds}
    return rows


def documents(client: redis.Redis, pattern: str) -> dict[str, Any]:
    """All JSON documents whose key fits, by key; numbers with a fraction stay text."""
    keys = sorted(client.scan_iter(pattern, count=1000, _type="ReJSON-RL"))
    found: dict[str, Any] = {}
    for begin in range(0, len(keys), 500):
        pipe = client.pipeline(transaction=False)
        for key in keys[begin:begin + 500]:
            pipe.execute_command("JSON.GET", key)
        for key, text in zip(keys[begin:begin + 500], pipe.execute(), strict=True):
            if text is not None:  # deleted since the scan
                found[key] = json.loads(text, parse_float=str) if isinstance(text, str) else text
    return found


def target_rows(database: Database, client: redis.Redis, table: str, key: Sequence[str]) -> Rows:
    kinds = column_types(database, table)
    rows: Rows = {}
    for name, document in documents(client, f"{table}:*").items():
        assert isinstance(document, dict), f"{name} is no document: {document!r}"
        row = {column: canonical(kinds[column], value) for column, value in document.items() if column in kinds}
        identity = tuple(str(document.get(column)) for column in key)
        assert identity not in rows, f"two documents for key {identity} of {table}"
        rows[identity] = row
    return rows


def assert_same_rows(database: Database, client: redis.Redis, table: str, key: Sequence[str] = ("id",)) -> int:
    """Source and Redis hold the same rows of `table`; gives how many."""
    source, target = source_rows(database, table, key), target_rows(database, client, table, key)
    missing, extra = source.keys() - target.keys(), target.keys() - source.keys()
    assert not missing and not extra, (f"{table}: {len(missing)} rows missing in Redis {sorted(missing)[:5]}, "
                                       f"{len(extra)} too many {sorted(extra)[:5]}, {len(source)} in the source")
    for identity, row in source.items():
        found = {name: target[identity].get(name) for name in row}  # a NULL may be left out of the document
        wrong = {name: (row[name], found[name]) for name in row if row[name] != found[name]}
        assert not wrong, f"{table} {identity}: (source, Redis) {str(wrong)[:600]}"
    return len(source)


# ---- the log

_OPS = {"c": "insert", "u": "update", "d": "delete", "r": "read", "t": "truncate"}


def op_of(record: dict[str, Any]) -> str:
    return _OPS.get(str(record["op"]), str(record["op"]))


def event_of(table: str, record: dict[str, Any]) -> Event:
    """A record of `consume --format json` as the load knows it."""
    op = op_of(record)
    if op == "truncate":
        return Event(table, op, (), None)
    row = record["before"] if op == "delete" else record["after"]
    key = tuple(row[name] for name in KEYS[table])
    return Event(table, op, key, None if op == "delete" else int(row["seq"]))


def place_of(record: dict[str, Any]) -> tuple[str, int]:
    """What names a change for ever: the commit it belongs to and its index within it."""
    source = record["source"]
    return str(source["commit"]), int(source["index"])


def assert_log_exact(millrace: Millrace, load: Load, tables: Sequence[str] = TABLES) -> None:
    """Each topic holds exactly the load's events in their order, offsets are dense, no (commit, index) is twice."""
    places: Counter[tuple[str, int]] = Counter()
    for table in tables:
        records = millrace.consume(f"t.public.{table}")
        offsets = [int(record["offset"]) for record in records]
        assert offsets == list(range(len(offsets))), f"{table}: offsets are not dense: {offsets[:20]}"
        stream = [record for record in records if op_of(record) != "read"]
        found = [event_of(table, record) for record in stream]
        wanted = [event for event in load.expected if event.table == table]
        for number, (got, want) in enumerate(zip(found, wanted, strict=False)):
            assert got == want, f"{table}: event {number} is {got}, not {want}\n{_around(found, wanted, number)}"
        assert len(found) == len(wanted), f"{table}: {len(found)} events in the log, {len(wanted)} were made"
        places.update(place_of(record) for record in stream)
    twice = [place for place, count in places.items() if count > 1]
    assert not twice, f"(commit, index) more than once: {twice[:5]}"


def _around(found: list[Event], wanted: list[Event], at: int) -> str:
    low = max(0, at - 2)
    return f"log:  {found[low:at + 3]}\nmade: {wanted[low:at + 3]}"


def fold(records: Sequence[dict[str, Any]], key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows a topic leaves when its changes are applied in order; snapshot rows count as inserts."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in records:
        op = op_of(record)
        if op == "truncate":
            rows.clear()
        elif op == "delete":
            rows.pop(tuple(record["before"][name] for name in key), None)
        elif op in ("insert", "update", "read"):
            before, after = record.get("before") or {}, record["after"]
            old = tuple(before.get(name, after[name]) for name in key)
            kept = rows.pop(old, {})
            rows[tuple(after[name] for name in key)] = kept | {
                name: value for name, value in after.items() if not is_unchanged(value)}
    return rows


def is_unchanged(value: Any) -> bool:
    """The mark of a value that the change left alone and the source did not send."""
    return isinstance(value, str) and bool(re.fullmatch(r"__(millrace|debezium)_unchanged_value|"
                                                        r"__debezium_unavailable_value", value))


def settle_and_compare(millrace: Millrace, database: Database, client: redis.Redis, load: Load, mark: int,
                       exact: bool = True, timeout_s: float = 60) -> None:
    """Waits until everything so far has arrived, then holds Redis and the log against the source and the load."""
    load.mark(mark)
    wait_until(lambda: _marked(millrace, client, mark), f"mark {mark} is in Redis", timeout_s,
               context=lambda: f"status: {millrace.status()}\n{millrace.tail()}")
    for table in TABLES:
        assert_same_rows(database, client, table, KEYS[table])
    if exact:
        assert_log_exact(millrace, load)


def _marked(millrace: Millrace, client: redis.Redis, mark: int) -> bool:
    assert millrace.running(), f"millrace ended\n{millrace.tail()}"
    try:
        return bool(client.exists(f"load_mark:id:{mark}"))
    except redis.RedisError:
        return False
