"""Every way to a server: TLS that is checked, TLS that is refused, Unix sockets."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from conftest import MakeMillrace

from harness.certificates import Certificates, make_certificates
from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database, PostgresServer
from harness.redis_stack import RedisServer
from harness.waiting import free_port, wait_until


@pytest.fixture(scope="module")
def certificates(root: Path) -> Certificates:
    return make_certificates(root / "certificates")


@pytest.fixture(scope="module")
def stranger(root: Path) -> Certificates:
    """Of an authority that has signed nothing in use."""
    return make_certificates(root / "stranger")


@pytest.fixture(scope="module")
def tls_postgres(root: Path, certificates: Certificates) -> Iterator[PostgresServer]:
    """Takes no TCP connection without TLS."""
    server = PostgresServer(root / "tls-postgres")
    for path in (certificates.certificate, certificates.key):
        copy = server.data / path.name
        shutil.copy(path, copy)
        copy.chmod(0o600)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(copy, owner.pw_uid, owner.pw_gid)
    server.settings |= {"ssl": "on", "ssl_cert_file": f"'{certificates.certificate.name}'",
                        "ssl_key_file": f"'{certificates.key.name}'"}
    (server.data / "pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n"
                                             "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def tls_redis(root: Path, certificates: Certificates) -> Iterator[tuple[RedisServer, int]]:
    """A server that also listens with TLS, on the port given, and there wants a certificate of the client's."""
    port = free_port()
    server = RedisServer(root / "tls-redis", options=[
        "--tls-port", str(port), "--tls-cert-file", str(certificates.certificate), "--tls-key-file",
        str(certificates.key), "--tls-ca-cert-file", str(certificates.authority), "--tls-auth-clients", "yes"])
    server.start()
    yield server, port
    server.destroy()


@pytest.fixture
def tls_database(tls_postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    one = Database(tls_postgres, f"tls_{abs(hash(request.node.name)) % 10**9}")
    one.script("create table s (id int primary key, note text); insert into s values (1, 'one');")
    yield one
    one.drop()


def test_postgres_over_tls(tls_database: Database, certificates: Certificates, make: MakeMillrace,
                           redis_server: RedisServer, client: redis.Redis) -> None:
    source = tls_database.settings("public.s", snapshot_mode="initial", database_sslmode="verify-full",
                                   database_sslrootcert=str(certificates.authority))
    millrace = make({"source": source, "cache": redis_settings(redis_server.uri)}).start()
    wait_until(lambda: client.exists("s:id:1"), "snapshot over TLS", 20, context=millrace.tail)
    tls_database.execute("insert into s select i, repeat('x', 500) from generate_series(2, 20000) i")
    wait_until(lambda: client.dbsize() >= 20_000, "stream over TLS", 30, context=millrace.tail)
    used = tls_database.query("select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) "
                              "where application_name like 'millrace%'")
    assert used == [(True,)], used


@pytest.mark.parametrize("mode", ["disable", "verify-full"])
def test_postgres_refused(mode: str, tls_database: Database, stranger: Certificates, make: MakeMillrace) -> None:
    """No TLS to a server that wants it; a server whose certificate nobody we trust has signed."""
    millrace = make({"source": tls_database.settings("public.s", database_sslmode=mode,
                                                     database_sslrootcert=str(stranger.authority))})
    done = millrace.check()
    assert done.returncode == 3, done.stdout + done.stderr
    said = (done.stdout + done.stderr).lower()
    assert ("certificate" in said) if mode == "verify-full" else ("no encryption" in said or "ssl" in said), said
    assert "source" in said
    millrace.assert_no_secret(said)


def redis_tls(port: int, **more: str) -> dict[str, str]:
    return redis_settings(f"rediss://127.0.0.1:{port}/0", **more)


def test_redis_over_tls(tls_redis: tuple[RedisServer, int], certificates: Certificates, database: Database,
                        make: MakeMillrace) -> None:
    server, port = tls_redis
    database.script("create table s (id int primary key, note text); insert into s values (1, 'one');")
    millrace = make({"source": database.settings("public.s", snapshot_mode="initial"),
                     "cache": redis_tls(port, redis__cacert=str(certificates.authority),
                                        redis__key__cert=str(certificates.certificate),
                                        redis__key__file=str(certificates.key))}).start()
    client = server.client()
    wait_until(lambda: client.exists("s:id:1"), "over TLS", 20, context=millrace.tail)
    database.execute("insert into s select i, repeat('x', 500) from generate_series(2, 20000) i")
    wait_until(lambda: client.exists("s:id:20000"), "many over TLS", 30, context=millrace.tail)
    server.kill()
    database.execute("insert into s values (30000, 'while away')")
    server.start()
    wait_until(lambda: server.client().exists("s:id:30000"), "over TLS again", 30, context=millrace.tail)


def test_redis_refused(tls_redis: tuple[RedisServer, int], stranger: Certificates, database: Database,
                       make: MakeMillrace) -> None:
    _, port = tls_redis
    database.script("create table s (id int primary key);")
    millrace = make({"source": database.settings("public.s"),
                     "cache": redis_tls(port, redis__cacert=str(stranger.authority))})
    done = millrace.check()
    assert done.returncode == 3, done.stdout + done.stderr
    assert "certificate" in done.stdout + done.stderr


@pytest.mark.parametrize("own", ["none", "stranger", "expired"])
def test_certificate_of_ours_refused(own: str, tls_redis: tuple[RedisServer, int], stranger: Certificates, root: Path,
                                     certificates: Certificates, database: Database, make: MakeMillrace) -> None:
    """A server that wants a certificate of the client's says what is wrong with it, and so do we."""
    _, port = tls_redis
    database.script("create table s (id int primary key);")
    shown = {"none": None, "stranger": stranger, "expired": expired(root, certificates)}[own]
    more = {"redis__key__cert": str(shown.certificate), "redis__key__file": str(shown.key)} if shown else {}
    sink = redis_tls(port, redis__cacert=str(certificates.authority), **more)
    done = make({"source": database.settings("public.s"), "cache": sink}).check()
    assert done.returncode == 3, done.stdout + done.stderr
    said = {"none": "certificate required", "stranger": "unknown ca", "expired": "certificate expired"}[own]
    assert said in done.stdout + done.stderr, done.stdout + done.stderr
    assert "see redis.key.cert and redis.key.file" in done.stdout + done.stderr


def test_a_servers_certificate_that_has_expired(root: Path, certificates: Certificates, database: Database,
                                                make: MakeMillrace) -> None:
    old, port = expired(root, certificates), free_port()
    server = RedisServer(root / "expired-redis", options=[
        "--tls-port", str(port), "--tls-cert-file", str(old.certificate), "--tls-key-file", str(old.key),
        "--tls-ca-cert-file", str(old.authority), "--tls-auth-clients", "no"])
    server.start()
    try:
        database.script("create table s (id int primary key);")
        done = make({"source": database.settings("public.s"),
                     "cache": redis_tls(port, redis__cacert=str(old.authority))}).check()
        assert done.returncode == 3, done.stdout + done.stderr
        assert "certificate has expired" in done.stdout + done.stderr, done.stdout + done.stderr
    finally:
        server.destroy()


def expired(root: Path, certificates: Certificates) -> Certificates:
    """A certificate that is good no longer, by the same authority."""
    old = make_certificates(root / "expired", days=0, authority=certificates)
    wait_until(lambda: subprocess.run(["openssl", "x509", "-checkend", "0", "-noout", "-in", str(old.certificate)],
                                      capture_output=True, check=False).returncode, "it has expired", 10)
    return old


def run_over_sockets(millrace: Millrace, database: Database, client: redis.Redis) -> None:
    millrace.start()
    millrace.wait_state("source", "running")
    database.execute("insert into s select i, 'n' || i from generate_series(1, 50000) i", "delete from s where id = 7")
    wait_until(lambda: client.dbsize() >= 49_999 and not client.exists("s:id:7"), "all came", 40, context=millrace.tail)
    assert client.json().get("s:id:50000") == {"id": 50000, "note": "n50000"}


def test_over_unix_sockets(root: Path, postgres: PostgresServer, database: Database, make: MakeMillrace) -> None:
    """The folder of PostgreSQL's socket as database.hostname, and unix:// for Redis."""
    path = root / "redis.socket"
    server = RedisServer(root / "socket-redis", options=["--unixsocket", str(path)])
    server.start()
    try:
        database.script("create table s (id int primary key, note text);")
        millrace = make({"source": database.settings("public.s", database_hostname=str(postgres.root)),
                         "cache": redis_settings(f"unix://{path}?db=0")})
        run_over_sockets(millrace, database, server.client())
        millrace.close()
    finally:
        server.destroy()
