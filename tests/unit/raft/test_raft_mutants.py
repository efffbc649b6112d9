"""Every known mistake is found by the random worlds: the proof that their checkers bite.

A mistake counts as found when an invariant breaks, or the group does not recover once it is left
alone. SEEDS_NEEDED holds what was measured; each test allows about three times as many.
"""

from __future__ import annotations

import pytest
from mutants import MUTANTS
from raft_world import World

from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.node import RaftNode

STEPS = 2_500
QUICK_SEEDS = 60
SEEDS_NEEDED = {
    "LongestLogGetsTheVote": 63,
    "OldFlushesCount": 198,
    "ReadsAreNotConfirmed": 188,
    "EarlierAnswersConfirmReads": 163,
}
"""First seed that finds a mistake, plus one, of those that take more than 20."""
RARE = {"FlushesCountByTerm", "CutConfigurationIsForgotten"}
"""Not found within 300 seeds: they need a crash in a window of one message. Scenarios of their own
(append_aba_same_entry, change_is_remembered) hold what they would break."""


def finds(mutant: type[RaftNode], seeds: int) -> bool:
    for seed in range(seeds):
        try:
            world = World(seed, node_type=mutant).run(STEPS)
            world.heal()
            if not world.calm(600, world.is_even):
                return True
        except (AssertionError, InvariantBroken):
            return True
    return False


def test_there_are_at_least_thirty() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize(
    "mutant", [each for each in MUTANTS if each.__name__ not in SEEDS_NEEDED.keys() | RARE]
)
def test_a_mistake_is_found_soon(mutant: type[RaftNode]) -> None:
    assert finds(mutant, QUICK_SEEDS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.__name__ in SEEDS_NEEDED])
def test_a_mistake_that_shows_seldom_is_found(mutant: type[RaftNode]) -> None:
    assert finds(mutant, 3 * SEEDS_NEEDED[mutant.__name__])
