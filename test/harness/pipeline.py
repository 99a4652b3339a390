"""Writes pipeline files from plain dictionaries of dotted names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Settings = Mapping[str, Any]


def redis_settings(uri: str, **more: Any) -> dict[str, Any]:
    """Settings of a `kind: redis` connector that takes every topic of prefix `t`; `more` as given by the caller, with
    `__` for the dot."""
    base: dict[str, Any] = {"kind": "redis", "topics.regex": "t\\..*", "redis.uri": uri, "target.type": "json"}
    given = {name.replace("__", "."): value for name, value in more.items()}
    if "topics" in given:
        base.pop("topics.regex")
    return base | given


def write_pipeline(path: Path, name: str, log_directory: Path, port: int, connectors: Mapping[str, Settings],
                   more: Settings | None = None) -> Path:
    """The file that a user would write. `more` holds further top-level settings."""
    document: dict[str, Any] = {
        "name": name,
        "log": {"kind": "rocks", "dir": str(log_directory)},
        "http": {"listen": f"127.0.0.1:{port}"},
    }
    document |= dict(more or {})
    document["connectors"] = {key: dict(value) for key, value in connectors.items()}
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200))
    return path
