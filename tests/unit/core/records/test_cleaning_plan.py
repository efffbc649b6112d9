"""Which part of a log may be compacted, and when it is due."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sprawl.core.records.compaction import CleaningPlan, SegmentFacts, plan_cleaning

NOW_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = 2**63 - 1


def segment(base: int, *, size: int = 100, first: int = 10, last: int = 20) -> SegmentFacts:
    return SegmentFacts(
        base_offset=base,
        end_offset=base + 10,
        size_bytes=size,
        first_timestamp_ms=first,
        max_timestamp_ms=last,
    )


def plan(
    sealed: list[SegmentFacts],
    topic: Topic = Topic(),
    *,
    cleaned_to: int = 0,
    log_start: int = 0,
    unstable: int = 10**9,
) -> CleaningPlan:
    return plan_cleaning(
        sealed,
        cleaned_to_offset=cleaned_to,
        log_start_offset=log_start,
        active_base_offset=sealed[-1].end_offset if sealed else 0,
        first_unstable_offset=unstable,
        config=topic,
        now_ms=NOW_MS,
    )


FOUR = [segment(0), segment(10), segment(20), segment(30)]


def test_without_sealed_segments_nothing_is_due():
    result = plan([])
    assert (result.dirty_bytes, result.clean_bytes, result.is_due) == (0, 0, False)
    assert result.dirty_ratio == 0


def test_everything_sealed_is_dirty_at_first():
    result = plan(FOUR)
    assert (result.first_dirty_offset, result.end_offset) == (0, 40)
    assert (result.dirty_bytes, result.clean_bytes) == (400, 0)
    assert result.is_due


@pytest.mark.parametrize(
    ("cleaned_to", "dirty", "is_due"), [(10, 300, True), (20, 200, False), (40, 0, False)]
)
def test_the_dirty_share_must_exceed_the_ratio(cleaned_to, dirty, is_due):
    result = plan(FOUR, cleaned_to=cleaned_to)
    assert (result.dirty_bytes, result.clean_bytes) == (dirty, 400 - dirty)
    assert result.is_due == is_due


def test_a_pass_that_ended_inside_a_segment_goes_on_there():
    result = plan(FOUR, cleaned_to=15)
    assert (result.first_dirty_offset, result.dirty_bytes) == (15, 300)


def test_ratio_0_is_due_with_any_dirty_byte_only():
    always = Topic(min_cleanable_dirty_ratio=0.0)
    assert plan(FOUR, always, cleaned_to=30).is_due
    assert not plan(FOUR, always, cleaned_to=40).is_due


@pytest.mark.parametrize(
    ("unstable", "end"), [(40, 40), (39, 30), (30, 30), (25, 20), (5, 0), (0, 0)]
)
def test_the_segment_of_the_first_unstable_offset_is_not_touched(unstable, end):
    result = plan(FOUR, unstable=unstable)
    assert result.end_offset == end
    assert result.dirty_bytes == end * 10
    assert result.is_due == (end > 0)


def test_young_segments_wait_for_the_lag():
    topic = Topic(min_compaction_lag_ms=1_000)
    young = segment(20, last=NOW_MS - 999)
    assert plan([FOUR[0], FOUR[1], young, FOUR[3]], topic).end_offset == 20
    old = segment(20, last=NOW_MS - 1_000)
    assert plan([FOUR[0], FOUR[1], old, FOUR[3]], topic).end_offset == 40


def test_without_a_lag_timestamps_do_not_matter():
    assert plan([segment(0, last=NOW_MS + 1), FOUR[1]]).end_offset == 20


def test_old_segments_that_may_not_be_touched_are_not_due():
    assert not plan(FOUR, Topic(max_compaction_lag_ms=1), unstable=5).is_due


def test_old_segments_are_due_whatever_the_ratio():
    lazy = {"min_cleanable_dirty_ratio": 1.0}
    old = [segment(0), segment(10, first=NOW_MS - 5_001), segment(20, first=NOW_MS)]
    assert plan(old, Topic(max_compaction_lag_ms=5_000, **lazy), cleaned_to=10).is_due
    assert not plan(old, Topic(max_compaction_lag_ms=5_001, **lazy), cleaned_to=10).is_due
    assert not plan(old, Topic(max_compaction_lag_ms=5_000, **lazy), cleaned_to=20).is_due


def test_segments_without_timestamps_are_not_old():
    topic = Topic(min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=1)
    assert not plan([segment(0, first=-1, last=-1)], topic).is_due


@pytest.mark.parametrize(("cleaned_to", "log_start"), [(5, 10), (60, 10)])
def test_an_impossible_position_starts_over(cleaned_to, log_start):
    result = plan(FOUR[1:], cleaned_to=cleaned_to, log_start=log_start)
    assert result.first_dirty_offset == 10
