"""Which Raft groups hibernate, as somebody sees who looks now and then."""

from __future__ import annotations

from collections.abc import Iterable

from sim.world import SimNode, World

from sprawl.core.cluster.cluster import Cluster
from sprawl.core.replication.group import RaftGroup


class Sleepers:
    """Counts the groups' sleep as rare states. It looks and touches nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asleep: dict[RaftGroup, None] = {}

    def look(self, nodes: Iterable[SimNode]) -> None:
        """Now is one of the times."""
        asleep: dict[RaftGroup, None] = {}
        woken = 0
        for group in (each for node in nodes for each in _groups(node)):
            if group.node.is_hibernating:
                asleep[group] = None
            else:
                woken += group in self._asleep
        self._world.sometimes("a group hibernated", when=bool(asleep))
        self._world.sometimes("a group that hibernated was woken", when=woken > 0)
        self._asleep = asleep


def _groups(node: SimNode) -> list[RaftGroup]:
    if not node.is_up or node.assembly is None:
        return []
    cluster = node.assembly._cluster
    if not isinstance(cluster, Cluster) or cluster._host is None:
        return []
    return [group for group in cluster._host.groups() if not group.is_over]
