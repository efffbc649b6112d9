"""Whether all nodes send clients the same way, and whether that way is right.

ask every living node for Metadata, itself and not through the proxy
  --> one does not answer:                              nothing is known of this moment
  --> they differ in a partition, or its leader is missing or not alive:      not yet
  --> they agree: ask the leader for the end of it, with the epoch that was named
        --> it refuses:                                                       not yet
        --> it answers:                                 the partition's route has converged

When that was so once of each partition, the routes have converged. A leader that moves again
later, as leaders go back to the preferred replica after 30 s, is another change.
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


def differences(
    views: Mapping[int, View], living: Collection[int], places: Collection[Place]
) -> dict[Place, str]:
    """Where views differ from each other, or from what can be.

    Args:
        views: what each node tells.
        living: the nodes that run.
        places: the partitions that are looked at.
    """
    found: dict[Place, str] = {}
    for place in sorted(places):
        told: dict[int, list[int]] = {}
        for node, view in sorted(views.items()):
            leader = view[place].leader if place in view else -1
            told.setdefault(leader, []).append(node)
        if len(told) > 1:
            said = "; ".join(f"{leader} by {nodes}" for leader, nodes in sorted(told.items()))
            found[place] = f"the leader of {_name(place)} is {said}"
        elif not told.keys() & set(living):
            found[place] = f"the leader of {_name(place)} is {next(iter(told), -1)}, say all"
    return found


def named(views: Mapping[int, View], places: Collection[Place]) -> dict[int, dict[Place, int]]:
    """For each leader those of the partitions that it leads, say all, with the latest epoch that
    is named."""
    found: dict[int, dict[Place, int]] = {}
    for view in views.values():
        for place in view.keys() & set(places):
            epochs = found.setdefault(view[place].leader, {})
            epochs[place] = max(epochs.get(place, -1), view[place].leader_epoch)
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
    left = None if places is None else set(places)
    async with AsyncExitStack() as stack:
        asked = Asked(stack, {node.place.number: node.place.port for node in nodes})
        while time.monotonic() - since < GIVE_UP_S:
            looked = time.monotonic()
            left, wrong = await asked.look(left)
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

    async def look(self, places: set[Place] | None) -> tuple[set[Place] | None, str]:
        """See which partitions all name rightly.

        Args:
            places: the partitions that are looked at; None for all.

        Returns:
            Those that are not right, and what is not right with one of them.
        """
        views: dict[int, View] = await self.views()
        if silent := sorted(self._ports.keys() - views.keys()):
            return places, f"no answer from {silent}"
        places = set().union(*views.values()) if places is None else places
        wrong = differences(views, self._ports, places)
        leaders = named(views, places - wrong.keys())
        for refused in await asyncio.gather(*(self._refused(n, led) for n, led in leaders.items())):
            wrong |= refused
        return set(wrong), next(iter(wrong.values()), "")

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

    async def _refused(self, number: int, places: Mapping[Place, int]) -> dict[Place, str]:
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
            return dict.fromkeys(places, f"no answer from the leader {number}")
        return {
            (told.name, each.partition_index): (
                f"{number} should lead {_name((told.name, each.partition_index))}"
                f" and answers {each.error_code}"
            )
            for told in answer.topics
            for each in told.partitions
            if each.error_code
        }

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
