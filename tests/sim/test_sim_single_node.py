"""A short run of the single-node scenario; `python -m tests.sim` makes a long one.

SPRAWL_SIM_SECONDS=N sets how long it takes.
"""

from __future__ import annotations

import os

import pytest
from sim.scenario import Report, replay_command, run_seed, run_seeds
from sim.scenarios.single_node import SingleNode

SECONDS = float(os.environ.get("SPRAWL_SIM_SECONDS", "20"))
SEEDS_TO_REACH_ALL = 60
"""So many seeds reach every rare state; a shorter run asserts nothing about them."""

REGRESSIONS = {
    65: "a connection whose opening had timed out refused every request for ever",
    66: "a full disk at the start ended it with a bare OSError",
    82_000_209: "a store that was full at a sync never heard of the terms that had begun",
}
"""Seeds that found something; as the code changes they tell other stories, yet they are kept."""


def tell(report: Report) -> str:
    """A failed seed, and how to see it again."""
    return (
        f"{report.failure!r}\n{report.trace}\nseed {report.seed} with {report.knobs}\n"
        f"replay: {replay_command(SingleNode, report.seed)}"
    )


@pytest.mark.timeout(300)
def test_single_node_survives_chaos() -> None:
    totals = run_seeds(SingleNode, range(10_000), limit_s=SECONDS)
    print("\n".join(totals.lines()))
    for report in totals.failures:
        pytest.fail(tell(report))
    if totals.seeds >= SEEDS_TO_REACH_ALL:
        assert totals.never_reached(SingleNode.rare) == []


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_single_node_regression(seed: int) -> None:
    report = run_seed(SingleNode, seed)
    assert report.failure is None, f"{REGRESSIONS[seed]}: {tell(report)}"
