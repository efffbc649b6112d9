"""How a cluster is doing, through Kafka's own APIs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sprawl.client.cluster import Cluster
from sprawl.client.faults import raise_for
from sprawl.client.features import highest_level, read_level
from sprawl.client.moves import read_moves
from sprawl.client.nodes import State, read_nodes
from sprawl.gateway.codec._generated.k55_describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    RequestPartitionData,
    RequestTopicData,
    ResponsePartitionData,
)

DESCRIBE_QUORUM = 55


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node, with how many replicas and leaders it has.

    Args:
        state: see `State`.
        controller: its part in the controller's quorum: leader, voter or learner.
    """

    node_id: int
    host: str
    port: int
    rack: str | None
    state: str
    controller: str
    replicas: int
    leaders: int

    @property
    def is_alive(self) -> bool:
        return State(self.state).is_alive


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One partition; `trouble` says what is wrong with it, or where it is going."""

    name: str
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    moves_to: tuple[int, ...] | None
    trouble: str

    @property
    def is_led(self) -> bool:
        return self.leader >= 0

    @property
    def is_complete(self) -> bool:
        """All of its replicas are in sync."""
        return set(self.in_sync) >= set(self.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """The whole cluster as one of its nodes sees it.

    Args:
        voters, observers: of the controller's group.
        level: the cluster's feature level; None when the node that was asked knows none.
        upgrade_to: the highest level that every node knows, when it is above the present one.
    """

    cluster_id: str
    controller: int
    voters: tuple[int, ...]
    observers: tuple[int, ...]
    nodes: tuple[NodeStatus, ...]
    partitions: tuple[PartitionStatus, ...]
    level: int | None = None
    upgrade_to: int | None = None

    @property
    def is_healthy(self) -> bool:
        """Every partition is led, and all of its replicas are in sync."""
        return all(each.is_led and each.is_complete for each in self.partitions)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "healthy": self.is_healthy}


async def read_status(cluster: Cluster) -> ClusterStatus:
    """Ask for everything. Raises: Refused, Unreachable."""
    view = await cluster.metadata()
    nodes = await read_nodes(cluster)
    controllers = await _quorum(cluster)
    roles = {each.replica_id: "learner" for each in controllers.observers}
    roles |= {each.replica_id: "voter" for each in controllers.current_voters}
    roles[controllers.leader_id] = "leader"
    moving = await read_moves(cluster)
    level, upgrade_to = await _level(cluster, has_controller=controllers.leader_id >= 0)
    partitions = []
    replicas: Counter[int] = Counter()
    leaders: Counter[int] = Counter()
    for topic in view.topics.values():
        for each in topic.partitions:
            replicas.update(each.replicas)
            leaders[each.leader] += 1
            target = moving.get((topic.name, each.partition))
            partitions.append(
                PartitionStatus(
                    name=f"{topic.name}/{each.partition}",
                    leader=each.leader,
                    replicas=each.replicas,
                    in_sync=each.isr,
                    moves_to=target,
                    trouble=_trouble(each.leader, each.replicas, each.isr, target),
                )
            )
    return ClusterStatus(
        cluster_id=view.cluster_id,
        controller=controllers.leader_id,
        voters=tuple(sorted(each.replica_id for each in controllers.current_voters)),
        observers=tuple(sorted(each.replica_id for each in controllers.observers)),
        nodes=tuple(
            NodeStatus(
                node_id=node.node_id,
                host=node.host,
                port=node.port,
                rack=node.rack,
                state=node.state,
                controller=roles.get(node.node_id, "-"),
                replicas=replicas[node.node_id],
                leaders=leaders[node.node_id],
            )
            for node in nodes
        ),
        partitions=tuple(partitions),
        level=level,
        upgrade_to=upgrade_to,
    )


async def controller_members(cluster: Cluster) -> set[int]:
    """Who has a vote in the controller's quorum, or leads it."""
    found = await _quorum(cluster)
    return {found.leader_id, *(each.replica_id for each in found.current_voters)}


async def _level(cluster: Cluster, *, has_controller: bool) -> tuple[int | None, int | None]:
    """The cluster's level, and the one that it could be raised to: only a controller knows."""
    now = await read_level(cluster)
    if now is None:
        return None, None
    return now.level, await highest_level(cluster, now) if has_controller else None


async def _quorum(cluster: Cluster) -> ResponsePartitionData:
    topic = RequestTopicData(
        topic_name="__cluster_metadata", partitions=[RequestPartitionData(partition_index=0)]
    )
    answer = await cluster.request(
        DESCRIBE_QUORUM, DescribeQuorumRequest(topics=[topic]), DescribeQuorumResponse
    )
    raise_for(answer.error_code, "the controller's quorum", answer.error_message)
    return answer.topics[0].partitions[0]


def _trouble(
    leader: int,
    replicas: Sequence[int],
    in_sync: Sequence[int],
    target: Sequence[int] | None,
) -> str:
    found = []
    if leader < 0:
        found.append("no leader")
    else:
        missing = [node for node in replicas if node not in in_sync]
        if missing:
            found.append(f"behind or away: {','.join(map(str, missing))}")
    if target is not None:
        found.append(f"moves to {','.join(map(str, target))}")
    return "; ".join(found)
