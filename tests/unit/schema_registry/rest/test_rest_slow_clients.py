"""Clients that do not take their answers, and those that leave amid one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import TypeVar, cast

import pytest
from rest_world import MemoryService, RestWorld, rest_world

from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.rest.answers import encode
from sprawl.schema_registry.service import NotTheLeader

T = TypeVar("T")

REQUEST = b"GET /subjects HTTP/1.1\r\nHost: x\r\n\r\n"
_WAIT_S = 20.0


class LongService(MemoryService):
    """Every list has 32 MB, which no buffer of the system holds."""

    async def read(self, query: Callable[[Registry], T], **_: object) -> T:
        if self.read_failure is not None:
            raise self.read_failure
        return cast("T", encode(["x" * 1_000_000] * 32))


async def ask_and_read_nothing(world: RestWorld) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", int(world.url.rpartition(":")[2])))
    await loop.sock_sendall(client, REQUEST)
    return client


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


async def test_an_answer_that_nobody_takes_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEND_S", 0.05)
    async with rest_world(LongService()) as world:
        with await ask_and_read_nothing(world):
            await until(lambda: world.server.connections_count == 1)
            await until(lambda: world.server.connections_count == 0)


async def test_answers_under_way_count_as_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_MAX", 1)
    async with rest_world(LongService()) as world:
        with await ask_and_read_nothing(world):
            await until(lambda: bool(world.server.served))
            assert (await world.ask("GET", "/")).status == 503
        await until(lambda: world.server.connections_count == 1)
        assert (await world.ask("GET", "/")).status == 200


async def test_nor_does_it_hold_a_connection_to_the_leader(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "SEND_S", 0.05)
    monkeypatch.setattr(limits, "FORWARD_CONNECTIONS_MAX", 1)
    service = MemoryService()
    async with rest_world(LongService()) as leader, rest_world(service) as follower:
        service.failure = service.read_failure = NotTheLeader(leader.url)
        with await ask_and_read_nothing(follower):
            await until(lambda: bool(follower.server.served))
            assert await follower.good("PUT", "/config", {"compatibility": "FULL"})
    assert "the leader's answer" not in caplog.text


async def test_a_client_that_leaves_is_not_taken_for_a_leader_that_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = MemoryService()
    async with rest_world(LongService()) as leader, rest_world(service) as follower:
        service.read_failure = NotTheLeader(leader.url)
        with await ask_and_read_nothing(follower):
            await until(lambda: bool(follower.server.served))
        await until(lambda: follower.server.connections_count == 0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_stopped_server_leaves_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STOP_S", 0.05)
    async with rest_world(LongService()) as world:
        with await ask_and_read_nothing(world) as client:
            await until(lambda: bool(world.server.served))
            await world.server.stop()
            received = 0
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(_WAIT_S):
                    while piece := await asyncio.get_running_loop().sock_recv(client, 1_000_000):
                        received += len(piece)
            assert received < 16_000_000
