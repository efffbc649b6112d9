"""Who votes in the controller's group."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from sprawl.core.cluster.voters import Candidate, controller_target
from sprawl.core.ids import ReplicaId


def voters(
    now: Collection[int],
    *,
    registered: Collection[int],
    dead: Collection[int] = (),
    leaving: Collection[int] = (),
    own: int = 1,
) -> list[int]:
    target = controller_target(
        own=ReplicaId(own),
        voters=tuple(map(ReplicaId, now)),
        nodes=[
            Candidate(ReplicaId(each), is_alive=each not in dead, is_staying=each not in leaving)
            for each in registered
        ],
    )
    assert not set(target.voters) & set(target.learners)
    assert set(target.learners) == set(registered) - set(target.voters)
    return list(map(int, target.voters))


@pytest.mark.parametrize(
    ("registered", "wanted"),
    [
        ([1], [1]),
        ([1, 2], [1]),
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2, 3, 4], [1, 2, 3]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5]),
    ],
)
def test_the_largest_odd_number_up_to_five_votes(registered: list[int], wanted: list[int]) -> None:
    assert voters([1], registered=registered) == wanted


def test_a_dead_node_that_never_voted_does_not_hold_up_the_others() -> None:
    assert voters([1], registered=[1, 2, 3, 4, 5], dead=[3]) == [1, 2, 4]
    assert voters([1], registered=[1, 2, 3, 4], dead=[3]) == [1, 2, 4]
    assert voters([1, 2, 4], registered=[1, 2, 3, 4, 5], dead=[3]) == [1, 2, 4]


def test_a_dead_node_that_never_voted_replaces_nobody() -> None:
    assert voters([1, 2, 3], registered=[1, 2, 3, 4], dead=[4]) == [1, 2, 3]
    assert voters([1], registered=[1, 2, 3], dead=[3]) == [1]


def test_a_voter_out_of_reach_is_not_replaced() -> None:
    assert voters([1, 2, 3], registered=[1, 2, 3, 4], dead=[2]) == [1, 3, 2]
    assert voters([1, 2, 3], registered=[1, 2, 3], dead=[2, 3]) == [1, 2, 3]
    five = [1, 2, 3, 4, 5]
    assert sorted(voters(five, registered=[*five, 6], dead=[2, 4])) == five


def test_voters_out_of_reach_count_among_those_there_should_be() -> None:
    assert voters([1, 2, 3], registered=[1, 2, 3, 4, 5], dead=[2]) == [1, 3, 2, 4, 5]


def test_fewer_voters_are_those_that_are_reached() -> None:
    assert voters([1, 2, 3, 4, 5], registered=[1, 2, 3, 4, 5], dead=[2], leaving=[5]) == [1, 3, 4]


def test_the_leader_is_first_whatever_its_number() -> None:
    assert voters([1, 2, 3], registered=[1, 2, 3], own=3) == [3, 1, 2]
    assert voters([1, 2, 3, 4, 5], registered=range(1, 6), leaving=[5], own=4) == [4, 1, 2]


def test_a_leader_that_leaves_hands_over_to_one_that_is_reached() -> None:
    assert voters([1, 2, 3], registered=[1, 2, 3, 4], dead=[2], leaving=[1]) == [3, 2, 4]


def test_with_nobody_to_take_over_the_voters_stay() -> None:
    assert voters([1], registered=[1, 2], dead=[2], leaving=[1]) == [1]
    assert voters([1], registered=[1], leaving=[1]) == [1]
