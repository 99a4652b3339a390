"""The log's directory: a full disk, a second process, damage, a newer version."""

from __future__ import annotations

import os
from collections.abc import Callable

import redis
from conftest import MakeMillrace
from disk import fill, small_disk, wait_held

from harness.load import PUBLISHED, Load
from harness.millrace import Millrace
from harness.oracle import assert_log_exact, settle_and_compare
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def test_nearly_full_disk(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """Intake stops with a clear state long before the disk is full, and goes on by itself once there is room."""
    database.make_slot(PUBLISHED)
    millrace = shop()
    with small_disk(millrace.log_directory, "290m") as disk:  # 256 MB are to stay free
        try:
            millrace.start()
            load.run(20)
            status = wait_held(millrace, lambda: fill(database, "load_c", "i, text")).lower()
            assert "disk" in status or "space" in status, f"the state says why: {status}"
            free = os.statvfs(disk.path).f_bavail * os.statvfs(disk.path).f_bsize
            assert free > 100e6, "it stops long before the disk is full"
            disk.grow("2g")
            settle_and_compare(millrace, database, client, load, 1, exact=False)
            assert_log_exact(millrace, load, ["load_a", "load_b"])
        finally:
            millrace.close()


def test_full_disk(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    """Another program takes the last byte while we write: nothing acknowledged is lost, nothing is twice."""
    database.make_slot(PUBLISHED)
    millrace = shop()
    with small_disk(millrace.log_directory, "600m") as disk:
        try:
            millrace.start()
            load.run_in_thread(pause_s=0.001)
            wait_until(lambda: len(load.expected) > 500, "some load", 20)
            disk.fill()
            status = wait_held(millrace, lambda: None).lower()
            assert "disk" in status or "space" in status, f"the state says why: {status}"
            load.stop()
            assert millrace.running()
            disk.unfill()
            load.run(20)
            settle_and_compare(millrace, database, client, load, 1)
        finally:
            load.close()
            millrace.close()


def test_killed_on_a_full_disk(shop: Shop, database: Database, client: redis.Redis, load: Load) -> None:
    database.make_slot(PUBLISHED)
    millrace = shop()
    with small_disk(millrace.log_directory, "600m") as disk:
        try:
            millrace.start()
            load.run(50)
            disk.fill()
            wait_held(millrace, load.transaction)
            millrace.kill()
            disk.unfill()
            millrace.start()
            settle_and_compare(millrace, database, client, load, 1)
        finally:
            millrace.close()


def test_a_second_process_is_refused(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key);")
    first = shop("public.s").start()
    first.wait_state("source", "running")
    second = shop("public.s")
    second.log_directory = first.log_directory
    second.start(wait=False)
    assert second.wait_exit(15) > 0
    said = second.output.read_text()
    assert str(first.log_directory) in said
    assert any(word in said.lower() for word in ("lock", "in use", "another", "already")), said
    assert first.running()
    assert first.state("source") == "running"


def test_a_damaged_log_is_refused(make: MakeMillrace, database: Database) -> None:
    """A flipped byte in the data is never read as data: the program or the connector stops with a clear word."""
    database.script("create table s (id int primary key, v text);")
    millrace = make({"source": database.settings("public.s")}).start()
    millrace.wait_state("source", "running")
    database.script("insert into s select i, md5(i::text) from generate_series(1, 20000) as i;")
    millrace.wait_offset("t.public.s", 20000)
    millrace.terminate()
    files = [path for path in millrace.log_directory.rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    largest.write_bytes(data)
    millrace.start(wait=False)
    wait_until(lambda: not millrace.running() or millrace.try_get("/api/v1/topics") is not None, "starts or ends", 20)
    if millrace.running():
        done = millrace.command("consume", "t.public.s", "--url", millrace.url, "--from", "earliest")
        said = done.stderr + millrace.output.read_text() + str(millrace.status())
        rows = done.stdout.splitlines()
        assert done.returncode != 0 or len(rows) < 20000 or "corrupt" in said.lower(), "damage was read as data"
    else:
        assert millrace.exit_code() != 0
        said = millrace.output.read_text()
    assert any(word in said.lower() for word in ("corrupt", "checksum", "damaged")), said[-2000:]
