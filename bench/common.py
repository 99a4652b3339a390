"""What the end-to-end benches share: a report, process figures, servers with the settings of a bench."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
REPO = BENCH.parent
sys.path.insert(0, str(REPO / "test"))

from harness.paths import millrace_binary  # noqa: E402
from harness.postgres import PostgresServer  # noqa: E402

WORK = BENCH / "work"
TICKS = os.sysconf("SC_CLK_TCK")
BENCH_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB", "min_wal_size": "1GB", "wal_sender_timeout": "60s",
                  "logical_decoding_work_mem": "64MB", "synchronous_commit": "on"}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, name: str = "VmHWM") -> float:
    """Peak (VmHWM) or present (VmRSS) resident memory in MB; 0 when the process is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def percentile(sorted_values: Sequence[float], share: float) -> float:
    if not sorted_values:
        return float("nan")
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


class WalSender(threading.Thread):
    """Samples the CPU time of the walsender of one slot until `stop`."""

    def __init__(self, server: PostgresServer, slot: str) -> None:
        super().__init__(daemon=True)
        self._server, self._slot = server, slot
        self._stopped = threading.Event()
        self.cpu = 0.0

    def run(self) -> None:
        pid = 0
        with self._server.connect("postgres") as connection:
            while not self._stopped.wait(0.05):
                if not pid:
                    row = connection.execute("select active_pid from pg_replication_slots where slot_name = %s",
                                             (self._slot,)).fetchone()
                    pid = row[0] if row and row[0] else 0
                else:
                    self.cpu = max(self.cpu, cpu_seconds(pid))

    def stop(self) -> float:
        self._stopped.set()
        self.join()
        return self.cpu


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO).stdout.strip()
    except FileNotFoundError:
        return ""


def machine() -> str:
    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    total = int(Path("/proc/meminfo").read_text().split()[1]) // 1024 // 1024
    return f"{os.cpu_count()} x {model}, {total} GB, Linux {os.uname().release}"


@dataclass
class Report:
    """A table that is printed as it grows and kept in bench/results/<name>.txt."""

    name: str
    title: str
    versions: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line(self.title)
        self.line("=" * len(self.title))

    def line(self, text: str = "") -> None:
        print(text, flush=True)
        self.lines.append(text)

    def save(self) -> None:
        revision = _output("git", "describe", "--always", "--dirty")
        versions = {"millrace": f"{_output(str(millrace_binary()), '--version')} ({revision})"} | self.versions
        head = [f"date      {time.strftime('%Y-%m-%d %H:%M %Z')}", f"machine   {machine()}",
                f"load      {os.getloadavg()[0]:.1f} (1 min, at the end)",
                *(f"{key:9} {value}" for key, value in versions.items()),
                f"command   bench/run {' '.join(sys.argv[1:])}".rstrip()]
        target = BENCH / "results" / f"{self.name}.txt"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n".join([*self.lines, "", *head]) + "\n")


def postgres_version(server: PostgresServer) -> str:
    with server.connect("postgres") as connection:
        row = connection.execute("show server_version").fetchone()
    return str(row[0]) if row else "?"
