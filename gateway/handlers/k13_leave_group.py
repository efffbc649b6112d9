"""LeaveGroup (key 13) v0-5

Behaviour:
- Takes members out of the group at once, so that the others need not wait for their sessions to
  end; the group rebalances once for the whole request.
- NOT_COORDINATOR where another node leads the group's partition of __consumer_offsets,
  COORDINATOR_LOAD_IN_PROGRESS while its groups are read from the log.
- An administrator removes a static member by naming its instance with an empty member id.

Version notes:
- 0-2: one member, whose error is the request's error.
- 3: a batch by member id, instance id or both, one error each; the request's own error is only for
  what concerns the group as a whole. 5: `reason`, which goes to the log.

Not implemented: nothing.

Source: KIP-345, KIP-571, KIP-800.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.groups.model import LeavingMember
from sprawl.gateway.codec._generated.k13_leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_BATCH_FROM_VERSION = 3


def handle(ctx: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse:
    """Answer at once."""
    if ctx.api_version < _BATCH_FROM_VERSION:
        result = ctx.broker.groups.leave(request.group_id, (LeavingMember(request.member_id),))
        codes = [result.error, *(member.error for member in result.members)]
        return LeaveGroupResponse(error_code=next((code for code in codes if code), 0))
    result = ctx.broker.groups.leave(
        request.group_id,
        tuple(
            LeavingMember(member.member_id, member.group_instance_id, member.reason)
            for member in request.members
        ),
    )
    return LeaveGroupResponse(
        error_code=result.error,
        members=[
            MemberResponse(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=member.error,
            )
            for member in result.members
        ],
    )


HANDLER = HandlerSpec(13, 0, 5, handle)
