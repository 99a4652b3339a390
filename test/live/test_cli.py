"""The command line: contracts that scripts and operators rely on."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from conftest import MakeMillrace

from harness.metrics import parse_metrics
from harness.millrace import Millrace
from harness.oracle import op_of, place_of
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
TOPIC = "t.public.s"


@pytest.fixture
def running(shop: Shop, database: Database, client: redis.Redis) -> Millrace:
    """A pipeline with five changes delivered."""
    database.script("create table s (id int primary key, v text);")
    millrace = shop("public.s").start()
    millrace.wait_state("source", "running")
    database.script("""insert into s values (1, 'a'), (2, 'b'); insert into s values (3, 'c');
      update s set v = 'x' where id = 1; delete from s where id = 2;""")
    wait_until(lambda: client.exists("s:id:3") and not client.exists("s:id:2"), "delivered", 15, context=millrace.tail)
    return millrace


def run_text(millrace: Millrace, text: str, *arguments: str) -> tuple[int, str]:
    """`millrace check` (or ARGUMENTS) on a pipeline file with this text."""
    millrace.file.write_text(text)
    done = millrace.command(*(arguments or ("check", "{file}")))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("line", "words"), [
    ("    databse.hostname: x\n", ["databse.hostname", "database.hostname"]),
    ("    snapshot.mode: sometimes\n", ["snapshot.mode", "sometimes", "initial", "no_data"]),
    ("    database.port: five\n", ["database.port", "five"]),
    ("    database.port: 70000\n", ["database.port", "70000", "65535"]),
])
def test_a_wrong_setting_names_file_line_key_and_what_is_right(make: MakeMillrace, line: str, words: list[str]) -> None:
    millrace = make({})
    text = ("name: shop\nconnectors:\n  shop:\n    kind: postgres\n    topic.prefix: shop\n    database.hostname: h\n"
            "    database.user: u\n    database.dbname: d\n    table.include.list: public.t\n" + line)
    if "hostname" in line:
        text = text.replace("    database.hostname: h\n", "")
    number = text.splitlines().index(line.rstrip("\n")) + 1
    for command in ("check", "run"):
        code, said = run_text(millrace, text, command, "{file}")
        assert code != 0
        assert re.search(rf"pipeline\.yaml:{number}\b", said), f"{command} names file and line {number}: {said}"
        for word in words:
            assert word in said, f"{command} says {word!r}: {said}"


def test_unknown_keys_and_kinds(make: MakeMillrace) -> None:
    millrace = make({})
    for text, words in (("name: shop\nconectors: {}\n", ["conectors", "connectors", "pipeline.yaml:2"]),
                        ("name: shop\nlog: { kind: rocks, dirr: x }\n", ["dirr", "log.dir"]),
                        ("name: shop\nconnectors:\n  a:\n    kind: postgrs\n",
                         ["postgrs", "postgres", "pipeline.yaml:4"]),
                        ("name: shop\nconnectors:\n  a:\n    topic.prefix: x\n", ["kind"])):
        code, said = run_text(millrace, text)
        assert code != 0
        for word in words:
            assert word in said, f"{word!r} is missing: {said}"


def test_settings_that_are_wrong_together(make: MakeMillrace) -> None:
    """Each with its line, of both connectors in one go; nothing is asked of any server for that."""
    text = ("name: shop\nconnectors:\n  shop:\n    kind: postgres\n    topic.prefix: shop\n    database.hostname: h\n"
            "    database.user: u\n    database.dbname: d\n    table.include.list: public.t\n"
            "    table.exclude.list: public.u\n    slot.name: No-Slot\n  cache:\n    kind: redis\n"
            "    topics.regex: shop.*\n    redis.uri: http://x\n    target.key: 'one:{id}'\n")
    code, said = run_text(make({}), text)
    assert code == 2, said
    for words in ("pipeline.yaml:10: connectors.shop.table.exclude.list", "pipeline.yaml:11: connectors.shop.slot.name",
                  "pipeline.yaml:15: connectors.cache.redis.uri", "pipeline.yaml:16: connectors.cache.target.key"):
        assert words in said, f"{words!r} is missing: {said}"


def test_text_that_is_no_yaml(make: MakeMillrace) -> None:
    code, said = run_text(make({}), "name: [shop\n")
    assert code != 0
    assert "pipeline.yaml" in said


def test_a_missing_file(make: MakeMillrace) -> None:
    done = make({}).command("run", "no-such-file.yaml")
    assert done.returncode != 0
    assert "no-such-file.yaml" in done.stderr


def test_a_file_without_connectors_runs(make: MakeMillrace) -> None:
    millrace = make({}).start()
    assert millrace.status() == {}
    assert millrace.terminate() < 1.0


def test_a_missing_secret_is_named_not_shown(make: MakeMillrace, database: Database) -> None:
    millrace = make({"source": database.settings("public.s") | {"database.password": "${env:NO_SUCH_VARIABLE}"}})
    done = millrace.check()
    assert done.returncode != 0
    assert "NO_SUCH_VARIABLE" in done.stdout + done.stderr


def test_secrets_from_a_file(make: MakeMillrace, database: Database) -> None:
    database.script("create table s (id int primary key);")
    millrace = make({"source": database.settings("public.s")})
    secret = millrace.directory / "secrets.properties"
    from harness.postgres import PASSWORD
    secret.write_text(f"# of the test\nother = x\npassword = {PASSWORD}\n")
    millrace.connectors["source"]["database.password"] = f"${{file:{secret}:password}}"
    done = millrace.check()
    assert done.returncode == 0, done.stdout + done.stderr
    millrace.assert_no_secret(done.stdout, done.stderr)


# ---- check

def test_check_says_all_is_well_and_changes_nothing(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key);")
    millrace = shop("public.s")
    done = millrace.check()
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("wal_level", "public.s"):
        assert word in done.stdout
    assert database.query("select 1 from pg_replication_slots where slot_name = %s", (database.slot,)) == []
    assert database.query("select 1 from pg_publication") == []
    assert client.dbsize() == 0
    millrace.assert_no_secret(done.stdout, done.stderr)


def findings(millrace: Millrace, **env: str) -> str:
    """What `check` prints when something is wrong; `run` must refuse as well or wait."""
    done = millrace.check(**env)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    millrace.assert_no_secret(said)
    return said


def test_check_wrong_password(shop: Shop, database: Database) -> None:
    database.script("create table s (id int primary key);")
    said = findings(shop("public.s", postgres={"database.password": "wrong-secret-9"}))
    assert "password" in said
    assert "wrong-secret-9" not in said


def test_check_server_away(shop: Shop, database: Database) -> None:
    said = findings(shop("public.s", postgres={"database.port": "1"}, redis={"redis.uri": "redis://127.0.0.1:2/0"}))
    assert "127.0.0.1" in said
    assert "refused" in said.lower() or "reach" in said.lower()
    assert "database.port" in said


def test_check_missing_table_and_key(shop: Shop, database: Database) -> None:
    """Publishing a table without key and identity would make the application's own UPDATE and DELETE fail."""
    database.script("create table nk (a int, b text); create table s (id int primary key);")
    said = findings(shop("public.nk,public.s,public.missing"))
    assert "public.missing" in said
    assert "public.nk" in said
    assert re.search(r"alter table .*nk.* replica identity full", said, re.IGNORECASE), said


def test_run_refuses_a_keyless_table_and_leaves_the_application_alone(shop: Shop, database: Database) -> None:
    database.script("create table nk (a int, b text); insert into nk values (1, 'x');")
    millrace = shop("public.nk").start(wait=False)
    assert "nk" in millrace.wait_refused("source")
    database.script("update nk set b = 'y'; delete from nk;")  # fails when the table has been published


def test_a_keyless_table_with_full_identity_is_captured_but_not_cached(shop: Shop, database: Database) -> None:
    """Its changes are in the log; documents need a key, and the sink says so in a sentence."""
    database.script("create table nkf (a int, b text); alter table nkf replica identity full;")
    millrace = shop("public.nkf").start()
    millrace.wait_state("source", "running")
    database.script("""insert into nkf values (1, 'x'), (2, 'y'); update nkf set b = 'z' where a = 1;
      delete from nkf where a = 2;""")
    millrace.wait_offset("t.public.nkf", 4)
    records = millrace.consume("t.public.nkf")
    assert [op_of(record) for record in records] == ["insert", "insert", "update", "delete"]
    assert records[2]["before"] == {"a": 1, "b": "x"}
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == 4, "the sink parks the rows", 15,
               context=lambda: str(millrace.status()))
    said = millrace.command("dead-letters", "cache", "--url", millrace.url).stdout
    assert "nkf" in said
    assert "key" in said


def test_check_index_of_another_definition(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key, v text);")
    client.execute_command("FT.CREATE", "byv", "ON", "JSON", "PREFIX", "1", "other:", "SCHEMA",
                           "$.v", "AS", "v", "NUMERIC")
    done = shop("public.s", redis={"indexes": {"byv": {"prefix": "s:", "fields": {"v": "TEXT"}}}}).check()
    assert re.search(r"(warning|error) .*byv", done.stdout), done.stdout
    assert "FT.DROPINDEX byv" in done.stdout


def test_check_a_topic_that_nobody_makes(shop: Shop, database: Database) -> None:
    database.script("create table flights (id int primary key);")
    millrace = shop("public.flights", redis={"topics": "t.public.flihgts"})
    done = millrace.check()
    assert done.returncode == 0
    assert "t.public.flihgts" in done.stdout and "did you mean t.public.flights?" in done.stdout, done.stdout


def test_a_wrong_key_and_index_are_told(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Neither stops anything, so both must be seen: in the log, the status and the metrics; and in the exit code what
    had failed."""
    database.script("create table s (id int primary key, origin text); insert into s values (1, 'abc'), (2, 'def');")
    millrace = shop("public.s", postgres={"snapshot.mode": "initial"}, redis={
        "target.key": "s:{id}", "indexes.ix.prefix": "s:", "indexes.ix.fields.origin": "NUMERIC",
        "redis.index.poll.ms": 200})
    millrace.connectors["wrong"] = dict(millrace.connectors["cache"]) | {"target.key": "{table}:{idd}", "topics": TOPIC}
    for name in ("topics.regex", "indexes.ix.prefix", "indexes.ix.fields.origin"):
        del millrace.connectors["wrong"][name]
    millrace.connectors["cache"]["topics"] = TOPIC
    del millrace.connectors["cache"]["topics.regex"]
    millrace.start()
    wait_until(lambda: 'index_failures{connector="cache",index="ix"} 2' in millrace.metrics(), "counted", 20,
               context=millrace.tail)
    wait_until(lambda: "leaves out documents" in str(millrace.status()["cache"]["warnings"]), "warned of", 10)
    wait_until(lambda: "are parked" in millrace.tail(), "parked rows are told", 20)
    assert "idd" in millrace.tail() and "connector=wrong" in millrace.tail()
    assert client.exists("s:1")
    millrace.connectors["source"]["database.password"] = "wrong"
    millrace.terminate()
    millrace.start()
    millrace.wait_state("source", "failed")
    os.kill(millrace.pid, signal.SIGTERM)
    assert millrace.wait_exit() == 1


def test_check_low_wal_level_and_no_slots(root: Path, make: MakeMillrace) -> None:
    from harness.postgres import PostgresServer
    server = PostgresServer(root / "low-postgres", {"wal_level": "replica", "max_replication_slots": "0"})
    server.start()
    try:
        database = Database(server, "low")
        database.script("create table s (id int primary key);")
        millrace = make({"source": database.settings("public.s")})
        said = findings(millrace)
        assert "wal_level" in said
        assert re.search(r"alter system set wal_level\s*(=|to)\s*'?logical", said, re.IGNORECASE), said
        millrace.start(wait=False)
        assert "wal_level" in millrace.wait_refused("source", "waiting for source")
        millrace.close()
    finally:
        server.destroy()


def test_check_grants(shop: Shop, database: Database) -> None:
    """A user who may neither replicate nor read: each is named with the SQL that mends it."""
    database.execute("create table s (id int primary key)",
                     f"create role poor_{database.name} login password 'pg-secret-7Qz'")
    try:
        poor = {"database.user": f"poor_{database.name}", "snapshot.mode": "initial"}
        said = findings(shop("public.s", postgres=poor))
        assert re.search(r"alter (role|user) .* replication", said, re.IGNORECASE), said
        assert re.search(r"grant select on .*s", said, re.IGNORECASE), said
    finally:
        database.execute(f"drop role poor_{database.name}")


# ---- status, topics, consume, explain

def test_topics(running: Millrace) -> None:
    done = running.command("topics", "--url", running.url, "--json")
    assert done.returncode == 0, done.stderr
    topics = {one["topic"]: one for one in json.loads(done.stdout)}
    assert set(topics["t.public.s"]) >= {"topic", "first_offset", "next_offset", "bytes"}
    assert (topics["t.public.s"]["first_offset"], topics["t.public.s"]["next_offset"]) == (0, 5)
    assert topics["t.public.s"]["bytes"] > 0
    plain = running.command("topics", "--url", running.url)
    assert plain.returncode == 0
    assert "t.public.s" in plain.stdout


def test_status(running: Millrace) -> None:
    done = running.command("status", "--url", running.url, "--json")
    assert done.returncode == 0, done.stderr
    connectors = {one["name"]: one for one in json.loads(done.stdout)["connectors"]}
    assert set(connectors) == {"source", "cache"}
    for name, kind in (("source", "postgres"), ("cache", "redis")):
        one = connectors[name]
        assert set(one) >= {"name", "kind", "state", "position", "lag_bytes", "lag_ms", "rows", "errors"}
        assert (one["kind"], one["state"], one["rows"], one["errors"]) == (kind, "running", 5, 0)
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", connectors["source"]["position"])
    plain = running.command("status", "--url", running.url)
    assert plain.returncode == 0
    assert "running" in plain.stdout


def test_commands_without_a_running_process(running: Millrace) -> None:
    running.terminate()
    for words in (("status",), ("topics",), ("consume", "t.public.s")):
        done = running.command(*words, "--url", running.url)
        assert done.returncode != 0
        assert running.url in done.stderr or f"127.0.0.1:{running.port}" in done.stderr


def test_consume(running: Millrace, database: Database) -> None:
    records = running.consume("t.public.s")
    assert [op_of(record) for record in records] == ["insert", "insert", "insert", "update", "delete"]
    assert [record["offset"] for record in records] == [0, 1, 2, 3, 4]
    assert records[0]["after"] == {"id": 1, "v": "a"}
    assert records[4]["before"]["id"] == 2
    places = [place_of(record) for record in records]
    assert places[0][0] == places[1][0] != places[2][0]
    assert [index for _, index in places[:2]] == [0, 1]

    def offsets(*arguments: str) -> list[int]:
        done = running.command("consume", "t.public.s", "--url", running.url, "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["offset"] for line in done.stdout.splitlines()]

    assert offsets("--from", "3") == [3, 4]
    assert offsets("--from", "latest") == []
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    earlier = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    assert offsets("--from", later) == []
    assert offsets("--from", earlier) == [0, 1, 2, 3, 4]
    done = running.command("consume", "t.public.s", "--url", running.url, "--from", "99")
    assert (done.returncode, done.stdout) == (0, "")
    assert "ends at offset 5" in done.stderr
    done = running.command("consume", "no.such.topic", "--url", running.url)
    assert done.returncode != 0
    assert "no.such.topic" in done.stderr


def test_consume_follows(running: Millrace, database: Database) -> None:
    import subprocess

    from harness.millrace import environment
    from harness.paths import millrace_binary
    process = subprocess.Popen(
        [str(millrace_binary()), "consume", "t.public.s", "--url", running.url, "--from", "latest", "--follow",
         "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stdout is not None
        database.execute("insert into s values (100, 'before or after the follower has begun')")
        lines: list[str] = []

        def more() -> bool:
            database.execute("update s set v = v || '.' where id = 100")
            return bool(lines)

        import threading
        stdout = process.stdout
        threading.Thread(target=lambda: lines.extend(iter(stdout.readline, "")), daemon=True).start()
        wait_until(more, "a new row is printed at once", 10, pause_s=0.1)
        assert json.loads(lines[0])["after"]["id"] == 100
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_consume_debezium(running: Millrace) -> None:
    done = running.command("consume", "t.public.s", "--url", running.url, "--from", "earliest", "--format", "debezium")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    values = [record.get("value", record) for record in records]
    values = [value for value in values if value]
    assert [value["op"] for value in values] == ["c", "c", "c", "u", "d"]
    assert values[0]["after"] == {"id": 1, "v": "a"}
    assert values[0]["source"]["table"] == "s"
    assert values[0]["source"]["connector"] == "postgresql"


def test_explain(make: MakeMillrace) -> None:
    millrace = make({})
    done = millrace.command("explain", "snapshot.mode")
    assert done.returncode == 0, done.stderr
    for word in ("snapshot.mode", "initial", "no_data"):
        assert word in done.stdout
    near = millrace.command("explain", "snapshot.mod")
    assert near.returncode != 0
    assert "snapshot.mode" in near.stdout + near.stderr


def test_help_and_misuse(make: MakeMillrace) -> None:
    millrace = make({})
    for command in ("run", "check", "status", "topics", "consume", "dead-letters", "explain"):
        done = millrace.command(command, "--help")
        assert done.returncode == 0, f"{command} --help: {done.stderr}"
        assert command in done.stdout
    overall = millrace.command("--help")
    assert overall.returncode == 0
    assert "consume" in overall.stdout
    assert millrace.command("--version").returncode == 0
    for words in ((), ("no-such-command",), ("run",), ("status", "--no-such-flag")):
        assert millrace.command(*words).returncode != 0, f"{words} is misuse"


def test_metrics(running: Millrace) -> None:
    samples = parse_metrics(running.metrics())
    names = {sample.name for sample in samples}
    assert any(name.endswith("_rows_total") for name in names), sorted(names)
    assert any("lag" in name for name in names), sorted(names)
    assert any("retained" in name for name in names), sorted(names)
    quantiles = {sample.labels["quantile"] for sample in samples if "quantile" in sample.labels}
    assert quantiles >= {"0.5", "0.95", "0.99"}


def test_health(running: Millrace) -> None:
    status, _ = running.get("/health")
    assert status == 200
    assert running.get("/no/such/page")[0] == 404


def test_secrets_are_never_shown(make: MakeMillrace, database: Database, root: Path, client: redis.Redis) -> None:
    """Passwords in every place that takes one, with both servers refusing."""
    server = RedisServer(root / "secret-redis", options=["--requirepass", "redis-secret-8Xy"])
    server_uri = f"redis://:wrong-redis-secret@127.0.0.1:{server.port}/0"
    database.script("create table s (id int primary key);")
    from harness.millrace import SECRETS
    millrace = make({"source": database.settings("public.s") | {"database.password": "wrong-pg-secret"},
                     "cache": redis_settings(server_uri)})
    try:
        done = millrace.check()
        millrace.start(wait=False)
        millrace.wait_refused("source", "waiting for source")
        pages = [millrace.try_get(path) or "" for path in ("/api/v1/status", "/metrics", "/health")]
        millrace.close()
        for text in (done.stdout, done.stderr, millrace.output.read_text(), *pages):
            for secret in (*SECRETS, "wrong-pg-secret", "wrong-redis-secret"):
                assert secret not in text
    finally:
        server.destroy()
