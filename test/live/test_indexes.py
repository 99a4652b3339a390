"""Search indexes that the sink owns: every type of field is answered, a changed definition is built beside while
queries go on, and what was begun is ended after a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from test_stream import start

from harness.millrace import Millrace
from harness.postgres import Database
from harness.waiting import wait_until

Shop = Callable[..., Millrace]
OWNED = "millrace:indexes:cache"
FIELDS = {"v": "TAG", "n": "NUMERIC"}
CHANGED = {"v": "TAG", "n": "NUMERIC SORTABLE"}


def target(client: redis.Redis, name: str) -> str | None:
    """The index that answers to a name."""
    try:
        answer = client.execute_command("FT.INFO", name)
    except redis.ResponseError:
        return None
    return str(answer[answer.index("index_name") + 1])


def indexes(client: redis.Redis) -> set[str]:
    return {str(one) for one in client.execute_command("FT._LIST")}


def count(client: redis.Redis, name: str, query: str = "*", *more: Any) -> int:
    return int(client.execute_command("FT.SEARCH", name, query, *more, "LIMIT", "0", "0", "DIALECT", "3")[0])


def sink(fields: dict[str, str], **more: Any) -> dict[str, Any]:
    """Settings of a sink with one index called `ix`; `adopt` and such belong to the index, others to the sink."""
    own = {name: more.pop(name) for name in ("adopt", "aliases", "filter") if name in more}
    return {"topics": "t.public.s", "target.key": "s:{id}", "redis.index.poll.ms": 200, **more,
            "indexes": {"ix": {"prefix": "s:", "fields": fields, **own}}}


def rows(database: Database, number: int) -> None:
    database.script(f"""create table s (id int primary key, v text, n int);
      insert into s select i, 'v' || i % 10, i from generate_series(1, {number}) i;""")


def change(millrace: Millrace, fields: dict[str, str], **more: Any) -> None:
    for name in [one for one in millrace.connectors["cache"] if one.startswith("indexes")]:
        del millrace.connectors["cache"][name]
    millrace.connectors["cache"].update(sink(fields, **more))


def shop_of(shop: Shop, fields: dict[str, str], **more: Any) -> Millrace:
    return shop("public.s", postgres={"snapshot.mode": "initial"}, redis=sink(fields, **more))


def wait_count(millrace: Millrace, client: redis.Redis, number: int) -> None:
    wait_until(lambda: count(client, "ix") == number, f"{number} documents are found", 30, context=millrace.tail)


def wait_moved(millrace: Millrace, client: redis.Redis, old: str | None) -> str:
    """Waits until another index answers, and it is the only one and the only one noted."""
    def done() -> bool:
        now = target(client, "ix")
        return now not in (None, old) and indexes(client) == {now} == set(client.hgetall(OWNED))
    wait_until(done, "the new index alone is there", 30,
               context=lambda: f"{indexes(client)} {client.hgetall(OWNED)} {millrace.tail()}")
    return str(target(client, "ix"))


def test_every_type_is_answered(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("""create table s (id int primary key, v text, n int, place text, area text, near jsonb);
      insert into s values (1, 'Große Häuser', 5, '13.4,52.5', 'POLYGON((0 0, 0 10, 10 10, 10 0, 0 0))', '[1, 0, 0]'),
        (2, 'small cat', 7, '2.35,48.85', 'POLYGON((20 20, 20 30, 30 30, 30 20, 20 20))', '[0, 1, 0]');""")
    millrace = start(shop_of(shop, {
        "v": "text sortable nostem", "v as tag": "TAG SEPARATOR ; CASESENSITIVE", "n": "NUMERIC NOINDEX SORTABLE",
        "n as number": "NUMERIC", "place": "GEO", "area": "GEOSHAPE FLAT",
        "near": "VECTOR HNSW TYPE FLOAT32 DIM 3 DISTANCE_METRIC L2 M 8 EF_RUNTIME 20",
        "near as flat": "VECTOR FLAT 6 TYPE FLOAT32 DIM 3 DISTANCE_METRIC COSINE"}, aliases="other"))
    wait_count(millrace, client, 2)

    def found(query: str, *more: Any, name: str = "ix") -> list[str]:
        answer = client.execute_command("FT.SEARCH", name, query, "NOCONTENT", *more, "DIALECT", "3")
        return [str(one) for one in answer[1:]]

    assert found("@v:cat") == ["s:2"]
    assert found(r"@tag:{small\ cat}") == ["s:2"] and found(r"@tag:{Small\ cat}") == []
    assert found("@number:[6 8]", name="other") == ["s:2"]
    assert found("*", "SORTBY", "n", "DESC") == ["s:2", "s:1"]
    assert found("@place:[13.4 52.5 10 km]") == ["s:1"]
    assert found("@area:[CONTAINS $p]", "PARAMS", "2", "p", "POINT(25 25)") == ["s:2"]
    for name in ("near", "flat"):
        nearest = found(f"*=>[KNN 1 @{name} $p]", "PARAMS", "2", "p", b"\0\0\0\0\0\0\x80?\0\0\0\0")
        assert nearest == ["s:2"], name
    assert "as defined" in millrace.check().stdout
    millrace.terminate()
    before = target(client, "ix")
    start(millrace)
    assert target(client, "ix") == before and indexes(client) == {before}


def test_faults_of_the_file_are_told(shop: Shop, database: Database) -> None:
    rows(database, 1)
    millrace = shop_of(shop, {"v": "TAG CASESENSITIV", "n": "VECTOR FLAT TYPE FLOAT32 DISTANCE_METRIC L2"})
    said = millrace.check().stderr
    assert "did you mean CASESENSITIVE" in said, said
    assert "the vector has no DIM" in said and "pipeline.yaml:" in said, said


def test_changed_while_rows_flow(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Queries by the alias never fail, nor find fewer documents than before."""
    rows(database, 100)
    millrace = start(shop_of(shop, FIELDS, **{"redis.index.poll.ms": 100}))
    wait_count(millrace, client, 100)
    with client.pipeline(transaction=False) as fill:  # so many that a build lasts longer than a poll
        for i in range(80_000):
            fill.execute_command("JSON.SET", f"s:f{i}", "$", f'{{"id": {i}, "v": "v{i}", "n": {i}}}')
        fill.execute()
    old = target(client, "ix")
    millrace.terminate()
    change(millrace, CHANGED, **{"redis.index.poll.ms": 100})
    plan = millrace.check().stdout
    assert f"beside {old}" in plan and "field n is not SORTABLE" in plan and "80100 documents" in plan, plan
    millrace.start(wait=False)
    seen, number = 80_100, 100

    def moved() -> bool:
        nonlocal seen, number
        number += 20
        database.script(f"insert into s select i, 'new', i from generate_series({number - 19}, {number}) i;")
        for _ in range(20):
            now = count(client, "ix")
            assert now >= seen, f"{now} documents after {seen}"
            seen = now
        return indexes(client) == {target(client, "ix")} != {old}

    wait_until(moved, "the alias has moved and the old index is gone", 60, pause_s=0.01, context=millrace.tail)
    wait_count(millrace, client, number + 80_000)
    wait_moved(millrace, client, old)
    assert "as defined" in millrace.check().stdout


@pytest.mark.parametrize("point", ["redis.index_noted", "redis.index_created", "redis.index_moved",
                                   "redis.index_dropped"])
def test_killed_at_each_step(shop: Shop, database: Database, client: redis.Redis, point: str) -> None:
    rows(database, 200)
    millrace = start(shop_of(shop, FIELDS))
    wait_count(millrace, client, 200)
    old = target(client, "ix")
    millrace.terminate()
    change(millrace, CHANGED)
    millrace.start(f"{point}=kill", wait=False)
    wait_until(lambda: not millrace.running(), f"{point} kills the program", 30, context=millrace.tail)
    assert count(client, "ix") == 200
    start(millrace)
    wait_moved(millrace, client, old)
    assert count(client, "ix") == 200


@pytest.mark.parametrize("point", ["redis.index_noted", "redis.index_created"])
def test_killed_before_there_is_an_alias(shop: Shop, database: Database, client: redis.Redis, point: str) -> None:
    rows(database, 20)
    millrace = shop_of(shop, FIELDS)
    millrace.start(f"{point}=kill", wait=False)
    wait_until(lambda: not millrace.running(), f"{point} kills the program", 30, context=millrace.tail)
    start(millrace)
    wait_moved(millrace, client, None)
    wait_count(millrace, client, 20)


def test_changed_back_while_building(shop: Shop, database: Database, client: redis.Redis) -> None:
    """What was begun for a definition that is given up again is dropped."""
    rows(database, 20)
    millrace = start(shop_of(shop, FIELDS))
    wait_count(millrace, client, 20)
    old = target(client, "ix")
    millrace.terminate()
    change(millrace, CHANGED)
    millrace.start("redis.index_created=kill", wait=False)
    wait_until(lambda: not millrace.running(), "killed", 30, context=millrace.tail)
    assert len(indexes(client)) == 2
    change(millrace, FIELDS)
    start(millrace)
    wait_until(lambda: indexes(client) == {old} == set(client.hgetall(OWNED)), "only the old one is there", 20)


def test_an_index_of_the_same_name(shop: Shop, database: Database, client: redis.Redis) -> None:
    """Made by hand: left alone until it may be replaced; then no query fails."""
    rows(database, 200)
    client.execute_command("FT.CREATE", "ix", "ON", "JSON", "PREFIX", "1", "s:", "SCHEMA", "$.v", "AS", "v", "TAG")
    millrace = start(shop_of(shop, FIELDS))
    wait_count(millrace, client, 200)
    wait_until(lambda: "adopt: true" in str(millrace.status()["cache"]["warnings"]), "it is told", 20)
    assert indexes(client) == {"ix"}
    millrace.terminate()
    change(millrace, FIELDS, adopt=True)
    assert "that one is dropped" in millrace.check().stdout
    millrace.start(wait=False)

    def replaced() -> bool:
        for _ in range(50):
            assert count(client, "ix") == 200
        return target(client, "ix") != "ix"

    wait_until(replaced, "the alias has taken its place", 30, pause_s=0.001, context=millrace.tail)
    wait_moved(millrace, client, "ix")


def test_an_index_as_defined_is_left_alone(shop: Shop, database: Database, client: redis.Redis) -> None:
    rows(database, 20)
    client.execute_command("FT.CREATE", "ix", "ON", "JSON", "PREFIX", "1", "s:", "SCHEMA", "$.v", "AS", "v", "TAG",
                           "$.n", "AS", "n", "NUMERIC")
    millrace = start(shop_of(shop, {"v": "TAG", "$.n as n": "NUMERIC"}, adopt=True))
    wait_count(millrace, client, 20)
    assert client.json().get("s:1") == {"id": 1, "v": "v1", "n": 1}, "a JSONPath reads what is there anyway"
    assert indexes(client) == {"ix"} and not client.exists(OWNED)
    assert "as defined" in millrace.check().stdout


def test_removed_from_the_file(shop: Shop, database: Database, client: redis.Redis) -> None:
    rows(database, 20)
    millrace = start(shop_of(shop, FIELDS))
    wait_count(millrace, client, 20)
    own = target(client, "ix")
    client.execute_command("FT.CREATE", "byhand", "ON", "JSON", "PREFIX", "1", "s:", "SCHEMA", "$.v", "AS", "v", "TAG")
    millrace.terminate()
    del millrace.connectors["cache"]["indexes"]
    assert f"FT.DROPINDEX {own}" in millrace.check().stdout
    start(millrace)
    wait_until(lambda: f"FT.DROPINDEX {own}" in str(millrace.status()["cache"]["warnings"]), "it is told", 20)
    assert indexes(client) == {own, "byhand"}
    millrace.terminate()
    millrace.connectors["cache"]["redis.index.drop.removed"] = True
    start(millrace)
    wait_until(lambda: indexes(client) == {"byhand"}, "it is dropped, the other is not", 20, context=millrace.tail)
    assert not client.exists(OWNED) and client.exists("s:1")


def test_two_sinks_of_one_name(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The one that has made the index owns it; the other uses it, and never drops it."""
    rows(database, 20)
    millrace = shop_of(shop, FIELDS)
    millrace.connectors["second"] = dict(millrace.connectors["cache"])
    millrace.start()
    wait_count(millrace, client, 20)
    wait_until(lambda: {millrace.state(name) for name in ("cache", "second")} == {"running"}, "both run", 20)
    owners = [name for name in ("cache", "second") if client.exists(f"millrace:indexes:{name}")]
    assert len(owners) == 1 and len(indexes(client)) == 1
    other = "second" if owners == ["cache"] else "cache"
    before = target(client, "ix")
    millrace.terminate()
    millrace.connectors[other].update(sink(CHANGED))
    millrace.start()
    wait_until(lambda: "left alone" in str(millrace.status()[other]["warnings"]), "the difference is told", 20)
    assert indexes(client) == {before}


def test_failures_name_the_field_and_the_key(shop: Shop, database: Database, client: redis.Redis) -> None:
    """The key and no value in the status, neither in the log."""
    database.script("create table s (id int primary key, v text); insert into s values (1, '1'), (7777, 'sesame');")
    millrace = start(shop_of(shop, {"v": "NUMERIC"}, **{"target.type": "hash"}))
    wait_until(lambda: "field v" in str(millrace.status()["cache"]["warnings"]), "it is told", 20,
               context=millrace.tail)
    warning = str(millrace.status()["cache"]["warnings"])
    assert "1 by field v" in warning and "s:7777" in warning and "sesame" not in warning
    wait_until(lambda: 'field_failures{connector="cache",field="v",index="ix"} 1' in millrace.metrics(), "counted", 10,
               context=lambda: str([one for one in millrace.metrics().splitlines() if "index" in one]))
    assert "fields=v" in millrace.tail(20_000)
    assert "7777" not in millrace.tail(20_000) and "sesame" not in millrace.tail(20_000)
