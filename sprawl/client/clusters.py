"""How a cluster is doing, and moves of its partitions, through Kafka's own APIs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sprawl.client.cluster import Cluster
from sprawl.client.faults import raise_for
from sprawl.gateway.codec._generated.k45_alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from sprawl.gateway.codec._generated.k46_list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from sprawl.gateway.codec._generated.k55_describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    RequestPartitionData,
    RequestTopicData,
)

ALTER_REASSIGNMENTS = 45
LIST_REASSIGNMENTS = 46
DESCRIBE_QUORUM = 55
TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node, with how many replicas and leaders it has."""

    node_id: int
    host: str
    port: int
    rack: str | None
    replicas: int
    leaders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """One partition; `trouble` says what is wrong with it, or where it is going."""

    name: str
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """The whole cluster as one of its nodes sees it.

    Args:
        voters, observers: of the controller's group.
    """

    cluster_id: str
    controller: int
    voters: tuple[int, ...]
    observers: tuple[int, ...]
    nodes: tuple[NodeStatus, ...]
    partitions: tuple[PartitionStatus, ...]

    @property
    def is_healthy(self) -> bool:
        """Every partition is led, and all of its replicas are in sync."""
        return all(
            each.leader >= 0 and set(each.in_sync) >= set(each.replicas) for each in self.partitions
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "healthy": self.is_healthy}


async def read_status(cluster: Cluster) -> ClusterStatus:
    """Ask for everything. Raises: Refused, Unreachable."""
    view = await cluster.metadata()
    quorum = await cluster.request(
        DESCRIBE_QUORUM,
        DescribeQuorumRequest(
            topics=[
                RequestTopicData(
                    topic_name="__cluster_metadata",
                    partitions=[RequestPartitionData(partition_index=0)],
                )
            ]
        ),
        DescribeQuorumResponse,
    )
    controllers = quorum.topics[0].partitions[0]
    moving = await _moving(cluster)
    partitions = []
    replicas: Counter[int] = Counter()
    leaders: Counter[int] = Counter()
    for topic in view.topics.values():
        for each in topic.partitions:
            replicas.update(each.replicas)
            leaders[each.leader] += 1
            name = f"{topic.name}/{each.partition}"
            partitions.append(
                PartitionStatus(
                    name=name,
                    leader=each.leader,
                    replicas=each.replicas,
                    in_sync=each.isr,
                    trouble=_trouble(each.leader, each.replicas, each.isr, moving.get(name)),
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
                replicas=replicas[node.node_id],
                leaders=leaders[node.node_id],
            )
            for node in sorted(view.nodes, key=lambda node: node.node_id)
        ),
        partitions=tuple(partitions),
    )


async def move_partition(
    cluster: Cluster, topic: str, partition: int, nodes: Sequence[int] | None
) -> None:
    """Let a partition move to these nodes; None stops a move. Raises: Refused."""
    wanted = ReassignablePartition(
        partition_index=partition, replicas=None if nodes is None else list(nodes)
    )
    answer = await cluster.request(
        ALTER_REASSIGNMENTS,
        AlterPartitionReassignmentsRequest(
            timeout_ms=TIMEOUT_MS,
            topics=[ReassignableTopic(name=topic, partitions=[wanted])],
        ),
        AlterPartitionReassignmentsResponse,
    )
    raise_for(answer.error_code, f"{topic}/{partition}", answer.error_message)
    [told] = answer.responses[0].partitions
    raise_for(told.error_code, f"{topic}/{partition}", told.error_message)


async def _moving(cluster: Cluster) -> dict[str, tuple[int, ...]]:
    """Where the partitions that move are going."""
    answer = await cluster.request(
        LIST_REASSIGNMENTS,
        ListPartitionReassignmentsRequest(timeout_ms=TIMEOUT_MS, topics=None),
        ListPartitionReassignmentsResponse,
    )
    raise_for(answer.error_code, "reassignments", answer.error_message)
    return {
        f"{topic.name}/{each.partition_index}": tuple(
            node for node in each.replicas if node not in each.removing_replicas
        )
        for topic in answer.topics
        for each in topic.partitions
    }


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
