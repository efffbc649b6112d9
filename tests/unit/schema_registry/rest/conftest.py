from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from rest_world import RestWorld, rest_world


@pytest.fixture
async def world() -> AsyncIterator[RestWorld]:
    async with rest_world() as world:
        yield world
