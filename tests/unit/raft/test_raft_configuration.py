"""Configurations: what is a valid one, the steps between them, their bytes; and majorities."""

from __future__ import annotations

import struct
from contextlib import suppress
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import ConfigurationRefused
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.quorum import (
    VoteResult,
    committed_index,
    is_quorum,
    majority_index,
    majority_vote,
    vote_result,
)

numbers = st.integers(0, 5)


def ids(*replicas: int) -> tuple[ReplicaId, ...]:
    return tuple(map(ReplicaId, replicas))


@st.composite
def targets(draw: st.DrawFn) -> tuple[set[int], set[int]]:
    voters = draw(st.sets(numbers, min_size=1, max_size=5))
    learners = draw(st.sets(numbers, max_size=4)) - voters
    return voters, learners


@given(targets(), targets())
def test_two_steps_lead_from_any_configuration_to_any_other(
    before: tuple[set[int], set[int]], after: tuple[set[int], set[int]]
) -> None:
    start, end = Configuration.of(*before), Configuration.of(*after)
    if start == end:
        with pytest.raises(ConfigurationRefused):
            start.plan(*after)
        return
    step = start.plan(*after)
    step.validate()
    assert step.follows(start)
    assert step.is_joint == (start.voters != end.voters)
    if step.is_joint:
        assert step.outgoing == start.voters
        last = step.leave()
        assert last.follows(step)
    else:
        last = step
    assert last == end
    assert set(step.members) >= set(end.members) | set(start.voters)


@given(targets(), targets())
def test_a_majority_of_one_step_meets_a_majority_of_the_next(
    before: tuple[set[int], set[int]], after: tuple[set[int], set[int]]
) -> None:
    start = Configuration.of(*before)
    if start == Configuration.of(*after):
        return
    step = start.plan(*after)
    chain = [start, step, *([step.leave()] if step.is_joint else [])]
    everybody = sorted({*before[0], *after[0]})
    for old, new in pairwise(chain):
        for flags in product((False, True), repeat=len(everybody)):
            granted = {each for each, flag in zip(everybody, flags, strict=True) if flag}
            others = set(everybody) - granted
            assert not (
                is_quorum(old.voters, old.outgoing, granted.__contains__)
                and is_quorum(new.voters, new.outgoing, others.__contains__)
            )


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        (Configuration(()), "without voters"),
        (Configuration(ids(2, 1)), "ascend"),
        (Configuration(ids(1, 1)), "ascend"),
        (Configuration(ids(1, 2), learners=ids(2)), "voter as well"),
        (Configuration(ids(1, 2), outgoing=ids(3), learners=ids(3)), "voter as well"),
        (Configuration(ids(1, 2), learners_next=ids(3)), "not an outgoing"),
        (Configuration(ids(1, 2), outgoing=ids(2, 3), learners_next=ids(2)), "another part"),
        (Configuration(ids(-1, 2)), "below 0"),
        (Configuration(ids(*range(65))), "too many"),
    ],
)
def test_refused_configurations(configuration: Configuration, reason: str) -> None:
    with pytest.raises(ConfigurationRefused, match=reason):
        configuration.validate()


def test_steps_that_are_refused() -> None:
    joint = Configuration.of([1, 2, 3]).plan([1, 2, 4])
    with pytest.raises(ConfigurationRefused, match="under way"):
        joint.plan([1, 2, 3])
    with pytest.raises(ConfigurationRefused, match="no change"):
        Configuration.of([1]).leave()


def test_a_voter_that_becomes_a_learner_votes_until_the_change_is_over() -> None:
    joint = Configuration.of([1, 2, 3]).plan([1, 2], [3])
    assert joint == Configuration(ids(1, 2), ids(1, 2, 3), (), ids(3))
    assert joint.is_voter(ReplicaId(3))
    assert joint.leave() == Configuration.of([1, 2], [3])


@given(targets(), targets())
def test_bytes(before: tuple[set[int], set[int]], after: tuple[set[int], set[int]]) -> None:
    start = Configuration.of(*before)
    for each in (start, start if start == Configuration.of(*after) else start.plan(*after)):
        assert Configuration.parse(each.encode()) == each


@given(st.binary(max_size=60))
def test_noise_is_no_configuration(noise: bytes) -> None:
    for data in (noise, b"\x01" + noise):
        with suppress(ValueError):
            Configuration.parse(data).validate()


@given(
    st.integers(0, 2**31 - 1),
    st.none() | st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.lists(st.integers(0, 2**62), max_size=3),
)
def test_hard_state_bytes(term: int, voted_for: int | None, index: int, pending: list[int]) -> None:
    state = HardState(
        Term(term),
        None if voted_for is None else ReplicaId(voted_for),
        Configuration.of([1, 2, 3], [4]),
        LogIndex(index),
        Term(term - 1),
        tuple(map(LogIndex, pending)),
    )
    assert HardState.parse(state.encode()) == state
    lost = state._replace(lost=(Term(3), LogIndex(2**40)))
    assert HardState.parse(lost.encode()) == lost
    for data in (b"", state.encode()[:-1], b"\x09" + state.encode()[1:]):
        with pytest.raises(ValueError, match=r"hard state|configuration"):
            HardState.parse(data)


# --- majorities ----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 20), min_size=1, max_size=7), st.lists(st.integers(0, 20)))
def test_the_committed_index_is_the_highest_that_majorities_have(
    first: list[int], second: list[int]
) -> None:
    voters = ids(*range(len(first)))
    outgoing = ids(*range(100, 100 + len(second)))
    have = dict(zip((*voters, *outgoing), (*first, *second), strict=True))
    index = committed_index(voters, outgoing, have.__getitem__)

    def is_held(at: int) -> bool:
        return all(
            sum(have[each] >= at for each in half) * 2 > len(half)
            for half in (voters, outgoing)
            if half
        )

    assert is_held(index)
    assert not is_held(index + 1)


@pytest.mark.parametrize(
    ("indexes", "expected"), [([5], 5), ([5, 3], 3), ([5, 3, 9], 5), ([1, 2, 3, 4], 2)]
)
def test_majority_index(indexes: list[int], expected: int) -> None:
    voters = ids(*range(len(indexes)))
    assert majority_index(voters, indexes.__getitem__) == expected


def test_a_vote_is_decided_as_early_as_possible() -> None:
    voters = ids(1, 2, 3)
    votes: dict[ReplicaId, bool] = {}
    assert majority_vote(voters, votes) is VoteResult.PENDING
    votes[ReplicaId(1)] = True
    votes[ReplicaId(9)] = True
    assert majority_vote(voters, votes) is VoteResult.PENDING
    votes[ReplicaId(2)] = False
    assert majority_vote(voters, votes) is VoteResult.PENDING
    assert majority_vote(voters, {**votes, ReplicaId(3): True}) is VoteResult.WON
    assert majority_vote(voters, {**votes, ReplicaId(3): False}) is VoteResult.LOST


@pytest.mark.parametrize("first", list(VoteResult))
@pytest.mark.parametrize("second", list(VoteResult))
def test_a_joint_vote_is_won_twice_and_lost_once(first: VoteResult, second: VoteResult) -> None:
    flags = {VoteResult.WON: True, VoteResult.LOST: False}
    votes = {
        ReplicaId(number): flags[result]
        for number, result in ((1, first), (2, second))
        if result in flags
    }
    result = vote_result(ids(1), ids(2), votes)
    if VoteResult.LOST in (first, second):
        assert result is VoteResult.LOST
    elif first is second is VoteResult.WON:
        assert result is VoteResult.WON
    else:
        assert result is VoteResult.PENDING


def test_a_hard_state_of_version_1_is_read() -> None:
    configuration = Configuration.of([1, 2, 3])
    head = struct.pack(">BiqqH", 1, 7, 2, 40, 1)
    state = HardState.parse(head + struct.pack(">q", 44) + configuration.encode())
    assert state == HardState(
        Term(7),
        ReplicaId(2),
        configuration,
        LogIndex(40),
        pending_configuration_indexes=(LogIndex(44),),
    )
