"""`python -m tests.sim` as people call it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from sim.__main__ import ALL, play, seeds_of
from sim.scenario import Scenario, replay_command, run_seed
from sim.scenarios.index import SCENARIOS
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

ROOT = Path(__file__).parents[2]


def said(command: str) -> str:
    """What a command that ends well prints."""
    python, *words = shlex.split(command)
    assert python == "python"
    found = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout


@pytest.mark.parametrize(("scenario", "seed"), [(SingleNode, 7), (ThreeNodes, 11)])
def test_the_command_of_a_failed_seed_plays_it_again(scenario: type[Scenario], seed: int) -> None:
    [command] = replay_command(scenario, seed).splitlines()
    assert said(command).splitlines()[-1] == f"digest {run_seed(scenario, seed).digest}"


def test_a_run_ends_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "totals.json"
    text = said(f"python -m tests.sim --scenario single_node --hours 0.0002 --json {file}")
    assert "single_node: " in text
    totals = json.loads(file.read_text())["single_node"]
    assert totals["failed"] == 0
    assert all(totals[each] for each in ("seeds", "operations", "events", "cpu_seconds", "reached"))


def test_all_scenarios_are_played_by_their_shares() -> None:
    rounds = list(islice(seeds_of("all", 40), 3 * sum(ALL.values())))
    assert set(ALL) == set(SCENARIOS)
    counts = Counter(scenario.name for scenario, _ in rounds)
    assert counts == {name: 3 * share for name, share in ALL.items()}
    for name, count in counts.items():
        seeds = [seed for scenario, seed in rounds if scenario.name == name]
        assert seeds == list(range(40, 40 + count))


def test_an_interrupted_run_ends_with_its_seed_and_tells_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def seeds() -> Iterator[tuple[type[Scenario], int]]:
        yield SingleNode, 0
        signal.raise_signal(signal.SIGINT)
        yield SingleNode, 1
        raise AssertionError("it went on")

    file = tmp_path / "totals.json"
    try:
        assert play(seeds(), file) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "single_node: 2 seeds, " in capsys.readouterr().out
    assert json.loads(file.read_text())["single_node"]["seeds"] == 2
