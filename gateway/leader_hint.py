"""Where a partition is: on this node, or with which leader a client had better try (KIP-951).

An answer with NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH carries the leader and its address as
this node knows them, so that the client retries at once instead of asking for metadata first. A
hint may be stale; then it costs the client a hop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sprawl.core.broker import Broker
    from sprawl.core.cluster.view import BrokerView
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.partition.partition import Partition
    from sprawl.gateway.dispatch import RequestContext

MOVED = frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH})
"""The errors after which a client looks for the leader."""
UNKNOWN = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID})
NOBODY = -1


class CurrentLeader(NamedTuple):
    """Who leads a partition in which epoch; -1 for what is not known."""

    leader_id: int
    leader_epoch: int


def find_partition(broker: Broker, topic: str | UUID, index: int) -> Partition:
    """This node's replica of a partition.

    Raises:
        KafkaFault: UNKNOWN_TOPIC_OR_PARTITION and UNKNOWN_TOPIC_ID only for what the controller
            does not know; NOT_LEADER_OR_FOLLOWER for what it knows and this node does not have, or
            not yet; KAFKA_STORAGE_ERROR.
    """
    try:
        return broker.partitions.find(topic, index)
    except KafkaFault as fault:
        info = find_topic(broker, topic)
        if fault.code not in UNKNOWN or info is None:
            raise
        known = index in info.partitions
        code = ErrorCode.NOT_LEADER_OR_FOLLOWER if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        raise KafkaFault(code) from fault


def current_leader(
    broker: Broker, topic: str | UUID, index: int, partition: Partition | None
) -> CurrentLeader:
    """Where a client should have gone instead.

    Args:
        partition: this node's replica, if it has one. This node is named only if that leads.
    """
    if partition is not None and partition.is_leader:
        return CurrentLeader(broker.node_id, partition.leader_epoch)
    info = find_topic(broker, topic)
    if info is None or index not in info.partitions:
        return CurrentLeader(NOBODY, -1)
    # This client is told what is known; the metadata that it asks for next may be better.
    broker.cluster.find_leaders_behind([(info, index)])
    view = broker.cluster.partition(info, index)
    if view.leader_id == broker.node_id:
        # What is known of the leader is older than what has just happened here.
        return CurrentLeader(NOBODY, -1)
    return CurrentLeader(view.leader_id, view.leader_epoch)


def endpoints(ctx: RequestContext, leaders: Iterable[int]) -> list[BrokerView]:
    """Addresses of leaders on the listener that the client uses, each once."""
    cluster = ctx.broker.cluster
    listener = ctx.connection.listener_name
    ids = dict.fromkeys(leader for leader in leaders if leader >= 0)
    found = (cluster.broker(leader, listener) for leader in ids)
    return [each for each in found if each is not None]


def find_topic(broker: Broker, topic: str | UUID) -> TopicInfo | None:
    """What the controller says of a topic, by its name or its id; None when it knows none."""
    if isinstance(topic, str):
        return broker.controller.topics.get(topic)
    return broker.controller.by_id.get(topic)
