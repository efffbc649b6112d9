"""A node's schema registry port: taken, opened, and given back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sprawl import registry_port
from sprawl.config import resolve
from sprawl.faults import StartFault
from sprawl.node import Node
from sprawl.platform import SystemPlatform
from sprawl.registry_port import RegistryPort
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.node_topic import NodeTopic


def _port(port: int) -> RegistryPort:
    settings = resolve(
        flags={"host": "127.0.0.1", "schema.registry.port": str(port)},
        environment={},
        file={},
        file_name="sprawl.toml",
        broker_keys=[],
    )
    return RegistryPort(settings, SystemPlatform())


async def test_two_nodes_that_start_at_once_do_not_take_the_same_port() -> None:
    first = _port(0)
    first.bind()
    [endpoint] = first.endpoints("x").values()
    second = _port(endpoint.port)
    with pytest.raises(StartFault):
        second.bind()
    await second.stop()
    await first.stop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", endpoint.port))


async def test_the_first_request_after_a_start_waits_for_the_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"schema": '"int"'}
    async with (
        Node(data_dir=tmp_path, schema_registry_port=0) as node,
        aiohttp.ClientSession() as session,
        session.post(f"{node.schema_registry}/subjects/s/versions", json=body) as answer,
    ):
        assert answer.status == 200
    may_read = asyncio.Event()
    read = NodeTopic.read

    async def slow(topic: NodeTopic, offset: int | None) -> Any:
        await may_read.wait()
        return await read(topic, offset)

    monkeypatch.setattr(NodeTopic, "read", slow)
    async with (
        Node(data_dir=tmp_path, schema_registry_port=0) as node,
        aiohttp.ClientSession() as session,
    ):
        asking = asyncio.create_task(session.get(f"{node.schema_registry}/subjects"))
        await asyncio.wait([asking], timeout=0.5)
        may_read.set()
        assert await (await asking).json(content_type=None) == ["s"]


async def test_a_node_stops_while_its_registry_waits_for_the_topic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    async with (
        Node(data_dir=tmp_path, schema_registry_port=0) as node,
        aiohttp.ClientSession() as session,
        session.put(f"{node.schema_registry}/config", json={"compatibility": "FULL"}) as answer,
    ):
        assert answer.status == 200
    monkeypatch.setattr(NodeTopic, "read", never)
    monkeypatch.setattr(limits, "CLOSING_S", 0.01)
    async with Node(data_dir=tmp_path, schema_registry_port=0) as node:
        port = int(str(node.schema_registry).rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def test_a_registry_that_cannot_be_loaded_refuses_its_clients(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: str) -> None:
        raise ImportError("no aiohttp")

    monkeypatch.setattr(registry_port, "import_module", fails)
    async with Node(schema_registry_port=0) as node:
        address = int(str(node.schema_registry).rpartition(":")[2])
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", address)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", address)
        writer.close()
    assert [
        record.levelno for record in caplog.records if record.name == registry_port.__name__
    ] == [logging.ERROR]


@pytest.mark.parametrize("name", ["schema.registry.mode.mutability", "mode.mutability"])
async def test_modes_that_may_not_be_changed(name: str) -> None:
    settings: dict[str, Any] = {name: "false"}
    async with (
        Node(schema_registry_port=0, **settings) as node,
        aiohttp.ClientSession() as session,
    ):
        for method in ("PUT", "DELETE"):
            async with session.request(
                method, f"{node.schema_registry}/mode", json={"mode": "READONLY"}
            ) as answer:
                assert (await answer.json(content_type=None))["error_code"] == 42205
        async with session.get(f"{node.schema_registry}/mode") as answer:
            assert await answer.json(content_type=None) == {"mode": "READWRITE"}
