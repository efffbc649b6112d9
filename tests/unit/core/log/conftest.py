"""Logs in memory and on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from log_world import LogWorld


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogWorld]:
    """A log in memory, and then one on disk."""
    made = LogWorld(tmp_path if request.param == "disk" else None)
    yield made
    made.close()


@pytest.fixture
def disk_world(tmp_path: Path) -> Iterator[LogWorld]:
    """A log on disk of which nothing is kept in memory."""
    made = LogWorld(tmp_path, tail_bytes_max=0)
    yield made
    made.close()
