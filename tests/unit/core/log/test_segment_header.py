"""Segment files: name, header, and where record batches lie between entries."""

from __future__ import annotations

from uuid import UUID

import pytest

from sprawl.core.log.frames import EntryType, encode_entry
from sprawl.core.log.segment import (
    SEGMENT_HEADER_BYTES,
    Segment,
    SegmentHeader,
    SegmentKey,
    parse_segment_header,
    parse_segment_name,
    segment_name,
)
from sprawl.core.storage.memory import MemoryDirectory, MemoryStore

HEADER = SegmentHeader(
    UUID(int=2**100), 3, 12_345, 678, 1_700_000_000_000, is_compacted=True, offset_span=9
)


def test_names_are_kafkas() -> None:
    assert segment_name(SegmentKey(42)) == "00000000000000000042.log"
    assert parse_segment_name("00000000000000000042.log") == SegmentKey(42)


def test_a_segment_without_records_before_it_has_its_index_in_the_name() -> None:
    name = segment_name(SegmentKey(42, 7))
    assert name == "00000000000000000042.00000000000000000007.log"
    assert parse_segment_name(name) == SegmentKey(42, 7)


@pytest.mark.parametrize(
    "name", ["42.log", "00000000000000000042.index", "0000000000000000004x.log", ".lock"]
)
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_segment_name(name) is None


def test_a_header_survives_as_64_bytes() -> None:
    data = HEADER.encode()
    assert len(data) == SEGMENT_HEADER_BYTES
    assert parse_segment_header(data) == HEADER


@pytest.mark.parametrize("position", range(SEGMENT_HEADER_BYTES))
def test_no_changed_byte_of_a_header_goes_unseen(position: int) -> None:
    data = bytearray(HEADER.encode())
    data[position] ^= 0x40
    with pytest.raises(ValueError, match="header"):
        parse_segment_header(data)


def test_a_cut_off_header_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        parse_segment_header(HEADER.encode()[:-1])


def _segment() -> Segment:
    directory = MemoryDirectory(MemoryStore(), "t-0")
    header = SegmentHeader(UUID(int=1), 0, 0, 1, 0)
    return Segment.create(directory, SegmentKey(0), header, keep_tail=True)


def _append(segment: Segment, size: int) -> None:
    offset = segment.end.offset
    segment.append(
        (bytes(size),),
        size,
        base_offset=offset,
        end_offset=offset + 1,
        max_timestamp=5,
        index_interval_bytes=1_000,
    )


def test_entries_are_left_out_of_the_runs_of_batches() -> None:
    segment = _segment()
    noop = encode_entry(EntryType.NOOP, b"12345678", next_offset=0, term=0)  # 30 bytes
    _append(segment, 100)  # 64 to 164
    segment.append_entry(noop, index_interval_bytes=1_000)
    segment.append_entry(noop, index_interval_bytes=1_000)  # to 224
    _append(segment, 100)  # to 324
    segment.append_entry(noop, index_interval_bytes=1_000)  # to 354
    assert list(segment.runs(64, 354)) == [(64, 164), (224, 324)]
    assert list(segment.runs(194, 354)) == [(224, 324)]
    assert list(segment.runs(64, 194)) == [(64, 164)]
    assert list(segment.runs(100, 300)) == [(100, 164), (224, 300)]
    assert [segment.past_gap(p) for p in (64, 164, 200, 224, 330)] == [64, 224, 224, 224, 354]
    assert segment.end == (354, 2, 6)


def test_cutting_a_segment_forgets_what_came_later() -> None:
    segment = _segment()
    noop = encode_entry(EntryType.NOOP, b"12345678", next_offset=0, term=0)
    _append(segment, 2_000)
    at = segment.end
    segment.append_entry(noop, index_interval_bytes=1_000)
    _append(segment, 2_000)
    segment.cut(at, max_timestamp=5)
    assert segment.end == at
    assert segment.file.size_bytes == at.size_bytes
    assert list(segment.gaps) == []
    assert segment.index is not None
    assert len(segment.index) == 0
    _append(segment, 10)
    assert list(segment.runs(64, segment.end.size_bytes)) == [(64, at.size_bytes + 10)]
