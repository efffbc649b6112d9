"""DeleteGroups (key 42) v0-2

Behaviour:
- Removes groups without members, together with their offsets; answered once that is committed.
- Each group stands for itself: NOT_COORDINATOR where another node leads its partition of
  __consumer_offsets.
- NON_EMPTY_GROUP while a group has members, GROUP_ID_NOT_FOUND if there is none of that name.

Version notes: none.

Not implemented: nothing.

Source: KIP-229.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.gateway.codec._generated.k42_delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.core.errors import ErrorCode
    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: DeleteGroupsRequest
) -> DeleteGroupsResponse | Awaitable[DeleteGroupsResponse]:
    """Delete each group on its own; a group named twice is answered once."""
    group_ids = list(dict.fromkeys(request.groups_names))

    def convert(errors: list[ErrorCode]) -> DeleteGroupsResponse:
        return DeleteGroupsResponse(
            results=[
                DeletableGroupResult(group_id=group_id, error_code=error)
                for group_id, error in zip(group_ids, errors, strict=True)
            ]
        )

    return respond(ctx.broker.groups.delete_groups(group_ids), convert)


HANDLER = HandlerSpec(42, 0, 2, handle)
