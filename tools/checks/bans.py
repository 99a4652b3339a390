"""What is not written here, and what is written instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from checks.tree import Fault, SourceFile, Tree


def _everywhere(_: SourceFile) -> bool:
    return True


def _within(*folders: str) -> Callable[[SourceFile], bool]:
    return lambda file: file.path.startswith(tuple(f"src/{folder}/" for folder in folders))


def _no_tests(file: SourceFile) -> bool:
    return not file.is_test


def _without_own_threads(file: SourceFile) -> bool:
    return not file.is_test and not _within("runtime", "http")(file)


@dataclass(frozen=True)
class Ban:
    rule: str
    pattern: re.Pattern[str]
    instead: str
    applies: Callable[[SourceFile], bool] = _everywhere


BANS = (
    Ban("coroutine", re.compile(r"\bco_(await|yield|return)\b"),
        "coroutines are miscompiled by the compiler that ships: a stage with a blocking call that ends at until_us"),
    Ban("using-namespace", re.compile(r"\busing\s+namespace\b"), "`using namespace`: name what is used"),
    # Owned at once is allowed: make_unique cannot reach a private constructor.
    Ban("naked-new", re.compile(r"^(?!.*_ptr<[^;]*\(new\b).*(?<!operator )(?<!<)\bnew\b"), "`new`: std::make_unique"),
    Ban("naked-delete", re.compile(r"(?<!operator )(?<!= )(?<!=)\bdelete\b"), "`delete`: let a unique_ptr own it"),
    Ban("std-regex", re.compile(r"\bstd::(basic_)?w?regex\b|#\s*include\s+<regex>"),
        "std::regex is slow and recurses: PatternList of base/pattern.h"),
    Ban("std-function", re.compile(r"\bstd::function\b"),
        "std::function allocates and is called per row here: a template parameter or a virtual function",
        _within("event", "format")),
    Ban("sleep-in-test", re.compile(r"\b(this_thread::sleep_(for|until)|usleep|nanosleep|sleep)\s*\("),
        "a test that sleeps is slow or wrong: ManualClock, or wait for the event itself",
        lambda file: file.path.endswith("_test.cc")),
    Ban("thread", re.compile(r"\bstd::(jthread|thread|async)\b(?!::id|::hardware_concurrency)|\bpthread_create\b"),
        "threads are made in runtime/ and http/ only: write a Stage", _without_own_threads),
    Ban("assert", re.compile(r"(?<!static_)\bassert\s*\(|#\s*include\s+<cassert>"),
        "assert() is gone in a release: MILLRACE_CHECK of base/check.h"),
    Ban("thread-local", re.compile(r"\bthread_local\b"), "thread_local is hidden state: pass it"),
    Ban("static-state", re.compile(r"^\s+static\s+(?!const\b|constexpr\b)[\w:<>,\s*&]+?\s\**&?\w+\s*(=|;|\{\})"),
        "a static that changes is a global: make it a member and pass its owner", _no_tests),
    Ban("shared-mutable", re.compile(r"\bshared_ptr<(?!const\b|\s*const\b)"),
        "shared_ptr to something that changes has no owner: unique_ptr and references, or shared_ptr<const T>",
        lambda file: file.is_header),
    Ban("c-memory", re.compile(r"\b(std::)?(malloc|calloc|realloc)\s*\("), "malloc: std::vector or std::make_unique"),
    Ban("printf-to-text", re.compile(r"\b(std::)?(sprintf|strcpy|strcat|gets|strtok)\s*\("),
        "unbounded: fmt::format, std::string"),
)
# Looked for in comments too.
UNFINISHED = re.compile(r"\b(FIX" + r"ME|TO" + r"DO|XX" + r"X|HA" + r"CK)\b")
NOLINT = re.compile(r"\bNOLINT(NEXTLINE|BEGIN)?\b(?!\()")


def check_bans(tree: Tree) -> Iterator[Fault]:
    for file in tree.cpp():
        for ban in (ban for ban in BANS if ban.applies(file)):
            for number, line in enumerate(file.code, 1):
                if ban.pattern.search(line):
                    yield from file.fault(number, ban.rule, ban.instead)


def check_comments(tree: Tree) -> Iterator[Fault]:
    for file in tree.files.values():
        if not file.path.endswith((".cc", ".h", ".py", ".cmake", ".txt", ".sh", "Makefile")):
            continue
        for number, line in enumerate(file.lines, 1):
            if UNFINISHED.search(line):
                yield from file.fault(number, "unfinished", "do it, or say in a sentence what is not done and why")
            if file.is_cpp and NOLINT.search(line):
                yield from file.fault(number, "nolint", "name the check: NOLINT(check-name)")


def check_pragma(tree: Tree) -> Iterator[Fault]:
    for file in tree.cpp():
        if file.is_header and "#pragma once" not in file.lines:
            yield from file.fault(0, "pragma-once", "a header begins with #pragma once")


CHECKS = (check_bans, check_comments, check_pragma)
