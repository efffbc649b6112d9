"""The HTTP server: from bytes on a socket to a route, and back.

    connection -> request -> who is it? -> route -> body -> service -> answer
                                                       |        |
                                                       |    not the leader -> forwarded, once
                                                    refused -> {"error_code", "message"}

aiohttp reads and writes HTTP; the rest of it, its router and its middlewares, is not used: paths
are matched as they come (routes.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from ssl import SSLContext
from typing import NamedTuple, assert_never, cast

from aiohttp import ClientError, ClientResponse, HttpVersion11, web
from aiohttp.http import HttpProcessingError

from sprawl.core.clock import Clock, SystemClock
from sprawl.core.log_limit import LogLimit
from sprawl.schema_registry.model.contracts import MalformedContract
from sprawl.schema_registry.model.faults import FaultCode, RegistryFault
from sprawl.schema_registry.rest import limits, media
from sprawl.schema_registry.rest.answers import ServerFacts, encode, fault_to_json
from sprawl.schema_registry.rest.arrivals import Arrivals
from sprawl.schema_registry.rest.auth import TooManyChecks, Users
from sprawl.schema_registry.rest.bodies import parse_json
from sprawl.schema_registry.rest.faults import HttpFault
from sprawl.schema_registry.rest.forwarding import FORWARD, Forwarder, Outgoing
from sprawl.schema_registry.rest.parameters import Ask, Parameter, with_body
from sprawl.schema_registry.rest.routes import Reads, Route, Router, Shape, Tells, Writes
from sprawl.schema_registry.rest.table import ROUTES
from sprawl.schema_registry.service import (
    NotTheLeader,
    RegistryService,
    StoreFault,
    StoreTimeout,
)

Bind = Callable[[str, int], list[socket.socket]]
"""(host, port) to bound sockets, not yet listening."""

_log = logging.getLogger(__name__)
_http_log = logging.getLogger(f"{__name__}.http")
"""For aiohttp's own lines."""
_REQUEST_ID = "X-Request-ID"
_SERVER = "Sprawl"
_NO_HTTP = (HttpProcessingError, web.RequestPayloadError)
_http_log.addFilter(
    # Whoever sends something other than HTTP, or a body that is none, must not fill the log.
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], _NO_HTTP))
)
_LOOK_S = 0.02
"""Between two looks at whether clients took their answers, when the server stops."""
_ROUTER = Router(ROUTES)
_NO_ROUTE = "(none)"
_RELAYED = ("Content-Type", "Content-Length", "Retry-After", "WWW-Authenticate")


class Served(NamedTuple):
    """A kind of request that was answered. Args: route: its path, with names for parameters."""

    method: str
    route: str
    status: int


class _Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str | None
    headers: Mapping[str, str] = {}


class RegistryServer:
    """Serves the registry on one port.

    Args:
        facts: what the node says of itself.
        bind: takes the addresses to listen on.
        ssl_context: for TLS; None serves plain HTTP.
        auth: who may use it; None lets everyone in.
        leader_ssl_context: for requests to a leader with `https`; None is the system's.
    """

    def __init__(
        self,
        service: RegistryService,
        *,
        facts: ServerFacts,
        bind: Bind,
        ssl_context: SSLContext | None = None,
        auth: Users | None = None,
        leader_ssl_context: SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._service = service
        self._facts = facts
        self._bind = bind
        self._ssl_context = ssl_context
        self._auth = auth
        self._leader_ssl_context = leader_ssl_context
        self._clock = clock or SystemClock()
        self._log_limit = LogLimit()
        self._served: Counter[Served] = Counter()
        self._requests_count = 0
        self._http: web.Server | None = None
        self._arrivals: Arrivals | None = None
        self._forwarder: Forwarder | None = None
        self._listening: list[asyncio.Server] = []

    @property
    def served(self) -> Mapping[Served, int]:
        """How many requests were answered since the start, by route and status."""
        return self._served

    @property
    def connections_count(self) -> int:
        """Those whose TLS handshake is under way too."""
        made = 0 if self._http is None else len(self._http.connections)
        return made + (0 if self._arrivals is None else self._arrivals.count)

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Args:
            port: 0 takes a free one.

        Returns: the port.
        Raises: OSError when an address cannot be bound.
        """
        sockets = self._bind(host, port)
        self._http = web.Server(
            self._handle,
            access_log=None,
            logger=_http_log,
            keepalive_timeout=limits.IDLE_S,
            max_line_size=limits.REQUEST_LINE_BYTES_MAX,
            max_field_size=limits.HEADER_BYTES_MAX,
            max_headers=limits.HEADERS_MAX,
        )
        self._forwarder = Forwarder(self._leader_ssl_context)
        loop = asyncio.get_running_loop()
        if self._ssl_context is not None:
            self._arrivals = Arrivals(self._ssl_context, has_room=self._has_room, become=self._http)
        try:
            for bound in sockets:
                if self._arrivals is not None:
                    self._arrivals.listen(bound)
                    continue
                self._listening.append(await loop.create_server(self._accept, sock=bound))
        except BaseException:
            for bound in sockets:
                bound.close()
            await self.stop()
            raise
        bound_port: int = sockets[0].getsockname()[1]
        return bound_port

    async def stop(self) -> None:
        """Stop listening; requests under way have STOP_S to end."""
        for server in self._listening:
            server.close()
        if self._arrivals is not None:
            await self._arrivals.close()
        if self._http is not None:
            connected = [each.transport for each in self._http.connections]
            self._http.pre_shutdown()
            await self._http.shutdown(limits.STOP_S)
            await _part([each for each in connected if each is not None])
        for server in self._listening:
            # From Python 3.12 on it waits for connections too.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.STOP_S):
                    await server.wait_closed()
        self._listening.clear()
        if self._forwarder is not None:
            await self._forwarder.close()

    def _accept(self) -> asyncio.Protocol:
        assert self._http is not None
        return self._http() if self._has_room() else _Refused()

    def _has_room(self) -> bool:
        return self.connections_count < limits.CONNECTIONS_MAX

    # --- one request -----------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._requests_count += 1
        try:
            answer = await self._judge(request)
            response = _response(answer, _request_id(request))
            await _send(request, response, answer)
        finally:
            self._requests_count -= 1
        return response

    async def _judge(self, request: web.BaseRequest) -> _Answer | ClientResponse:
        """What is answered, refusals too."""
        route: Route | None = None
        answer: _Answer | ClientResponse
        try:
            if self._requests_count > limits.REQUESTS_MAX:
                raise _busy()
            await self._check_user(request)
            target = _ROUTER.find(request.method, _raw_target(request))
            route = target.route
            answer = await self._answer(request, route, target.values)
        except HttpFault as fault:
            answer = _refusal(request, fault.status, fault.status, fault.message, fault.headers)
        except RegistryFault as fault:
            answer = _refusal(request, fault.status, fault.code, fault.message)
        except MalformedContract as fault:
            answer = _refusal(request, HTTPStatus.BAD_REQUEST, HTTPStatus.BAD_REQUEST, str(fault))
        except Exception:  # noqa: BLE001 a fault in one answer must not end the connection
            _log.exception(
                "a fault of the registry in %s; please report the trace", _shown(request)
            )
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            answer = _refusal(request, status, status, status.phrase)
        method, path = ("", _NO_ROUTE) if route is None else (route.method, route.path)
        self._served[Served(method, path, answer.status)] += 1
        return answer

    async def _check_user(self, request: web.BaseRequest) -> None:
        try:
            if self._auth is None or await self._auth.admits(request.headers.get("Authorization")):
                return
        except TooManyChecks:
            raise _busy() from None
        raise HttpFault(
            HTTPStatus.UNAUTHORIZED,
            "Unauthorized",
            {"WWW-Authenticate": 'Basic realm="schema-registry", charset="UTF-8"'},
        )

    async def _answer(
        self, request: web.BaseRequest, route: Route, values: Mapping[str, object]
    ) -> _Answer | ClientResponse:
        """What is to be answered, or what the leader answers."""
        data: bytes | None = None
        if route.body is not None:
            media.check_content_type(request.headers.get("Content-Type"))
        content_type = media.choose(request.headers.get("Accept"))
        if route.body is not None:
            data = await _read_body(request)
            if len(data) > limits.PARSED_AT_ONCE_BYTES_MAX:
                values = await asyncio.to_thread(_parse_body, values, route.body, data)
            else:
                values = _parse_body(values, route.body, data)
        try:
            content = await self._ask(route, Ask(self._facts, values))
        except NotTheLeader as fault:
            return await self._forward(request, fault, data)
        except StoreFault as fault:
            raise self._own_fault(request, FaultCode.STORE_ERROR, str(fault)) from None
        except StoreTimeout as fault:
            raise self._own_fault(request, FaultCode.OPERATION_TIMEOUT, str(fault)) from None
        has_content = route.shape.schema is not None
        return _Answer(route.shape.status, content, content_type if has_content else None)

    async def _ask(self, route: Route, ask: Ask) -> bytes:
        shape = route.shape
        match route.handler:
            case Tells(answer):
                return _spelled(shape, answer(ask))
            case Reads(query, is_short):
                # Spelled where it is read: a list may have so many MB that the loop would stand.
                return await self._service.read(
                    lambda registry: _spelled(shape, query(registry, ask)),
                    is_short=is_short and (lambda registry: is_short(registry, ask)),
                )
            case Writes(command):
                answered = await self._service.write(lambda registry: command(registry, ask))
                return _spelled(shape, answered)
            case _:
                assert_never(route.handler)

    async def _forward(
        self, request: web.BaseRequest, sent_on: NotTheLeader, data: bytes | None
    ) -> ClientResponse:
        leader_url = sent_on.leader_url
        if leader_url is None:
            message = f"Leader not known. {sent_on.advice}".rstrip()
            raise self._own_fault(request, FaultCode.UNKNOWN_LEADER, message)
        if FORWARD in request.headers:
            raise self._own_fault(
                request,
                FaultCode.REQUEST_FORWARDING_FAILED,
                f"This node does not lead and was taken for the leader; it is {leader_url}",
            )
        assert self._forwarder is not None
        try:
            outgoing = Outgoing(
                request.method, _raw_target(request), request.headers, request.remote, data
            )
            return await self._forwarder.forward(leader_url, outgoing)
        except RegistryFault as fault:
            raise self._own_fault(request, fault.code, fault.message) from None

    def _own_fault(self, request: web.BaseRequest, code: FaultCode, message: str) -> RegistryFault:
        suppressed = self._log_limit.admit(code, self._clock.monotonic_ms())
        if suppressed is not None:
            _log.error(
                "%s was answered %d: %s (%d such lines left out before)",
                _shown(request),
                code,
                message,
                suppressed,
            )
        return RegistryFault(code, message)


class _Refused(asyncio.Protocol):
    """A connection above the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


async def _part(connected: Sequence[asyncio.Transport]) -> None:
    """Cut connections off that were told to close, once their clients have taken what was sent."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.STOP_S
    # A transport tells nobody when it has sent everything.
    while (  # noqa: ASYNC110
        any(each.get_write_buffer_size() for each in connected) and loop.time() < deadline
    ):
        await asyncio.sleep(_LOOK_S)
    for each in connected:
        if each.get_write_buffer_size():
            each.abort()


async def _read_body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > limits.REQUEST_BYTES_MAX:
        raise HttpFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await _invite(request)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.BODY_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limits.REQUEST_BYTES_MAX:
                    raise HttpFault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError:
        raise HttpFault(HTTPStatus.REQUEST_TIMEOUT) from None
    except (OSError, web.RequestPayloadError):
        raise HttpFault(HTTPStatus.BAD_REQUEST, "The body did not arrive whole") from None
    return bytes(body)


def _parse_body(
    values: Mapping[str, object], body: Parameter[object], data: bytes
) -> Mapping[str, object]:
    """The values with that of the body."""
    value = parse_json(data) if data else None
    if value is not None:
        return with_body(values, body, value)
    if body.is_required:
        raise HttpFault(HTTPStatus.UNPROCESSABLE_ENTITY, "The body must not be null")
    return values


async def _invite(request: web.BaseRequest) -> None:
    """Tell a client that waits to be asked to send its body."""
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _busy() -> HttpFault:
    return HttpFault(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "1"})


def _raw_target(request: web.BaseRequest) -> str:
    """Path and query as they came; of a target in absolute form, as proxies get it, too."""
    target = request.raw_path
    if target.startswith("/"):
        return target
    _, found, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if found else target


def _refusal(
    request: web.BaseRequest,
    status: int,
    code: int,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> _Answer:
    content_type = media.V1_JSON
    with contextlib.suppress(HttpFault):
        content_type = media.choose(request.headers.get("Accept"))
    return _Answer(
        int(status), encode(fault_to_json(int(code), message)), content_type, headers or {}
    )


def _spelled(shape: Shape, value: object) -> bytes:
    if shape.schema is None:
        return b""
    return str(value).encode("utf-8", "replace") if shape.is_text else encode(value)


def _response(answer: _Answer | ClientResponse, request_id: str) -> web.StreamResponse:
    headers = {"Server": _SERVER, _REQUEST_ID: request_id}
    if isinstance(answer, ClientResponse):
        headers |= {name: answer.headers[name] for name in _RELAYED if name in answer.headers}
        return web.StreamResponse(status=answer.status, headers=headers)
    headers |= answer.headers
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _send(
    request: web.BaseRequest, response: web.StreamResponse, answer: _Answer | ClientResponse
) -> None:
    """Send it, as fast as the client takes it; one that takes none of it is cut off."""
    try:
        async with asyncio.timeout(limits.SEND_S):
            await response.prepare(request)
            if isinstance(answer, ClientResponse):
                await _relay(request, response, answer)
            await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    finally:
        if isinstance(answer, ClientResponse):
            answer.close()


async def _relay(
    request: web.BaseRequest, response: web.StreamResponse, answer: ClientResponse
) -> None:
    """Pass the leader's answer on piece by piece."""
    while True:
        try:
            piece = await answer.content.readany()
        except (ClientError, TimeoutError):
            _log.warning("%s: the leader's answer broke off, and so does ours", _shown(request))
            raise ConnectionResetError from None
        if not piece:
            return
        await response.write(piece)


def _request_id(request: web.BaseRequest) -> str:
    """The client's, or a new one."""
    given = request.headers.get(_REQUEST_ID, "")
    short = 0 < len(given) <= limits.REQUEST_ID_CHARS_MAX
    return given if short and given.isascii() and given.isprintable() else str(uuid.uuid4())


def _shown(request: web.BaseRequest) -> str:
    return f"{request.method} {request.raw_path[: limits.PATH_SHOWN_CHARS_MAX]!r}"
