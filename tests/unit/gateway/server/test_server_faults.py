"""What a fault costs, a peer's or our own: one connection, and one line in the log."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from server_world import (
    API_VERSIONS,
    HEARTBEAT,
    HEARTBEATS,
    PRODUCE,
    Gates,
    World,
    api_versions,
    heartbeat,
    serving,
)

from sprawl.core import limits
from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.dispatch import HandlerSpec, RequestContext

# --- the peer's faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\0\0\0\2\0\0",
        b"\x7f\xff\xff\xff",
        heartbeat(2)[:-1] + b"\x99\x99",
        b"\0\0\0\4junk",
    ],
)
async def test_garbage_closes_its_connection_with_one_line_and_no_other(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(HEARTBEATS):
        async with World() as world:
            bystander, peer = await world.connect(), await world.connect()
            peer.send(heartbeat(1) + garbage)
            assert await peer.correlation_ids(1) == [1]
            assert await peer.rest() == b""
            bystander.send(heartbeat(5))
            assert await bystander.correlation_ids(1) == [5]
            assert world.metrics.malformed_requests == 1
    [line] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "closed" in line.getMessage()
    assert vars(line)["peer"].startswith("127.0.0.1:")


async def test_a_web_browser_is_told_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async with World() as world:
        peer = await world.connect()
        peer.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await peer.rest()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Kafka port" in answer
    assert "HTTP" in caplog.text


async def test_a_tls_client_is_disconnected_with_the_reason_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with World() as world:
        peer = await world.connect()
        peer.send(b"\x16\x03\x01\x00\xf5\x01\x00\x00\xf1\x03\x03" + bytes(200))
        assert await peer.rest() == b""
    assert "security.protocol=PLAINTEXT" in caplog.text


async def test_a_peer_that_errs_again_and_again_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with World() as world:
        for _ in range(limits.LOG_LIMIT_LINES_MAX + 5):
            peer = await world.connect()
            peer.send(b"\xff\xff\xff\xff")
            await peer.rest()
        assert world.metrics.malformed_requests == limits.LOG_LIMIT_LINES_MAX + 5
    assert len(caplog.records) == limits.LOG_LIMIT_LINES_MAX


@pytest.mark.parametrize(
    ("key", "version", "word"),
    [
        (HEARTBEAT, 5, "Heartbeat v5 is not served, only v0 to v4"),
        (PRODUCE, 2, "Produce v2 is not served, only v3 to v13"),
        (3, 1, "Metadata is not served"),
        (999, 0, "API key 999 is not served"),
    ],
)
async def test_an_unserved_api_or_version_closes_the_connection(
    key: int, version: int, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = key.to_bytes(2, "big") + version.to_bytes(2, "big") + b"\0\0\0\1\xff\xff\0"
    with serving(HEARTBEATS, Gates().spec()):
        async with World() as world:
            peer = await world.connect()
            peer.send(len(header).to_bytes(4, "big") + header)
            assert await peer.rest() == b""
    assert word in caplog.text


async def test_a_client_from_the_future_learns_which_api_versions_to_use() -> None:
    header = b"\0\x12\0\x63" + b"\0\0\0\5" + b"\0\4test" + b"\0"
    request = header + b"\x05java\x04123\0"
    with serving(HEARTBEATS):
        async with World() as world:
            peer = await world.connect()
            peer.send(len(request).to_bytes(4, "big") + request)
            body = await peer.response(API_VERSIONS, 0)
            assert body.error_code == ErrorCode.UNSUPPORTED_VERSION
            assert [(api.api_key, api.min_version, api.max_version) for api in body.api_keys] == [
                (API_VERSIONS, 0, 4)
            ]
            peer.send(api_versions(6, version=4))
            body = await peer.response(API_VERSIONS, 4)
            assert [api.api_key for api in body.api_keys] == [HEARTBEAT, API_VERSIONS]


async def test_a_fault_found_by_a_handler_closes_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handle(ctx: RequestContext, request: Any) -> Struct:
        raise PeerFault("acks=0 and the batch was refused")

    with serving(HandlerSpec(HEARTBEAT, 0, 4, handle)):
        async with World() as world:
            peer = await world.connect()
            peer.send(heartbeat(1))
            assert await peer.rest() == b""
            assert world.metrics.handler_failures == 0
    assert "the batch was refused" in caplog.text


# --- our own faults ------------------------------------------------------------------------------


def _raise_at_once(ctx: RequestContext, request: Any) -> Struct:
    raise ZeroDivisionError("a bug")


async def _raise_later(ctx: RequestContext, request: Any) -> Struct:
    await asyncio.sleep(0)
    raise ZeroDivisionError("a bug")


def _answer_nonsense(ctx: RequestContext, request: Any) -> Struct:
    return HEARTBEATS.handle(ctx, type(request)(generation_id=2**40))


@pytest.mark.parametrize("handle", [_raise_at_once, _raise_later, _answer_nonsense])
async def test_a_bug_in_a_handler_costs_one_connection_and_is_logged_with_the_request(
    handle: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(HandlerSpec(HEARTBEAT, 0, 4, handle)):
        async with World() as world:
            peer = await world.connect()
            peer.send(heartbeat(77))
            assert await peer.rest() == b""
            assert world.metrics.handler_failures == 1
            other = await world.connect()
            other.send(api_versions(1))
            assert await other.correlation_ids(1) == [1]
    [line] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert line.exc_info is not None
    assert vars(line)["api"] == "Heartbeat v4"
    assert vars(line)["correlation_id"] == 77
    assert vars(line)["client_id"] == "'test'"
