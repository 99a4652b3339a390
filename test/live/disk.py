"""File systems of a test's own, small and filled at will."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

# 4 MB of values that do not shrink, in rows of their own
FILL = """insert into {table} select (select coalesce(max(id), 0) from {table}) + i, {columns}
  from generate_series(1, 2000) as i,
  lateral (select string_agg(md5((random() * i * j)::text), '') as text from generate_series(1, 60) as j) as noise"""


def wait_held(millrace: Millrace, write: Callable[[], object]) -> str:
    """Writes until intake has stopped; gives the source's status."""
    def held() -> str:
        write()
        status = millrace.status().get("source", {})
        return str(status) if status.get("state") not in ("running", "starting", None) else ""

    return wait_until(held, "intake stops", 60, context=lambda: f"{millrace.topics()}\n{millrace.tail()}")


def fill(database: Database, table: str, columns: str) -> None:
    database.execute(FILL.format(table=table, columns=columns))


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path

    def grow(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.path)], check=True)

    def fill(self) -> None:
        """Somebody else's file takes every byte there is."""
        with contextlib.suppress(OSError), open(self.path / "of-somebody-else", "wb", buffering=0) as file:
            while file.write(b"\0" * 65536) == 65536:
                pass

    def unfill(self) -> None:
        (self.path / "of-somebody-else").unlink()


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[SmallDisk]:
    """A file system of its own at `path`, as big as said."""
    assert os.geteuid() == 0, "mounting a small file system takes root"
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "millrace-test", str(path)], check=True)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
