"""`check` before the first start: what it says of tables, topics, rights and a process that runs already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis

from harness.millrace import Millrace
from harness.postgres import Database
from harness.rights import rights, set_user
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
TOPIC = "t.public.people"
PEOPLE = """create table people (id int primary key, name text, age int, ends_at timestamptz, meta jsonb);
  create table tags (id int primary key, tag text);"""


def people(shop: Shop, settings: dict[str, Any]) -> Millrace:
    return shop("public.people", redis={"topics": TOPIC} | settings)


def lines(millrace: Millrace, code: int, level: str) -> list[str]:
    """What `check` finds at that level, a `subject: message fix` each, when it ends with CODE."""
    millrace.write()
    done = millrace.command("check", "{file}", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(done.stdout)["findings"]
    return [f"{one['subject']}: {one['message']} {one['fix']}" for one in found if one["level"] == level]


@pytest.mark.parametrize(("settings", "words"), [
    ({"target.key": "p:{idd}"}, ["target.key", "idd", "public.people", "did you mean id?"]),
    ({"target.type": "sorted_set", "target.key": "all", "target.score": "bogus"}, ["target.score", "bogus"]),
    ({"target.type": "sorted_set", "target.key": "all", "target.score": "name"}, ["target.score", "name", "text"]),
    ({"target.key": "p:{id}", "target.fields": "id, millis(age) as m"}, ["target.fields", "age"]),
])
def test_rows_that_could_not_be_written_are_errors_before_the_first_start(
        shop: Shop, database: Database, settings: dict[str, Any], words: list[str]) -> None:
    """There is no publication yet: the tables are described all the same."""
    database.script(PEOPLE)
    found = lines(people(shop, settings), 3, "error")
    assert len(found) == 1, found
    for word in words:
        assert word in found[0], f"{word!r} is missing: {found}"
    assert database.query("select 1 from pg_publication") == []


@pytest.mark.parametrize(("settings", "words"), [
    ({"target.fields": "id, nmae"}, ["target.fields", "nmae", "did you mean name?"]),
    ({"target.expire": "{end_at}"}, ["target.expire", "end_at", "did you mean ends_at?"]),
    ({"target.expire": "{name}"}, ["target.expire", "name"]),
    ({"indexes.ix.fields.nmae": "TAG"}, ["index ix", "nmae", "did you mean name?"]),
    ({"indexes.ix.fields.name": "NUMERIC"}, ["index ix", "NUMERIC", "name"]),
    ({"target.key": "p:{id}:{name}"}, ["name", 'ALTER TABLE "public"."people" REPLICA IDENTITY FULL']),
])
def test_what_would_be_left_out_is_a_warning(shop: Shop, database: Database, settings: dict[str, Any],
                                             words: list[str]) -> None:
    database.script(PEOPLE)
    found = [line for line in lines(people(shop, {"target.key": "p:{id}"} | settings), 0, "warning")
             if "persistence" not in line]
    assert len(found) == 1, found
    for word in words:
        assert word in found[0], f"{word!r} is missing: {found}"


def test_a_running_pipeline_has_the_same_schemas(shop: Shop, database: Database, client: redis.Redis) -> None:
    """With the publication there, and a table that is not in it yet."""
    database.script(PEOPLE + "insert into people values (1, 'x')")
    settings = {"target.key": "{table}:{id}", "target.fields": "id, nmae"}
    millrace = shop("public.people", {"snapshot.mode": "initial"}, settings).start()
    wait_until(lambda: client.exists("people:1"), "delivered", 15, context=millrace.tail)
    millrace.terminate()
    millrace.connectors["source"]["table.include.list"] = "public.people,public.tags"
    millrace.write()
    found = [line for line in lines(millrace, 0, "warning") if "target.fields" in line]
    assert [re.search(r"table (\S+):", line)[1] for line in found] == ["public.people", "public.tags"], found  # type: ignore[index]


def test_a_list_of_tables_that_cannot_be_read_is_told_once(shop: Shop, database: Database) -> None:
    database.script(PEOPLE)
    millrace = shop("public.people", {"database.port": "1"}, {"topics": TOPIC, "target.key": "p:{idd}"})
    found = lines(millrace, 3, "warning")
    assert sum("were held against" in line or "was held against" in line for line in found) == 1, found


def test_an_output_takes_only_topics_of_its_sink(shop: Shop, database: Database) -> None:
    """Else a slip would lose a table without a word; what no output takes is a warning, also at the start."""
    database.script(PEOPLE)
    settings = {"topics": "t.public.tags,t.public.people", "outputs.x.topics": "t.public.tagz",
                "outputs.x.target.key": "x:{id}"}
    millrace = shop("public.people,public.tags", redis=settings)
    done = millrace.check()
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "outputs.x.topics" in said and "did you mean t.public.tags?" in said, said
    millrace.connectors["cache"]["outputs.x.topics"] = "t.public.tags"
    millrace.write()
    assert [line for line in lines(millrace, 0, "warning") if "t.public.people: no output takes it" in line]
    millrace.start()
    assert "topic t.public.people: no output takes it" in millrace.tail(), millrace.tail()


def test_check_beside_the_running_pipeline(shop: Shop, database: Database) -> None:
    """Its own address and slot are no news, and nothing to end."""
    database.script(PEOPLE)
    millrace = shop("public.people").start()
    millrace.wait_state("source", "running")
    done = millrace.check()
    assert done.returncode == 0, done.stdout
    assert len(re.findall(rf"process {millrace.pid}\b", done.stdout)) == 1, done.stdout
    assert "pg_terminate_backend" not in done.stdout and "in use by" not in done.stdout.replace("are in use by", "")
    second = millrace.command("run", "{file}")
    assert second.returncode == 3 and f"process {millrace.pid}" in second.stdout + second.stderr, second.stderr


def test_a_folder_that_takes_no_files(shop: Shop, database: Database) -> None:
    database.script(PEOPLE)
    millrace = shop("public.people", more={"log": {"kind": "rocks", "dir": "/proc/x"}})
    assert any("/proc" in line for line in lines(millrace, 3, "error"))
    assert millrace.command("run", "{file}").returncode == 3


@pytest.mark.parametrize("lacking", ["json.set", "script|load", "ft.info"])
@pytest.mark.parametrize("may_ask", [True, False])
def test_rights_that_lack(shop: Shop, database: Database, client: redis.Redis, lacking: str, may_ask: bool) -> None:
    database.script(PEOPLE)
    settings = {"redis.username": "app", "redis.password": "redis-app-7Qz", "target.key": "p:{id}",
                "indexes.ix.fields.name": "TAG"}
    try:
        set_user(client, "reset", "on", ">redis-app-7Qz", "~p:*", "~millrace:*", "~ix*", *rights("json", "indexes"),
                 "+type", "+info", "+command|info", *(["+acl|dryrun"] if may_ask else []))
        millrace = people(shop, settings)
        assert lines(millrace, 0, "error") == []
        set_user(client, f"-{lacking}")
        if may_ask:
            found = lines(millrace, 3, "error")
            assert found and f"ACL SETUSER app +{lacking}" in found[0], found
        elif lacking == "ft.info":
            assert any("ACL SETUSER app +ft.info" in line for line in lines(millrace, 3, "error"))
        else:
            assert any(line.startswith("rights: were not looked at") for line in lines(millrace, 0, "warning"))
    finally:
        client.execute_command("ACL", "DELUSER", "app")


def test_every_right_of_the_docs_is_asked_for(shop: Shop, database: Database, client: redis.Redis) -> None:
    """A user who may do nothing is told all of what docs/delivery.md lists for these outputs, and nothing else."""
    database.script(PEOPLE)
    settings: dict[str, Any] = {"redis.username": "app", "redis.password": "redis-app-7Qz",
                                "indexes.ix.output": "json", "indexes.ix.prefix": "json:",
                                "indexes.ix.fields.name": "TAG"}
    for kind in ("json", "hash", "string", "set", "sorted_set", "stream"):
        settings |= {f"outputs.{kind}.target.type": kind, f"outputs.{kind}.target.key": kind + ":{id}"}
    settings |= {"outputs.sorted_set.target.score": "id", "outputs.string.target.guard": "version",
                 "outputs.hash.target.expire": "60", "outputs.hash.target.expire.fields": "name 60",
                 "outputs.merged.target.key": "merged:{id}", "outputs.merged.target.update": "merge",
                 "outputs.lines.target.key": "json:{age}", "outputs.lines.target.nest": "lines",
                 "outputs.lines.target.nest.in": "json"}
    try:
        set_user(client, "reset", "on", ">redis-app-7Qz", "~*", "+acl|dryrun")
        found = lines(people(shop, settings), 3, "error")
        told = {line.split(":")[0].removeprefix("right ") for line in found if line.startswith("right ")}
        kinds = ("json", "hash", "string", "set", "sorted_set", "stream", "target.update: merge", "target.nest",
                 "target.expire", "target.expire.fields", "target.guard: version", "indexes")
        assert told == {right.removeprefix("+") for right in rights(*kinds)}
    finally:
        client.execute_command("ACL", "DELUSER", "app")


def test_keys_that_the_user_may_not_use(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(PEOPLE)
    settings = {"redis.username": "app", "redis.password": "redis-app-7Qz", "target.key": "p:{id}"}
    try:
        set_user(client, "reset", "on", ">redis-app-7Qz", "~q:*", "~millrace:*", *rights("json"), "+acl|dryrun")
        assert any("~p:*" in line for line in lines(people(shop, settings), 3, "error"))
    finally:
        client.execute_command("ACL", "DELUSER", "app")


def test_a_redis_that_is_full(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(PEOPLE)
    before = client.config_get("maxmemory*")
    try:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        found = [line for line in lines(shop("public.people"), 0, "warning") if line.startswith("memory: ")]
        assert len(found) == 1 and "maxmemory is 1.0 MiB" in found[0] and "are used" in found[0], found
    finally:
        client.config_set("maxmemory", str(before["maxmemory"]))
        client.config_set("maxmemory-policy", str(before["maxmemory-policy"]))


def test_keys_are_told_once_and_as_they_are(shop: Shop, database: Database) -> None:
    database.script(PEOPLE)
    settings = {"outputs.a.target.key": "p:{id}", "outputs.a.target.update": "merge",
                "outputs.b.target.key": "p:{id}", "outputs.b.target.update": "merge",
                "outputs.c.target.type": "sorted_set", "outputs.c.target.key": "newest", "outputs.c.target.score": "id"}
    found = [line.split(": ")[0] for line in lines(people(shop, settings), 0, "ok") if "key" in line]
    assert [line for line in found if line.startswith("key")] == ["keys p:*", "key newest"], found


def test_wrong_words_on_the_command_line(shop: Shop) -> None:
    millrace = shop("public.people")
    millrace.write()
    done = millrace.command("run", "{file}", "--log-level", "noisy")
    assert done.returncode == 2, done.stderr
    assert "--log-level: 'noisy' is none of debug, info, warn, error" in done.stderr
    done = millrace.command("run", "{file}", MILLRACE_LOG_LEVEL="zz")
    assert done.returncode == 2 and "MILLRACE_LOG_LEVEL: 'zz' is none of" in done.stderr, done.stderr


def test_steering_says_what_comes(shop: Shop, database: Database) -> None:
    database.script(PEOPLE)
    millrace = shop("public.people").start()
    millrace.wait_state("source", "running")
    for action, word in (("pause", "resume cache"), ("resume", "goes on"), ("restart", "starts again"),
                         ("reset", "begins anew")):
        done = millrace.command(action, "cache", "--url", millrace.url)
        assert done.returncode == 0 and word in done.stdout and done.stdout.count("\n") == 1, done.stdout + done.stderr


def test_a_dead_letter_that_is_not_there(shop: Shop, database: Database) -> None:
    database.script(PEOPLE)
    millrace = shop("public.people").start()
    for action in ("replay", "drop"):
        done = millrace.command("dead-letters", "cache", action, "--id", "999", "--url", millrace.url)
        assert done.returncode == 1 and "no dead letter 999" in done.stderr, done.stdout + done.stderr
