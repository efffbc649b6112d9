"""IncrementalAlterConfigs (key 44) v0-1

Behaviour:
- SET and DELETE change one override; APPEND and SUBTRACT change the list in force.
- Each resource succeeds or fails as a whole, and is durable when answered; all of them together
  have a bounded time (gateway/request_time.py).
- Changes of one resource that arrive at once, at any nodes, all count: the controller builds each
  on what the one before left.
- A resource named twice is INVALID_REQUEST, for each of its places.

Version notes:
- 1: flexible.

Not implemented: broker loggers (INVALID_REQUEST).

Source: KIP-339.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.config.alteration import Change
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k44_incremental_alter_configs import (
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from sprawl.gateway.config_resources import below_overrides, check_kind
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.gateway.dispatch import RequestContext


async def handle(
    ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    """Answer when every change is durable, or the time is up."""
    time = RequestTime()
    named = Counter((item.resource_type, item.resource_name) for item in request.resources)
    return IncrementalAlterConfigsResponse(
        responses=[
            await _alter(
                ctx.broker,
                item,
                time,
                validate_only=request.validate_only,
                is_named_twice=named[item.resource_type, item.resource_name] > 1,
            )
            for item in request.resources
        ]
    )


async def _alter(
    broker: Broker,
    asked: AlterConfigsResource,
    time: RequestTime,
    *,
    validate_only: bool,
    is_named_twice: bool,
) -> AlterConfigsResourceResponse:
    answer = AlterConfigsResourceResponse(
        error_code=ErrorCode.NONE,
        error_message=None,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
    )
    try:
        if is_named_twice:
            raise KafkaFault(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
        check_kind(asked.resource_type)
        await time.take(
            partial(
                broker.controller.alter_configs,
                asked.resource_type,
                asked.resource_name,
                [Change(item.name, item.config_operation, item.value) for item in asked.configs],
                below=below_overrides(broker, asked.resource_type, (c.name for c in asked.configs)),
                validate_only=validate_only,
            )
        )
    except KafkaFault as fault:
        answer.error_code, answer.error_message = fault.code, fault.message
    return answer


HANDLER = HandlerSpec(44, 0, 1, handle)
