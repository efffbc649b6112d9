"""Hints about leaders: merging needs no order, and bytes from the network no trust."""

from __future__ import annotations

import itertools
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.cluster.hints import LeaderHint, LeaderHints, encode_hints, parse_hints
from sprawl.core.errors import PeerFault
from sprawl.core.ids import LogKey, ReplicaId, Term, TopicId

KEY = LogKey(TopicId(UUID(int=1)), 0)


def hint(term: int, sequence: int, leader: int | None = None) -> LeaderHint:
    """Of a term's one leader: replica `term`, unless another is named."""
    replica = ReplicaId(leader or term)
    return LeaderHint(Term(term), sequence, replica, (replica,))


def test_merging_in_any_order_comes_to_the_same() -> None:
    heard = [hint(1, 1), hint(1, 2), hint(2, 1), hint(3, 1), hint(3, 5)]
    for order in itertools.permutations(heard):
        hints = LeaderHints()
        for each in (*order, *order):
            hints.merge(KEY, each)
        assert hints.get(KEY) == hint(3, 5)


def test_a_second_leader_of_a_term_is_reported_and_not_believed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hints = LeaderHints()
    assert hints.merge(KEY, hint(4, 1, leader=1))
    assert not hints.merge(KEY, hint(4, 9, leader=2))
    assert hints.get(KEY) == hint(4, 1, leader=1)
    assert "both claim to lead in term 4" in caplog.text


def test_forgotten_partitions_have_no_leader() -> None:
    hints = LeaderHints()
    hints.merge(KEY, hint(1, 1))
    hints.forget([KEY])
    assert hints.get(KEY) is None


def key(number: int) -> LogKey:
    return LogKey(TopicId(UUID(int=number)), 0)


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    hints = LeaderHints(10)
    hints.merge(key(0), hint(1, 1))
    for number in range(1, 1_000):
        hints.merge(key(number), hint(1, 1))
        assert hints.get(key(0)) is not None
    assert hints.get(key(1)) is None


def test_what_is_led_here_stays_until_another_leads() -> None:
    hints = LeaderHints(4)
    assert hints.lead(key(0), hint(3, 1))
    hints.lead(key(1), hint(3, 1))
    hints.lead(key(2), hint(3, 1))
    for number in range(10, 100):
        hints.merge(key(number), hint(1, 1))
    assert hints.get(key(0)) == hint(3, 1)
    assert hints.merge(key(0), hint(3, 2)), "what it said last comes back from others"
    assert not hints.lead(key(0), hint(3, 2))
    assert hints.merge(key(1), hint(4, 1))
    hints.resign(key(2))
    for number in range(10, 100):
        hints.merge(key(number), hint(2, 1))
    assert hints.get(key(0)) == hint(3, 2)
    assert hints.get(key(1)) is None
    assert hints.get(key(2)) is None


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), max_size=80))
def test_hints_are_bounded_and_never_go_back(steps: list[tuple[int, int]]) -> None:
    hints = LeaderHints(6)
    for number, term in steps:
        before = hints.get(key(number))
        hints.merge(key(number), hint(term, 1))
        after = hints.get(key(number))
        assert after is not None
        assert after.term == max(term, before.term if before else 0)
        assert len(hints) <= 6


replicas = st.integers(0, 2**62).map(ReplicaId)
keys = st.builds(LogKey, st.uuids().map(TopicId), st.integers(0, 2**31 - 1))
some_hints = st.builds(
    LeaderHint,
    st.integers(0, 2**31 - 1).map(Term),
    st.integers(0, 2**62),
    replicas,
    st.lists(replicas, max_size=5).map(tuple),
)


@given(st.lists(st.tuples(keys, some_hints), max_size=20))
def test_what_goes_in_comes_out(sent: list[tuple[LogKey, LeaderHint]]) -> None:
    assert parse_hints(memoryview(encode_hints(sent))) == sent


@given(st.binary(max_size=200))
def test_any_bytes_are_hints_or_a_peers_fault(data: bytes) -> None:
    with suppress(PeerFault):
        parse_hints(memoryview(data))
