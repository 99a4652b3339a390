"""bench/run [name...] [options of the one bench named]: the end-to-end benches. Without a name: all of them."""

from __future__ import annotations

import importlib
import sys

NAMES = {
    "drain": "backlog drain to the durable log, beside pg_recvlogical",
    "redis": "log to Redis JSON documents, beside a pipelined client",
    "targets": "a mix of changes to documents and hashes, beside a pipelined client and a Python consumer",
    "verify": "comparing a million rows with their documents: time, and the load on the source",
    "clients": "hiredis beside our own Redis client: rate and CPU",
    "latency": "commit to document readable in Redis, beside a bare replication reader",
    "idle": "memory and CPU of one source and one sink with nothing to do",
    "build": "time of a clean build and of the quick tests",
}
MODULES = {"redis": "redis_sink", "targets": "redis_targets", "clients": "redis_clients", "build": "build_time"}


def main() -> int:
    words = sys.argv[1:]
    names = []
    while words and not words[0].startswith("-"):
        names.append(words.pop(0))
    unknown = [name for name in names if name not in NAMES]
    if unknown or (words[:1] in (["-h"], ["--help"]) and not names):
        print("usage: bench/run [name...] [options]\n")
        for name, about in NAMES.items():
            print(f"  {name:8} {about}")
        print("\nResults are kept in bench/results, servers' data in bench/work.")
        return 2 if unknown else 0
    for name in names or list(NAMES):
        importlib.import_module(MODULES.get(name, name)).main(words)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
