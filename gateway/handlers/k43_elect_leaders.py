"""ElectLeaders (key 43) v0-2

Behaviour:
- Every partition of a single node is led by its preferred and only replica, so that an election,
  preferred or unclean, is ELECTION_NOT_NEEDED for each partition asked for.
- Asked for all partitions (null), those that need none are left out, as in Kafka: an empty answer.

Version notes:
- 1: the kind of election, before always preferred; a top-level error. 2: flexible.

Source: KIP-183, KIP-460.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k43_elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_ELECTION_TYPES = (0, 1)
"""Preferred, unclean."""


def handle(ctx: RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse:
    """Answer at once."""
    if request.election_type not in _ELECTION_TYPES:
        # Version 0 has no other kind and no place for an error.
        return ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ElectLeadersResponse(
        error_code=ErrorCode.NONE,
        replica_election_results=[
            ReplicaElectionResult(
                topic=asked.topic,
                partition_result=[_result(ctx, asked.topic, index) for index in asked.partitions],
            )
            for asked in request.topic_partitions or []
        ],
    )


def _result(ctx: RequestContext, name: str, index: int) -> PartitionResult:
    topic = ctx.broker.controller.topics.get(name)
    if topic is None:
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}"
    elif index not in topic.partitions:
        code, message = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}"
    else:
        code, message = (
            ErrorCode.ELECTION_NOT_NEEDED,
            "The partition is led by its preferred replica already.",
        )
    return PartitionResult(partition_id=index, error_code=code, error_message=message)


HANDLER = HandlerSpec(43, 0, 2, handle)
