"""Where partitions are led, as far as a gateway remembers: bounded, and quick to read. Pure.

Two generations: what is read or learned goes to the young one; when that is full it becomes the old
one, and what was old and not used since is forgotten. Reading changes nothing unless the route has
to move up, so a read costs one dictionary access where a list in the order of use costs three.

A route is a hint like the record it came from: whoever is sent to the wrong node is told so, and
the route is forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.dht.records import Record
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term
from sprawl.core.limits import DHT_ROUTES_MAX


class Route(NamedTuple):
    """Where a partition is led. Routes of one partition are ordered as their records are."""

    term: Term
    config_index: LogIndex
    sequence: int
    leader: ReplicaId
    node: BrokerId
    replicas: tuple[ReplicaId, ...]

    @classmethod
    def of(cls, record: Record) -> Route:
        """What a record says."""
        claim = record.claim
        return cls(
            claim.term,
            claim.config_index,
            record.sequence,
            claim.leader,
            record.node,
            claim.replicas,
        )


class RouteCache:
    """The routes that were used last.

    Args:
        routes_max: of both generations.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, routes_max: int = DHT_ROUTES_MAX) -> None:
        self._half = max(1, routes_max // 2)
        self._young: dict[LogKey, Route] = {}
        self._old: dict[LogKey, Route] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, log_key: LogKey) -> Route | None:
        found = self._young.get(log_key)
        if found is None and (found := self._old.pop(log_key, None)) is not None:
            self._keep(log_key, found)
        return found

    def learn(self, log_key: LogKey, route: Route) -> bool:
        """Take a route in unless a later one is known; is it the one in force now?"""
        known = self.get(log_key)
        if known is not None and known > route:
            return False
        self._keep(log_key, route)
        return True

    def forget(self, log_key: LogKey) -> None:
        """It led to the wrong node."""
        self._young.pop(log_key, None)
        self._old.pop(log_key, None)

    def forget_node(self, node: BrokerId) -> None:
        """A node is gone: no route leads there any more. Looks at all routes."""
        for generation in (self._young, self._old):
            for log_key in [key for key, route in generation.items() if route.node == node]:
                del generation[log_key]

    def _keep(self, log_key: LogKey, route: Route) -> None:
        young = self._young
        if len(young) >= self._half and log_key not in young:
            self._old = young
            self._young = young = {}
        young[log_key] = route
