"""Every known mistake is found by the random worlds: the proof that their checkers bite.

A mistake counts as found when an invariant breaks, or the group does not recover once it is left
alone; any other exception is a fault of the test. The last one is found by world 52.
"""

from __future__ import annotations

import pytest
from mutants import MUTANTS
from raft_checkers import Broken
from raft_world import World

from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.node import RaftNode

STEPS = 2_500
SEEDS_MAX = 60
"""docs/guarantees.md names it."""


def finding(mutant: type[RaftNode], seed: int) -> str | None:
    """What is wrong in a world of this replica; None when nothing is seen."""
    try:
        world = World(seed, node_type=mutant).run(STEPS)
        world.heal()
        return None if world.calm(600, world.is_even) else "the group does not recover"
    except (Broken, InvariantBroken) as fault:
        return str(fault)


def test_there_are_at_least_thirty() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_is_found(mutant: type[RaftNode]) -> None:
    for seed in range(SEEDS_MAX):
        if found := finding(mutant, seed):
            print(f"world {seed}: {found}")
            return
    pytest.fail(f"{SEEDS_MAX} worlds do not find it")
