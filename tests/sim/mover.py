"""A client that moves partitions from node to node, and changes its mind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.clients import Client
from sim.topic_admin import AnyNode

from sprawl.client.cluster import Cluster
from sprawl.client.faults import Refused
from sprawl.client.moves import Place, move_partition
from sprawl.core.errors import ErrorCode
from sprawl.faults import CommandFault

TIMEOUT_MS = 4_000


class Mover(Client):
    """Lets one partition after the other move to some nodes, or stay where it is.

    Args:
        places: what it moves.
        nodes: where to.
        sizes: how many replicas a partition may have; mostly the first.
    """

    def __init__(
        self,
        *args: Any,
        places: Sequence[Place],
        nodes: Sequence[int],
        sizes: Sequence[int],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._places = list(places)
        self._nodes = list(nodes)
        self._sizes = list(sizes)
        self.cancelled = 0

    def _new_cluster(self) -> Cluster:
        nodes = self._bootstrap.split(",")
        self.rng.shuffle(nodes)
        return AnyNode(",".join(nodes), client_id=f"sim-{self.number}", timeout_ms=TIMEOUT_MS)

    async def _step(self) -> None:
        topic, partition = self.rng.choice(self._places)
        target = None
        if self.rng.random() < 0.8:
            size = self.rng.choice((self._sizes[0], *self._sizes))
            target = self.rng.sample(self._nodes, size)
        try:
            await move_partition(self.cluster, topic, partition, target)
        except CommandFault as fault:
            self._went_wrong(fault)
            nothing_moves = ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
            if not isinstance(fault, Refused) or fault.code is not nothing_moves:
                return
        else:
            self.cancelled += target is None
        self._succeeded()
