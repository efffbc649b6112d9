"""OffsetDelete (key 47) v0

Behaviour:
- Removes committed offsets; an offset that does not exist is no error.
- GROUP_SUBSCRIBED_TO_TOPIC for topics a live consumer group reads, UNKNOWN_TOPIC_OR_PARTITION for
  partitions that do not exist.
- For the whole request: NOT_COORDINATOR where another node leads the group's partition of
  __consumer_offsets, GROUP_ID_NOT_FOUND, INVALID_GROUP_ID for an empty name, and NON_EMPTY_GROUP
  for a live group that is not of consumers.

Version notes: none.

Not implemented: nothing.

Source: KIP-496.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import CommitResult
from sprawl.gateway.codec._generated.k47_offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: OffsetDeleteRequest
) -> OffsetDeleteResponse | Awaitable[OffsetDeleteResponse]:
    """Delete what belongs to existing partitions; the response keeps the request's order."""
    known = ctx.broker.controller.topics
    keys: list[tuple[str, int]] = []
    answers: list[OffsetDeleteResponsePartition] = []
    topics = []
    for topic in request.topics:
        info = known.get(topic.name)
        partitions = []
        for wish in topic.partitions:
            answer = OffsetDeleteResponsePartition(partition_index=wish.partition_index)
            partitions.append(answer)
            if info is None or not 0 <= wish.partition_index < len(info.partitions):
                answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                continue
            keys.append((topic.name, wish.partition_index))
            answers.append(answer)
        topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))

    def convert(result: CommitResult) -> OffsetDeleteResponse:
        if result.error:
            return OffsetDeleteResponse(error_code=result.error)
        for answer, code in zip(answers, result.errors, strict=True):
            answer.error_code = code
        return OffsetDeleteResponse(topics=topics)

    return respond(ctx.broker.groups.delete_offsets(request.group_id, keys), convert)


HANDLER = HandlerSpec(47, 0, 0, handle)
