"""Starting, stopping, and clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from typing import TypeVar

import pytest
from rest_world import FACTS, MemoryService, RestWorld, rest_world

from sprawl.gateway.sockets import bind
from sprawl.schema_registry.model.registry import Judged, Registry
from sprawl.schema_registry.rest import RegistryServer, limits

T = TypeVar("T")


class SlowService(MemoryService):
    """Holds writes until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()
        self.go_on = asyncio.Event()

    async def write(self, command: Callable[[Registry], Judged[T]]) -> T:
        self.came.set()
        await self.go_on.wait()
        return await super().write(command)


async def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = RegistryServer(MemoryService(), facts=FACTS, bind=bind)
        with pytest.raises(OSError, match="in use"):
            await server.start("127.0.0.1", taken.getsockname()[1])
        await server.stop()


async def test_a_name_with_two_addresses_has_one_port() -> None:
    async def greet(host: str, port: int) -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    server = RegistryServer(MemoryService(), facts=FACTS, bind=bind)
    port = await server.start("localhost", 0)
    try:
        for *_, place in await asyncio.get_running_loop().getaddrinfo("localhost", port):
            with contextlib.suppress(OSError):
                assert b" 200 OK" in await greet(str(place[0]), port)
        assert server.served
    finally:
        await server.stop()


async def test_a_request_under_way_is_answered_before_the_stop() -> None:
    service = SlowService()
    async with rest_world(service) as world:
        asking = asyncio.create_task(world.register("s", '"int"'))
        await service.came.wait()
        stopping = asyncio.create_task(world.server.stop())
        await asyncio.sleep(0)
        service.go_on.set()
        assert await asking == 1
        await stopping
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))


async def test_a_request_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STOP_S", 0.01)
    service = SlowService()
    async with rest_world(service) as world:
        asking = asyncio.create_task(world.ask("DELETE", "/config"))
        await service.came.wait()
        await world.server.stop()
        with pytest.raises(OSError):
            await asking


async def test_a_write_goes_on_when_its_client_leaves() -> None:
    service = SlowService()
    async with rest_world(service) as world:
        asking = asyncio.create_task(world.register("s", '"int"'))
        await service.came.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        service.go_on.set()
        assert await world.good("GET", "/subjects/s/versions") == [1]


@pytest.mark.parametrize("length", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
async def test_a_client_that_leaves_amid_its_body(
    world: RestWorld, caplog: pytest.LogCaptureFixture, length: bytes
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
    await writer.drain()
    writer.transport.abort()
    await world.good("GET", "/")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
async def test_a_body_that_cannot_be_decompressed(
    world: RestWorld, caplog: pytest.LogCaptureFixture, encoding: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(
        b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Length: 5\r\nContent-Encoding: " + encoding + b"\r\n\r\nabcde"
    )
    assert b" 400 " in await reader.readline()
    await reader.read()
    writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_body_that_never_comes(world: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S", 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    assert b" 408 " in await reader.readline()
    writer.close()


async def test_a_target_in_absolute_form_and_raw_bytes(
    world: RestWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.register("a%2Fb", '"int"')
    port = int(world.url.rpartition(":")[2])
    for target, status in (
        (b"http://proxied:81/subjects/a%2Fb/versions", b" 200 "),
        (b"/subjects/\xff/versions", b" 4"),
        (b"/subjects/\xc3\xbc/versions", b" 4"),
        (b"*", b" 4"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert status in await reader.readline()
        writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
