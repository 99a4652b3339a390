"""A strict reader of the Prometheus text format 0.0.4."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"\s*(,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})?[ \t]+(\S+)(?:[ \t]+(-?\d+))?")
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


def _labels(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _LABEL.match(text, position)
        assert match, f"bad labels: {text!r}"
        assert match[1] not in found, f"label {match[1]} twice: {text!r}"
        found[match[1]] = match[2]
        position = match.end()
    return found


def _family(name: str, types: dict[str, str]) -> str:
    for end in ("_sum", "_count", "_bucket"):
        if name.endswith(end) and types.get(name.removesuffix(end)) in ("summary", "histogram"):
            return name.removesuffix(end)
    return name


def parse_metrics(text: str) -> list[Sample]:
    """All samples; an assertion names the first line that is wrong."""
    assert text.endswith("\n"), "the last line has no end"
    types: dict[str, str] = {}
    samples: list[Sample] = []
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    families: list[str] = []
    for line in text.splitlines():
        if not line:
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert re.fullmatch(_NAME, name) and kind in _TYPES, f"bad type line: {line}"
            assert name not in types, f"type of {name} twice"
            types[name] = kind
            continue
        if line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, f"bad sample: {line!r}"
        labels = _labels(match[2] or "")
        identity = (match[1], tuple(sorted(labels.items())))
        assert identity not in seen, f"twice: {line}"
        seen.add(identity)
        family = _family(match[1], types)
        assert family in types, f"no type before {line}"
        if not families or families[-1] != family:
            assert family not in families, f"the lines of {family} are not together"
            families.append(family)
        samples.append(Sample(match[1], labels, float(match[3])))
    assert samples, "no samples at all"
    return samples
