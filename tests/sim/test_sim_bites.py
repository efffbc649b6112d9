"""The scenarios notice what they are there to notice: each known mistake, put into the product on
purpose, is found within a few seeds.

A mistake counts as found when a check says what is wrong; any other exception, and an assertion
without words, is a fault of the test.
"""

from __future__ import annotations

import contextlib

import pytest
from sim import scenario
from sim.mutants import MUTANTS, Mutant
from sim.scenario import run_seed

SEEDS_MAX = 150
"""docs/guarantees.md names it."""


@pytest.fixture(autouse=True)
def by_what_clients_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """test_sim_observing.py has what the replicas themselves show."""
    monkeypatch.setattr(scenario, "observing", contextlib.nullcontext)


def finding(mutant: Mutant, seed: int) -> str:
    """What a seed finds wrong with these nodes; empty when it is nothing."""
    failure = run_seed(mutant.scenario, seed).failure
    return str(failure) if isinstance(failure, AssertionError) else ""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_a_mistake_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.put_in(monkeypatch)
    for seed in (mutant.seed, *range(SEEDS_MAX)):
        if found := finding(mutant, seed):
            print(f"seed {seed}: {found}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds do not find it")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_a_mistake_is_found_by_the_first_seeds(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.put_in(monkeypatch)
    for seed in range(SEEDS_MAX):
        if found := finding(mutant, seed):
            print(f"{mutant.name}: found by seed {seed}: {found}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds do not find it")
