"""More nodes than are told of a partition, while anything goes wrong: routes are found anyway.

chaos     as in three_nodes, among twelve nodes, which are also split in two
heal      as in three_nodes
verdict   as in three_nodes; every node finds the true leader of every partition, and none ever saw
          that two nodes published that they lead a partition in one term
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from sim.scenarios.alarms import heard_alarms
from sim.scenarios.three_nodes import LIVELY_S, TOPIC, ThreeNodes

from sprawl.core.cluster.cluster import Cluster
from sprawl.core.cluster.view import NO_LEADER
from sprawl.core.dht.effects import AlarmKind
from sprawl.core.dht.messages import StoreResult

NODES = 12


class ManyNodes(ThreeNodes):
    """See the module."""

    name = "many_nodes"
    rare: ClassVar[tuple[str, ...]] = (
        "killed",
        "lost power",
        "two nodes were down",
        "a node was cut off",
        "the leader changed",
        "a route was found by the DHT",
        "a route was found by a replica",
        "a route was not found in time",
        "a publication reached some of its nodes only",
        "a record was found by nobody who was asked",
        "the nodes were split",
        "a datagram was lost",
        "a datagram was doubled",
        "a datagram came late",
        "a segment was lost",
        "a group that hibernated was woken",
    )

    def _numbers(self) -> tuple[int, ...]:
        return tuple(range(1, NODES + 1))

    def _choose_knobs(self) -> None:
        super()._choose_knobs()
        # Twelve nodes cost four times as much: the disks' faults have their scenario.
        faults = self.knobs["faults"]
        assert isinstance(faults, list)
        self.knobs["faults"] = [each for each in faults if "_flip_" not in each]
        self.knobs["partitions"] = self.rng.choice((4, 8))
        self.knobs["topics_change"] = False

    async def play(self) -> None:
        with heard_alarms(self.world) as alarms:
            try:
                await super().play()
            finally:
                # It explains whatever else went wrong.
                wrong = [each for each in alarms if each.kind is AlarmKind.TWO_LEADERS]
                assert not wrong, f"two leaders in one term: {wrong[:3]}"

    async def _finish(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LIVELY_S
        for number in self.nodes:
            while not await self._finds_all(number):
                assert loop.time() < deadline, f"node {number} does not find every leader"
                await asyncio.sleep(0.5)
        self._count_routes()
        await super()._finish()

    async def _finds_all(self, number: int) -> bool:
        """Whether a client of a node would be told the true leader of each partition."""
        broker = self._assembly(number).broker
        topic = broker.controller.topics[TOPIC]
        search = broker.cluster.find_leaders([(topic, topic.partitions)])
        if search is not None:
            await search
        return all(
            (found := broker.cluster.leader(topic, index)) != NO_LEADER
            and (replica := self._replica(found, TOPIC, index)) is not None
            and replica.is_leader
            for index in topic.partitions
        )

    def _count_routes(self) -> None:
        sometimes = self.world.sometimes
        for number in self.nodes:
            cluster = self._assembly(number)._cluster
            assert isinstance(cluster, Cluster)
            assert cluster.routing is not None
            assert cluster.overlay is not None
            routes, overlay = cluster.routing.counters, cluster.overlay.counters
            forged = cluster.overlay.refused(StoreResult.FORGED)
            assert not forged, "a record of ours was called forged"
            sometimes("a route was found by the DHT", when=routes.found_by_dht > 0)
            sometimes("a route was found by a replica", when=routes.found_by_replica > 0)
            sometimes("a route was not found in time", when=routes.not_found > 0)
            partly = overlay.publications_incomplete > 0
            sometimes("a publication reached some of its nodes only", when=partly)
            missed = overlay.lookups > overlay.lookups_found
            sometimes("a record was found by nobody who was asked", when=missed)
