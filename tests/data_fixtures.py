"""Brokers without a network, as fixtures: a folder's conftest.py imports those it wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from data_world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A broker that keeps its data in memory."""
    made = World()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def other_world() -> AsyncIterator[World]:
    """A second broker in the same process."""
    made = World()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def disk_world(tmp_path: Path) -> AsyncIterator[World]:
    """A broker that keeps its data on disk."""
    made = World(tmp_path)
    await made.start()
    yield made
    await made.stop()
