"""The asyncio shell of the Kafka listeners: sockets in, frames to handlers, answers out in order.

    socket -> FrameReader -> Pipeline -> handler -> encode -> Pipeline -> socket

One `_KafkaProtocol` a connection; the decisions are in framing.py (bytes to frames) and pipeline.py
(order). A handler that answers at once costs no task; one that waits gets a task, which ends with
its connection.

Rules:
1. A peer's fault (malformed bytes, an unsupported version) closes its connection: one log line.
2. A handler's failure is ours: logged with a trace, the connection closed, the node lives.
3. Nothing is started for a client that does not read what it already got.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, cast

from sprawl.core.errors import PeerFault
from sprawl.core.limits import (
    FRAME_BYTES_MAX,
    IN_FLIGHT_REQUESTS_MAX,
    SCRATCH_BYTES,
    STUCK_WRITE_MS_MAX,
    WAITING_REQUEST_BYTES_MAX,
    WARNED_NETWORKS_MAX,
    WRITE_BUFFER_BYTES_MAX,
)
from sprawl.gateway.codec import (
    API_RANGES,
    API_VERSIONS_KEY,
    RequestHeader,
    decode_request_body,
    decode_request_header,
    encode_api_versions_fallback,
    encode_response,
)
from sprawl.gateway.dispatch import LONG_POLLS, ConnectionInfo, RequestContext, registered
from sprawl.gateway.framing import FrameReader, HttpFault
from sprawl.gateway.listeners import network_of, unreachable_reason
from sprawl.gateway.metrics import GatewayMetrics
from sprawl.gateway.pipeline import Pipeline, Slot

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.gateway.codec.message import Buffer, Struct
    from sprawl.gateway.listeners import Listener

_log = logging.getLogger(__name__)

_SWEEP_S = 5.0
_JOIN_BYTES_MAX = 65_536
_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This is Sprawl's Kafka port: connect a Kafka client. Health and metrics are on the HTTP"
    b" port, 9644 unless set otherwise.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What one node accepts; names and defaults are Kafka's where Kafka has them."""

    connections_max: int = 2**31 - 1
    connections_per_ip_max: int = 2**31 - 1
    idle_ms_max: int = 600_000
    request_bytes_max: int = FRAME_BYTES_MAX


class Server:
    """All Kafka listeners of a node."""

    def __init__(
        self, broker: Broker, metrics: GatewayMetrics, limits: ServerLimits | None = None
    ) -> None:
        self.broker = broker
        self.metrics = metrics
        self.limits = limits or ServerLimits()
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.connections: dict[int, _KafkaProtocol] = {}
        self.per_ip: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._next_id = 0
        self._sweeper: asyncio.Task[None] | None = None
        self._warned: set[tuple[str, str]] = set()
        self._stopping = False
        self._empty = asyncio.Event()

    async def listen(self, listener: Listener) -> int:
        """Accept clients on a listener.

        Returns: the bound port.
        Raises: OSError when the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        port = listener.port
        sockets = _bind(listener.host, port)
        for bound in sockets:
            self._servers.append(
                await loop.create_server(
                    lambda: _KafkaProtocol(self, listener.name), sock=bound, backlog=1024
                )
            )
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep(), name="connection sweep")
        return int(sockets[0].getsockname()[1])

    async def stop(self, drain_s: float = 5.0) -> None:
        """Accept nobody, answer what is under way for at most `drain_s` seconds, close all.

        Requests that only wait (long polls) are not waited for.
        """
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None
        for connection in list(self.connections.values()):
            connection.drain()
        self._stopping = True
        self._note_empty()
        try:
            async with asyncio.timeout(drain_s):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self.connections.values()):
                connection.abort()
            await self._empty.wait()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def admit(self, host: str) -> str | None:
        """Why one more connection from `host` is refused; None when it is welcome."""
        if len(self.connections) >= self.limits.connections_max:
            return f"max.connections={self.limits.connections_max} is reached"
        if self.per_ip[host] >= self.limits.connections_per_ip_max:
            return f"max.connections.per.ip={self.limits.connections_per_ip_max} is reached"
        return None

    def forget(self, connection_id: int, host: str) -> None:
        """A connection has ended."""
        del self.connections[connection_id]
        self.metrics.connections_open -= 1
        self.per_ip[host] -= 1
        if not self.per_ip[host]:
            del self.per_ip[host]
        self._note_empty()

    def _note_empty(self) -> None:
        if self._stopping and not self.connections:
            self._empty.set()

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def warn_if_unreachable(self, info: ConnectionInfo) -> None:
        """Say once for each network that its clients cannot use what they are told."""
        endpoint = self.broker.endpoints.get(info.listener_name)
        reason = unreachable_reason(info.peer_host, endpoint) if endpoint else None
        if reason is None:
            return
        self.metrics.unreachable_clients += 1
        key = (network_of(info.peer_host), info.listener_name)
        if key not in self._warned and len(self._warned) < WARNED_NETWORKS_MAX:
            self._warned.add(key)
            _log.warning("listener %s: %s", info.listener_name, reason)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = time.monotonic()
            for connection in list(self.connections.values()):
                connection.sweep(now, self.limits.idle_ms_max)


def _bind(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of `host`; the second family takes the port the first one got."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, address[0]) for family, *_, address in found))
    bound: list[socket.socket] = []
    try:
        for family, address in addresses:
            listening = socket.socket(family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind((address, port or (bound[0].getsockname()[1] if bound else 0)))
            except OSError:
                listening.close()
                if bound and family == socket.AF_INET6:
                    continue  # a machine without IPv6 still names ::1 in its hosts file
                raise
            listening.setblocking(False)
            bound.append(listening)
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


class _KafkaProtocol(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, server: Server, listener_name: str) -> None:
        self._server = server
        self._metrics = server.metrics
        self._handlers = registered()
        self._listener_name = listener_name
        self._reader = FrameReader(server.limits.request_bytes_max)
        self._pipeline = Pipeline(
            self._is_pipelined, IN_FLIGHT_REQUESTS_MAX, WAITING_REQUEST_BYTES_MAX
        )
        self._transport: asyncio.Transport | None = None
        self._info = ConnectionInfo(id=0, listener_name=listener_name)
        self._tasks: dict[asyncio.Future[Any], bool] = {}
        self._last_active = time.monotonic()
        self._stuck_since: float | None = None
        self._reading = True
        self._draining = False
        self._closing = False
        self._pumping = False

    # --- asyncio.BufferedProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self._info = ConnectionInfo(
            id=self._server.new_id(),
            listener_name=self._listener_name,
            peer_host=str(peer[0]),
            peer_port=int(peer[1]),
            local_host=str(local[0]),
            local_port=int(local[1]),
        )
        refusal = self._server.admit(self._info.peer_host)
        self._server.connections[self._info.id] = self
        self._server.per_ip[self._info.peer_host] += 1
        self._metrics.connections_open += 1
        if refusal is not None:
            self._metrics.connections_refused += 1
            _log.warning("%s refused: %s", self._who(), refusal)
            self.abort()
            return
        self._metrics.connections_accepted += 1
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        self._server.warn_if_unreachable(self._info)

    def get_buffer(self, sizehint: int) -> memoryview:
        target = self._reader.target()
        return self._server.scratch if target is None else target

    def buffer_updated(self, nbytes: int) -> None:
        self._last_active = time.monotonic()
        self._metrics.bytes_in += nbytes
        if self._closing:
            self._reader.received(self._server.scratch, 0)
            return
        try:
            frames = self._reader.received(self._server.scratch, nbytes)
        except PeerFault as fault:
            self._fail(fault)
            return
        for frame in frames:
            self._pipeline.arrived(frame)
        if frames:
            self._pump()

    def pause_writing(self) -> None:
        self._stuck_since = time.monotonic()
        self._set_reading()

    def resume_writing(self) -> None:
        self._stuck_since = None
        self._pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._pipeline.drop_waiting()
        for task in list(self._tasks):
            task.cancel()
        self._server.forget(self._info.id, self._info.peer_host)

    # --- the server's side ---

    def drain(self) -> None:
        """Start nothing more; close when what is under way is answered. Long polls end now."""
        self._draining = True
        for task, is_long_poll in list(self._tasks.items()):
            if is_long_poll:
                task.cancel()
        self._pump()

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now: float, idle_ms_max: int) -> None:
        """Close when idle too long, or when the client has not read for too long."""
        if self._stuck_since is not None and (now - self._stuck_since) * 1000 > STUCK_WRITE_MS_MAX:
            _log.warning("%s closed: it does not read its answers", self._who())
            self.abort()
        elif self._pipeline.is_idle and (now - self._last_active) * 1000 > idle_ms_max:
            _log.debug("%s closed: idle for connections.max.idle.ms", self._who())
            self._close()

    # --- requests ---

    def _pump(self) -> None:
        """Start what may start, send what may be sent, until neither changes anything."""
        if self._pumping or self._closing:
            return
        self._pumping = True
        try:
            while not self._closing:
                started = None
                if not self._draining and self._stuck_since is None:
                    started = self._pipeline.start()
                if started is not None:
                    self._start(*started)
                elif not self._send():
                    break
        finally:
            self._pumping = False
        if self._draining and not self._closing and not self._pipeline.active:
            self._close()
        self._set_reading()

    def _start(self, frame: bytearray, slot: Slot) -> None:
        began = time.perf_counter()
        view = memoryview(frame)
        try:
            header, pos = decode_request_header(view)
            spec = self._handlers.get(header.api_key)
            if spec is None or not spec.min_version <= header.api_version <= spec.max_version:
                slot.answer = self._refuse(header)
                return
            request = decode_request_body(header.api_key, header.api_version, view, pos)
            ctx = RequestContext(
                api_key=header.api_key,
                api_version=header.api_version,
                correlation_id=header.correlation_id,
                client_id=header.client_id,
                connection=self._info,
                broker=self._server.broker,
            )
            result = spec.handle(ctx, request)
        except PeerFault as fault:
            self._fail(fault)
            return
        except Exception:  # noqa: BLE001 whatever it is, it must not end the node
            self._fail_ours(slot.api_key)
            return
        if isawaitable(result):
            self._await(result, header, slot, began)
        else:
            self._answer(header, slot, result, began)

    def _refuse(self, header: RequestHeader) -> list[Buffer]:
        """An API or version that is not served.

        Raises: PeerFault, which closes the connection as Kafka does, except for ApiVersions.
        """
        spec = self._handlers.get(header.api_key)
        if header.api_key == API_VERSIONS_KEY and spec is not None:
            return encode_api_versions_fallback(
                header.correlation_id, spec.min_version, spec.max_version
            )
        info = API_RANGES.get(header.api_key)
        name = f"API key {header.api_key}" if info is None else info.name
        if spec is None:
            raise PeerFault(f"{name} is not served")
        raise PeerFault(
            f"{name} v{header.api_version} is not served, only"
            f" v{spec.min_version} to v{spec.max_version}"
        )

    def _await(
        self,
        result: Awaitable[Any],
        header: RequestHeader,
        slot: Slot,
        began: float,
    ) -> None:
        task = asyncio.ensure_future(result)
        self._tasks[task] = header.api_key in LONG_POLLS
        task.add_done_callback(lambda done: self._done(done, header, slot, began))

    def _done(
        self, task: asyncio.Future[Any], header: RequestHeader, slot: Slot, began: float
    ) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            slot.answer = []
            self._close_after_cancel()
            return
        failure = task.exception()
        if self._closing:
            return
        if failure is None:
            self._answer(header, slot, task.result(), began)
            self._pump()
        elif isinstance(failure, PeerFault):
            self._fail(failure)
        else:
            self._fail_ours(header.api_key, failure)

    def _close_after_cancel(self) -> None:
        if not self._closing:
            self._close()

    def _answer(self, header: RequestHeader, slot: Slot, body: Struct | None, began: float) -> None:
        if body is None:
            slot.answer = []
        else:
            try:
                slot.answer = encode_response(
                    header.api_key, header.api_version, header.correlation_id, body
                )
            except ValueError:
                self._fail_ours(header.api_key)
                return
        self._metrics.api(header.api_key).answered(time.perf_counter() - began)

    def _send(self) -> bool:
        """Write the answers whose turn it is. Returns whether there were any."""
        buffers = self._pipeline.answered()
        if not buffers:
            return False
        assert self._transport is not None
        size = sum(map(len, buffers))
        self._metrics.bytes_out += size
        self._last_active = time.monotonic()
        if size <= _JOIN_BYTES_MAX:
            self._transport.write(b"".join(buffers))
        else:
            self._transport.writelines(buffers)
        return True

    def _set_reading(self) -> None:
        wanted = not self._closing and self._stuck_since is None and not self._pipeline.is_full
        if wanted == self._reading or self._transport is None or self._closing:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # --- the end of a connection ---

    def _fail(self, fault: PeerFault) -> None:
        self._metrics.malformed_requests += 1
        _log.warning("%s closed: %s", self._who(), fault)
        if isinstance(fault, HttpFault) and self._transport is not None:
            self._transport.write(_HTTP_ANSWER)
        self._close()

    def _fail_ours(self, api_key: int, failure: BaseException | None = None) -> None:
        self._metrics.handler_failures += 1
        info = API_RANGES.get(api_key)
        name = api_key if info is None else info.name
        _log.error(
            "%s closed: a fault of the broker in %s; the client may retry, please report the trace",
            self._who(),
            name,
            exc_info=failure or True,
        )
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._pipeline.drop_waiting()
        if self._transport is not None:
            self._transport.close()

    def _is_pipelined(self, api_key: int) -> bool:
        spec = self._handlers.get(api_key)
        return spec is not None and spec.pipelined

    def _who(self) -> str:
        info = self._info
        software = f" ({info.client_software_name})" if info.client_software_name else ""
        return f"connection {info.id} of {info.peer_host}:{info.peer_port}{software}"
