"""Who may include whom: the rooms of src/CMakeLists.txt, and the third parties."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from checks.tree import Fault, SourceFile, Tree

ROOMS_FILE = "src/CMakeLists.txt"
KEYWORDS = {"LEVEL", "NAME", "EXCLUDE", "DEPENDS", "LIBS", "TEST_DEPENDS", "THREADS"}
_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


@dataclass(frozen=True)
class Library:
    """A third party: where it may be included, and in how many files at most (its headers are slow to compile)."""

    headers: str
    rooms: tuple[str, ...]
    files: int = 1000


# First match counts. "*" is every room.
LIBRARIES = (
    Library(r"spdlog/", ("base",), 1),
    Library(r"pcre2\.h", ("base",)),
    Library(r"xxhash\.h", ("base",)),
    Library(r"fmt/", ("*",)),
    Library(r"yaml-cpp/", ("connect",), 1),
    Library(r"simdjson\.h", ("format",), 1),
    Library(r"rocksdb/", ("log/rocks",)),
    Library(r"lz4\.h", ("log",)),
    Library(r"(libpq-fe|pg_config|postgres_ext|libpq/.*)", ("source/postgres",)),
    Library(r"openssl/", ("sink/redis/client", "sink/redis/target", "control", "base")),
    Library(r"httplib\.h", ("http",)),
    Library(r"CLI/", ("cli",), 1),
)
TEST_LIBRARIES = {"_test.cc": r"(gtest|gmock)/", "_bench.cc": r"benchmark/"}
# The system's own, welcome in any .cc.
SYSTEM = re.compile(r"(sys|netinet|arpa|net|linux)/.*\.h|(unistd|fcntl|poll|signal|netdb|termios|pthread|sched|dirent|"
                    r"pwd|cxxabi|execinfo|syslog|stdlib|time|ifaddrs|immintrin|emmintrin|arm_neon|features)\.h")


@dataclass
class Room:
    path: str
    level: int
    depends: list[str]
    test_depends: list[str]
    line: int

    def contains(self, other: Room) -> bool:
        return other.path.startswith(self.path + "/")


def parse_rooms(text: str) -> dict[str, Room]:
    rooms: dict[str, Room] = {}
    without_comments = re.sub(r"#[^\n]*", "", text)
    for call in re.finditer(r"millrace_room\(([^)]*)\)", without_comments):
        words = call.group(1).split()
        values: dict[str, list[str]] = defaultdict(list)
        keyword = "PATH"
        for word in words:
            if word in KEYWORDS:
                keyword = word
            else:
                values[keyword].append(word)
        path = values["PATH"][0]
        line = without_comments.count("\n", 0, call.start()) + 1
        rooms[path] = Room(path, int(values["LEVEL"][0]), values["DEPENDS"], values["TEST_DEPENDS"], line)
    return rooms


def room_of(rooms: dict[str, Room], path: str) -> Room | None:
    """The room of a file by its folder below src/."""
    folder = path.removeprefix("src/").rpartition("/")[0]
    return rooms.get(folder or ".")


def includes(file: SourceFile) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(file.lines, 1):
        if match := _INCLUDE.match(line):
            yield number, match.group(1), match.group(2)


def check_rooms(tree: Tree) -> Iterator[Fault]:
    """The list itself: levels fall along DEPENDS, and every folder with C++ in it is a room."""
    listed = tree.files[ROOMS_FILE]
    rooms = parse_rooms(listed.text)
    for room in rooms.values():
        for name in room.depends + room.test_depends:
            other = rooms.get(name)
            if other is None:
                yield from listed.fault(room.line, "layers", f"{room.path} depends on {name}, which is no room")
            elif other.level >= room.level and not other.contains(room):
                yield from listed.fault(room.line, "layers", f"{room.path} (level {room.level}) may not depend on "
                                        f"{name} (level {other.level}): only lower ones and the one around it")
    for file in tree.cpp():
        if room_of(rooms, file.path) is None:
            yield from file.fault(0, "layers", f"lies in no room: add its folder to {ROOMS_FILE}, else it is not built")


def check_includes(tree: Tree) -> Iterator[Fault]:
    rooms = parse_rooms(tree.files[ROOMS_FILE].text)
    used: dict[str, set[str]] = defaultdict(set)
    for file in tree.cpp():
        room = room_of(rooms, file.path)
        if room is None:
            continue
        for line, kind, name in includes(file):
            if kind == "<":
                continue
            if "src/" + name not in tree.files:
                yield from file.fault(line, "layers", f'"{name}" is not below src/: includes are written from there')
                continue
            if tree.files["src/" + name].is_test_header and not file.is_test:
                yield from file.fault(line, "layers", f'"{name}" is for tests: rename it if the program needs it')
            other = room_of(rooms, "src/" + name)
            if other is None or other is room:
                continue
            used[room.path].add(other.path)
            allowed = room.depends + (room.test_depends if file.is_test else [])
            if other.path not in allowed:
                yield from file.fault(line, "layers", f"{room.path} does not depend on {other.path}: move what is "
                                      f"needed to a lower room, or name it in {ROOMS_FILE} if the levels allow")
    listed = tree.files[ROOMS_FILE]
    for room in rooms.values():
        has_code = any(room_of(rooms, file.path) is room for file in tree.cpp())
        for name in room.depends if has_code else []:
            if name not in used[room.path]:
                yield from listed.fault(room.line, "layers", f"{room.path} names {name} but includes nothing of it")


def _library(name: str) -> Library | None:
    return next((library for library in LIBRARIES if re.match(library.headers, name)), None)


def _is_standard(name: str) -> bool:
    return re.fullmatch(r"[a-z_0-9]+", name) is not None


def _third_party_fault(file: SourceFile, room: Room, name: str) -> str | None:
    if file.is_header and not file.is_test_header:
        return f"<{name}> in a header: hide it behind a forward declaration or a struct Impl, include it in the .cc"
    for ending, headers in TEST_LIBRARIES.items():
        if re.match(headers, name):
            return None if file.path.endswith(ending) or file.is_test_header else f"<{name}> belongs in *{ending} only"
    if SYSTEM.fullmatch(name):
        return None
    library = _library(name)
    if library is None:
        return f"<{name}> is no third party we know: add it to LIBRARIES in tools/checks/layers.py and say why"
    if "*" not in library.rooms and room.path not in library.rooms:
        return f"<{name}> belongs to {', '.join(library.rooms)}: call what that room offers instead"
    return None


def check_third_parties(tree: Tree) -> Iterator[Fault]:
    rooms = parse_rooms(tree.files[ROOMS_FILE].text)
    users: dict[Library, set[str]] = defaultdict(set)
    for file in tree.cpp():
        room = room_of(rooms, file.path)
        for line, kind, name in includes(file):
            if kind == '"' or _is_standard(name) or room is None:
                continue
            if message := _third_party_fault(file, room, name):
                yield from file.fault(line, "third-party", message)
            elif library := _library(name):
                users[library].add(file.path)
    for library, paths in users.items():
        if len(paths) > library.files:
            yield Fault(max(paths), 0, "third-party", f"{library.headers} is in {', '.join(sorted(paths))}: its "
                        f"headers are slow, {library.files} file(s) at most; put a small face before it")


CHECKS = (check_rooms, check_includes, check_third_parties)
