"""Reads records and finds offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sprawl.client.cluster import RETRY_WAIT_S, Cluster, TopicView
from sprawl.client.faults import Refused, Unreachable, raise_for
from sprawl.client.nearest import NearReplicas
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import check_crc, iter_batches
from sprawl.core.records.record import Record, decode_records
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from sprawl.gateway.codec._generated.k02_list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

FETCH = 1
LIST_OFFSETS = 2

LATEST = -1
"""ListOffsets timestamp that means the end of the log."""
EARLIEST = -2
"""ListOffsets timestamp that means the log start."""

_MOVED = frozenset(
    {
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_LEADER_EPOCH,
        ErrorCode.OFFSET_NOT_AVAILABLE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOffset:
    """Answer of ListOffsets: offset -1 when no record is at or after the time asked for."""

    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A record and the partition it came from."""

    partition: int
    record: Record


async def list_offsets(
    cluster: Cluster, topic: TopicView, times: Mapping[int, int]
) -> dict[int, FoundOffset]:
    """Finds an offset in each partition.

    Args:
        times: by partition: milliseconds since the epoch, LATEST or EARLIEST.

    Raises:
        Refused: a partition has an error.
    """
    by_leader: dict[int, list[ListOffsetsPartition]] = {}
    for view in topic.partitions:
        if view.partition in times:
            by_leader.setdefault(view.leader, []).append(
                ListOffsetsPartition(
                    partition_index=view.partition, timestamp=times[view.partition]
                )
            )
    found: dict[int, FoundOffset] = {}
    for leader, partitions in by_leader.items():
        connection = await cluster.node(leader)
        answer = await connection.request(
            LIST_OFFSETS,
            ListOffsetsRequest(
                replica_id=-1, topics=[ListOffsetsTopic(name=topic.name, partitions=partitions)]
            ),
            ListOffsetsResponse,
        )
        for entry in answer.topics[0].partitions:
            raise_for(entry.error_code, f"topic {topic.name}-{entry.partition_index}")
            found[entry.partition_index] = FoundOffset(
                offset=entry.offset, timestamp_ms=entry.timestamp
            )
    return found


class Reader:
    """Reads partitions of one topic from given positions on.

    Args:
        positions: next offset to read, by partition; `poll` moves them.
        max_wait_ms: how long a broker may hold a fetch that has nothing to give.
        max_bytes: of one fetch response.
        near: where to read from; may outlive this reader.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: TopicView,
        positions: Mapping[int, int],
        *,
        max_wait_ms: int = 500,
        max_bytes: int = 8_388_608,
        near: NearReplicas | None = None,
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._max_wait_ms = max_wait_ms
        self._max_bytes = max_bytes
        self._near = near or NearReplicas()
        self.positions = dict(positions)

    async def poll(self, *, wanted: Mapping[int, int] | None = None) -> list[Fetched]:
        """One fetch from every node concerned.

        Args:
            wanted: end offset by partition; a partition whose position has reached it is left
                out. None reads all without end.

        Returns: records in offset order for each partition; empty when none came in time.

        Raises:
            Refused: by one partition; the positions of all are where they were.
        """
        by_node: dict[int, list[FetchPartition]] = {}
        for view in self._topic.partitions:
            position = self.positions.get(view.partition)
            if position is None or (wanted is not None and position >= wanted[view.partition]):
                continue
            by_node.setdefault(self._near.source(view), []).append(
                FetchPartition(
                    partition=view.partition,
                    current_leader_epoch=view.leader_epoch,
                    fetch_offset=position,
                    partition_max_bytes=self._max_bytes,
                )
            )
        answers = await asyncio.gather(
            *(self._fetch(node, partitions) for node, partitions in by_node.items())
        )
        records: list[Fetched] = []
        positions = dict(self.positions)
        moved = None in answers
        for answer in filter(None, answers):
            for topic in answer.responses:
                for partition in topic.partitions:
                    moved |= self._moved(partition)
                    records.extend(self._take(partition, positions))
        self.positions = positions
        if moved:
            await asyncio.sleep(RETRY_WAIT_S)
            self._topic = await self._cluster.topic(self._topic.name)
        return records

    async def _fetch(self, node: int, partitions: list[FetchPartition]) -> FetchResponse | None:
        """None: a replica that was advised is not there."""
        request = FetchRequest(
            max_wait_ms=self._max_wait_ms,
            min_bytes=1,
            max_bytes=self._max_bytes,
            topics=[FetchTopic(topic=self._topic.name, partitions=partitions)],
            rack_id=self._near.rack,
        )
        try:
            connection = await self._cluster.node(node)
            answer = await connection.request(FETCH, request, FetchResponse)
        except Unreachable:
            advised = [each for each in partitions if self._near.forget(each.partition)]
            if not advised:
                raise
            return None
        raise_for(answer.error_code, f"topic {self._topic.name}")
        return answer

    def _moved(self, answer: PartitionData) -> bool:
        if answer.preferred_read_replica >= 0:
            self._near.advised(answer.partition_index, answer.preferred_read_replica)
        was_near = answer.error_code != 0 and self._near.forget(answer.partition_index)
        if answer.error_code in _MOVED or was_near:
            return True
        raise_for(
            answer.error_code,
            f"topic {self._topic.name}-{answer.partition_index}"
            f" at offset {self.positions[answer.partition_index]}",
        )
        return False

    def _take(self, answer: PartitionData, positions: dict[int, int]) -> list[Fetched]:
        taken: list[Fetched] = []
        position = positions[answer.partition_index]
        buffer = answer.records
        if not buffer:
            return taken
        if not isinstance(buffer, bytes | bytearray | memoryview):
            raise Refused(ErrorCode.CORRUPT_MESSAGE, f"topic {self._topic.name}")
        try:
            for record, next_offset in _records(memoryview(buffer), position):
                if record is not None:
                    taken.append(Fetched(partition=answer.partition_index, record=record))
                position = next_offset
        except KafkaFault as fault:
            what = f"topic {self._topic.name}-{answer.partition_index} at offset {position}"
            raise Refused(fault.code, what, fault.message) from fault
        positions[answer.partition_index] = position
        return taken


def _records(view: memoryview, position: int) -> Iterator[tuple[Record | None, int]]:
    """Each record from `position` on and the offset that follows it; None ends a batch, whose
    last offset may lie beyond its last record after a compaction.

    Raises:
        KafkaFault: CORRUPT_MESSAGE: a checksum is wrong (`check.crcs` of Kafka's consumers).
    """
    for at, header in iter_batches(view):
        if not check_crc(view, at, header):
            raise KafkaFault(
                ErrorCode.CORRUPT_MESSAGE,
                f"The checksum of the batch at offset {header.base_offset} is wrong.",
            )
        if header.last_offset < position:
            continue
        if not header.is_control:
            for record in decode_records(view, at):
                if record.offset >= position:
                    yield record, record.offset + 1
        yield None, header.last_offset + 1
