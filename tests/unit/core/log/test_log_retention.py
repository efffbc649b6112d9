"""Which segments retention leaves no use for."""

from __future__ import annotations

from sprawl.core.log.config import LogConfig
from sprawl.core.log.retention import SegmentAge, count_useless

NOW_MS = 1_000_000
OLD, YOUNG = NOW_MS - 1_001, NOW_MS - 1_000


def _count(
    *ages_ms: int, start: int = 0, up_to: int = 10_000, size: int = 100, **config: object
) -> int:
    return count_useless(
        [
            SegmentAge(10 * at, 10 * (at + 1) if size else 10 * at, size, age)
            for at, age in enumerate(ages_ms)
        ],
        log_start_offset=start,
        up_to_offset=up_to,
        config=LogConfig(**config),  # type: ignore[arg-type]
        now_ms=NOW_MS,
    )


def test_segments_older_than_retention_ms_go() -> None:
    assert _count(OLD, OLD, YOUNG, YOUNG, retention_ms=1_000) == 2


def test_an_old_segment_behind_a_young_one_stays() -> None:
    assert _count(OLD, YOUNG, OLD, YOUNG, retention_ms=1_000) == 1


def test_even_the_last_segment_goes_when_it_is_old() -> None:
    assert _count(OLD, OLD, retention_ms=1_000) == 2
    assert _count(OLD, retention_ms=1_000, size=0) == 0


def test_without_a_bound_nothing_goes() -> None:
    assert _count(0, 0, 0, retention_ms=-1, retention_bytes=-1) == 0


def test_segments_go_while_the_rest_is_large_enough() -> None:
    assert _count(YOUNG, YOUNG, YOUNG, retention_ms=-1, retention_bytes=200) == 1
    assert _count(YOUNG, YOUNG, YOUNG, retention_ms=-1, retention_bytes=201) == 0
    assert _count(YOUNG, YOUNG, YOUNG, retention_ms=-1, retention_bytes=100) == 2


def test_what_lies_below_the_log_start_goes_whatever_the_policy() -> None:
    compacted = frozenset({"compact"})
    assert _count(YOUNG, YOUNG, YOUNG, start=20, cleanup_policy=compacted) == 2
    assert _count(YOUNG, YOUNG, YOUNG, start=19, cleanup_policy=compacted) == 1


def test_compacted_topics_are_not_bounded_by_age_or_size() -> None:
    compacted = frozenset({"compact"})
    assert _count(OLD, OLD, retention_ms=1_000, retention_bytes=1, cleanup_policy=compacted) == 0


def test_what_is_not_committed_stays() -> None:
    assert _count(OLD, OLD, OLD, retention_ms=1_000, up_to=20) == 2
    assert _count(OLD, OLD, OLD, retention_ms=1_000, up_to=19) == 1
