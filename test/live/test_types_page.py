"""docs/types.md says what becomes of each type. Its tables are read here, and each line is tried on real servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from test_redis_targets import output, wait_equal
from test_stream import start

from harness.millrace import Millrace
from harness.oracle import fold
from harness.postgres import Database

Shop = Callable[..., Millrace]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "types.md"
TYPES = """create extension citext; create extension hstore; create extension ltree;
  create type mood as enum ('sad', 'ok'); create domain price as numeric(7,3);
  create type addr as (street text, zip int);"""
# No column can be written of these: their input functions refuse every text.
NO_INPUT = {"pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary",
            "pg_brin_minmax_multi_summary", "gtsvector"}
BETWEEN = "\N{BROKEN BAR}"


@dataclass(frozen=True)
class Line:
    """A line of the page: what is written in SQL and what comes of it."""

    column: str
    type: str
    value: str
    document: Any
    text: str
    made: dict[str, Any]  # by function


def lines() -> list[Line]:
    out: list[Line] = []
    for row in re.findall(r"^\| `(.*)` \|$", PAGE.read_text(), re.MULTILINE):
        of_type, value, document, text, *functions = row.split("` | `")
        made = {name: json.loads(one) for name, one in
                (one.split(": ", 1) for one in (functions[0].split("`, `") if functions[0] != "-" else []))}
        out.append(Line(f"c{len(out)}", of_type, value, json.loads(document), text.replace("\N{OPEN BOX}", " "), made))
    return out


def names(line: Line) -> dict[str, str]:
    """Where the functions' fields lie."""
    return {name: f"{line.column}_{name}" for name in line.made}


def expected(all_lines: list[Line]) -> dict[str, Any]:
    out: dict[str, Any] = {line.column: line.document for line in all_lines}
    for line in all_lines:
        out |= {names(line)[name]: value for name, value in line.made.items()}
    return out


@pytest.mark.parametrize("way", ["snapshot", "stream"])
def test_every_line_is_true(way: str, shop: Shop, database: Database, client: redis.Redis) -> None:
    page = lines()
    assert len(page) > 90, "the page's tables cannot be read"
    columns = ", ".join(f"{line.column} {line.type}" for line in page)
    values = ", ".join(line.value for line in page)
    database.script(f"{TYPES} create table t (id int primary key, {columns});")
    insert = f"insert into t values (1, {values});"
    if way == "snapshot":
        database.script(insert)
    fields = ", ".join(["*", *(f"{name}({line.column}) as {field}" for line in page
                               for name, field in names(line).items())])
    whole = BETWEEN.join(f"{{{line.column}}}" for line in page)
    millrace = start(shop("public.t", postgres={"snapshot.mode": "initial"}, redis={"topics": "t.public.t"}
                          | output("doc", target__key="doc:{id}", target__fields=fields)
                          | output("hash", target__key="hash:{id}", target__type="hash")
                          | output("text", target__key="text:{id}", target__type="string", target__value=whole)))
    if way == "stream":
        database.script(insert)
    wait_equal(millrace, lambda: client.exists("doc:1", "hash:1", "text:1"), 3)
    document = client.json().get("doc:1")
    assert isinstance(document, dict)
    assert differences(document, expected(page) | {"id": 1}, page) == []
    texts: dict[str, Any] = {line.column: line.text for line in page}
    assert differences(cast("dict[str, Any]", client.hgetall("hash:1")), texts | {"id": "1"}, page) == []
    assert differences(dict(zip(texts, str(client.get("text:1")).split(BETWEEN), strict=True)), texts, page) == []
    event = fold(millrace.consume("t.public.t"), ["id"])[(1,)]
    event_values: dict[str, Any] = {line.column: line.document for line in page} | {"id": 1}
    assert differences(read(event, event_values), event_values, page) == []


def read(value: Any, want: Any) -> Any:
    """`consume` is asked for fractions as text; where a number is wanted it is read."""
    if isinstance(value, dict) and isinstance(want, dict):
        return {name: read(one, want.get(name)) for name, one in value.items()}
    if isinstance(value, list) and isinstance(want, list) and len(value) == len(want):
        return [read(*pair) for pair in zip(value, want, strict=True)]
    return float(value) if isinstance(value, str) and isinstance(want, int | float) else value


def differences(found: dict[str, Any], wanted: dict[str, Any], page: list[Line]) -> list[str]:
    """A line each. A text that ends in three dots on the page begins so."""
    said = {line.column: f"{line.type} {line.value}" for line in page}

    def same(name: str) -> bool:
        want, got = wanted.get(name), found.get(name)
        if isinstance(want, str) and want.endswith("..."):
            return str(got).startswith(want[:-3]) and len(str(got)) > len(want)
        return want == got and isinstance(want, bool) == isinstance(got, bool)

    return [f"{name} ({said.get(name.split('_', maxsplit=1)[0])}): {found.get(name)!r}, not {wanted.get(name)!r}"
            for name in sorted(found.keys() | wanted.keys()) if not same(name)]


def test_no_type_is_left_out(database: Database) -> None:
    """Every type of the server that a column can have is on the page."""
    database.script(f"{TYPES} create table named ({', '.join(f'{line.column} {line.type}' for line in lines())});")
    rest = database.query("""select t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where n.nspname = 'pg_catalog' and t.typtype in ('b', 'r', 'm') and t.typelem = 0
        and t.oid not in (select atttypid from pg_attribute where attrelid = 'named'::regclass)""")
    assert {str(row[0]) for row in rest} - NO_INPUT == set()
