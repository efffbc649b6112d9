"""One seed tells one story, wherever it is told; another seed tells another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sim.scenario import Scenario, run_seed
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

ROOT = Path(__file__).parents[2]


def digest_elsewhere(seed: int, hash_seed: str, scenario: type[Scenario] = SingleNode) -> str:
    """The digest of a run in a process of its own."""
    found = subprocess.run(
        [
            *(sys.executable, "-m", "tests.sim", "--scenario", scenario.name),
            *("--seed", str(seed), "--digest"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_a_seed_has_one_digest_in_every_process() -> None:
    run_seed(SingleNode, 4)  # what ran before must not matter either
    for seed in (1, 9):
        here = run_seed(SingleNode, seed)
        assert here.failure is None
        assert digest_elsewhere(seed, "1") == here.digest
        assert digest_elsewhere(seed, "4242") == here.digest


@pytest.mark.timeout(300)
def test_nodes_that_talk_to_each_other_tell_the_same_story_in_every_process() -> None:
    here = run_seed(ThreeNodes, 5_000_003)
    assert here.failure is None
    for hash_seed in ("1", "4242"):
        assert digest_elsewhere(5_000_003, hash_seed, ThreeNodes) == here.digest


def test_another_seed_has_another_digest() -> None:
    assert run_seed(SingleNode, 1).digest != run_seed(SingleNode, 2).digest
