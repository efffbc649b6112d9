"""SyncGroup (key 14) v0-5

Behaviour:
- The leader brings everyone's assignment; it takes force, and every waiting member is answered,
  once it is committed to __consumer_offsets. A member the leader left out gets an empty assignment.
- Followers wait for the leader. In a Stable group the present assignment is answered at once.
- NOT_COORDINATOR where another node leads the group's partition of __consumer_offsets, also for
  members that wait when this node ceases to lead it; COORDINATOR_LOAD_IN_PROGRESS while its groups
  are read from the log. COORDINATOR_NOT_AVAILABLE and NOT_COORDINATOR also when the assignment
  cannot be stored.
- REBALANCE_IN_PROGRESS when the group has begun to rebalance: join again.

Version notes:
- 3: `group_instance_id`.
- 5: protocol type and name are checked (INCONSISTENT_GROUP_PROTOCOL) and answered (KIP-559).

Not implemented: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.groups.model import SyncRequest, SyncResult
from sprawl.gateway.codec._generated.k14_sync_group import SyncGroupRequest, SyncGroupResponse
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: SyncGroupRequest
) -> SyncGroupResponse | Awaitable[SyncGroupResponse]:
    """Hand the assignment out; the answer may take as long as the group's rebalance timeout."""
    return respond(
        ctx.broker.groups.sync(
            SyncRequest(
                group_id=request.group_id,
                generation_id=request.generation_id,
                member_id=request.member_id,
                group_instance_id=request.group_instance_id,
                protocol_type=request.protocol_type,
                protocol_name=request.protocol_name,
                assignments=tuple(
                    (assignment.member_id, assignment.assignment)
                    for assignment in request.assignments
                ),
            )
        ),
        _convert,
    )


def _convert(result: SyncResult) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=result.error,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol_name,
        assignment=result.assignment,
    )


HANDLER = HandlerSpec(14, 0, 5, handle)
