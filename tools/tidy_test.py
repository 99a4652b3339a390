"""Each rule of tools/tidy finds the fault it is there for, and lets the right thing pass."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from checks import bans, layers, programs, sizes, words
from checks.tree import Fault, Tree

ROOMS = """
millrace_room(base LEVEL 0 LIBS fmt::fmt)
millrace_room(event LEVEL 1 DEPENDS base)
millrace_room(http LEVEL 1 DEPENDS base)
millrace_room(log LEVEL 4 DEPENDS event)  # a comment (with brackets)
millrace_room(log/rocks LEVEL 4 DEPENDS log event)
millrace_room(sink/redis/client LEVEL 4 DEPENDS event
              TEST_DEPENDS base)
"""
GOOD = {
    "src/base/a.h": "#pragma once\n",
    "src/base/a.cc": '#include "base/a.h"\n',
    "src/event/e.h": '#pragma once\n#include "base/a.h"\n',
    "src/event/e.cc": '#include "event/e.h"\n',
    "src/log/l.h": "#pragma once\n",
    "src/log/l.cc": '#include "event/e.h"\n',
    "src/log/rocks/r.cc": '#include "log/l.h"\n#include "event/e.h"\n#include <rocksdb/db.h>\n',
    "src/sink/redis/client/s.cc": '#include "event/e.h"\n#include <openssl/ssl.h>\n#include <unistd.h>\n',
    "src/sink/redis/client/s_test.cc": '#include "base/a.h"\n#include <gtest/gtest.h>\n',
    "src/http/h.cc": '#include "base/a.h"\n#include <httplib.h>\n',
}
Check = Callable[[Tree], Iterable[Fault]]
ALL: tuple[Check, ...] = (*layers.CHECKS, *bans.CHECKS, *sizes.CHECKS, *words.CHECKS)


def rules(files: dict[str, str], rooms: str = ROOMS) -> list[str]:
    tree = Tree({layers.ROOMS_FILE: rooms} | GOOD | files)
    return [fault.rule for check in ALL for fault in check(tree)]


def test_a_good_tree_has_no_fault() -> None:
    assert rules({}) == []


@pytest.mark.parametrize(("path", "text"), [
    ("src/base/x.cc", '#include "event/e.h"'),                 # upwards
    ("src/event/x.cc", '#include "http/h.h"'),                 # unknown file
    ("src/log/x.cc", '#include "log/rocks/r.h"'),              # a sub-room from the one around it
    ("src/sink/redis/client/x.cc", '#include "base/a.h"'),            # lower, but not named
    ("src/base/x.cc", '#include "base/fake_a.h"'),             # made for tests
    ("src/sink/redis/client/x.cc", '#include "s.h"'),                 # not from src/
    ("src/nowhere/x.cc", ""),                                  # no room: never built
    ("src/nowhere/x_test.cc", ""),                             # a test that never runs
])
def test_layers(path: str, text: str) -> None:
    assert "layers" in rules({"src/log/rocks/r.h": "#pragma once\n", "src/base/fake_a.h": "#pragma once\n", path: text})


@pytest.mark.parametrize("line", [
    "millrace_room(extra LEVEL 1 DEPENDS http)",               # same level
    "millrace_room(extra LEVEL 1 DEPENDS log)",                # upwards
    "millrace_room(extra LEVEL 1 DEPENDS nothing)",            # no such room
    "millrace_room(extra LEVEL 5 DEPENDS base)",               # named, not included
])
def test_list_of_rooms(line: str) -> None:
    assert set(rules({"src/extra/x.cc": ""}, ROOMS + line)) == {"layers"}


@pytest.mark.parametrize(("path", "text"), [
    ("src/base/x.h", "#pragma once\n#include <fmt/format.h>"),     # in a header
    ("src/base/x.cc", "#include <rocksdb/db.h>"),                  # not its room
    ("src/base/x.cc", "#include <nlohmann/json.hpp>"),             # not known at all
    ("src/base/x.cc", "#include <gtest/gtest.h>"),                 # test library in the program
    ("src/base/x_test.cc", "#include <benchmark/benchmark.h>"),
])
def test_third_parties(path: str, text: str) -> None:
    assert rules({path: text}) == ["third-party"]


def test_headers_of_tests_are_tests() -> None:
    text = "#pragma once\n#include <gtest/gtest.h>\nstd::jthread thread;\n"
    for name in ("test_directory.h", "fake_values.h", "log_conformance_read.h", "log_conformance.h", "task_stubs.h"):
        assert rules({f"src/base/{name}": text, "src/base/x_test.cc": f'#include "base/{name}"\n'}) == []


def test_a_dear_header_is_included_once() -> None:
    assert rules({"src/base/x.cc": "#include <spdlog/spdlog.h>"}) == []
    both = {f"src/base/{name}.cc": "#include <spdlog/spdlog.h>" for name in "xy"}
    assert rules(both) == ["third-party"]


@pytest.mark.parametrize(("rule", "line"), [
    ("coroutine", "  co_await next();"),
    ("using-namespace", "using namespace std;"),
    ("naked-new", "  auto* p = new Thing(1);"),
    ("naked-new", "  return new (place) Thing;"),
    ("naked-delete", "  delete p;"),
    ("naked-delete", "  delete[] p;"),
    ("std-regex", "  std::regex r(text);"),
    ("std-regex", "#include <regex>"),
    ("std-function", "  std::function<void()> call;"),
    ("thread", "  std::jthread t([] {});"),
    ("thread", "  auto f = std::async(g);"),
    ("assert", "  assert(x == 1);"),
    ("assert", "#include <cassert>"),
    ("thread-local", "thread_local int depth = 0;"),
    ("static-state", "  static int count = 0;"),
    ("static-state", "  static std::map<int, std::string> cache;"),
    ("shared-mutable", "  std::shared_ptr<Batch> batch_;"),
    ("c-memory", "  void* p = std::malloc(3);"),
    ("printf-to-text", "  sprintf(buffer, format);"),
    ("nolint", "  call();  // NOLINT"),
    ("nolint", "  call();  // NOLINT: because"),
    ("unfinished", "  // TO" + "DO: later"),
    ("unfinished", "  // FIX" + "ME"),
    ("machine-path", '  open("/ho' + 'me/someone/x");'),
])
def test_bans(rule: str, line: str) -> None:
    assert rules({"src/event/x.h": f"#pragma once\n{line}\n"}) == [rule]


@pytest.mark.parametrize("line", [
    "  // a new thing; delete the old one; assert(it); using namespace",
    "  /* co_await\n new */",
    '  auto text = "new thread_local \\" delete";',
    '  auto text = R"x(static int a = 0; " new)x";',
    "  char quote = '\"'; int many = 1'000'000;",
    "  Thing(const Thing&) = delete;",
    "  void* operator new(std::size_t) = delete;",
    "  static const int kMany = 3;",
    "  static constexpr int kMany = 3;",
    "  static Thing make(int a);",
    "  static_assert(sizeof(int) == 4);",
    "  std::shared_ptr<const Batch> batch_;",
    "  std::unique_ptr<Thing> thing(new Thing());",
    "  std::thread::id who_;",
    "  call();  // NOLINT(google-explicit-constructor)",
    "  delete p;  // tidy: allow naked-delete: the library wants it so",
    "  // tidy: allow naked-delete: the library wants it so\n  delete p;",
])
def test_not_banned(line: str) -> None:
    assert rules({"src/event/x.h": f"#pragma once\n{line}\n"}) == []


def test_a_waiver_needs_a_reason_and_the_right_rule() -> None:
    for waiver in ("tidy: allow naked-delete:", "tidy: allow naked-new: why not"):
        assert rules({"src/event/x.h": f"#pragma once\n  delete p;  // {waiver}\n"}) == ["naked-delete"]


def test_sleep_is_banned_in_tests_only() -> None:
    sleep = "  std::this_thread::sleep_for(1s);\n"
    assert rules({"src/event/x_test.cc": sleep}) == ["sleep-in-test"]
    assert rules({"src/event/x.cc": sleep}) == []
    assert rules({"src/event/x_test.cc": "  clock.sleep_until(5);\n"}) == []


def test_threads_are_allowed_where_they_are_made() -> None:
    assert rules({"src/http/x.cc": "  std::jthread t;\n"}) == []
    assert rules({"src/event/x_test.cc": "  std::jthread t;\n"}) == []


def test_pragma_once() -> None:
    assert rules({"src/event/x.h": "\n"}) == ["pragma-once"]


def test_sizes() -> None:
    assert rules({"src/event/x.cc": "\n" * 800}) == ["file-size"]
    assert rules({"src/event/x.cc": "// @generated\n" + "\n" * 800}) == []
    long_header = {"src/event/x.h": "#pragma once\n" + "\n" * 150}
    assert rules(long_header) == []
    assert rules(long_header | {"src/log/x.cc": '#include "event/x.h"\n'}) == ["header-size"]


@pytest.mark.parametrize(("message", "faults"), [
    ("log: keep what a known sink has not read", 0),
    ("source/postgres, docs: one decoder for both", 0),
    ("Revert \"log: keep\"", 0),
    ("fixed it", 1),
    ("log: " + "x" * 120, 1),
    ("log: see /ho" + "me/someone/x", 1),
])
def test_commits(message: str, faults: int) -> None:
    assert len(list(words.faults_of_commit("commit 1", message))) == faults


def test_format_and_clang_tidy_see_a_fault(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    for name in (".clang-format", ".clang-tidy"):
        (tmp_path / name).write_text((root / name).read_text())
    text = "int  BadName( ) { return 1; }\n"
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "x.cc").write_text(text)
    (tmp_path / "compile_commands.json").write_text(
        f'[{{"directory": "{tmp_path}", "file": "{tmp_path}/src/x.cc", "command": "g++ -std=c++20 -c src/x.cc"}}]')
    tree = Tree({"src/x.cc": text})
    assert [fault.rule for fault in programs.check_format(tree, tmp_path)] == ["format"]

    tidy = programs.ClangTidy(tree, tmp_path, tmp_path, jobs=1)
    for _ in range(2):  # a fault is not remembered as clean
        assert [fault.rule for fault in tidy.check()] == ["clang-tidy"]

    text = "int good_name() { return 1; }\n"
    (tmp_path / "src" / "x.cc").write_text(text)
    tree = Tree({"src/x.cc": text})
    assert list(programs.check_format(tree, tmp_path)) == []
    tidy = programs.ClangTidy(tree, tmp_path, tmp_path, jobs=1)
    assert list(tidy.check()) == []
    assert len(list((tmp_path / ".cache" / "tidy").iterdir())) == 1


def test_the_tree_of_a_repository_holds_what_git_would(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, content in ((".gitignore", b"/build/\n"), ("a.cc", b"int a;\n"), ("b.bin", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "c.cc").write_text("int c;\n")
    assert sorted(Tree.of_repository(tmp_path).files) == [".gitignore", "a.cc"]
