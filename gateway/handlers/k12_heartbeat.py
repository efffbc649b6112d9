"""Heartbeat (key 12) v0-4

Behaviour:
- Renews the member's session. REBALANCE_IN_PROGRESS tells it to join again, and renews it too.
- ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID and FENCED_INSTANCE_ID as the member's standing demands.
- While the group's partition is loaded from the log every heartbeat succeeds. NOT_COORDINATOR where
  another node leads that partition.

Version notes:
- 3: `group_instance_id`.

Not implemented: nothing.

Source: KIP-62, KIP-345.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.groups.model import HeartbeatRequest as CoreHeartbeat
from sprawl.gateway.codec._generated.k12_heartbeat import HeartbeatRequest, HeartbeatResponse
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(ctx: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    """Answer at once."""
    error = ctx.broker.groups.heartbeat(
        CoreHeartbeat(
            request.group_id, request.generation_id, request.member_id, request.group_instance_id
        )
    )
    return HeartbeatResponse(error_code=error)


HANDLER = HandlerSpec(12, 0, 4, handle)
