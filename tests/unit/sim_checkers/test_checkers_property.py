"""Correct histories by chance give no alarm; with one lie in them they do."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.sim.checkers.kafka import check
from tests.unit.sim_checkers.model_history import EXPECT, ModelWorld
from tests.unit.sim_checkers.mutations import MUTATIONS

SEEDS = st.integers(0, 2**32 - 1)
GROUP_READS = replace(EXPECT, commits_follow_reads=True)


@settings(deadline=None, max_examples=150)
@given(seed=SEEDS, steps=st.integers(0, 300))
def test_no_false_alarm(seed: int, steps: int) -> None:
    world = ModelWorld(seed, steps=steps)
    report = check(world.events, GROUP_READS)
    assert report.is_good, report.text()
    assert report.unknown == ()


@pytest.mark.parametrize("name", sorted(MUTATIONS))
@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_each_lie_is_caught(name: str, seed: int) -> None:
    mutate, expected = MUTATIONS[name]
    lied = mutate(ModelWorld(seed, steps=200).events, Random(seed))
    assume(lied is not None)
    assert lied is not None
    report = check(lied, GROUP_READS)
    assert report.names & expected, report.text()


def test_there_are_many_lies() -> None:
    assert len(MUTATIONS) >= 15
