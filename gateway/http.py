"""The HTTP port: health for orchestrators and metrics for Prometheus, read-only.

    GET /metrics        Prometheus text format
    GET /health         what the node knows of itself, JSON; 200 when ready, 503 when not
    GET /health/live    200 while the process serves this port
    GET /health/ready   200 when Kafka clients are served, 503 otherwise
    GET /...            what other rooms of the node tell, JSON

Answers are small and made on request, each connection is closed after its answer: that much HTTP is
written down here in a page, so that no library for it is part of every node.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sprawl.core.clock import SystemClock
from sprawl.core.limits import HTTP_CONNECTIONS_MAX, HTTP_REQUEST_BYTES_MAX
from sprawl.gateway.codec import API_RANGES
from sprawl.gateway.metrics import LATENCY_BUCKETS_S, GatewayMetrics
from sprawl.gateway.sockets import Bind, bind

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from sprawl.core.clock import Clock

_log = logging.getLogger(__name__)

_EXCHANGE_S = 10.0
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"

Health = Callable[[], dict[str, object]]
"""Facts for /health; its "ready" is a bool."""
Gauges = Callable[[], Iterable[tuple[str, str, float]]]
"""(name, help, value) of what other rooms of the node want shown; a name that ends in `_total` is a
counter's."""


Page = Callable[[Mapping[str, str]], Awaitable[object]]
"""Facts for a page, from the parameters of the request. Raises: LookupError, with what is wrong
with them, for people."""


class HttpServer:
    """Serves one port.

    Args:
        health: called for each health request.
        gauges: called for each metrics request.
        pages: further resources by their path.
        clock: dates the answers, by which `sprawl doctor` compares clocks.
        bind: takes the addresses to listen on.
    """

    def __init__(
        self,
        *,
        metrics: GatewayMetrics,
        health: Health,
        gauges: Gauges,
        pages: Mapping[str, Page] | None = None,
        clock: Clock | None = None,
        bind: Bind = bind,
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._gauges = gauges
        self._pages = pages or {}
        self._clock = clock or SystemClock()
        self._bind = bind
        self._servers: list[asyncio.Server] = []
        self._exchanges: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, host: str, port: int) -> int:
        """Start serving, on every address of `host`.

        Returns: the bound port.
        Raises: OSError when it cannot be bound.
        """
        sockets = self._bind(host, port)
        for listening in sockets:
            self._servers.append(
                await asyncio.start_server(
                    self._serve, sock=listening, limit=HTTP_REQUEST_BYTES_MAX
                )
            )
        return int(sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and what is open on it."""
        for server in self._servers:
            server.close()
        for writer in self._exchanges.values():
            writer.transport.abort()
        if self._exchanges:
            await asyncio.wait(self._exchanges)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = asyncio.current_task()
        assert exchange is not None
        if len(self._exchanges) >= HTTP_CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._exchanges[exchange] = writer
        try:
            async with asyncio.timeout(_EXCHANGE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                answer = await self._answer(head)
                writer.write(self._response(*answer, is_head=head.startswith(b"HEAD ")))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            _log.debug("an HTTP request did not arrive whole, or its answer was not read")
        finally:
            del self._exchanges[exchange]
            writer.close()

    async def _answer(self, head: bytes) -> tuple[HTTPStatus, str, bytes]:
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            return HTTPStatus.BAD_REQUEST, _TEXT, b"not an HTTP/1 request\n"
        if parts[0] not in (b"GET", b"HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"this port is read-only\n"
        path, _, query = parts[1].decode("ascii", "replace").partition("?")
        try:
            if (page := self._pages.get(path)) is not None:
                return await _told(page, dict(parse_qsl(query)))
            return self._resource(path)
        except Exception:  # noqa: BLE001 a fault in one number must not end the port
            _log.exception("a fault of the broker in %s; please report the trace", path)
            return HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"see the node's log\n"

    def _resource(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self._exposition()
        if path == "/health/live":
            return HTTPStatus.OK, _JSON, b'{"live": true}\n'
        if path in ("/health", "/health/ready"):
            facts = self._health()
            status = HTTPStatus.OK if facts.get("ready") else HTTPStatus.SERVICE_UNAVAILABLE
            return status, _JSON, json.dumps(facts).encode() + b"\n"
        known = ["/metrics", "/health", "/health/live", "/health/ready", *self._pages]
        return HTTPStatus.NOT_FOUND, _TEXT, f"try {', '.join(known)}\n".encode()

    def _response(self, status: HTTPStatus, kind: str, body: bytes, *, is_head: bool) -> bytes:
        date = formatdate(self._clock.now_ms() / 1_000, usegmt=True)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nDate: {date}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if is_head else body)

    def _exposition(self) -> bytes:
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collector(self._metrics, self._gauges))
        return generate_latest(registry)


async def _told(page: Page, parameters: Mapping[str, str]) -> tuple[HTTPStatus, str, bytes]:
    try:
        return HTTPStatus.OK, _JSON, json.dumps(await page(parameters)).encode() + b"\n"
    except LookupError as fault:
        return HTTPStatus.NOT_FOUND, _TEXT, f"{fault.args[0]}\n".encode()


class _Collector:
    """Turns the counters into Prometheus' objects (its Collector protocol)."""

    def __init__(self, metrics: GatewayMetrics, gauges: Gauges) -> None:
        self._metrics = metrics
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        """All metrics of the node."""
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for name, text, value, is_counter in self._metrics.totals():
            yield (CounterMetricFamily if is_counter else GaugeMetricFamily)(name, text, value)
        for name, text, gauge in self._gauges():
            is_counter = name.endswith("_total")
            yield (CounterMetricFamily if is_counter else GaugeMetricFamily)(name, text, gauge)
        family = HistogramMetricFamily(
            "sprawl_request_seconds", "Time from start to answer of a request", labels=["api"]
        )
        for key, counts in sorted(self._metrics.apis.items()):
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip(
                (*map(str, LATENCY_BUCKETS_S), "+Inf"), counts.buckets, strict=True
            ):
                total += count
                buckets.append((bound, total))
            info = API_RANGES.get(key)
            name = str(key) if info is None else info.name
            family.add_metric([name], buckets, counts.seconds)
        yield family
