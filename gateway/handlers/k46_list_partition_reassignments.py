"""ListPartitionReassignments (key 46) v0

Behaviour:
- The partitions that are on their way: where they are and are going together, and of these which
  are new and which will go: those too of a target that was changed since. All of them for null
  topics; partitions that stay are left out, and so are those whose move was stopped.

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
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.gateway.dispatch import RequestContext


def handle(
    ctx: RequestContext, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """Answer at once."""
    topics = ctx.broker.controller.topics
    if request.topics is None:
        asked = {name: set(topic.moving) for name, topic in topics.items()}
    else:
        asked = {each.name: set(each.partition_indexes) for each in request.topics}
    return ListPartitionReassignmentsResponse(
        error_code=ErrorCode.NONE,
        error_message=None,
        topics=[
            OngoingTopicReassignment(
                name=name, partitions=[_describe(ctx, topic, index) for index in moving]
            )
            for name, wanted in asked.items()
            if (topic := topics.get(name)) is not None
            and (moving := sorted(wanted & topic.moving.keys()))
        ],
    )


def _describe(ctx: RequestContext, topic: TopicInfo, index: int) -> OngoingPartitionReassignment:
    state = ctx.broker.controller.state
    after = topic.moving[index]
    before = (*topic.replicas[index], *topic.lingering.get(index, ()))
    adding = [each for each in after if each not in topic.replicas[index]]
    removing = [each for each in before if each not in after]
    return OngoingPartitionReassignment(
        partition_index=index,
        replicas=list(map(int, state.brokers_of([*after, *removing]))),
        adding_replicas=list(map(int, state.brokers_of(adding))),
        removing_replicas=list(map(int, state.brokers_of(removing))),
    )


HANDLER = HandlerSpec(46, 0, 0, handle)
