"""The time that one request's changes have together, however many it asks for.

Changes are made one after the other, and each waits for a controller on its own. A request of
many would be answered long after its client has given up, who then does not hear even of those that
were made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sprawl.core.errors import ErrorCode, KafkaFault

T = TypeVar("T")

UNASKED_TIMEOUT_S: Final = 25.0
"""For requests that name no time: below the 30 s that Kafka's clients give a request by default."""


class RequestTime:
    """Make it when the request begins.

    Args:
        timeout_ms: of the request. 0 and below: Kafka begins everything then and waits for nothing;
            here it is waited for as where no time is named.
    """

    __slots__ = ("_ends_at", "_fault")

    def __init__(self, timeout_ms: int = 0) -> None:
        timeout_s = timeout_ms / 1_000 if timeout_ms > 0 else UNASKED_TIMEOUT_S
        self._ends_at = asyncio.get_running_loop().time() + timeout_s
        self._fault: KafkaFault | None = None

    async def take(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make one change, or refuse it without beginning when there is no use in it any more.

        Raises:
            KafkaFault: what the change met; REQUEST_TIMED_OUT when the time was up, it may be made
                yet; NOT_CONTROLLER at once when an earlier change of the request found none.
        """
        if self._fault is not None:
            raise KafkaFault(self._fault.code, self._fault.message)
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await change()
        except TimeoutError as late:
            self._fault = KafkaFault(ErrorCode.REQUEST_TIMED_OUT, "Not begun: the time was up.")
            raise KafkaFault(
                ErrorCode.REQUEST_TIMED_OUT, "Not known to be done in time; it may be done yet."
            ) from late
        except KafkaFault as fault:
            if fault.code is ErrorCode.NOT_CONTROLLER:
                self._fault = fault
            raise
