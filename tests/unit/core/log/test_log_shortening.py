"""Truncation, the log start, retention and compaction, as a reader sees them."""

from __future__ import annotations

import pytest
from log_world import LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.log.frames import EntryType
from sprawl.core.records.record import encode_batch

DAY_MS = 86_400_000
COMPACT = frozenset({"compact"})


# --- truncation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("from_index", [1, 2, 7, 13, 20])
def test_truncated_entries_are_gone_for_good(world: LogWorld, from_index: int) -> None:
    world.configure(segment_bytes=500)
    for at in range(20):
        world.append(f"{at}" + "." * 50, term=at // 5)
    log = world.log
    log.flush()
    log.truncate_suffix(from_index)
    assert (log.last_index, log.log_end_offset) == (from_index - 1, from_index - 1)
    assert log.last_term == ((from_index - 2) // 5 if from_index > 1 else -1)
    assert log.synced_index <= from_index - 1
    assert world.append("new", term=9) == (
        from_index,
        9,
        from_index - 1,
        from_index - 1,
        world.now_ms,
    )
    world.reopen(clean=False)
    values = [(record.value or b"").rstrip(b".") for record in world.records()]
    assert values == [b"%d" % at for at in range(from_index - 1)] + [b"new"]


def test_truncation_takes_producers_and_times_back(world: LogWorld) -> None:
    world.append("a", timestamps_ms=[10], producer_id=5, producer_epoch=0, base_sequence=0)
    world.append("b", timestamps_ms=[30], producer_id=5, producer_epoch=0, base_sequence=1)
    world.append("c", timestamps_ms=[20], producer_id=6, producer_epoch=0, base_sequence=0)
    log = world.log
    log.truncate_suffix(2)
    assert [each[:3] for each in log.producers.active()] == [(5, 0, 0)]
    assert log.max_timestamp_offset(1) == (0, 10)
    assert log.segments[-1].max_timestamp == 10


def test_truncation_beyond_the_end_changes_nothing(world: LogWorld) -> None:
    world.fill(2)
    world.log.truncate_suffix(3)
    assert world.offsets() == [0, 1]


def test_what_is_gone_below_cannot_be_truncated(world: LogWorld) -> None:
    world.fill(4)
    world.log.set_log_start(2, write_entry=False)
    with pytest.raises(ValueError, match="log start"):
        world.log.truncate_suffix(2)
    assert world.offsets() == [2, 3]


# --- the log start -------------------------------------------------------------------------------


def test_a_producer_is_forgotten_rather_than_known_by_an_older_batch(world: LogWorld) -> None:
    world.append("a", producer_id=9, producer_epoch=0, base_sequence=0)
    world.reopen(clean=False)
    world.append("b", producer_id=9, producer_epoch=0, base_sequence=1)
    world.log.set_log_start(2)
    world.log.roll()
    log = world.reopen(clean=False)
    assert log.segments[0].base_offset == 2, "the next batch would be out of order"
    assert [each[:3] for each in log.producers.active()] != [(9, 0, 0)]


def test_the_log_start_hides_records_and_drops_segments(world: LogWorld) -> None:
    world.configure(segment_bytes=500)
    world.fill(20)
    log = world.log
    segments = len(log.segments)
    log.set_log_start(13)
    assert log.log_start_offset == 13
    assert world.offsets() == list(range(13, 20))
    assert len(log.segments) < segments
    log = world.reopen()
    assert log.log_start_offset == 13
    assert world.offsets() == list(range(13, 20))


def test_the_log_start_never_goes_back_or_beyond_the_end(world: LogWorld) -> None:
    world.fill(5)
    log = world.log
    log.set_log_start(3)
    log.set_log_start(2)
    assert log.log_start_offset == 3
    with pytest.raises(KafkaFault) as fault:
        log.set_log_start(6)
    assert fault.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    log.set_log_start(5)
    assert (log.log_start_offset, world.offsets()) == (5, [])


def test_epochs_survive_the_deletion_of_their_records(world: LogWorld) -> None:
    for term in range(4):
        world.append("x", term=term)
        world.log.roll()
    world.append("y", term=3)
    world.log.set_log_start(3)
    log = world.reopen()
    assert log.epoch_end_offset(2) == (2, 3)
    assert log.term_at(log.first_index - 1) == 2


# --- retention -----------------------------------------------------------------------------------


def test_old_segments_go_and_the_log_start_follows(world: LogWorld) -> None:
    world.configure(retention_ms=DAY_MS)
    for at in range(4):
        world.append("x", timestamps_ms=[world.now_ms + at * DAY_MS])
        world.log.roll()
    world.append("x", timestamps_ms=[world.now_ms + 4 * DAY_MS])
    log = world.log
    assert log.delete_old_segments(world.now_ms + 3 * DAY_MS) == 2
    assert (log.log_start_offset, world.offsets()) == (2, [2, 3, 4])
    assert log.delete_old_segments(world.now_ms + 3 * DAY_MS) == 0


def test_an_old_active_segment_is_sealed_and_goes(world: LogWorld) -> None:
    world.configure(retention_ms=DAY_MS)
    world.fill(3)
    log = world.log
    assert log.delete_old_segments(world.now_ms + DAY_MS + 1) == 1
    assert (log.log_start_offset, log.log_end_offset) == (3, 3)
    world.fill(1)
    world.reopen(clean=False)
    assert world.offsets() == [3]


def test_segments_go_while_the_log_is_too_large(world: LogWorld) -> None:
    world.configure(segment_bytes=500, retention_bytes=1_200)
    world.fill(40)
    log = world.log
    log.delete_old_segments(world.now_ms)
    assert 1_200 <= log.size_bytes < 1_700
    assert world.offsets()[-1] == 39


def test_what_is_not_committed_is_not_deleted(world: LogWorld) -> None:
    world.configure(retention_ms=0)
    for _ in range(3):
        world.fill(2)
        world.log.roll()
    assert world.log.delete_old_segments(world.now_ms + DAY_MS, up_to_offset=4) == 2
    assert world.log.log_start_offset == 4


def test_a_log_of_entries_only_is_never_shortened(world: LogWorld) -> None:
    world.configure(retention_ms=1, retention_bytes=0)
    for at in range(5):
        world.log.append_entry(EntryType.CONTROLLER_COMMAND, b"%d" % at, term=0)
        world.log.roll()
    world.log.append_entry(EntryType.CONTROLLER_COMMAND, b"5", term=0)
    for _ in range(3):
        world.log.delete_old_segments(world.now_ms + DAY_MS)
    log = world.reopen()
    assert [bytes(each.payload) for each in log.entries(1, 7, 1 << 20)] == [
        b"%d" % at for at in range(6)
    ]


# --- compaction ----------------------------------------------------------------------------------


def compacted(world: LogWorld, **config: object) -> None:
    world.configure(
        cleanup_policy=COMPACT,
        segment_bytes=600,
        min_cleanable_dirty_ratio=0.0,
        file_delete_delay_ms=0,
        **config,
    )


def test_the_last_value_of_each_key_stays_at_its_offset(world: LogWorld) -> None:
    compacted(world)
    for at in range(30):
        world.append(f"{at}", key=f"k{at % 3}")
    before_bytes = world.log.size_bytes
    done = world.log.compact(world.now_ms)
    assert done is not None
    log = world.log
    assert log.size_bytes < before_bytes
    newest = {record.key: record.offset for record in world.records()}
    assert newest == {b"k0": 27, b"k1": 28, b"k2": 29}
    sealed_end = log.segments[-1].base_offset
    below = [record.key for record in world.records() if record.offset < sealed_end]
    assert len(below) == len(set(below))
    for record in world.records():
        assert record.value == b"%d" % record.offset
    before = world.records()
    world.reopen(clean=False)
    assert world.records() == before
    assert world.append("next", key="k0").first_offset == 30


def test_segments_join_so_that_a_small_log_is_few_files(world: LogWorld) -> None:
    compacted(world)
    for at in range(60):
        world.append(f"{at}", key="k")
    before = len(world.log.segments)
    world.log.compact(world.now_ms)
    for at in range(10):
        world.append(f"{at}", key="k")
    world.log.compact(world.now_ms)
    assert len(world.log.segments) < before / 2
    assert world.offsets()[-1] == 69


def test_a_tombstone_goes_after_its_time(world: LogWorld) -> None:
    compacted(world, delete_retention_ms=1_000)
    world.append("value", key="gone")
    world.append_raw(encode_batch([(world.now_ms, b"gone", None, [])]))
    world.append("stays", key="other")
    world.log.roll()
    world.append("active", key="z")
    world.log.compact(world.now_ms)
    assert [record.offset for record in world.records() if record.key == b"gone"] == [1]
    world.append("more", key="z")
    world.log.roll()
    world.append("active", key="z")
    world.log.compact(world.now_ms + 2_000)
    assert [record.offset for record in world.records() if record.key == b"gone"] == []


def test_idle_producers_keep_their_sequence_through_compaction(world: LogWorld) -> None:
    compacted(world)
    world.append("a", key="k", producer_id=9, producer_epoch=0, base_sequence=0)
    for at in range(20):
        world.append(f"{at}", key="k")
    world.log.compact(world.now_ms)
    assert 0 not in world.offsets()
    world.log.close()
    for key, _ in list(world.kv.iterate(b"log/")):
        world.kv.delete(key)
    log = world.open()
    assert [each[:3] for each in log.producers.active()] == [(9, 0, 0)]
    log.close()


def test_records_of_an_open_transaction_are_not_compacted(world: LogWorld) -> None:
    compacted(world)
    for at in range(10):
        world.append(f"{at}", key="k")
    world.log.roll()
    world.append("t", key="k", producer_id=9, producer_epoch=0, base_sequence=0, attributes=0x10)
    for at in range(20):
        world.append(f"{at}", key="k")
    done = world.log.compact(world.now_ms)
    assert done is not None
    assert done.cleaned_to_offset <= 10
    assert set(range(10, 31)) <= set(world.offsets())


def test_a_log_that_is_clean_enough_is_left_alone(world: LogWorld) -> None:
    compacted(world)
    for at in range(20):
        world.append(f"{at}", key="k")
    assert world.log.compact(world.now_ms) is not None
    assert world.log.compact(world.now_ms) is None
    world.configure(cleanup_policy=frozenset({"delete"}))
    assert world.log.compact(world.now_ms) is None


def test_times_and_epochs_are_found_in_a_compacted_log(world: LogWorld) -> None:
    compacted(world)
    for at in range(30):
        world.append("x", key=f"k{at % 4}", timestamps_ms=[world.now_ms + at], term=at // 10)
    world.log.compact(world.now_ms)
    log = world.reopen()
    records = world.records()
    for asked in range(30):
        expected = next(r for r in records if r.timestamp_ms >= world.now_ms + asked)
        found = log.offset_for_timestamp(world.now_ms + asked, 30)
        assert found == (expected.offset, expected.timestamp_ms)
    assert log.epoch_end_offset(0) == (0, 10)
    assert log.epoch_end_offset(1) == (1, 20)


def test_entries_of_a_compacted_part_are_not_given_one_by_one(world: LogWorld) -> None:
    compacted(world)
    for at in range(20):
        world.append(f"{at}", key="k")
    world.log.compact(world.now_ms)
    log = world.log
    with pytest.raises(ValueError, match="compacted"):
        log.entries(1, 5, 1 << 20)
    with pytest.raises(ValueError, match="compacted"):
        log.truncate_suffix(1)
    active = log.segments[-1].first_index
    assert [each.index for each in log.entries(active, active + 1, 1)] == [active]


def test_delete_and_compact_together(world: LogWorld) -> None:
    compacted(world)
    world.configure(
        cleanup_policy=frozenset({"compact", "delete"}),
        segment_bytes=600,
        min_cleanable_dirty_ratio=0.0,
        retention_ms=DAY_MS,
    )
    for at in range(20):
        world.append(f"{at}", key=f"k{at}", timestamps_ms=[world.now_ms])
    world.log.compact(world.now_ms)
    world.log.roll()
    world.append("young", key="y", timestamps_ms=[world.now_ms + 2 * DAY_MS])
    world.log.delete_old_segments(world.now_ms + 2 * DAY_MS)
    assert [record.value for record in world.records()] == [b"young"]
