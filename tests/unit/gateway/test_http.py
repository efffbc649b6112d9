"""The HTTP port: what probes, scrapers and `sprawl doctor` read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from sprawl.core import limits
from sprawl.gateway.http import HttpServer
from sprawl.gateway.metrics import GatewayMetrics

NOW_MS = 1_700_000_000_000
PATIENCE_S = 10


class FixedClock:
    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


class Port:
    """A running HTTP port and what it was told."""

    def __init__(self) -> None:
        self.facts: dict[str, object] = {"ready": True, "cluster_id": "abc"}
        self.metrics = GatewayMetrics()
        self.gauges: Iterable[tuple[str, str, float]] = [("sprawl_topics", "Topics", 3)]
        self.server = HttpServer(
            metrics=self.metrics,
            health=lambda: self.facts,
            gauges=lambda: self.gauges,
            pages={"/page": self._page},
            clock=FixedClock(),
        )
        self.number = 0

    async def _page(self, parameters: Mapping[str, str]) -> object:
        await asyncio.sleep(0)
        if "of" not in parameters:
            raise LookupError("a page of nothing")
        return {"of": parameters["of"]}

    async def ask(self, request: str) -> tuple[int, dict[str, str], str]:
        """Status, header fields by lower-case name, body."""
        raw = await self.exchange(request.encode() + b"\r\nHost: localhost\r\n\r\n")
        head, _, body = raw.decode().partition("\r\n\r\n")
        status, *fields = head.split("\r\n")
        named = (field.split(": ", 1) for field in fields)
        return int(status.split()[1]), {name.lower(): value for name, value in named}, body

    async def exchange(self, data: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
            writer.write(data)
            answer = await reader.read()
            writer.close()
            return answer


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    opened = Port()
    opened.number = await opened.server.listen("127.0.0.1", 0)
    yield opened
    await opened.server.stop()


async def test_pages_take_parameters_and_say_what_is_wrong_with_them(port: Port) -> None:
    status, fields, body = await port.ask("GET /page?of=a%2F0 HTTP/1.1")
    assert (status, fields["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"of": "a/0"}
    assert (await port.ask("GET /page HTTP/1.1"))[::2] == (404, "a page of nothing\n")
    assert "/page" in (await port.ask("GET /other HTTP/1.1"))[2]


async def test_health_tells_the_facts_and_whether_the_node_is_ready(port: Port) -> None:
    for path in ("/health", "/health/ready"):
        status, fields, body = await port.ask(f"GET {path} HTTP/1.1")
        assert (status, fields["content-type"]) == (200, "application/json")
        assert json.loads(body) == port.facts
    port.facts["ready"] = False
    for path in ("/health", "/health/ready"):
        assert (await port.ask(f"GET {path} HTTP/1.1"))[0] == 503


async def test_a_node_that_is_not_ready_lives(port: Port) -> None:
    port.facts["ready"] = False
    assert (await port.ask("GET /health/live HTTP/1.1"))[0] == 200


async def test_answers_are_dated_and_sized(port: Port) -> None:
    _, fields, body = await port.ask("GET /health HTTP/1.1")
    assert parsedate_to_datetime(fields["date"]).timestamp() * 1_000 == NOW_MS
    assert int(fields["content-length"]) == len(body)
    assert fields["connection"] == "close"


async def test_head_has_the_fields_and_no_body(port: Port) -> None:
    status, fields, body = await port.ask("HEAD /health HTTP/1.1")
    assert (status, body) == (200, "")
    assert int(fields["content-length"]) > 0


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /nowhere HTTP/1.1", 404),
        ("GET /health?verbose=1 HTTP/1.1", 200),
        ("POST /health HTTP/1.1", 405),
        ("GET /health", 400),
        ("nonsense", 400),
    ],
)
async def test_other_requests_are_told_what_is_wrong(
    port: Port, request_line: str, status: int
) -> None:
    assert (await port.ask(request_line))[0] == status


async def test_metrics_can_be_parsed_and_hold_what_happened(port: Port) -> None:
    port.metrics.bytes_in = 1_234
    port.metrics.connections_open = 5
    for seconds in (0.0002, 0.003, 60.0):
        port.metrics.api(0).answered(seconds)
    _, fields, body = await port.ask("GET /metrics HTTP/1.1")
    assert fields["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, sample.labels.get("api"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }
    assert samples["sprawl_received_bytes_total", None, None] == 1_234
    assert samples["sprawl_connections_open", None, None] == 5
    assert samples["sprawl_topics", None, None] == 3
    assert samples["sprawl_request_seconds_count", "Produce", None] == 3
    assert samples["sprawl_request_seconds_sum", "Produce", None] == pytest.approx(60.0032)
    assert samples["sprawl_request_seconds_bucket", "Produce", "0.00025"] == 1
    assert samples["sprawl_request_seconds_bucket", "Produce", "0.005"] == 2
    assert samples["sprawl_request_seconds_bucket", "Produce", "+Inf"] == 3
    assert samples["process_resident_memory_bytes", None, None] > 1_000_000


async def test_a_fault_in_one_number_is_answered_and_the_port_lives(
    port: Port, caplog: pytest.LogCaptureFixture
) -> None:
    port.facts["ready"] = port  # not a value JSON knows
    assert (await port.ask("GET /health HTTP/1.1"))[0] == 500
    assert "/health" in caplog.text
    assert (await port.ask("GET /health/live HTTP/1.1"))[0] == 200


async def test_a_request_without_end_is_dropped(port: Port) -> None:
    endless = b"GET / HTTP/1.1\r\nX: " + b"x" * 4 * limits.HTTP_REQUEST_BYTES_MAX
    with suppress(ConnectionResetError):  # what the port did not read comes back as a reset
        assert await port.exchange(endless) == b""
    assert (await port.ask("GET /health/live HTTP/1.1"))[0] == 200


async def test_connections_beyond_the_limit_are_dropped(port: Port) -> None:
    held = [
        await asyncio.open_connection("127.0.0.1", port.number)
        for _ in range(limits.HTTP_CONNECTIONS_MAX)
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    async with asyncio.timeout(PATIENCE_S):
        with suppress(ConnectionResetError):  # which an abort may be seen as
            assert await reader.read() == b""
    for _, each in [*held, (reader, writer)]:
        each.close()


async def test_stopping_does_not_wait_for_those_who_say_nothing(port: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    assert (await port.ask("GET /health/live HTTP/1.1"))[0] == 200
    async with asyncio.timeout(PATIENCE_S / 2):
        await port.server.stop()
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port.number)
