"""Produce (key 0) v3-13

Behaviour:
- One record batch a partition; partitions succeed or fail each for itself.
- acks 1 and -1 are answered when the batch is committed, which on one replica is at once unless the
  topic's `flush.messages` asks for a sync first; a sync that outlasts `timeout_ms` is answered with
  REQUEST_TIMED_OUT, the batch staying appended. acks 0 has no answer: any error closes the
  connection, the only signal left. Other values: INVALID_REQUIRED_ACKS, nothing appended.
- A duplicate within a producer's last five batches succeeds with the offset of the original.
- The answer is made without awaiting anything when every batch was committed at once.

Version notes:
- 7: zstd is accepted. 8: `error_message` and `record_errors`. 10: leader hints (KIP-951).
- 13: topics by id, UNKNOWN_TOPIC_ID.
- 0 to 2 are advertised for old clients' feature detection (KAFKA-18659) and refused in use.

Not implemented:
- Transactions. No transaction can be open, so a transactional batch gets INVALID_TXN_STATE, which
  is what a broker says about a batch outside of one.

Source: KIP-98, KIP-467, KIP-516, KIP-951.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
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
from sprawl.gateway.leader_hint import this_node

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from uuid import UUID

    from sprawl.core.partition.partition import Partition, ProduceOutcome
    from sprawl.core.partition.replication import Commit
    from sprawl.gateway.dispatch import RequestContext

_ACKS = frozenset({-1, 0, 1})
_TOPIC_IDS_FROM_VERSION = 13
_LEADER_FROM_VERSION = 10
_NO_LEADER = LeaderIdAndEpoch()
"""Shared by all answers that point to nobody: nothing changes it."""


def handle(
    ctx: RequestContext, request: ProduceRequest
) -> ProduceResponse | Coroutine[None, None, ProduceResponse] | None:
    """Append every batch; an awaitable only when one must still be committed.

    Raises:
        PeerFault: acks is 0 and a partition failed.
    """
    pending: list[tuple[PartitionProduceResponse, Commit]] = []
    now_ms = ctx.broker.clock.now_ms()
    topics = []
    for topic in request.topic_data:
        name: str | UUID = (
            topic.name if ctx.api_version < _TOPIC_IDS_FROM_VERSION else topic.topic_id
        )
        partitions = []
        for data in topic.partition_data:
            answer = PartitionProduceResponse(index=data.index, current_leader=_NO_LEADER)
            commit = _append(ctx, data, answer, acks=request.acks, topic=name, now_ms=now_ms)
            if commit is not None:
                pending.append((answer, commit))
            partitions.append(answer)
        topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=partitions
            )
        )
    if request.acks == 0:
        _check_all_appended(topics)
        return None
    response = ProduceResponse(responses=topics, node_endpoints=_leaders(ctx, topics))
    if pending:
        return _when_committed(response, pending, request.timeout_ms)
    return response


def _append(
    ctx: RequestContext,
    data: PartitionProduceData,
    answer: PartitionProduceResponse,
    *,
    acks: int,
    topic: str | UUID,
    now_ms: int,
) -> Commit | None:
    """Append one partition's batch and fill in its answer; what to wait for, if anything."""
    partition: Partition | None = None
    try:
        if acks not in _ACKS:
            raise KafkaFault(ErrorCode.INVALID_REQUIRED_ACKS)
        partition = ctx.broker.partitions.find(topic, data.index)
        outcome: ProduceOutcome = partition.append_produced(
            _writable(data), produce_version=ctx.api_version, now_ms=now_ms
        )
    except KafkaFault as fault:
        _refuse(ctx, answer, fault, partition)
        return None
    answer.base_offset = outcome.base_offset
    answer.log_append_time_ms = outcome.log_append_time_ms
    answer.log_start_offset = outcome.log_start_offset
    return outcome.commit


def _writable(data: PartitionProduceData) -> memoryview:
    """The batch where the log may stamp it: in the request's own frame whenever possible."""
    records = data.records
    if isinstance(records, memoryview) and not records.readonly:
        return records
    if records is None or isinstance(records, bytes | bytearray | memoryview):
        return memoryview(bytearray(records or b""))
    return memoryview(bytearray(b"".join(records)))


def _refuse(
    ctx: RequestContext,
    answer: PartitionProduceResponse,
    fault: KafkaFault,
    partition: Partition | None,
) -> None:
    answer.error_code = fault.code
    answer.error_message = fault.message
    answer.base_offset = -1
    if partition is not None:
        answer.log_start_offset = partition.log_start_offset
        if (
            fault.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
            and ctx.api_version >= _LEADER_FROM_VERSION
        ):
            answer.current_leader = LeaderIdAndEpoch(
                leader_id=ctx.broker.node_id, leader_epoch=partition.leader_epoch
            )
    if isinstance(fault, InvalidRecords):
        answer.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=message)
            for index, message in fault.record_errors
        ]


def _leaders(ctx: RequestContext, topics: list[TopicProduceResponse]) -> list[NodeEndpoint]:
    """Addresses of the leaders that the answers point to."""
    if all(
        answer.current_leader is _NO_LEADER
        for topic in topics
        for answer in topic.partition_responses
    ):
        return []
    leader = this_node(ctx)
    if leader is None:
        return []
    return [
        NodeEndpoint(node_id=leader.node_id, host=leader.host, port=leader.port, rack=leader.rack)
    ]


async def _when_committed(
    response: ProduceResponse,
    pending: list[tuple[PartitionProduceResponse, Commit]],
    timeout_ms: int,
) -> ProduceResponse:
    """Complete the answers of batches that were appended but not committed."""
    commits = [commit for _, commit in pending]
    await asyncio.wait(commits, timeout=max(timeout_ms, 0) / 1_000)
    for answer, commit in pending:
        if not commit.done():
            answer.error_code = ErrorCode.REQUEST_TIMED_OUT
            answer.error_message = "The batch was appended, but not committed in time."
        elif (fault := commit.result()) is not None:
            answer.error_code = fault.code
            answer.error_message = fault.message
    return response


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
