"""The command runs, tells the same of the same seed, and what it tells is what the docs say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overlay import dht_runs
from overlay.dht import main


def test_the_command_prints_and_writes_all_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    words = [
        "--nodes",
        "60",
        "--few",
        "60",
        "--lookups",
        "10",
        "--dead",
        "0",
        "0.3",
        "--liars",
        "0.2",
        "--lifetime",
        "60",
    ]
    words += ["--only", "build", "--only", "dead", "--only", "sizes", "--only", "liars"]
    assert main([*words, "--json", str(file)]) == 0
    tables = json.loads(file.read_text())["tables"]
    assert list(tables) == ["build", "dead", "sizes", "liars"]
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("**")] == [
        "**So many nodes, their tables full**",
        "**A share of 60 nodes dies at once**",
        "**Hops, and logarithms of the number of nodes**",
        "**Some nodes lie, all in league**",
    ]
    assert main(["--show", str(file)]) == 0
    assert capsys.readouterr().out == printed


def test_the_same_seed_tells_the_same_story() -> None:
    one, other = (next(dht_runs.churn(40, [20], seed)) for seed in (7, 7))
    assert one == other
    assert one != next(dht_runs.churn(40, [20], 8))


def test_lookups_survive_dead_nodes() -> None:
    (row,) = dht_runs.dead(400, [0.3], 40, seed=3)
    assert row["8 closest found"] == 1
    assert row["record found"] == 1


@pytest.mark.parametrize("kind", dht_runs.LIES)
def test_a_fifth_of_liars_hides_no_current_record(kind: str) -> None:
    row = dht_runs.lied_to(200, kind, 0.2, 30, seed=4, paths=3)
    assert row["current record"] == 1


def test_made_up_nodes_cost_nothing_where_the_registry_is_known() -> None:
    free = dht_runs.lied_to(200, "invent", 0.3, 20, seed=5)
    known = dht_runs.lied_to(200, "invent", 0.3, 20, seed=5, has_registry=True)
    assert known["requests"] < free["requests"]
    assert known["current record"] == 1
