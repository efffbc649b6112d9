"""Hosts, the links between them, and what goes wrong on them.

Rules:

1. A host has a name and an address, `n1` and `10.0.0.1`; both may be connected to.
2. A link goes one way. Its latency is drawn for each segment, its bandwidth is shared by all that
   goes over it. A host's link to itself is fast and is never cut.
3. `cut` makes everything on a link vanish until it heals; nobody is told. TCP sends again after it
   heals, and gives up after a while (streams.py); datagrams are gone.
4. A connection attempt whose SYN or answer vanishes is tried again after 1, 2, 4, ... seconds, and
   fails with ETIMEDOUT when the client has not given up sooner. A port nobody listens on refuses.
5. By chance a link loses a datagram, doubles it or has it overtaken. It also loses segments of
   streams: what is behind a lost one in its connection waits until that was sent again, so that
   what went over another connection comes first.
6. The kernel completes connections for a process that is paused: it accepts them when it resumes.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.connecting import Attempt
from sim.datagrams import DatagramTransport
from sim.processes import PROCESS, Process
from sim.streams import StreamTransport

if TYPE_CHECKING:
    import socket

    from sim.loop import SimLoop
    from sim.trace import Trace

_EPHEMERAL = 32_768
_ANY = ("", "0.0.0.0", "::", None)

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


@dataclass(slots=True)
class LinkQuality:
    """How good a link is.

    Args:
        latency_s: the least time a segment takes.
        jitter_s: mean of what is added at random, most of it little and some of it much.
        bytes_per_s: bandwidth.
        loss, duplication, reordering: odds for each datagram.
        late_s: how late a datagram that is overtaken comes at most; 0 for ten times what it takes.
        segment_loss: odds for each segment of a stream.
    """

    latency_s: float = 0.0002
    jitter_s: float = 0.0002
    bytes_per_s: float = 1e9
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    late_s: float = 0.0
    segment_loss: float = 0.0


@dataclass(slots=True)
class Mishaps:
    """What chance did on all links together."""

    datagrams_lost: int = 0
    datagrams_doubled: int = 0
    datagrams_late: int = 0
    segments_lost: int = 0


class Link:
    """One direction between two hosts."""

    __slots__ = ("_busy_until", "_loop", "_mishaps", "_rng", "cuts", "quality")

    def __init__(self, loop: SimLoop, rng: Random, quality: LinkQuality, mishaps: Mishaps) -> None:
        self._loop = loop
        self._rng = rng
        self._mishaps = mishaps
        self._busy_until = 0.0
        self.quality = quality
        self.cuts = 0

    @property
    def is_cut(self) -> bool:
        return self.cuts > 0

    def latency(self) -> float:
        """Seconds that the next small packet takes."""
        quality = self.quality
        return quality.latency_s + self._rng.expovariate(1.0) * quality.jitter_s

    def arrival(self, size_bytes: int) -> float:
        """When a segment that is sent now arrives."""
        start = max(self._loop.now, self._busy_until)
        self._busy_until = start + (size_bytes + 40) / self.quality.bytes_per_s
        return self._busy_until + self.latency()

    def loses_segment(self) -> bool:
        """Whether a segment that is sent now is lost by chance."""
        odds = self.quality.segment_loss
        is_lost = odds > 0 and self._rng.random() < odds
        self._mishaps.segments_lost += is_lost
        return is_lost


class Host:
    """A machine: it is up or down, and processes on it listen on ports."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.is_up = True
        self.boot = 1
        self.listeners: dict[int, Listener] = {}
        self.datagrams: dict[int, DatagramTransport] = {}
        self._next_port = _EPHEMERAL

    def free_port(self) -> int:
        """A port that nobody has."""
        while True:
            self._next_port += 1
            if self._next_port > 60_999:
                self._next_port = _EPHEMERAL
            if self._next_port not in self.listeners and self._next_port not in self.datagrams:
                return self._next_port


class Listener:
    """A bound address. It stands in for a socket between `bind` and `create_server`."""

    def __init__(self, network: Network, host: Host, port: int) -> None:
        self.network = network
        self.host = host
        self.port = port
        self.process = PROCESS.get()
        self.context: Context = copy_context()
        self.factory: ProtocolFactory | None = None
        self.refuses = False
        host.listeners[port] = self

    def getsockname(self) -> tuple[str, int]:
        return self.host.address, self.port

    def close(self) -> None:
        if self.host.listeners.get(self.port) is self:
            del self.host.listeners[self.port]
        self.factory = None


class DatagramPlace(NamedTuple):
    """Stands in for a bound socket until `create_datagram_endpoint`."""

    host: str
    port: int

    def getsockname(self) -> tuple[str, int]:
        return self

    def close(self) -> None:
        """Nothing is held."""


class SimServer(asyncio.AbstractServer):
    """What create_server gives back."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)

    @property
    def sockets(self) -> tuple[Listener, ...]:
        return tuple(self._listeners)

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def wait_closed(self) -> None:
        """Connections live on, as with asyncio's servers of Python 3.11."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def is_serving(self) -> bool:
        return bool(self._listeners)

    async def start_serving(self) -> None:
        """It does from the start."""

    async def serve_forever(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> SimServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Network:
    """All hosts and links of a world.

    Args:
        rng: latencies, pieces, losses.
        quality: of every link that is not given its own.
    """

    def __init__(
        self, loop: SimLoop, rng: Random, trace: Trace, quality: LinkQuality | None = None
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.quality = quality or LinkQuality()
        self.tear_odds = 0.05
        """How often a write is torn into pieces of odd sizes."""
        self.window_bytes = 65_536
        self.hosts: dict[str, Host] = {}
        self.stalled: dict[StreamTransport, None] = {}
        self.unacknowledged: list[tuple[StreamTransport, int]] = []
        self.connections: dict[StreamTransport, None] = {}
        self.connection_count = 0
        self.mishaps = Mishaps()
        self._trace = trace
        self._by_address: dict[str, Host] = {}
        self._links: dict[tuple[str, str], Link] = {}
        loop.network = self

    def note(self, kind: str, what: object) -> None:
        """Write into the trace."""
        process = PROCESS.get()
        self._trace.note(self.loop.now, 0 if process is None else process.number, kind, what)

    # --- hosts and links ------------------------------------------------------------------------

    def add_host(self, name: str) -> Host:
        """A new machine."""
        number = len(self.hosts) + 1
        host = Host(name, f"10.0.{number // 256}.{number % 256}")
        self.hosts[name] = self._by_address[host.address] = host
        return host

    def resolve(self, name: str) -> Host:
        """A host by its name or address; the acting process's own for `localhost`.

        Raises:
            OSError: there is none.
        """
        if name in ("localhost", "127.0.0.1"):
            return self._here()
        host = self.hosts.get(name) or self._by_address.get(name)
        if host is None:
            raise OSError(errno.ENOENT, f"no host {name!r} in this world")
        return host

    def link(self, source: str, target: str) -> Link:
        """The way from one host to another."""
        link = self._links.get((source, target))
        if link is None:
            if source == target:
                quality = LinkQuality(latency_s=2e-5, jitter_s=1e-5, bytes_per_s=1e10)
            else:
                quality = self.quality
            link = self._links[source, target] = Link(self.loop, self.rng, quality, self.mishaps)
        return link

    def _here(self) -> Host:
        process = PROCESS.get()
        assert process is not None, "only a process has a place on the network"
        return self.hosts[process.host]

    # --- faults ---------------------------------------------------------------------------------

    def cut(self, source: str, target: str, *, both_ways: bool = True) -> None:
        """Lose everything from one host to the other until `heal`."""
        self.note("cut", (source, target, both_ways))
        self.link(source, target).cuts += 1
        if both_ways:
            self.link(target, source).cuts += 1

    def heal(self, source: str, target: str, *, both_ways: bool = True) -> None:
        """Undo one `cut`."""
        self.note("heal", (source, target, both_ways))
        for link in [self.link(source, target)] + [self.link(target, source)] * both_ways:
            link.cuts = max(0, link.cuts - 1)
        self.retry()

    def partition(self, *groups: Iterable[str]) -> list[tuple[str, str]]:
        """Cut every link between hosts of different groups.

        Returns: the pairs that were cut, for `heal`.
        """
        sides = [list(group) for group in groups]
        pairs = [
            (one, other)
            for at, side in enumerate(sides)
            for another in sides[at + 1 :]
            for one in side
            for other in another
        ]
        for one, other in pairs:
            self.cut(one, other)
        return pairs

    def heal_all(self) -> None:
        """No link is cut or slow or loses anything, no port refuses."""
        self.note("heal all", "")
        quality = self.quality
        quality.loss = quality.duplication = quality.reordering = quality.segment_loss = 0.0
        for (source, target), link in self._links.items():
            link.cuts = 0
            if source != target:
                link.quality = self.quality
        for host in self.hosts.values():
            for listener in host.listeners.values():
                listener.refuses = False
        self.retry()

    def slow(self, source: str, target: str, quality: LinkQuality) -> None:
        """Change the quality of both directions."""
        self.note("slow", (source, target, quality.latency_s, quality.bytes_per_s))
        self.link(source, target).quality = quality
        self.link(target, source).quality = quality

    def refuse(self, name: str, port: int, *, refuses: bool = True) -> None:
        """Refuse new connections to a port, as a full backlog or a firewall does."""
        listener = self.hosts[name].listeners.get(port)
        if listener is not None:
            self.note("refuse", (name, port, refuses))
            listener.refuses = refuses

    def reset_connections(self, one: str, other: str) -> int:
        """Reset every open connection between two hosts, as a stateful firewall does.

        Returns: how many.
        """
        found = [
            each
            for each in self.connections
            if each.host.name == one and each.peer.host.name == other
        ]
        self.note("reset", (one, other, len(found)))
        for end in found:
            end.reset()
            end.peer.reset()
        return len(found)

    def power_off(self, name: str) -> None:
        """A machine is gone from one moment to the next."""
        host = self.hosts[name]
        host.is_up = False
        for listener in list(host.listeners.values()):
            listener.close()
        for transport in list(host.datagrams.values()):
            transport.vanish()
        for end in [each for each in self.connections if each.host is host]:
            end.power_lost()

    def power_on(self, name: str) -> None:
        """It is back, and knows nothing of its connections."""
        host = self.hosts[name]
        host.is_up = True
        host.boot += 1
        self.retry()

    def process_died(self, process: Process) -> None:
        """The kernel cleans up after a killed process."""
        host = self.hosts[process.host]
        for listener in [each for each in host.listeners.values() if each.process is process]:
            listener.close()
        for transport in [each for each in host.datagrams.values() if each.process is process]:
            transport.vanish()
        for end in [each for each in self.connections if each.process is process]:
            process.grave.append(end)
            end.process_died()

    def retry(self) -> None:
        """Something healed: have everything that was lost sent again."""
        for end in list(self.stalled):
            end.retransmit()
        waiting, self.unacknowledged = self.unacknowledged, []
        for reader, size in waiting:
            if reader.link.is_cut:
                self.unacknowledged.append((reader, size))
            else:
                self.loop.after(reader.link.latency(), reader.peer.acknowledged, size)

    def forget(self, end: StreamTransport) -> None:
        """A socket was closed."""
        self.connections.pop(end, None)

    # --- what the loop asks for -----------------------------------------------------------------

    def bind(self, host: str | None, port: int) -> Listener:
        """Take an address of the acting process's host.

        Raises:
            OSError: EADDRINUSE.
        """
        here = self._here()
        if host not in _ANY and self.resolve(str(host)) is not here:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        port = port or here.free_port()
        if port in here.listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return Listener(self, here, port)

    def create_server(
        self,
        factory: ProtocolFactory,
        host: str | None,
        port: int | None,
        *,
        sock: socket.socket | Listener | None = None,
        **_: Any,
    ) -> SimServer:
        listener = self.bind(host, port or 0) if sock is None else sock
        assert isinstance(listener, Listener), "bind through the world's platform"
        listener.context = copy_context()
        listener.factory = factory
        return SimServer([listener])

    async def create_connection(
        self, factory: ProtocolFactory, host: str, port: int
    ) -> tuple[StreamTransport, asyncio.BaseProtocol]:
        here = self._here()
        target = self.resolve(host)
        local = (here.address, here.free_port())
        attempt = Attempt(self, here, target, local, (target.address, port))
        try:
            end = await attempt.wait()
        except BaseException:
            attempt.abandon()
            raise
        protocol = factory()
        end.attach(protocol)
        return end, protocol

    def bind_datagrams(self, host: str | None, port: int) -> DatagramPlace:
        """Take an address for datagrams, of the acting process's host.

        Raises:
            OSError: EADDRINUSE.
        """
        here = self._here()
        if host not in _ANY and self.resolve(str(host)) is not here:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        if port in here.datagrams:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return DatagramPlace(here.address, port or here.free_port())

    def create_datagram_endpoint(
        self,
        factory: ProtocolFactory,
        local_addr: tuple[str, int] | None,
        remote_addr: tuple[str, int] | None,
        *,
        sock: socket.socket | DatagramPlace | None = None,
        **_: Any,
    ) -> tuple[DatagramTransport, asyncio.BaseProtocol]:
        here = self._here()
        if sock is not None:
            assert isinstance(sock, DatagramPlace), "bind through the world's platform"
            local_addr = sock
        port = (local_addr[1] if local_addr else 0) or here.free_port()
        if port in here.datagrams:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        remote = None
        if remote_addr is not None:
            remote = (self.resolve(remote_addr[0]).address, remote_addr[1])
        protocol = factory()
        transport = DatagramTransport(self, here, port, remote, protocol)
        return transport, protocol
