"""Mutual TLS: who gets in, who does not, and certificates that change while a node runs."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from sprawl.core.cluster.peer_tls import PeerTls
from sprawl.core.cluster.transport import PeerAddress, PeerUnreachable
from tests.unit.cluster.certificates import Authority
from tests.unit.cluster.peers_world import Node, World, until, world


async def refused_call(node: Node, to: int) -> str:
    with pytest.raises(PeerUnreachable) as lost:
        await node.call(to, ms=3_000)
    assert not lost.value.was_sent
    return lost.value.reason


async def pair(nodes: World, authority: Authority) -> tuple[Node, Node]:
    one = await nodes.start(1, tls=authority.node(1))
    return one, await nodes.start(2, tls=authority.node(2))


async def test_nodes_with_certificates_talk(tmp_path: Path) -> None:
    async with world() as nodes:
        one, two = await pair(nodes, Authority(tmp_path, "ca"))
        assert await one.call(2, body=b"x" * 300_000) == b"1:" + b"x" * 300_000
        assert await two.call(1, body=b"y") == b"2:y"
        one.send(2, b"z" * 5_000_000)
        await until(lambda: two.received)
        assert two.bodies == [b"z" * 5_000_000]


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    async with world() as nodes:
        ours, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
        one = await nodes.start(1, tls=ours.node(1))
        await nodes.start(2, tls=other.node(2))
        assert "certificate verify failed" in await refused_call(one, 2)


async def test_a_dialer_of_another_authority_is_refused(tmp_path: Path) -> None:
    """Its own check passes because it trusts both; the acceptor's does not."""
    async with world() as nodes:
        ours, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
        two = await nodes.start(2, tls=ours.node(2))
        tls = other.node(1)
        other.path.write_bytes(other.path.read_bytes() + ours.path.read_bytes())
        one = await nodes.start(1, tls=tls)
        assert "not accept this node's certificate" in await refused_call(one, 2)
        assert not two.ups


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    async with world() as nodes:
        authority = Authority(tmp_path, "ca")
        one = await nodes.start(1, tls=authority.node(1))
        await nodes.start(2, tls=authority.node(2, lives=timedelta(hours=-1)))
        assert "expired" in await refused_call(one, 2)


@pytest.mark.parametrize("uri", ["sprawl:node:3", "sprawl:node:", "sprawl:node:x2", "node:2"])
async def test_a_certificate_of_another_node_is_refused(tmp_path: Path, uri: str) -> None:
    async with world() as nodes:
        authority = Authority(tmp_path, "ca")
        one = await nodes.start(1, tls=authority.node(1))
        two = await nodes.start(2, tls=authority.issue(uri, file="two"))
        assert "URI:sprawl:node:2" in await refused_call(one, 2)
        assert "URI:sprawl:node:2" in await refused_call(two, 1)
        assert not one.ups
        assert not two.ups


async def test_a_peer_without_tls_is_told_nothing(tmp_path: Path) -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        two = await nodes.start(2, tls=Authority(tmp_path, "ca").node(2))
        await refused_call(one, 2)
        await refused_call(two, 1)


async def test_a_peer_without_a_certificate_gets_nothing(tmp_path: Path) -> None:
    async with world() as nodes:
        authority = Authority(tmp_path, "ca")
        one = await nodes.start(1, tls=authority.node(1))
        context = ssl.create_default_context(cafile=str(authority.path))
        context.check_hostname = False
        for name in ("some.host", None):
            reader, writer = await asyncio.open_connection(
                *one.address, ssl=context, server_hostname=name or ""
            )
            with suppress(ssl.SSLError):  # uvloop sends the alert, asyncio just closes
                assert await reader.read() == b""
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        assert not one.transport.counters.connections_opened


async def test_a_new_certificate_holds_for_new_connections(tmp_path: Path) -> None:
    """Both authority and certificates are replaced; the old ones count no more."""
    async with world() as nodes:
        before = Authority(tmp_path, "ca")
        one, two = await pair(nodes, before)
        old_tls = Authority(tmp_path, "unused")  # keeps the file names apart
        assert await one.call(2) == b"1:"
        after = Authority(tmp_path, "ca")  # the same file
        after.node(1)
        after.node(2)
        assert await one.call(2) == b"1:"
        address = PeerAddress(*two.address)
        assert await one.transport.call(address, "echo", b"", timeout_ms=3_000) == b"1:"
        before.path = old_tls.path
        before.path.write_bytes(after.path.read_bytes())
        stranger = await nodes.start(3, tls=before.node(3))
        assert "certificate" in await refused_call(stranger, 1)


async def test_files_that_cannot_be_used_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as nodes:
        one, two = await pair(nodes, Authority(tmp_path, "ca"))
        (tmp_path / "node-1.crt").write_text("half of a cert")
        (tmp_path / "node-2.key").unlink()
        assert await one.call(2) == b"1:"
        for _ in range(2):
            assert await one.transport.call(two.address, "echo", b"", timeout_ms=3_000) == b"1:"
        lines = [line for line in caplog.messages if "go on with the former ones" in line]
        assert len(lines) == 2


def test_files_that_cannot_be_used_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        PeerTls(tmp_path / "a", tmp_path / "b", tmp_path / "c")
