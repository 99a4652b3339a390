"""`millrace rebuild`: a target comes to what the tables hold, in place, while it is read and changes flow; what earlier
settings have written is brought to the new ones and then removed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from conftest import MakeMillrace
from test_indexes import count, target
from test_redis_targets import output
from test_stream import start
from test_verify import documents, settled, verify

from harness.millrace import Millrace
from harness.paths import remove_tree
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
NOTES = "millrace:outputs:cache"


class Reader(threading.Thread):
    """Reads keys that must be there all the time; counts those that were not."""

    def __init__(self, client: redis.Redis, keys: list[str]) -> None:
        super().__init__()
        self.client, self.keys = client, keys
        self.rounds = self.absent = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            found = self.client.execute_command("EXISTS", *self.keys)
            self.absent += len(self.keys) - found
            self.rounds += 1

    def stop(self) -> None:
        self.over.set()
        self.join(30)


def rebuild(millrace: Millrace, *arguments: str) -> dict[str, Any]:
    done = millrace.command("rebuild", "{file}", "--json", "--settle-ms", "1500", *arguments, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return {table["table"]: table for sink in json.loads(done.stdout)["sinks"] for table in sink["tables"]}


def test_rebuilt_in_place_while_it_is_read_and_changed(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The form of the documents has changed, rows have been lost and others left over; nobody ever finds a key of a row
    absent, and changes go on."""
    database.script("""create table s (id int primary key, v text, n int);
      insert into s select i, 'v' || i, i from generate_series(1, 20000) i;""")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) >= 20000, "all is there", 30, context=millrace.tail)
    settled(millrace)
    millrace.terminate()
    client.delete(*(f"s:id:{i}" for i in range(1, 500)))
    for i in range(30000, 30300):
        client.json().set(f"s:id:{i}", "$", {"id": i})
    millrace.connectors["cache"]["target.fields"] = "id, v as name, n"
    start(millrace)
    reader = Reader(client, [f"s:id:{i}" for i in range(15000, 15400)])
    reader.start()
    writers = threading.Event()

    def write() -> None:
        connection = database.connect()
        while not writers.is_set():
            connection.execute("update s set n = n + 1 where id % 1000 = (random() * 999)::int")
            connection.execute("with gone as (delete from s where id = (select min(id) from s) returning id) "
                               "insert into s select id + 100000, 'new', 0 from gone")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = rebuild(millrace)["public.s"]
    finally:
        writers.set()
        writer.join(30)
        reader.stop()
    assert found["repaired"] > 5000
    assert reader.rounds > 10 and reader.absent == 0
    settled(millrace)
    verify(millrace, code=0)
    assert client.json().get("s:id:15000", "$.name") == ["v15000"]
    assert not client.exists("s:id:30000")


def test_rebuild_after_the_source_began_anew(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table s (id int primary key); insert into s select generate_series(1, 100);")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) >= 100, "all is there", 30, context=millrace.tail)
    millrace.terminate()
    database.script("delete from s where id <= 10;")
    database.execute(f"select pg_drop_replication_slot('{millrace.connectors['source']['slot.name']}')")
    millrace.start()
    millrace.wait_state("source", "failed")
    assert millrace.command("reset", "source", "--url", millrace.url).returncode == 0
    database.script("insert into s values (200);")
    wait_until(lambda: client.exists("s:id:200"), "the new row", 30, context=millrace.tail)
    settled(millrace)
    assert client.exists("s:id:5")  # nobody has said that it is gone
    assert rebuild(millrace)["public.s"]["repaired"] == 10
    assert documents(client) == 91


def rows(database: Database, number: int) -> None:
    database.script(f"create table s (id int primary key, v text, n int);"
                    f"insert into s select i, 'v' || i, i from generate_series(1, {number}) i;")


def restart(millrace: Millrace, **cache: Any) -> None:
    """With other settings of the sink; None takes one away."""
    millrace.terminate()
    for name, value in cache.items():
        millrace.connectors["cache"].pop(name, None)
        if value is not None:
            millrace.connectors["cache"][name] = value
    start(millrace)


def warned(millrace: Millrace, text: str) -> bool:
    return any(text in warning for warning in millrace.status()["cache"]["warnings"])


def test_other_keys_and_the_index_follows_when_all_is_there(shop: Shop, database: Database,
                                                            client: redis.Redis) -> None:
    """The index that people query changes over once every row is under its new key, never before."""
    rows(database, 5000)
    index = {"ix": {"fields": {"n": "NUMERIC"}}}
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.s", "target.key": "a:{id}", "redis.index.poll.ms": 200,
                                 "indexes": index}))
    wait_until(lambda: count(client, "ix") == 5000, "all is indexed", 30, context=millrace.tail)
    old = target(client, "ix")
    settled(millrace)
    millrace.terminate()
    millrace.connectors["cache"]["target.key"] = "b:{id}"
    assert "millrace rebuild" in millrace.check().stdout
    start(millrace)
    database.execute("insert into s values (6000, 'new', 6000)")
    wait_until(lambda: client.exists("b:6000"), "the new row under its new key", 15, context=millrace.tail)
    wait_until(lambda: warned(millrace, "until `millrace rebuild`"), "the new index waits", 15,
               context=millrace.tail)
    assert target(client, "ix") == old and count(client, "ix") == 5000
    seen: list[int] = []
    over = threading.Event()

    def query() -> None:
        while not over.is_set():
            seen.append(count(client, "ix"))
    reader = threading.Thread(target=query)
    reader.start()
    found = rebuild(millrace)
    wait_until(lambda: target(client, "ix") not in (None, old), "the alias has moved", 15, context=millrace.tail)
    wait_until(lambda: not millrace.status()["cache"]["warnings"], "nothing is to be told", 15, context=millrace.tail)
    over.set()
    reader.join(30)
    assert found["public.s"]["repaired"] == 5000
    assert not list(client.scan_iter("a:*")) and len(list(client.scan_iter("b:*"))) == 5001
    assert count(client, "ix") == 5001
    assert len(seen) > 5 and min(seen) >= 5000
    assert client.hkeys(NOTES) == ["form "]
    verify(millrace, code=0)


def test_an_output_added_and_one_taken_away(shop: Shop, database: Database, client: redis.Redis) -> None:
    rows(database, 300)
    client.set("b:mine", "of somebody else")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.s"} | output("a", target__key="a:{id}")
                          | output("b", target__key="b:{id}", target__type="hash")))
    settled(millrace)
    wait_until(lambda: len(list(client.scan_iter("[ab]:*"))) == 601, "all is there", 15, context=millrace.tail)
    restart(millrace, **{"outputs.b.target.key": None, "outputs.b.target.type": None, "outputs.c.target.key": "c:{id}"})
    assert warned(millrace, "output c was added") and warned(millrace, "b:{id}")
    early = millrace.command("verify", "{file}", "--settle-ms", "300", "--max-differences", "1")
    assert early.returncode == 1 and "300 missing" in early.stdout, early.stdout + early.stderr
    some = millrace.command("rebuild", "{file}", "--table", "public.s")
    assert some.returncode == 0 and "Rebuild without --table" in some.stdout, some.stdout
    assert warned(millrace, "output c was added")
    found = millrace.command("rebuild", "{file}")
    assert found.returncode == 0 and "300 entries of earlier settings removed" in found.stdout, found.stdout
    assert len(list(client.scan_iter("c:*"))) == 300 and len(list(client.scan_iter("a:*"))) == 300
    assert client.keys("b:*") == ["b:mine"]
    wait_until(lambda: not millrace.status()["cache"]["warnings"], "nothing is to be told", 15, context=millrace.tail)


def test_rows_that_cannot_be_written_hold_the_end_up_and_that_is_said(shop: Shop, database: Database,
                                                                      client: redis.Redis) -> None:
    """What earlier settings wrote stays until the operator says that those rows may be missed."""
    database.script("create table s (id int primary key, v text); insert into s values (1, 'a'), (2, null);")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) == 2, "all is there", 15, context=millrace.tail)
    restart(millrace, **{"target.key": "{table}:by:{v}"})
    held_up = millrace.command("rebuild", "{file}", "--settle-ms", "300")
    assert held_up.returncode == 1 and "1 that cannot be written" in held_up.stdout, held_up.stdout
    assert "the rebuild is not at its end" in held_up.stdout and "--without-unwritable" in held_up.stdout
    assert client.exists("s:id:1", "s:id:2") == 2 and client.keys("*by:*") == ["s:by:a"]
    part = millrace.command("rebuild", "{file}", "--table", "public.s", "--settle-ms", "300")
    assert "Rebuild without --table" in part.stdout
    done = millrace.command("rebuild", "{file}", "--without-unwritable", "--settle-ms", "300")
    assert done.returncode == 1 and "2 entries of earlier settings removed" in done.stdout, done.stdout
    assert "not at its end" not in done.stdout
    assert client.exists("s:id:1", "s:id:2") == 0 and client.keys("*by:*") == ["s:by:a"]
    wait_until(lambda: not millrace.status()["cache"]["warnings"], "nothing is behind", 15, context=millrace.tail)


def test_settings_that_the_sink_has_not_begun_with(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Rows would be held against what nobody writes."""
    rows(database, 10)
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) == 10, "all is there", 15, context=millrace.tail)
    millrace.connectors["cache"]["target.fields"] = "id, v"
    millrace.write()
    for command in ("verify", "rebuild"):
        refused = millrace.command(command, "{file}")
        assert refused.returncode == 3 and "target.fields" in refused.stderr, refused.stderr
    assert client.json().get("s:id:1", "$.n") == [1]


def test_killed_while_it_rebuilds(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The next one goes on; what the sink warns of stays until one has come to its end."""
    rows(database, 3000)
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.s", "target.key": "a:{id}"}))
    wait_until(lambda: len(list(client.scan_iter("a:*"))) == 3000, "all is there", 15, context=millrace.tail)
    settled(millrace)
    restart(millrace, **{"target.key": "b:{id}"})
    for at in ("b:1", "b:1000", "b:2000"):
        process = millrace.spawn("rebuild", "{file}", "--rows-per-second", "4000", "--chunk-rows", "100")
        wait_until(partial(client.exists, at), "it is at work", 15, context=millrace.tail)
        process.kill()
        process.wait()
        assert len(list(client.scan_iter("a:*"))) == 3000
        assert warned(millrace, "target.key of the target changed")
    rebuild(millrace)
    assert not list(client.scan_iter("a:*")) and len(list(client.scan_iter("b:*"))) == 3000


def test_the_file_changes_again_while_it_rebuilds(shop: Shop, database: Database, client: redis.Redis) -> None:
    """What was noted of the second change is not cleared by the end of the first one's rebuild."""
    rows(database, 3000)
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) == 3000, "all is there", 30, context=millrace.tail)
    settled(millrace)
    restart(millrace, **{"target.fields": "id, v as one"})
    (millrace.directory / "first.yaml").write_text(millrace.file.read_text())
    done: list[Any] = []
    worker = threading.Thread(target=lambda: done.append(
        millrace.command("rebuild", "first.yaml", "--rows-per-second", "500", "--chunk-rows", "500", timeout_s=120)))
    worker.start()
    wait_until(lambda: client.json().get("s:id:1", "$.one"), "the rebuild has begun", 20)
    restart(millrace, **{"target.fields": "id, v as two"})
    worker.join()
    assert done[0].returncode != 0
    assert "other settings" in done[0].stdout + done[0].stderr
    assert warned(millrace, "target.fields")
    assert rebuild(millrace)["public.s"]["repaired"] > 0
    assert client.json().get("s:id:3000", "$.two") == ["v3000"]
    wait_until(lambda: not warned(millrace, "target.fields"), "nothing is left to do", 15)


def test_another_log_is_no_reason_to_forget(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The log is lost and the form has changed: rows that do not come again have the earlier form, and that is said."""
    rows(database, 10)
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}))
    wait_until(lambda: documents(client) == 10, "all is there", 30, context=millrace.tail)
    settled(millrace)
    millrace.terminate()
    remove_tree(millrace.log_directory)
    database.execute(f"select pg_drop_replication_slot('{millrace.connectors['source']['slot.name']}')")
    millrace.connectors["source"]["snapshot.mode"] = "no_data"
    millrace.connectors["cache"]["target.fields"] = "id, v as name"
    start(millrace)
    wait_until(lambda: warned(millrace, "target.fields"), "the warning", 15, context=millrace.tail)
    rebuild(millrace)
    assert client.json().get("s:id:1") == {"id": 1, "name": "v1"}


def test_a_table_that_is_not_compared_keeps_its_earlier_keys(shop: Shop, database: Database,
                                                             client: redis.Redis) -> None:
    """It has no key, so its rows are not written under their new keys, and lie nowhere else."""
    database.script("""create table s (id int primary key, v text); create table e (id int, v text);
      alter table e replica identity full;
      insert into s values (1, 'a'); insert into e select i, 'v' from generate_series(1, 20) i;""")
    millrace = start(shop("public.s,public.e", postgres={"snapshot.mode": "initial"},
                          redis={"topics": "t.public.s,t.public.e", "target.key": "a:{table}:{id}"}))
    wait_until(lambda: documents(client, "a:e:*") == 20, "all is there", 30, context=millrace.tail)
    settled(millrace)
    restart(millrace, **{"target.key": "b:{table}:{id}"})
    done = millrace.command("rebuild", "{file}", timeout_s=60)
    assert documents(client, "a:e:*") == 20
    assert "table public.e" in done.stdout and "stay" in done.stdout
    assert warned(millrace, "a:{table}:{id}")


def test_keys_of_another_sink_stay(make: MakeMillrace, database: Database, client: redis.Redis,
                                   redis_server: RedisServer) -> None:
    """A table has gone over from one sink to another, under the same keys; and one's keys lie among the other's."""
    database.script("""create table f (id int primary key, v text); create table g (id int primary key, v text);
      create table c (code text primary key);
      insert into f select i, 'f' from generate_series(1, 20) i;
      insert into g select i, 'g' from generate_series(1, 20) i; insert into c values ('a');""")
    key = {"target.key": "{table}:{id}"}
    millrace = start(make({"source": database.settings("public.f,public.g,public.c") | {"snapshot.mode": "initial"},
                           "cache": redis_settings(redis_server.uri, topics="t.public.f,t.public.g") | key}))
    wait_until(lambda: documents(client, "g:*") == 20 and documents(client, "f:*") == 20, "all is there", 30,
               context=millrace.tail)
    settled(millrace)
    millrace.terminate()
    millrace.connectors["cache"]["topics"] = "t.public.f"
    millrace.connectors["other"] = redis_settings(redis_server.uri, topics="t.public.g") | key
    millrace.connectors["codes"] = redis_settings(redis_server.uri, topics="t.public.c") | {"target.key": "g:{code}"}
    start(millrace)
    for name in ("cache", "other", "codes"):
        millrace.wait_settled(name)
    assert millrace.command("rebuild", "{file}", "cache", timeout_s=60).returncode == 0
    assert documents(client, "g:*") == 21
    verify(millrace, "--repair", "extra", code=0)
    assert (documents(client, "g:*"), documents(client, "f:*")) == (21, 20)
    client.json().set("f:77", "$", {"id": 77})
    assert verify(millrace, "cache", "--repair", "extra", code=0)["public.f"]["repaired"] == 1
