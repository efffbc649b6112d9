"""A short run for every run of the slow tests; README.md has the long one."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest

from tests.harness.faults import CLUSTER_WEIGHTS, WEIGHTS, make_plan
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


def test_a_plan_comes_from_its_seed_and_keeps_to_its_time() -> None:
    plan = make_plan(3, 200, 600.0, 3)
    assert plan == make_plan(3, 200, 600.0, 3)
    assert plan != make_plan(4, 200, 600.0, 3)
    assert sum(fault.wait_s + fault.hold_s for fault in plan) == pytest.approx(600)
    assert {fault.kind for fault in plan} == set(CLUSTER_WEIGHTS)
    assert {fault.kind for fault in make_plan(3, 200, 600.0, 1)} == set(WEIGHTS)
    assert {fault.place for fault in plan} == {0, 1, 2}
