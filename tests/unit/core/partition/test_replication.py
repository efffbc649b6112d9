"""When a single replica calls an append committed: the rules of core/partition/replication.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from data_world import World, batch

from sprawl.core.ids import TopicName
from sprawl.core.log.config import LogConfig
from sprawl.core.partition.waiters import FetchWaiter

if TYPE_CHECKING:
    from sprawl.core.partition.partition import ProduceOutcome


def append(world: World, value: str = "v") -> ProduceOutcome:
    return world.partition().append_produced(
        memoryview(bytearray(batch(value))), produce_version=12, now_ms=world.clock.now_ms()
    )


async def until_synced(world: World, offset: int) -> None:
    async with asyncio.timeout(10):
        while world.partition().log.synced_offset < offset:
            await asyncio.sleep(0.001)


async def test_without_a_flush_policy_the_log_having_it_is_enough(world: World) -> None:
    world.topic()
    assert append(world).commit is None
    assert world.partition().high_watermark == 1


async def test_flush_messages_counts_what_is_not_synced(disk_world: World) -> None:
    world = disk_world
    world.topic(flush_messages=3)
    first, second, third = (append(world).commit for _ in range(3))
    assert first is None
    assert second is None
    assert third is not None
    assert world.partition().high_watermark == 2
    await third
    assert append(world).commit is None, "the count starts again after a sync"


async def test_commits_come_in_the_order_of_the_log(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    first = append(world)
    world.partitions.update_config(TopicName("t"), LogConfig())
    second = append(world)
    assert first.commit is not None
    assert second.commit is not None, "it would commit at once, had nobody to wait for"
    assert world.partition().high_watermark == 0
    gate.open()
    assert (await first.commit, await second.commit) == (None, None)
    assert world.partition().high_watermark == 2
    assert append(world).commit is None


async def test_a_sync_of_the_past_takes_no_commit_back(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=3)
    gate = world.hold_syncs(monkeypatch, at_end=True)
    append(world)
    partition = world.partition()
    early = partition.sync()
    assert early is not None
    await until_synced(world, 1)
    outcomes = [append(world) for _ in range(3)]
    assert [outcome.commit is None for outcome in outcomes] == [True, True, False]
    gate.let_one()
    await early
    assert partition.high_watermark == 3
    gate.open()
    assert outcomes[2].commit is not None
    assert await outcomes[2].commit is None
    assert partition.high_watermark == 4


async def test_an_explicit_sync_holds_no_append_back(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic()
    gate = world.hold_syncs(monkeypatch)
    append(world)
    syncing = world.partition().sync()
    assert syncing is not None
    assert append(world).commit is None
    assert world.partition().high_watermark == 2
    gate.open()
    assert await syncing is None
    assert world.partition().log.synced_offset >= 1


async def test_nothing_to_sync(disk_world: World) -> None:
    world = disk_world
    world.topic()
    assert world.partition().sync() is None


async def test_a_caller_that_went_away_does_not_disturb_the_others(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch)
    gone, stays = append(world).commit, append(world).commit
    assert gone is not None
    assert stays is not None
    gone.cancel()
    gate.open()
    assert await stays is None
    assert world.partition().high_watermark == 2


async def test_a_long_poll_hears_of_what_was_appended_before_it_and_committed_after_it(
    disk_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two appends the first one is committed, then a reader comes: it waits for the second."""
    world = disk_world
    world.topic(flush_messages=1)
    gate = world.hold_syncs(monkeypatch, at_end=True)
    first = append(world).commit
    await until_synced(world, 1)
    second = append(world).commit
    gate.let_one()
    assert first is not None
    await first
    partition = world.partition()
    assert partition.high_watermark == 1
    waiting = FetchWaiter(1).wait([partition], asyncio.get_running_loop().time() + 10)
    gate.open()
    assert await waiting
    assert partition.high_watermark == 2
    assert second is not None
    await second
