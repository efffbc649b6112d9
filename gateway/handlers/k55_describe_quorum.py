"""DescribeQuorum (key 55) v0-2

Behaviour:
- The quorum of `__cluster_metadata`-0 as this node knows it: leader, epoch, voters, and observers,
  which are Raft's learners. The high watermark counts the controller's committed records. How far
  other replicas are is not known here: their offset and times are -1.
- Any other partition has no such quorum: UNKNOWN_TOPIC_OR_PARTITION.

Version notes:
- 1: times of the last fetch. 2: the nodes, by the listener that the request came through;
  directories, messages.

Source: KIP-595, KIP-836, KIP-853.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec._generated.k55_describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    ReplicaState,
    ResponsePartitionData,
    ResponseTopicData,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.core.cluster.view import QuorumMember
    from sprawl.gateway.dispatch import RequestContext

_METADATA_TOPIC = "__cluster_metadata"
_DIRECTORIES_FROM_VERSION = 2


def handle(ctx: RequestContext, request: DescribeQuorumRequest) -> DescribeQuorumResponse:
    """Answer at once."""
    topics = [
        ResponseTopicData(
            topic_name=topic.topic_name,
            partitions=[
                _describe(ctx, topic.topic_name, asked.partition_index)
                for asked in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    nodes = []
    if ctx.api_version >= _DIRECTORIES_FROM_VERSION:
        broker = ctx.broker
        listener = ctx.connection.listener_name
        nodes = [
            Node(
                node_id=each.node_id,
                listeners=[Listener(name=listener, host=each.host, port=each.port)],
            )
            for each in broker.cluster.brokers(listener)
        ]
    return DescribeQuorumResponse(
        error_code=ErrorCode.NONE, error_message=None, topics=topics, nodes=nodes
    )


def _describe(ctx: RequestContext, topic: str, index: int) -> ResponsePartitionData:
    if (topic, index) != (_METADATA_TOPIC, 0):
        return ResponsePartitionData(
            partition_index=index,
            error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            error_message=None,
            leader_id=-1,
            leader_epoch=-1,
            high_watermark=-1,
        )
    quorum = ctx.broker.cluster.quorum()
    return ResponsePartitionData(
        partition_index=index,
        error_code=ErrorCode.NONE,
        error_message=None,
        leader_id=quorum.leader_id,
        leader_epoch=quorum.leader_epoch,
        high_watermark=quorum.high_watermark,
        current_voters=[_replica(ctx, each) for each in quorum.voters],
        observers=[_replica(ctx, each) for each in quorum.observers],
    )


def _replica(ctx: RequestContext, member: QuorumMember) -> ReplicaState:
    """Only of itself does a node know for sure how far it is."""
    broker = ctx.broker
    told_ms = broker.clock.now_ms() if member.node_id == broker.node_id else -1
    has_directories = ctx.api_version >= _DIRECTORIES_FROM_VERSION
    return ReplicaState(
        replica_id=member.node_id,
        replica_directory_id=member.directory_id if has_directories else ZERO_UUID,
        log_end_offset=member.log_end_offset,
        last_fetch_timestamp=told_ms,
        last_caught_up_timestamp=told_ms,
    )


HANDLER = HandlerSpec(55, 0, 2, handle)
