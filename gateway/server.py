"""All Kafka listeners of a node: accepts, counts, sweeps and at the end drains connections.

What happens on one connection is in connection.py.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sprawl.core.broker import Endpoint
from sprawl.core.limits import (
    FRAME_BYTES_MAX,
    SCRATCH_BYTES,
    UNSENT_BYTES_MAX,
    WARNED_NETWORKS_MAX,
)
from sprawl.core.log_limit import LogLimit
from sprawl.gateway.connection import KafkaConnection
from sprawl.gateway.listeners import Advice, diagnose, judge, network_of
from sprawl.gateway.sockets import bind as bind_sockets

if TYPE_CHECKING:
    import socket

    from sprawl.core.broker import Broker
    from sprawl.gateway.dispatch import ConnectionInfo
    from sprawl.gateway.listeners import Listener
    from sprawl.gateway.metrics import GatewayMetrics

_log = logging.getLogger(__name__)

SWEEP_S = 1.0
_BACKLOG = 1_024
_UNWIND_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What one node accepts; names and defaults are Kafka's where Kafka has them."""

    connections_max: int = 2**31 - 1
    connections_per_ip_max: int = 2**31 - 1
    idle_ms_max: int = 600_000
    request_bytes_max: int = FRAME_BYTES_MAX


class ServerPlatform(Protocol):
    """What the listeners need of the machine below; see sprawl.platform."""

    def monotonic(self) -> float: ...

    def bind(self, host: str, port: int) -> list[socket.socket]: ...


class Server:
    """The Kafka side of a node.

    `limits` may be replaced at any time; connections_max, connections_per_ip_max and
    request_bytes_max then hold for new connections.
    """

    def __init__(
        self,
        broker: Broker,
        metrics: GatewayMetrics,
        limits: ServerLimits | None = None,
        platform: ServerPlatform | None = None,
    ) -> None:
        self.broker = broker
        self.metrics = metrics
        self.monotonic = time.monotonic if platform is None else platform.monotonic
        self._bind = bind_sockets if platform is None else platform.bind
        self.limits = limits or ServerLimits()
        self.stuck: set[KafkaConnection] = set()
        self.tasks: set[asyncio.Future[Any]] = set()
        self._connections: dict[int, KafkaConnection] = {}
        self._per_ip: Counter[str] = Counter()
        self._listeners: list[Listener] = []
        self._bound: list[tuple[Listener, list[socket.socket]]] = []
        self._accepting: list[asyncio.Server] = []
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._next_id = 0
        self._sweeper: asyncio.Task[None] | None = None
        self._deserted: asyncio.Future[None] | None = None
        self._log_limit = LogLimit()
        self._advices: dict[tuple[str, str, bool], Advice] = {}

    # --- life ---------------------------------------------------------------------------------

    def bind(self, listener: Listener) -> int:
        """Take a listener's address; clients are accepted from `start` on.

        Returns: the bound port.
        Raises: OSError when the address cannot be bound.
        """
        sockets = self._bind(listener.host, listener.port)
        self._listeners.append(listener)
        self._bound.append((listener, sockets))
        return int(sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Accept clients on everything that was bound."""
        loop = asyncio.get_running_loop()
        while self._bound:
            listener, sockets = self._bound.pop(0)
            connection = partial(KafkaConnection, self, listener.name)
            for listening in sockets:
                self._accepting.append(
                    await loop.create_server(connection, sock=listening, backlog=_BACKLOG)
                )
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep(), name="connection sweep")

    async def listen(self, listener: Listener) -> int:
        """`bind` and `start` in one.

        Returns: the bound port.
        Raises: OSError when the address cannot be bound.
        """
        port = self.bind(listener)
        await self.start()
        return port

    async def stop(self, drain_s: float = 5.0) -> None:
        """Accept nobody, answer what is under way for at most `drain_s` seconds, close all.

        Requests that only wait (long polls) are not waited for.
        """
        for _, sockets in self._bound:
            for listening in sockets:
                listening.close()
        self._bound.clear()
        for server in self._accepting:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
            self._sweeper = None
        for connection in list(self._connections.values()):
            connection.drain()
        if not await self._is_deserted_within(drain_s):
            _log.warning(
                "stopped before every request was answered",
                extra={"connections": len(self._connections), "drain_s": drain_s},
            )
            for connection in list(self._connections.values()):
                connection.abort()
            await self._is_deserted_within(_UNWIND_S)
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=_UNWIND_S)
        for server in self._accepting:
            await server.wait_closed()
        self._accepting.clear()

    async def _is_deserted_within(self, seconds: float) -> bool:
        """Wait until no connection is left."""
        if self._connections:
            self._deserted = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._deserted], timeout=seconds)
            self._deserted = None
        return not self._connections

    @property
    def connections_open(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def is_accepting(self) -> bool:
        """Whether new clients are let in."""
        return any(server.is_serving() for server in self._accepting)

    # --- for connections ----------------------------------------------------------------------

    def scratch(self) -> memoryview:
        """A receive buffer. All connections share one, because it is filled and emptied within one
        callback; only on Windows does the loop fill it in the meantime."""
        if sys.platform == "win32":
            return memoryview(bytearray(SCRATCH_BYTES))
        return self._scratch

    def admit(self, connection: KafkaConnection, info: ConnectionInfo) -> bool:
        """Take a new connection in and give it its id, unless a limit is reached."""
        host = info.peer_host
        limits = self.limits
        refusal = None
        if len(self._connections) >= limits.connections_max:
            refusal = f"max.connections={limits.connections_max} is reached"
        elif self._per_ip[host] >= limits.connections_per_ip_max:
            refusal = f"max.connections.per.ip={limits.connections_per_ip_max} is reached"
        if refusal is not None:
            self.metrics.connections_refused += 1
            if (suppressed := self.may_log(("refused", host))) is not None:
                _log.warning(
                    "refused a connection: %s; raise the limit, or close connections",
                    refusal,
                    extra={"peer": host, "suppressed_lines": suppressed},
                )
            return False
        self._next_id += 1
        info.id = self._next_id
        self._connections[info.id] = connection
        self._per_ip[host] += 1
        self.metrics.connections_open += 1
        self.metrics.connections_accepted += 1
        self._judge(info)
        return True

    def forget(self, connection: KafkaConnection, info: ConnectionInfo) -> None:
        """A connection is gone; one that was not admitted may be named too."""
        if self._connections.get(info.id) is not connection:
            return
        del self._connections[info.id]
        self.metrics.connections_open -= 1
        self._per_ip[info.peer_host] -= 1
        if not self._per_ip[info.peer_host]:
            del self._per_ip[info.peer_host]
        if not self._connections and self._deserted is not None and not self._deserted.done():
            self._deserted.set_result(None)

    def may_log(self, key: Hashable) -> int | None:
        """Whether a line about `key` may be logged now: see LogLimit.admit."""
        return self._log_limit.admit(key, int(self.monotonic() * 1_000))

    # --- addresses ----------------------------------------------------------------------------

    def advices(self) -> list[Advice]:
        """What the listeners' settings and the clients seen so far, one a network, tell about
        addresses that do not work: for /health and `sprawl doctor`."""
        return [*diagnose(self._listeners), *self._advices.values()]

    def _judge(self, info: ConnectionInfo) -> None:
        """Say once for each network that its clients cannot use what they are told."""
        endpoint = self.broker.endpoints.get(info.listener_name)
        if endpoint is None:
            return
        advice = judge(info.peer_host, Endpoint(info.local_host, info.local_port), endpoint)
        if advice is None:
            return
        if advice.is_certain:
            self.metrics.unreachable_clients += 1
        key = (network_of(info.peer_host), info.listener_name, advice.is_certain)
        if key in self._advices or len(self._advices) >= WARNED_NETWORKS_MAX:
            return
        self._advices[key] = advice
        _log.log(
            logging.WARNING if advice.is_certain else logging.INFO,
            "listener %s: %s; next: %s",
            info.listener_name,
            advice.cause,
            advice.next_step,
        )

    # --- the watch over slow and idle connections ---------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(self.monotonic())

    def sweep(self, now: float) -> None:
        """One round over all connections.

        Args:
            now: monotonic seconds.
        """
        for connection in list(self._connections.values()):
            connection.sweep(now, self.limits.idle_ms_max)
        unsent_bytes = sum(connection.unsent_bytes for connection in self.stuck)
        for connection in sorted(self.stuck, key=_progress):
            if unsent_bytes <= UNSENT_BYTES_MAX:
                break
            unsent_bytes -= connection.unsent_bytes
            connection.shed(f"unread answers of all clients exceed {UNSENT_BYTES_MAX} bytes")


def _progress(connection: KafkaConnection) -> tuple[float, int]:
    """Who has read nothing for the longest time comes first; of two such, who came first."""
    return connection.progress_at, connection.id
