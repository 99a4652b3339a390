"""The rights that the docs say a sink's user needs in Redis."""

from __future__ import annotations

from pathlib import Path

import redis


def rights(*kinds: str) -> list[str]:
    """What docs/delivery.md says that a user needs for these."""
    table = (Path(__file__).resolve().parents[2] / "docs" / "delivery.md").read_text()
    found: list[str] = []
    for kind in ("every sink", *kinds):
        line = next(line for line in table.splitlines() if line.startswith((f"| {kind} |", f"| `{kind}`")))
        found += line.replace("\\|", "\0").split("|")[2].strip(" `").replace("\0", "|").split()
    return found


def set_user(client: redis.Redis, *words: str) -> None:
    """Makes or changes the user `app`."""
    client.execute_command("ACL", "SETUSER", "app", *words)
