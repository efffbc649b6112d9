"""Our routing table beside that of the PyPI package `kademlia` 2.2.3, an independent one.

It is no dependency: `pip install kademlia==2.2.3` to run this. Its `find_neighbors` stops as soon
as it has seen k contacts, bucket by bucket from the target's to both sides, so that it may miss
nearer ones; ours must never be worse, and equal where it looks at all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import NodeId
from sprawl.core.dht.routing_table import RoutingTable
from sprawl.core.ids import BrokerId

kademlia_node = pytest.importorskip("kademlia.node")
kademlia_routing = pytest.importorskip("kademlia.routing")

K = 20
BITS = 160


class Silent:
    """The oracle pings over this when a bucket is full; nobody ever answers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def call_ping(self, node: object) -> asyncio.Future[None]:
        del node
        return self._loop.create_future()


@pytest.fixture
def silent() -> Iterator[Silent]:
    loop = asyncio.new_event_loop()
    yield Silent(loop)
    loop.close()


def peer(node_id: int) -> Any:
    return kademlia_node.Node(node_id.to_bytes(BITS // 8))


@pytest.mark.parametrize("seed", range(20))
def test_find_node_is_never_worse_than_the_oracle(silent: Silent, seed: int) -> None:
    rng = Random(seed)
    own = rng.getrandbits(BITS)
    oracle = kademlia_routing.RoutingTable(silent, K, peer(own))
    for _ in range(rng.choice((5, K, 100, 1_000))):
        oracle.add_contact(peer(rng.getrandbits(BITS)))
    known = [each.long_id for bucket in oracle.buckets for each in bucket.get_nodes()]
    # Its ids are the low bits of ours, so that distances are the same numbers.
    ours = RoutingTable(NodeId(own), k=1_000, now_ms=0)
    for each in known:
        assert ours.add(Contact(NodeId(each), BrokerId(0)))
    equal = 0
    for _ in range(100):
        target = rng.getrandbits(BITS)
        theirs = [each.long_id for each in oracle.find_neighbors(peer(target), K)]
        found = [each.id for each in ours.closest(target, K)]
        assert len(found) == len(theirs)
        for mine, other in zip(found, theirs, strict=True):
            assert mine ^ target <= other ^ target
        equal += found == theirs
    if len(known) <= K:
        assert equal == 100
