"""A proxy that breaks links: it delays, throttles, cuts one way or both, and resets.

    client --> Link (a port of ours) --up--> node
           <--                     <-down--

A cut is what a lost network looks like to TCP: bytes stay where they are, no end and no reset gets
through, and a new connection hangs. They go on when the link heals. Datagrams go the same way, by
the port of the same number; a cut loses them, a delay may change their order, and a throttle leaves
them alone. The proxy runs on a loop of its own in a thread; every method that controls it may be
called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

from sprawl.gateway.sockets import free_ports
from tests.harness.datagrams import DatagramRelay, Way

BOTH: tuple[Way, Way] = ("up", "down")

CHUNK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)
BEAT_S = 0.1
"""How often the proxy looks whether it is late."""


@dataclass(slots=True)
class Counts:
    """What went through a link."""

    connections: int = 0
    resets: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


class Link:
    """One way in to one node.

    Args:
        name: for people, as "client-1".
        target: where the node listens; may be set before the node exists.
    """

    def __init__(self, name: str, target: tuple[str, int], loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.target = target
        self.counts = Counts()
        self.port = 0
        self._loop = loop
        self._rng = random.Random(name)
        self._open: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in BOTH}
        for event in self._open.values():
            event.set()
        self._delay_s = 0.0
        self._jitter_s = 0.0
        self._bytes_per_s = 0.0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter | None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.datagrams = DatagramRelay(loop, target, self._hold)

    @property
    def address(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    # --- faults, from any thread ------------------------------------------------------------------

    def cut(self, *ways: Way) -> None:
        """Let nothing through in these directions, or in both when none is named."""
        self._loop.call_soon_threadsafe(self._set_open, ways or BOTH, False)

    def delay(self, seconds: float, jitter_s: float = 0.0) -> None:
        """Hold every piece of data for so long, each way."""
        self._delay_s, self._jitter_s = seconds, jitter_s

    def throttle(self, bytes_per_s: float) -> None:
        """Let so much through per second and connection, each way; 0 for no limit."""
        self._bytes_per_s = bytes_per_s

    def reset(self) -> None:
        """Break every connection with a reset."""
        self._loop.call_soon_threadsafe(self._reset)

    def heal(self) -> None:
        """End all faults. What was held goes on."""
        self._delay_s = self._jitter_s = self._bytes_per_s = 0.0
        self._loop.call_soon_threadsafe(self._set_open, BOTH, True)

    # --- on the loop ------------------------------------------------------------------------------

    async def listen(self) -> None:
        [self.port] = free_ports("127.0.0.1", 1)
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.datagrams.listen("127.0.0.1", self.port)

    async def close(self) -> None:
        self.datagrams.close()
        if self._server is not None:
            self._server.close()
        self._reset()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set_open(self, ways: tuple[Way, ...], is_open: bool) -> None:
        for way in ways:
            if is_open:
                self._open[way].set()
            else:
                self._open[way].clear()

    def _reset(self) -> None:
        for pair in self._pairs:
            for writer in pair:
                if writer is not None:
                    self.counts.resets += 1
                    self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.counts.connections += 1
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter | None] = (writer, None)
        self._pairs.add(pair)
        try:
            await self._pass("up")
            await self._pass("down")
            node_reader, node_writer = await asyncio.open_connection(*self.target)
            self._pairs.discard(pair)
            pair = (writer, node_writer)
            self._pairs.add(pair)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, node_writer, "up"))
                group.create_task(self._pump(node_reader, writer, "down"))
        except* (OSError, asyncio.CancelledError):
            pass  # the node is down, a side went away, or the proxy ends
        finally:
            self._pairs.discard(pair)
            self._tasks.discard(task)
            for side in pair:
                if side is not None:
                    self._abort(side)

    def _hold(self, way: Way) -> float | None:
        """What becomes of a datagram; see `Gate`."""
        if not self._open[way].is_set():
            return None
        return self._delay_s + self._rng.random() * self._jitter_s

    async def _pass(self, way: Way) -> None:
        """Wait until the link is whole in this direction."""
        while not self._open[way].is_set():
            await self._open[way].wait()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        """Carry one direction. Its end, once it gets through, ends the connection."""
        while True:
            limit = self._bytes_per_s
            data = await reader.read(max(1, int(limit / 20)) if limit else CHUNK_BYTES)
            await self._pass(way)
            if not data:
                raise ConnectionResetError("the other side closed")
            if self._delay_s or self._jitter_s:
                await asyncio.sleep(self._delay_s + self._rng.random() * self._jitter_s)
                await self._pass(way)
            if limit:
                await asyncio.sleep(len(data) / limit)
            if way == "up":
                self.counts.bytes_up += len(data)
            else:
                self.counts.bytes_down += len(data)
            writer.write(data)
            await writer.drain()


class Proxy:
    """All links, on one loop in one thread. A context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._beat: asyncio.TimerHandle | None = None
        self.links: dict[str, Link] = {}
        self.standstill_s = 0.0
        """The longest time for which the proxy itself carried nothing: what nodes make of that is
        not theirs."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop.call_soon_threadsafe(self._watch, self._loop.time())
        return self

    def _watch(self, due: float) -> None:
        now = self._loop.time()
        self.standstill_s = max(self.standstill_s, now - due)
        self._beat = self._loop.call_later(BEAT_S, self._watch, now + BEAT_S)

    def __exit__(self, *_: object) -> None:
        for link in self.links.values():
            self._call(link.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def link(self, name: str, target: tuple[str, int]) -> Link:
        """Open a link; it has its port when this returns."""
        if name in self.links:
            raise ValueError(f"there is a link {name}")
        link = Link(name, target, self._loop)
        self._call(link.listen())
        self.links[name] = link
        return link

    def heal(self) -> None:
        """End the faults of all links."""
        for link in self.links.values():
            link.heal()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
