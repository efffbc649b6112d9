"""What compaction keeps, batch by batch."""

from __future__ import annotations

import pytest
from compaction_log import RETENTION_MS, CompactedLog

from sprawl.core.records.batch import CONTROL, LOG_APPEND_TIME, check_crc, parse_header
from sprawl.core.records.compaction import Compactor, OffsetMap, compact, map_offsets
from sprawl.core.records.record import build_batch, decode_records, encode_batch

LATER = RETENTION_MS + 1


def test_the_last_record_of_each_key_stays_where_it_was():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"1"), (b"a", b"2")])
    log.append([(b"c", b"1"), (b"b", b"2")])
    before = {each.offset: each for each in log.records()}
    assert log.clean(0)
    assert log.pairs() == [(2, b"a", b"2"), (3, b"c", b"1"), (4, b"b", b"2")]
    assert all(before[each.offset] == each for each in log.records())
    assert log.shape() == [(0, 2, 1), (3, 4, 2)]


def test_a_batch_that_loses_nothing_is_the_same_bytes():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"1")], codec=1)
    before = list(log.batches)
    log.clean(0)
    assert log.batches == before


def test_a_batch_that_loses_its_last_record_keeps_its_last_offset():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"1")])
    log.append([(b"b", b"2"), (b"z", b"")])
    log.clean(0)
    assert log.shape() == [(0, 1, 1), (2, 3, 2)]


def test_a_batch_without_records_left_goes():
    log = CompactedLog()
    log.append([(b"a", b"1")])
    log.append([(b"a", b"2")])
    log.clean(0)
    assert log.shape() == [(1, 1, 1)]


def test_records_without_key_go():
    log = CompactedLog()
    log.append([(None, b"1"), (b"", b"2")])
    log.clean(0)
    assert log.pairs() == [(1, b"", b"2")]


def test_an_empty_value_is_no_tombstone():
    log = CompactedLog()
    log.append([(b"a", b""), (b"b", None)])
    for now_ms in (0, LATER):
        log.clean(now_ms)
    assert log.pairs() == [(0, b"a", b"")]


@pytest.mark.parametrize("codec", range(5))
def test_a_rewritten_batch_keeps_its_codec_and_max_timestamp_fits(codec):
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"x" * 500), (b"c", b"1")], codec=codec)
    log.append([(b"c", b"2")], codec=codec)
    log.clean(0)
    header = parse_header(log.batches[0])
    assert header.compression == codec
    assert header.max_timestamp == 11
    assert [each.timestamp_ms for each in log.records()] == [10, 11, 13]


def test_append_time_stays_the_time_of_every_record():
    log = CompactedLog()
    log.add(
        encode_batch(
            [(100, b"a", b"1", []), (100, b"b", b"", []), (100, b"a", None, [])],
            attributes=LOG_APPEND_TIME,
        )
    )
    log.clean(0)
    header = parse_header(log.batches[0])
    assert header.has_delete_horizon
    assert header.timestamp_type == 1
    assert [each.timestamp_ms for each in log.records()] == [100, 100]


def test_nothing_from_the_end_offset_on_changes_or_counts():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"a", b"2")])
    end_offset = log.end_offset
    log.append([(b"a", b"3"), (b"a", b"4"), (None, b"5")])
    last = log.batches[-1]
    log.clean(0, end_offset=end_offset)
    assert log.pairs()[0] == (1, b"a", b"2")
    assert log.batches[-1] == last
    assert log.cleaned_to == end_offset


def test_the_last_batch_below_the_end_stays_as_a_header():
    log = CompactedLog()
    log.append([(b"a", b"1")], codec=4)
    log.append([(None, b"x")], codec=4)
    log.clean(0)
    assert log.shape() == [(0, 0, 1), (1, 1, 0)]
    empty = parse_header(log.batches[-1])
    assert check_crc(log.batches[-1], 0, empty)
    assert (empty.size_bytes, empty.compression, empty.base_timestamp) == (61, 0, -1)
    assert list(decode_records(log.batches[-1])) == []


# --- tombstones ----------------------------------------------------------------------------------


def test_a_tombstone_stays_until_its_horizon():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"1")])
    log.append([(b"a", None), (b"c", b"1")])
    log.append([(b"z", b"")])
    log.clean(5_000)
    assert (2, b"a", None) in log.pairs()
    header = parse_header(log.batches[1])
    assert header.has_delete_horizon
    assert header.base_timestamp == 5_000 + RETENTION_MS
    assert [each.timestamp_ms for each in log.records()] == [11, 12, 13, 14]

    first_pass = list(log.batches)
    log.clean(5_000 + RETENTION_MS - 1)
    assert log.batches == first_pass

    log.clean(5_000 + RETENTION_MS)
    assert log.pairs() == [(1, b"b", b"1"), (3, b"c", b"1"), (4, b"z", b"")]
    header = parse_header(log.batches[1])
    assert header.has_delete_horizon
    assert [each.timestamp_ms for each in log.records()] == [11, 13, 14]


def test_a_batch_without_tombstones_gets_no_horizon():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"a", b"2")])
    log.clean(0)
    assert not parse_header(log.batches[0]).has_delete_horizon


def test_a_tombstone_that_was_overtaken_goes_at_once():
    log = CompactedLog()
    log.append([(b"a", None), (b"b", b"")])
    log.append([(b"a", b"back")])
    log.clean(0)
    assert log.pairs() == [(1, b"b", b""), (2, b"a", b"back")]
    assert not parse_header(log.batches[0]).has_delete_horizon


# --- producers -----------------------------------------------------------------------------------


def test_the_last_batch_of_a_producer_stays_as_a_header():
    log = CompactedLog()
    log.append([(b"a", b"1"), (b"b", b"1")], pid=7, sequence=0)
    log.append([(b"a", b"2")], pid=7, sequence=2, codec=3)
    log.append([(b"a", b"3"), (b"b", b"2")], pid=8, sequence=5)
    log.append([(b"z", b"")])
    log.clean(0)
    assert log.shape() == [(2, 2, 0), (3, 4, 2), (5, 5, 1)]
    empty = parse_header(log.batches[0])
    assert (empty.producer_id, empty.producer_epoch, empty.last_sequence) == (7, 0, 2)
    assert list(log.replayed().last_batches()) == [7, 8]


def test_the_batch_of_an_expired_producer_goes():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=7)
    log.append([(b"a", b"2")])
    log.table.expire(10**12, 1)
    log.clean(0)
    assert log.shape() == [(1, 1, 1)]


# --- transactions --------------------------------------------------------------------------------


def test_aborted_records_go_and_do_not_count():
    log = CompactedLog()
    log.append([(b"a", b"kept")])
    log.append([(b"a", b"aborted"), (b"b", b"aborted")], pid=1, transactional=1)
    log.mark(1, commit=False)
    log.append([(b"z", b"")])
    log.clean(0)
    assert log.pairs() == [(0, b"a", b"kept"), (4, b"z", b"")]


def test_an_abort_marker_stays_until_a_pass_after_its_data_went():
    log = CompactedLog()
    log.append([(b"a", b"aborted")], pid=1, transactional=1)
    log.mark(1, commit=False)
    log.append([(b"a", b"1")], pid=1, sequence=1)
    log.append([(b"z", b"")])
    log.clean(0)
    assert log.shape() == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]
    assert not parse_header(log.batches[0]).has_delete_horizon
    log.clean(10)
    marker = parse_header(log.batches[0])
    assert marker.is_control
    assert marker.has_delete_horizon
    assert marker.base_timestamp == 10 + RETENTION_MS
    log.clean(9 + RETENTION_MS)
    assert log.shape() == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]
    log.clean(10 + RETENTION_MS)
    assert log.shape() == [(2, 2, 1), (3, 3, 1)]


def test_a_commit_marker_stays_while_data_of_its_transaction_does():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=1, transactional=1)
    log.mark(1, commit=True)
    log.append([(b"b", b"1")], pid=1, sequence=1)
    for now_ms in (0, LATER, 2 * LATER):
        log.clean(now_ms)
        assert log.shape() == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    log.append([(b"a", b"2")])
    log.clean(3 * LATER)
    assert log.shape() == [(1, 1, 1), (2, 2, 1), (3, 3, 1)]
    log.clean(4 * LATER)
    log.clean(5 * LATER)
    assert log.shape() == [(2, 2, 1), (3, 3, 1)]


def test_the_marker_of_an_emptied_batch_stays_with_it():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=1, transactional=1)
    log.mark(1, commit=True)
    log.append([(b"a", b"2")])
    for now_ms in (0, LATER, 2 * LATER):
        log.clean(now_ms)
        assert log.shape() == [(0, 0, 0), (1, 1, 1), (2, 2, 1)]
    assert log.replayed().first_open_transaction_offset() is None


def test_a_marker_that_alone_knows_the_epoch_stays_as_a_header():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=1, transactional=1)
    log.mark(1, commit=True, epoch=1)
    log.append([(b"a", b"2")])
    for now_ms in (0, LATER, 2 * LATER, 3 * LATER):
        log.clean(now_ms)
    assert log.shape() == [(1, 1, 0), (2, 2, 1)]
    assert parse_header(log.batches[0]).producer_epoch == 1


def test_only_the_newest_marker_of_a_producer_without_data_stays():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=1, transactional=1)
    log.mark(1, commit=True, epoch=1)
    log.mark(1, commit=False, epoch=2)
    log.append([(b"a", b"2")])
    for now_ms in (0, LATER, 2 * LATER, 3 * LATER):
        log.clean(now_ms)
    assert log.shape() == [(2, 2, 0), (3, 3, 1)]


def test_aborted_records_from_the_end_offset_on_are_left_alone():
    log = CompactedLog()
    log.append([(b"a", b"1")])
    log.append([(b"a", b"aborted")], pid=1, transactional=1)
    log.mark(1, commit=False)
    before = list(log.batches)
    log.clean(0, end_offset=1)
    assert log.batches == before
    assert [each.first_offset for each in log.aborted] == [1]


def test_control_records_that_end_no_transaction_stay():
    log = CompactedLog()
    log.add(encode_batch([(0, b"\x00\x00\x00\x02", b"leader", [])], attributes=CONTROL))
    log.append([(b"z", b"")])
    before = list(log.batches)
    for now_ms in (0, LATER, 2 * LATER):
        log.clean(now_ms)
    assert log.batches == before


def test_an_aborted_transaction_still_listed_says_nothing_about_later_ones():
    log = CompactedLog()
    log.append([(b"a", b"aborted")], pid=1, transactional=1)
    log.mark(1, commit=False)
    log.batches.clear()
    log.append([(b"a", b"committed")], pid=1, sequence=1, transactional=1)
    log.mark(1, commit=True)
    log.clean(0)
    assert log.pairs() == [(2, b"a", b"committed")]


def test_the_pass_tells_which_aborted_transactions_still_matter():
    log = CompactedLog()
    log.append([(b"a", b"1")], pid=1, transactional=1)
    log.mark(1, commit=False)
    log.append([(b"z", b"")])
    offset_map = OffsetMap()
    map_offsets(log.batches, offset_map, start_offset=0, end_offset=3, aborted=log.aborted)

    def run(batches: list[bytes]) -> tuple[list[bytes], list[object]]:
        compactor = Compactor(
            offset_map,
            delete_retention_ms=RETENTION_MS,
            now_ms=0,
            last_batches={},
            aborted=log.aborted,
        )
        return [bytes(each) for each in compact(batches, compactor)], list(compactor.aborted)

    after_first, remaining = run(log.batches)
    assert remaining == log.aborted
    assert run(after_first)[1] == []


# --- the map, and damage -------------------------------------------------------------------------


@pytest.mark.parametrize("keys_max", [4, 5])
def test_a_full_map_ends_the_pass_and_the_next_one_goes_on(keys_max):
    log = CompactedLog()
    for at in range(6):
        log.append([(b"%d" % (2 * at), b"1"), (b"%d" % (2 * at + 1), b"1")])
    log.append([(b"%d" % at, b"2") for at in range(12)])
    reached = []
    while not log.clean(0, keys_max=keys_max):
        reached.append(log.cleaned_to)
    assert reached == [4, 8, 12]
    assert log.pairs() == [(12 + at, b"%d" % at, b"2") for at in range(12)]
    assert log.cleaned_to == log.end_offset


def test_a_batch_larger_than_the_map_does_not_stop_the_passes():
    log = CompactedLog()
    log.append([(b"%d" % at, b"1") for at in range(50)])
    log.append([(b"%d" % at, b"2") for at in range(50)])
    while not log.clean(0, keys_max=3):
        pass
    assert [offset for offset, _, _ in log.pairs()] == list(range(50, 100))


def test_keys_known_only_from_the_clean_part_stay():
    log = CompactedLog()
    log.append([(b"old", b"1")])
    log.clean(0)
    log.append([(b"new", b"1")])
    log.clean(0)
    assert log.pairs() == [(0, b"old", b"1"), (1, b"new", b"1")]


def test_a_batch_that_cannot_be_read_stays_as_it_is():
    log = CompactedLog()
    log.append([(b"a", b"1")])
    template = parse_header(encode_batch([(0, b"a", b"2", [])], base_offset=1))
    log.add(build_batch(template, b"no records at all"))
    log.append([(b"a", b"3")])
    damaged = log.batches[1]
    log.clean(0)
    assert log.batches[0] == damaged
    assert log.shape() == [(1, 1, 1), (2, 2, 1)]
    assert log.unreadable_batch_count == 1
