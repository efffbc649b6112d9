"""The port of a group coordinator to the partitions of __consumer_offsets."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from typing import Any, Protocol

from sprawl.core.groups.model import LogRecord


class OffsetRecord(Protocol):
    """What loading needs of a record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class OffsetsLog(Protocol):
    """The port to the partitions of __consumer_offsets."""

    def append(self, partition: int, records: Sequence[LogRecord]) -> Coroutine[Any, Any, int]:
        """Append records as one batch, which is in the log when this returns; the coroutine returns
        its offset when it is committed.

        Raises:
            KafkaFault: by the call, nothing was appended; by the coroutine, it may be committed
                yet.
        """
        ...

    def is_empty(self, partition: int) -> bool:
        """Whether there is nothing to read. Raises: KafkaFault."""
        ...

    def settle(self, partition: int) -> Coroutine[Any, Any, None]:
        """Returns when everything that was in the log at the call is committed.

        Raises:
            KafkaFault: it is not known to be.
        """
        ...

    def confirm(self, partition: int) -> Awaitable[object] | None:
        """What to wait for to be sure that no other node has appended since by now, as the leader
        of this partition; None: it is sure. The wait fails with KafkaFault when it may have.

        Raises: KafkaFault: this node does not lead it.
        """
        ...

    def read_all(self, partition: int) -> Iterator[OffsetRecord]:
        """Every committed record from the start, in log order. Raises: KafkaFault."""
        ...
