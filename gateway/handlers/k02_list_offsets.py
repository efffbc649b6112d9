"""ListOffsets (key 2) v1-11

Behaviour, by `timestamp`:
- -1 LATEST: the high watermark, or the last stable offset with read_committed; the current leader
  epoch. -2 EARLIEST and -4 EARLIEST_LOCAL: the log start offset and the epoch of its record.
- -3 MAX_TIMESTAMP: offset and timestamp of the record with the largest timestamp.
- -5 LATEST_TIERED and -6 EARLIEST_PENDING_UPLOAD: -1, as nothing is in a remote tier.
- >= 0: the first record at or after that time, looked up inside batches, compressed ones too.
- A partition that is led elsewhere gets NOT_LEADER_OR_FOLLOWER; UNKNOWN_TOPIC_OR_PARTITION is for
  what the controller does not know.
- Nothing found, or only beyond what the isolation level may see: offset and timestamp -1, no error.
- A partition named twice gets INVALID_REQUEST, as in Kafka. Look-ups that may read from disk run in
  the thread pool.
- Replica id -2 is a debugging consumer: it sees the log end offset.

Version notes:
- 2: `isolation_level`. 4: leader epochs, FENCED_LEADER_EPOCH and UNKNOWN_LEADER_EPOCH.
- 7: -3. 8: -4. 9: -5. 11: -6; a special timestamp in an older version gets UNSUPPORTED_VERSION.
- 10: `timeout_ms` bounds look-ups in a remote tier, so it changes nothing.

Not implemented:
- Remote tier.

Source: KIP-79, KIP-207, KIP-320, KIP-405, KIP-734, KIP-1005, KIP-1023, KIP-1075.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.partition.lookups import MAX_TIMESTAMP
from sprawl.core.partition.partition import Isolation
from sprawl.gateway.codec._generated.k02_list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.leader_hint import find_partition

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sprawl.core.partition.lookups import ListedOffset
    from sprawl.core.partition.partition import Partition
    from sprawl.gateway.dispatch import RequestContext

_DEBUGGING_REPLICA = -2
_LEADER_EPOCH_FROM_VERSION = 4
_SPECIAL_FROM_VERSION = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9, -6: 11}


def handle(
    ctx: RequestContext, request: ListOffsetsRequest
) -> ListOffsetsResponse | Coroutine[None, None, ListOffsetsResponse]:
    """Look every partition up; an awaitable when a look-up may have to read from disk."""
    asked = Counter(
        (topic.name, wish.partition_index) for topic in request.topics for wish in topic.partitions
    )
    lookups: list[_Lookup] = []
    topics = []
    for topic in request.topics:
        answers = []
        for wish in topic.partitions:
            answer = ListOffsetsPartitionResponse(partition_index=wish.partition_index)
            answers.append(answer)
            try:
                if asked[topic.name, wish.partition_index] > 1:
                    raise KafkaFault(ErrorCode.INVALID_REQUEST)
                lookup = _plan(ctx, request, topic.name, wish, answer)
                if lookup.may_block:
                    lookups.append(lookup)
                else:
                    lookup.finish(lookup.run(), ctx.api_version)
            except KafkaFault as fault:
                answer.error_code = fault.code
        topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=answers))
    response = ListOffsetsResponse(topics=topics)
    return _look_up(ctx, lookups, response) if lookups else response


class _Lookup(NamedTuple):
    """One partition's query and where its answer goes."""

    partition: Partition
    timestamp: int
    isolation: Isolation
    answer: ListOffsetsPartitionResponse

    @property
    def may_block(self) -> bool:
        return self.timestamp >= 0 or self.timestamp == MAX_TIMESTAMP

    def run(self) -> ListedOffset:
        return self.partition.list_offset(self.timestamp, self.isolation)

    def finish(self, found: ListedOffset, version: int) -> None:
        self.answer.offset = found.offset
        self.answer.timestamp = found.timestamp_ms
        if version >= _LEADER_EPOCH_FROM_VERSION:
            self.answer.leader_epoch = found.leader_epoch


def _plan(
    ctx: RequestContext,
    request: ListOffsetsRequest,
    topic: str,
    wish: ListOffsetsPartition,
    answer: ListOffsetsPartitionResponse,
) -> _Lookup:
    """Check one partition's query.

    Raises:
        KafkaFault: UNSUPPORTED_VERSION, INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION,
            NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
    """
    known_from = _SPECIAL_FROM_VERSION.get(wish.timestamp)
    if wish.timestamp < 0 and (known_from is None or ctx.api_version < known_from):
        raise KafkaFault(ErrorCode.UNSUPPORTED_VERSION)
    if request.isolation_level not in (Isolation.READ_UNCOMMITTED, Isolation.READ_COMMITTED):
        raise KafkaFault(ErrorCode.INVALID_REQUEST)
    isolation = Isolation(request.isolation_level)
    if request.replica_id == _DEBUGGING_REPLICA:
        isolation = Isolation.LOG_END
    partition = find_partition(ctx.broker, topic, wish.partition_index)
    partition.check_leader_epoch(wish.current_leader_epoch)
    return _Lookup(partition, wish.timestamp, isolation, answer)


async def _look_up(
    ctx: RequestContext, lookups: list[_Lookup], response: ListOffsetsResponse
) -> ListOffsetsResponse:
    """Run the look-ups that may read from disk, one after another, off the event loop."""
    for lookup in lookups:
        try:
            found = await ctx.broker.partitions.run_blocking(lookup.run)
            lookup.finish(found, ctx.api_version)
        except KafkaFault as fault:
            lookup.answer.error_code = fault.code
    return response


HANDLER = HandlerSpec(2, 1, 11, handle)
