"""The controller's records in a partition of their own, replicated by Raft like any other.

    append ──> one batch, a record each ──> committed ──> applied on every node, in log order

The log is kept whole; a snapshot of the state, with the offset it stands for, spares the replay at
start. How far records were applied is remembered without a sync: what a node applies again after a
crash is what it did before, and following a record twice changes nothing that matters.

    controller/snapshot    {"offset": n, "records": [...]}
    controller/applied     offset up to which records are known to be committed
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Offset, PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records, encode_batch

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.ids import BrokerId, ReplicaId
    from sprawl.core.partition.partition import Partition
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)

METADATA_TOPIC_ID: Final = TopicId(UUID(int=1))
"""Kafka's id of __cluster_metadata."""
METADATA_TP: Final = TopicPartition(TopicName("__cluster_metadata"), PartitionId(0))
METADATA_CONFIG: Final = LogConfig(
    retention_ms=-1, segment_bytes=67_108_864, max_message_bytes=67_108_864
)
_SNAPSHOT: Final = b"controller/snapshot"
_APPLIED: Final = b"controller/applied"
_BEFORE: Final = b"controller/record/"
"""Where records were kept before they had a log: they become its first batch."""
_OFFSET: Final = struct.Struct(">q")
_READ_BYTES: Final = 1_048_576


class Replicated(Protocol):
    """The Raft side of the metadata partition."""

    @property
    def is_leader(self) -> bool: ...

    @property
    def leader(self) -> ReplicaId | None: ...

    def confirm(self) -> asyncio.Future[LogIndex]: ...


class RaftMetadataLog:
    """Implements the controller's MetadataLog port.

    Args:
        node_id: this node.
        node_of: the node of a replica.
    """

    def __init__(
        self,
        *,
        kv: KeyValueStore,
        clock: Clock,
        node_id: BrokerId,
        node_of: Callable[[ReplicaId], BrokerId | None],
    ) -> None:
        self._kv = kv
        self._clock = clock
        self._node_id = node_id
        self._node_of = node_of
        self._partition: Partition | None = None
        self._replica: Replicated | None = None
        self._apply: Callable[[Sequence[bytes]], None] | None = None
        self._applied = 0
        self._has_earlier = next(iter(kv.iterate(_BEFORE)), None) is not None
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def attach(self, partition: Partition, replica: Replicated) -> None:
        """Take the records from here; call it before anything else."""
        self._partition = partition
        self._replica = replica

    # --- MetadataLog ----------------------------------------------------------------------------

    @property
    def leader(self) -> BrokerId | None:
        partition, replica = self._attached()
        if replica.is_leader:
            # A leader that has not applied everything yet would plan on an old state, and one that
            # has not taken over the records from before the log would found another cluster.
            is_ready = self._applied >= partition.high_watermark and not self._has_earlier
            return self._node_id if is_ready else None
        leader = replica.leader
        node = None if leader is None else self._node_of(leader)
        return None if node == self._node_id else node

    @property
    def end_offset(self) -> int:
        return self._applied

    def read_all(self) -> Iterator[bytes]:
        """Every record up to where this node knew them to be committed when it stopped."""
        partition, _ = self._attached()
        found = self._kv.get(_SNAPSHOT)
        if found is not None:
            snapshot = json.loads(found)
            self._applied = snapshot["offset"]
            yield from (record.encode() for record in snapshot["records"])
        known = self._kv.get(_APPLIED)
        end_offset = 0 if known is None else _OFFSET.unpack(known)[0]
        yield from self._read(partition, min(end_offset, partition.log_end_offset))

    def follow(self, apply: Callable[[Sequence[bytes]], None]) -> None:
        self._apply = apply
        self.committed()

    async def append(self, records: Sequence[bytes]) -> None:
        """Returns when they are committed and applied here; without records, when it is certain
        that this controller leads. Raises: KafkaFault as MetadataLog.append."""
        partition, replica = self._attached()
        if not records:
            try:
                await replica.confirm()
            except KafkaFault as fault:
                raise KafkaFault(ErrorCode.NOT_CONTROLLER) from fault
            return
        now_ms = self._clock.now_ms()
        batch = encode_batch([(now_ms, None, record, []) for record in records])
        try:
            outcome = partition.append_internal(batch, now_ms=now_ms)
        except KafkaFault as fault:
            if fault.code is ErrorCode.KAFKA_STORAGE_ERROR:
                raise
            raise KafkaFault(ErrorCode.NOT_CONTROLLER, fault.message) from fault
        fault_after = None if outcome.commit is None else await outcome.commit
        if fault_after is not None:
            raise KafkaFault(
                ErrorCode.REQUEST_TIMED_OUT,
                "The controller changed before the others had the change; it may be made yet.",
            )

    async def wait_for(self, offset: int) -> None:
        if self._applied >= offset:
            return
        applied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((offset, applied))
        await applied

    async def compact(self, records: Sequence[bytes]) -> None:
        snapshot = {"offset": self._applied, "records": [each.decode() for each in records]}
        self._kv.put(_SNAPSHOT, json.dumps(snapshot).encode())

    # --- from the partition ---------------------------------------------------------------------

    def committed(self) -> None:
        """The high watermark moved: apply what is below it."""
        if self._apply is None:
            return
        partition, _ = self._attached()
        if self._applied >= partition.high_watermark:
            return
        self._apply(list(self._read(partition, partition.high_watermark)))
        try:
            self._kv.put(_APPLIED, _OFFSET.pack(self._applied))
        except OSError as failure:
            _log.warning("the next start may follow some records again: %s", failure)
        waiting, self._waiting = self._waiting, deque()
        for offset, applied in waiting:
            if applied.done():
                continue
            if offset <= self._applied:
                applied.set_result(None)
            else:
                self._waiting.append((offset, applied))

    def earlier_records(self) -> list[bytes]:
        """Records of a data directory from before they had a log."""
        return [value for _, value in self._kv.iterate(_BEFORE)]

    def forget_earlier_records(self) -> None:
        """They are in the log now."""
        keys = [key for key, _ in self._kv.iterate(_BEFORE)]
        self._kv.write_batch(deletes=keys, sync=True)
        self._has_earlier = False

    def _read(self, partition: Partition, end_offset: int) -> Iterator[bytes]:
        while self._applied < end_offset:
            read = partition.read_blocking(
                Offset(self._applied), _READ_BYTES, up_to_offset=Offset(end_offset), min_one=True
            )
            run = b"".join(read.buffers)
            for pos, _ in iter_batches(run):
                for record in decode_records(run, pos):
                    if self._applied <= record.offset < end_offset:
                        yield record.value or b""
            self._applied = min(read.next_offset, end_offset)

    def _attached(self) -> tuple[Partition, Replicated]:
        assert self._partition is not None
        assert self._replica is not None
        return self._partition, self._replica
