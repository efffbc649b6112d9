"""What the HTTP port says of a node's part in the DHT: numbers for /metrics, and two pages.

/cluster/ring       the nodes by where they stand
/cluster/lookup     how a partition's leader is found: ?partition=TOPIC/N

What is of the DHT is loaded when it is used: a node that is alone has none.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.core.cluster.cluster import Cluster
    from sprawl.core.cluster.overlay import Overlay
    from sprawl.core.cluster.routing import Routing
    from sprawl.gateway.http import Page

SAMPLES: Final = 512
"""Keys by which the share of each node is told: to a twentieth of itself."""
_REFUSED: Final = {
    "STALE": "older than the one known",
    "FORGED": "not signed by the node that they name",
    "EXPIRED": "expired",
    "EARLY": "dated into the future",
    "FULL": "farther away than all that there is room for",
}


def gauges(cluster: Cluster) -> Iterator[tuple[str, str, float]]:
    """For /metrics; nothing on a node that is alone."""
    overlay, routing = cluster.overlay, cluster.routing
    if overlay is None or routing is None:
        return
    from sprawl.core.dht.messages import StoreResult

    dht = overlay.dht
    yield "sprawl_dht_nodes", "Nodes in the routing table of the DHT", len(dht.table)
    yield "sprawl_dht_records", "Records kept for leaders of the cluster", len(dht.records)
    yield "sprawl_dht_published", "Partitions led here that are published", dht.published_count
    yield "sprawl_routes_cached", "Leaders that are known here", len(cluster.hints)
    for result, what in _REFUSED.items():
        yield (
            f"sprawl_dht_records_{result.lower()}_total",
            f"Records that were not taken in or believed: {what}",
            overlay.refused(StoreResult[result]),
        )
    for prefix, counters in (("dht", overlay.counters), ("routes", routing.counters)):
        for field in fields(counters):
            yield (
                f"sprawl_{prefix}_{field.name}_total",
                f"{'DHT' if prefix == 'dht' else 'Routes of partitions'}:"
                f" {field.name.replace('_', ' ')}",
                getattr(counters, field.name),
            )


def pages(parts: Callable[[], tuple[Broker, Cluster] | None]) -> dict[str, Page]:
    """The pages by their paths.

    Args:
        parts: None while the node starts.
    """

    async def ring_page(parameters: Mapping[str, str]) -> object:
        _, _, overlay, _ = _started(parts())
        return ring(overlay)

    async def lookup_page(parameters: Mapping[str, str]) -> object:
        broker, cluster, overlay, routing = _started(parts())
        name, _, number = parameters.get("partition", "").rpartition("/")
        topic = broker.controller.topics.get(name)
        if topic is None:
            raise LookupError(f"this node knows no topic {name!r}")
        if not number.isdecimal() or int(number) not in topic.partitions:
            raise LookupError(f"{name} has no partition {number}")
        from sprawl.core.cluster.route_trace import Parts, trace

        found = Parts(
            broker.node_id,
            overlay,
            routing,
            cluster.book,
            broker.clock,
            cluster.round_trip_ms,
            lambda: broker.controller.leader,
        )
        return await trace(found, topic, int(number))

    return {"/cluster/ring": ring_page, "/cluster/lookup": lookup_page}


def _started(
    parts: tuple[Broker, Cluster] | None,
) -> tuple[Broker, Cluster, Overlay, Routing]:
    if parts is None:
        raise LookupError("this node is starting")
    broker, cluster = parts
    if cluster.overlay is None or cluster.routing is None:
        raise LookupError("this node is alone: it leads everything itself")
    return broker, cluster, cluster.overlay, cluster.routing


def ring(overlay: Overlay) -> dict[str, object]:
    """The nodes in the order of their ids.

    Returns:
        For JSON: `share` is that of all keys whose records a node keeps, `distance` what it is away
        from the node that was asked, both in [0, 1].
    """
    from sprawl.core.dht.ids import ID_BYTES

    shares = shares_of(list(overlay.ids.values()), overlay.settings.holders)
    own = overlay.own_id
    return {
        "asked": overlay.node_id,
        "holders": overlay.settings.holders,
        "everybody_is_told": overlay.is_small,
        "without_place": overlay.unplaced,
        "nodes": [
            {
                "node": node,
                "id": place.to_bytes(ID_BYTES).hex(),
                "distance": (place ^ own) / 2 ** (8 * ID_BYTES),
                "share": shares[place],
                "alive": node == overlay.node_id or overlay.is_alive(node),
            }
            for node, place in sorted(overlay.ids.items(), key=lambda each: each[1])
        ],
    }


def shares_of(places: list[int], holders: int) -> dict[int, float]:
    """Which part of all keys each node keeps records of, by a sample of keys that is always the
    same."""
    taken: Counter[int] = Counter()
    for number in range(SAMPLES):
        key = int.from_bytes(hashlib.sha256(number.to_bytes(4)).digest())
        taken.update(heapq.nsmallest(holders, places, key=lambda place: place ^ key))
    return {place: taken[place] / SAMPLES for place in places}
