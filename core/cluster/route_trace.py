"""How a node finds a partition's leader, step by step, for people: `sprawl cluster lookup`.

Every step is taken, also those that a client's answer would not have needed, so that what they say
can be compared: the cached route, the record that the DHT has, what each replica says, and where
the controller wants the replicas.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.cluster.routing import DHT_SEARCH_MS
from sprawl.core.dht.ids import ID_BYTES, key_of
from sprawl.core.ids import BrokerId, LogKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from sprawl.core.clock import Clock
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.hints import LeaderHint
    from sprawl.core.cluster.overlay import Overlay
    from sprawl.core.cluster.routing import Routing
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.dht.effects import LookupDone
    from sprawl.core.ids import ReplicaId


class Parts(NamedTuple):
    """Of the node that traces."""

    node_id: BrokerId
    overlay: Overlay
    routing: Routing
    book: AddressBook
    clock: Clock
    round_trip_ms: Callable[[BrokerId], float | None]
    controller_node: Callable[[], BrokerId | None]


async def trace(parts: Parts, topic: TopicInfo, index: int) -> dict[str, object]:
    """Look a partition up, and say what was found on each way.

    Returns:
        For JSON; nodes are Kafka's broker ids, -1 for a replica whose node is gone.
    """
    key = LogKey(topic.id, index)
    overlay = parts.overlay
    cached = parts.routing.cached(key)
    found = await _look_up(overlay, key)
    words = await parts.routing.ask_everybody(key, topic.replicas[index])
    leaders = [
        (word.term, node)
        for node, word in words.items()
        if word is not None and parts.book.node_of(word.leader) == node
    ]
    # Of two that say so, the one of the earlier term has been deposed and does not know it yet.
    leader = max(leaders)[1] if leaders else None
    record = None if found is None else found.record
    return {
        "partition": f"{topic.name}/{index}",
        "asked": parts.node_id,
        "key": key_of(overlay.cluster_id, key).to_bytes(ID_BYTES).hex(),
        "told": overlay.is_small or overlay.is_settled(key),
        "leader": leader,
        "cache": _hint(parts, cached, leader),
        "dht": _lookup(parts, found, leader),
        "record": None
        if record is None
        else {
            "term": record.claim.term,
            "config_index": record.claim.config_index,
            "sequence": record.sequence,
            "leader": record.node,
            "in_sync": sorted(_nodes(parts, record.claim.in_sync)),
            "expires_in_ms": record.expires_ms - parts.clock.now_ms(),
            "signed": bool(record.signature),
            "right": record.node == leader,
        },
        "replicas": [
            {
                "node": node,
                "answered": node in words,
                **(_hint(parts, words.get(BrokerId(node)), leader) or {}),
            }
            for node in _nodes(parts, topic.replicas[index])
        ],
        "controller": {
            "node": parts.controller_node(),
            "replicas": _nodes(parts, topic.replicas[index]),
            "moves_to": _nodes(parts, topic.moving[index]) if index in topic.moving else None,
        },
    }


async def _look_up(overlay: Overlay, key: LogKey) -> LookupDone | None:
    try:
        async with asyncio.timeout(DHT_SEARCH_MS / 1_000):
            return await overlay.lookup(key)
    except TimeoutError:
        return None


def _hint(
    parts: Parts, hint: LeaderHint | None, leader: BrokerId | None
) -> dict[str, object] | None:
    if hint is None:
        return None
    node = parts.book.node_of(hint.leader)
    return {
        "leader": -1 if node is None else node,
        "term": hint.term,
        "sequence": hint.sequence,
        "in_sync": sorted(_nodes(parts, hint.in_sync)),
        "right": node is not None and node == leader,
    }


def _lookup(
    parts: Parts, found: LookupDone | None, leader: BrokerId | None
) -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "hops": found.hops,
        "requests": found.requests,
        "took_ms": found.took_ms,
        "nodes": [
            {
                "node": each.node,
                "id": each.id.to_bytes(ID_BYTES).hex(),
                "round_trip_ms": parts.round_trip_ms(each.node),
            }
            for each in found.closest
        ],
        "found": found.record is not None,
        "right": found.record is not None and found.record.node == leader,
    }


def _nodes(parts: Parts, replicas: tuple[ReplicaId, ...]) -> list[int]:
    nodes = map(parts.book.node_of, replicas)
    return [-1 if each is None else int(each) for each in nodes]
