"""DescribeGroups (key 15) v0-6

Behaviour:
- State, protocol and members of each group. Metadata and assignments are shown while the group is
  Stable, as at other times they are in motion.
- A group that does not exist is described as Dead.
- Each group stands for itself: NOT_COORDINATOR where another node leads its partition of
  __consumer_offsets, COORDINATOR_LOAD_IN_PROGRESS while its groups are read from the log.

Version notes:
- 3: authorized operations, if asked for: all that a group can have, as nothing is forbidden yet.
- 4: instance ids. 6: a group that does not exist also gets GROUP_ID_NOT_FOUND (KIP-1043).

Not implemented:
- Groups of the newer protocols (KIP-848), which this node does not coordinate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.authorized_operations import GROUP_OPERATIONS, NOT_ASKED
from sprawl.gateway.codec._generated.k15_describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_NOT_FOUND_FROM_VERSION = 6


def handle(ctx: RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    """Describe the groups in the request's order."""
    operations = GROUP_OPERATIONS if request.include_authorized_operations else NOT_ASKED
    return DescribeGroupsResponse(
        groups=[_describe(ctx, group_id, operations) for group_id in request.groups]
    )


def _describe(ctx: RequestContext, group_id: str, operations: int) -> DescribedGroup:
    error = ctx.broker.groups.availability(group_id)
    if error:
        return DescribedGroup(group_id=group_id, error_code=error)
    group = ctx.broker.groups.describe(group_id)
    described = DescribedGroup(
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol_name,
        authorized_operations=operations,
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in group.members
        ],
    )
    if group.error is ErrorCode.GROUP_ID_NOT_FOUND and ctx.api_version >= _NOT_FOUND_FROM_VERSION:
        described.error_code = group.error
        described.error_message = f"Group {group_id} not found."
    return described


HANDLER = HandlerSpec(15, 0, 6, handle)
