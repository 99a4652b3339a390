"""Waiting with a deadline. A fixed sleep is never used to order things."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlinePassed(AssertionError):
    """What was waited for did not come in time."""


def wait_until(probe: Callable[[], T], what: str, timeout_s: float = 30.0, pause_s: float = 0.02,
               context: Callable[[], str] | None = None) -> T:
    """Calls `probe` until it gives something true and returns that."""
    end = time.monotonic() + timeout_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            more = f"\n{context()}" if context else ""
            raise DeadlinePassed(f"{what}: not within {timeout_s} s; last seen: {answer!r}{more}")
        time.sleep(pause_s)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
