"""ElectLeaders (key 43) v0-2

Behaviour:
- Preferred: a leader that is not its partition's first replica hands over to that one. Where it
  leads already: ELECTION_NOT_NEEDED; where it is not in sync or out of reach:
  PREFERRED_LEADER_NOT_AVAILABLE.
- Unclean: a replica that lacks acknowledged records is never elected. Where there is a leader:
  ELECTION_NOT_NEEDED; where there is none: ELIGIBLE_LEADERS_NOT_AVAILABLE.
- Asked for all partitions (null), those that need none are left out, as in Kafka.
- Partitions that are not done within the request's time-out: REQUEST_TIMED_OUT.

Version notes:
- 1: the kind of election, before always preferred; a top-level error. 2: flexible.

Source: KIP-183, KIP-460.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.limits import ELECTIONS_MAX
from sprawl.gateway.codec._generated.k43_elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_PREFERRED: Final = 0
_UNCLEAN: Final = 1


async def handle(ctx: RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse:
    """Answer when every leader that is to change has changed."""
    if request.election_type not in (_PREFERRED, _UNCLEAN):
        # Version 0 has no other kind and no place for an error.
        return ElectLeadersResponse(error_code=ErrorCode.INVALID_REQUEST)
    slots = asyncio.Semaphore(ELECTIONS_MAX)
    loop = asyncio.get_running_loop()
    until = loop.time() + request.timeout_ms / 1_000

    async def elect(name: str, index: int) -> PartitionResult:
        code, message = ErrorCode.NONE, None
        try:
            async with asyncio.timeout_at(until), slots:
                await _elect(ctx, name, index, request.election_type)
        except KafkaFault as fault:
            code, message = fault.code, fault.message
        except TimeoutError:
            code = ErrorCode.REQUEST_TIMED_OUT
        return PartitionResult(partition_id=index, error_code=code, error_message=message)

    results = []
    for name, indexes in _asked(ctx, request):
        found = await asyncio.gather(*(elect(name, index) for index in indexes))
        if request.topic_partitions is None:
            found = [each for each in found if each.error_code != ErrorCode.ELECTION_NOT_NEEDED]
        if found or request.topic_partitions is not None:
            results.append(ReplicaElectionResult(topic=name, partition_result=found))
    return ElectLeadersResponse(error_code=ErrorCode.NONE, replica_election_results=results)


def _asked(ctx: RequestContext, request: ElectLeadersRequest) -> Iterator[tuple[str, list[int]]]:
    if request.topic_partitions is None:
        for topic in list(ctx.broker.controller.topics.values()):
            yield topic.name, list(topic.partitions)
    else:
        for asked in request.topic_partitions:
            yield asked.topic, asked.partitions


async def _elect(ctx: RequestContext, name: str, index: int, kind: int) -> None:
    """Raises: KafkaFault."""
    broker = ctx.broker
    topic = broker.controller.topics.get(name)
    if topic is None:
        raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    if index not in topic.partitions:
        raise KafkaFault(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}"
        )
    search = broker.cluster.find_leaders([(topic, [index])])
    if search is not None:
        await search
    if kind == _PREFERRED:
        await broker.elections.elect_preferred(topic, index)
    elif broker.cluster.leader(topic, index) < 0:
        raise KafkaFault(
            ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
            "No majority of the replicas can be reached, and nobody else is ever elected.",
        )
    else:
        raise KafkaFault(ErrorCode.ELECTION_NOT_NEEDED, "The partition has a leader.")


HANDLER = HandlerSpec(43, 0, 2, handle)
