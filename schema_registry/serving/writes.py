"""The writes that wait for their turn, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sprawl.schema_registry.model.registry import Judged, Registry
from sprawl.schema_registry.service import StoreFault
from sprawl.schema_registry.serving import limits


@dataclass(slots=True, eq=False)
class Write:
    """A command on its way to an answer.

    Args:
        answer: done when it was answered, or when nobody waits for it any more.
        deadline: on the event loop's clock, for its turn to come.
        overtaken: how often somebody else appended between judging and appending.
        is_appended: its records are in the log, committed or not.
    """

    command: Callable[[Registry], Judged[object]]
    answer: asyncio.Future[object]
    deadline: float
    overtaken: int = 0
    is_appended: bool = False

    def succeed(self, answer: object) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Writes:
    """A queue of at most `WRITES_WAITING_MAX`."""

    def __init__(self) -> None:
        self._waiting: deque[Write] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, command: Callable[[Registry], Judged[object]]) -> Write:
        """Raises: StoreFault: too many wait."""
        if len(self._waiting) >= limits.WRITES_WAITING_MAX:
            self._waiting = deque(write for write in self._waiting if not write.answer.done())
        if len(self._waiting) >= limits.WRITES_WAITING_MAX:
            raise StoreFault(f"{limits.WRITES_WAITING_MAX} writes wait already")
        loop = asyncio.get_running_loop()
        write = Write(command, loop.create_future(), loop.time() + limits.WRITE_WAIT_S)
        self._waiting.append(write)
        return write

    def first(self) -> Write | None:
        """The one whose turn it is; those that nobody waits for any more are forgotten."""
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    def fail_all(self, error: Callable[[], Exception]) -> int:
        """Args: error: makes what each of them is told. Returns: how many were told."""
        told = 0
        while (write := self.first()) is not None:
            write.fail(error())
            told += 1
        return told
