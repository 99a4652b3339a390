"""Every type of the corpus: the right value, and the same value whether it came by snapshot or by stream."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.millrace import Millrace
from harness.oracle import fold, op_of
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "pg"
FOLDERS = sorted(path.parent.name for path in CORPUS.glob("*/documents.json"))


def without_nulls(documents: dict[str, Any]) -> dict[str, Any]:
    return {key: {name: value for name, value in one.items() if value is not None} for key, one in documents.items()}


def in_redis(client: redis.Redis, table: str) -> dict[str, Any]:
    found = {key: client.json().get(key) for key in client.scan_iter(f"{table}:*", count=1000)}
    return without_nulls({key: one for key, one in found.items() if one is not None})  # deleted since the scan


def same_value(got: Any, want: Any, tolerance: float) -> bool:
    if isinstance(got, float) and isinstance(want, float):
        return math.isclose(got, want, rel_tol=tolerance, abs_tol=0.0)
    return bool(got == want) and isinstance(got, bool) == isinstance(want, bool)


def differences(found: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> list[str]:
    """One line for each value that is not as wanted. `tolerance` is relative and for fractions only: Redis reads some
    numbers (1e-45) to the neighbour of the double they stand for."""
    lines = [f"{key}: {'missing' if key in wanted else 'too much'}" for key in found.keys() ^ wanted.keys()]
    for key in found.keys() & wanted.keys():
        for name in {**wanted[key], **found[key]}:
            got, want = found[key].get(name), wanted[key].get(name)
            if not same_value(got, want, tolerance):
                lines.append(f"{key} {name}: {got!r}, not {want!r}")
    return sorted(lines)


def table_of(setup: str) -> str:
    found = re.findall(r"create table (\w+)", setup)
    assert len(found) == 1
    return str(found[0])


@pytest.mark.parametrize("way", ["stream", "snapshot"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_values(folder: str, way: str, shop: Shop, database: Database, client: redis.Redis) -> None:
    setup, rows = ((CORPUS / folder / name).read_text() for name in ("setup.sql", "rows.sql"))
    wanted = json.loads((CORPUS / folder / "documents.json").read_text())
    table = table_of(setup)
    database.script(setup)
    if way == "snapshot":
        database.script(rows)
    millrace = shop(f"public.{table}", postgres={"snapshot.mode": "initial"}).start()
    millrace.wait_state("source", "running")
    if way == "stream":
        database.script(rows)
    seen: list[str] = []

    def same() -> bool:
        seen[:] = differences(in_redis(client, table), wanted, 4e-16)
        return not seen

    wait_until(same, f"{folder} by {way}", 10,
               context=lambda: "\n".join(seen) + f"\n{millrace.status()}\n{millrace.tail()}")
    rows_in_log = fold(millrace.consume(f"t.public.{table}"), ["id"])
    in_log = without_nulls({f"{table}:id:{key[0]}": row for key, row in rows_in_log.items()})
    assert differences(numbers_read(in_log, wanted), wanted, 0.0) == [], "the log says otherwise than Redis"


def numbers_read(documents: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """`consume` gives fractions as text, so that decimals are seen as written; where a number is wanted it is read."""
    def read(value: Any, want: Any) -> Any:
        if isinstance(value, list) and isinstance(want, list) and len(value) == len(want):
            return [read(*pair) for pair in zip(value, want, strict=True)]
        return float(value) if isinstance(value, str) and isinstance(want, int | float) else value

    return {key: {name: read(value, wanted.get(key, {}).get(name)) for name, value in one.items()}
            for key, one in documents.items()}


def test_values_of_deleted_and_overwritten_rows(shop: Shop, database: Database) -> None:
    """What the corpus writes and takes away again is in the log only."""
    database.script((CORPUS / "times" / "setup.sql").read_text())
    millrace = shop("public.t_time").start()
    millrace.wait_state("source", "running")
    database.script((CORPUS / "times" / "rows.sql").read_text())
    millrace.wait_offset("t.public.t_time", 10)
    inserted = {record["after"]["id"]: record["after"] for record in millrace.consume("t.public.t_time")
                if op_of(record) == "insert"}
    assert inserted[1]["iv"] == "P1Y2M3DT4H5M6.789S"
    assert inserted[1]["d"] == "2024-02-29"
    two = {"d": "1970-01-01", "t": "00:00:00", "tz": "00:00:00+00:00", "tz3": "23:59:59.999000+00:00",
           "tstz": "1970-01-01T00:00:00Z", "tstz3": "1969-12-31T23:59:59.999000Z", "iv": "P-1DT-1S", "ivh": "PT0S"}
    assert {name: inserted[2][name] for name in two} == two


@pytest.mark.parametrize("setting", ["set bytea_output = 'escape'", "set datestyle = 'German, DMY'",
                                     "set timezone = 'Asia/Kathmandu'", "set intervalstyle = 'sql_standard'",
                                     "set extra_float_digits = -15", "set lc_monetary = 'C.UTF-8'"])
def test_server_settings_change_no_value(setting: str, shop: Shop, database: Database, client: redis.Redis) -> None:
    """The database's own defaults for how values print must not reach us."""
    database.script("""create table v (id int primary key, b bytea, d date, tz timestamptz, iv interval, f float8,
      r tstzrange);""")
    database.execute(f"alter database {database.name} {setting}")
    row = ("'\\x00ff', '2024-02-03', '2024-01-01 10:00:00.5+00', '1 day 02:00', 0.1234567890123456, "
           "'[2024-01-01 10:00+00,)'")
    database.script(f"insert into v values (1, {row});")
    millrace = shop("public.v", postgres={"snapshot.mode": "initial"}).start()
    millrace.wait_state("source", "running")
    database.script(f"insert into v values (2, {row});")
    wait_until(lambda: client.exists("v:id:1") and client.exists("v:id:2"), "both rows", 15, context=millrace.tail)
    wanted = {"b": "AP8=", "d": "2024-02-03", "tz": "2024-01-01T10:00:00.500000Z", "iv": "P1DT2H",
              "f": 0.1234567890123456, "r": '["2024-01-01 10:00:00+00",)'}
    for number in (1, 2):
        assert client.json().get(f"v:id:{number}") == wanted | {"id": number}
