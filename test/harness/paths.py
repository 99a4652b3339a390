"""Where things are. Every place can be overridden by an environment variable."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def millrace_binary() -> Path:
    """The program under test: $MILLRACE_BIN, else build/release, else the newest build."""
    named = os.environ.get("MILLRACE_BIN")
    if named:
        return Path(named).resolve()
    release = REPO / "build" / "release" / "millrace"
    if release.exists():
        return release
    found = [path for path in REPO.glob("build/*/millrace") if path.is_file()]
    if not found:
        raise FileNotFoundError(f"no millrace program below {REPO / 'build'}: run `make build` first")
    return max(found, key=lambda path: path.stat().st_mtime)


def postgres_bin() -> Path:
    """The directory of PostgreSQL's programs."""
    named = os.environ.get("PGBIN")
    if named:
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise FileNotFoundError("no PostgreSQL server below /usr/lib/postgresql: apt-get install postgresql-15")
    return found[-1].parent


def redis_stack_home() -> Path:
    """Where Redis Stack is unpacked (server/bin, server/lib, ssl11)."""
    places = [os.environ.get("REDIS_STACK_HOME"), str(REPO / ".cache" / "redis-stack")]
    for place in places:
        if place and (Path(place) / "server" / "bin" / "redis-server").exists():
            return Path(place)
    raise FileNotFoundError("Redis Stack is not installed: run `tools/servers/redis-stack install`")


def remove_tree(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
