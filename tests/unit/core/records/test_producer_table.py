"""Idempotence and transactions of one partition."""

from __future__ import annotations

import pytest

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import CONTROL, MAGIC, TRANSACTIONAL, BatchHeader, parse_header
from sprawl.core.records.control import EndTxnMarker, encode_marker
from sprawl.core.records.producers import ActiveProducer, Duplicate, LastBatch, ProducerTable

TOP = 2**31 - 1
DAY_MS = 86_400_000


def header(
    sequence: int, count: int = 1, *, pid: int = 1, epoch: int = 0, ts: int = 0, attributes: int = 0
) -> BatchHeader:
    return BatchHeader(
        0, 49, -1, MAGIC, 0, attributes, count - 1, ts, ts, pid, epoch, sequence, count
    )


def in_transaction(sequence: int, count: int = 1, **options: int) -> BatchHeader:
    return header(sequence, count, attributes=TRANSACTIONAL, **options)


class Log:
    """A table and the offsets that its log would assign."""

    def __init__(self) -> None:
        self.table = ProducerTable()
        self.end_offset = 0

    def append(self, batch: BatchHeader, now_ms: int = 0) -> int | Duplicate:
        """What a leader does with a client's batch; the offset, or the original."""
        duplicate = self.table.check(batch)
        if duplicate is not None:
            return duplicate
        offset = self.end_offset
        self.table.update(batch, offset, now_ms)
        self.end_offset += batch.record_count
        return offset

    def mark(
        self, pid: int, *, commit: bool, epoch: int = 0, coordinator_epoch: int = 0, now_ms: int = 0
    ) -> object:
        marker = EndTxnMarker(commit, coordinator_epoch)
        batch = encode_marker(
            marker,
            producer_id=pid,
            producer_epoch=epoch,
            timestamp_ms=now_ms,
            base_offset=self.end_offset,
        )
        self.table.check_marker(parse_header(batch), marker)
        self.end_offset += 1
        return self.table.replay(batch, 0, parse_header(batch), now_ms)


def code_of(log: Log, batch: BatchHeader) -> ErrorCode:
    before = log.table.snapshot()
    with pytest.raises(KafkaFault) as caught:
        log.append(batch)
    assert log.table.snapshot() == before
    return caught.value.code


def test_sequences_follow_each_other():
    log = Log()
    assert [log.append(header(at, 3)) for at in (0, 3, 6)] == [0, 3, 6]


@pytest.mark.parametrize("sequence", [0, 17, TOP])
def test_an_unknown_producer_may_start_anywhere(sequence):
    log = Log()
    assert log.append(header(sequence, epoch=3)) == 0


def test_a_gap_is_out_of_order():
    log = Log()
    log.append(header(0, 3))
    assert code_of(log, header(4)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert code_of(log, header(2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(3)) == 3


def test_a_repeat_of_the_last_five_is_answered_with_the_original():
    log = Log()
    for index in range(7):
        log.append(header(index * 10, 10, ts=1_000 + index))
    for index in range(2, 7):
        assert log.append(header(index * 10, 10)) == Duplicate(
            index * 10, index * 10 + 9, 1_000 + index
        )
    for index in range(2):
        assert code_of(log, header(index * 10, 10)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(70, 10)) == 70


def test_a_repeat_has_exactly_the_same_sequences():
    log = Log()
    log.append(header(0, 10))
    assert code_of(log, header(0, 9)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert code_of(log, header(1, 9)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert isinstance(log.append(header(0, 10)), Duplicate)


def test_sequences_wrap_after_the_largest_int32():
    log = Log()
    log.append(header(TOP - 1, 2))
    assert log.append(header(0, 2)) == 2
    assert isinstance(log.append(header(TOP - 1, 2)), Duplicate)


def test_a_batch_may_lie_across_the_wrap():
    log = Log()
    log.append(header(TOP - 1, 4))
    assert isinstance(log.append(header(TOP - 1, 4)), Duplicate)
    assert code_of(log, header(0)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(2)) == 4


def test_an_older_epoch_is_fenced():
    log = Log()
    log.append(header(0, epoch=5))
    assert code_of(log, header(1, epoch=4)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert code_of(log, header(0, epoch=4)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert code_of(log, header(-1, epoch=4)) == ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_newer_epoch_starts_at_0_and_forgets_the_window():
    log = Log()
    log.append(header(0, epoch=5))
    assert code_of(log, header(1, epoch=6)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(0, epoch=6)) == 1
    assert code_of(log, header(0, epoch=5)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert log.append(header(1, epoch=6)) == 2


def test_producers_do_not_disturb_each_other():
    log = Log()
    log.append(header(0, pid=1))
    log.append(header(0, pid=2))
    assert log.append(header(1, pid=1)) == 2
    assert code_of(log, header(2, pid=2)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_producer_id_0_is_a_producer():
    log = Log()
    log.append(header(0, pid=0))
    assert code_of(log, header(2, pid=0)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_batches_without_producer_id_leave_no_trace():
    log = Log()
    log.append(header(-1, pid=-1))
    assert len(log.table) == 0


def test_a_coordinators_batches_have_an_epoch_and_no_sequence():
    log = Log()
    log.append(in_transaction(-1, epoch=2))
    assert log.append(in_transaction(-1, epoch=2)) == 1
    assert code_of(log, in_transaction(-1, epoch=1)) == ErrorCode.INVALID_PRODUCER_EPOCH


# --- expiry --------------------------------------------------------------------------------------


def test_producers_expire_by_their_last_activity_only():
    log = Log()
    log.append(header(0, pid=1, ts=1), now_ms=1_000)
    log.append(header(0, pid=2, ts=1), now_ms=2_000)
    assert log.table.expire(1_000 + DAY_MS - 1, DAY_MS) == 0
    assert log.table.expire(1_000 + DAY_MS, DAY_MS) == 1
    assert [each.producer_id for each in log.table.active()] == [2]


def test_a_busy_producer_does_not_expire_whatever_timestamps_it_sends():
    log = Log()
    for day in range(5):
        log.append(header(day, ts=5), now_ms=day * (DAY_MS - 1))
        assert log.table.expire(day * (DAY_MS - 1) + 1, DAY_MS) == 0
    assert log.append(header(5), now_ms=5 * DAY_MS) == 5


def test_an_expired_producer_is_unknown_again():
    log = Log()
    log.append(header(0, 3))
    log.table.expire(DAY_MS, DAY_MS)
    assert log.append(header(40)) == 3


def test_an_open_transaction_keeps_its_producer():
    log = Log()
    log.append(in_transaction(0))
    assert log.table.expire(9 * DAY_MS, DAY_MS) == 0
    log.mark(1, commit=True, now_ms=9 * DAY_MS)
    assert log.table.expire(10 * DAY_MS, DAY_MS) == 1


# --- transactions --------------------------------------------------------------------------------


def test_the_first_open_transaction_bounds_what_is_stable():
    log = Log()
    log.append(header(0, 5, pid=9))
    assert log.table.first_open_transaction_offset() is None
    log.append(in_transaction(0, 2, pid=1))
    log.append(in_transaction(0, 2, pid=2))
    log.append(in_transaction(2, 2, pid=1))
    assert log.table.first_open_transaction_offset() == 5
    log.mark(1, commit=True)
    assert log.table.first_open_transaction_offset() == 7
    log.append(in_transaction(4, pid=1))
    assert log.table.first_open_transaction_offset() == 7
    log.mark(2, commit=False)
    assert log.table.first_open_transaction_offset() == 12
    log.mark(1, commit=False)
    assert log.table.first_open_transaction_offset() is None


def test_a_transaction_starts_with_its_first_batch():
    log = Log()
    log.append(in_transaction(0))
    log.append(in_transaction(1))
    assert list(log.table.active()) == [ActiveProducer(1, 0, 1, 0, -1, 0)]
    assert log.mark(1, commit=False) == (1, 0, 2, 3)


def test_a_transaction_is_undecided_until_its_marker_is_committed():
    log = Log()
    log.append(in_transaction(0, 2))
    log.append(header(0, pid=2))
    assert log.table.first_unstable_offset(3) == 0
    log.mark(1, commit=True)  # at offset 3
    log.append(in_transaction(2, 1))
    assert log.table.first_unstable_offset(3) == 0
    assert log.table.first_unstable_offset(4) == 4
    log.mark(1, commit=True)
    assert log.table.first_unstable_offset(5) == 4
    assert log.table.first_unstable_offset(6) is None


def test_aborted_transactions_are_found_by_range():
    log = Log()
    log.append(in_transaction(0, 3, pid=1))  # 0 to 2
    log.append(in_transaction(0, 3, pid=2))  # 3 to 5
    first = log.mark(2, commit=False)  # 6
    log.append(header(0, 3, pid=3))  # 7 to 9
    second = log.mark(1, commit=False)  # 10
    log.append(in_transaction(3, 3, pid=1))  # 11 to 13
    assert log.mark(1, commit=True) is None  # 14
    log.append(in_transaction(6, 1, pid=1))  # 15
    third = log.mark(1, commit=False)  # 16
    assert first == (2, 3, 6, 0)
    assert second == (1, 0, 10, 11)
    assert third == (1, 15, 16, 17)
    find = log.table.aborted_transactions
    assert find(0, 17) == [first, second, third]
    assert find(0, 1) == [second]
    assert find(4, 5) == [first, second]
    assert find(7, 11) == [second]
    assert find(11, 15) == []
    assert find(16, 17) == [third]
    log.table.advance_log_start(10)
    assert find(0, 17) == [second, third]
    log.table.advance_log_start(11)
    assert find(0, 17) == [third]


def test_compaction_may_leave_nothing_of_an_aborted_transaction():
    log = Log()
    aborted = []
    for at in range(4):
        log.append(in_transaction(at))
        aborted.append(log.mark(1, commit=False))
    log.table.forget_cleaned(5, aborted[:1])
    assert log.table.aborted_transactions(0, 8) == [aborted[0], aborted[2], aborted[3]]


def test_a_marker_without_data_aborts_nothing():
    log = Log()
    assert log.mark(1, commit=False, epoch=3) is None
    assert log.table.aborted_transactions(0, 10) == []
    assert code_of(log, header(0, epoch=2)) == ErrorCode.INVALID_PRODUCER_EPOCH


def test_a_batch_outside_the_open_transaction_is_refused():
    log = Log()
    log.append(in_transaction(0))
    assert code_of(log, header(1)) == ErrorCode.INVALID_TXN_STATE
    log.mark(1, commit=True)
    assert log.append(header(1)) == 2


def test_a_marker_that_bumps_the_epoch_restarts_the_sequence():
    log = Log()
    log.append(in_transaction(0, 3))
    log.mark(1, commit=True, epoch=1)
    assert code_of(log, in_transaction(3)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert code_of(log, in_transaction(3, epoch=1)) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(in_transaction(0, epoch=1)) == 4


def test_a_marker_of_the_same_epoch_keeps_the_window():
    log = Log()
    log.append(in_transaction(0, 3))
    log.mark(1, commit=True)
    assert isinstance(log.append(in_transaction(0, 3)), Duplicate)
    assert log.append(in_transaction(3)) == 4


def test_zombie_coordinators_are_fenced():
    log = Log()
    log.append(in_transaction(0, epoch=2))
    log.mark(1, commit=True, epoch=2, coordinator_epoch=5)
    with pytest.raises(KafkaFault) as caught:
        log.mark(1, commit=True, epoch=2, coordinator_epoch=4)
    assert caught.value.code == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    with pytest.raises(KafkaFault) as caught:
        log.mark(1, commit=True, epoch=1, coordinator_epoch=6)
    assert caught.value.code == ErrorCode.INVALID_PRODUCER_EPOCH


def test_an_emptied_control_batch_still_fences_with_its_epoch():
    log = Log()
    log.table.update(header(-1, epoch=4, attributes=CONTROL | TRANSACTIONAL), 0, 0)
    assert list(log.table.active()) == [ActiveProducer(1, 4, -1, 0, -1, -1)]
    assert code_of(log, header(0, epoch=3)) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert log.append(header(0, epoch=5)) == 0


# --- views, truncation, snapshots ----------------------------------------------------------------


def lively() -> Log:
    log = Log()
    for index in range(7):
        log.append(header(index * 2, 2, pid=30, epoch=1, ts=900 + index), now_ms=50 + index)
    log.append(in_transaction(0, 2, pid=10, ts=7), now_ms=60)
    log.append(in_transaction(0, 2, pid=20, ts=8), now_ms=61)
    log.mark(20, commit=False, coordinator_epoch=3, now_ms=62)
    log.mark(40, commit=True, coordinator_epoch=4, epoch=2, now_ms=63)
    log.append(in_transaction(0, 1, pid=5, ts=9), now_ms=64)
    return log


def test_active_lists_producers_by_id():
    assert list(lively().table.active()) == [
        ActiveProducer(5, 0, 0, 9, -1, 20),
        ActiveProducer(10, 0, 1, 7, -1, 14),
        ActiveProducer(20, 0, 1, 62, 3, -1),
        ActiveProducer(30, 1, 13, 906, -1, -1),
        ActiveProducer(40, 2, -1, 63, 4, -1),
    ]


def test_last_batches_are_what_compaction_keeps():
    assert lively().table.last_batches() == {
        5: LastBatch(0, 20),
        10: LastBatch(0, 15),
        20: LastBatch(0, 17),
        30: LastBatch(1, 13),
        40: LastBatch(2, -1),
    }


def test_a_snapshot_is_the_whole_table():
    log = lively()
    table = ProducerTable.load(log.table.snapshot())
    assert table.snapshot() == log.table.snapshot()
    assert list(table.active()) == list(log.table.active())
    assert table.first_open_transaction_offset() == 14
    assert table.aborted_transactions(0, 100) == log.table.aborted_transactions(0, 100)
    assert table.check(header(12, 2, pid=30, epoch=1)) == Duplicate(12, 13, 906)
    assert table.check(header(4, 2, pid=30, epoch=1)) == Duplicate(4, 5, 902)
    with pytest.raises(KafkaFault):
        table.check(header(2, 2, pid=30, epoch=1))
    assert table.first_unstable_offset(18) == 14


def test_open_transactions_stay_in_offset_order_through_a_snapshot():
    log = Log()
    log.append(in_transaction(0, pid=9))
    log.append(in_transaction(0, pid=3))
    log.table = ProducerTable.load(log.table.snapshot())
    assert log.table.first_open_transaction_offset() == 0
    log.mark(9, commit=True)
    assert log.table.first_open_transaction_offset() == 1


def test_equal_tables_have_equal_snapshots():
    one, other = Log(), Log()
    one.append(header(0, pid=1))
    one.append(header(0, pid=2))
    other.table.update(header(0, pid=2), 1, 0)
    other.table.update(header(0, pid=1), 0, 0)
    assert one.table.snapshot() == other.table.snapshot()


def test_an_empty_table_has_a_snapshot():
    assert len(ProducerTable.load(ProducerTable().snapshot())) == 0


def test_damaged_snapshots_are_refused():
    data = lively().table.snapshot()
    for size in range(len(data)):
        with pytest.raises(ValueError):
            ProducerTable.load(data[:size])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        with pytest.raises(ValueError):
            ProducerTable.load(damaged)


def test_truncation_behind_every_producer_changes_nothing():
    log = lively()
    before = log.table.snapshot()
    assert log.table.truncate_to(21)
    assert log.table.snapshot() == before


@pytest.mark.parametrize("end_offset", [0, 14, 19, 20])
def test_truncation_into_a_producers_batches_empties_the_table(end_offset):
    log = lively()
    assert not log.table.truncate_to(end_offset)
    assert log.table.snapshot() == ProducerTable().snapshot()
    assert log.table.first_open_transaction_offset() is None


@pytest.mark.parametrize("commit", [True, False])
def test_a_cut_marker_counts_although_its_producer_has_expired(commit):
    log = Log()
    log.append(in_transaction(0))
    log.mark(1, commit=commit)
    assert log.table.expire(DAY_MS, DAY_MS) == 1
    assert log.table.truncate_to(2)
    assert not log.table.truncate_to(1)
