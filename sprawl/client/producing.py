"""Sends records: chooses partitions, builds batches, follows leaders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sprawl.client.cluster import RETRIES_MAX, RETRY_WAIT_S, Cluster, TopicView
from sprawl.client.faults import Refused
from sprawl.client.partitioner import partition_for
from sprawl.core.errors import ERRORS, ErrorCode
from sprawl.core.records.record import encode_batch
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)

PRODUCE = 0

COMPRESSIONS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Compression codes of a batch's attributes, by the name Kafka's configs use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record to send; its timestamp is milliseconds since the epoch."""

    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Records of one batch and the offset the first of them got; -1 when acks=0."""

    partition: int
    base_offset: int
    record_count: int


class Producer:
    """Sends to one topic.

    Args:
        acks: 0, 1 or -1 (all in-sync replicas), as Kafka counts them.
        compression: a name of COMPRESSIONS.
        partition: where every record goes; None chooses by key as Java's producer does, and
            records without a key go to the partitions in turn, a batch at a time.
        timeout_ms: how long the broker may wait for its replicas.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: TopicView,
        *,
        acks: int = -1,
        compression: str = "none",
        partition: int | None = None,
        timeout_ms: int = 30_000,
    ) -> None:
        if partition is not None and all(p.partition != partition for p in topic.partitions):
            raise Refused(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                f"topic {topic.name} has no partition {partition}",
            )
        self._cluster = cluster
        self._topic = topic
        self._acks = acks
        self._compression = COMPRESSIONS[compression]
        self._partition = partition
        self._timeout_ms = timeout_ms
        self._turn = 0

    async def send(self, records: Sequence[NewRecord]) -> list[Written]:
        """Writes all records, one batch for each partition concerned.

        Raises:
            Refused: a broker rejected a batch; batches of other partitions may be written.
        """
        batches: dict[int, list[NewRecord]] = {}
        for record in records:
            batches.setdefault(self._choose(record), []).append(record)
        self._turn += 1
        return list(
            await asyncio.gather(*(self._send_batch(p, batch) for p, batch in batches.items()))
        )

    def _choose(self, record: NewRecord) -> int:
        if self._partition is not None:
            return self._partition
        if record.key is not None:
            return partition_for(record.key, len(self._topic.partitions))
        return self._turn % len(self._topic.partitions)

    async def _send_batch(self, partition: int, records: Sequence[NewRecord]) -> Written:
        batch = encode_batch(
            [(r.timestamp_ms, r.key, r.value, r.headers) for r in records],
            compression=self._compression,
        )
        request = ProduceRequest(
            acks=self._acks,
            timeout_ms=self._timeout_ms,
            topic_data=[
                TopicProduceData(
                    name=self._topic.name,
                    partition_data=[PartitionProduceData(index=partition, records=batch)],
                )
            ],
        )
        for attempt in range(RETRIES_MAX):
            connection = await self._cluster.node(self._leader(partition))
            if self._acks == 0:
                await connection.send_only(PRODUCE, request)
                return Written(partition=partition, base_offset=-1, record_count=len(records))
            response = await connection.request(PRODUCE, request, ProduceResponse)
            answer = response.responses[0].partition_responses[0]
            if answer.error_code == 0:
                return Written(
                    partition=partition,
                    base_offset=answer.base_offset,
                    record_count=len(records),
                )
            fault = Refused(
                answer.error_code, f"topic {self._topic.name}-{partition}", answer.error_message
            )
            if not _not_written(fault.code) or attempt + 1 == RETRIES_MAX:
                raise fault
            await asyncio.sleep(RETRY_WAIT_S)
            self._topic = await self._cluster.topic(self._topic.name)
        raise AssertionError("the last attempt returns or raises")

    def _leader(self, partition: int) -> int:
        return next(p.leader for p in self._topic.partitions if p.partition == partition)


def _not_written(code: ErrorCode) -> bool:
    """Whether the batch was surely not appended, so that sending it again cannot double it."""
    return ERRORS[code].retriable and code in (
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
