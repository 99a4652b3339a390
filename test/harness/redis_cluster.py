"""A Redis Cluster of our own: masters with some replicas, slots moved and masters killed at will."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis

from harness.redis_stack import RedisServer
from harness.waiting import free_port, wait_until

SLOTS = 16_384
NODE_TIMEOUT_MS = 1_000


class RedisCluster:
    """Masters share the slots evenly. `replicas`: masters, by number, that have one each; `spares`: nodes without a
    slot."""

    def __init__(self, root: Path, masters: int = 3, replicas: list[int] | None = None, spares: int = 0,
                 options: list[str] | None = None) -> None:
        followed = replicas or []
        self.buses = [free_port() for _ in range(masters + len(followed) + spares)]
        self.nodes = [RedisServer(root / f"node-{number}", options=[
            "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-port", str(bus),
            "--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0", *(options or [])])
            for number, bus in enumerate(self.buses)]
        self.masters = self.nodes[:masters]
        self.replicas = dict(zip(followed, self.nodes[masters:], strict=False))
        self.spares = self.nodes[masters + len(followed):]

    def start(self) -> RedisCluster:
        for node in self.nodes:
            node.start()
        first = self.masters[0].client()
        for node, bus in zip(self.nodes[1:], self.buses[1:], strict=True):
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        share = SLOTS // len(self.masters)
        for number, node in enumerate(self.masters):
            last = SLOTS - 1 if node is self.masters[-1] else (number + 1) * share - 1
            node.client().execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        wait_until(lambda: all(self.knows_all(node) for node in self.nodes), "all nodes know each other", 30)
        for number, node in self.replicas.items():
            node.client().execute_command("CLUSTER", "REPLICATE", self.id_of(self.masters[number]))
        for node in self.replicas.values():
            wait_until(lambda one=node: one.client().info("replication").get("master_link_status") == "up",  # type: ignore[misc]
                       "the replica is in step", 30)
        wait_until(self.serves_all, "all slots are served", 30)
        return self

    def knows_all(self, node: RedisServer) -> bool:
        return len(str(node.client().execute_command("CLUSTER", "NODES")).splitlines()) == len(self.nodes)

    def serves_all(self) -> bool:
        return all("cluster_state:ok" in str(node.client().execute_command("CLUSTER", "INFO"))
                   for node in self.nodes if node.running())

    def id_of(self, node: RedisServer) -> str:
        return str(node.client().execute_command("CLUSTER", "MYID"))

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def settings(self) -> dict[str, Any]:
        return {"redis.uri": "redis://127.0.0.1", "redis.cluster.nodes": self.addresses}

    def client(self) -> redis.RedisCluster:
        alive = next(node for node in self.nodes if node.running())
        return redis.RedisCluster(host="127.0.0.1", port=alive.port, protocol=2, decode_responses=True,
                                  socket_timeout=30)

    # ---- slots on the move

    def owner(self, slot: int) -> RedisServer:
        """By the word of most."""
        for node in self.nodes:
            if node.running():
                for first, last, master, *_ in node.client().execute_command("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next(one for one in self.nodes if one.port == master[1])
        raise AssertionError(f"slot {slot} has no master")

    def begin_move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """From here on keys that are not there are asked for at the target (ASK)."""
        target.client().execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source.client().execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: RedisServer, target: RedisServer, count: int) -> int:
        raw = redis.Redis(port=source.port, protocol=2, socket_timeout=30)
        keys = raw.execute_command("CLUSTER", "GETKEYSINSLOT", slot, count)
        if keys:
            raw.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def end_move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """From here on the source answers MOVED."""
        while self.move_keys(slot, source, target, 100):
            pass
        for node in (target, source, *(one for one in self.masters if one.running())):
            node.client().execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))

    def move_slot(self, slot: int, target: RedisServer) -> None:
        source = self.owner(slot)
        if source is not target:
            self.begin_move(slot, source, target)
            self.end_move(slot, source, target)

    def redirections(self) -> dict[str, int]:
        """How often the nodes that run have answered MOVED and ASK."""
        out = {"MOVED": 0, "ASK": 0}
        for node in self.nodes:
            if node.running():
                errors = node.client().info("errorstats")
                for kind in out:
                    found = errors.get(f"errorstat_{kind}")
                    out[kind] += int(found["count"]) if found else 0
        return out

    def destroy(self) -> None:
        for node in self.nodes:
            node.destroy()
