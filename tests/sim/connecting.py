"""How a client gets its connection: rule 4 of network.py."""

from __future__ import annotations

import asyncio
import errno
import os
from contextvars import copy_context
from typing import TYPE_CHECKING

from sim.processes import PROCESS
from sim.streams import StreamTransport

if TYPE_CHECKING:
    from sim.network import Host, Listener, Network

SYN_RETRIES = 6


class Attempt:
    """A client's attempt to connect: SYNs until one is answered."""

    def __init__(
        self,
        network: Network,
        here: Host,
        target: Host,
        local: tuple[str, int],
        remote: tuple[str, int],
    ) -> None:
        self._network = network
        self._loop = network.loop
        self._here = here
        self._target = target
        self._local = local
        self._remote = remote
        self._there = network.link(here.name, target.name)
        self._back = network.link(target.name, here.name)
        self._answer: asyncio.Future[StreamTransport] = network.loop.create_future()
        self._context = copy_context()
        self._tries = 0
        self._client: StreamTransport | None = None

    async def wait(self) -> StreamTransport:
        self._send()
        return await self._answer

    def abandon(self) -> None:
        """The client gave up; a connection that was made meanwhile is reset."""
        self._answer.cancel()
        if self._client is not None and self._client.is_open:
            self._client.process_died()

    def _send(self) -> None:
        if self._answer.done():
            return
        if self._tries > SYN_RETRIES:
            self._fail(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            return
        if not self._there.loses_segment():
            self._loop.after(self._there.latency(), self._arrive, self._tries)
        self._loop.after(2.0**self._tries, self._again, self._tries)
        self._tries += 1

    def _again(self, attempt: int) -> None:
        if attempt == self._tries - 1 and self._client is None:
            self._send()

    def _arrive(self, attempt: int) -> None:
        """A SYN reaches the other machine, or does not."""
        if self._answer.done() or self._client is not None or not self._here.is_up:
            return
        if self._there.is_cut or self._back.is_cut or not self._target.is_up:
            return
        listener = self._target.listeners.get(self._remote[1])
        if listener is None or listener.refuses or listener.factory is None:
            text = f"Connect call failed {self._remote}"
            refusal = ConnectionRefusedError(errno.ECONNREFUSED, text)
            self._loop.after(self._back.latency(), self._fail, refusal)
            return
        self._connect(listener)

    def _connect(self, listener: Listener) -> None:
        network = self._network
        client = StreamTransport(network, self._here, self._local, self._remote)
        server = StreamTransport(network, self._target, self._remote, self._local)
        client.peer, server.peer = server, client
        client.link, server.link = self._there, self._back
        client.process = self._context.get(PROCESS)
        server.process = listener.process
        for end in (client, server):
            network.connection_count += 1
            end.number = network.connection_count
            end.window_bytes = network.window_bytes
            network.connections[end] = None
        network.note("connect", (client.number, self._local, self._remote))
        self._client = client
        self._loop.in_context(listener.context, _accept, listener, server)
        self._loop.after(self._back.latency(), self._established)

    def _established(self) -> None:
        if not self._answer.done():
            assert self._client is not None
            self._loop.in_context(self._context, self._complete)

    def _complete(self) -> None:
        if not self._answer.done():
            assert self._client is not None
            self._answer.set_result(self._client)

    def _fail(self, failure: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(failure)


def _accept(listener: Listener, end: StreamTransport) -> None:
    """The listening process takes a connection; it may have stopped listening by now."""
    if listener.factory is None or not end.is_open:
        end.send_reset()
        end.power_lost()
        return
    end.attach(listener.factory())
