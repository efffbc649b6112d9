"""Random worlds: whatever happens, every invariant holds, and a group that is left alone recovers.

SPRAWL_RAFT_SEEDS=2000 runs that many worlds; SPRAWL_RAFT_SEED=17 runs one again.
"""

from __future__ import annotations

import os

from raft_world import World

SEEDS = int(os.environ.get("SPRAWL_RAFT_SEEDS", "60"))
FIRST = int(os.environ.get("SPRAWL_RAFT_SEED", "0"))
STEPS = 2_500


def run(seed: int) -> World:
    world = World(seed).run(STEPS)
    world.heal()
    assert world.calm(600, world.is_even), f"seed {seed}: the group does not recover"
    return world


def test_random_worlds() -> None:
    counts: dict[str, int] = {}
    for seed in range(FIRST, FIRST + (1 if FIRST else SEEDS)):
        for name, number in run(seed).checkers.counts.items():
            counts[name] = counts.get(name, 0) + number
    print(counts)
    if SEEDS >= 60 and not FIRST:
        missing = {
            "election",
            "truncation",
            "truncation of several entries",
            "lost tail",
            "joint",
            "configuration",
            "crash in a joint configuration",
            "snapshot",
            "transfer",
            "read",
            "hibernation",
            "leader gone in hibernation",
        } - set(counts)
        assert not missing, f"never happened: {sorted(missing)}"
