"""What /health and /metrics say of the cluster: this node's part in it, and what it knows of it.

Counted when asked for: a pass over the partitions that this node has, about a millisecond for each
thousand, and on the node whose controller leads one over all partitions there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from sprawl.core.cluster.view import NO_LEADER
from sprawl.core.partition.placement import Role

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.core.cluster.cluster import Cluster

Gauge = tuple[str, str, float]
"""Name, help and value; a name that ends in `_total` is a counter's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """One look at the cluster from this node.

    Args:
        nodes: that are registered; `nodes_alive` of them can be reached from here.
        controller: the node whose controller leads; -1 when none is known.
        is_controller_voter: whether this node has a vote in the controller's group.
        led, followed: partitions with a replica here.
        under_replicated: of those led here, how many have a replica that is not in sync.
        moving: partitions on their way, anywhere.
        offline: partitions without a leader, anywhere; None unless the controller leads here.
        raft_groups, raft_awake: on this node; those that hibernate cost nothing.
    """

    nodes: int
    nodes_alive: int
    controller: int
    is_controller_voter: bool
    led: int
    followed: int
    under_replicated: int
    moving: int
    offline: int | None
    raft_groups: int
    raft_awake: int


def look(broker: Broker, cluster: Cluster) -> ClusterFacts:
    """Count."""
    controller, view = broker.controller, broker.cluster
    is_controller = controller.is_leader
    led = followed = under_replicated = 0
    for topic in broker.partitions.topics():
        info = controller.by_id.get(topic.topic_id)
        if info is None:
            continue
        for index in topic.here():
            role = topic.placements[index].role
            if role is Role.LEAVING:
                continue
            if role is Role.ALONE:
                led += 1
                continue
            found = view.partition(info, index)
            if found.leader_id != broker.node_id:
                followed += 1
                continue
            led += 1
            under_replicated += len(found.isr) < len(info.replicas[index])
    quorum = view.quorum()
    return ClusterFacts(
        nodes=len(controller.nodes),
        nodes_alive=sum(view.is_alive(node) for node in controller.nodes),
        controller=quorum.leader_id,
        is_controller_voter=any(each.node_id == broker.node_id for each in quorum.voters),
        led=led,
        followed=followed,
        under_replicated=under_replicated,
        moving=sum(len(topic.moving) for topic in controller.topics.values()),
        offline=_offline(broker) if is_controller else None,
        raft_groups=cluster.group_count,
        raft_awake=cluster.awake_count,
    )


def _offline(broker: Broker) -> int:
    """Those that are known to have no leader. Where a node is not told of all, the first look at
    one begins a search, and the next one knows."""
    view = broker.cluster
    unled = [
        (topic, index)
        for topic in broker.controller.topics.values()
        for index in topic.partitions
        if view.leader(topic, index) == NO_LEADER
    ]
    return len(unled) - view.find_leaders_behind(unled)


def health(facts: ClusterFacts) -> dict[str, object]:
    """For /health."""
    return {name: value for name, value in asdict(facts).items() if value is not None}


def gauges(facts: ClusterFacts, cluster: Cluster, own: int) -> Iterator[Gauge]:
    """For /metrics."""
    yield "sprawl_cluster_nodes", "Nodes that are registered", facts.nodes
    yield "sprawl_cluster_nodes_alive", "Nodes that this one can reach", facts.nodes_alive
    yield (
        "sprawl_controller_leader",
        "1 on the node whose controller leads",
        float(facts.controller == own),
    )
    yield (
        "sprawl_controller_voter",
        "1 with a vote in the controller's group",
        float(facts.is_controller_voter),
    )
    yield "sprawl_partitions_led", "Partitions that are led here", facts.led
    yield "sprawl_partitions_followed", "Partitions that are followed here", facts.followed
    yield (
        "sprawl_partitions_under_replicated",
        "Partitions led here with a replica that is not in sync",
        facts.under_replicated,
    )
    yield "sprawl_partitions_moving", "Partitions that move, in the whole cluster", facts.moving
    if facts.offline is not None:
        yield (
            "sprawl_partitions_offline",
            "Partitions without a leader, told by the node whose controller leads",
            facts.offline,
        )
    yield "sprawl_raft_groups", "Raft groups on this node", facts.raft_groups
    yield "sprawl_raft_groups_awake", "Raft groups that do not hibernate", facts.raft_awake
    checkpoint = cluster.log.checkpoint
    yield (
        "sprawl_metadata_log_start_offset",
        "The first record of the metadata log that this node keeps",
        cluster.log.start_offset,
    )
    yield (
        "sprawl_metadata_checkpoint_offset",
        "Up to where the newest checkpoint of the metadata stands for the log; 0 without one",
        checkpoint.offset,
    )
    yield "sprawl_metadata_checkpoint_bytes", "Size of that checkpoint", checkpoint.size_bytes
    counters = cluster.counters
    if counters is not None:
        for field in fields(counters):
            yield (
                f"sprawl_peer_{field.name}_total",
                f"Traffic with other nodes: {field.name.replace('_', ' ')}",
                getattr(counters, field.name),
            )
