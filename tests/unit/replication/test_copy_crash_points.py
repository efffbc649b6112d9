"""Power is cut before every single change of a copy: the old log is there, or the new one, whole.

With the log stand its hard state and its open log starts: they change in the same moment.
"""

from __future__ import annotations

from functools import cache
from random import Random

import pytest
from copy_world import HARD_STATE, NO_FUSE, STARTS, Replica, copy, lagging, leader
from crash_storage import Choose
from fused_storage import PowerCut

from sprawl.core.log.copies import COPY_SUFFIX


def keep_all(low: int, high: int) -> int:
    """What kill -9 does."""
    return high


def lose_all(low: int, high: int) -> int:
    return low


def ways_to_crash(seed: int) -> list[Choose]:
    return [lose_all, keep_all, *(Random(seed * 10 + at).randint for at in range(4))]


@cache
def source(kind: str) -> Replica:
    if kind == "compacted":
        return leader()
    if kind == "shortened":
        return leader(deleted=20, compacted=False)
    made = leader(compacted=False)
    made.log.roll()
    made.log.set_log_start(made.log.log_end_offset)
    made.log.flush()
    assert made.log.first_index == made.log.last_index - 0 or made.log.segments[0].is_empty
    return made


KINDS = ["compacted", "shortened", "empty"]


def tell(follower: Replica, kind: str) -> None:
    copy(source(kind), follower)
    follower.append("k0", "after", term=3)
    follower.log.flush()
    follower.log.roll()
    follower.append("k0", "more", term=3)
    follower.log.flush()


@cache
def span(kind: str) -> tuple[int, int]:
    """The changes that a copy and what follows it are."""
    follower = lagging()
    before = follower.fuse.burnt
    tell(follower, kind)
    return before, follower.fuse.burnt


def check(follower: Replica, kind: str, old: tuple[object, ...]) -> bool:
    """Whether it is the new one."""
    assert not any(each.name.endswith(COPY_SUFFIX) for each in follower.directory.list())
    new = source(kind)
    if follower.kv.get(HARD_STATE) == b"old":
        assert follower.facts() == old
        assert follower.kv.get(STARTS) == b"old"
        return False
    assert follower.kv.get(STARTS) is None
    log, expected = follower.log, new.facts()
    assert log.damage == ()
    assert log.log_start_offset == expected[0]
    assert log.last_index >= new.log.last_index
    assert follower.records()[: len(new.records())] == new.records()
    assert log.term_at(new.log.last_index) == new.log.last_term
    assert [each[:3] for each in log.producers.active()] == expected[-1]
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_like_its_source(kind: str) -> None:
    follower = lagging()
    copy(source(kind), follower)
    assert follower.facts() == source(kind).facts()
    assert follower.log.synced_index == follower.log.last_index
    follower.log.close(clean=True)
    follower.open()
    assert follower.facts() == source(kind).facts()
    assert follower.log.epochs.starts() == source(kind).log.epochs.starts()


@pytest.mark.parametrize("kind", KINDS)
def test_power_goes_before_a_change(kind: str) -> None:
    old = lagging().facts()
    first, last = span(kind)
    seen = set()
    for changes in range(first, last):
        for choose in ways_to_crash(changes):
            follower = lagging(changes)
            with pytest.raises(PowerCut):
                tell(follower, kind)
            follower.fuse.left = NO_FUSE
            follower.directory.crash(choose)
            follower.kv.crash(choose)
            follower.open()
            is_new = check(follower, kind, old)
            seen.add(is_new)
            follower.append("k0", "later", term=4)
            follower.log.flush()
            end_offset = follower.log.log_end_offset
            follower.log.close(clean=False)
            follower.open()
            assert follower.log.log_end_offset == end_offset
            if not is_new:
                # The copy that was given up does not stand in the way of the next one.
                copy(source(kind), follower)
                assert check(follower, kind, old)
    assert seen == {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_power_goes_again_while_the_swap_is_finished(kind: str) -> None:
    old = lagging().facts()
    random = Random(5)
    first, last = span(kind)
    for changes in range(first, last):
        for again in range(12):
            follower = lagging(changes)
            with pytest.raises(PowerCut):
                tell(follower, kind)
            follower.directory.crash(random.randint)
            follower.kv.crash(random.randint)
            follower.fuse.left = again
            try:
                follower.open()
            except PowerCut:
                follower.directory.crash(random.randint)
                follower.kv.crash(random.randint)
                follower.fuse.left = NO_FUSE
                follower.open()
            follower.fuse.left = NO_FUSE
            check(follower, kind, old)
