"""DeleteRecords (key 21) v0-2

Behaviour:
- Moves the log start offset up to `offset`; -1 means the high watermark. Records below it are gone
  for readers at once, their space is freed by retention. An offset below the log start offset
  changes nothing and succeeds.
- `low_watermark` is the log start offset afterwards, or -1 with an error.
- OFFSET_OUT_OF_RANGE: below -1 or beyond the high watermark. POLICY_VIOLATION: `cleanup.policy` of
  the topic has no `delete`. INVALID_TOPIC_EXCEPTION: an internal topic.

Version notes:
- 2: flexible encoding; the versions mean the same.

Not implemented:
- `timeout_ms`: one replica has nobody to wait for.

Source: KIP-107.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k21_delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})


def handle(ctx: RequestContext, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    """Delete up to each offset."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[_delete(ctx, topic.name, wish) for wish in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _delete(
    ctx: RequestContext, topic: str, wish: DeleteRecordsPartition
) -> DeleteRecordsPartitionResult:
    result = DeleteRecordsPartitionResult(partition_index=wish.partition_index, low_watermark=-1)
    try:
        if topic in _INTERNAL_TOPICS:
            raise KafkaFault(ErrorCode.INVALID_TOPIC_EXCEPTION)
        partition = ctx.broker.partitions.find(topic, wish.partition_index)
        result.low_watermark = partition.delete_records(wish.offset)
    except KafkaFault as fault:
        result.error_code = fault.code
    return result


HANDLER = HandlerSpec(21, 0, 2, handle)
