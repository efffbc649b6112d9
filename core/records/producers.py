"""What a partition knows of its producers: sequences, epochs and transactions.

Per producer id: the epoch, its last five batches (to recognise a repeat), and the start of its open
transaction. Per partition: the open transactions, those decided at an offset that is not committed
yet, and the aborted ones.

    batch ──check──> None: append it, then `update`
                 ├─> Duplicate: answer with the original's offset, append nothing
                 └─> KafkaFault

The table is a function of the batches of the log in order, besides the times of last activity.
README.md has the rules.

Source: KIP-98, KIP-360 (unknown producers), KIP-890 (epoch bumped by a marker), KIP-664 (listing).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import (
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    SEQUENCE_MAX,
    TRANSACTIONAL,
    BatchHeader,
)
from sprawl.core.records.control import EndTxnMarker, read_marker
from sprawl.core.records.crc import Readable
from sprawl.core.records.producer_snapshot import SnapshotReader, SnapshotWriter

WINDOW_BATCHES: Final = 5
"""Java's producer has at most five requests in flight with idempotence on."""

NO_EPOCH: Final = -1
NO_OFFSET: Final = -1

# One batch in a window: last sequence, first offset, last offset, timestamp.
_BATCH_FIELDS: Final = 4


class Duplicate(NamedTuple):
    """Where the original of a repeated batch is."""

    first_offset: int
    last_offset: int
    timestamp_ms: int


class AbortedTransaction(NamedTuple):
    """One aborted transaction.

    Args:
        first_offset: of its first batch.
        last_offset: of the abort marker.
        last_stable_offset: of the partition once the marker was written.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class LastBatch(NamedTuple):
    """The batch that compaction must keep for a producer's state to survive a replay.

    Args:
        last_offset: of its last data batch; -1 when there is none, then its marker is kept.
    """

    producer_epoch: int
    last_offset: int


class ActiveProducer(NamedTuple):
    """One producer as DescribeProducers shows it; -1 stands for "none"."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    coordinator_epoch: int
    transaction_start_offset: int


class _Producer:
    """One producer's state, about 400 bytes with a full window."""

    __slots__ = (
        "changed_at_offset",
        "coordinator_epoch",
        "epoch",
        "last_active_ms",
        "last_timestamp_ms",
        "transaction_start",
        "window",
    )

    def __init__(self) -> None:
        self.epoch = NO_EPOCH
        self.coordinator_epoch = NO_EPOCH
        self.last_timestamp_ms = NO_TIMESTAMP
        self.last_active_ms = 0
        self.changed_at_offset = NO_OFFSET
        self.transaction_start = NO_OFFSET
        self.window: array[int] = array("q")

    def last_sequence(self) -> int:
        window = self.window
        return window[-_BATCH_FIELDS] if window else NO_SEQUENCE

    def last_data_offset(self) -> int:
        window = self.window
        return window[-2] if window else NO_OFFSET

    def find(self, header: BatchHeader) -> Duplicate | None:
        """The batch of the window with exactly the sequences of this one."""
        window = self.window
        last_sequence = header.last_sequence
        for at in range(0, len(window), _BATCH_FIELDS):
            if (
                window[at] == last_sequence
                and window[at + 2] - window[at + 1] == header.last_offset_delta
            ):
                return Duplicate(window[at + 1], window[at + 2], window[at + 3])
        return None

    def set_epoch(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.epoch = epoch
            del self.window[:]

    def add(self, last_sequence: int, first_offset: int, last_offset: int, ts_ms: int) -> None:
        window = self.window
        if len(window) == WINDOW_BATCHES * _BATCH_FIELDS:
            del window[:_BATCH_FIELDS]
        window.extend((last_sequence, first_offset, last_offset, ts_ms))


class ProducerTable:
    """The producers of one partition."""

    __slots__ = ("_aborted", "_open", "_producers", "_uncommitted")

    def __init__(self) -> None:
        self._producers: dict[int, _Producer] = {}
        # Producer id -> first offset; offsets ascend, so insertion order is offset order.
        self._open: dict[int, int] = {}
        # (first offset, marker offset), by marker offset.
        self._uncommitted: list[tuple[int, int]] = []
        # By marker offset.
        self._aborted: list[AbortedTransaction] = []

    def __len__(self) -> int:
        return len(self._producers)

    # --- appending ------------------------------------------------------------------------------

    def knows(self, producer_id: int) -> bool:
        """Whether it is known which sequence of a producer is due; otherwise any is taken."""
        producer = self._producers.get(producer_id)
        return producer is not None and producer.epoch != NO_EPOCH

    def check(self, header: BatchHeader) -> Duplicate | None:
        """Decide about a data batch, before it is appended.

        Args:
            header: of a batch that passed validation; a base sequence of -1 (records that a
                coordinator writes within a transaction) is checked for its epoch only.

        Returns:
            The original when the batch is a repeat of one of the last five, else None.

        Raises:
            KafkaFault: INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, or INVALID_TXN_STATE
                for a batch outside of the producer's open transaction.
        """
        producer = self._producers.get(header.producer_id)
        if producer is None or header.producer_id < 0:
            return None
        epoch = header.producer_epoch
        if header.base_sequence < 0 and epoch >= producer.epoch:
            # A coordinator's batch: it has an epoch to fence with, and no sequence.
            return None
        if epoch == producer.epoch:
            duplicate = producer.find(header)
            if duplicate is not None:
                return duplicate
            expected = (producer.last_sequence() + 1) & SEQUENCE_MAX
        elif epoch < producer.epoch:
            raise KafkaFault(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch {epoch} of producer {header.producer_id} is older than the last one seen,"
                f" {producer.epoch}.",
            )
        else:
            expected = 0
        if header.base_sequence != expected and producer.epoch != NO_EPOCH:
            raise KafkaFault(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Producer {header.producer_id}, epoch {epoch}: sequence {header.base_sequence}"
                f" came where {expected} was due.",
            )
        if producer.transaction_start >= 0 and not header.attributes & TRANSACTIONAL:
            raise KafkaFault(
                ErrorCode.INVALID_TXN_STATE,
                f"Producer {header.producer_id} has an open transaction; the batch is not in it.",
            )
        return None

    def check_marker(self, header: BatchHeader, marker: EndTxnMarker) -> None:
        """Decide about a transaction marker that a coordinator sent, before it is appended.

        Raises:
            KafkaFault: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED.
        """
        producer = self._producers.get(header.producer_id)
        if producer is None:
            return
        if header.producer_epoch < producer.epoch:
            raise KafkaFault(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"The marker's epoch {header.producer_epoch} of producer {header.producer_id} is"
                f" older than the last one seen, {producer.epoch}.",
            )
        if marker.coordinator_epoch < producer.coordinator_epoch:
            raise KafkaFault(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"The marker's coordinator epoch {marker.coordinator_epoch} is older than the last"
                f" one seen, {producer.coordinator_epoch}.",
            )

    def update(
        self,
        header: BatchHeader,
        offset: int,
        now_ms: int,
        marker: EndTxnMarker | None = None,
    ) -> AbortedTransaction | None:
        """Take note of a batch that was appended, by whomever; nothing is refused here.

        Args:
            offset: the base offset it got.
            now_ms: wall time, for expiry. A replay passes the time of the replay: the log cannot
                tell when a producer was last here, only what timestamps it claimed.
            marker: of a control batch. Compaction empties one to keep its epoch only: None.

        Returns:
            The transaction that the batch aborted, if any.
        """
        producer_id = header.producer_id
        if producer_id == NO_PRODUCER_ID:
            return None
        producer = self._producers.get(producer_id)
        if producer is None:
            producer = self._producers[producer_id] = _Producer()
        last_offset = offset + header.last_offset_delta
        producer.last_active_ms = now_ms
        producer.last_timestamp_ms = header.max_timestamp
        producer.changed_at_offset = last_offset
        producer.set_epoch(header.producer_epoch)
        if header.is_control and marker is None:
            return None
        if marker is not None:
            producer.coordinator_epoch = marker.coordinator_epoch
            return self._end_transaction(producer_id, producer, last_offset, marker)
        producer.add(header.last_sequence, offset, last_offset, header.max_timestamp)
        if header.attributes & TRANSACTIONAL and producer.transaction_start < 0:
            producer.transaction_start = offset
            self._open[producer_id] = offset
        return None

    def replay(
        self, buf: Readable, pos: int, header: BatchHeader, now_ms: int
    ) -> AbortedTransaction | None:
        """`update` for a batch that is in the log, markers included.

        Raises:
            KafkaFault: CORRUPT_MESSAGE, INVALID_RECORD: a control batch is damaged.
        """
        marker = read_marker(buf, pos, header) if header.is_control else None
        return self.update(header, header.base_offset, now_ms, marker)

    def _end_transaction(
        self, producer_id: int, producer: _Producer, marker_offset: int, marker: EndTxnMarker
    ) -> AbortedTransaction | None:
        first_offset = producer.transaction_start
        if first_offset < 0:
            return None
        producer.transaction_start = NO_OFFSET
        del self._open[producer_id]
        self._uncommitted.append((first_offset, marker_offset))
        if marker.is_commit:
            return None
        first_open = self.first_open_transaction_offset()
        stable = marker_offset + 1 if first_open is None else first_open
        aborted = AbortedTransaction(producer_id, first_offset, marker_offset, stable)
        self._aborted.append(aborted)
        return aborted

    # --- transactions ---------------------------------------------------------------------------

    def first_open_transaction_offset(self) -> int | None:
        """Where the oldest undecided transaction starts; None when all are decided."""
        return next(iter(self._open.values()), None)

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """The first offset that a read_committed consumer may not see yet.

        A transaction whose marker is not committed counts as undecided: the marker may still be
        lost with its leader.

        Returns:
            None when everything below the high watermark is decided.
        """
        uncommitted = self._uncommitted
        while uncommitted and uncommitted[0][1] < high_watermark:
            uncommitted.pop(0)
        first_open = self.first_open_transaction_offset()
        if not uncommitted:
            return first_open
        first_uncommitted = min(first for first, _ in uncommitted)
        return first_uncommitted if first_open is None else min(first_open, first_uncommitted)

    def aborted_transactions(self, first_offset: int, end_offset: int) -> list[AbortedTransaction]:
        """The aborted transactions with data or marker in [first_offset, end_offset)."""
        found: list[AbortedTransaction] = []
        aborted = self._aborted
        start = bisect_left(aborted, first_offset, key=lambda each: each.last_offset)
        for index in range(start, len(aborted)):
            transaction = aborted[index]
            if transaction.first_offset < end_offset:
                found.append(transaction)
            if transaction.last_stable_offset >= end_offset:
                break
        return found

    def advance_log_start(self, log_start_offset: int) -> None:
        """Forget aborted transactions that lie below the log start as a whole.

        Producers stay: their next sequence is known although their batches are gone.
        """
        gone = bisect_left(self._aborted, log_start_offset, key=lambda each: each.last_offset)
        del self._aborted[:gone]

    def forget_cleaned(self, end_offset: int, remaining: Iterable[AbortedTransaction]) -> None:
        """Follow a compaction pass, which may have removed all data of aborted transactions.

        Args:
            end_offset: where the pass ended.
            remaining: `Compactor.aborted` after it.
        """
        kept = frozenset(remaining)
        self._aborted = [
            each for each in self._aborted if each.last_offset >= end_offset or each in kept
        ]

    # --- housekeeping ---------------------------------------------------------------------------

    def expire(self, now_ms: int, producer_id_expiration_ms: int) -> int:
        """Drop producers without activity for so long, but none with an open transaction.

        Returns:
            How many were dropped.
        """
        idle = [
            producer_id
            for producer_id, producer in self._producers.items()
            if producer.transaction_start < 0
            and now_ms - producer.last_active_ms >= producer_id_expiration_ms
        ]
        for producer_id in idle:
            del self._producers[producer_id]
        return len(idle)

    def truncate_to(self, end_offset: int) -> bool:
        """Follow a truncation of the log's end.

        Returns:
            True when no batch from `end_offset` on had touched the table: it stands as it was.
            False when one had: the table is empty now, and the log loads the last snapshot at or
            below `end_offset` and replays from there.
        """
        changes = [each.changed_at_offset for each in self._producers.values()]
        # Markers of producers that have expired since.
        changes.extend(marker_offset for _, marker_offset in self._uncommitted)
        changes.extend(each.last_offset for each in self._aborted[-1:])
        if all(offset < end_offset for offset in changes):
            return True
        self.clear()
        return False

    def clear(self) -> None:
        """Forget everything."""
        self._producers.clear()
        self._open.clear()
        self._uncommitted.clear()
        self._aborted.clear()

    def active(self) -> Iterator[ActiveProducer]:
        """Every producer known, by ascending id."""
        for producer_id, producer in sorted(self._producers.items()):
            yield ActiveProducer(
                producer_id,
                producer.epoch,
                producer.last_sequence(),
                producer.last_timestamp_ms,
                producer.coordinator_epoch,
                producer.transaction_start,
            )

    def last_batches(self) -> Mapping[int, LastBatch]:
        """By producer id, what compaction must keep."""
        return {
            producer_id: LastBatch(producer.epoch, producer.last_data_offset())
            for producer_id, producer in self._producers.items()
        }

    # --- snapshots ------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The table as checksummed bytes; equal tables give equal bytes."""
        writer = SnapshotWriter()
        writer.count(len(self._producers))
        for producer_id, producer in sorted(self._producers.items()):
            writer.producer(
                producer_id,
                producer.epoch,
                producer.coordinator_epoch,
                producer.last_timestamp_ms,
                producer.last_active_ms,
                producer.changed_at_offset,
                producer.transaction_start,
                len(producer.window),
            )
            writer.numbers(producer.window)
        writer.count(len(self._uncommitted))
        for transaction in self._uncommitted:
            writer.numbers(transaction)
        writer.count(len(self._aborted))
        for aborted in self._aborted:
            writer.numbers(aborted)
        return writer.finish()

    @classmethod
    def load(cls, data: Readable) -> ProducerTable:
        """Read `snapshot`'s bytes.

        Raises:
            ValueError: they are damaged or of an unknown version; build the table by replay.
        """
        reader = SnapshotReader(data)
        table = cls()
        for _ in range(reader.count()):
            producer = _Producer()
            (
                producer_id,
                producer.epoch,
                producer.coordinator_epoch,
                producer.last_timestamp_ms,
                producer.last_active_ms,
                producer.changed_at_offset,
                producer.transaction_start,
                window_length,
            ) = reader.producer()
            producer.window.extend(reader.numbers(window_length))
            table._producers[producer_id] = producer
        starts = [
            (producer.transaction_start, producer_id)
            for producer_id, producer in table._producers.items()
            if producer.transaction_start >= 0
        ]
        table._open = {producer_id: start for start, producer_id in sorted(starts)}
        for _ in range(reader.count()):
            first_offset, marker_offset = reader.numbers(2)
            table._uncommitted.append((first_offset, marker_offset))
        for _ in range(reader.count()):
            table._aborted.append(AbortedTransaction(*reader.numbers(4)))
        reader.finish()
        return table
