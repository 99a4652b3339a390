"""What files and commits must not say: the paths of one machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from checks.tree import Fault, Tree

_FOLDERS = "|".join(("home", "root", "Users", "work"))
MACHINE_PATH = re.compile(rf"(?<![\w.}})$-])/(?:{_FOLDERS})/")
SUBJECT = re.compile(r"^[a-z0-9][a-z0-9_./, -]*: \S")
SUBJECT_LENGTH = 120


def check_paths(tree: Tree) -> Iterator[Fault]:
    for file in tree.files.values():
        for number, line in enumerate(file.lines, 1):
            if MACHINE_PATH.search(line):
                yield from file.fault(number, "machine-path", "a path of one machine: make it relative to the tree")


def faults_of_commit(name: str, message: str) -> Iterator[Fault]:
    subject = message.partition("\n")[0]
    if not SUBJECT.match(subject) and not subject.startswith(("Merge ", "Revert ")):
        yield Fault(name, 0, "commit", f"'{subject}': a subject reads `area: what and why`")
    if len(subject) > SUBJECT_LENGTH:
        yield Fault(name, 0, "commit", f"the subject has {len(subject)} characters, {SUBJECT_LENGTH} at most")
    if MACHINE_PATH.search(message):
        yield Fault(name, 0, "commit", "the message holds a path of one machine")


def check_commits(root: Path) -> Iterator[Fault]:
    log = subprocess.run(["git", "log", "-n", "200", "--format=%h%x00%B%x01"], cwd=root, check=True,
                         capture_output=True, text=True).stdout
    for entry in filter(str.strip, log.split("\x01")):
        name, _, message = entry.strip("\n").partition("\0")
        yield from faults_of_commit(f"commit {name}", message)


CHECKS = (check_paths,)
