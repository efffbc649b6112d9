"""A node as others know it, and which of several equally good ones to ask first. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.dht.ids import NodeId
from sprawl.core.ids import BrokerId
from sprawl.core.limits import DHT_ROUND_TRIPS_MAX


class Contact(NamedTuple):
    """A node: where it stands, by which number the transport reaches it, where it is.

    The address is not part of it: membership knows where a node listens now.
    """

    id: NodeId
    node: BrokerId
    rack: str | None = None


class Locality:
    """How near other nodes are on the network: the rack, and what answers took.

    Round trips are smoothed as TCP does (RFC 6298: an eighth of each new sample); only the nodes
    measured last are remembered.
    """

    __slots__ = ("_rack", "_round_trips")

    def __init__(self, rack: str | None) -> None:
        self._rack = rack
        self._round_trips: dict[NodeId, int] = {}

    def measured(self, node: NodeId, round_trip_ms: int) -> None:
        """An answer of this node took so long."""
        known = self._round_trips.pop(node, None)
        sample = round_trip_ms << 3
        self._round_trips[node] = sample if known is None else known + ((sample - known) >> 3)
        if len(self._round_trips) > DHT_ROUND_TRIPS_MAX:
            del self._round_trips[next(iter(self._round_trips))]

    def forget(self, node: NodeId) -> None:
        self._round_trips.pop(node, None)

    def rank(self, contact: Contact) -> tuple[bool, int]:
        """Sorts what is nearer first: the own rack, then the shorter round trip in powers of two,
        since smaller differences are noise. A node never measured counts as an average one."""
        known = self._round_trips.get(contact.id)
        spread = _UNMEASURED if known is None else (known >> 3).bit_length()
        return (contact.rack is None or contact.rack != self._rack, spread)


_UNMEASURED = 4
"""As if the round trip were 8 to 15 ms: more than within a place, less than between regions."""
