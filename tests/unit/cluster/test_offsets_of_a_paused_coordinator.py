"""A coordinator that stood still while another one took over does not answer older offsets."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_world import ClusterWorld

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import CommitRequest, OffsetToCommit
from sprawl.core.groups.placement import OFFSETS_TOPIC
from sprawl.core.replication.host import RaftHost
from sprawl.gateway.codec._generated import k09_offset_fetch as k09
from sprawl.gateway.handlers import k09_offset_fetch


async def commit(world: ClusterWorld, number: int, offset: int) -> ErrorCode:
    row = OffsetToCommit("t", 0, offset, -1, "")
    answer = world.broker(number).groups.commit(CommitRequest(group_id="g", offsets=[row]))
    result = await answer if inspect.isawaitable(answer) else answer
    return ErrorCode(result.error or result.errors[0])


async def fetch(world: ClusterWorld, number: int) -> tuple[ErrorCode, int | None]:
    """What a node says of the group's offset of t-0."""
    wish = k09.OffsetFetchRequestTopics(name="t", partition_indexes=[0])
    group = k09.OffsetFetchRequestGroup(group_id="g", topics=[wish])
    ctx: Any = SimpleNamespace(api_version=8, broker=world.broker(number))
    answer = k09_offset_fetch.handle(ctx, k09.OffsetFetchRequest(groups=[group]))
    found: Any = await answer if inspect.isawaitable(answer) else answer
    [told] = found.groups
    if told.error_code:
        return ErrorCode(told.error_code), None
    return ErrorCode.NONE, told.topics[0].partitions[0].committed_offset


class Standstill:
    """Raft of one node stands still: no tick, and nothing that it says or is told arrives."""

    def __init__(self, host: RaftHost, patch: pytest.MonkeyPatch) -> None:
        self._host = host
        self.is_on = False
        receive, send = RaftHost.receive, RaftHost._send

        def received(of: RaftHost, *args: Any) -> None:
            if of is not host or not self.is_on:
                receive(of, *args)

        def sent(of: RaftHost, outbox: Any) -> None:
            if of is not host or not self.is_on:
                send(of, outbox)

        patch.setattr(RaftHost, "receive", received)
        patch.setattr(RaftHost, "_send", sent)

    def begin(self) -> None:
        self.is_on = True
        assert self._host._ticker is not None
        self._host._ticker.cancel()

    def end(self) -> None:
        self.is_on = False
        self._host._arm()


async def test_a_paused_coordinator_does_not_answer_older_offsets_when_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ClusterWorld(3, **{"offsets.topic.num.partitions": 1}) as world:
        await world.topic("t", partitions=1)  # offsets of one that is not there are forgotten
        await world.broker(1).groups.ensure_ready()
        await world.until(lambda: world.leader(OFFSETS_TOPIC) is not None)
        first = world.leader(OFFSETS_TOPIC)
        assert first is not None

        async def is_committed(number: int, offset: int) -> None:
            while await commit(world, number, offset) is not ErrorCode.NONE:
                await asyncio.sleep(0.05)

        async with asyncio.timeout(20):
            await is_committed(first, 1)
        assert await fetch(world, first) == (ErrorCode.NONE, 1)

        partition: Any = world.replica(first, OFFSETS_TOPIC)
        standstill = Standstill(partition._replication._host, monkeypatch)
        standstill.begin()

        def successor() -> int | None:
            for number in world.nodes:
                replica = world.replica(number, OFFSETS_TOPIC)
                if number != first and replica is not None and replica.is_leader:
                    return number
            return None

        await world.until(lambda: successor() is not None)
        second = successor()
        assert second is not None
        async with asyncio.timeout(20):
            await is_committed(second, 2)
        assert partition.is_leader, "it has not heard of its successor"
        asked = asyncio.create_task(fetch(world, first))
        await asyncio.sleep(0)
        standstill.end()
        assert await asked == (ErrorCode.NOT_COORDINATOR, None)
        assert await fetch(world, second) == (ErrorCode.NONE, 2)
