"""Membership on real sockets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from gossip_bench import member

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip.digest import LoadDigest
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.model import Event, EventKind
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.gossip.shell import GossipShell

FAST = GossipSettings(
    probe_interval_ms=200, probe_timeout_ms=100, gossip_interval_ms=20, leave_ms=100
)
KEY = b"k" * 32


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Town:
    """A few shells on this machine, and what each was told."""

    def __init__(self) -> None:
        self.shells: dict[int, GossipShell] = {}
        self.events: dict[int, list[tuple[EventKind, int]]] = {}
        self._addresses: dict[int, PeerAddress] = {}

    async def start(self, number: int, *, epoch: int = 1) -> GossipShell:
        address = self._addresses.setdefault(number, PeerAddress("127.0.0.1", free_port()))
        told = self.events.setdefault(number, [])

        def on_event(event: Event) -> None:
            told.append((event.kind, event.id.node_id))

        shell = GossipShell(
            settings=FAST,
            me=member(number),
            bind=address,
            advertised=address,
            epoch=epoch,
            rng=random.Random(number),
            on_event=on_event,
            keyring=Keyring(member(number), (KEY,), bytes([number, epoch]) * 2),
        )
        await shell.start(list(self._addresses.values())[:2])
        self.shells[number] = shell
        return shell

    async def close(self, number: int) -> None:
        await self.shells.pop(number).close()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                await asyncio.sleep(0.01)

    def told(self, kind: EventKind, number: int) -> bool:
        """Was every other running node told?"""
        return all((kind, number) in self.events[other] for other in self.shells if other != number)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town()
    yield town
    for number in list(town.shells):
        await town.close(number)


async def test_nodes_join_leave_crash_and_come_back(town: Town) -> None:
    for number in range(4):
        await town.start(number)
    await town.until(lambda: all(town.told(EventKind.JOINED, number) for number in range(4)))

    await town.shells[1].leave()
    await town.close(1)
    await town.until(lambda: town.told(EventKind.LEFT, 1))

    await town.close(2)
    await town.until(lambda: town.told(EventKind.DEAD, 2))

    for number in (1, 2):
        await town.start(number, epoch=5)
    back = {(EventKind.REJOINED, number) for number in (1, 2)}
    await town.until(lambda: all(back <= {*town.events[stayed]} for stayed in (0, 3)))
    for told in town.events.values():
        assert (EventKind.DEAD, 1) not in told
        assert (EventKind.LEFT, 2) not in told


async def test_load_digests_spread(town: Town) -> None:
    for number in range(3):
        await town.start(number)
    digest = LoadDigest(1, 2, 3, 4, 5)
    town.shells[0].update_digest(digest)

    def is_known() -> bool:
        loads = [town.shells[number].membership.load(member(0)) for number in (1, 2)]
        return all(load is not None and load.digest == digest for load in loads)

    await town.until(is_known)


async def test_garbage_on_the_port_harms_nothing(town: Town) -> None:
    shell = await town.start(0)
    address = shell.membership.me.address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (b"", b"x", b"\x81" * 100, b"\1" * 2_000):
            out.sendto(data, tuple(address))
    for data in (b"", b"\xff" * 8, b"\0\0\0\4abcd"):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    await town.until(lambda: shell.membership.counters.packets_in >= 4)
    await town.start(1)
    await town.until(lambda: town.told(EventKind.JOINED, 1))
