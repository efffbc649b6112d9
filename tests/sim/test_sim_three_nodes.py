"""A short run of the cluster scenario; `python -m tests.sim --scenario three_nodes` is a long one.

SPRAWL_SEED=N plays one seed, SPRAWL_SIM_SECONDS=N sets how long the run takes.
"""

from __future__ import annotations

import os

import pytest
from sim.scenario import Report, replay_command, run_seed, run_seeds
from sim.scenarios.three_nodes import ThreeNodes

SECONDS = float(os.environ.get("SPRAWL_SIM_SECONDS", "25"))
SEEDS_TO_REACH_ALL = 60
"""So many seeds reach every rare state; a shorter run asserts nothing about them."""

REGRESSIONS = {
    4: "a batch whose leader was deposed was answered with a code that stands for 'not appended'",
}
"""Seeds that found something; as the code changes they tell other stories, yet they are kept."""


def tell(report: Report) -> str:
    """A failed seed, and how to see it again."""
    return (
        f"{report.failure!r}\n{report.trace}\nseed {report.seed} with {report.knobs}\n"
        f"replay: {replay_command(ThreeNodes, report.seed)}"
    )


@pytest.mark.timeout(300)
def test_three_nodes_survive_chaos() -> None:
    only = os.environ.get("SPRAWL_SEED")
    if only is not None:
        report = run_seed(ThreeNodes, int(only))
        if report.failure is not None:
            print(tell(report))
            raise report.failure
        return
    totals = run_seeds(ThreeNodes, range(10_000), limit_s=SECONDS)
    print("\n".join(totals.lines()))
    for report in totals.failures:
        pytest.fail(tell(report))
    if totals.seeds >= SEEDS_TO_REACH_ALL:
        assert [what for what in ThreeNodes.rare if not totals.reached.get(what)] == []


def test_one_seed_is_one_story() -> None:
    first, again, other = (run_seed(ThreeNodes, seed) for seed in (3, 3, 5))
    assert first.digest == again.digest
    assert first.digest != other.digest


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_three_nodes_regression(seed: int) -> None:
    report = run_seed(ThreeNodes, seed)
    assert report.failure is None, f"{REGRESSIONS[seed]}: {tell(report)}"
