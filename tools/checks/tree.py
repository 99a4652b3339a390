"""The source tree as the checks see it: files by path, and C++ with comments and strings blanked out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# `// tidy: allow <rule>: <reason>` on the line, or alone on the line above, waives one rule there.
_WAIVER = re.compile(r"(?://|#)\s*tidy: allow ([a-z-]+): \S")
_TEST_HEADER = re.compile(r"/(test|fake)_[^/]*\.h$|_(test|conformance|stubs)(_[^/]*)?\.h$")
_TOKEN = re.compile(
    r"""//(?:\\\n|[^\n])*                                # line comment
      | /\*.*?\*/                                        # block comment
      | (?P<prefix>\bR"(?P<mark>[^()\\\s]*)\().*?\)(?P=mark)"  # raw string
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'              # character; not the ' within 1'000
      | "(?:\\.|[^"\\\n])*"                              # string
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, order=True)
class Fault:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message} [{self.rule}]"


def _blank(match: re.Match[str]) -> str:
    text = match.group(0)
    inside = re.sub(r"[^\n]", " ", text)
    if text.startswith("/"):
        return inside
    return text[0] + inside[1:-1] + text[-1]


class SourceFile:
    """One file. `path` is relative to the top of the tree, with forward slashes."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = text.split("\n")

    @cached_property
    def code(self) -> list[str]:
        """The lines of a C++ file without what stands in comments and in strings."""
        return _TOKEN.sub(_blank, self.text).split("\n")

    @property
    def is_cpp(self) -> bool:
        return self.path.endswith((".cc", ".h"))

    @property
    def is_header(self) -> bool:
        return self.path.endswith(".h")

    @property
    def is_test(self) -> bool:
        return self.path.endswith(("_test.cc", "_bench.cc", "_fuzz.cc")) or self.is_test_header

    @property
    def is_test_header(self) -> bool:
        """What several tests share; only tests may include it."""
        return _TEST_HEADER.search(self.path) is not None

    def waived(self, line: int, rule: str) -> bool:
        """`line` counts from 1."""
        places = [self.lines[line - 1]] if line else []
        if line > 1 and self.lines[line - 2].lstrip().startswith(("//", "#")):
            places.append(self.lines[line - 2])
        return any(match.group(1) == rule for place in places for match in _WAIVER.finditer(place))

    def fault(self, line: int, rule: str, message: str) -> Iterator[Fault]:
        if not self.waived(line, rule):
            yield Fault(self.path, line, rule, message)


class Tree:
    """Files by path. Tests make one from a dictionary, tools/tidy from git."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {path: SourceFile(path, text) for path, text in sorted(files.items())}

    def cpp(self) -> list[SourceFile]:
        return [file for file in self.files.values() if file.is_cpp and file.path.startswith("src/")]

    @staticmethod
    def of_repository(root: Path) -> Tree:
        """Every text file that is tracked or would be, were it added."""
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                                check=True, capture_output=True, text=True).stdout
        files: dict[str, str] = {}
        for path in filter(None, listed.split("\0")):
            try:
                files[path] = (root / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue  # binary, or deleted and not yet committed
        return Tree(files)
