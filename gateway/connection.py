"""One Kafka connection: the asyncio shell around framing.py (bytes to frames) and pipeline.py
(order).

    socket -> FrameReader -> Pipeline -> handler -> encode -> Pipeline -> socket

            +------+  EOF, drain   +-----------+  all answered  +---------+  flushed  +------+
    ------> | OPEN | ------------> | FINISHING | -------------> | CLOSING | --------> | gone |
            +------+               +-----------+                +---------+           +------+
                |   fault, idle          | fault                  ^    | peer takes nothing  ^
                +------------------------+------------------------+    +--------------------+
                |   refused, stuck, reset by the peer                                       |
                +---------------------------------------------------------------------------+

A handler that answers at once costs no task; one that waits gets one, which ends with its
connection. README.md has the numbered rules.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sprawl.core.errors import PeerFault
from sprawl.core.limits import (
    CLOSING_MS_MAX,
    IN_FLIGHT_REQUESTS_MAX,
    JOINED_BYTES_MAX,
    REQUESTS_PER_TURN_MAX,
    STUCK_WRITE_MS_MAX,
    WAITING_REQUEST_BYTES_MAX,
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
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.dispatch import LONG_POLLS, ConnectionInfo, RequestContext, registered
from sprawl.gateway.framing import FrameReader, HttpFault
from sprawl.gateway.pipeline import Pipeline, Slot

if TYPE_CHECKING:
    from sprawl.gateway.codec.message import Buffer
    from sprawl.gateway.server import Server

_log = logging.getLogger(__name__)

_CLIENT_ID_SHOWN = 100
"""Characters of a client id in a log line; it is the peer's text, so it is quoted, too."""
_HTTP_TEXT = (
    b"This is Sprawl's Kafka port: connect a Kafka client. Health and metrics are on the HTTP port,"
    b" 9644 unless set otherwise.\n"
)
_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_HTTP_TEXT), _HTTP_TEXT)
)


class State(enum.Enum):
    """How far a connection has come."""

    OPEN = enum.auto()
    FINISHING = enum.auto()
    CLOSING = enum.auto()


class KafkaConnection(asyncio.BufferedProtocol):
    """One connection, from accept to close.

    Args:
        server: admits it, lends it the scratch buffer and is told of its end.
        listener_name: of the listener that accepted it.
    """

    __slots__ = (
        "_can_write_lines",
        "_handlers",
        "_info",
        "_is_pumping",
        "_is_reading",
        "_last_active",
        "_metrics",
        "_monotonic",
        "_out",
        "_out_bytes",
        "_pipeline",
        "_progress_at",
        "_pumps_next_turn",
        "_reader",
        "_scratch",
        "_server",
        "_state",
        "_tasks",
        "_transport",
        "_unsent_bytes",
        "is_stuck",
    )

    _transport: asyncio.Transport

    def __init__(self, server: Server, listener_name: str) -> None:
        self._server = server
        self._scratch = server.scratch()
        self._metrics = server.metrics
        self._monotonic = server.monotonic
        self._handlers = registered()
        self._reader = FrameReader(server.limits.request_bytes_max)
        self._pipeline = Pipeline(
            self._is_pipelined, IN_FLIGHT_REQUESTS_MAX, WAITING_REQUEST_BYTES_MAX
        )
        self._info = ConnectionInfo(id=0, listener_name=listener_name)
        self._tasks: dict[asyncio.Future[Any], bool] = {}
        self._can_write_lines = False
        self._out: list[Buffer] = []
        self._out_bytes = 0
        self._last_active = self._monotonic()
        self._progress_at = 0.0
        self._unsent_bytes = 0
        self._state = State.OPEN
        self._is_reading = True
        self._is_pumping = False
        self._pumps_next_turn = False
        self.is_stuck = False

    # --- asyncio.BufferedProtocol -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        info = self._info
        info.peer_host, info.peer_port = str(peer[0]), int(peer[1])
        info.local_host, info.local_port = str(local[0]), int(local[1])
        if not self._server.admit(self, info):
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        # Before 3.12.9 and 3.13.2, asyncio's own loop never paused a protocol that writes lines
        # (CVE-2024-12254). uvloop does, and saves a tenth of the CPU of large answers.
        self._can_write_lines = not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        accepted = transport.get_extra_info("socket")
        if accepted is not None:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def get_buffer(self, sizehint: int) -> memoryview:
        target = self._reader.target()
        return self._scratch if target is None else target

    def buffer_updated(self, nbytes: int) -> None:
        self._metrics.bytes_in += nbytes
        self._last_active = self._monotonic()
        if self._state is not State.OPEN:
            return
        reader = self._reader
        pipeline = self._pipeline
        for frame in reader.received(self._scratch, nbytes):
            pipeline.arrived(frame)
        if not pipeline.is_idle:
            self._pump()
        if reader.fault is not None:
            self._fail(reader.fault)

    def eof_received(self) -> bool:
        """The peer sends no more. What it sent is still served: a producer with acks=0 sends and
        leaves (KAFKA-3703)."""
        if self._state is State.OPEN and not self._pipeline.is_idle:
            self._finish()
        return self._state is State.FINISHING

    def pause_writing(self) -> None:
        self.is_stuck = True
        self._progress_at = self._monotonic()
        self._unsent_bytes = self.unsent_bytes
        self._server.stuck.add(self)

    def resume_writing(self) -> None:
        self.is_stuck = False
        self._server.stuck.discard(self)
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = State.CLOSING
        self._out.clear()
        self._pipeline.drop_waiting()
        for task in list(self._tasks):
            task.cancel()
        self._server.stuck.discard(self)
        self._server.forget(self, self._info)

    # --- the server's side --------------------------------------------------------------------

    @property
    def id(self) -> int:
        """Its number among the connections of the node, in the order in which they came."""
        return self._info.id

    @property
    def unsent_bytes(self) -> int:
        """Answer bytes that wait for the peer to read."""
        return self._transport.get_write_buffer_size()

    @property
    def progress_at(self) -> float:
        """When a stuck or closing connection's peer last took a byte, monotonic seconds."""
        return self._progress_at

    def drain(self) -> None:
        """Start nothing more; close when what is under way is answered. Long polls end now."""
        if self._state is State.OPEN:
            self._pipeline.drop_waiting()
            self._finish()
            self._pump()

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self._state = State.CLOSING
        self._transport.abort()

    def shed(self, why: str) -> None:
        """Disconnect a peer that does not read."""
        self._warn("slow", "closed: %s", why)
        self.abort()

    def sweep(self, now: float, idle_ms_max: int) -> None:
        """Close when idle too long, or when the peer has not read for too long."""
        if self.is_stuck or self._state is State.CLOSING:
            unsent_bytes = self.unsent_bytes
            if unsent_bytes != self._unsent_bytes:
                self._unsent_bytes = unsent_bytes
                self._progress_at = now
            waited_ms = (now - self._progress_at) * 1_000
            if self._state is State.CLOSING:
                if waited_ms > CLOSING_MS_MAX:
                    self.abort()
            elif waited_ms > STUCK_WRITE_MS_MAX:
                self.shed(f"it has not read for {waited_ms / 1_000:.0f} s")
        elif self._pipeline.is_idle and (now - self._last_active) * 1_000 > idle_ms_max:
            _log.debug("closed: idle for connections.max.idle.ms", extra=self._facts())
            self._close()

    # --- requests -----------------------------------------------------------------------------

    def _pump(self) -> None:
        """Start what may start, send what may be sent."""
        if self._is_pumping or self._state is State.CLOSING:
            return
        self._is_pumping = True
        pipeline = self._pipeline
        left = REQUESTS_PER_TURN_MAX
        try:
            self._collect()
            while left and not self.is_stuck and (started := pipeline.start()) is not None:
                left -= 1
                self._serve(*started)
                if self._transport.is_closing():
                    return
                self._collect()
        finally:
            self._is_pumping = False
        self._flush()
        if self._state is State.FINISHING and pipeline.is_idle:
            self._close()
        elif not left and not self._pumps_next_turn:
            self._pumps_next_turn = True
            asyncio.get_running_loop().call_soon(self._pump_next_turn)
        self._set_reading()

    def _pump_next_turn(self) -> None:
        self._pumps_next_turn = False
        self._pump()

    def _serve(self, frame: bytearray, slot: Slot) -> None:
        """Hand one request to its handler."""
        began = self._monotonic()
        view = memoryview(frame)
        header = None
        try:
            header, pos = decode_request_header(view)
            api_key, api_version, correlation_id, client_id = header
            spec = self._handlers.get(api_key)
            if spec is None or not spec.min_version <= api_version <= spec.max_version:
                slot.answer = self._refuse(header)
                return
            request = decode_request_body(api_key, api_version, view, pos)
            context = RequestContext(
                api_key=api_key,
                api_version=api_version,
                correlation_id=correlation_id,
                client_id=client_id,
                connection=self._info,
                broker=self._server.broker,
                metrics=self._server.metrics,
            )
            result = spec.handle(context, request)
        except PeerFault as fault:
            self._fail(fault, header)
            return
        except Exception as failure:  # noqa: BLE001 whatever it is, it must not end the node
            self._fail_ours(slot.api_key, header, failure)
            return
        if result is None or isinstance(result, Struct):
            self._answer(header, slot, result, began)
        else:
            self._await(result, header, slot, began)

    def _refuse(self, header: RequestHeader) -> list[Buffer]:
        """An API or version that is not served.

        Raises: PeerFault, which closes the connection as Kafka does, except for ApiVersions.
        """
        spec = self._handlers.get(header.api_key)
        if header.api_key == API_VERSIONS_KEY and spec is not None:
            return encode_api_versions_fallback(
                header.correlation_id, spec.min_version, spec.max_version
            )
        name = api_name(header.api_key)
        if spec is None:
            raise PeerFault(f"{name} is not served")
        raise PeerFault(
            f"{name} v{header.api_version} is not served, only"
            f" v{spec.min_version} to v{spec.max_version}"
        )

    def _await(
        self, result: Awaitable[Any], header: RequestHeader, slot: Slot, began: float
    ) -> None:
        task = asyncio.ensure_future(result)
        self._tasks[task] = header.api_key in LONG_POLLS
        self._server.tasks.add(task)
        task.add_done_callback(partial(self._done, header, slot, began))

    def _done(
        self, header: RequestHeader, slot: Slot, began: float, task: asyncio.Future[Any]
    ) -> None:
        self._tasks.pop(task, None)
        self._server.tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if self._state is State.CLOSING:
            if failure is not None and not isinstance(failure, PeerFault):
                self._fail_ours(header.api_key, header, failure)
        elif task.cancelled():
            if self._state is State.OPEN:
                self._close()
            else:
                slot.answer = []
                self._pump()
        elif failure is None:
            self._answer(header, slot, task.result(), began)
            self._pump()
        elif isinstance(failure, PeerFault):
            self._fail(failure, header)
        else:
            self._fail_ours(header.api_key, header, failure)

    def _answer(self, header: RequestHeader, slot: Slot, body: Struct | None, began: float) -> None:
        api_key, api_version, correlation_id, _ = header
        if body is None:
            slot.answer = []
        else:
            try:
                slot.answer = encode_response(api_key, api_version, correlation_id, body)
            except ValueError as failure:
                self._fail_ours(api_key, header, failure)
                return
        self._metrics.api(api_key).answered(self._monotonic() - began)

    def _collect(self) -> None:
        """Take the answers whose turn it is; large ones are written at once."""
        buffers = self._pipeline.answered()
        if buffers:
            self._out += buffers
            self._out_bytes += sum(map(len, buffers))
            if self._out_bytes > JOINED_BYTES_MAX:
                self._flush()

    def _flush(self) -> None:
        """Write what was collected: small answers in one piece, large ones as they lie."""
        out = self._out
        if not out:
            return
        self._metrics.bytes_out += self._out_bytes
        self._last_active = self._monotonic()
        if len(out) == 1:
            self._transport.write(out[0])
        elif self._out_bytes <= JOINED_BYTES_MAX:
            self._transport.write(b"".join(out))
        elif self._can_write_lines:
            self._transport.writelines(out)
        else:
            for piece in out:
                self._transport.write(piece)
        self._out = []
        self._out_bytes = 0

    def _set_reading(self) -> None:
        wanted = self._state is State.OPEN and not self.is_stuck and not self._pipeline.is_full
        if wanted == self._is_reading or self._state is State.CLOSING:
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # --- the end of a connection --------------------------------------------------------------

    def _finish(self) -> None:
        """Read no more. Long polls end: nobody can be told anything that is worth the wait."""
        self._state = State.FINISHING
        self._set_reading()
        for task, is_long_poll in list(self._tasks.items()):
            if is_long_poll:
                task.cancel()

    def _fail(self, fault: PeerFault, header: RequestHeader | None = None) -> None:
        """The peer's fault: one line, and the connection ends."""
        if self._state is State.CLOSING:
            return
        self._metrics.malformed_requests += 1
        self._warn("fault", "closed: %s", fault, header=header)
        if isinstance(fault, HttpFault):
            self._transport.write(_HTTP_ANSWER)
        self._close()

    def _fail_ours(
        self, api_key: int, header: RequestHeader | None, failure: BaseException
    ) -> None:
        """A fault of the broker: logged with its trace, and the connection ends."""
        self._metrics.handler_failures += 1
        suppressed = self._server.may_log(("bug", api_key))
        if suppressed is not None:
            _log.error(
                "closed: a fault of the broker in %s; clients may retry; please report the trace",
                api_name(api_key),
                exc_info=failure,
                extra=self._facts(header, suppressed),
            )
        self._close()

    def _close(self) -> None:
        """Send what is ready and close."""
        if self._state is State.CLOSING:
            return
        self._collect()
        self._flush()
        self._state = State.CLOSING
        self._progress_at = self._monotonic()
        self._unsent_bytes = self.unsent_bytes
        self._pipeline.drop_waiting()
        self._transport.close()

    def _is_pipelined(self, api_key: int) -> bool:
        spec = self._handlers.get(api_key)
        return spec is not None and spec.pipelined

    # --- log ----------------------------------------------------------------------------------

    def _warn(
        self, kind: str, text: str, cause: object, header: RequestHeader | None = None
    ) -> None:
        suppressed = self._server.may_log((kind, self._info.peer_host))
        if suppressed is not None:
            _log.warning(text, cause, extra=self._facts(header, suppressed))

    def _facts(self, header: RequestHeader | None = None, suppressed: int = 0) -> dict[str, object]:
        """Who is at the other end and what it asked, for a log line."""
        info = self._info
        facts: dict[str, object] = {
            "connection": info.id,
            "listener": info.listener_name,
            "peer": f"{info.peer_host}:{info.peer_port}",
        }
        if info.client_software_name:
            facts["software"] = f"{info.client_software_name} {info.client_software_version}"
        if header is not None:
            facts["api"] = f"{api_name(header.api_key)} v{header.api_version}"
            facts["correlation_id"] = header.correlation_id
            facts["client_id"] = ascii(header.client_id)[:_CLIENT_ID_SHOWN]
        if suppressed:
            facts["suppressed_lines"] = suppressed
        return facts


def api_name(api_key: int) -> str:
    """What Kafka calls an API."""
    info = API_RANGES.get(api_key)
    return f"API key {api_key}" if info is None else info.name
