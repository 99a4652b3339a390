"""What the demonstration prints: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

TERMINAL = sys.stdout.isatty()


def say(subject: str, text: str) -> None:
    """One line: `subject   text`."""
    begin = "\r\x1b[K" if TERMINAL else ""
    print(f"{begin}{subject:10}{text}", flush=True)


class Progress:
    """Rows so far and rows a second; on a terminal with a bar that is drawn in place."""

    def __init__(self, subject: str, what: str, total: int) -> None:
        self._subject, self._what, self._total = subject, what, max(total, 1)
        self._begin = time.monotonic()
        self._shown = 0.0

    def show(self, count: int) -> None:
        now = time.monotonic()
        if now - self._shown < (0.1 if TERMINAL else 1.0):
            return
        self._shown = now
        if TERMINAL:
            filled = min(30, 30 * count // self._total)
            bar = "#" * filled + "." * (30 - filled)
            print(f"\r\x1b[K{self._subject:10}[{bar}] {self._text(count)}", end="", flush=True)
        else:
            say(self._subject, self._text(count))

    def done(self, count: int) -> None:
        say(self._subject, f"{self._text(count)}, {time.monotonic() - self._begin:.1f} s")

    def _text(self, count: int) -> str:
        took = time.monotonic() - self._begin
        rate = f", {count / took:,.0f} rows/s" if took >= 0.5 else ""  # what was there before would count
        return f"{self._what}: {count:,} of {self._total:,} rows{rate}"
