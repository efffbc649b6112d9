"""DeleteRecords (key 21) v0-2

Behaviour:
- Moves the log start offset up to `offset`; -1 means the high watermark. Records below it are gone
  for readers at once, their space is freed by retention. An offset below the log start offset
  changes nothing and succeeds.
- `low_watermark` is the log start offset afterwards, or -1 with an error.
- Answered when enough replicas agree; REQUEST_TIMED_OUT when that takes longer than `timeout_ms`.
- NOT_LEADER_OR_FOLLOWER: another node leads the partition.
- OFFSET_OUT_OF_RANGE: below -1 or beyond the high watermark. POLICY_VIOLATION: `cleanup.policy` of
  the topic has no `delete`. INVALID_TOPIC_EXCEPTION: an internal topic.

Version notes:
- 2: flexible encoding; the versions mean the same.

Not implemented: nothing.

Source: KIP-107.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k21_delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.leader_hint import find_partition

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.replication import Commit
    from sprawl.gateway.dispatch import RequestContext

_INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})


class _Pending(NamedTuple):
    """A deletion that other replicas have not agreed to yet."""

    result: DeleteRecordsPartitionResult
    partition: Partition
    commit: Commit


def handle(
    ctx: RequestContext, request: DeleteRecordsRequest
) -> DeleteRecordsResponse | Coroutine[None, None, DeleteRecordsResponse]:
    """Delete up to each offset; an awaitable when other replicas have to agree first."""
    pending: list[_Pending] = []
    response = DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[_delete(ctx, topic.name, wish, pending) for wish in topic.partitions],
            )
            for topic in request.topics
        ]
    )
    return _when_done(response, pending, request.timeout_ms) if pending else response


def _delete(
    ctx: RequestContext, topic: str, wish: DeleteRecordsPartition, pending: list[_Pending]
) -> DeleteRecordsPartitionResult:
    result = DeleteRecordsPartitionResult(partition_index=wish.partition_index, low_watermark=-1)
    try:
        if topic in _INTERNAL_TOPICS:
            raise KafkaFault(ErrorCode.INVALID_TOPIC_EXCEPTION)
        partition = find_partition(ctx.broker, topic, wish.partition_index)
        commit = partition.delete_records(wish.offset)
        if commit is None:
            result.low_watermark = partition.log_start_offset
        else:
            pending.append(_Pending(result, partition, commit))
    except KafkaFault as fault:
        result.error_code = fault.code
    return result


async def _when_done(
    response: DeleteRecordsResponse, pending: list[_Pending], timeout_ms: int
) -> DeleteRecordsResponse:
    await asyncio.wait([each.commit for each in pending], timeout=max(timeout_ms, 0) / 1_000)
    for result, partition, commit in pending:
        if not commit.done():
            result.error_code = ErrorCode.REQUEST_TIMED_OUT
        elif (fault := commit.result()) is not None:
            result.error_code = fault.code
        else:
            result.low_watermark = partition.log_start_offset
    return response


HANDLER = HandlerSpec(21, 0, 2, handle)
