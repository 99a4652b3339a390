"""Keys, and fields of hashes, that go by themselves."""

from __future__ import annotations

from collections.abc import Callable

import redis
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
