"""OffsetForLeaderEpoch (key 23) v2-4

Behaviour:
- Where the largest leader epoch that is at most `leader_epoch` ends: a consumer compares it with
  its position to find out whether the log was truncated under it. (-1, -1) when the epoch is newer
  than the leader's own. The current epoch ends at the log end offset.
- `current_leader_epoch` is checked: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH. A partition that is
  led elsewhere gets NOT_LEADER_OR_FOLLOWER.

Version notes:
- 3: `replica_id`, which changes nothing for consumers (-1) and debuggers (-2).

Not implemented:
- Requests of other brokers: a replica id >= 0 is answered like a consumer's.

Source: KIP-101, KIP-279, KIP-320.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import KafkaFault
from sprawl.gateway.codec._generated.k23_offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.leader_hint import find_partition

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    """Look up each epoch's end."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_end_offset(ctx, topic.topic, wish) for wish in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _end_offset(ctx: RequestContext, topic: str, wish: OffsetForLeaderPartition) -> EpochEndOffset:
    result = EpochEndOffset(partition=wish.partition)
    try:
        partition = find_partition(ctx.broker, topic, wish.partition)
        partition.check_leader_epoch(wish.current_leader_epoch)
        result.leader_epoch, result.end_offset = partition.end_offset_for_epoch(wish.leader_epoch)
    except KafkaFault as fault:
        result.error_code = fault.code
    return result


HANDLER = HandlerSpec(23, 2, 4, handle)
