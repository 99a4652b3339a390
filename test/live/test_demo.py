"""The demonstration does what it says, twice over, and leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from harness.paths import REPO
from harness.waiting import wait_until


def run_demo(work: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([str(REPO / "demo" / "run"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env={**os.environ, "MILLRACE_DEMO_WORK": str(work)}, start_new_session=True)


def processes_in(work: Path) -> list[str]:
    """Command lines of processes that have something to do with the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(work) in text:
            found.append(text)
    return found


def test_the_demonstration(root: Path) -> None:
    work = root / "demo"
    first = run_demo(work, "--seconds", "3").communicate(timeout=180)[0]
    assert "public.flights: 200,000 of 200,000 rows" in first, first
    assert re.search(r"snapshot +public\.flights -> flight:\*: 200,000 of 200,000 rows", first), first
    assert re.search(r"found \d+\.\d ms after the commit", first), first
    assert re.search(r"live +[1-9]\d* rows/s into Redis", first), first
    assert processes_in(work) == []

    second = run_demo(work)
    assert second.stdout is not None
    seen = ""
    while "after the commit" not in seen:
        line = second.stdout.readline()
        assert line, seen
        seen += line
    os.killpg(second.pid, signal.SIGINT)  # as Ctrl-C on a terminal does
    seen += second.communicate(timeout=30)[0]
    assert second.returncode == 0, seen
    assert "going on where it was" in seen
    assert "load " not in seen, "the tables are not loaded again"
    assert "snapshot " not in seen, "the snapshot is not taken again"
    wait_until(lambda: processes_in(work) == [], "nothing runs any more", 10)


def test_the_demonstration_after_a_hard_end(root: Path) -> None:
    """Killed with its servers still running, it cleans up after itself at the next start."""
    work = root / "demo"
    killed = run_demo(work)
    assert killed.stdout is not None
    for line in killed.stdout:
        if "after the commit" in line:
            break
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)
    assert processes_in(work) != []
    again = run_demo(work, "--seconds", "2")
    seen = again.communicate(timeout=60)[0]
    assert again.returncode == 0, seen
    assert re.search(r"found \d+\.\d ms after the commit", seen), seen
    assert processes_in(work) == []
