"""What stands in a segment file."""

from __future__ import annotations

import pytest

from sprawl.core.log.frames import (
    Entry,
    EntryType,
    Frame,
    FrameFault,
    encode_entry,
    parse_frame,
    producer_id_of,
    walk,
)
from sprawl.core.records.batch import stamp
from sprawl.core.records.record import encode_batch
from sprawl.core.storage.memory import MemoryDirectory, MemoryStore
from sprawl.core.storage.port import SegmentFile


def _batch(count: int, base_offset: int, term: int, value: bytes = b"v") -> bytearray:
    buf = encode_batch([(1_000 + at, b"k", value, []) for at in range(count)])
    stamp(buf, 0, base_offset=base_offset, leader_epoch=term)
    return buf


def _file(*frames: bytes | bytearray) -> SegmentFile:
    file = MemoryDirectory(MemoryStore(), "t-0").create("a")
    file.append(frames)
    return file


def _facts(frame: Frame) -> tuple[int, int, int, EntryType]:
    return (frame.base_offset, frame.end_offset, frame.term, frame.type)


def test_batches_and_entries_are_met_in_order() -> None:
    file = _file(
        encode_entry(EntryType.NOOP, b"", next_offset=5, term=3),
        _batch(2, 5, 3),
        encode_entry(EntryType.CONTROLLER_COMMAND, b"payload", next_offset=7, term=4),
        _batch(1, 7, 4),
    )
    frames = list(walk(file, 0, file.size_bytes, verify=True))
    assert [_facts(frame) for frame in frames] == [
        (5, 5, 3, EntryType.NOOP),
        (5, 7, 3, EntryType.DATA),
        (7, 7, 4, EntryType.CONTROLLER_COMMAND),
        (7, 8, 4, EntryType.DATA),
    ]
    assert [frame.max_timestamp for frame in frames] == [-1, 1_001, -1, 1_000]
    assert frames[1].position == frames[0].size_bytes


def test_frames_larger_than_a_piece_are_met_whole() -> None:
    large = _batch(1, 1, 0, b"x" * 5_000)
    file = _file(_batch(1, 0, 0), large, _batch(1, 2, 0))
    frames = list(walk(file, 0, file.size_bytes, verify=True, chunk_bytes=64))
    assert [frame.base_offset for frame in frames] == [0, 1, 2]
    assert bytes(frames[1].buf) == bytes(large)


def test_an_entry_gives_back_its_payload() -> None:
    frame = memoryview(encode_entry(EntryType.CONFIG, b"voters", next_offset=0, term=1))
    assert bytes(Entry(1, 1, EntryType.CONFIG, frame).payload) == b"voters"
    batch = memoryview(_batch(1, 0, 1))
    assert Entry(2, 1, EntryType.DATA, batch).payload is batch


def test_the_producer_of_a_batch_is_seen_without_its_records() -> None:
    assert producer_id_of(_batch(1, 0, 0)) == -1
    assert producer_id_of(encode_batch([(0, None, b"", [])], producer_id=77)) == 77


@pytest.mark.parametrize("position", range(8, 24))
def test_no_changed_byte_of_an_entry_goes_unseen(position: int) -> None:
    frame = encode_entry(EntryType.NOOP, b"xyz", next_offset=9, term=2)
    frame[position] ^= 0x01
    file = _file(frame)
    with pytest.raises(FrameFault):
        list(walk(file, 0, file.size_bytes, verify=True))


def test_a_changed_record_is_seen_when_checksums_are_asked_for() -> None:
    batch = _batch(1, 0, 0)
    batch[-1] ^= 0xFF
    file = _file(batch)
    assert len(list(walk(file, 0, file.size_bytes))) == 1
    with pytest.raises(FrameFault, match="checksum") as fault:
        list(walk(file, 0, file.size_bytes, verify=True))
    assert (fault.value.position, fault.value.size_bytes) == (0, len(batch))


@pytest.mark.parametrize("kept", [1, 16, 17, 60, 61, -1])
def test_a_cut_off_frame_faults_after_the_whole_ones(kept: int) -> None:
    first, second = _batch(1, 0, 0), _batch(3, 1, 0)
    file = _file(first, second[:kept])
    walking = walk(file, 0, file.size_bytes, verify=True)
    assert next(walking).base_offset == 0
    with pytest.raises(FrameFault) as fault:
        next(walking)
    assert fault.value.position == len(first)


def test_zeros_are_no_frame() -> None:
    file = _file(bytes(100))
    with pytest.raises(FrameFault, match="no frame"):
        list(walk(file, 0, 100))


def test_an_unknown_type_of_entry_is_a_fault() -> None:
    frame = encode_entry(EntryType.NOOP, b"", next_offset=0, term=0)
    frame[21] = 99
    with pytest.raises(FrameFault, match="unknown type 99"):
        parse_frame(memoryview(frame), 0, verify=False)
