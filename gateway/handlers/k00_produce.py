"""Produce (key 0) v3-13

Behaviour:
- One record batch a partition; partitions succeed or fail each for itself.
- acks -1 is answered when the batch is committed, acks 1 when the leader's own copy is as safe as
  the topic asks for. On one replica both mean: at once, unless the topic's `flush.messages` asks
  for a sync first. What outlasts `timeout_ms` is answered with REQUEST_TIMED_OUT, the batch staying
  appended. acks 0 has no answer: any error closes the connection, the only signal left. Other
  values: INVALID_REQUIRED_ACKS, nothing appended.
- NOT_ENOUGH_REPLICAS, NOT_LEADER_OR_FOLLOWER: nothing was appended. REQUEST_TIMED_OUT, and
  NOT_ENOUGH_REPLICAS_AFTER_APPEND, of a deposed leader too: the batch may be in the log.
- UNKNOWN_TOPIC_OR_PARTITION only for what the controller does not know; a partition that is
  elsewhere gets NOT_LEADER_OR_FOLLOWER.
- Never UNKNOWN_SERVER_ERROR: clients take it for a final failure, give the batch's sequence numbers
  to the next, and so write twice what had been appended (KAFKA-14034). A fault of ours in one
  partition is KAFKA_STORAGE_ERROR, which is tried again and leaves the other partitions their
  success; one in the request as a whole closes the connection, which is tried again too.
- A duplicate within a producer's last five batches succeeds with the offset of the original.
- The answer is made without awaiting anything when every batch was committed at once.

Version notes:
- 7: zstd is accepted. 8: `error_message` and `record_errors`. 10: leader hints (KIP-951), with
  NOT_LEADER_OR_FOLLOWER, for the leaders that this node knows.
- 13: topics by id, UNKNOWN_TOPIC_ID.
- 0 to 2 are advertised for old clients' feature detection (KAFKA-18659) and refused in use.

Not implemented:
- Transactions. No transaction can be open, so a transactional batch gets INVALID_TXN_STATE, which
  is what a broker says about a batch outside of one.

Source: KIP-98, KIP-467, KIP-516, KIP-951.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import PartitionId, TopicName, TopicPartition
from sprawl.core.log_limit import LogLimit
from sprawl.core.records.schema_ids import SchemasUnknown, UnregisteredSchemas, no_registry
from sprawl.core.records.validation import InvalidRecords
from sprawl.gateway.codec._generated.k00_produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.leader_hint import MOVED, current_leader, endpoints, find_partition, find_topic

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from uuid import UUID

    from sprawl.core.partition.partition import Partition, ProduceOutcome
    from sprawl.core.partition.replication import Commit
    from sprawl.core.records.schema_ids import FindSchema, SchemaUse, Verdict
    from sprawl.gateway.dispatch import RequestContext

_log = logging.getLogger(__name__)

_ACKS = frozenset({-1, 0, 1})
_TOPIC_IDS_FROM_VERSION = 13
_LEADER_FROM_VERSION = 10
_NO_LEADER = LeaderIdAndEpoch()
"""Shared by all answers that point to nobody: nothing changes it."""
_LOG_LIMIT = LogLimit()


class _Place(NamedTuple):
    """One partition of a request, its answer, and this node's replica if it has one."""

    topic: str | UUID
    answer: PartitionProduceResponse
    partition: Partition | None


class _Batch(NamedTuple):
    """One partition's part of a request, and its answer."""

    topic: str | UUID
    data: PartitionProduceData
    answer: PartitionProduceResponse
    acks: int


class _Pending(NamedTuple):
    """A batch that was appended and has to be committed before it is answered."""

    place: _Place
    commit: Commit


class _Appends(NamedTuple):
    """What became of a request's batches: their answers, those to be committed, those to ask the
    schema registry about."""

    topics: list[TopicProduceResponse]
    pending: list[_Pending]
    held: list[tuple[_Batch, SchemasUnknown]]


def handle(
    ctx: RequestContext, request: ProduceRequest
) -> ProduceResponse | Coroutine[None, None, ProduceResponse | None] | None:
    """Append every batch; an awaitable only when one must still be committed, or has to wait for
    the schema registry.

    Raises:
        PeerFault: acks is 0 and a partition failed.
    """
    before = ctx.connection.held_produce
    if before is not None:
        return _hold(ctx, request, _append_after(ctx, request, before))
    appends = _append_all(ctx, request)
    if appends.held:
        return _hold(ctx, request, _append_held(ctx, appends))
    return _answer(ctx, request, appends)


def _append_all(ctx: RequestContext, request: ProduceRequest) -> _Appends:
    appends = _Appends([], [], [])
    now_ms = ctx.broker.clock.now_ms()
    book = ctx.broker.schemas
    find_schema = no_registry if book is None else book.find
    for topic in request.topic_data:
        name: str | UUID = (
            topic.name if ctx.api_version < _TOPIC_IDS_FROM_VERSION else topic.topic_id
        )
        partitions = []
        for data in topic.partition_data:
            answer = PartitionProduceResponse(index=data.index, current_leader=_NO_LEADER)
            batch = _Batch(name, data, answer, request.acks)
            try:
                waits = _append(ctx, batch, now_ms, find_schema)
            except SchemasUnknown as unknown:
                appends.held.append((batch, unknown))
            else:
                if waits is not None:
                    appends.pending.append(waits)
            partitions.append(answer)
        appends.topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=partitions
            )
        )
    return appends


def _append(
    ctx: RequestContext, batch: _Batch, now_ms: int, find_schema: FindSchema
) -> _Pending | None:
    """Append one partition's batch and fill in its answer; what to wait for, if anything.

    Raises:
        SchemasUnknown: the registry is to be asked first.
    """
    topic, data, answer, acks = batch
    partition: Partition | None = None
    try:
        if acks not in _ACKS:
            raise KafkaFault(ErrorCode.INVALID_REQUIRED_ACKS)
        partition = _find_partition(ctx, batch)
        outcome: ProduceOutcome = partition.append_produced(
            _writable(data),
            produce_version=ctx.api_version,
            acks=acks,
            now_ms=now_ms,
            find_schema=find_schema,
        )
    except SchemasUnknown:
        raise
    except KafkaFault as fault:
        answer.base_offset = -1
        _refuse(ctx, _Place(topic, answer, partition), fault)
        return None
    except Exception as failure:  # noqa: BLE001 it concerns one partition, and must not be told as it is
        answer.base_offset = -1
        place = _Place(topic, answer, partition)
        ours = _our_fault(ctx, place, failure)
        _note_refusal(ctx, batch, ours)
        _refuse(ctx, place, ours)
        return None
    answer.base_offset = outcome.base_offset
    answer.log_append_time_ms = outcome.log_append_time_ms
    answer.log_start_offset = outcome.log_start_offset
    if outcome.commit is None:
        return None
    return _Pending(_Place(topic, answer, partition), outcome.commit)


def _find_partition(ctx: RequestContext, batch: _Batch) -> Partition:
    """See `find_partition`. What its producer has sent behind a refused batch is refused too."""
    try:
        return find_partition(ctx.broker, batch.topic, batch.data.index)
    except KafkaFault as fault:
        _note_refusal(ctx, batch, fault)
        raise


def _note_refusal(ctx: RequestContext, batch: _Batch, fault: KafkaFault) -> None:
    topic = batch.topic
    if not isinstance(topic, str):
        info = find_topic(ctx.broker, topic)
        if info is None:
            return
        topic = info.name
    tp = TopicPartition(TopicName(topic), PartitionId(batch.data.index))
    ctx.broker.partitions.refusals.note(tp, _writable(batch.data), fault)


def _answer(
    ctx: RequestContext, request: ProduceRequest, appends: _Appends
) -> ProduceResponse | Coroutine[None, None, ProduceResponse] | None:
    if request.acks == 0:
        _check_all_appended(appends.topics)
        return None
    response = ProduceResponse(responses=appends.topics)
    if appends.pending:
        return _when_committed(ctx, response, appends.pending, request.timeout_ms)
    response.node_endpoints = _leaders(ctx, appends.topics)
    return response


# --- batches that wait for the schema registry ---------------------------------------------------


def _hold(
    ctx: RequestContext, request: ProduceRequest, appending: Coroutine[None, None, _Appends]
) -> Coroutine[None, None, ProduceResponse | None]:
    """Answer when everything was appended; until then what the connection sends next waits too."""
    connection = ctx.connection
    task = asyncio.get_running_loop().create_task(appending)
    connection.held_produce = task

    def appended(ended: asyncio.Task[_Appends]) -> None:
        if connection.held_produce is ended:
            connection.held_produce = None

    task.add_done_callback(appended)
    return _answer_when_appended(ctx, request, task)


async def _answer_when_appended(
    ctx: RequestContext, request: ProduceRequest, appending: asyncio.Task[_Appends]
) -> ProduceResponse | None:
    answer = _answer(ctx, request, await appending)
    return await answer if asyncio.iscoroutine(answer) else answer


async def _append_after(
    ctx: RequestContext, request: ProduceRequest, before: asyncio.Task[_Appends]
) -> _Appends:
    """Append in the order in which the requests came: sequence numbers count on it."""
    await asyncio.wait([before])
    return await _append_held(ctx, _append_all(ctx, request))


async def _append_held(ctx: RequestContext, appends: _Appends) -> _Appends:
    for batch, unknown in appends.held:
        waits = await _append_learning(ctx, batch, unknown)
        if waits is not None:
            appends.pending.append(waits)
    return appends


async def _append_learning(
    ctx: RequestContext, batch: _Batch, unknown: SchemasUnknown
) -> _Pending | None:
    """Ask the registry, and append what fits; once more where the message of a schema matters."""
    book = ctx.broker.schemas
    assert book is not None, "who finds nothing out has nothing to learn"
    verdicts: dict[SchemaUse, Verdict] = {}

    def find(use: SchemaUse) -> Verdict | None:
        return verdicts.get(use) or book.find(use)

    try:
        while True:
            verdicts |= await book.learn(unknown.uses - verdicts.keys())
            try:
                return _append(ctx, batch, ctx.broker.clock.now_ms(), find)
            except SchemasUnknown as more:
                unknown = more
    except KafkaFault as fault:
        partition: Partition | None = None
        try:
            partition = _find_partition(ctx, batch)
            _note_refusal(ctx, batch, fault)
        except KafkaFault as moved:
            fault = moved
        batch.answer.base_offset = -1
        _refuse(ctx, _Place(batch.topic, batch.answer, partition), fault)
        return None


# --- parts of an answer --------------------------------------------------------------------------


def _writable(data: PartitionProduceData) -> memoryview:
    """The batch where the log may stamp it: in the request's own frame whenever possible."""
    records = data.records
    if isinstance(records, memoryview) and not records.readonly:
        return records
    if records is None or isinstance(records, bytes | bytearray | memoryview):
        return memoryview(bytearray(records or b""))
    return memoryview(bytearray(b"".join(records)))


def _refuse(ctx: RequestContext, place: _Place, fault: KafkaFault) -> None:
    topic, answer, partition = place
    answer.error_code = fault.code
    answer.error_message = fault.message
    if partition is not None:
        answer.log_start_offset = partition.log_start_offset
    if fault.code in MOVED and ctx.api_version >= _LEADER_FROM_VERSION:
        leader_id, leader_epoch = current_leader(ctx.broker, topic, answer.index, partition)
        answer.current_leader = LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=leader_epoch)
    if isinstance(fault, UnregisteredSchemas):
        ctx.metrics.schema_refusals += len(fault.record_errors)
    if isinstance(fault, InvalidRecords):
        answer.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=message)
            for index, message in fault.record_errors
        ]


def _our_fault(ctx: RequestContext, place: _Place, failure: BaseException) -> KafkaFault:
    """What a producer hears when nobody knows what became of its batch."""
    where = (place.topic, place.answer.index)
    suppressed = _LOG_LIMIT.admit(where, ctx.broker.clock.monotonic_ms())
    if suppressed is not None:
        _log.error(
            "%s-%d: a fault of the broker in Produce; the producer tries again; please report the"
            " trace",
            *where,
            exc_info=failure,
            extra={"suppressed_lines": suppressed} if suppressed else None,
        )
    return KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, "A fault of the broker; its log says more.")


def _leaders(ctx: RequestContext, topics: list[TopicProduceResponse]) -> list[NodeEndpoint]:
    """Addresses of the leaders that the answers point to."""
    leaders = [
        answer.current_leader.leader_id
        for topic in topics
        for answer in topic.partition_responses
        if answer.current_leader is not _NO_LEADER
    ]
    return [
        NodeEndpoint(node_id=node_id, host=host, port=port, rack=rack)
        for node_id, host, port, rack in (endpoints(ctx, leaders) if leaders else ())
    ]


async def _when_committed(
    ctx: RequestContext, response: ProduceResponse, pending: list[_Pending], timeout_ms: int
) -> ProduceResponse:
    """Complete the answers of batches that were appended but not committed."""
    await asyncio.wait([each.commit for each in pending], timeout=max(timeout_ms, 0) / 1_000)
    for place, commit in pending:
        fault = _outcome(ctx, place, commit)
        if fault is not None:
            _refuse(ctx, place, fault)
    response.node_endpoints = _leaders(ctx, response.responses)
    return response


def _outcome(ctx: RequestContext, place: _Place, commit: Commit) -> KafkaFault | None:
    """None when the batch is committed, else what is known of it."""
    if not commit.done():
        return KafkaFault(
            ErrorCode.REQUEST_TIMED_OUT, "The batch was appended, but not committed in time."
        )
    if commit.cancelled():
        return _our_fault(ctx, place, asyncio.CancelledError())
    failure = commit.exception()
    return commit.result() if failure is None else _our_fault(ctx, place, failure)


def _check_all_appended(topics: list[TopicProduceResponse]) -> None:
    """Close the connection of an acks=0 producer whose batch was refused (as Kafka does)."""
    for topic in topics:
        for answer in topic.partition_responses:
            if answer.error_code != ErrorCode.NONE:
                raise PeerFault(
                    f"Produce with acks=0 to {topic.name or topic.topic_id}-{answer.index} failed:"
                    f" {answer.error_message}"
                )


HANDLER = HandlerSpec(0, 3, 13, handle, pipelined=True)
