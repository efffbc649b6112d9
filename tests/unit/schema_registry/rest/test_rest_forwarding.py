"""Writes on a node that does not lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from rest_world import MemoryService, RestWorld, rest_world

from sprawl.schema_registry.rest import forwarding
from sprawl.schema_registry.service import NotTheLeader


@pytest.fixture
async def follower(world: RestWorld) -> AsyncIterator[RestWorld]:
    """Knows that `world` leads, and has its state."""
    service = MemoryService()
    service.registry = world.service.registry
    service.failure = NotTheLeader(world.url)
    async with rest_world(service) as follower:
        yield follower


async def test_all_writes_go_to_the_leader(world: RestWorld, follower: RestWorld) -> None:
    assert await follower.register("s", '"int"') == 1
    assert await follower.good("PUT", "/config/s", {"compatibility": "NONE"}) == {
        "compatibility": "NONE"
    }
    assert await follower.good("PUT", "/mode/s?force=true", {"mode": "IMPORT"}) == {
        "mode": "IMPORT"
    }
    assert await follower.good("DELETE", "/mode/s") == {"mode": "IMPORT"}
    assert await follower.good("DELETE", "/config/s") == {"compatibilityLevel": "NONE"}
    assert await follower.good("DELETE", "/subjects/s/versions/1") == 1
    assert await follower.good("DELETE", "/subjects/s/versions/1?permanent=true") == 1
    await follower.good("POST", "/contexts/c/subjects/s/versions", {"schema": '"int"'})
    await follower.good("DELETE", "/contexts/c/subjects/s")
    await follower.good("DELETE", "/contexts/c/subjects/s?permanent=true")
    assert (await follower.ask("DELETE", "/contexts/c")).status == 204
    assert await follower.good("GET", "/contexts") == ["."]
    assert follower.service.log == []


@pytest.mark.parametrize("name", ["a%2Fb", "..%2F..", "..", "50%25", "%D0%BA", "a+b", "%zz"])
async def test_a_path_is_forwarded_as_it_came(
    world: RestWorld, follower: RestWorld, name: str
) -> None:
    await follower.register(name, '"int"')
    assert await world.good("GET", f"/subjects/{name}/versions") == [1]


async def test_a_fragment_reaches_nobody(world: RestWorld, follower: RestWorld) -> None:
    await world.register("a", '"int"')
    for node in (follower, world):
        port = int(node.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"DELETE /subjects/a#b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
    assert await world.good("GET", "/subjects") == ["a"]


async def test_a_large_body(world: RestWorld, follower: RestWorld) -> None:
    schema = '{"type":"record","name":"R","doc":"%s","fields":[]}' % ("x" * 900_000)
    await follower.register("s", schema + " " * 400_000)
    assert (await world.good("GET", "/subjects/s/versions/1"))["schema"] == schema


async def test_the_leaders_refusal_is_passed_on(world: RestWorld, follower: RestWorld) -> None:
    reply = await follower.ask("DELETE", "/subjects/none")
    assert reply.fault == (404, 40401, "Subject 'none' not found.")
    for accept in ("application/json", "application/vnd.schemaregistry+json"):
        reply = await follower.ask("DELETE", "/subjects/none", headers={"Accept": accept})
        assert reply.headers["Content-Type"] == accept


async def test_what_is_malformed_is_refused_without_the_leader(
    world: RestWorld, follower: RestWorld
) -> None:
    assert (await follower.ask("POST", "/subjects/s/versions", {"schema": []})).status == 400
    assert not world.server.served


async def test_reads_are_answered_here(world: RestWorld, follower: RestWorld) -> None:
    await world.register("s", '"int"')
    served = sum(world.server.served.values())
    assert await follower.good("GET", "/subjects/s/versions") == [1]
    assert (await follower.good("POST", "/subjects/s", {"schema": '"int"'}))["version"] == 1
    assert sum(world.server.served.values()) == served


async def test_a_forwarded_request_is_not_forwarded_again(
    world: RestWorld, follower: RestWorld
) -> None:
    world.service.failure = NotTheLeader(follower.url)
    reply = await follower.ask("POST", "/subjects/s/versions", {"schema": '"int"'})
    assert reply.fault[:2] == (500, 50003)
    assert follower.url in reply.fault[2]
    world.service.failure = NotTheLeader(None)
    reply = await follower.ask("POST", "/subjects/s/versions", {"schema": '"int"'})
    assert reply.fault[:2] == (500, 50004)


@pytest.mark.parametrize("leader_url", ["http://127.0.0.1:1", "nonsense", "http://[::"])
async def test_a_leader_that_cannot_be_reached(
    follower: RestWorld, leader_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    follower.service.failure = NotTheLeader(leader_url)
    reply = await follower.ask("DELETE", "/config")
    assert reply.fault[:2] == (500, 50003)
    assert leader_url in reply.fault[2]
    assert leader_url in caplog.text


async def test_reads_too_where_there_is_no_state(world: RestWorld, follower: RestWorld) -> None:
    follower.service.read_failure = NotTheLeader(world.url)
    await world.register("s", '"int"')
    assert await follower.good("GET", "/subjects/s/versions?deleted=true") == [1]
    assert (await follower.good("POST", "/subjects/s", {"schema": '"int"'}))["version"] == 1
    head = await follower.ask("HEAD", "/subjects/s/versions")
    assert (head.status, head.headers["Content-Length"]) == (200, "3")
    follower.service.read_failure = NotTheLeader(None)
    assert (await follower.ask("GET", "/subjects")).code == 50004


async def test_a_leader_that_speaks_no_http(follower: RestWorld) -> None:
    async with _leader(b"not HTTP\r\n\r\n") as (url, _):
        follower.service.failure = NotTheLeader(url)
        assert (await follower.ask("DELETE", "/config")).code == 50003


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("DELETE", "/subjects/s", None),
        ("PUT", "/config", {"compatibility": "NONE"}),
        ("POST", "/subjects/s/versions", {"schema": '"int"'}),
    ],
)
async def test_a_write_is_sent_once_whatever_becomes_of_the_connection(
    follower: RestWorld, method: str, target: str, body: object
) -> None:
    async with _leader(b"") as (url, seen):
        follower.service.failure = NotTheLeader(url)
        assert (await follower.ask(method, target, body)).code == 50003
    assert len(seen) == 1


async def test_a_read_may_be_sent_again(follower: RestWorld) -> None:
    async with _leader(b"") as (url, seen):
        follower.service.read_failure = NotTheLeader(url)
        assert (await follower.ask("GET", "/subjects")).code == 50003
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("status", "header"),
    [("401 Unauthorized", 'WWW-Authenticate: Basic realm="r"'), ("503 Busy", "Retry-After: 7")],
)
async def test_what_a_refusal_of_the_leader_asks_for_is_passed_on(
    follower: RestWorld, status: str, header: str
) -> None:
    body = b'{"error_code":1,"message":""}'
    head = f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with _leader(head.encode() + body) as (url, _):
        follower.service.failure = NotTheLeader(url)
        reply = await follower.ask("DELETE", "/subjects/s")
    assert reply.status == int(status[:3])
    name, _, value = header.partition(": ")
    assert reply.headers[name] == value


async def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(follower: RestWorld) -> None:
    async with _leader(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,") as (url, _):
        follower.service.failure = NotTheLeader(url)
        with pytest.raises(aiohttp.ClientError):
            await follower.ask("DELETE", "/subjects/s")
    assert (await follower.ask("GET", "/")).status == 200


@asynccontextmanager
async def _leader(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives one answer to all; its URL, and the heads of what it was asked."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    leader = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with leader:
        yield f"http://127.0.0.1:{leader.sockets[0].getsockname()[1]}", seen


async def test_what_the_leader_is_told(world: RestWorld, follower: RestWorld) -> None:
    async with _leader(b"HTTP/1.1 204 No Content\r\n\r\n") as (url, seen):
        follower.service.failure = NotTheLeader(f"{url}/")
        reply = await follower.ask(
            "DELETE",
            "/contexts/c?a=%20",
            headers={
                "X-Request-ID": "mine",
                "Accept": "application/json",
                "Cookie": "a=b",
                "Authorization": "Basic bWU6c2VjcmV0",
            },
        )
    assert reply.status == 204
    head = seen[0].decode().split("\r\n")
    assert head[0] == "DELETE /contexts/c?a=%20 HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    assert headers[forwarding.FORWARD] == "true"
    assert headers[forwarding.FORWARDED_FOR] == "127.0.0.1"
    assert headers["X-Request-ID"] == "mine"
    assert headers["Accept"] == "application/json"
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert "Cookie" not in headers
