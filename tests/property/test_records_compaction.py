"""Compaction against a model that remembers every record and thinks about one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from compaction_log import RETENTION_MS, CompactedLog
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.records.batch import parse_header

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", None])
VALUES = st.sampled_from([b"1", b"2", None])
PAIRS = st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=4)
PRODUCERS = st.sampled_from([-1, 1, 2, 3])

APPEND = st.tuples(st.just("append"), PAIRS, PRODUCERS, st.booleans(), st.integers(0, 4))
END = st.tuples(st.just("end"), st.sampled_from([1, 2, 3]), st.booleans(), st.booleans())
CLEAN = st.tuples(st.just("clean"), st.integers(0, RETENTION_MS * 2), st.sampled_from([2, 3, 100]))


@dataclass
class ModelRecord:
    offset: int
    key: bytes | None
    value: bytes | None
    batch: int
    transaction: int | None


@dataclass
class Model:
    """Every record of the log, and what is known of transactions and batches."""

    records: list[ModelRecord] = field(default_factory=list)
    aborted: set[int] = field(default_factory=set)
    horizons: dict[int, int] = field(default_factory=dict)
    cleaned_to: int = 0

    def clean(self, start_offset: int, end_offset: int, now_ms: int) -> None:
        """One pass whose map covers [start_offset, end_offset)."""
        last = {
            record.key: record.offset
            for record in self.records
            if start_offset <= record.offset < end_offset and not self._is_aborted(record)
        }
        kept = []
        for record in self.records:
            if record.offset < end_offset and (
                self._is_aborted(record)
                or record.key is None
                or last.get(record.key, -1) > record.offset
                or (record.value is None and self.horizons.get(record.batch, now_ms + 1) <= now_ms)
            ):
                continue
            kept.append(record)
        self.records = kept
        for record in kept:
            if record.offset < end_offset and record.value is None:
                self.horizons.setdefault(record.batch, now_ms + RETENTION_MS)

    def _is_aborted(self, record: ModelRecord) -> bool:
        return record.transaction in self.aborted


class Run:
    """Drives log and model through the same steps."""

    def __init__(self) -> None:
        self.log = CompactedLog()
        self.model = Model()
        self.now_ms = 0
        self.bounds: set[tuple[int, int]] = set()
        self.sequences = {1: 0, 2: 0, 3: 0}
        self.epochs = {1: 0, 2: 0, 3: 0}
        self.open: dict[int, int] = {}
        self.originals: dict[int, object] = {}

    def append(self, pairs: list, pid: int, wants_transaction: bool, codec: int) -> None:
        in_transaction = pid >= 0 and (wants_transaction or pid in self.open)
        base = self.log.append(
            pairs,
            codec=codec,
            pid=pid,
            epoch=self.epochs.get(pid, 0),
            sequence=self.sequences.get(pid, 0),
            transactional=int(in_transaction),
        )
        if pid >= 0:
            self.sequences[pid] += len(pairs)
        if in_transaction:
            self.open.setdefault(pid, base)
        for index, (key, value) in enumerate(pairs):
            self.model.records.append(
                ModelRecord(base + index, key, value, base, self.open.get(pid))
            )
        self.bounds.add((base, base + len(pairs) - 1))
        self.originals.update((each.offset, each) for each in self.log.records())

    def end(self, pid: int, commit: bool, bumps_epoch: bool) -> None:
        if bumps_epoch:
            self.epochs[pid] += 1
            self.sequences[pid] = 0
        self.bounds.add((self.log.end_offset, self.log.end_offset))
        self.log.mark(pid, commit=commit, epoch=self.epochs[pid])
        transaction = self.open.pop(pid, None)
        if transaction is not None and not commit:
            self.model.aborted.add(transaction)

    def clean(self, passed_ms: int, keys_max: int) -> None:
        self.now_ms += passed_ms
        start_offset = self.log.cleaned_to
        self.log.clean(self.now_ms, keys_max=keys_max)
        assert start_offset <= self.log.cleaned_to <= self.log.stable_offset
        self.model.clean(start_offset, self.log.cleaned_to, self.now_ms)
        self.check()

    def check(self) -> None:
        kept = list(self.log.records())
        assert [each.offset for each in kept] == [each.offset for each in self.model.records]
        assert all(self.originals[each.offset] == each for each in kept)
        headers = [parse_header(batch) for batch in self.log.batches]
        assert all((each.base_offset, each.last_offset) in self.bounds for each in headers)
        assert all(one.last_offset < other.base_offset for one, other in pairwise(headers))
        assert producers(self.log.replayed()) == producers(self.log.table)
        assert (
            self.log.replayed().first_open_transaction_offset()
            == self.log.table.first_open_transaction_offset()
        )


def producers(table) -> dict[int, tuple[int, int]]:
    """Epoch and last sequence by producer: what the next batch is checked against."""
    return {each.producer_id: (each.producer_epoch, each.last_sequence) for each in table.active()}


@given(st.lists(st.one_of(APPEND, APPEND, END, CLEAN), max_size=25))
def test_compaction_keeps_what_the_model_keeps(steps):
    run = Run()
    for name, *arguments in steps:
        getattr(run, name)(*arguments)
    run.clean(0, 100)
    run.clean(RETENTION_MS, 100)
    run.clean(RETENTION_MS, 100)


@given(st.lists(PAIRS, min_size=1, max_size=15), st.integers(1, 6))
def test_small_passes_end_where_a_large_one_does(batches, keys_max):
    small, large = CompactedLog(), CompactedLog()
    for pairs in batches:
        small.append(pairs)
        large.append(pairs)
    while not small.clean(0, keys_max=keys_max):
        pass
    large.clean(0)
    assert small.pairs() == large.pairs()
    newest = {key: offset for offset, key, _ in large.pairs()}
    assert len(newest) == len(large.pairs())


@given(st.lists(PAIRS, min_size=1, max_size=10))
def test_a_second_pass_at_the_same_time_changes_nothing(batches):
    log = CompactedLog()
    for pairs in batches:
        log.append(pairs)
    log.clean(0)
    first = list(log.batches)
    log.cleaned_to = 0
    log.clean(0)
    assert log.batches == first
