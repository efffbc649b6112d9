"""A short run for every run of the slow tests; README.md has the long one."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest

from tests.harness.processes import single_node
from tests.harness.run import Plan, run


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # clients that were thrown away under faults
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_single_node_keeps_its_promises(tmp_path: Path) -> None:
    for name in ("kafka", "aiokafka", "harness"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    result = run(Plan(faults=4, seconds=6, seed=1), tmp_path, single_node())
    gc.collect()  # what the clients left open is complained of here, where it is known
    assert result.is_good, result.text()
    assert result.faults.total() == 4
    assert result.report.figures["acknowledged"] > 200
