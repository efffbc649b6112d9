"""ListPartitionReassignments (key 46) v0

Behaviour:
- A single node moves nothing: no reassignment is ever under way, and the list is empty.

Version notes: none.

Not implemented: nothing.

Source: KIP-455.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k46_list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """Answer at once."""
    return ListPartitionReassignmentsResponse(error_code=ErrorCode.NONE, error_message=None)


HANDLER = HandlerSpec(46, 0, 0, handle)
