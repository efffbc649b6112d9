"""What lies between the nodes of a comparison: loses datagrams, and counts bytes.

Each node listens on a port of its own and tells the others another one, its front. A datagram to a
front is sent on to its node from the front of its sender, so that answers come this way too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Ports:
    """Of one node."""

    own: int
    front: int


@dataclass(slots=True)
class Traffic:
    """What went through."""

    packets: int = 0
    packet_bytes: int = 0
    stream_bytes: int = 0

    def since(self, before: Traffic) -> Traffic:
        return Traffic(
            self.packets - before.packets,
            self.packet_bytes - before.packet_bytes,
            self.stream_bytes - before.stream_bytes,
        )

    def copy(self) -> Traffic:
        return Traffic(self.packets, self.packet_bytes, self.stream_bytes)


class Proxy:
    """See the module. Lost datagrams are counted too: they were sent."""

    def __init__(self, nodes: Sequence[Ports], seed: int) -> None:
        self.loss = 0.0
        self.traffic = Traffic()
        self._nodes = nodes
        self._rng = random.Random(seed)
        self._fronts: dict[int, asyncio.DatagramTransport] = {}
        """By the port of their node."""
        self._servers: list[asyncio.Server] = []
        self._relays: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for ports in self._nodes:
            transport, _ = await loop.create_datagram_endpoint(
                lambda ports=ports: _Front(self, ports.own),  # type: ignore[misc]
                local_addr=(HOST, ports.front),
            )
            self._fronts[ports.own] = transport
            server = await asyncio.start_server(
                lambda reader, writer, ports=ports: self._relay(ports.own, reader, writer),  # type: ignore[misc]
                HOST,
                ports.front,
            )
            self._servers.append(server)

    async def close(self) -> None:
        for transport in self._fronts.values():
            transport.close()
        for server in self._servers:
            server.close()
        relays = list(self._relays)
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    def pass_on(self, data: bytes, source: int, target: int) -> None:
        """A datagram from a node's own port, to another node's own port."""
        self.traffic.packets += 1
        self.traffic.packet_bytes += len(data)
        front = self._fronts.get(source)
        if front is not None and self._rng.random() >= self.loss:
            front.sendto(data, (HOST, target))

    async def _relay(
        self, target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        relay = asyncio.current_task()
        assert relay is not None
        self._relays.add(relay)
        writers = [writer]
        try:
            there, back = await asyncio.open_connection(HOST, target)
            writers.append(back)
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        except OSError:
            pass  # the node is gone, as its peer is about to find out
        finally:
            for each in writers:
                each.close()
            self._relays.discard(relay)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                self.traffic.stream_bytes += len(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.close()


class _Front(asyncio.DatagramProtocol):
    def __init__(self, proxy: Proxy, own: int) -> None:
        self._proxy = proxy
        self._own = own

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._proxy.pass_on(data, addr[1], self._own)
