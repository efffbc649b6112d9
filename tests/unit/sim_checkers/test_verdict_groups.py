"""What the scenarios' verdict says of groups: hand-written histories, each good and spoiled."""

from __future__ import annotations

import pytest
from sim.history import History, Kind
from sim.scenarios.verdict import check_generations, check_resumed


class Group:
    """A history of members that read one partition."""

    def __init__(self) -> None:
        self.history = History()

    def commit(self, process: int, offset: int, kind: Kind = "ok") -> None:
        self.begin_commit(process, offset)
        self.end_commit(process, offset, kind)

    def begin_commit(self, process: int, offset: int) -> None:
        self.history.add(process, "invoke", "commit", (("t", 0, offset),))

    def end_commit(self, process: int, offset: int, kind: Kind = "ok") -> None:
        self.history.add(process, kind, "commit", (("t", 0, offset),))

    def resume(self, process: int, generation: int, offset: int | None) -> None:
        self.history.add(process, "invoke", "resume", (generation, (("t", 0, None),)))
        self.history.add(process, "ok", "resume", (generation, (("t", 0, offset),)))


def test_a_member_goes_on_where_its_group_stands() -> None:
    group = Group()
    group.resume(1, 1, None)
    group.commit(1, 10)
    group.commit(1, 7)
    group.resume(2, 2, 7)
    group.commit(2, 20, "info")
    group.resume(3, 3, 7)
    group.resume(4, 4, 20)
    check_resumed(group.history)


@pytest.mark.parametrize("offset", [None, 10, 30])
def test_a_member_that_goes_on_elsewhere_is_noticed(offset: int | None) -> None:
    group = Group()
    group.commit(1, 10)
    group.commit(1, 20)
    group.resume(2, 2, offset)
    group.commit(2, 30)
    with pytest.raises(AssertionError, match="expected one of"):
        check_resumed(group.history)


def test_what_is_being_committed_may_count_already() -> None:
    group = Group()
    group.commit(1, 10)
    group.begin_commit(1, 20)
    group.resume(2, 2, 20)
    group.end_commit(1, 20)
    check_resumed(group.history)


def test_members_of_one_generation_commit_until_the_next_is_complete() -> None:
    group = Group()
    group.resume(1, 1, None)
    group.commit(1, 10)
    group.begin_commit(1, 20)
    group.resume(2, 2, 10)
    group.end_commit(1, 20)
    group.commit(2, 30)
    group.commit(1, 40, "info")
    check_generations(group.history)


def test_a_commit_in_a_generation_that_is_over_is_noticed() -> None:
    group = Group()
    group.resume(1, 1, None)
    group.resume(2, 2, None)
    group.commit(1, 10)
    with pytest.raises(AssertionError, match="generation 1, when 2 was complete"):
        check_generations(group.history)
