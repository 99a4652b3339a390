"""The millrace process as an operator sees it: a pipeline file, a command line, HTTP, signals, exit codes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.paths import millrace_binary
from harness.pipeline import Settings, write_pipeline
from harness.postgres import PASSWORD
from harness.waiting import free_port, wait_until

# A commit is with the source, and that with the status, by then.
PUBLISHED_WITHIN_MS = 100
# Part of every test's oracle: neither may ever be seen in what the program prints or serves.
SECRETS = [PASSWORD]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MILLRACE_"))}
    return kept | {"MILLRACE_TEST_PGPASSWORD": PASSWORD} | dict(more or {})


class Millrace:
    """One pipeline in one directory. `start` and the ways of ending may follow each other; the log stays."""

    def __init__(self, directory: Path, connectors: Mapping[str, Settings], more: Settings | None = None) -> None:
        self.directory = directory
        self.log_directory = directory / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.connectors = {name: dict(settings) for name, settings in connectors.items()}
        self.more = dict(more or {})
        self.output = directory / "millrace.log"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def file(self) -> Path:
        return self.directory / "pipeline.yaml"

    def write(self) -> Path:
        return write_pipeline(self.file, "test", self.log_directory, self.port, self.connectors, self.more)

    # ---- the process

    def start(self, failpoints: str = "", wait: bool = True, **env: str) -> Millrace:
        """Starts `millrace run`. With `wait`: until its HTTP answers, or it has ended."""
        assert self._process is None or self._process.poll() is not None, "already running"
        self.write()
        if failpoints:
            env["MILLRACE_FAILPOINTS"] = failpoints
        with open(self.output, "ab") as out:
            self._process = subprocess.Popen([str(millrace_binary()), "run", str(self.file)], stdout=out, stderr=out,
                                             stdin=subprocess.DEVNULL, env=environment(env), cwd=self.directory,
                                             start_new_session=True)
        if wait:
            wait_until(lambda: not self.running() or self.try_get("/api/v1/status") is not None,
                       "millrace answers over HTTP", 30, context=self.tail)
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def wait_exit(self, timeout_s: float = 30) -> int:
        """The exit code; negative: the signal that ended it."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"millrace still runs after {timeout_s} s\n{self.tail()}") from None

    def terminate(self, timeout_s: float = 30) -> float:
        """SIGTERM; gives the seconds until it has ended, and insists on exit code 0."""
        assert self._process is not None
        begin = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self.wait_exit(timeout_s)
        took = time.monotonic() - begin
        assert code == 0, f"exit code {code} after SIGTERM\n{self.tail()}"
        return took

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def close(self) -> None:
        """For tear-down: ends it in any state."""
        if self.running():
            self.kill()

    def tail(self, size: int = 3000) -> str:
        """The end of its output, for messages of failed tests."""
        code = self.exit_code()
        text = self.output.read_text(errors="replace") if self.output.exists() else ""
        return f"--- millrace (exit code {code}), end of its output:\n{text[-size:]}"

    # ---- HTTP

    def get(self, path: str, timeout_s: float = 10) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def try_get(self, path: str) -> str | None:
        try:
            status, text = self.get(path, 5)
        except (OSError, http.client.HTTPException):
            return None
        return text if status == 200 else None

    def status(self) -> dict[str, dict[str, Any]]:
        """Connectors by name, as `/api/v1/status` has them."""
        text = self.try_get("/api/v1/status")
        return {one["name"]: one for one in json.loads(text)["connectors"]} if text else {}

    def state(self, connector: str) -> str:
        return str(self.status().get(connector, {}).get("state", ""))

    def wait_state(self, connector: str, *states: str, timeout_s: float = 30) -> dict[str, Any]:
        """Waits until the connector is in one of `states`; gives its status."""
        seen: dict[str, Any] = {}

        def probe() -> bool:
            assert self.running(), f"millrace ended\n{self.tail()}"
            seen.clear()
            seen.update(self.status().get(connector, {}))
            return seen.get("state") in states

        wait_until(probe, f"{connector} is {' or '.join(states)}", timeout_s,
                   context=lambda: f"status: {seen}\n{self.tail()}")
        return seen

    def wait_refused(self, connector: str, *states: str, timeout_s: float = 20) -> str:
        """Waits until the program has ended by itself or the connector is `failed` (or in one of `states`); gives what
        it says about that."""
        wait_until(lambda: not self.running() or self.state(connector) in ("failed", *states), f"{connector} refused",
                   timeout_s, context=lambda: f"{self.status()}\n{self.tail()}")
        if self.running():
            return str(self.status()[connector])
        assert self.exit_code() != 0, self.tail()
        return self.output.read_text(errors="replace")

    def wait_settled(self, sink: str = "cache", timeout_s: float = 30) -> None:
        """Waits until all that was committed before the call is at the target: by what source and sink said of
        themselves later than that."""
        since_ms = time.time() * 1000 + PUBLISHED_WITHIN_MS

        def probe() -> bool:
            status = self.status()
            both = [status.get("source", {}), status.get(sink, {})]
            return (all(one.get("as_of_ms", 0) > since_ms and one["lag_bytes"] == 0 for one in both)
                    and both[1]["state"] == "running")

        wait_until(probe, "all is delivered", timeout_s, context=lambda: f"{self.status()}\n{self.tail()}")

    def topics(self) -> dict[str, dict[str, Any]]:
        text = self.try_get("/api/v1/topics")
        return {one["topic"]: one for one in json.loads(text)} if text else {}

    def next_offset(self, topic: str) -> int:
        return int(self.topics().get(topic, {}).get("next_offset", 0))

    def wait_offset(self, topic: str, at_least: int, timeout_s: float = 30) -> None:
        wait_until(lambda: self.next_offset(topic) >= at_least, f"{topic} reaches offset {at_least}", timeout_s,
                   context=lambda: f"topics: {self.topics()}\n{self.tail()}")

    def metrics(self) -> str:
        status, text = self.get("/metrics")
        assert status == 200, f"/metrics answers {status}"
        return text

    # ---- command line

    def command(self, *arguments: str, timeout_s: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
        """`millrace ARGUMENTS` beside the running process; `{file}` stands for the pipeline file."""
        words = [str(self.file) if word == "{file}" else word for word in arguments]
        return subprocess.run([str(millrace_binary()), *words], capture_output=True, text=True, timeout=timeout_s,
                              env=environment(env), cwd=self.directory, check=False, stdin=subprocess.DEVNULL)

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """The same without waiting for its end; its output goes nowhere."""
        words = [str(self.file) if word == "{file}" else word for word in arguments]
        return subprocess.Popen([str(millrace_binary()), *words], text=True, env=environment({}), cwd=self.directory,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def check(self, **env: str) -> subprocess.CompletedProcess[str]:
        self.write()
        return self.command("check", "{file}", timeout_s=60, **env)

    def consume(self, topic: str, *arguments: str, timeout_s: float = 60) -> list[dict[str, Any]]:
        """Every row of a topic, parsed from `consume --format json`, decimals kept as they are written."""
        done = self.command("consume", topic, "--url", self.url, "--from", "earliest", "--format", "json", *arguments,
                            timeout_s=timeout_s)
        assert done.returncode == 0, f"consume: exit code {done.returncode}\n{done.stderr}\n{self.tail()}"
        return [json.loads(line, parse_float=str) for line in done.stdout.splitlines()]

    def assert_no_secret(self, *texts: str) -> None:
        """No secret in the process's output, in what HTTP serves, or in `texts`."""
        seen = [self.output.read_text(errors="replace") if self.output.exists() else "", *texts]
        if self.running():
            seen += [self.get(path)[1] for path in ("/api/v1/status", "/api/v1/topics", "/metrics", "/health")]
        for text in seen:
            for secret in SECRETS:
                assert secret not in text, f"a secret is shown: {re.sub(secret, '<the secret>', text)[-800:]}"
