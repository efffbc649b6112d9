"""FindCoordinator (key 10) v0-6

Behaviour:
- Key type 0, a consumer group: this node, at the address of the listener the client came through.
  The first request creates __consumer_offsets; while it cannot be created the answer is
  COORDINATOR_NOT_AVAILABLE, and clients ask again.
- Any other key type: INVALID_REQUEST.

Version notes:
- 1: key types, error messages. 4: several keys in one request, answered each on its own.

Not implemented:
- Key type 1, transactions, and (v6) key type 2, share groups: UNSUPPORTED_VERSION with a message.
  It is not retriable, so a transactional producer fails at once with the reason instead of looking
  for a coordinator until it times out.

Source: KIP-98, KIP-699, KIP-932.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k10_find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sprawl.gateway.dispatch import RequestContext

_GROUP = 0
_TRANSACTION = 1
_SHARE = 2
_KEYS_FROM_VERSION = 4
_SHARE_FROM_VERSION = 6


def handle(
    ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | Coroutine[None, None, FindCoordinatorResponse]:
    """Name the coordinator of each key; waits only while __consumer_offsets is being created."""
    if request.key_type == _GROUP and not ctx.broker.groups.is_ready():
        return _handle_first(ctx, request)
    return _respond(ctx, request, _refusal(ctx, request))


async def _handle_first(
    ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse:
    try:
        await ctx.broker.groups.ensure_ready()
    except KafkaFault as fault:
        return _respond(
            ctx, request, KafkaFault(ErrorCode.COORDINATOR_NOT_AVAILABLE, fault.message)
        )
    return _respond(ctx, request, None)


def _refusal(ctx: RequestContext, request: FindCoordinatorRequest) -> KafkaFault | None:
    if request.key_type == _GROUP:
        return None
    if request.key_type == _TRANSACTION:
        return KafkaFault(
            ErrorCode.UNSUPPORTED_VERSION, "this version of Sprawl does not serve transactions"
        )
    if request.key_type == _SHARE and ctx.api_version >= _SHARE_FROM_VERSION:
        return KafkaFault(
            ErrorCode.UNSUPPORTED_VERSION, "this version of Sprawl does not serve share groups"
        )
    return KafkaFault(ErrorCode.INVALID_REQUEST, f"there is no key type {request.key_type}")


def _respond(
    ctx: RequestContext, request: FindCoordinatorRequest, fault: KafkaFault | None
) -> FindCoordinatorResponse:
    node_id, host, port = -1, "", -1
    if fault is None:
        host, port = ctx.broker.endpoints[ctx.connection.listener_name]
        node_id = ctx.broker.node_id
    code = ErrorCode.NONE if fault is None else fault.code
    message = None if fault is None else fault.message
    if ctx.api_version < _KEYS_FROM_VERSION:
        return FindCoordinatorResponse(
            error_code=code, error_message=message, node_id=node_id, host=host, port=port
        )
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(
                key=key,
                node_id=node_id,
                host=host,
                port=port,
                error_code=code,
                error_message=message,
            )
            for key in request.coordinator_keys
        ]
    )


HANDLER = HandlerSpec(10, 0, 6, handle)
