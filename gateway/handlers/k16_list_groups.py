"""ListGroups (key 16) v0-5

Behaviour:
- Every group this node coordinates, groups without members included; clients ask every broker.
- COORDINATOR_LOAD_IN_PROGRESS while a partition of __consumer_offsets that this node leads is being
  loaded: a list that lacks groups would look complete.

Version notes:
- 4: states, and a filter by them (KIP-518). 5: types, and a filter by them; ours are all "classic".
  Filter names are compared without regard to case; a name nobody has filters everything out.

Not implemented: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.gateway.codec._generated.k16_list_groups import (
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(ctx: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    """List what passes both filters."""
    error = ctx.broker.groups.availability_of_all()
    if error:
        return ListGroupsResponse(error_code=error)
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.state,
                group_type=group.group_type,
            )
            for group in ctx.broker.groups.list_groups(request.states_filter, request.types_filter)
        ]
    )


HANDLER = HandlerSpec(16, 0, 5, handle)
