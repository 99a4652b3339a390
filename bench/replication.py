"""The smallest reader of a logical replication stream: it notes when bytes come and looks at them afterwards."""

from __future__ import annotations

import select
import socket
import struct
import time
from pathlib import Path


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


class BareReader:
    """One walsender connection over the server's Unix socket (trusted), pgoutput version 1."""

    def __init__(self, directory: Path, port: int, database: str, slot: str, publication: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(directory / f".s.PGSQL.{port}"))
        body = struct.pack("!I", 196608)
        for name, value in (("user", "postgres"), ("database", database), ("replication", "database")):
            body += name.encode() + b"\0" + value.encode() + b"\0"
        self._socket.sendall(struct.pack("!I", len(body) + 5) + body + b"\0")
        self._wait_for(b"Z")
        start = f"START_REPLICATION SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names '{publication}')"
        self._socket.sendall(_message(b"Q", start.encode() + b"\0"))
        self._rest = self._wait_for(b"W")
        self.chunks: list[tuple[float, bytes]] = []

    def _wait_for(self, wanted: bytes) -> bytes:
        data = b""
        while True:
            while len(data) >= 5:
                size = struct.unpack_from("!I", data, 1)[0] + 1
                if len(data) < size:
                    break
                kind, body, data = data[:1], data[5:size], data[size:]
                if kind == b"E":
                    raise RuntimeError(f"PostgreSQL: {body!r}")
                if kind == wanted:
                    return data
            more = self._socket.recv(65536)
            if not more:
                raise RuntimeError("PostgreSQL closed the connection")
            data += more

    def read_for(self, seconds: float) -> None:
        """Collects what comes, with the time of each receive; nothing else happens meanwhile."""
        end = time.monotonic() + seconds
        self.chunks.append((time.time(), self._rest))
        while (left := end - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                data = self._socket.recv(1 << 20)
                self.chunks.append((time.time(), data))

    def inserts(self) -> list[tuple[float, list[str | None]]]:
        """Every inserted row's columns as text, with the time its last byte came."""
        data, times, found = bytearray(), [], []
        for at, chunk in self.chunks:
            data += chunk
            times.append((len(data), at))
        position, index = 0, 0
        while position + 5 <= len(data):
            size = struct.unpack_from("!I", data, position + 1)[0] + 1
            end = position + size
            if end > len(data):
                break
            while times[index][0] < end:
                index += 1
            # CopyData: 'w', three int64, then the pgoutput message: 'I', relation, 'N', columns
            if data[position:position + 1] == b"d" and data[position + 5:position + 6] == b"w" \
                    and data[position + 30:position + 31] == b"I":
                found.append((times[index][1], _columns(bytes(data[position + 36:end]))))
            position = end
        return found

    def close(self) -> None:
        self._socket.close()


def _columns(tuple_data: bytes) -> list[str | None]:
    count, position, columns = struct.unpack_from("!H", tuple_data)[0], 2, list[str | None]()
    for _ in range(count):
        kind, position = tuple_data[position:position + 1], position + 1
        if kind != b"t":
            columns.append(None)
            continue
        size = struct.unpack_from("!I", tuple_data, position)[0]
        columns.append(tuple_data[position + 4:position + 4 + size].decode())
        position += 4 + size
    return columns
