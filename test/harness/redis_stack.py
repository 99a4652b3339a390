"""A Redis Stack server of our own: loopback only, killed and restarted at will."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import redis

from harness.paths import redis_stack_home, remove_tree
from harness.waiting import free_port

MODULES = ["rediscompat.so", "redisearch.so MAXSEARCHRESULTS 1000000 MAXAGGREGATERESULTS 1000000",
           "redistimeseries.so", "rejson.so", "redisbloom.so"]


class RedisServer:
    """One server. With `durable` it answers a write only when it is in the synced append-only file."""

    def __init__(self, root: Path, durable: bool = False, options: list[str] | None = None) -> None:
        self.root = root
        self.port = free_port()
        self.durable = durable
        self.options = options or []
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        home = redis_stack_home()
        command = [str(home / "server" / "bin" / "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                   "--daemonize", "no", "--enable-debug-command", "local", "--save", "", "--dir", str(self.root),
                   "--appendonly", "yes" if self.durable else "no", "--appendfsync", "always"]
        for module in MODULES:
            name, *arguments = module.split()
            command += ["--loadmodule", str(home / "server" / "lib" / name), *arguments]
        with open(self.root / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options], stdout=log, stderr=log, cwd=self.root, start_new_session=True,
                env={**os.environ, "LD_LIBRARY_PATH": str(home / "ssl11")})
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if self.client().ping():
                    return
            except redis.RedisError:
                time.sleep(0.03)
        raise RuntimeError(f"Redis Stack does not start:\n{(self.root / 'log').read_text(errors='replace')[-2000:]}")

    def client(self, **more: Any) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, decode_responses=True, socket_timeout=30, **more)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def uri(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(15)
        self._process = None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(15)
        self._process = None

    def destroy(self) -> None:
        if self._process is not None:
            self.kill()
        remove_tree(self.root)
