"""Membership of whole nodes on real sockets: what they say of each other, and do with it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import shutil
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from cluster_world import ClusterWorld

from sprawl.core.cluster.membership import ClusterMembership
from sprawl.core.gossip.model import Event, EventKind, MemberState
from sprawl.faults import SettingFault, StartFault
from sprawl.gateway.sockets import free_ports
from sprawl.node import Node


def membership(world: ClusterWorld, number: int) -> ClusterMembership:
    found: ClusterMembership = world.nodes[number]._running._gossip.membership
    return found


def states(world: ClusterWorld, number: int) -> dict[int, str]:
    return {
        each.member.id.node_id: each.member.state.name for each in membership(world, number).seen()
    }


async def until_all_say(world: ClusterWorld, expected: dict[int, str]) -> None:
    await world.until(lambda: all(states(world, each) == expected for each in world.nodes))


async def test_a_stop_has_left_and_a_restart_is_another_life(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE", 3: "ALIVE"})
        await world.stop(3)
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE", 3: "LEFT"})
        await world.start(3)
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE", 3: "ALIVE"})
        for number in (1, 2):
            events = membership(world, number).events
            assert events[EventKind.DEAD] == 0
            assert events[EventKind.LEFT] == 1
            assert events[EventKind.REJOINED] == 1


async def test_a_removed_node_leaves(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE", 3: "ALIVE"})
        await world.broker(1).controller.remove_node(3)
        await world.until(lambda: states(world, 1)[3] == states(world, 2)[3] == "LEFT")


async def test_a_data_directory_that_was_replaced_counts_no_more(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path) as world:
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE", 3: "ALIVE"})
        await world.stop(3)
        shutil.rmtree(tmp_path / "3")
        world._settings["replace_node"] = "true"
        await world.start(3)
        found = membership(world, 1)
        await world.until(lambda: found.states()[MemberState.ALIVE] == 3)
        assert [each.member.state.name for each in found.seen()].count("LEFT") == 1
        assert found.states()[MemberState.LEFT] == 0


async def test_certificates_without_keys_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path, "ca")
    authority.node(1)
    settings: dict[str, Any] = {
        "peer_port": 0,
        "peer_certificate": tmp_path / "node-1.crt",
        "peer_key": tmp_path / "node-1.key",
        "peer_ca": authority.path,
    }
    async with Node(host="127.0.0.1", port=0, **settings):
        pass
    [line] = [each for each in caplog.messages if "are not sealed" in each]
    assert "openssl rand -base64 32" in line


async def test_a_death_wakes_only_where_there_is_no_connection(tmp_path: Path) -> None:
    async with ClusterWorld(2, tmp_path) as world:
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE"})
        found = membership(world, 1)
        woken: list[int] = []
        found._on_gone = woken.append
        other = next(each.member for each in found.seen() if each.member.id.node_id == 2)
        dead = Event(EventKind.DEAD, other.id, other.epoch, other.address)
        found._hear(dead)
        assert woken == []
        await world.stop(2)
        await world.until(lambda: not found._transport.is_connected(other.id.node_id))
        woken.clear()
        found._hear(dead)
        assert woken == [2]


async def test_keys_seal_what_is_said_and_are_rotated(tmp_path: Path) -> None:
    old, new = base64.b64encode(b"o" * 32), base64.b64encode(b"n" * 32)
    keys = tmp_path / "keys"
    keys.write_bytes(old + b"\n")
    async with ClusterWorld(2, tmp_path / "data", gossip_keys=str(keys)) as world:
        await until_all_say(world, {1: "ALIVE", 2: "ALIVE"})
        for lines in ((old, new), (new, old), (new,)):
            keys.write_bytes(b"\n".join(lines) + b"\n")
            for node in world.nodes.values():
                node._running._gossip.refresh_keys()
            before = membership(world, 1).counters.packets_in
            await world.until(
                lambda before=before: membership(world, 1).counters.packets_in > before + 1
            )
        for number in (1, 2):
            counters = membership(world, number).counters
            assert (counters.plain, counters.key_unknown, counters.forged) == (0, 0, 0)
            assert membership(world, number).states()[MemberState.ALIVE] == 2


async def test_keys_that_cannot_be_used_are_a_fault_of_the_settings(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("not a key\n")
    settings: dict[str, Any] = {"peer_port": 0, "gossip_keys": str(keys)}
    with pytest.raises(SettingFault, match="line 1 is no base64"):
        async with Node(host="127.0.0.1", port=0, **settings):
            pass


async def test_a_taken_number_of_udp_is_a_fault_and_zero_takes_another() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        with pytest.raises(StartFault, match=rf"peer port {number} is in use \(UDP\)"):
            async with Node(host="127.0.0.1", port=0, **{"peer_port": number}):
                pass
    async with Node(host="127.0.0.1", port=0, **{"peer_port": 0}) as node:
        peer = node._running.peer
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", peer.port))


async def test_the_http_port_tells_the_members(tmp_path: Path) -> None:
    [port] = free_ports("127.0.0.1", 1)
    async with Node(host="127.0.0.1", port=0, **{"peer_port": 0, "http_port": port}) as node:
        url = f"http://127.0.0.1:{port}"

        async def members() -> dict[str, Any]:
            body = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/members").read())
            found: dict[str, Any] = json.loads(body)
            return found

        # A node knows its own load with the first tick of gossip.
        while (found := await members())["members"][0]["load"] is None:
            pass
        assert found["cluster_id"] == node._running.cluster_id
        [me] = found["members"]
        assert (me["node_id"], me["state"], me["is_registered"]) == (1, "alive", True)
        assert me["load"]["partitions"] == 0
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/metrics").read())
        assert b"sprawl_members_alive 1.0" in text
        assert b"sprawl_gossip_packets_out_total" in text


async def test_without_a_peer_port_there_is_no_membership(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with Node(host="127.0.0.1", port=0) as node:
        assert node._running._gossip is None
    assert "membership" not in caplog.text
