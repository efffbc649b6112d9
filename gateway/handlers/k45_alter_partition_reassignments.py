"""AlterPartitionReassignments (key 45) v0-1

Behaviour:
- Answered when the controller has the new target durably; the partition's leader then moves the
  data and the votes. A target where the partition is already succeeds and changes nothing.
- All of them together take `timeout_ms` at most, as in CreateTopics.
- Null replicas stop a move under way; without one: NO_REASSIGNMENT_IN_PROGRESS.
- A broker that is not registered: INVALID_REPLICA_ASSIGNMENT.

Version notes:
- 1: `allow_replication_factor_change`; false refuses a target of another size with
  INVALID_REPLICATION_FACTOR. Before, it may change.

Source: KIP-455, KIP-860.
"""

from __future__ import annotations

from functools import partial
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
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


async def handle(
    ctx: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    """Answer when every change is durable, or the time is up."""
    time = RequestTime(request.timeout_ms)
    may_resize = request.allow_replication_factor_change
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=may_resize,
        error_code=ErrorCode.NONE,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    await _move(ctx, topic.name, asked, time, may_resize=may_resize)
                    for asked in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


async def _move(
    ctx: RequestContext,
    name: str,
    asked: ReassignablePartition,
    time: RequestTime,
    *,
    may_resize: bool,
) -> ReassignablePartitionResponse:
    code, message = ErrorCode.NONE, None
    try:
        if not may_resize and asked.replicas is not None:
            _check_size(ctx, name, asked.partition_index, len(asked.replicas))
        move = ctx.broker.controller.move_partition
        await time.take(partial(move, name, asked.partition_index, asked.replicas))
    except KafkaFault as fault:
        code, message = fault.code, fault.message
    return ReassignablePartitionResponse(
        partition_index=asked.partition_index, error_code=code, error_message=message
    )


def _check_size(ctx: RequestContext, name: str, index: int, count: int) -> None:
    topic = ctx.broker.controller.topics.get(name)
    if topic is not None and index in topic.partitions and count != len(topic.replicas[index]):
        raise KafkaFault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {len(topic.replicas[index])} to {count}",
        )


HANDLER = HandlerSpec(45, 0, 1, handle)
