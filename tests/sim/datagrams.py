"""Simulated datagrams: each arrives once, twice or never, and in any order."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from sim.processes import PROCESS, Killed

if TYPE_CHECKING:
    from sim.network import Host, Network


class DatagramTransport(asyncio.DatagramTransport):
    """A bound datagram socket of the acting process."""

    def __init__(
        self,
        network: Network,
        host: Host,
        port: int,
        remote: tuple[str, int] | None,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        super().__init__({"sockname": (host.address, port), "peername": remote, "socket": None})
        self._network = network
        self._host = host
        self._port = port
        self._remote = remote
        self._protocol: Any = protocol
        self._is_closing = False
        self.process = PROCESS.get()
        self.context = copy_context()
        host.datagrams[port] = self
        network.loop.call_soon(protocol.connection_made, self)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if self.process is not None and self.process.is_dead and not self._network.loop.is_ending:
            raise Killed
        target = addr or self._remote
        assert target is not None, "neither connected nor told where to"
        if self._is_closing:
            return
        network = self._network
        host = network.resolve(target[0])
        link = network.link(self._host.name, host.name)
        quality = link.quality
        rng = network.rng
        payload = bytes(data)
        mishaps = network.mishaps
        copies = 1
        if rng.random() < quality.loss:
            mishaps.datagrams_lost += 1
            copies = 0
        elif rng.random() < quality.duplication:
            mishaps.datagrams_doubled += 1
            copies = 2
        for _ in range(copies):
            arrival = link.arrival(len(payload))
            if rng.random() < quality.reordering:
                mishaps.datagrams_late += 1
                late_s = quality.late_s or 10 * (quality.latency_s + quality.jitter_s)
                arrival += rng.random() * late_s
            network.loop.at(arrival, self._arrive, host, target[1], payload)

    def _arrive(self, host: Host, port: int, payload: bytes) -> None:
        network = self._network
        if network.link(self._host.name, host.name).is_cut or not host.is_up:
            return
        target = host.datagrams.get(port)
        if target is None or target._remote not in (None, (self._host.address, self._port)):
            return
        source = (self._host.address, self._port)
        network.loop.in_context(target.context, target._receive, payload, source)

    def _receive(self, payload: bytes, source: tuple[str, int]) -> None:
        if not self._is_closing:
            self._protocol.datagram_received(payload, source)

    def is_closing(self) -> bool:
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 0, 0

    def close(self) -> None:
        if not self._is_closing:
            self.vanish()
            self._network.loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def vanish(self) -> None:
        """The socket is gone; nobody is told."""
        self._is_closing = True
        if self._host.datagrams.get(self._port) is self:
            del self._host.datagrams[self._port]
