"""A client that deletes what it wrote: DeleteRecords, while everything else goes on (KIP-107)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.clients import Client, now_ms

from sprawl.client.cluster import TopicView
from sprawl.client.faults import raise_for
from sprawl.client.producing import NewRecord, Producer
from sprawl.core.errors import ErrorCode
from sprawl.faults import CommandFault
from sprawl.gateway.codec._generated.k21_delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)

DELETE_RECORDS = 21
KEPT_MAX = 4
"""Records left at the end of the log when it is shortened."""


@dataclass(slots=True)
class Shortened:
    """What was promised about partition 0 of a topic; it outlives the clients that wrote it.

    Args:
        texts: of acknowledged records, by offset.
        start_asked: the highest offset that a request wanted to be the first one.
        start_told: the highest one that an answer said is.
    """

    topic: str
    texts: dict[int, str] = field(default_factory=dict)
    start_asked: int = 0
    start_told: int = 0

    def check(self, found: Mapping[int, str]) -> None:
        """Judge a log as it was read from its start, by offset."""
        start = min(found, default=self.start_asked)
        assert self.start_told <= start <= self.start_asked, (
            f"{self.topic} starts at {start}, which is to be from {self.start_told} to"
            f" {self.start_asked}"
        )
        wrong = [
            offset
            for offset, text in self.texts.items()
            if offset >= start and found.get(offset) != text
        ]
        assert not wrong, f"lost from {self.topic}, which starts at {start}: {wrong[:20]}"


class Shortener(Client):
    """Sends a record with acks=all; every other time it then asks for nearly all to be deleted."""

    def __init__(self, *args: Any, told: Shortened, size_bytes: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._told = told
        self._size_bytes = size_bytes
        self._count = 0

    async def _step(self) -> None:
        view = await self._view(self._told.topic)
        if view is None:
            return
        self._count += 1
        text = f"{self.number}.{self._count}" + "." * self._size_bytes
        record = NewRecord(timestamp_ms=now_ms(), key=None, value=text.encode())
        try:
            [written] = await Producer(self.cluster, view, partition=0).send([record])
            self._told.texts[written.base_offset] = text
            if self.rng.random() < 0.5:
                await self._shorten(view)
        except CommandFault as fault:
            self._went_wrong(fault)
        else:
            self._succeeded()

    async def _shorten(self, view: TopicView) -> None:
        told = self._told
        offset = max(0, max(told.texts) - self.rng.randrange(KEPT_MAX))
        told.start_asked = max(told.start_asked, offset)
        connection = await self.cluster.node(view.partitions[0].leader)
        part = DeleteRecordsPartition(partition_index=0, offset=offset)
        request = DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(name=told.topic, partitions=[part])], timeout_ms=4_000
        )
        answer = await connection._exchange(DELETE_RECORDS, 2, request, DeleteRecordsResponse, None)
        result = answer.topics[0].partitions[0]
        # The record at this offset was acknowledged: whoever leads has it committed.
        assert result.error_code != ErrorCode.OFFSET_OUT_OF_RANGE, (
            f"{told.topic} ends before {offset}"
        )
        raise_for(result.error_code, told.topic)
        assert result.low_watermark >= offset, (
            f"{told.topic} starts at {result.low_watermark}, {offset} was asked for"
        )
        told.start_told = max(told.start_told, result.low_watermark)
