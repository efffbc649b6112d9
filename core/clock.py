"""The port through which decisions see time. Only shells hold a `SystemClock`.

`now_ms` is wall time in milliseconds since the Unix epoch: it stamps records. `monotonic_ms` never
goes back: it drives timeouts. A simulated world passes its own implementation of both.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol


class Instant(NamedTuple):
    """One reading of both clocks: `wall_ms` stamps records, `monotonic_ms` drives timeouts, so a
    jump of the wall clock never expires a session."""

    wall_ms: int
    monotonic_ms: int


class Clock(Protocol):
    """Time as the node sees it."""

    def now_ms(self) -> int:
        """Wall time, milliseconds since the Unix epoch."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds from an arbitrary origin, never decreasing."""
        ...


class SystemClock:
    """The operating system's clocks."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
