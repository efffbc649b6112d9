"""Each scenario shows what it says it shows. SPRAWL_RAFT_REWRITE=1 writes what is seen instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from raft_scenario import play

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    seen = play(path)
    if os.environ.get("SPRAWL_RAFT_REWRITE"):
        path.write_text(seen, "utf-8")
    assert seen == path.read_text("utf-8")


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 20
