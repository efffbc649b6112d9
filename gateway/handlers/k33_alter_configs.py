"""AlterConfigs (key 33) v0-2

Behaviour:
- The configs given become all overrides of the resource; what is not named goes back to its
  default. Older tools use it; IncrementalAlterConfigs changes only what it names.
- Each resource succeeds or fails as a whole, and is durable when answered; all of them together
  have a bounded time (gateway/request_time.py).

Version notes:
- 2: flexible.

Not implemented: nothing.

Source: KIP-133.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.config.alteration import replaced
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k33_alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from sprawl.gateway.config_resources import check_kind
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse:
    """Answer when every change is durable, or the time is up."""
    time = RequestTime()
    return AlterConfigsResponse(
        responses=[
            await _alter(ctx.broker, resource, time, validate_only=request.validate_only)
            for resource in request.resources
        ]
    )


async def _alter(
    broker: Broker, asked: AlterConfigsResource, time: RequestTime, *, validate_only: bool
) -> AlterConfigsResourceResponse:
    answer = AlterConfigsResourceResponse(
        error_code=ErrorCode.NONE,
        error_message=None,
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
    )
    try:
        check_kind(asked.resource_type)
        await time.take(
            partial(
                broker.controller.replace_configs,
                asked.resource_type,
                asked.resource_name,
                replaced((config.name, config.value) for config in asked.configs),
                validate_only=validate_only,
            )
        )
    except KafkaFault as fault:
        answer.error_code, answer.error_message = fault.code, fault.message
    return answer


HANDLER = HandlerSpec(33, 0, 2, handle)
