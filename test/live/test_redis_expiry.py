"""Keys, and fields of hashes, that go by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from test_redis_rebuild import rebuild
from test_redis_targets import output, wait_equal
from test_stream import start
from test_verify import settled, verify

from harness.millrace import Millrace
from harness.postgres import Database
from harness.rights import rights, set_user
from harness.waiting import wait_until

Shop = Callable[..., Millrace]


def test_keys_expire(shop: Shop, database: Database, client: redis.Redis) -> None:
    database.script("create table x (id int primary key, till timestamptz, v int);")
    millrace = start(shop("public.x", redis={"topics": "t.public.x"}
                          | output("row", target__key="row:{id}", target__expire="{till}")
                          | output("all", target__type="set", target__key="all", target__expire="1000")))
    database.script("""insert into x values (1, now() + interval '1 hour', 1), (2, null, 1), (3, 'infinity', 1),
      (4, now() - interval '1 second', 1), (5, now() + interval '2 seconds', 1);""")
    wait_equal(millrace, lambda: client.smembers("all"), {"1", "2", "3", "4", "5"})
    assert 3500 < client.ttl("row:1") <= 3600
    assert [client.ttl(f"row:{key}") for key in (2, 3)] == [-1, -1]
    assert 900 < client.ttl("all") <= 1000
    wait_until(lambda: not client.exists("row:4", "row:5"), "they are gone", 15)
    database.script("update x set till = null where id = 1;")
    wait_equal(millrace, lambda: client.ttl("row:1"), -1)


def test_times_far_away(shop: Shop, database: Database, client: redis.Redis) -> None:
    """What Redis would refuse is as near as can be: the row is there, or gone, and not parked."""
    database.script("""create table s (id int primary key, secs bigint, till date);
      insert into s values (1, 9223372036854775807, '5874897-12-31'), (2, 10, '2100-01-01'),
        (3, -9223372036854775808, '4713-01-01 BC');""")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}, redis={"topics": "t.public.s"}
                          | output("secs", target__key="secs:{id}", target__expire="{secs}")
                          | output("till", target__key="till:{id}", target__expire="{till}")
                          | output("all", target__key="all:{id}")))
    wait_until(lambda: client.exists("all:1", "all:2", "all:3") == 3, "the rows", 15, context=millrace.tail)
    settled(millrace)
    assert millrace.status()["cache"]["dead_letters"] == 0
    assert client.ttl("secs:1") > 1_000_000_000
    assert 0 < client.ttl("secs:2") <= 10
    assert client.ttl("till:1") > 1_000_000_000
    assert not client.exists("secs:3", "till:3")


def test_rebuild_of_keys_that_expire(shop: Shop, database: Database, client: redis.Redis) -> None:
    """verify cannot tell whether they have gone by themselves; a rebuild writes them again, but not those whose row
    says that their time is over."""
    database.script("""create table s (id int primary key, till timestamptz);
      insert into s select i, now() + i % 2 * interval '1 hour' from generate_series(1, 50) i;""")
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}, redis={"topics": "t.public.s"}
                          | output("row", target__key="row:{id}", target__expire="86400")
                          | output("till", target__key="till:{id}", target__expire="{till}")))
    wait_until(lambda: len(client.keys("row:*")) == 50 and len(client.keys("till:*")) == 25, "all is there", 30,
               context=millrace.tail)
    settled(millrace)
    client.delete(*client.keys("row:*"))
    verify(millrace, code=0)
    client.delete(*client.keys("till:*"))
    verify(millrace, code=1)
    assert rebuild(millrace)["public.s"]["repaired"] == 75
    assert (len(client.keys("row:*")), len(client.keys("till:*"))) == (50, 25)
    assert client.ttl("row:1") > 86_000
    assert rebuild(millrace)["public.s"]["repaired"] == 0


def test_a_change_of_what_has_expired(shop: Shop, database: Database, client: redis.Redis) -> None:
    """With all its values it comes again; one that keeps a value has nothing to keep it from: it is parked and says
    which setting helps, and with that it comes again too."""
    database.script("""create table s (id int primary key, v int, big text);
      alter table s alter big set storage external;
      insert into s values (1, 0, repeat('b', 5000)), (2, 0, null);""")
    settings: dict[str, Any] = {"topics": "t.public.s", "target.key": "s:{id}", "target.expire": "1"}
    millrace = start(shop("public.s", postgres={"snapshot.mode": "initial"}, redis=settings))
    wait_until(lambda: client.exists("s:1", "s:2") == 2, "the rows", 15, context=millrace.tail)
    wait_until(lambda: client.exists("s:1", "s:2") == 0, "they have expired", 15)
    database.script("update s set v = 1 where id = 2;")
    wait_until(lambda: client.exists("s:2"), "the row that was sent whole", 15, context=millrace.tail)
    database.script("update s set v = 1 where id = 1;")
    wait_until(lambda: millrace.status()["cache"]["dead_letters"] == 1, "it is parked", 15)
    listed = millrace.command("dead-letters", "cache", "--url", millrace.url).stdout
    assert "reselect.unavailable.values" in listed
    millrace.terminate()
    millrace.connectors["source"]["reselect.unavailable.values"] = "true"
    start(millrace)
    database.script("update s set v = 2 where id = 1;")
    wait_until(lambda: client.exists("s:1"), "the row with the value read", 15, context=millrace.tail)


def test_fields_of_a_hash_expire(shop: Shop, database: Database, client: redis.Redis) -> None:
    """By seconds or by a column; through key changes, with values that were not sent, with the least rights; those that
    are gone are not missed."""
    set_user(client, "on", ">user-secret", "~*", *rights("hash", "target.expire.fields", "millrace verify"))
    database.script("""create table x (id int primary key, token text, code text, till timestamptz, v int);
      alter table x alter token set storage external, alter code set storage external;""")
    millrace = start(shop("public.x", redis={"topics": "t.public.x", "target.key": "x:{id}", "target.type": "hash",
                                             "redis.username": "app", "redis.password": "user-secret",
                                             "target.expire.fields": "token 1000, code {till}"}))
    database.script("""insert into x values (1, repeat('t', 3000), repeat('c', 3000), now() + interval '1 hour', 1),
      (2, 't', 'c', null, 1), (3, 't', 'c', now() - interval '1 hour', 1),
      (4, repeat('t', 3000), repeat('c', 3000), now() + interval '1 second', 1);""")

    def ends(key: str) -> list[int]:
        """Seconds of token and code; -1: never, -2: not there."""
        return client.httl(key, "token", "code")

    def are_about(key: str, *wanted: int) -> bool:
        return len(ends(key)) == 2 and all(w - 60 < e <= w for e, w in zip(ends(key), wanted, strict=True))

    wait_until(lambda: are_about("x:1", 1000, 3600), "the ends", 15, context=lambda: f"{ends('x:1')} {millrace.tail()}")
    assert are_about("x:2", 1000, -1)
    assert are_about("x:3", 1000, -2)
    wait_until(lambda: are_about("x:4", 1000, -2), "the code has gone", 15)
    client.hpersist("x:1", "token")
    # The large values are not sent: what is kept keeps its end, where the column at hand does not say another.
    database.script("""update x set v = 2, till = now() + interval '2 hours' where id = 1;
      update x set v = 2 where id = 4;""")
    wait_until(lambda: client.hget("x:4", "v") == "2", "rows are written", 15, context=millrace.tail)
    assert are_about("x:1", -1, 7200), ends("x:1")
    database.script("update x set id = id + 10 where id in (1, 4);")
    wait_until(lambda: are_about("x:11", 1000, 7200) and are_about("x:14", 1000, -2), "both have moved", 15,
               context=lambda: f"{ends('x:11')} {ends('x:14')} {millrace.status()}")
    assert client.hget("x:11", "token") == "t" * 3000
    settled(millrace)
    assert not millrace.status()["cache"]["dead_letters"]
    verify(millrace, code=0)
    client.acl_deluser("app")
