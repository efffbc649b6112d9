"""Nodes for the clients: one for the session, and one for each test that restarts it.

With SPRAWL_COMPAT_BOOTSTRAP set, the tests run against that broker instead.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_process import NodeProcess

from tests.compat.brokers import RunningBroker
from tests.compat.scenarios import BOOTSTRAP

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess | RunningBroker]:
    """A node on disk that all tests share."""
    if BOOTSTRAP in os.environ:
        yield RunningBroker(os.environ[BOOTSTRAP])
        return
    folder = tmp_path_factory.mktemp("node")
    with NodeProcess(
        folder / "data",
        "--set",
        "group.initial.rebalance.delay.ms=100",
        log=folder / "node.log",
    ) as running:
        yield running
        process = running.process
        assert process.poll() is None, "the node died"


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node on disk for one test, which may restart or kill it."""
    if BOOTSTRAP in os.environ:
        pytest.skip("restarts its node: only with a node of its own")
    with NodeProcess(
        tmp_path / "data",
        "--set",
        "group.initial.rebalance.delay.ms=100",
        log=tmp_path / "node.log",
    ) as running:
        yield running


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Names that no other test uses."""
    return lambda stem: f"{stem}-{next(_numbers)}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings of the clients' own code are theirs."""
    for item in items:
        if "compat" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("default"))
