"""What cells cost and bring, by the runs whose figures docs/overlay.md shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from overlay.placement import CELL_NODES, cluster, main, placed, places_of

DOCS = Path(__file__).parents[2] / "docs" / "overlay.md"


@pytest.mark.parametrize("racks", [0, 3])
@pytest.mark.parametrize("count", [20, 50, 100])
@pytest.mark.parametrize("seed", [1, 2])
def test_cells_cost_no_balance_and_no_racks(count: int, racks: int, seed: int) -> None:
    nodes = cluster(count, racks, seed)
    by_load, by_cells = (placed(nodes, known, seed) for known in ({}, places_of(nodes)))
    for one, other in (
        (by_load.replicas, by_cells.replicas),
        (by_load.leaders, by_cells.leaders),
    ):
        assert sum(one) == sum(other)
        assert max(other) - min(other) <= max(one) - min(one) + 2
    assert by_cells.racks == by_load.racks
    assert by_cells.inside > by_load.inside
    assert by_cells.told < by_load.told
    if count > 2 * CELL_NODES:
        assert by_cells.inside > 0.8
        assert sum(by_cells.peers) < 0.9 * sum(by_load.peers)
        assert by_cells.sets < by_load.sets


def test_the_command_prints_what_the_docs_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed in DOCS.read_text()
