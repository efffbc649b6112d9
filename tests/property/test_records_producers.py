"""Idempotence against a model: whatever a network repeats, drops or reorders, the log holds each
batch once and in order."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import MAGIC, BatchHeader
from sprawl.core.records.producers import Duplicate, ProducerTable

TOP = 2**31


def header(sequence: int, count: int, epoch: int) -> BatchHeader:
    return BatchHeader(0, 49, -1, MAGIC, 0, 0, count - 1, 0, 0, 1, epoch, sequence % TOP, count)


def check(table: ProducerTable, batch: BatchHeader) -> Duplicate | ErrorCode | None:
    """What the table says of a batch, a fault as its code."""
    try:
        return table.check(batch)
    except KafkaFault as fault:
        return fault.code


@given(
    st.integers(0, TOP - 1),
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=60),
)
def test_each_batch_is_appended_once_and_in_order(first_sequence, counts, arrivals):
    starts = [first_sequence + sum(counts[:index]) for index in range(len(counts))]
    table = ProducerTable()
    table.update(header(first_sequence - 1, 1, 0), 0, 0)  # so that the producer is known
    end_offset = 1
    appended: list[int] = []
    offsets: dict[int, int] = {}
    window: deque[int] = deque(maxlen=5)
    for index in arrivals:
        if index >= len(counts):
            continue
        batch = header(starts[index], counts[index], 0)
        outcome = check(table, batch)
        if outcome == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
            assert index != len(appended)
            assert index not in window
        elif outcome is None:
            assert index == len(appended)
            table.update(batch, end_offset, 0)
            offsets[index] = end_offset
            end_offset += counts[index]
            appended.append(index)
            window.append(index)
        else:
            assert index in window
            last_offset = offsets[index] + counts[index] - 1
            assert outcome == Duplicate(offsets[index], last_offset, 0)
    assert appended == list(range(len(appended)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)), max_size=40))
def test_a_snapshot_between_any_two_batches_changes_nothing(steps):
    table, reloaded = ProducerTable(), ProducerTable()
    for offset, (epoch, sequence, count) in enumerate(steps):
        batch = header(sequence, count, epoch)
        outcome = check(table, batch)
        assert check(reloaded, batch) == outcome
        if outcome is None:
            table.update(batch, offset, offset)
            reloaded.update(batch, offset, offset)
        assert reloaded.snapshot() == table.snapshot()
        reloaded = ProducerTable.load(reloaded.snapshot())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_snapshot_or_refused(data):
    try:
        table = ProducerTable.load(data)
    except ValueError:
        return
    assert table.snapshot() == data
