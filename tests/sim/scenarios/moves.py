"""Partitions move from node to node while anything goes wrong: more nodes than replicas.

chaos     as in three_nodes; and a client moves partitions, the groups' offsets among them, to other
          nodes, to more or fewer of them, to others before they have arrived, and takes it back;
          a fourth node joins
heal      as in three_nodes; and every move arrives, unless it was cancelled
verdict   as in three_nodes, by the replicas on the nodes where the controller wants them
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from sim.mover import Mover
from sim.scenarios.three_nodes import SHORTENED, TOPIC, ThreeNodes

OFFSETS = "__consumer_offsets"
DAMAGE = ("a synced bit flipped", "a sealed bit flipped", "a damaged replica was filled again")


class Moves(ThreeNodes):
    """See the module."""

    name = "moves"
    rare: ClassVar[tuple[str, ...]] = (
        *(each for each in ThreeNodes.rare if each not in DAMAGE),
        "a move arrived",
        "a move was cancelled",
        "a partition left all nodes where it began",
        "a node joined under chaos",
    )

    def _numbers(self) -> tuple[int, ...]:
        self.knobs["nodes"] = self.rng.choice((3, 4, 4))
        return (1, 2, 3, 4) if self.knobs["nodes"] == 4 else (1, 2, 3)

    def _choose_knobs(self) -> None:
        super()._choose_knobs()
        # A replica that comes and goes beside a damaged one may leave no majority.
        faults = self.knobs["faults"]
        assert isinstance(faults, list)
        self.knobs["faults"] = [each for each in faults if "_flip_" not in each]
        sizes = (2,) if self.knobs["nodes"] == 3 else (2, 3, 3)
        self.knobs["replication"] = self.rng.choice(sizes)
        self.knobs["move_s"] = self.rng.choice((0.2, 1.0, 3.0))
        self.knobs["joins"] = self.rng.choice((False, True)) and self.knobs["nodes"] == 4

    def _first_numbers(self) -> tuple[int, ...]:
        return (1, 2, 3) if self.knobs["joins"] else tuple(self.nodes)

    async def _chaos(self) -> None:
        """The last node may join only now."""
        async with asyncio.TaskGroup() as group:
            if self.knobs["joins"]:
                within_s = float(str(self.knobs["chaos_s"]))
                group.create_task(self.faults.join(4, self._settings(4), within_s))
            await super()._chaos()

    def _settings(self, number: int) -> dict[str, object]:
        return super()._settings(number) | {
            "default.replication.factor": self.knobs["replication"],
            "offsets.topic.replication.factor": self.knobs["replication"],
        }

    async def _start_clients(self) -> None:
        await super()._start_clients()
        replication = int(str(self.knobs["replication"]))
        places = [(TOPIC, index) for index in range(self.topics[TOPIC])] + [(OFFSETS, 0)]
        if self.knobs["shortens"]:
            places.append((SHORTENED, 0))
        self.mover = self.workload.start(
            Mover,
            places=places,
            nodes=list(self.nodes),
            sizes=sorted({replication, 2, 3}, key=lambda size: size != replication),
            pause_s=float(str(self.knobs["move_s"])),
        )

    async def _finish(self) -> None:
        movers = [n for n, each in self.workload.clients.items() if isinstance(each, Mover)]
        cancelled = sum(getattr(self.workload.clients[each], "cancelled", 0) for each in movers)
        self.world.sometimes("a move was cancelled", when=cancelled > 0)
        await self.workload.stop(movers, limit_s=120.0)
        await self._until(self._all_arrived, "a move does not arrive")
        for topic in self._controller(1).topics.values():
            for before, after in zip(topic.founding, topic.replicas, strict=True):
                self.world.sometimes("a move arrived", when=set(before) != set(after))
                gone = not set(before) & set(after)
                self.world.sometimes("a partition left all nodes where it began", when=gone)
        await super()._finish()

    def _all_arrived(self) -> bool:
        controllers = [self._controller(number) for number in self.nodes]
        return all(
            each.topics == controllers[0].topics
            and all(all(map(topic.is_settled, topic.partitions)) for topic in each.topics.values())
            for each in controllers
        )
