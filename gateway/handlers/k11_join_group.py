"""JoinGroup (key 11) v0-9

Behaviour:
- Waits until the group's join phase ends, then answers with the new generation; the leader also
  gets every member's metadata and assigns partitions (core/groups/rebalance.py has the rules).
- Session timeouts outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms` get
  INVALID_SESSION_TIMEOUT; a member whose protocols none of the others share gets
  INCONSISTENT_GROUP_PROTOCOL; one too many for `group.max.size` gets GROUP_MAX_SIZE_REACHED.
- A static member (`group_instance_id`) that comes back without its member id takes its old place
  over: no rebalance if the group is Stable and its protocol stays the same.
- NOT_COORDINATOR where another node leads the group's partition of __consumer_offsets, also for
  members that wait when this node ceases to lead it; COORDINATOR_LOAD_IN_PROGRESS while its groups
  are read from the log.
- A client that disconnects while it waits keeps its place for one session timeout.

Version notes:
- 0: the session timeout is also the rebalance timeout.
- 4: a first request without member id gets MEMBER_ID_REQUIRED and the id to come back with, so that
  clients that give up leave no ghosts in the group (KIP-394). 5: static members (KIP-345).
- 7: `protocol_type`, and null instead of "" for no protocol. 8: `reason`, which goes to the log.
- 9: `skip_assignment` tells a leader that took its place over not to assign anew (KIP-814).

Not implemented: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.groups.model import JoinRequest, JoinResult
from sprawl.gateway.codec._generated.k11_join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.gateway.dispatch import RequestContext

_REBALANCE_TIMEOUT_FROM_VERSION = 1
_MEMBER_ID_REQUIRED_FROM_VERSION = 4
_NULL_PROTOCOL_FROM_VERSION = 7
_SKIP_ASSIGNMENT_FROM_VERSION = 9


def handle(
    ctx: RequestContext, request: JoinGroupRequest
) -> JoinGroupResponse | Awaitable[JoinGroupResponse]:
    """Join or rejoin; the answer may take as long as the group's rebalance timeout."""
    version = ctx.api_version
    rebalance_timeout_ms = request.rebalance_timeout_ms
    if version < _REBALANCE_TIMEOUT_FROM_VERSION:
        rebalance_timeout_ms = request.session_timeout_ms

    def convert(result: JoinResult) -> JoinGroupResponse:
        protocol_name = result.protocol_name
        if protocol_name is None and version < _NULL_PROTOCOL_FROM_VERSION:
            protocol_name = ""
        return JoinGroupResponse(
            error_code=result.error,
            generation_id=result.generation_id,
            protocol_type=result.protocol_type,
            protocol_name=protocol_name,
            leader=result.leader,
            skip_assignment=result.skip_assignment,
            member_id=result.member_id,
            members=[
                JoinGroupResponseMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    metadata=member.metadata,
                )
                for member in result.members
            ],
        )

    return respond(
        ctx.broker.groups.join(
            JoinRequest(
                group_id=request.group_id,
                member_id=request.member_id,
                group_instance_id=request.group_instance_id,
                client_id=ctx.client_id or "",
                client_host=f"/{ctx.connection.peer_host}",
                session_timeout_ms=request.session_timeout_ms,
                rebalance_timeout_ms=rebalance_timeout_ms,
                protocol_type=request.protocol_type,
                protocols=tuple(
                    (protocol.name, protocol.metadata) for protocol in request.protocols
                ),
                reason=request.reason,
                requires_known_member_id=version >= _MEMBER_ID_REQUIRED_FROM_VERSION,
                supports_skipping_assignment=version >= _SKIP_ASSIGNMENT_FROM_VERSION,
            )
        ),
        convert,
    )


HANDLER = HandlerSpec(11, 0, 9, handle)
