"""Connections that are to speak TLS, until they do: they count, like those that speak HTTP.

    accepted -> counted -> handshake -> HTTP
                              |
                              failed, too slow, or the server stops: cut off

The event loop could accept them and do the handshake by itself, but then it tells nobody of those
that are under way, or that failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from socket import socket
from ssl import SSLContext

from sprawl.schema_registry.rest import limits

_log = logging.getLogger(__name__)


class Arrivals:
    """See the module.

    Args:
        has_room: asked for each connection; one without room is closed.
        become: makes the protocol of a connection that has done with its handshake.
    """

    def __init__(
        self,
        ssl_context: SSLContext,
        *,
        has_room: Callable[[], bool],
        become: Callable[[], asyncio.Protocol],
    ) -> None:
        self._ssl_context = ssl_context
        self._has_room = has_room
        self._become = become
        self._listening: list[tuple[socket, asyncio.Task[None]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        return len(self._under_way)

    def listen(self, bound: socket) -> None:
        """Take connections from a socket, which `close` closes."""
        bound.setblocking(False)
        bound.listen()
        task = asyncio.get_running_loop().create_task(self._accept(bound))
        self._listening.append((bound, task))

    async def close(self) -> None:
        """Take no more, and cut off those whose handshake is under way."""
        await _cancel({task for _, task in self._listening})
        for bound, _ in self._listening:
            bound.close()
        self._listening.clear()
        await _cancel(self._under_way)

    async def _accept(self, bound: socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(bound)
            except OSError as problem:  # this process may have no more files; or the client left
                _log.warning(
                    "no connection was taken, tried again in %.0f s: %s",
                    limits.ACCEPT_PAUSE_S,
                    problem,
                )
                await asyncio.sleep(limits.ACCEPT_PAUSE_S)
                continue
            if not self._has_room():
                accepted.close()
                continue
            task = loop.create_task(self._shake_hands(accepted))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _shake_hands(self, accepted: socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._become,
                accepted,
                ssl=self._ssl_context,
                ssl_handshake_timeout=limits.TLS_HANDSHAKE_S,
            )
        except OSError:  # no TLS, too slow, or gone: whoever it is learns it from the connection
            accepted.close()


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    ending = set(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)
