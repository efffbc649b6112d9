"""Short runs of the cluster scenarios; `python -m tests.sim --scenario three_nodes` is a long one.

SPRAWL_SIM_SECONDS=N sets how long they take.
"""

from __future__ import annotations

import os

import pytest
from sim.scenario import Report, Scenario, replay_command, run_seed, run_seeds
from sim.scenarios.many_nodes import ManyNodes
from sim.scenarios.moves import Moves
from sim.scenarios.three_nodes import ThreeNodes

SECONDS = float(os.environ.get("SPRAWL_SIM_SECONDS", "25"))
SEEDS_TO_REACH_ALL = 500
"""So many seeds reach every rare state; a shorter run asserts nothing about them."""

REGRESSIONS = [
    (
        ThreeNodes,
        4,
        "a deposed leader's batch was answered with a code that stands for 'not appended'",
    ),
    (ThreeNodes, 20, "a batch found no room on the disk, and a smaller one behind it did"),
    (
        ThreeNodes,
        60_004_323,
        "a wall clock jumped, and what had been refused was forgotten: a later batch overtook it",
    ),
    (Moves, 2, "a move was cancelled, and replicas that the group counted on were deleted"),
    (Moves, 6, "a leader needed a copy to be made before it served, and served copies only then"),
    (Moves, 57, "a heartbeat to a replica's former self ended it"),
]
"""Seeds that found something; as the code changes they tell other stories, yet they are kept."""


def tell(scenario: type[Scenario], report: Report) -> str:
    """A failed seed, and how to see it again."""
    return (
        f"{report.failure!r}\n{report.trace}\nseed {report.seed} with {report.knobs}\n"
        f"replay: {replay_command(scenario, report.seed)}"
    )


def survive(scenario: type[Scenario], seconds: float) -> None:
    """Play seeds for a while."""
    totals = run_seeds(scenario, range(10_000), limit_s=seconds)
    print("\n".join(totals.lines()))
    for report in totals.failures:
        pytest.fail(tell(scenario, report))
    if totals.seeds >= SEEDS_TO_REACH_ALL:
        assert totals.never_reached(scenario.rare) == []


@pytest.mark.timeout(300)
def test_routes_are_found_among_many_nodes_under_chaos() -> None:
    survive(ManyNodes, SECONDS / 2)


@pytest.mark.timeout(300)
def test_three_nodes_survive_chaos() -> None:
    survive(ThreeNodes, SECONDS)


@pytest.mark.timeout(300)
def test_moves_survive_chaos() -> None:
    survive(Moves, SECONDS)


def test_one_seed_is_one_story() -> None:
    first, again, other = (run_seed(ThreeNodes, seed) for seed in (3, 3, 5))
    assert first.digest == again.digest
    assert first.digest != other.digest


@pytest.mark.parametrize(
    ("scenario", "seed", "found"), REGRESSIONS, ids=lambda each: getattr(each, "name", each)
)
def test_regression(scenario: type[Scenario], seed: int, found: str) -> None:
    report = run_seed(scenario, seed)
    assert report.failure is None, f"{found}: {tell(scenario, report)}"
