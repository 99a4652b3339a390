"""Rows that Redis has refused: shown, sent again once the cause is mended, edited, dropped, and never lost."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from conftest import MakeMillrace

from harness.millrace import Millrace
from harness.pipeline import redis_settings
from harness.postgres import Database
from harness.redis_stack import RedisServer
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
BASE = "/api/v1/connectors/cache/dead-letters"
TABLE = "create table s (id int primary key, v text);"
IN_THE_WAY = "a key of another type is in the way"


def start(millrace: Millrace, failpoints: str = "") -> Millrace:
    millrace.start(failpoints)
    millrace.wait_state("source", "running")
    millrace.wait_state("cache", "running")
    return millrace


def wait_parked(millrace: Millrace, count: int) -> None:
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == count, f"{count} dead letters are open", 20,
               context=lambda: f"{millrace.status()}\n{millrace.tail()}")


def letters(millrace: Millrace, state: str = "all") -> list[dict[str, Any]]:
    """With their rows and history."""
    done = millrace.command("dead-letters", "cache", "--url", millrace.url, "--state", state, "--export", "-")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def act(millrace: Millrace, action: str, *which: str, code: int = 0) -> dict[str, Any]:
    """What the operation came to."""
    done = millrace.command("dead-letters", "cache", action, *which, "--url", millrace.url, "--json")
    assert done.returncode == code, f"{done.stdout}{done.stderr}\n{millrace.tail()}"
    return dict(json.loads(done.stdout))


def document(client: redis.Redis, key: str) -> Any:
    text = client.execute_command("JSON.GET", key)
    return json.loads(text) if text else None


def block(client: redis.Redis, *ids: int) -> None:
    for one in ids:
        client.lpush(f"s:id:{one}", "of somebody else")


def unblock(client: redis.Redis, *ids: int) -> None:
    client.delete(*(f"s:id:{one}" for one in ids))


def test_mended_and_sent_again(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLE)
    millrace = start(shop("public.s"))
    block(client, 2, 3)
    database.script("insert into s values (1, 'a'), (2, 'private-value'), (3, 'c');")
    wait_parked(millrace, 2)
    groups = json.loads(millrace.command("dead-letters", "cache", "--groups", "--json", "--url", millrace.url).stdout)
    assert [(one["count"], one["topic"]) for one in groups] == [(2, "t.public.s")]
    assert groups[0]["error"].startswith(IN_THE_WAY)
    first = letters(millrace)[0]
    assert first["change"] == {"op": "c", "before": None, "after": {"id": 2, "v": "private-value"}}
    assert first["commit"] == millrace.consume("t.public.s")[1]["source"]["commit"]
    assert (first["index"], first["row_kept"], first["state"]) == (1, "copied", "parked")
    failed = act(millrace, "replay", "--all", code=1)
    assert (failed["failed"], failed["done"]) == (2, 0)
    assert {one["state"] for one in letters(millrace)} == {"failed"}
    unblock(client, 2, 3)
    assert act(millrace, "replay", "--error", IN_THE_WAY)["done"] == 2
    assert document(client, "s:id:2") == {"id": 2, "v": "private-value"}
    assert document(client, "s:id:3") == {"id": 3, "v": "c"}
    wait_parked(millrace, 0)
    status = millrace.status()["cache"]
    assert status["dead_letters_ever"] == 2
    metrics = millrace.metrics()
    assert 'millrace_dead_letters{connector="cache"} 0\n' in metrics
    assert 'millrace_dead_letters_total{connector="cache"} 2\n' in metrics
    done = letters(millrace)[0]
    assert [(one["what"], one["state"], one["by"]) for one in done["history"]] == [
        ("replay", "failed", "command line"), ("replay", "done", "command line")]
    assert letters(millrace, "open") == []
    assert "private-value" not in millrace.output.read_text(), "cell values stay out of the logs"
    millrace.kill()
    start(millrace)
    database.script("insert into s values (4, 'd');")
    wait_until(lambda: document(client, "s:id:4"), "it goes on", 15, context=millrace.tail)
    assert [one["state"] for one in letters(millrace)] == ["done", "done"]


def test_an_old_row_is_not_put_over_a_newer_one(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLE)
    millrace = start(shop("public.s"))
    block(client, 1)
    database.script("insert into s values (1, 'old'), (2, 'x');")
    wait_parked(millrace, 1)
    unblock(client, 1)
    database.script("update s set v = 'new' where id = 1;")
    wait_until(lambda: document(client, "s:id:1") == {"id": 1, "v": "new"}, "the newer one is there", 15)
    wait_parked(millrace, 0)
    assert act(millrace, "replay", "--all")["matched"] == 0
    assert document(client, "s:id:1") == {"id": 1, "v": "new"}
    letter = letters(millrace)[0]
    assert letter["state"] == "superseded"
    assert act(millrace, "replay", "--id", str(letter["id"]))["superseded"] == 1
    assert document(client, "s:id:1") == {"id": 1, "v": "new"}
    assert act(millrace, "replay", "--id", str(letter["id"]), "--force")["done"] == 1
    assert document(client, "s:id:1") == {"id": 1, "v": "old"}, "as it was asked for"


def test_letters_of_one_key_keep_their_order(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLE)
    millrace = start(shop("public.s"))
    block(client, 1, 2)
    for text in ("insert into s values (1, 'first');", "insert into s values (2, 'gone');",
                 "update s set v = 'second' where id = 1;", "delete from s where id = 2;"):
        database.script(text)
    wait_until(lambda: len(letters(millrace)) >= 3, "they are parked", 15, context=millrace.tail)
    unblock(client, 1, 2)
    came = act(millrace, "replay", "--all")
    assert came["failed"] + came["held"] == 0
    assert document(client, "s:id:1") == {"id": 1, "v": "second"}
    assert not client.exists("s:id:2"), "what was deleted since does not come back"


def test_edited(shop: Shop, database: Database, client: redis.Redis, tmp_path: Path) -> None:
    database.script("create table j (id int primary key, n numeric, at timestamptz, js jsonb);")
    millrace = start(shop("public.j"))
    deep = "[" * 200 + "]" * 200
    database.script(f"insert into j values (1, 1.50, '2024-02-29 12:00+00', '{deep}');")
    wait_parked(millrace, 1)
    letter = letters(millrace)[0]
    edit = tmp_path / "edit.json"
    edit.write_text('{"n": "many"}')
    refused = millrace.command("dead-letters", "cache", "replay", "--id", str(letter["id"]), "--edit", str(edit),
                               "--url", millrace.url)
    assert refused.returncode == 2
    assert "column n is of type numeric and takes a decimal" in refused.stderr
    assert "many" not in refused.stderr
    edit.write_text('{"n": "2.50", "at": "2024-03-01T00:00:00Z", "js": {"flat": [1, 2]}}')
    assert act(millrace, "replay", "--id", str(letter["id"]), "--edit", str(edit))["done"] == 1
    assert document(client, "j:id:1") == {"id": 1, "n": "2.50", "at": "2024-03-01T00:00:00Z", "js": {"flat": [1, 2]}}
    assert letters(millrace)[0]["history"][0]["edited"] == "n,at,js"


def test_dropped_by_topic_and_exported(shop: Shop, database: Database, client: redis.Redis, tmp_path: Path) -> None:
    database.script(TABLE + "create table u (id int primary key, v text);")
    millrace = start(shop("public.s,public.u"))
    block(client, 1)
    client.lpush("u:id:1", "of somebody else")
    database.script("insert into s values (1, 'a'); insert into u values (1, 'b');")
    wait_parked(millrace, 2)
    assert act(millrace, "drop", "--topic", "t.public.u")["dropped"] == 1
    wait_parked(millrace, 1)
    out = tmp_path / "letters.ndjson"
    said = millrace.command("dead-letters", "cache", "--state", "all", "--export", str(out), "--url", millrace.url)
    assert said.returncode == 0, said.stderr
    assert "2 dead letters" in said.stdout
    assert sorted(json.loads(line)["state"] for line in out.read_text().splitlines()) == ["dropped", "parked"]
    millrace.assert_no_secret(out.read_text())
    assert client.type("u:id:1") == "list"


def test_a_move_that_keeps_values_only_redis_has(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Sent again it takes them along, and the sink's position stays where it is."""
    database.script("create table m (id int primary key, v text, c int); alter table m alter v set storage external;")
    millrace = start(shop("public.m"))
    database.script("insert into m values (1, repeat('v', 3000), 1), (9, 'x', 1);")
    wait_until(lambda: document(client, "m:id:1"), "it is there", 15, context=millrace.tail)
    client.lpush("m:id:2", "of somebody else")
    database.script("update m set id = 2, c = 2 where id = 1;")
    wait_parked(millrace, 1)
    database.script("update m set c = 7 where id = 9;")
    wait_until(lambda: document(client, "m:id:9") == {"id": 9, "v": "x", "c": 7}, "it goes on", 15)
    position = client.hget("millrace:position:cache", "position")
    client.delete("m:id:2")
    assert act(millrace, "replay", "--all")["done"] == 1
    assert document(client, "m:id:2") == {"id": 2, "v": "v" * 3000, "c": 2}
    assert not client.exists("m:id:1")
    assert client.hget("millrace:position:cache", "position") == position


def request(millrace: Millrace, method: str, path: str, body: str = "") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", millrace.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_over_http(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script(TABLE)
    millrace = start(shop("public.s"))
    block(client, 1)
    database.script("insert into s values (1, 'a');")
    wait_parked(millrace, 1)
    unblock(client, 1)
    assert request(millrace, "POST", f"{BASE}/replay", '{"force":true}')[0] == 400
    millrace.command("pause", "cache", "--url", millrace.url)
    status, said = request(millrace, "POST", f"{BASE}/replay", '{"all":true}')
    assert status == 409
    assert "paused" in said["message"]
    millrace.command("resume", "cache", "--url", millrace.url)
    millrace.wait_state("cache", "running")
    status, begun = request(millrace, "POST", f"{BASE}/replay", '{"all":true}')
    assert status == 202
    path = f"{BASE}/operations/{begun['operation']}"
    wait_until(lambda: request(millrace, "GET", path)[1]["state"] == "finished", "it is done", 15,
               context=lambda: str(request(millrace, "GET", path)))
    assert request(millrace, "GET", path)[1]["done"] == 1
    assert request(millrace, "GET", f"{BASE}/1")[1]["history"][0]["by"] == "http"
    assert document(client, "s:id:1") == {"id": 1, "v": "a"}


@pytest.mark.parametrize("failpoint", ["letters.before_record=kill@2", "letters.after_record=kill@2"])
def test_killed_in_the_middle(shop: Shop, database: Database, client: redis.Redis, failpoint: str) -> None:
    """What was sent and not yet written down is sent again; nothing is lost or done twice in effect."""
    rows = 300
    database.script(TABLE)
    millrace = start(shop("public.s"))
    block(client, *range(1, rows + 1))
    database.script(f"insert into s select i, 'v' || i from generate_series(1, {rows}) as i;")
    wait_parked(millrace, rows)
    millrace.kill()
    unblock(client, *range(1, rows + 1))
    start(millrace, failpoint)
    done = millrace.command("dead-letters", "cache", "replay", "--all", "--url", millrace.url)
    assert done.returncode == 4, "the process has died under it"
    assert millrace.wait_exit() == -9
    sent = sum(1 for one in client.scan_iter("s:id:*", count=1000))
    start(millrace)
    states = [one["state"] for one in letters(millrace)]
    finished = states.count("done")
    assert 0 < finished < rows
    assert states.count("parked") == rows - finished
    assert sent == finished if "after" in failpoint else sent > finished
    again = act(millrace, "replay", "--all")
    assert (again["matched"], again["done"]) == (rows - finished, rows - finished)
    for one in range(1, rows + 1):
        assert document(client, f"s:id:{one}") == {"id": one, "v": f"v{one}"}
    wait_parked(millrace, 0)
    assert len(letters(millrace)) == rows


def test_redis_that_comes_back_empty(make: MakeMillrace, database: Database, redis_server: RedisServer,
                                     client: redis.Redis) -> None:
    """It is filled again from the log; what is refused then is open again, under the same number."""
    database.script(TABLE)
    millrace = start(make({"source": database.settings("public.s"), "cache": redis_settings(redis_server.uri)}))
    block(client, 1)
    database.script("insert into s values (1, 'a'), (2, 'b');")
    wait_parked(millrace, 1)
    assert act(millrace, "drop", "--all")["dropped"] == 1
    wait_parked(millrace, 0)
    pipe = client.pipeline()
    pipe.flushall()
    pipe.lpush("s:id:1", "of somebody else")
    pipe.execute()
    wait_parked(millrace, 1)
    again = letters(millrace)
    assert [(one["id"], one["state"]) for one in again] == [(1, "parked")]
    assert [(one["what"], one["state"]) for one in again[0]["history"]] == [("drop", "dropped"), ("parked", "parked")]


def test_rows_go_on_while_letters_are_sent(shop: Shop, database: Database, client: redis.Redis) -> None:
    rows = 2000
    database.script(TABLE)
    millrace = start(shop("public.s", redis={"target.type": "hash"}))
    block(client, *range(1, rows + 1))
    database.script(f"insert into s select i, 'v' || i from generate_series(1, {rows}) as i;")
    wait_parked(millrace, rows)
    unblock(client, *range(1, rows + 1))
    status, begun = request(millrace, "POST", f"{BASE}/replay", '{"all":true}')
    assert status == 202
    for i in range(20):
        database.script(f"insert into s values ({rows + 1 + i}, 'new'); update s set v = 'newer' where id = {i + 1};")
    path = f"{BASE}/operations/{begun['operation']}"
    wait_until(lambda: request(millrace, "GET", path)[1]["state"] == "finished", "it is done", 30,
               context=lambda: str(request(millrace, "GET", path)))
    came = request(millrace, "GET", path)[1]
    assert came["done"] + came["superseded"] == rows
    wait_until(lambda: client.exists(f"s:id:{rows + 20}"), "the last row is there", 15)
    wait_until(lambda: client.hget("s:id:20", "v") == "newer", "the last change is there", 15)
    for one in range(1, rows + 1):
        assert client.hget(f"s:id:{one}", "v") == ("newer" if one <= 20 else f"v{one}"), one


def test_a_stream_takes_no_change_too_late(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Later changes have been added: the parked one would stand behind them. It stays parked, and says why."""
    database.script("create table s (id int primary key, k text); alter table s replica identity full;")
    millrace = start(shop("public.s", redis={"topics": "t.public.s", "target.type": "stream", "target.key": "log:{k}"}))
    client.set("log:a", "in the way")
    database.script("insert into s values (1, 'a'); insert into s values (2, 'b');")
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == 1 and client.xlen("log:b") == 1, "parked", 15,
               context=millrace.tail)
    client.delete("log:a")
    client.xadd("log:a", {"later": "one"}, id="99-1")
    done = millrace.command("dead-letters", "cache", "replay", "--all", "--url", millrace.url)
    assert "order only" in str(millrace.command("dead-letters", "cache", "--json", "--url", millrace.url).stdout), done
    client.delete("log:a")
    millrace.command("dead-letters", "cache", "replay", "--all", "--url", millrace.url)
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == 0, "it is there", 15, context=millrace.tail)
    assert client.xlen("log:a") == 1
