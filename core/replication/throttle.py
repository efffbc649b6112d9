"""How fast copies may go, so that they leave room for clients."""

from __future__ import annotations

import asyncio


class Throttle:
    """Lets bytes pass at a rate, for all copies of a node in one direction together."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    async def take(self, size_bytes: int) -> None:
        """Wait until so many bytes may pass."""
        now = asyncio.get_running_loop().time()
        start = max(now, self._free_at)
        self._free_at = start + size_bytes / self._bytes_per_s
        if start > now:
            await asyncio.sleep(start - now)
