"""One end of a simulated TCP connection: an asyncio transport, and the kernel's socket below it.

    write -> user buffer -> [window] -> segments on the link -> receive buffer -> protocol
             dies with the process     arrive in order, or      dies with the   its context
                                       wait while it is cut     process

Rules:

1. Bytes arrive in order, in pieces of sizes that the seed chooses, or not at all.
2. At most `window_bytes` are on the way or unread; more waits in the user buffer, and the protocol
   is told to pause as by asyncio's own transports.
3. A link that is cut loses what arrives on it; the kernel sends it again, so it arrives some time
   after the link heals. After `RETRANSMIT_S_MAX` the sender gives up (ETIMEDOUT) and the receiver
   is not told: a half-open connection.
4. A killed process's kernel says goodbye for it: FIN, or RST when it had not read everything. A
   machine without power says nothing, and answers RST once it is up again and is sent something.
5. A segment that is lost by chance comes later, and what was sent behind it waits for it.
6. What arrives for an end that is closed is answered with RST. A lost RST is not sent again, but
   what it answered is.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from contextvars import Context, copy_context
from random import Random
from typing import TYPE_CHECKING, Any

from sim.processes import PROCESS, Killed, Process

if TYPE_CHECKING:
    from sim.network import Host, Link, Network

RETRANSMIT_S_MIN = 0.2
"""After so long, as Linux has it, or somewhat longer a segment that was lost is sent again."""
RETRANSMIT_S_MAX = 120.0
READ_BYTES_MAX = 262_144
_HIGH_WATER = 65_536

FIN = b""
"""A segment without bytes is the end of the stream."""


class StreamTransport(asyncio.Transport):
    """See the module. `peer` is the other end, which the network alone may look at."""

    peer: StreamTransport
    link: Link
    """The way from here to the peer."""

    def __init__(
        self, network: Network, host: Host, local: tuple[str, int], remote: tuple[str, int]
    ) -> None:
        super().__init__({"sockname": local, "peername": remote, "socket": None})
        self.network = network
        self.loop = network.loop
        self.host = host
        self.boot = host.boot
        self.local = local
        self.remote = remote
        self.process: Process | None = None
        self.context: Context = copy_context()
        self.number = 0
        self.rng: Random = network.rng
        # the transport
        self._protocol: asyncio.BaseProtocol | None = None
        self._is_buffered = False
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._high_water = _HIGH_WATER
        self._low_water = _HIGH_WATER // 4
        self._is_writing_paused = False
        self._is_reading = True
        self._is_closing = False
        self._eof_wanted = False
        self._is_lost = False
        # the kernel
        self.window_bytes = 65_536
        self.piece_bytes = 65_536
        self.is_open = True
        """Whether the socket exists: what arrives otherwise is answered with RST."""
        self._fin_sent = False
        self._in_flight = 0
        self._last_arrival = 0.0
        self._received: deque[bytes] = deque()
        self._eof_received = False
        self._is_reading_scheduled = False
        self._stalled: deque[tuple[int, bytes]] = deque()
        self._transmitted = 0
        self._delivered = 0
        self._early: dict[int, bytes] = {}
        """Segments that came before one that was lost and is sent again, by their numbers."""
        self._stalled_since = 0.0

    # --- asyncio.Transport ----------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection to a protocol, in whose process this runs."""
        self.process = PROCESS.get()
        self.context = copy_context()
        self.set_protocol(protocol)
        protocol.connection_made(self)
        if self._is_lost:  # reset before anybody could be told
            self.loop.in_context(self.context, protocol.connection_lost, _reset_error())
        self._schedule_read()

    def is_closing(self) -> bool:
        # A stream that is freed after its process closes what is not closing already.
        return self._is_closing or self.loop.is_ending or self._is_dead()

    def _is_dead(self) -> bool:
        return self.process is not None and self.process.is_dead

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._schedule_read()

    def get_write_buffer_size(self) -> int:
        return self._out_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        self._high_water = high
        self._low_water = high // 4 if low is None else low
        self._check_high_water()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._check_alive()
        if self._eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._is_closing or self._is_lost or not self.is_open:
            return
        piece = bytes(data)
        self._out.append(piece)
        self._out_bytes += len(piece)
        self._push()
        self._check_high_water()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._check_alive()
        if not self._is_closing and not self._eof_wanted:
            self._eof_wanted = True
            self._push()

    def close(self) -> None:
        self._check_alive()
        if self._is_closing:
            return
        self._is_closing = True
        self._push()

    def abort(self) -> None:
        self._check_alive()
        self._out.clear()
        self._out_bytes = 0
        self._is_closing = True
        self._shut(None)

    def _check_alive(self) -> None:
        if self._is_dead() and not self.loop.is_ending:
            raise Killed

    def _check_high_water(self) -> None:
        if self._out_bytes > self._high_water and not self._is_writing_paused:
            self._is_writing_paused = True
            assert self._protocol is not None
            self._protocol.pause_writing()

    # --- sending --------------------------------------------------------------------------------

    def _push(self) -> None:
        """Hand to the kernel what fits into the window."""
        out = self._out
        while out and self.is_open and self._in_flight < self.window_bytes:
            piece = out[0]
            room = self.window_bytes - self._in_flight
            size = min(len(piece), room, self.piece_bytes)
            if self.rng.random() < self.network.tear_odds:
                size = self.rng.randint(1, size)
            if size == len(piece):
                out.popleft()
            else:
                out[0] = piece[size:]
                piece = piece[:size]
            self._out_bytes -= size
            self._in_flight += size
            self._transmit(piece)
        if not out and (self._eof_wanted or self._is_closing):
            self._send_fin()
            if self._is_closing:
                self._shut(None)

    def _pushed(self) -> None:
        """The window opened: go on writing, in the protocol's context."""
        self._push()
        if self._is_writing_paused and self._out_bytes <= self._low_water and not self._is_lost:
            self._is_writing_paused = False
            assert self._protocol is not None
            self._protocol.resume_writing()

    def _send_fin(self) -> None:
        if not self._fin_sent and self.is_open:
            self._fin_sent = True
            self._transmit(FIN)

    def _transmit(self, segment: bytes) -> None:
        arrival = self.link.arrival(len(segment))
        while self.link.loses_segment():
            arrival += self.rng.uniform(RETRANSMIT_S_MIN, 1.0)
        if arrival <= self._last_arrival:
            arrival = self._last_arrival + 1e-9
        self._last_arrival = arrival
        self._transmitted += 1
        self.loop.at(arrival, self._arrive, self._transmitted, segment)

    def _arrive(self, number: int, segment: bytes) -> None:
        """A segment reaches the peer's machine, or does not."""
        peer = self.peer
        if self._stalled or self.link.is_cut or not peer.host.is_up:
            self._stall(number, segment)
            return
        if not peer.is_open or peer.boot != peer.host.boot:
            peer.send_reset()
            if peer.link.is_cut:
                self._stall(number, segment)  # the answer will be lost
            return
        self._early[number] = segment
        while (following := self._early.pop(self._delivered + 1, None)) is not None:
            self._delivered += 1
            if following:
                peer._received.append(following)
            else:
                peer._eof_received = True
        peer._schedule_read()

    # --- a link that loses everything -----------------------------------------------------------

    def _stall(self, number: int, segment: bytes) -> None:
        if not self._stalled:
            self._stalled_since = self.loop.now
            self.network.stalled[self] = None
            self.loop.after(RETRANSMIT_S_MAX, self._give_up, self._stalled_since)
        self._stalled.append((number, segment))

    def _give_up(self, since: float) -> None:
        if self._stalled and self._stalled_since == since:
            self.network.note("tcp", ("gave up", self.number))
            self._forget_stalled()
            if self.is_open:
                self._is_closing = True
                self._shut(OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))

    def _forget_stalled(self) -> None:
        self._stalled.clear()
        self.network.stalled.pop(self, None)

    def retransmit(self) -> None:
        """The way is free again: what was lost arrives after a time-out."""
        if not self._stalled or self.link.is_cut or not self.peer.host.is_up:
            return
        segments = list(self._stalled)
        self._forget_stalled()
        outage = self.loop.now - self._stalled_since
        at = self.loop.now + self.rng.random() * (0.2 + min(outage, 10.0))
        for number, segment in segments:
            at = max(at, self._last_arrival) + 1e-9
            self._last_arrival = at
            self.loop.at(at, self._arrive, number, segment)

    # --- receiving ------------------------------------------------------------------------------

    def _schedule_read(self) -> None:
        if (
            not self._is_reading_scheduled
            and self._is_reading
            and not self._is_closing
            and self._protocol is not None
            and (self._received or self._eof_received)
        ):
            self._is_reading_scheduled = True
            self.loop.in_context(self.context, self._read)

    def _read(self) -> None:
        """One read of the socket, in the protocol's context."""
        self._is_reading_scheduled = False
        if not self._is_reading or self._is_closing:
            return
        if self._received:
            if self._is_buffered:
                self._read_into_buffer()
            else:
                self._read_data()
            self._schedule_read()
        elif self._eof_received:
            self._eof_received = False
            keep_open = self.get_protocol().eof_received()  # type: ignore[attr-defined]
            if not keep_open:
                self.close()

    def _read_data(self) -> None:
        data = b"".join(self._received)
        self._received.clear()
        self._consumed(len(data))
        self._protocol.data_received(data)  # type: ignore[union-attr]

    def _read_into_buffer(self) -> None:
        protocol: Any = self._protocol
        buffer = protocol.get_buffer(-1)
        room = min(len(buffer), READ_BYTES_MAX)
        filled = 0
        received = self._received
        while received and filled < room:
            piece = received.popleft()
            size = min(len(piece), room - filled)
            buffer[filled : filled + size] = piece[:size]
            filled += size
            if size < len(piece):
                received.appendleft(piece[size:])
        self._consumed(filled)
        protocol.buffer_updated(filled)

    def _consumed(self, size: int) -> None:
        """Open the sender's window, which it learns of by an ACK."""
        sender = self.peer
        if self.link.is_cut:
            self.network.unacknowledged.append((self, size))
        elif sender._out or sender._is_writing_paused:
            self.loop.after(self.link.latency(), sender.acknowledged, size)
        else:
            sender._in_flight -= size

    def acknowledged(self, size: int) -> None:
        """The peer has read so much."""
        self._in_flight -= size
        if (self._out or self._is_writing_paused) and self.is_open:
            self.loop.in_context(self.context, self._pushed)

    # --- the end --------------------------------------------------------------------------------

    def _shut(self, cause: Exception | None) -> None:
        """Close the socket and tell the protocol."""
        if self.is_open:
            self.is_open = False
            if self._received:
                self.send_reset()
            elif not self._fin_sent and cause is None:
                self._fin_sent = True
                self._transmit(FIN)
            self._received.clear()
            self.network.forget(self)
        if not self._is_lost:
            self._is_lost = True
            self._out.clear()
            self._out_bytes = 0
            if self._protocol is not None:
                self.loop.in_context(self.context, self._protocol.connection_lost, cause)

    def send_reset(self) -> None:
        """Send RST, which overtakes everything and may be lost."""
        self._fin_sent = True
        self.loop.after(self.link.latency(), self._reset_arrives)

    def _reset_arrives(self) -> None:
        if not self.link.is_cut:
            self.peer.reset()

    def reset(self) -> None:
        """An RST arrived: the connection is no more, and what was not read is lost."""
        if self.is_open and self.host.is_up:
            self.is_open = False
            self._received.clear()
            self._forget_stalled()
            self.network.forget(self)
            self.loop.in_context(self.context, self._broken)

    def _broken(self) -> None:
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self._out.clear()
            self._out_bytes = 0
            if self._protocol is not None:
                self._protocol.connection_lost(_reset_error())

    def process_died(self) -> None:
        """The kernel closes the socket of a process that was killed: what it had not handed over
        is lost, what it had is delivered."""
        self._out.clear()
        self._out_bytes = 0
        if self.is_open:
            self.is_open = False
            if self._received:
                self.send_reset()
            elif not self._fin_sent:
                self._fin_sent = True
                self._transmit(FIN)
            self.network.forget(self)

    def power_lost(self) -> None:
        """The machine is gone, and with it what it would have sent again."""
        self._out.clear()
        self._out_bytes = 0
        self.is_open = False
        self._forget_stalled()
        self.network.forget(self)


def _reset_error() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
