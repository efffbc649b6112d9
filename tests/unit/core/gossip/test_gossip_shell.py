"""Membership on real sockets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from gossip_bench import member

from sprawl.core.cluster.peers import PeerAddress, PeerIdentity
from sprawl.core.cluster.transport import Transport
from sprawl.core.gossip.digest import LoadDigest
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.membership import Membership
from sprawl.core.gossip.model import Event, EventKind
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.gossip.shell import EXCHANGE, GossipShell
from sprawl.core.ids import BrokerId
from sprawl.gateway.sockets import bind_datagrams, free_ports

FAST = GossipSettings(
    probe_interval_ms=200, probe_timeout_ms=100, gossip_interval_ms=20, leave_ms=100
)
KEY = b"k" * 32
HOST = "127.0.0.1"


class Town:
    """A few shells on this machine, and what each was told."""

    def __init__(self) -> None:
        self.shells: dict[int, GossipShell] = {}
        self.transports: dict[int, Transport] = {}
        self.events: dict[int, list[tuple[EventKind, int]]] = {}
        self.addresses: dict[int, PeerAddress] = {}

    async def start(self, number: int, *, epoch: int = 1) -> GossipShell:
        told = self.events.setdefault(number, [])
        node, directory = member(number)
        transport = Transport(
            identity=PeerIdentity(node_id=node, directory_id=directory, incarnation=epoch),
            cluster_id="town",
            rng=random.Random(number),
            addresses=self.addresses.get,
            expected_directory=lambda node: member(node).directory_id,
        )
        if number not in self.addresses:
            self.addresses[number] = PeerAddress(HOST, *free_ports(HOST, 1))
        address = self.addresses[number]
        datagrams = bind_datagrams(*address)
        await transport.listen(*address)

        def on_event(event: Event) -> None:
            told.append((event.kind, event.id.node_id))

        shell = GossipShell(
            settings=FAST,
            me=member(number),
            told=address,
            epoch=epoch,
            rng=random.Random(number),
            calls=transport,
            place_of=lambda member, _: self.addresses.get(member.node_id),
            peer_of=lambda member, seed: seed if member is None else member.node_id,
            on_event=on_event,
            keyring=Keyring(member(number), (KEY,), bytes([number, epoch]) * 2),
        )
        await shell.start(datagrams, list(self.addresses.values())[:2])
        self.shells[number] = shell
        self.transports[number] = transport
        return shell

    async def close(self, number: int) -> None:
        await self.shells.pop(number).close()
        await self.transports.pop(number).close()

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

    town.shells[1].leave()
    await town.shells[1].departed()
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


async def test_who_knows_nobody_has_left_at_once(town: Town) -> None:
    shell = await town.start(0)
    shell.leave()
    async with asyncio.timeout(60):
        await shell.departed()


async def test_a_timer_that_is_overdue_is_one_like_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = await town.start(0)
    overdue = property(lambda membership: shell.now_ms() - 5)
    with monkeypatch.context() as patched:
        patched.setattr(Membership, "deadline_ms", overdue)
        for _ in range(2):
            shell.update_digest(LoadDigest(1, 2, 3, 4, 5, 6, 7))
    await town.start(1)
    await town.until(lambda: town.told(EventKind.JOINED, 1))


async def test_load_digests_spread(town: Town) -> None:
    for number in range(3):
        await town.start(number)
    digest = LoadDigest(1, 2, 3, 4, 5, 6, 7)
    town.shells[0].update_digest(digest)

    def is_known() -> bool:
        loads = [town.shells[number].membership.load(member(0)) for number in (1, 2)]
        return all(load is not None and load.digest == digest for load in loads)

    await town.until(is_known)


async def test_garbage_harms_nothing(town: Town) -> None:
    shell = await town.start(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for data in (b"", b"x", b"\x81" * 100, b"\1" * 2_000):
            out.sendto(data, tuple(town.addresses[0]))
    await town.start(1)
    for data in (b"", b"\xff" * 8, b"\0\0\0\4abcd"):
        answer = await town.transports[1].call(BrokerId(0), EXCHANGE, data, timeout_ms=10_000)
        assert answer == b""
    await town.until(lambda: shell.membership.counters.packets_in >= 4)
    await town.until(lambda: town.told(EventKind.JOINED, 1))
    refused = shell.membership.counters
    assert refused.plain + refused.malformed + refused.key_unknown >= 7


async def test_nothing_is_sent_where_nobody_is(town: Town) -> None:
    shell = await town.start(0)
    await town.start(1)
    await town.until(lambda: town.told(EventKind.JOINED, 1))
    del town.addresses[1]
    await town.until(lambda: shell.datagrams_unplaced > 0)
    await town.until(lambda: (EventKind.SUSPECT, 1) in town.events[0])
