"""hiredis beside our own Redis client: the same JSON.SETs, pipelines of 500, each side's rate and own CPU.

hiredis comes as source in the Python package of that name (pinned below) and is built here with the flags of a release.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from common import REPO, WORK, Report, median

from harness.paths import remove_tree
from harness.redis_stack import RedisServer

PACKAGE = "hiredis==3.2.1"  # has hiredis 1.3.0
OWN = (*(f"sink/redis/client/{name}.cc" for name in ("client", "resp", "stream", "uri")), "base/*.cc")
FLAGS = ("-O2", "-g1", "-DNDEBUG")


def build(folder: Path) -> Path:
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PACKAGE],
                   cwd=folder, check=True)
    subprocess.run(["tar", "xzf", str(next(folder.glob("*.tar.gz")))], cwd=folder, check=True)
    hiredis = next(folder.glob("hiredis-*/vendor/hiredis"))
    parts = [str(path) for path in hiredis.glob("*.c") if path.stem not in ("ssl", "test")]
    subprocess.run(["gcc", *FLAGS, "-c", *parts], cwd=folder, check=True)
    own = [str(path) for pattern in OWN for path in (REPO / "src").glob(pattern) if not path.stem.endswith("_test")]
    program = folder / "client"
    subprocess.run(["g++", "-std=c++20", *FLAGS, f"-I{REPO / 'src'}", f"-I{hiredis}",
                    str(REPO / "bench" / "clients" / "client.cc"), *own, *map(str, folder.glob("*.o")), "-lssl",
                    "-lcrypto", "-lpcre2-8", "-lxxhash", "-lspdlog", "-lfmt", "-o", str(program)], check=True)
    return program


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/run clients")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=300_000)
    options = parser.parse_args(arguments)
    root = WORK / "clients"
    remove_tree(root)
    redis = RedisServer(root / "redis")
    try:
        program = build(root / "build")
        redis.start()
        report = Report("clients", f"Redis clients, {options.rows:,} JSON.SETs, pipelines of 500",
                        {"hiredis": f"1.3.0 (of {PACKAGE})", "redis": redis.client().info("server")["redis_version"]})
        report.line(f"{'round':6}{'client':10}{'docs/s':>9}{'CPU s/M':>9}")
        figures: dict[str, list[tuple[float, float]]] = {"hiredis": [], "own": []}
        for number in range(1, options.rounds + 1):
            for name, kept in figures.items():
                redis.client().flushall()
                printed = subprocess.run([str(program), name, str(redis.port), str(options.rows)], check=True,
                                         capture_output=True, text=True).stdout.split()
                kept.append((float(printed[0]), float(printed[1])))
                report.line(f"{number:<6}{name:10}{kept[-1][0]:9.0f}{kept[-1][1]:9.2f}")
        rates = [own[0] / peer[0] for own, peer in zip(figures["own"], figures["hiredis"], strict=True)]
        costs = [own[1] / peer[1] for own, peer in zip(figures["own"], figures["hiredis"], strict=True)]
        report.line()
        report.line(f"own beside hiredis: rate {median(rates):.2f} (min {min(rates):.2f}, max {max(rates):.2f}), "
                    f"CPU {median(costs):.2f} (min {min(costs):.2f}, max {max(costs):.2f})")
        report.save()
    finally:
        redis.destroy()
        remove_tree(root)
