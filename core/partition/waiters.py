"""Long polls: a fetch that found too little sleeps here until enough bytes were committed.

One waiter is registered with every partition of its request. Each commit tells it how many bytes
became readable, which is one subtraction; only the commit that satisfies it wakes the fetch, which
then reads again. So a fetch of 1,000 partitions costs an append to one of them nothing more than a
fetch of one partition does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sprawl.core.partition.partition import Partition


class FetchWaiter:
    """Wakes once `needed_bytes` more bytes were committed, or something else is worth an answer.

    Args:
        needed_bytes: how many bytes the fetch lacks, at least 1.
    """

    __slots__ = ("_needed_bytes", "_woken")

    def __init__(self, needed_bytes: int) -> None:
        self._needed_bytes = needed_bytes
        self._woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def committed(self, added_bytes: int) -> None:
        """Count bytes that became readable in one of the partitions."""
        self._needed_bytes -= added_bytes
        if self._needed_bytes <= 0:
            self.wake()

    def wake(self) -> None:
        """Wake whatever the count is: a partition was deleted, or its leader epoch changed."""
        if not self._woken.done():
            self._woken.set_result(None)

    async def wait(self, partitions: Sequence[Partition], deadline: float) -> bool:
        """Sleep until woken, at most until `deadline` on the event loop's clock.

        Returns:
            True when woken, False when the time ran out.
        """
        for partition in partitions:
            partition.add_waiter(self)
        try:
            async with asyncio.timeout_at(deadline):
                await self._woken
        except TimeoutError:
            return False
        finally:
            for partition in partitions:
                partition.remove_waiter(self)
        return True
