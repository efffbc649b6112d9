"""Carries datagrams between a port of ours and a node, as a network that loses and delays them.

    sender --> port of the link --flow's own socket--> node
           <--                  <--                  <-- what the node answers to that socket

A flow belongs to one sender, so that an answer finds its way back. Unlike bytes of TCP, what comes
while the link is cut is gone: nobody keeps datagrams.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Way = Literal["up", "down"]
"""up: from the client to the node."""
Gate = Callable[[Way], float | None]
"""For how many seconds a datagram is held in this direction; None where it is lost."""

FLOWS_MAX = 64
"""Senders of one link that are remembered; each costs a socket. A node sends from one or two."""
DATAGRAM_BYTES_MAX = 65_535
READS_PER_TURN = 64
"""Datagrams taken from a socket before others have their turn."""


@dataclass(slots=True)
class DatagramCounts:
    """What went through a link, and what the cuts took."""

    up: int = 0
    down: int = 0
    lost: int = 0


class DatagramRelay:
    """The datagrams of one link. Everything happens on the loop.

    Args:
        target: where the node receives.
        gate: asked for each datagram.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, target: tuple[str, int], gate: Gate
    ) -> None:
        self.counts = DatagramCounts()
        self._loop = loop
        self._target = target
        self._gate = gate
        self._port: socket.socket | None = None
        self._flows: dict[tuple[str, int], socket.socket] = {}

    def listen(self, host: str, port: int) -> None:
        """Raises: OSError when the port is taken."""
        sock = self._port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, port))
        self._loop.add_reader(sock, self._from_senders, sock)

    def close(self) -> None:
        """Datagrams that are held are lost."""
        for sock in (self._port, *self._flows.values()):
            if sock is not None:
                self._loop.remove_reader(sock)
                sock.close()
        self._port = None
        self._flows.clear()

    def _from_senders(self, port: socket.socket) -> None:
        for _ in range(READS_PER_TURN):
            try:
                data, sender = port.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError:
                return  # nothing more, or somebody whom we answered is gone
            self._carry("up", sender, data)

    def _from_node(self, sender: tuple[str, int], flow: socket.socket) -> None:
        for _ in range(READS_PER_TURN):
            try:
                data = flow.recv(DATAGRAM_BYTES_MAX)
            except OSError:
                return  # nothing more, or the node does not run now
            self._carry("down", sender, data)

    def _carry(self, way: Way, sender: tuple[str, int], data: bytes) -> None:
        hold_s = self._gate(way)
        if hold_s is None:
            self.counts.lost += 1
        elif hold_s > 0:
            self._loop.call_later(hold_s, self._deliver, way, sender, data)
        else:
            self._deliver(way, sender, data)

    def _deliver(self, way: Way, sender: tuple[str, int], data: bytes) -> None:
        if self._port is None:
            return
        if self._gate(way) is None:  # the link was cut while this was held
            self.counts.lost += 1
            return
        # A full buffer, or a receiver that does not run, loses datagrams.
        with contextlib.suppress(OSError):
            if way == "up":
                self.counts.up += 1
                self._flow(sender).send(data)
            else:
                self.counts.down += 1
                self._port.sendto(data, sender)

    def _flow(self, sender: tuple[str, int]) -> socket.socket:
        """The socket by which the node knows a sender; the least recently used one makes way."""
        flow = self._flows.pop(sender, None)
        if flow is None:
            if len(self._flows) >= FLOWS_MAX:
                oldest = self._flows.pop(next(iter(self._flows)))
                self._loop.remove_reader(oldest)
                oldest.close()
            flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            flow.setblocking(False)
            flow.connect(self._target)
            self._loop.add_reader(flow, self._from_node, sender, flow)
        self._flows[sender] = flow
        return flow
