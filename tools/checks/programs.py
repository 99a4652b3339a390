"""The checks that other programs make: clang-format, clang-tidy, ruff, mypy."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks.layers import includes
from checks.tree import Fault, Tree

FORMAT = "clang-format-19"
TIDY = "clang-tidy-19"
_MESSAGE = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?:error|warning): (?P<text>.*)$", re.MULTILINE)
_MONTH_SECONDS = 30 * 24 * 3600


def _run(command: Sequence[str], root: Path) -> tuple[int, str]:
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _faults(rule: str, output: str, root: Path) -> Iterator[Fault]:
    seen: set[str] = set()
    for match in _MESSAGE.finditer(output):
        if match.group(0) not in seen:
            seen.add(match.group(0))
            path = match.group("path").removeprefix(f"{root}/")
            yield Fault(path, int(match.group("line")), rule, match.group("text"))


def check_format(tree: Tree, root: Path) -> Iterator[Fault]:
    """One line a file: the mending is always the same."""
    paths = [file.path for file in tree.files.values() if file.is_cpp]
    _, output = _run([FORMAT, "--dry-run", "-Werror", *paths], root) if paths else (0, "")
    for path in sorted({fault.path for fault in _faults("format", output, root)}):
        yield Fault(path, 0, "format", "not in the house's format: `make format`")


def check_python(tree: Tree, root: Path) -> Iterator[Fault]:
    scripts = [file.path for file in tree.files.values() if file.path.endswith(".py")] + ["tools/tidy"]
    ruff = ["ruff", "check", "--output-format=concise", "--no-cache"]
    status, output = _run([sys.executable, "-m", *ruff, *scripts], root)
    if status:
        yield Fault("Python", 0, "ruff", "\n" + output.strip())
    # By folder: two folders may each have a main.py.
    for folder in sorted({path.partition("/")[0] for path in scripts}):
        paths = [path for path in scripts if path.startswith(folder + "/")]
        mypy = ["mypy", "--scripts-are-modules", f"--cache-dir=.cache/mypy/{folder}", "--no-error-summary"]
        status, output = _run([sys.executable, "-m", *mypy, *paths], root)
        if status:
            yield Fault(folder, 0, "mypy", "\n" + output.strip())


class ClangTidy:
    """clang-tidy over the library files of a build. It takes seconds a file, so what was found clean is remembered by
    the content of everything that went into it: the file, our headers below it, the command, the list of checks."""

    def __init__(self, tree: Tree, root: Path, build: Path, jobs: int) -> None:
        self._tree = tree
        self._root = root
        self._build = build
        self._jobs = jobs
        self._stamps = root / ".cache" / "tidy"
        self._common = (root / ".clang-tidy").read_text() + _run([TIDY, "--version"], root)[1]

    def check(self) -> Iterator[Fault]:
        self._stamps.mkdir(parents=True, exist_ok=True)
        todo = [(path, stamp) for path, stamp in self._units() if not stamp.exists()]
        with ThreadPoolExecutor(self._jobs) as pool:
            for faults in pool.map(self._check_one, todo):
                yield from faults
        for stamp in self._stamps.iterdir():
            if time.time() - stamp.stat().st_mtime > _MONTH_SECONDS:
                stamp.unlink(missing_ok=True)

    def _units(self) -> Iterator[tuple[str, Path]]:
        for entry in json.loads((self._build / "compile_commands.json").read_text()):
            path = entry["file"].removeprefix(f"{self._root}/")
            file = self._tree.files.get(path)
            if file is not None and file.path.startswith("src/") and not file.is_test:
                command = entry["command"].replace(str(self._root), "")
                yield path, self._stamps / self._key(path, command)

    def _key(self, path: str, command: str) -> str:
        digest = hashlib.sha256((self._common + command).encode())
        waiting, seen = [path], set[str]()
        while waiting:
            at = waiting.pop()
            if at in seen or at not in self._tree.files:
                continue
            seen.add(at)
            file = self._tree.files[at]
            digest.update(f"\0{at}\0{file.text}".encode())
            waiting += sorted("src/" + name for _, kind, name in includes(file) if kind == '"')
        return digest.hexdigest()[:32]

    def _check_one(self, unit: tuple[str, Path]) -> list[Fault]:
        path, stamp = unit
        status, output = _run(["nice", TIDY, "--quiet", "-p", str(self._build), path], self._root)
        if status == 0:
            stamp.touch()
            return []
        return list(_faults("clang-tidy", output, self._root)) or [Fault(path, 0, "clang-tidy", output.strip())]
