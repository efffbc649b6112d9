"""The HTTP port: health for orchestrators and metrics for Prometheus, read-only.

    GET /metrics        Prometheus text format
    GET /health         what the node knows of itself, JSON; 200 when ready, 503 when not
    GET /health/live    200 while the process serves this port
    GET /health/ready   200 when Kafka clients are served, 503 otherwise

Answers are small and made on request; every connection is closed after its answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from sprawl.core.limits import HTTP_REQUEST_BYTES_MAX
from sprawl.gateway.codec import API_RANGES
from sprawl.gateway.metrics import LATENCY_BUCKETS_S, GatewayMetrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_log = logging.getLogger(__name__)

_READ_S = 10.0
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"

Health = Callable[[], dict[str, object]]
"""Facts for /health; its "ready" is a bool."""
Gauges = Callable[[], Iterable[tuple[str, str, float]]]
"""(name, help, value) of what other rooms of the node want shown."""


class HttpServer:
    """Serves one port.

    Args:
        health: called for each health request.
        gauges: called for each metrics request.
    """

    def __init__(self, *, metrics: GatewayMetrics, health: Health, gauges: Gauges) -> None:
        self._metrics = metrics
        self._health = health
        self._gauges = gauges
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Start serving. Returns: the bound port. Raises: OSError when it cannot be bound."""
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=HTTP_REQUEST_BYTES_MAX
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                head = await reader.readuntil(b"\r\n\r\n")
            status, kind, body = self._answer(head)
            writer.write(_response(status, kind, body, is_head=head.startswith(b"HEAD ")))
            await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            _log.debug("an HTTP request did not arrive whole")
        finally:
            writer.close()

    def _answer(self, head: bytes) -> tuple[HTTPStatus, str, bytes]:
        parts = head.split(b"\r\n", 1)[0].split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            return HTTPStatus.BAD_REQUEST, _TEXT, b"not an HTTP/1 request\n"
        if parts[0] not in (b"GET", b"HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"this port is read-only\n"
        path = parts[1].split(b"?")[0].decode("ascii", "replace")
        if path == "/metrics":
            return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self._exposition()
        if path == "/health/live":
            return HTTPStatus.OK, _JSON, b'{"live": true}\n'
        if path in ("/health", "/health/ready"):
            facts = self._health()
            status = HTTPStatus.OK if facts.get("ready") else HTTPStatus.SERVICE_UNAVAILABLE
            return status, _JSON, json.dumps(facts).encode() + b"\n"
        return HTTPStatus.NOT_FOUND, _TEXT, b"try /metrics, /health, /health/live, /health/ready\n"

    def _exposition(self) -> bytes:
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Collector(self._metrics, self._gauges))
        return generate_latest(registry)


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
            yield GaugeMetricFamily(name, text, gauge)
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


def _response(status: HTTPStatus, kind: str, body: bytes, *, is_head: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
