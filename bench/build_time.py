"""Time of a clean build (no compiler cache) and of the quick tests."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from common import REPO, WORK, Report

from harness.paths import remove_tree


def timed(log: Path, *command: str) -> float:
    begin = time.monotonic()
    with open(log, "ab") as out:
        done = subprocess.run(command, cwd=REPO, stdout=out, stderr=out, check=False,
                              env={**os.environ, "CCACHE_DISABLE": "1"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{log.read_text()[-2000:]}")
    return time.monotonic() - begin


def main(arguments: list[str]) -> None:
    del arguments
    root, cores = WORK / "build", os.cpu_count() or 1
    remove_tree(root)
    root.mkdir(parents=True)
    log = root / "log"
    try:
        report = Report("build", f"Clean release build and quick tests, {cores} cores, no compiler cache")
        report.line(f"configure         {timed(log, 'cmake', '--preset', 'release', '-B', str(root / 'out')):7.1f} s")
        report.line(f"build everything  {timed(log, 'ninja', '-j', str(cores), '-C', str(root / 'out')):7.1f} s")
        tests = timed(log, "ctest", "--test-dir", str(root / "out"), "-j", str(cores), "--no-tests=error",
                      "--output-on-failure")
        report.line(f"quick tests       {tests:7.1f} s")
        report.save()
    finally:
        remove_tree(root)
