"""What waits to be written to one connection. What is queued in one turn of the loop goes out
together: small pieces joined, large ones as they lie."""

from __future__ import annotations

import asyncio

from sprawl.core.cluster.peers import TransportCounters
from sprawl.core.limits import PEER_JOINED_BYTES_MAX
from sprawl.core.storage.port import Buffer

_SMALL_BYTES_MAX = PEER_JOINED_BYTES_MAX // 4
"""A piece that is joined with others though there are large ones; copying it costs less than a
system call."""


class Outbox:
    """The sending half of one connection.

    Args:
        transport: of the connection.
        counters: of the transport between nodes.
    """

    __slots__ = (
        "_counters",
        "_is_closed",
        "_is_flush_due",
        "_loop",
        "_pieces",
        "_pieces_bytes",
        "_transport",
        "_written_bytes",
    )

    def __init__(self, transport: asyncio.Transport, counters: TransportCounters) -> None:
        self._transport = transport
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._pieces: list[Buffer] = []
        self._pieces_bytes = 0
        self._written_bytes = 0
        self._is_flush_due = False
        self._is_closed = False

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._pieces_bytes + self._transport.get_write_buffer_size()

    @property
    def taken_bytes(self) -> int:
        """Bytes that the operating system has taken so far."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    def push(self, *pieces: Buffer) -> None:
        """Queue one frame."""
        if self._is_closed:
            return
        self._counters.frames_out += 1
        self._pieces += pieces
        self._pieces_bytes += sum(map(len, pieces))
        if self._pieces_bytes > PEER_JOINED_BYTES_MAX:
            self.flush()
        elif not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_due)

    def _flush_due(self) -> None:
        self._is_flush_due = False
        self.flush()

    def flush(self) -> None:
        """Write what is queued."""
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return
        self._counters.bytes_out += self._pieces_bytes
        self._written_bytes += self._pieces_bytes
        can_join = self._pieces_bytes <= PEER_JOINED_BYTES_MAX
        self._pieces_bytes = 0
        write = self._transport.write
        if can_join:
            write(b"".join(pieces))
            return
        small: list[Buffer] = []
        for piece in pieces:
            if len(piece) <= _SMALL_BYTES_MAX:
                small.append(piece)
                continue
            if small:
                write(b"".join(small))
                small = []
            write(piece)
        if small:
            write(b"".join(small))

    def close(self) -> None:
        """Take nothing more, and forget what was not written."""
        self._is_closed = True
        self._pieces.clear()
        self._pieces_bytes = 0
