"""The controller's records in a partition of their own, replicated by Raft like any other.

    append ──> one batch, a record each ──> committed ──> applied on every node, in log order

    start            newest whole checkpoint ──> the records after it, as far as known as committed
    copied log       begins above what was applied here ──> the checkpoint that came with it

A log that grew is shortened by checkpoints of the state (checkpointing.py). How far records were
applied is remembered without a sync: what a node applies again after a crash is what it did before.

    controller/applied     offset up to which records are known to be committed
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol
from uuid import UUID

from sprawl.core.controller.checkpointing import CheckpointFacts, Checkpointing
from sprawl.core.controller.checkpoints import Checkpoint, CheckpointFiles
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, Offset, PartitionId, TopicId, TopicName, TopicPartition
from sprawl.core.log.config import LogConfig
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records, encode_batch

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.controller.ports import StateMachine
    from sprawl.core.ids import BrokerId, ReplicaId
    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.replication import RunBlocking
    from sprawl.core.storage.port import KeyValueStore

_log = logging.getLogger(__name__)

METADATA_TOPIC_ID: Final = TopicId(UUID(int=1))
"""Kafka's id of __cluster_metadata."""
METADATA_TP: Final = TopicPartition(TopicName("__cluster_metadata"), PartitionId(0))
METADATA_CONFIG: Final = LogConfig(
    retention_ms=-1, segment_bytes=67_108_864, max_message_bytes=67_108_864
)
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

    def forget_below(self, offset: Offset) -> bool: ...


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
        self._files: CheckpointFiles | None = None
        self._checkpoints: Checkpointing | None = None
        self._machine: StateMachine | None = None
        self._applied = 0
        self._has_earlier = next(iter(kv.iterate(_BEFORE)), None) is not None
        self._bytes_since_checkpoint = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def attach(
        self,
        partition: Partition,
        replica: Replicated,
        files: CheckpointFiles,
        run_blocking: RunBlocking,
    ) -> None:
        """Take the records from here; call it before anything else.

        Raises:
            OSError: the folder of the checkpoints cannot be tidied up.
        """
        self._partition = partition
        self._replica = replica
        self._files = files
        self._run_blocking = run_blocking
        files.remove_parts()

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

    @property
    def checkpoint(self) -> CheckpointFacts:
        """The newest one of this node."""
        return CheckpointFacts() if self._checkpoints is None else self._checkpoints.facts

    @property
    def start_offset(self) -> int:
        """The first offset that this node still has as a record of its own."""
        return 0 if self._partition is None else self._partition.log_start_offset

    def read_all(self) -> Iterator[bytes]:
        """Every record up to where this node knew them to be committed when it stopped.

        Raises:
            ValueError: the log was shortened, and no checkpoint says what it began with.
            OSError, KafkaFault: log or checkpoint cannot be read.
        """
        partition, replica = self._attached()
        assert self._files is not None
        found = self._begin_with(partition)
        facts = CheckpointFacts()
        if found is not None:
            facts = CheckpointFacts(found.place.offset, found.size_bytes)
            yield from found.records
        self._checkpoints = Checkpointing(
            self._files, partition.log, replica, run_blocking=self._run_blocking, facts=facts
        )
        known = self._kv.get(_APPLIED)
        end_offset = 0 if known is None else _OFFSET.unpack(known)[0]
        yield from self._read(partition, min(end_offset, partition.log_end_offset))

    def follow(self, machine: StateMachine) -> None:
        self._machine = machine
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
        waiting = (offset, applied)
        self._waiting.append(waiting)
        try:
            await applied
        finally:
            # A log that nothing comes to any more would keep everybody who gave up.
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    # --- from the partition ---------------------------------------------------------------------

    def committed(self) -> None:
        """The high watermark moved: apply what is below it."""
        machine = self._machine
        if machine is None:
            return
        partition, _ = self._attached()
        if self._applied < partition.high_watermark:
            if self._applied < partition.log_start_offset:
                self._jump(partition, machine)
            machine.apply(list(self._read(partition, partition.high_watermark)))
            try:
                self._kv.put(_APPLIED, _OFFSET.pack(self._applied))
            except OSError as failure:
                _log.warning("the next start may follow some records again: %s", failure)
            self._tell_waiting()
        self._shorten(machine)

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for offset, applied in waiting:
            if applied.done():
                continue
            if offset <= self._applied:
                applied.set_result(None)
            else:
                self._waiting.append((offset, applied))

    def _jump(self, partition: Partition, machine: StateMachine) -> None:
        """A copy took the log's place, and what was to be applied next is not in it.

        Raises:
            ValueError, OSError: its checkpoint cannot be read.
        """
        found, checkpoints = self._begin_with(partition), self._checkpoints
        assert found is not None
        assert checkpoints is not None
        checkpoints.facts = CheckpointFacts(found.place.offset, found.size_bytes)
        machine.restore(found.records)

    def _shorten(self, machine: StateMachine) -> None:
        checkpoints = self._checkpoints
        assert checkpoints is not None
        checkpoints.move_start()
        if checkpoints.is_writing:
            return
        capture = machine.capture(self._bytes_since_checkpoint)
        if capture is not None:
            self._bytes_since_checkpoint = 0
            checkpoints.write(self._applied, capture)

    def _begin_with(self, partition: Partition) -> Checkpoint | None:
        """The checkpoint from which the log goes on, as what was applied; None for a whole log."""
        assert self._files is not None
        start = partition.log_start_offset
        found = self._files.newest(start)
        if found is not None:
            self._applied = found.place.offset
            self._bytes_since_checkpoint = 0
        elif start > 0:
            raise ValueError(
                f"the metadata log starts at {start}, and there is no whole checkpoint of what was"
                " before. Other nodes of a cluster have it: this one can begin anew, with an empty"
                " data directory, --join and --replace-node"
            )
        return found

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
            self._bytes_since_checkpoint += len(run)
            for pos, _ in iter_batches(run):
                for record in decode_records(run, pos):
                    if self._applied <= record.offset < end_offset:
                        yield record.value or b""
            self._applied = min(read.next_offset, end_offset)

    def _attached(self) -> tuple[Partition, Replicated]:
        assert self._partition is not None
        assert self._replica is not None
        return self._partition, self._replica
