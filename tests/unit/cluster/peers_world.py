"""Transports on loopback, with names for what a test wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from random import Random
from uuid import UUID

from sprawl.core.cluster.handshake import Hello
from sprawl.core.cluster.peer_frames import Event
from sprawl.core.cluster.peer_protocol import PeerSession
from sprawl.core.cluster.peer_tls import PeerTls
from sprawl.core.cluster.transport import (
    PeerAddress,
    PeerIdentity,
    Transport,
    TransportSettings,
)
from sprawl.core.ids import BrokerId

CLUSTER = "cluster-of-the-test"
PATIENCE_S = 10.0
KIND = 7
FAST = TransportSettings(
    dial_ms_max=1_000,
    reconnect_ms_min=10,
    reconnect_ms_max=80,
    dial_grace_ms=30,
    ping_idle_ms=50,
    lost_after_ms=400,
)


def directory_of(node: int) -> UUID:
    return UUID(int=1_000 + node)


def identity(node: int, incarnation: int = 1, directory: UUID | None = None) -> PeerIdentity:
    return PeerIdentity(
        node_id=BrokerId(node),
        directory_id=directory or directory_of(node),
        incarnation=incarnation,
    )


class World:
    """What all nodes know: addresses and data directories; tests may change both."""

    def __init__(self) -> None:
        self.addresses: dict[int, PeerAddress] = {}
        self.directories: dict[int, UUID] = {}
        self.nodes: list[Node] = []
        self.raw: list[RawPeer] = []

    def transport(
        self,
        node: int,
        *,
        cluster_id: str | None = CLUSTER,
        incarnation: int = 1,
        directory: UUID | None = None,
        tls: PeerTls | None = None,
        settings: TransportSettings = FAST,
    ) -> Transport:
        return Transport(
            identity=identity(node, incarnation, directory),
            cluster_id=cluster_id,
            rng=Random(node),
            addresses=self.addresses.get,
            expected_directory=self.directories.get,
            tls=tls,
            settings=settings,
        )

    async def start(self, node: int, *, is_registered: bool = True, **options: object) -> Node:
        """A transport that listens, answers `echo` and keeps what it receives."""
        started = Node(self.transport(node, **options))  # type: ignore[arg-type]
        port = await started.transport.listen("127.0.0.1", 0)
        started.address = PeerAddress("127.0.0.1", port)
        if is_registered:
            self.addresses[node] = started.address
        self.nodes.append(started)
        return started

    def by_hand(self, node: int, **facts: object) -> RawPeer:
        """A peer that the test drives."""
        self.raw.append(RawPeer(node, **facts))
        return self.raw[-1]


class Node:
    """One transport and what happened to it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.address = PeerAddress("", 0)
        self.received: list[tuple[int, bytes]] = []
        self.ups: list[int] = []
        self.downs: list[int] = []
        transport.on_message(KIND, self._receive)
        transport.on_peer(self.ups.append, self.downs.append)
        transport.serve("echo", self._echo)

    def _receive(self, peer: PeerIdentity, body: memoryview) -> None:
        self.received.append((peer.node_id, bytes(body)))

    async def _echo(self, peer: PeerIdentity, body: memoryview) -> bytes:
        return b"%d:%b" % (peer.node_id, body)

    def send(self, to: int, *body: bytes) -> bool:
        return self.transport.send(BrokerId(to), KIND, body)

    async def call(
        self, to: int, method: str = "echo", body: bytes = b"", ms: int = 5_000
    ) -> bytes:
        return await self.transport.call(BrokerId(to), method, body, timeout_ms=ms)

    def is_connected(self, to: int) -> bool:
        return self.transport.is_connected(BrokerId(to))

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.received]


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Closes the transports of a test at its end."""
    made = World()
    try:
        yield made
    finally:
        for node in made.nodes:
            await node.transport.close()
        for peer in made.raw:
            await peer.close()


async def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait for something to become true."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + patience_s
    while not condition():
        assert loop.time() < ends_at, "waited in vain"
        await asyncio.sleep(0.002)


class RawPeer:
    """A node that speaks the protocol by hand, so that it can also misbehave."""

    def __init__(self, node: int, **facts: object) -> None:
        made = Hello(identity=identity(node, 77), cluster_id=CLUSTER)
        self._session = PeerSession(
            hello=replace(made, **facts),  # type: ignore[arg-type]
            is_dialer=True,
            judge=lambda ours, theirs: None,
            frame_bytes_max=1 << 27,
        )
        self._scratch = memoryview(bytearray(65_536))

    async def greet(self, address: PeerAddress) -> None:
        """Connect and say who calls; `reader` and `writer` are the test's from here on."""
        self.reader, self.writer = await asyncio.open_connection(*address)
        self.writer.write(self._session.output())

    async def close(self) -> None:
        """Close the socket."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def dial(self, address: PeerAddress) -> list[Event]:
        """Connect and do the handshake."""
        await self.greet(address)
        events = await self.read()
        self.ready()
        return events

    def ready(self) -> None:
        """Say the last word of the handshake."""
        self.writer.write(self._session.output())

    async def read(self) -> list[Event]:
        """Whatever comes next; empty at the end of the connection."""
        data = await asyncio.wait_for(self.reader.read(60_000), PATIENCE_S)
        events: list[Event] = []
        while data:
            target = self._session.target()
            room = self._scratch if target is None else target
            count = min(len(room), len(data))
            room[:count] = data[:count]
            data = data[count:]
            events += self._session.received(self._scratch, count)
        return events

    async def read_until_end(self) -> list[Event]:
        """All that comes until the other side closes."""
        events: list[Event] = []
        while found := await self.read():
            events += found
        return events
