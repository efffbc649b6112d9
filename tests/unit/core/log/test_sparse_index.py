"""The sparse index of a segment and the cache of indexes."""

from __future__ import annotations

import pytest

from sprawl.core.log.index import ENTRY_BYTES, IndexCache, SparseIndex


@pytest.fixture
def index() -> SparseIndex:
    made = SparseIndex()
    made.append(10, 4, 4_096, 100)
    made.append(20, 9, 8_192, 100)
    made.append(35, 15, 13_000, 250)
    return made


@pytest.mark.parametrize(("offset", "at"), [(0, -1), (9, -1), (10, 0), (19, 0), (20, 1), (99, 2)])
def test_the_entry_at_or_below_an_offset(index: SparseIndex, offset: int, at: int) -> None:
    assert index.before_offset(offset) == at


def test_entries_are_found_by_position_and_ordinal(index: SparseIndex) -> None:
    assert [index.before_position(p) for p in (4_095, 4_096, 8_191, 50_000)] == [-1, 0, 0, 2]
    assert [index.before_ordinal(n) for n in (3, 4, 14, 15)] == [-1, 0, 1, 2]


@pytest.mark.parametrize(("timestamp", "at"), [(50, -1), (100, -1), (101, 1), (250, 1), (251, 2)])
def test_nothing_before_the_entry_reaches_the_time(
    index: SparseIndex, timestamp: int, at: int
) -> None:
    assert index.before_time(timestamp) == at


def test_an_index_survives_as_bytes(index: SparseIndex) -> None:
    again = SparseIndex.parse(index.encode(99_999))
    assert again.encode(99_999) == index.encode(99_999)
    assert list(again.offsets) == [10, 20, 35]
    assert again.size_bytes == 3 * ENTRY_BYTES


def test_entries_beyond_what_is_synced_are_left_out(index: SparseIndex) -> None:
    assert list(SparseIndex.parse(index.encode(8_193)).offsets) == [10, 20]
    assert list(SparseIndex.parse(index.encode(8_192)).offsets) == [10]


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x00\x00\x00", b"\x00\x00\x00\x00x"])
def test_bytes_that_are_no_index_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="index"):
        SparseIndex.parse(data)


def test_a_cut_index_ends_early_in_every_column(index: SparseIndex) -> None:
    index.truncate(1)
    assert len(index) == 1
    assert index.before_offset(99) == index.before_position(99_999) == index.before_time(999) == 0


def _of(entries: int) -> SparseIndex:
    made = SparseIndex()
    for at in range(entries):
        made.append(at, at, at, at)
    return made


def test_the_cache_drops_what_was_not_used_longest() -> None:
    cache = IndexCache(20 * ENTRY_BYTES)
    for key in ("a", "b"):
        cache.put(key, _of(10))
    assert cache.get("a") is not None
    cache.put("c", _of(10))
    assert [cache.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]


def test_an_index_larger_than_the_cache_is_kept_while_it_is_in_use() -> None:
    cache = IndexCache(ENTRY_BYTES)
    cache.put("small", _of(1))
    cache.put("large", _of(100))
    assert cache.get("large") is not None
    assert cache.get("small") is None
    cache.drop("large")
    cache.put("small", _of(1))
    assert cache.get("small") is not None
