"""UnregisterBroker (key 64) v0

Behaviour:
- Takes a broker out of the cluster that holds no replicas any more; answered when that is durable.
- One that still holds some: INVALID_REQUEST, which says how many. Kafka would leave the partitions
  with a replica that never comes back; `sprawl cluster drain` moves them first.
- An unknown one: BROKER_ID_NOT_REGISTERED.
- A process that still runs under the id takes no part any more, and is not let in again with its
  old data directory.

Version notes: none.

Not implemented: nothing.

Source: KIP-500, KIP-631.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.gateway.codec._generated.k64_unregister_broker import (
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


async def handle(ctx: RequestContext, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse:
    """Answer when the cluster has forgotten the broker."""
    code, message = ErrorCode.NONE, None
    try:
        await ctx.broker.controller.remove_node(request.broker_id)
    except KafkaFault as fault:
        code, message = fault.code, fault.message
    return UnregisterBrokerResponse(error_code=code, error_message=message)


HANDLER = HandlerSpec(64, 0, 0, handle)
