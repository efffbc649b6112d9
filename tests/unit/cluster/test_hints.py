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
