"""A log in memory that compaction tests write to, compact pass by pass, and read back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sprawl.core.records.batch import TRANSACTIONAL, check_crc, parse_header
from sprawl.core.records.compaction import Compactor, OffsetMap, compact, map_offsets
from sprawl.core.records.control import EndTxnMarker, encode_marker
from sprawl.core.records.producers import AbortedTransaction, ProducerTable
from sprawl.core.records.record import Record, decode_records, encode_batch

RETENTION_MS = 1_000

Pair = tuple[bytes | None, bytes | None]


class CompactedLog:
    """Batches with dense offsets, their producers, and how far the last pass came."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.end_offset = 0
        self.table = ProducerTable()
        self.cleaned_to = 0
        self.unreadable_batch_count = 0

    def append(
        self, pairs: Sequence[Pair], *, codec: int = 0, pid: int = -1, **options: int
    ) -> int:
        """One batch of (key, value) records; its base offset."""
        attributes = TRANSACTIONAL if options.get("transactional") else 0
        epoch = options.get("epoch", 0) if pid >= 0 else -1
        base = self.end_offset
        self.add(
            encode_batch(
                [(base + 10 + at, *pair, [("h", b"%d" % at)]) for at, pair in enumerate(pairs)],
                base_offset=base,
                compression=codec,
                producer_id=pid,
                producer_epoch=epoch,
                base_sequence=options.get("sequence", 0) if pid >= 0 else -1,
                attributes=attributes,
            )
        )
        return base

    def mark(self, pid: int, *, commit: bool, epoch: int = 0) -> None:
        """End a transaction."""
        self.add(
            encode_marker(
                EndTxnMarker(commit, 0),
                producer_id=pid,
                producer_epoch=epoch,
                timestamp_ms=self.end_offset,
                base_offset=self.end_offset,
            )
        )

    def add(self, batch: bytes | bytearray) -> None:
        """Any batch whose base offset is the log's end."""
        header = parse_header(batch)
        assert header.base_offset == self.end_offset
        self.batches.append(bytes(batch))
        self.end_offset = header.last_offset + 1
        self.table.replay(batch, 0, header, 0)

    @property
    def aborted(self) -> list[AbortedTransaction]:
        return self.table.aborted_transactions(0, self.end_offset)

    @property
    def stable_offset(self) -> int:
        open_offset = self.table.first_open_transaction_offset()
        return self.end_offset if open_offset is None else open_offset

    def clean(self, now_ms: int, *, keys_max: int = 1_000, end_offset: int | None = None) -> bool:
        """One pass; False when the map was full before the end."""
        end_offset = self.stable_offset if end_offset is None else end_offset
        offset_map = OffsetMap(keys_max)
        is_whole = map_offsets(
            self.batches,
            offset_map,
            start_offset=self.cleaned_to,
            end_offset=end_offset,
            aborted=self.aborted,
        )
        below = [each for each in self.aborted if each.first_offset < offset_map.end_offset]
        compactor = Compactor(
            offset_map,
            delete_retention_ms=RETENTION_MS,
            now_ms=now_ms,
            last_batches=self.table.last_batches(),
            aborted=below,
        )
        self.batches = [bytes(each) for each in compact(self.batches, compactor)]
        self.cleaned_to = offset_map.end_offset
        self.table.forget_cleaned(self.cleaned_to, compactor.aborted)
        self.unreadable_batch_count = compactor.unreadable_batch_count
        return is_whole

    def records(self) -> Iterator[Record]:
        """Every record but markers, in order."""
        for batch in self.batches:
            assert check_crc(batch, 0, parse_header(batch))
            if not parse_header(batch).is_control:
                yield from decode_records(batch)

    def pairs(self) -> list[tuple[int, bytes | None, bytes | None]]:
        return [(each.offset, each.key, each.value) for each in self.records()]

    def shape(self) -> list[tuple[int, int, int]]:
        """(base offset, last offset, record count) of every batch."""
        headers = [parse_header(batch) for batch in self.batches]
        return [(each.base_offset, each.last_offset, each.record_count) for each in headers]

    def replayed(self) -> ProducerTable:
        """The producers as a restart would find them."""
        table = ProducerTable()
        for batch in self.batches:
            table.replay(batch, 0, parse_header(batch), 0)
        return table
