"""Fetch (key 1) v4-18

Behaviour:
- Long poll: the answer waits for `min_bytes` of new data or `max_wait_ms`, whichever comes first;
  an error or a diverging epoch in any partition is answered at once. Commits to any partition of
  the request count towards `min_bytes` (core/partition/waiters.py).
- `max_bytes` (at most the broker's `fetch.max.bytes`, and never more than FETCH_ANSWER_BYTES_MAX)
  is shared in partition order, each partition taking at most its `partition_max_bytes`; the first
  batch found is returned whatever its size (KIP-74). Only whole batches are returned, as the
  buffers the log keeps, never copied.
- Fairness: a session moves partitions that returned data to the end of its order. Outside a
  session the order is the client's, which rotates it itself (version 3 made the order count).
- OFFSET_OUT_OF_RANGE outside [log start offset, log end offset]; from the high watermark (or, with
  read_committed, the last stable offset) to the log's end there is nothing to see yet.
- Data that is neither in memory nor in the page cache is read in the thread pool.
- A consumer that says its rack is sent on to a replica in it (`preferred_read_replica`), with no
  records, when `replica.selector.class` says so, the leader is in another rack and a replica that
  is in sync, can be reached and has everything below the offset is there: the most caught up one.
- A follower serves from version 11 on, up to its own high watermark, as long as it hears a leader.
  Above that it waits, and answers OFFSET_NOT_AVAILABLE when the time is over: whether the offset is
  out of range only the leader can tell, and clients go back to it.
- A partition that is neither led nor followed here gets NOT_LEADER_OR_FOLLOWER and the leader, if
  this node knows one; UNKNOWN_TOPIC_OR_PARTITION is for what the controller does not know. A leader
  that is deposed, and a follower that lost its leader, end their long polls so.
- A deleted topic wakes its long polls with UNKNOWN_TOPIC_OR_PARTITION (UNKNOWN_TOPIC_ID from v13).

Version notes:
- 7: sessions (gateway/fetch_session.py). 9: `current_leader_epoch`: FENCED_LEADER_EPOCH and
  UNKNOWN_LEADER_EPOCH. 11: `rack_id`, reads from followers. 12: `last_fetched_epoch` and
  `diverging_epoch`, leader hints.
- 13: topics by id. 15: replica id in `replica_state`. 16: `node_endpoints`.

Not implemented:
- Fetches of other brokers: a replica id >= 0 gets NOT_LEADER_OR_FOLLOWER, as it does from any
  leader whose replica it is not.

Source: KIP-74, KIP-98, KIP-227, KIP-320, KIP-392, KIP-516, KIP-595, KIP-903, KIP-951.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from sprawl.core.config.broker_keys import RACK_AWARE
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import Offset
from sprawl.core.limits import FETCH_ANSWER_BYTES_MAX
from sprawl.core.partition.partition import Isolation
from sprawl.core.partition.waiters import FetchWaiter
from sprawl.gateway.codec._generated.k01_fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    SnapshotId,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.fetch_session import Answer, FetchKey, FetchSessions, PartitionFetch
from sprawl.gateway.leader_hint import MOVED, current_leader, endpoints, find_partition

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable, Sequence

    from sprawl.core.log.reading import LogRead
    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.registry import Partitions
    from sprawl.gateway.dispatch import RequestContext
    from sprawl.gateway.fetch_session import FetchContext

_FOLLOWERS_FROM_VERSION = 11
_TOPIC_IDS_FROM_VERSION = 13
_REPLICA_STATE_FROM_VERSION = 15
_LEADER_FROM_VERSION = 12
_ENDPOINTS_FROM_VERSION = 16

# Shared by all answers that have nothing to say there: nobody changes them.
_NO_EPOCH_END = EpochEndOffset()
_NO_LEADER = LeaderIdAndEpoch()
_NO_SNAPSHOT = SnapshotId()

_SESSIONS: WeakKeyDictionary[Partitions, FetchSessions] = WeakKeyDictionary()
"""The session cache of each broker in this process, by the object that stands for its data."""


class _Seen(NamedTuple):
    """A partition that was read, and where its readable part ended then."""

    partition: Partition
    end_offset: Offset


class _Reading(NamedTuple):
    """The result of one pass over all wanted partitions; `follower_bytes` of the `total_bytes` are
    of partitions that are followed here."""

    answers: list[Answer]
    seen: list[_Seen]
    total_bytes: int
    follower_bytes: int
    is_urgent: bool


class _ColdRead(NamedTuple):
    """A read for the thread pool."""

    partition: Partition
    offset: Offset
    max_bytes: int
    up_to_offset: Offset
    min_one: bool


def sessions_of(partitions: Partitions) -> FetchSessions:
    """The session cache of the broker that serves `partitions`."""
    sessions = _SESSIONS.get(partitions)
    if sessions is None:
        sessions = _SESSIONS[partitions] = FetchSessions()
    return sessions


def handle(
    ctx: RequestContext, request: FetchRequest
) -> FetchResponse | Coroutine[None, None, FetchResponse]:
    """Read what is there; an awaitable when data must be waited for or comes from disk."""
    wanted = _wanted(ctx, request)
    replica_id = (
        request.replica_id
        if ctx.api_version < _REPLICA_STATE_FROM_VERSION
        else request.replica_state.replica_id
    )
    if replica_id >= 0:
        return _refuse_all(ctx, wanted, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if request.isolation_level not in (Isolation.READ_UNCOMMITTED, Isolation.READ_COMMITTED):
        return _refuse_all(ctx, wanted, ErrorCode.INVALID_REQUEST)
    try:
        context = sessions_of(ctx.broker.partitions).open_context(
            session_id=request.session_id,
            session_epoch=request.session_epoch,
            uses_topic_ids=ctx.api_version >= _TOPIC_IDS_FROM_VERSION,
            wanted=wanted,
            forgotten=_forgotten(ctx, request),
            now_ms=ctx.broker.clock.monotonic_ms(),
        )
    except KafkaFault as fault:
        return FetchResponse(error_code=fault.code)
    fetch = _Fetch(ctx, request, context)
    passing = fetch.read()
    try:
        cold = next(passing)
    except StopIteration as stop:
        reading: _Reading = stop.value
        if fetch.is_enough(reading):
            return fetch.response(reading)
        return fetch.wait(reading)
    return fetch.resume(passing, cold)


class _Fetch:
    """One request being served."""

    __slots__ = (
        "_context",
        "_ctx",
        "_isolation",
        "_max_bytes",
        "_max_wait_ms",
        "_may_follow",
        "_min_bytes",
        "_rack",
    )

    def __init__(self, ctx: RequestContext, request: FetchRequest, context: FetchContext) -> None:
        self._ctx = ctx
        self._context = context
        self._isolation = Isolation(request.isolation_level)
        allowed_bytes = min(ctx.broker.config.fetch_max_bytes, FETCH_ANSWER_BYTES_MAX)
        self._max_bytes = max(0, min(request.max_bytes, allowed_bytes))
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        self._max_wait_ms = request.max_wait_ms
        self._may_follow = ctx.api_version >= _FOLLOWERS_FROM_VERSION
        is_rack_aware = ctx.broker.config.replica_selector_class == RACK_AWARE
        # Who is in the rack of this node is sent nowhere.
        is_here = request.rack_id == ctx.broker.rack
        self._rack = request.rack_id if is_rack_aware and not is_here else ""

    def read(self) -> Generator[_ColdRead, LogRead, _Reading]:
        """One pass over the wanted partitions; yields what must be read in the thread pool."""
        answers: list[Answer] = []
        seen: list[_Seen] = []
        left_bytes = self._max_bytes
        total_bytes = follower_bytes = 0
        is_urgent = False
        for key, wish in self._context.wanted:
            data = _empty(key.partition)
            size_bytes = 0
            partition = None
            try:
                partition = find_partition(self._ctx.broker, key.topic, key.partition)
                seen.append(_Seen(partition, partition.end_offset(self._isolation)))
                cold = self._start(partition, wish, data, left_bytes, min_one=total_bytes == 0)
                if isinstance(cold, _ColdRead):
                    cold = yield cold
                if cold is not None:
                    size_bytes = self._fill(partition, wish, data, cold)
                    follower_bytes += 0 if partition.is_leader else size_bytes
                    # Room for less than a batch is no reason to look into all the others.
                    is_full = left_bytes < wish.partition_max_bytes and _has_more(cold, seen[-1])
                    left_bytes = 0 if is_full else max(0, left_bytes - size_bytes)
            except KafkaFault as fault:
                self._fail(key, data, fault.code, partition)
            answers.append(Answer(key, data, size_bytes))
            total_bytes += size_bytes
            is_urgent |= _is_urgent(data)
        return _Reading(answers, seen, total_bytes, follower_bytes, is_urgent)

    def _start(
        self,
        partition: Partition,
        wish: PartitionFetch,
        data: PartitionData,
        left_bytes: int,
        *,
        min_one: bool,
    ) -> LogRead | _ColdRead | None:
        """Check one partition's wish and read it if that needs no disk; None: nothing to read."""
        diverging = partition.check_fetch(
            wish.fetch_offset,
            current_leader_epoch=wish.current_leader_epoch,
            last_fetched_epoch=wish.last_fetched_epoch,
            may_follow=self._may_follow,
        )
        data.high_watermark = partition.high_watermark
        data.last_stable_offset = partition.last_stable_offset
        data.log_start_offset = partition.log_start_offset
        if self._isolation is Isolation.READ_COMMITTED:
            data.aborted_transactions = []
        if diverging is not None:
            data.diverging_epoch = EpochEndOffset(epoch=diverging[0], end_offset=diverging[1])
            return None
        if self._rack and self._is_sent_on(partition, wish, data):
            return None
        offset = Offset(wish.fetch_offset)
        max_bytes = max(int(min_one), min(left_bytes, wish.partition_max_bytes))
        up_to_offset = partition.end_offset(self._isolation)
        if offset >= up_to_offset or max_bytes <= 0:
            return None
        read = partition.read(offset, max_bytes, up_to_offset=up_to_offset, min_one=min_one)
        if read is None:
            return _ColdRead(partition, offset, max_bytes, up_to_offset, min_one)
        return read

    def _is_sent_on(self, partition: Partition, wish: PartitionFetch, data: PartitionData) -> bool:
        """Whether the consumer had better read from another replica."""
        nearer = self._ctx.broker.cluster.in_rack(
            partition.followers_at(wish.fetch_offset),
            self._rack,
            self._ctx.connection.listener_name,
        )
        if nearer is None:
            return False
        data.preferred_read_replica = nearer
        return True

    def _fill(
        self, partition: Partition, wish: PartitionFetch, data: PartitionData, read: LogRead
    ) -> int:
        """Put what was read into the answer; its size in bytes."""
        data.records = read.buffers
        if self._isolation is Isolation.READ_COMMITTED:
            data.aborted_transactions = [
                AbortedTransaction(producer_id=producer_id, first_offset=first_offset)
                for producer_id, first_offset in partition.aborted_transactions(
                    Offset(wish.fetch_offset), read.next_offset
                )
            ]
        return sum(map(len, read.buffers))

    def _fail(
        self, key: FetchKey, data: PartitionData, code: ErrorCode, partition: Partition | None
    ) -> None:
        data.error_code = code
        data.high_watermark = data.last_stable_offset = data.log_start_offset = -1
        data.aborted_transactions = None
        if code in MOVED and self._ctx.api_version >= _LEADER_FROM_VERSION:
            leader_id, leader_epoch = current_leader(
                self._ctx.broker, key.topic, key.partition, partition
            )
            data.current_leader = LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)

    def is_enough(self, reading: _Reading) -> bool:
        """Is this worth an answer now, or is there time to wait for more?"""
        return (
            reading.total_bytes >= self._min_bytes
            or reading.is_urgent
            or self._max_wait_ms <= 0
            or not reading.answers
        )

    async def resume(
        self, passing: Generator[_ColdRead, LogRead, _Reading], cold: _ColdRead
    ) -> FetchResponse:
        """Go on with a pass that met cold data."""
        return await self.wait(await self._run(passing, cold))

    async def wait(self, reading: _Reading) -> FetchResponse:
        """Answer once there is enough, or the time has run out."""
        deadline = asyncio.get_running_loop().time() + self._max_wait_ms / 1_000
        in_time = True
        while in_time and not self.is_enough(reading):
            # A pass that read from disk took time: more may have been committed behind its back.
            if all(
                at.partition.end_offset(self._isolation) == at.end_offset for at in reading.seen
            ):
                waiter = FetchWaiter(self._min_bytes - reading.total_bytes)
                partitions = [at.partition for at in reading.seen]
                in_time = await waiter.wait(partitions, deadline)
            passing = self.read()
            try:
                cold = next(passing)
            except StopIteration as stop:
                reading = stop.value
            else:
                reading = await self._run(passing, cold)
        return self.response(reading)

    async def _run(
        self, passing: Generator[_ColdRead, LogRead, _Reading], cold: _ColdRead
    ) -> _Reading:
        """Drive a pass to its end, reading cold data in the thread pool."""
        run_blocking = self._ctx.broker.partitions.run_blocking
        while True:
            partition, offset, max_bytes, up_to_offset, min_one = cold
            job = partial(
                partition.read_blocking,
                offset,
                max_bytes,
                up_to_offset=up_to_offset,
                min_one=min_one,
            )
            try:
                try:
                    read = await run_blocking(job)
                except KafkaFault as fault:
                    cold = passing.throw(fault)
                else:
                    cold = passing.send(read)
            except StopIteration as stop:
                reading: _Reading = stop.value
                return reading

    def response(self, reading: _Reading) -> FetchResponse:
        """The answer, with what the session leaves out left out."""
        broker, metrics = self._ctx.broker, self._ctx.metrics
        metrics.fetch_follower_bytes += reading.follower_bytes
        if self._rack:
            sent_on = (each.data.preferred_read_replica >= 0 for each in reading.answers)
            metrics.fetch_sent_on += sum(sent_on)
        selection = self._context.select(
            reading.answers, now_ms=broker.clock.monotonic_ms(), rng=broker.rng
        )
        return FetchResponse(
            error_code=selection.error_code,
            session_id=selection.session_id,
            responses=_by_topic(selection.answers),
            node_endpoints=_node_endpoints(self._ctx, selection.answers),
        )


def _wanted(ctx: RequestContext, request: FetchRequest) -> list[tuple[FetchKey, PartitionFetch]]:
    by_id = ctx.api_version >= _TOPIC_IDS_FROM_VERSION
    return [
        (
            FetchKey(topic.topic_id if by_id else topic.topic, wish.partition),
            PartitionFetch(
                wish.fetch_offset,
                wish.partition_max_bytes,
                wish.current_leader_epoch,
                wish.last_fetched_epoch,
            ),
        )
        for topic in request.topics
        for wish in topic.partitions
    ]


def _forgotten(ctx: RequestContext, request: FetchRequest) -> list[FetchKey]:
    by_id = ctx.api_version >= _TOPIC_IDS_FROM_VERSION
    return [
        FetchKey(topic.topic_id if by_id else topic.topic, partition)
        for topic in request.forgotten_topics_data
        for partition in topic.partitions
    ]


def _empty(partition: int) -> PartitionData:
    """An answer that says nothing yet."""
    return PartitionData(
        partition_index=partition,
        high_watermark=-1,
        diverging_epoch=_NO_EPOCH_END,
        current_leader=_NO_LEADER,
        snapshot_id=_NO_SNAPSHOT,
        aborted_transactions=None,
        records=b"",
    )


def _is_urgent(data: PartitionData) -> bool:
    """Whether a partition has something to say that is no data. That a follower does not know of an
    offset yet is none before the time is over."""
    return (
        data.error_code not in (ErrorCode.NONE, ErrorCode.OFFSET_NOT_AVAILABLE)
        or data.diverging_epoch.epoch >= 0
        or data.preferred_read_replica >= 0
    )


def _has_more(read: LogRead, at: _Seen) -> bool:
    """Was there something to read that was not?"""
    return read.next_offset < at.end_offset


def _refuse_all(
    ctx: RequestContext, wanted: Iterable[tuple[FetchKey, PartitionFetch]], code: ErrorCode
) -> FetchResponse:
    """Every partition of the request gets the same error, outside any session."""
    answers = []
    for key, _ in wanted:
        data = _empty(key.partition)
        data.error_code = code
        answers.append(Answer(key, data, 0))
    return FetchResponse(responses=_by_topic(answers), node_endpoints=_node_endpoints(ctx, answers))


def _by_topic(answers: Iterable[Answer]) -> list[FetchableTopicResponse]:
    """Group answers by topic; their order stays, so a topic may come up more than once."""
    topics: list[FetchableTopicResponse] = []
    previous: object = None
    for key, data, _ in answers:
        if key.topic != previous:
            previous = key.topic
            topics.append(
                FetchableTopicResponse(topic=key.topic)
                if isinstance(key.topic, str)
                else FetchableTopicResponse(topic_id=key.topic)
            )
        topics[-1].partitions.append(data)
    return topics


def _node_endpoints(ctx: RequestContext, answers: Sequence[Answer]) -> list[NodeEndpoint]:
    """Addresses of the leaders that the answers point to."""
    if ctx.api_version < _ENDPOINTS_FROM_VERSION:
        return []
    leaders = [
        answer.data.current_leader.leader_id
        for answer in answers
        if answer.data.current_leader is not _NO_LEADER
    ]
    return [
        NodeEndpoint(node_id=node_id, host=host, port=port, rack=rack)
        for node_id, host, port, rack in (endpoints(ctx, leaders) if leaders else ())
    ]


HANDLER = HandlerSpec(1, 4, 18, handle)
