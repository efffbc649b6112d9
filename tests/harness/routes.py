"""Whether all nodes send clients the same way, and whether that way is right.

ask every living node for Metadata, itself and not through the proxy
  --> they differ, or a leader is missing or not alive:   not yet, and here is where
  --> they agree: ask each leader for the ends of what it leads, with the epoch that was named
        --> it refuses:                                   not yet
        --> it answers:                                   the routes have converged
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NamedTuple

from sprawl.client.cluster import METADATA
from sprawl.client.connection import Connection
from sprawl.client.faults import Unreachable
from sprawl.client.fetching import LATEST, LIST_OFFSETS
from sprawl.gateway.codec._generated.k02_list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from sprawl.gateway.codec._generated.k03_metadata import MetadataRequest, MetadataResponse
from tests.harness.processes import ClusterNode

CONVERGED_S_MAX = 20.0
"""A node is lost from sight after 3 s, an election takes up to 2 s and may have to be held twice,
and a node that was told wrongly asks again. That is some 10 s; twenty nodes with their clients on
two cores may take twice that."""
GIVE_UP_S = 90.0
"""When nobody waits any longer, so that a run ends and says what it saw."""
LOOK_S = 0.2
ANSWER_MS = 5_000

Place = tuple[str, int]


class Route(NamedTuple):
    """Where a node sends the clients of a partition."""

    leader: int
    leader_epoch: int
    replicas: tuple[int, ...] = ()


View = Mapping[Place, Route]
"""What one node tells."""


@dataclass(slots=True)
class Convergence:
    """How long it took until the routes were right after something had happened.

    Args:
        what: had happened.
        seconds: from its end on; None when it was given up.
        last_difference: what was not right the last time that something was not.
    """

    what: str
    seconds: float | None
    last_difference: str

    @property
    def is_in_time(self) -> bool:
        return self.seconds is not None and self.seconds <= CONVERGED_S_MAX

    def text(self) -> str:
        """For people."""
        took = "never" if self.seconds is None else f"{self.seconds:.1f} s"
        return f"{took} after {self.what}" + (
            f" (last: {self.last_difference})" if self.last_difference else ""
        )


def difference(views: Mapping[int, View], living: Collection[int]) -> str:
    """Where views differ from each other, or from what can be; empty when they do not.

    Args:
        views: what each living node tells.
        living: the nodes that run.
    """
    if silent := sorted(set(living) - set(views)):
        return f"no answer from {silent}"
    for place in sorted(set().union(*views.values())):
        told: dict[int, list[int]] = {}
        for node, view in sorted(views.items()):
            leader = view[place].leader if place in view else -1
            told.setdefault(leader, []).append(node)
        if len(told) > 1:
            said = "; ".join(f"{leader} by {nodes}" for leader, nodes in sorted(told.items()))
            return f"the leader of {_name(place)} is {said}"
        [leader] = told
        if leader not in living:
            return f"the leader of {_name(place)} is {leader}, say all"
    return ""


def named(views: Mapping[int, View]) -> dict[int, dict[Place, int]]:
    """For each leader the partitions that it leads, say all, with the latest epoch named."""
    found: dict[int, dict[Place, int]] = {}
    for view in views.values():
        for place, route in view.items():
            epochs = found.setdefault(route.leader, {})
            epochs[place] = max(epochs.get(place, -1), route.leader_epoch)
    return found


def await_convergence(
    what: str,
    nodes: Sequence[ClusterNode],
    since: float,
    places: Collection[Place] | None = None,
) -> Convergence:
    """Look until the routes are right.

    Args:
        nodes: those that run and reach each other.
        since: `time.monotonic` of what had happened.
        places: the partitions that matter; all of them when it is not given.
    """
    return asyncio.run(_await_convergence(what, nodes, since, places))


def view_of(node: ClusterNode) -> View:
    """What one node tells now. Raises: Unreachable."""

    async def ask() -> View:
        async with AsyncExitStack() as stack:
            views = await Asked(stack, {node.place.number: node.place.port}).views()
        if node.place.number not in views:
            raise Unreachable(f"127.0.0.1:{node.place.port}", "no answer to Metadata")
        return views[node.place.number]

    return asyncio.run(ask())


async def _await_convergence(
    what: str, nodes: Sequence[ClusterNode], since: float, places: Collection[Place] | None
) -> Convergence:
    found = Convergence(what=what, seconds=None, last_difference="")
    async with AsyncExitStack() as stack:
        asked = Asked(stack, {node.place.number: node.place.port for node in nodes})
        while time.monotonic() - since < GIVE_UP_S:
            looked = time.monotonic()
            wrong = await asked.what_is_wrong(places)
            if not wrong:
                found.seconds = looked - since
                return found
            found.last_difference = wrong
            await asyncio.sleep(LOOK_S)
    return found


class Asked:
    """Nodes that are asked directly, on connections that last.

    Args:
        stack: closes the connections.
        ports: of the nodes, by number.
    """

    def __init__(self, stack: AsyncExitStack, ports: Mapping[int, int]) -> None:
        self._stack = stack
        self._ports = ports
        self._connections: dict[int, Connection] = {}

    async def what_is_wrong(self, places: Collection[Place] | None = None) -> str:
        """See `difference`; and what leaders say of it."""
        views: dict[int, View] = await self.views()
        if places is not None:
            views = {
                number: {place: view[place] for place in view.keys() & places}
                for number, view in views.items()
            }
        if wrong := difference(views, self._ports):
            return wrong
        leaders = named(views)
        answers = await asyncio.gather(*(self._leads(n, led) for n, led in leaders.items()))
        return next((answer for answer in answers if answer), "")

    async def views(self) -> dict[int, View]:
        """What each node tells; without those that do not answer."""
        views = await asyncio.gather(*(self._view(number) for number in self._ports))
        return {n: view for n, view in zip(self._ports, views, strict=True) if view is not None}

    async def _view(self, number: int) -> View | None:
        try:
            connection = await self.connection(number)
            answer = await connection.request(
                METADATA, MetadataRequest(topics=None), MetadataResponse
            )
        except Unreachable:
            return None
        return {
            (topic.name or "", each.partition_index): Route(
                each.leader_id, each.leader_epoch, tuple(each.replica_nodes)
            )
            for topic in answer.topics
            for each in topic.partitions
        }

    async def _leads(self, number: int, places: Mapping[Place, int]) -> str:
        """What a node refuses of what it should lead."""
        topics: dict[str, list[ListOffsetsPartition]] = {}
        for (topic, partition), epoch in places.items():
            entry = ListOffsetsPartition(
                partition_index=partition, current_leader_epoch=epoch, timestamp=LATEST
            )
            topics.setdefault(topic, []).append(entry)
        request = ListOffsetsRequest(
            replica_id=-1,
            topics=[ListOffsetsTopic(name=n, partitions=led) for n, led in topics.items()],
        )
        try:
            connection = await self.connection(number)
            answer = await connection.request(LIST_OFFSETS, request, ListOffsetsResponse)
        except Unreachable:
            return f"no answer from the leader {number}"
        for told in answer.topics:
            for each in told.partitions:
                if each.error_code:
                    place = _name((told.name, each.partition_index))
                    return f"{number} should lead {place} and answers {each.error_code}"
        return ""

    async def connection(self, number: int) -> Connection:
        """Raises: Unreachable."""
        connection = self._connections.get(number)
        if connection is None or not connection.usable:
            connection = Connection(
                "127.0.0.1", self._ports[number], client_id="routes", timeout_ms=ANSWER_MS
            )
            self._stack.push_async_callback(connection.close)
            await connection.open()
            self._connections[number] = connection
        return connection


def _name(place: Place) -> str:
    return f"{place[0]}-{place[1]}"
