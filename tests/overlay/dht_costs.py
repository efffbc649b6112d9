"""What single steps of the DHT cost on this machine, in microseconds."""

from __future__ import annotations

import asyncio
import time
import timeit
from collections.abc import Callable
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from data_world import World
from overlay_world import OverlayWorld

from overlay.dht_runs import Row, network
from overlay.network import CLUSTER, claim_of, key_of_partition, partition
from sprawl.core.cluster.hints import LeaderHint, LeaderHints
from sprawl.core.dht.messages import FindNode, Found
from sprawl.core.dht.placement import cell_of
from sprawl.core.dht.records import is_genuine, make_record, parse_record
from sprawl.core.dht.signatures import KeySigner, KeyTrust
from sprawl.core.dht.wire import encode, parse
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, TopicId

ROUTES = 50_000
ASKED = 1_000
"""Partitions of one request."""


def costs(seed: int) -> list[Row]:
    """CPU time, the fastest of many short runs, so that other work on the machine counts little."""
    signer = KeySigner(Ed25519PrivateKey.generate())
    trust = KeyTrust(lambda _: True)

    def make() -> bytes:
        return make_record(
            claim_of(1, 1),
            sequence=1,
            node=BrokerId(1),
            expires_ms=1,
            cluster_id=CLUSTER,
            credential=signer.credential,
            signer=signer,
        ).encoded

    record = parse_record(make())
    net = network(1_000, seed)
    table = net.nodes[0].table
    found = Found(1, tuple(table.closest(key_of_partition(1), 20)), record)
    data = encode(found)
    places = {ReplicaId(number): each.id for number, each in enumerate(net.contacts)}
    asked, asker = net.nodes[0], net.contacts[1]
    ask = FindNode(1, key_of_partition(7))
    steps: dict[str, Callable[[], object]] = {
        "the 20 nearest of a routing table": lambda: table.closest(key_of_partition(1), 20),
        "FIND_NODE, from message to answer": lambda: asked.receive(ask, asker, net.now),
        f"encode an answer of 20 contacts and a record, {len(data):,} bytes": lambda: encode(found),
        "parse it": lambda: parse(data),
        f"sign a record of {len(record.encoded)} bytes, Ed25519": make,
        "verify it": lambda: is_genuine(record, CLUSTER, trust),
        "the cell of a partition among 1,000 nodes": lambda: cell_of(key_of_partition(1), places),
    }
    rows: list[Row] = [
        {"step": f"a route out of the cache, {ROUTES:,} in it", "us": _cached_route_us()},
        {"step": "who leads, as Metadata tells it, out of the cache", "us": _told_us()},
        {"step": "whether a partition has to be looked up", "us": asyncio.run(_is_to_seek_us())},
    ]
    for name, step in steps.items():
        rows.append({"step": name, "us": _fastest_s(step, 20) / 20 * 1e6})
    return rows


def _cached_route_us() -> float:
    cache = LeaderHints()
    for number in range(ROUTES):
        claim = claim_of(number, 1)
        cache.merge(claim.log_key, LeaderHint(claim.term, 1, claim.leader, claim.replicas))
    # Other objects than those that are in it, as a request's are.
    asked = [partition(number * 7 % ROUTES) for number in range(ASKED)]
    asked = [LogKey(TopicId(UUID(bytes=k.topic_id.bytes)), k.partition) for k in asked]

    def read() -> None:
        get = cache.get
        for key in asked:
            get(key)

    return _fastest_s(read, 1) / len(asked) * 1e6


def _told_us() -> float:
    world = World()
    world.other_broker(2)
    topic_id = world.elsewhere("t", [(2, 3, 4)] * ASKED)
    for index in range(ASKED):
        world.hint(topic_id, index, leader=2, term=1)
    topic, view = world.state.by_id[topic_id], world.broker.cluster

    def tell() -> None:
        for index in range(ASKED):
            view.leader(topic, index)

    assert view.leader(topic, ASKED - 1) == 2
    return _fastest_s(tell, 1) / ASKED * 1e6


async def _is_to_seek_us() -> float:
    with OverlayWorld(20) as world:
        topic, routing = world.topic(ASKED), world.nodes[1].routing
        for index in range(ASKED):
            world.lead(topic, index, leader=topic.replicas[index][0])
        search = routing.search([(topic, range(ASKED))])
        assert search is not None
        await search
        assert routing.search([(topic, range(ASKED))]) is None
        return _fastest_s(lambda: routing.search([(topic, range(ASKED))]), 1) / ASKED * 1e6


def _fastest_s(step: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(step, number=number, repeat=50, timer=time.process_time))
