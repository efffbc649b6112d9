"""DescribeQuorum (key 55) v0-2

Behaviour:
- The quorum of `__cluster_metadata`-0 is this node alone: leader and only voter, in its first
  epoch. The high watermark counts the controller's durable records.
- Any other partition has no such quorum: UNKNOWN_TOPIC_OR_PARTITION.

Version notes:
- 1: times of the last fetch: now, as the leader has everything. 2: nodes, directories, messages.

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
    from sprawl.gateway.dispatch import RequestContext

_METADATA_TOPIC = "__cluster_metadata"


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
    broker = ctx.broker
    nodes = []
    if ctx.api_version >= 2:
        listeners = [
            Listener(name=name, host=endpoint.host, port=endpoint.port)
            for name, endpoint in broker.endpoints.items()
        ]
        nodes.append(Node(node_id=broker.node_id, listeners=listeners))
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
    broker = ctx.broker
    end_offset = broker.controller.end_offset
    now_ms = broker.clock.now_ms()
    return ResponsePartitionData(
        partition_index=index,
        error_code=ErrorCode.NONE,
        error_message=None,
        leader_id=broker.node_id,
        leader_epoch=0,
        high_watermark=end_offset,
        current_voters=[
            ReplicaState(
                replica_id=broker.node_id,
                replica_directory_id=ZERO_UUID,
                log_end_offset=end_offset,
                last_fetch_timestamp=now_ms,
                last_caught_up_timestamp=now_ms,
            )
        ],
    )


HANDLER = HandlerSpec(55, 0, 2, handle)
