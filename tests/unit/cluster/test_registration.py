"""What a node tells the controller of itself, when that forgets it or does not want it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest

from sprawl.core.cluster import registration
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.cluster.registration import Registration
from sprawl.core.controller.features import SUPPORTED, UNTOLD
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ReplicaId
from sprawl.core.storage.memory import MemoryKeyValueStore


def node(number: int) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(number),
        directory_id=UUID(int=number),
        endpoints={},
        levels=SUPPORTED,
    )


class Controller:
    """What node 2 knows of the controller, on node 1.

    `knows_levels` False is one from before levels; `refusals` are what it says first.
    """

    def __init__(self) -> None:
        self.leader = BrokerId(1)
        self.nodes = {BrokerId(1): node(1), BrokerId(2): replace(node(2), levels=UNTOLD)}
        self.knows_levels = True
        self.refusals: list[KafkaFault] = []
        self.asked = 0

    async def register(self, node: NodeInfo) -> NodeInfo:
        self.asked += 1
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        self.nodes[node.node_id] = node if self.knows_levels else replace(node, levels=UNTOLD)
        return node


class Member:
    """Node 2."""

    def __init__(self) -> None:
        self.controller = Controller()
        kv = MemoryKeyValueStore()
        self._jobs: list[asyncio.Task[None]] = []
        self.registration = Registration(
            node_id=BrokerId(2), kv=kv, book=AddressBook(kv), start=self._start
        )
        kv.put(b"cluster/membership", b'{"replica": 2}')
        self.registration.begin(cast("Any", self.controller))

    def _start(self, job: Any) -> None:
        self._jobs.append(asyncio.get_running_loop().create_task(job))

    async def announce(self) -> None:
        await self.registration.announce(node(2))
        await self.settle()

    async def look(self) -> None:
        self.registration.look()
        await self.settle()

    async def settle(self) -> None:
        await asyncio.gather(*self._jobs)

    @property
    def levels(self) -> object:
        return self.controller.nodes[BrokerId(2)].levels


async def test_a_node_announces_what_its_program_knows() -> None:
    member = Member()
    await member.look()  # nothing was announced yet
    assert member.controller.asked == 0
    await member.announce()
    assert member.levels == SUPPORTED
    await member.look()
    assert member.controller.asked == 1


async def test_what_a_controller_from_before_levels_forgets_is_told_to_the_next_one() -> None:
    member = Member()
    member.controller.knows_levels = False
    await member.announce()
    assert member.levels == UNTOLD
    await member.look()
    assert member.controller.asked == 2
    member.controller.knows_levels = True
    await member.look()
    assert member.levels == SUPPORTED


async def test_a_controller_that_changes_while_it_is_told_is_not_missed() -> None:
    member = Member()
    member.controller.knows_levels = False
    await member.announce()
    member.registration.look()
    await asyncio.sleep(0)  # the old one is being told
    member.registration.look()
    assert member.controller.asked == 2
    await member.settle()
    assert member.controller.asked == 3


async def test_what_could_not_be_told_is_told_at_the_next_look() -> None:
    member = Member()
    await member.announce()
    member.controller.nodes[BrokerId(2)] = replace(node(2), levels=UNTOLD)
    member.controller.refusals = [KafkaFault(ErrorCode.NOT_CONTROLLER)]
    await member.look()
    assert member.levels == UNTOLD
    await member.look()
    assert member.levels == SUPPORTED


@pytest.mark.parametrize(
    ("code", "is_for_good"),
    [(ErrorCode.UNSUPPORTED_VERSION, False), (ErrorCode.BROKER_ID_NOT_REGISTERED, True)],
)
async def test_a_running_node_that_is_not_wanted_is_out(
    code: ErrorCode, is_for_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "ANNOUNCE_AGAIN_S", 0)
    member = Member()
    away = KafkaFault(ErrorCode.NOT_CONTROLLER)
    member.controller.refusals = [away, away, KafkaFault(code)]
    await member.announce()
    assert member.registration.is_out
    assert member.registration.was_removed() is is_for_good
    await member.look()
    assert member.controller.asked == 3


async def test_a_node_that_is_not_wanted_hears_of_it_at_its_start() -> None:
    member = Member()
    member.controller.refusals = [KafkaFault(ErrorCode.UNSUPPORTED_VERSION, "too old")]
    with pytest.raises(KafkaFault, match="too old"):
        await member.announce()
    assert not member.registration.is_out
