"""How long things may be. Functions are measured by clang-tidy (readability-function-size)."""

from __future__ import annotations

from collections.abc import Iterator

from checks.layers import ROOMS_FILE, includes, parse_rooms, room_of
from checks.tree import Fault, Tree

FILE_LINES = 800
PUBLIC_HEADER_LINES = 150
MEASURED = (".cc", ".h", ".py", ".sh", ".cmake")
GENERATED = "@generated"


def check_files(tree: Tree) -> Iterator[Fault]:
    for file in tree.files.values():
        if file.path.endswith(MEASURED) and len(file.lines) > FILE_LINES and GENERATED not in file.text[:500]:
            yield Fault(file.path, 0, "file-size", f"{len(file.lines)} lines, {FILE_LINES} at most and 300 as a rule: "
                        "split it by what changes together")


def check_public_headers(tree: Tree) -> Iterator[Fault]:
    """Public is what another room includes."""
    rooms = parse_rooms(tree.files[ROOMS_FILE].text)
    public: set[str] = set()
    for file in tree.cpp():
        for _, kind, name in includes(file):
            if kind == '"' and not file.is_test and room_of(rooms, "src/" + name) is not room_of(rooms, file.path):
                public.add("src/" + name)
    for path in sorted(public & tree.files.keys()):
        lines = len(tree.files[path].lines) - 1
        if lines > PUBLIC_HEADER_LINES:
            yield Fault(path, 0, "header-size", f"{lines} lines, a public header has {PUBLIC_HEADER_LINES} at most: "
                        "one idea a header, the rest behind it")


CHECKS = (check_files, check_public_headers)
