"""CreatePartitions (key 37) v0-3

Behaviour:
- Raises a topic's partition count; each topic succeeds or fails alone and is durable when answered.
- All of them together take `timeout_ms` at most, as in CreateTopics.
- The count may not fall or stay (INVALID_PARTITIONS). Manual assignments name this node.

Version notes:
- 2: flexible. 3: as 2; a quota could answer THROTTLING_QUOTA_EXCEEDED, none is set here.

Not implemented: nothing.

Source: KIP-195.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k37_create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.core.controller.controller import Controller
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    """Answer when every change is durable, or the time is up."""
    time = RequestTime(request.timeout_ms)
    named = Counter(topic.name for topic in request.topics)
    return CreatePartitionsResponse(
        results=[
            await _create(
                ctx.broker.controller,
                topic,
                time,
                validate_only=request.validate_only,
                is_named_twice=named[topic.name] > 1,
            )
            for topic in request.topics
        ]
    )


async def _create(
    controller: Controller,
    asked: CreatePartitionsTopic,
    time: RequestTime,
    *,
    validate_only: bool,
    is_named_twice: bool,
) -> CreatePartitionsTopicResult:
    assignments = None
    if asked.assignments is not None:
        assignments = [each.broker_ids for each in asked.assignments]
    try:
        if is_named_twice:
            raise KafkaFault(ErrorCode.INVALID_REQUEST, "Duplicate topic in request.")
        await time.take(
            partial(
                controller.create_partitions,
                asked.name,
                asked.count,
                assignments,
                validate_only=validate_only,
            )
        )
    except KafkaFault as fault:
        return CreatePartitionsTopicResult(
            name=asked.name, error_code=fault.code, error_message=fault.message
        )
    return CreatePartitionsTopicResult(
        name=asked.name, error_code=ErrorCode.NONE, error_message=None
    )


HANDLER = HandlerSpec(37, 0, 3, handle)
