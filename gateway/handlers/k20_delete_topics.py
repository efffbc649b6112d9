"""DeleteTopics (key 20) v1-6

Behaviour:
- Deletes topics by name, from v6 also by id; each is durable when answered, and its long polls end.
- All of them together take `timeout_ms` at most, as in CreateTopics.
- `delete.topic.enable=false`: TOPIC_DELETION_DISABLED (v3+; before: INVALID_REQUEST).

Version notes:
- 5: error messages. 6: ids; a topic with both name and id is INVALID_REQUEST.

Not implemented: nothing.

Source: KIP-4, KIP-516.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec._generated.k20_delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    """Answer when every deletion is durable, or the time is up."""
    time = RequestTime(request.timeout_ms)
    if ctx.api_version < 6:
        asked = [DeleteTopicState(name=name, topic_id=ZERO_UUID) for name in request.topic_names]
    else:
        asked = request.topics
    return DeleteTopicsResponse(
        responses=[await _delete(ctx, each, time) for each in asked],
    )


async def _delete(
    ctx: RequestContext, asked: DeleteTopicState, time: RequestTime
) -> DeletableTopicResult:
    try:
        if asked.topic_id == ZERO_UUID and asked.name is None:
            raise KafkaFault(ErrorCode.INVALID_REQUEST, "Neither topic name nor id was specified.")
        if asked.topic_id != ZERO_UUID and asked.name is not None:
            raise KafkaFault(
                ErrorCode.INVALID_REQUEST, "A topic can be named by name or by id, not by both."
            )
        asked_id = None if asked.topic_id == ZERO_UUID else asked.topic_id
        name, topic_id = await time.take(
            partial(ctx.broker.controller.delete_topic, name=asked.name, topic_id=asked_id)
        )
    except KafkaFault as fault:
        code = fault.code
        if code is ErrorCode.TOPIC_DELETION_DISABLED and ctx.api_version < 3:
            code = ErrorCode.INVALID_REQUEST
        return DeletableTopicResult(
            name=asked.name, topic_id=asked.topic_id, error_code=code, error_message=fault.message
        )
    return DeletableTopicResult(
        name=name, topic_id=topic_id, error_code=ErrorCode.NONE, error_message=None
    )


HANDLER = HandlerSpec(20, 1, 6, handle)
