"""A TCP proxy on loopback that can cut, freeze (half-open), delay and slow down the connections that go through it."""

from __future__ import annotations

import contextlib
import heapq
import select
import socket
import struct
import threading
import time

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Pair:
    """One client connection and its connection to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sockets = (client, server)

    def close(self, reset: bool) -> None:
        for one in self.sockets:
            with contextlib.suppress(OSError):
                if reset:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                one.close()


class Proxy:
    """Listens on `port` and passes everything on to `target_port`. Use as a context manager."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._refuse = False
        self._frozen = threading.Event()
        self._latency_s = 0.0
        self._rate: float | None = None
        self._closing = False
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._listener.close()
        self.cut()

    @property
    def active(self) -> int:
        """How many connections are there just now."""
        with self._lock:
            return len(self._pairs)

    def cut(self, reset: bool = True) -> None:
        """Ends every connection there is; new ones are let through unless `refuse` is on."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.close(reset)

    def refuse(self, on: bool) -> None:
        """New connections are closed at once."""
        self._refuse = on

    def freeze(self, on: bool) -> None:
        """Half-open: connections stay, nothing gets through either way, and nobody is told. After thawing, only new
        connections work, as with a firewall that has forgotten the old ones."""
        if on:
            self._frozen.set()
            return
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self._frozen.clear()
        for pair in pairs:
            pair.close(reset=True)

    def latency(self, seconds: float) -> None:
        self._latency_s = seconds

    def rate(self, bytes_per_s: float | None) -> None:
        """No more than so much passes in each direction of a connection."""
        self._rate = bytes_per_s

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuse:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), 5)
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client, server)
            with self._lock:
                self._pairs.add(pair)
                self.connections += 1
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(pair, source, target), daemon=True).start()

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        waiting: list[tuple[float, int, bytes]] = []
        number = 0
        try:
            while True:
                if self._frozen.is_set():
                    time.sleep(0.02)
                    if source.fileno() < 0:
                        return
                    continue
                pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.2
                readable, _, _ = select.select([source], [], [], min(pause, 0.2))
                if self._frozen.is_set():
                    continue
                if readable:
                    rate = self._rate
                    data = source.recv(65536 if rate is None else max(1, int(rate / 50)))
                    if not data:
                        break
                    if rate is not None:
                        time.sleep(len(data) / rate)
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + self._latency_s, number, data))
                while waiting and waiting[0][0] <= time.monotonic():
                    target.sendall(heapq.heappop(waiting)[2])
        except (OSError, ValueError):
            pass
        for _, _, data in sorted(waiting):
            with contextlib.suppress(OSError):
                target.sendall(data)
        with self._lock:
            self._pairs.discard(pair)
        pair.close(reset=False)
