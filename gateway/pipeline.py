"""The order of one connection's requests and answers. Pure: no socket, no loop.

    waiting --start--> active --answer--> sent, oldest first

Rules:
1. Requests are started in the order they arrived, and answered in that order.
2. A request starts when nothing is active, or when it and everything active are of the same
   pipelined API and fewer than `in_flight_max` are active. So a Produce may overlap another, and
   nothing overtakes a request that might change what it sees.
3. `is_full` asks the shell to stop reading; what is stored for a peer stays bounded by it, by one
   frame, and by one scratch buffer of small frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sprawl.gateway.codec.message import Buffer


class Slot:
    """One started request. `answer` None: not answered; an empty list: answered with nothing."""

    __slots__ = ("answer", "api_key")

    def __init__(self, api_key: int) -> None:
        self.api_key = api_key
        self.answer: list[Buffer] | None = None


class Pipeline:
    """Requests of one connection.

    Args:
        is_pipelined: whether requests of an API may overlap (dispatch.HandlerSpec).
        in_flight_max: requests of a pipelined API active at once.
        waiting_bytes_max: bytes of frames waiting to start, beyond which reading should stop.
    """

    __slots__ = (
        "_active",
        "_in_flight_max",
        "_is_pipelined",
        "_waiting",
        "_waiting_bytes",
        "_waiting_bytes_max",
    )

    def __init__(
        self, is_pipelined: Callable[[int], bool], in_flight_max: int, waiting_bytes_max: int
    ) -> None:
        self._is_pipelined = is_pipelined
        self._in_flight_max = in_flight_max
        self._waiting_bytes_max = waiting_bytes_max
        self._waiting: deque[bytearray] = deque()
        self._waiting_bytes = 0
        self._active: deque[Slot] = deque()

    @property
    def is_idle(self) -> bool:
        return not self._active and not self._waiting

    @property
    def is_full(self) -> bool:
        return self._waiting_bytes > self._waiting_bytes_max or (
            len(self._waiting) > self._in_flight_max
        )

    def arrived(self, frame: bytearray) -> None:
        """A complete request is there."""
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)

    def start(self) -> tuple[bytearray, Slot] | None:
        """The next request that may start now, or None."""
        if not self._waiting:
            return None
        frame = self._waiting[0]
        api_key = int.from_bytes(frame[:2], "big", signed=True)
        if self._active and not (
            api_key == self._active[-1].api_key
            and len(self._active) < self._in_flight_max
            and self._is_pipelined(api_key)
        ):
            return None
        self._waiting.popleft()
        self._waiting_bytes -= len(frame)
        slot = Slot(api_key)
        self._active.append(slot)
        return frame, slot

    def answered(self) -> list[Buffer]:
        """Take the answers that may be sent now: those with nothing unanswered before them."""
        out: list[Buffer] = []
        active = self._active
        while active and (answer := active[0].answer) is not None:
            out += answer
            active.popleft()
        return out

    def drop_waiting(self) -> None:
        """Forget what has not started: the connection is closing."""
        self._waiting.clear()
        self._waiting_bytes = 0
