"""AlterPartitionReassignments (key 45) v0-1

Behaviour:
- This node is the only one, so a partition can only be assigned to where it is, which succeeds and
  changes nothing; any other node is INVALID_REPLICA_ASSIGNMENT.
- Stopping a reassignment (null replicas) is NO_REASSIGNMENT_IN_PROGRESS.

Version notes:
- 1: whether the replication factor may change, echoed; here it cannot.

Source: KIP-455, KIP-860.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k45_alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    """Answer at once."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_code=ErrorCode.NONE,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[_judge(ctx, topic.name, asked) for asked in topic.partitions],
            )
            for topic in request.topics
        ],
    )


def _judge(
    ctx: RequestContext, name: str, asked: ReassignablePartition
) -> ReassignablePartitionResponse:
    code, message = ErrorCode.NONE, None
    try:
        ctx.broker.controller.check_reassignment(name, asked.partition_index, asked.replicas)
    except KafkaFault as fault:
        code, message = fault.code, fault.message
    return ReassignablePartitionResponse(
        partition_index=asked.partition_index, error_code=code, error_message=message
    )


HANDLER = HandlerSpec(45, 0, 1, handle)
