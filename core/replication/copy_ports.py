"""What copying asks of its surroundings: the way to other nodes, which leaving.py asks for too, and
files beside the segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sprawl.core.ids import BrokerId
    from sprawl.core.log.copies import CopyPlan
    from sprawl.core.storage.port import SegmentFile


class Calls(Protocol):
    """The way to other nodes: the transport."""

    async def call(self, to: BrokerId, method: str, body: bytes, *, timeout_ms: int) -> bytes:
        """Raises: PeerUnreachable, PeerRefused."""
        ...


class Incoming(Protocol):
    """An attachment on its way. Its methods block."""

    def append(self, piece: bytes) -> None:
        """Raises: OSError."""
        ...

    def finish(self) -> None:
        """Check it, and make it durable under its name. Raises: ValueError, OSError."""
        ...

    def discard(self) -> None:
        """Remove what is not finished."""
        ...


class Attached(Protocol):
    """The file that goes with the copies of a log. Everything here blocks."""

    def give(self, plan: CopyPlan) -> tuple[str, SegmentFile] | None:
        """What goes with this plan; None when it needs nothing.

        Raises:
            OSError: it is not there.
        """
        ...

    def take(self, plan: CopyPlan, name: str | None) -> Incoming | None:
        """Begin to take what comes with a plan.

        Raises:
            ValueError: it is not what this plan needs.
            OSError: the disk failed.
        """
        ...
