"""A PostgreSQL server of our own: data below one directory, loopback only, killed and restarted at will."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from harness.paths import postgres_bin, remove_tree
from harness.waiting import free_port, wait_until

PASSWORD = "pg-secret-7Qz"
SETTINGS = {
    "wal_level": "logical",
    "max_wal_senders": "40",
    "max_replication_slots": "40",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "fsync": "off",
    "timezone": "'UTC'",
    "log_min_messages": "warning",
    "autovacuum": "off",
}


class PostgresServer:
    """One cluster. `stop`, `kill` and `start` may follow each other; the data and the port stay."""

    def __init__(self, root: Path, settings: dict[str, str] | None = None) -> None:
        self.root = root
        self.data = root / "data"
        self.port = free_port()
        self.settings = SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._init()

    def _run_as(self) -> dict[str, Any]:
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid} if os.geteuid() == 0 else {}

    def _init(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._open_parents()
            os.chown(self.root, pwd.getpwnam(self._user).pw_uid, pwd.getpwnam(self._user).pw_gid)
        if (self.data / "PG_VERSION").exists():
            return
        password_file = self.root / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        subprocess.run(
            [str(postgres_bin() / "initdb"), "-N", "-D", str(self.data), "-U", "postgres", "-E", "UTF8",
             "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self._run_as())

    def _open_parents(self) -> None:
        """The server runs as another user, who must be able to pass through the directories above."""
        for parent in self.root.parents:
            if parent.owner() == "root" and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)

    def write_settings(self) -> None:
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        lines += [f"port = {self.port}", "listen_addresses = '127.0.0.1'",
                  f"unix_socket_directories = '{self.root}'"]
        (self.data / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self.write_settings()
        end = time.monotonic() + 60
        while True:
            log = open(self.root / "log", "ab")  # noqa: SIM115
            self._process = subprocess.Popen(
                [str(postgres_bin() / "postgres"), "-D", str(self.data)], stdout=log, stderr=log, cwd="/",
                start_new_session=True, **self._run_as())
            log.close()
            if self._wait_ready():
                return
            if time.monotonic() > end:
                tail = (self.root / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"PostgreSQL does not start:\n{tail}")
            time.sleep(0.1)  # old backends of a killed postmaster still hold the shared memory

    def _wait_ready(self) -> bool:
        while self._process is not None and self._process.poll() is None:
            try:
                self.connect("postgres").close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.03)
        return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, fast: bool = True) -> None:
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT if fast else signal.SIGQUIT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(30)
        self._process = None

    def kill(self) -> None:
        """kill -9 of the postmaster; its children notice and go."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)
        self._process = None

    def destroy(self) -> None:
        self.stop(fast=False)
        remove_tree(self.root)

    def connect(self, database: str, autocommit: bool = True, **more: Any) -> psycopg.Connection[Any]:
        """As superuser over the Unix socket."""
        return psycopg.connect(host=str(self.root), port=self.port, user="postgres", dbname=database,
                               autocommit=autocommit, connect_timeout=10, **more)

    def execute(self, database: str, *statements: str) -> None:
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)


class Database:
    """A database of one test with the names that its connector uses."""

    def __init__(self, server: PostgresServer, name: str, create: bool = True) -> None:
        self.server = server
        self.name = name
        self.slot = name
        self.publication = name
        if not create:
            return
        with server.connect("postgres") as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def connect(self, autocommit: bool = True, **more: Any) -> psycopg.Connection[Any]:
        return self.server.connect(self.name, autocommit, **more)

    def execute(self, *statements: str) -> None:
        self.server.execute(self.name, *statements)

    def query(self, text: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(text, parameters).fetchall()

    def value(self, text: str, parameters: Any = None) -> Any:
        rows = self.query(text, parameters)
        return rows[0][0] if rows else None

    def script(self, text: str) -> None:
        """Runs SQL through psql, each statement its own transaction unless it says BEGIN."""
        done = subprocess.run(
            ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self.server.root), "-p", str(self.server.port), "-U",
             "postgres", "-d", self.name, "-f", "-"], input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr[-800:]}")

    def settings(self, tables: str, **more: str) -> dict[str, str]:
        """Settings of a `kind: postgres` connector; `more` names are written with _ for the dot."""
        base = {
            "kind": "postgres",
            "topic.prefix": "t",
            "database.hostname": "127.0.0.1",
            "database.port": str(self.server.port),
            "database.user": "postgres",
            "database.password": "${env:MILLRACE_TEST_PGPASSWORD}",
            "database.dbname": self.name,
            "table.include.list": tables,
            "slot.name": self.slot,
            "publication.name": self.publication,
            "snapshot.mode": "no_data",
        }
        return base | {name.replace("_", "."): value for name, value in more.items()}

    def make_slot(self, tables: str) -> None:
        """Publication and slot as an operator would make them beforehand."""
        self.execute(f"create publication {self.publication} for table {tables}",
                     f"select pg_create_logical_replication_slot('{self.slot}', 'pgoutput')")

    def slot_active(self) -> bool:
        return bool(self.value("select active from pg_replication_slots where slot_name = %s", (self.slot,)))

    def drop(self) -> None:
        """Drops the slots of this database and then itself."""
        def gone() -> bool:
            with self.server.connect("postgres") as connection:
                connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots "
                                   "where database = %s and active", (self.name,))
                try:
                    connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                                       "where database = %s", (self.name,))
                except psycopg.Error:
                    return False
            return True

        wait_until(gone, f"slots of {self.name} dropped", 10)
        with self.server.connect("postgres") as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))
