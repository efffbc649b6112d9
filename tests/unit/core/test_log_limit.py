"""Lines about one peer are limited, and what was left out is counted."""

from __future__ import annotations

from sprawl.core.limits import LOG_LIMIT_KEYS_MAX, LOG_LIMIT_LINES_MAX, LOG_LIMIT_WINDOW_MS
from sprawl.core.log_limit import LogLimit

START_MS = 1_000_000


def exhaust(limit: LogLimit, key: object, now_ms: int = START_MS) -> None:
    for _ in range(LOG_LIMIT_LINES_MAX):
        assert limit.admit(key, now_ms) == 0


def test_lines_beyond_the_allowance_are_suppressed() -> None:
    limit = LogLimit()
    exhaust(limit, "a")
    assert limit.admit("a", START_MS) is None


def test_one_key_does_not_use_up_the_allowance_of_another() -> None:
    limit = LogLimit()
    exhaust(limit, "a")
    assert limit.admit("b", START_MS) == 0


def test_the_first_line_of_the_next_window_tells_how_many_were_left_out() -> None:
    limit = LogLimit()
    exhaust(limit, "a")
    for _ in range(3):
        limit.admit("a", START_MS + 1)
    assert limit.admit("a", START_MS + LOG_LIMIT_WINDOW_MS - 1) is None
    assert limit.admit("a", START_MS + LOG_LIMIT_WINDOW_MS) == 4
    assert limit.admit("a", START_MS + LOG_LIMIT_WINDOW_MS) == 0


def test_keys_beyond_the_bound_share_one_allowance() -> None:
    limit = LogLimit()
    for number in range(LOG_LIMIT_KEYS_MAX):
        limit.admit(number, START_MS)
    for number in range(LOG_LIMIT_LINES_MAX):
        assert limit.admit(f"late {number}", START_MS) == 0
    assert limit.admit("one too many", START_MS) is None
    assert limit.admit(0, START_MS) == 0


def test_old_keys_make_room_for_new_ones() -> None:
    limit = LogLimit()
    for number in range(LOG_LIMIT_KEYS_MAX):
        limit.admit(number, START_MS)
    later_ms = START_MS + LOG_LIMIT_WINDOW_MS
    exhaust(limit, "a", later_ms)
    exhaust(limit, "b", later_ms)
