"""Every Raft group is judged while whole nodes run: mistakes of the product are found where they
happen, within a few seeds, and a seed without one goes on as if nobody looked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from sim import observing, scenario
from sim.mutants import (
    answers_before_a_majority_has_it,
    moves_the_high_watermark_past_the_commit_index,
)
from sim.scenario import run_seed
from sim.scenarios.three_nodes import ThreeNodes
from sim.world import World

from sprawl.core.raft.node import RaftNode
from sprawl.core.replication import host
from tests.sim.checkers.raft import InvariantBroken
from tests.unit.raft import mutants

SEEDS_MAX = 2
"""From the first one given: each mistake was found by that one."""

Mistake = Callable[[pytest.MonkeyPatch], None]


def runs(mutant: type[RaftNode]) -> Mistake:
    """Replicas with a mistake of the Raft core."""

    def mistake(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(host, "RaftNode", mutant)

    mistake.__name__ = mutant.__name__
    return mistake


@pytest.mark.parametrize(
    ("mistake", "first_seed", "name"),
    [
        (runs(mutants.ReceivedIsAcknowledged), 0, "answered_before_flush"),
        (runs(mutants.TermIsNotStored), 0, "answered_before_flush"),
        (runs(mutants.OwnVoteCountsAtOnce), 0, "vote_answered_before_flush"),
        (runs(mutants.TwoVotesInATerm), 1, "vote_twice"),
        (runs(mutants.AnyLogGetsTheVote), 6, "leader_lacks_committed"),
        (runs(mutants.NewLeaderCutsItsLog), 0, "leader_changed_own_log"),
        (runs(mutants.LeaderCountsUnsynced), 0, "commit_without_majority"),
        (runs(mutants.OldTermsAreCounted), 0, "commit_of_old_term"),
        (runs(mutants.CommitsUnmatched), 1, "committed_differs"),
        (moves_the_high_watermark_past_the_commit_index, 0, "high_watermark_uncommitted"),
        (runs(mutants.ServesBeforeItsNoOp), 0, "high_watermark_went_back"),
        (answers_before_a_majority_has_it, 0, "answered_before_commit"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_mistake_is_found(
    mistake: Mistake, first_seed: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    for seed in range(first_seed, first_seed + SEEDS_MAX):
        failure = run_seed(ThreeNodes, seed).failure
        if isinstance(failure, InvariantBroken):
            assert str(failure).startswith(f"{name}: ")
            return
    pytest.fail(f"{SEEDS_MAX} seeds did not find it")


def test_a_seed_has_the_same_digest_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = run_seed(ThreeNodes, 1)
    assert watched.failure is None
    monkeypatch.setattr(scenario, "observing", contextlib.nullcontext)
    assert run_seed(ThreeNodes, 1).digest == watched.digest


def test_worlds_within_worlds_are_judged_apart_and_nothing_is_left_behind() -> None:
    places = [(place, name, vars(place)[name]) for place, name, _ in observing.WATCHES]
    with World(0) as outer, observing.observing(outer):
        assert all(vars(place)[name] is not before for place, name, before in places)
        with World(1) as inner, observing.observing(inner):
            inner.run(inner.start_node(1, {}))
        outer.run(outer.start_node(1, {}))
    assert all(vars(place)[name] is before for place, name, before in places)
