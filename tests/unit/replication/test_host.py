"""RaftHost: many groups on one node, none of which may bring another one down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from uuid import UUID

import pytest
from log_world import LogWorld

from sprawl.core.clock import SystemClock
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey, ReplicaId, Term, TopicId
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.ready import Ready, Role
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.replication.group import RaftGroup
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.storage.port import Buffer

ALONE = Configuration.of([ReplicaId(1)])


class NoPeers:
    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        raise AssertionError("there is nobody to send to")

    def is_in_sight(self, replica: ReplicaId) -> bool:
        return False


class Owner:
    """Notes what it is told; `trouble` is raised when it is to follow its group."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.commit_index = 0
        self.ticks = 0
        self.faults: list[KafkaFault] = []

    def raft_advanced(self, ready: Ready) -> None:
        if self.trouble is not None and ready.commit_index:
            raise self.trouble
        self.commit_index = ready.commit_index

    def raft_progressed(self) -> None: ...

    def raft_ticked(self) -> None:
        self.ticks += 1

    def raft_failed(self, fault: KafkaFault) -> None:
        self.faults.append(fault)

    def hand_over(self, to: ReplicaId | None = None) -> bool:
        return False


def at_once(job: Callable[[], object]) -> asyncio.Future[object]:
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    done.set_result(job())
    return done


def host_of(world: LogWorld, settings: RaftSettings) -> RaftHost:
    return RaftHost(
        replica_id=ReplicaId(1),
        kv=world.kv,
        run_blocking=at_once,
        peers=NoPeers(),
        clock=SystemClock(),
        rng=Random(1),
        settings=settings,
    )


def lead(host: RaftHost, world: LogWorld, owner: Owner, number: int = 0) -> RaftGroup:
    """A group of this node alone, about to be elected."""
    key = LogKey(TopicId(UUID(int=11)), number)
    view = GroupLog(world.log, key, world.kv)
    group = host.add(key, world.log, view, founding=ALONE, term=Term(0), owner=owner)
    group.node.campaign(0)
    host.touch(group)
    return group


def run_groups(owners: Sequence[Owner]) -> list[Role]:
    """A group for each owner, alone with itself: it is elected, and commits its own no-op."""

    async def run() -> list[Role]:
        worlds = [LogWorld(None) for _ in owners]
        host = host_of(worlds[0], RaftSettings())
        pairs = enumerate(zip(worlds, owners, strict=True))
        groups = [lead(host, world, owner, number) for number, (world, owner) in pairs]
        for _ in range(20):
            await asyncio.sleep(0)
        await host.close()
        return [group.node.role for group in groups]

    return asyncio.run(run())


def test_a_group_of_one_leads_and_commits() -> None:
    owner = Owner()
    assert run_groups([owner]) == [Role.LEADER]
    assert owner.commit_index == 1


@pytest.mark.parametrize("trouble", [ValueError("odd"), KafkaFault(ErrorCode.CORRUPT_MESSAGE)])
def test_a_partition_that_cannot_follow_ends_for_itself(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    owners = [Owner(), Owner(trouble), Owner()]
    with caplog.at_level(logging.ERROR):
        run_groups(owners)
    assert [owner.commit_index for owner in owners] == [1, 0, 1]
    [fault] = owners[1].faults
    assert fault.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert not owners[0].faults
    assert not owners[2].faults
    [record] = caplog.records
    assert record.exc_info is not None


async def test_the_owner_looks_at_a_group_once_more_before_it_hibernates() -> None:
    """What it would tell others is not due again for ten seconds: that a follower is back, say."""
    world, owner = LogWorld(None), Owner()
    host = host_of(world, RaftSettings(tick_ms=1, hibernate_after_ticks=3))
    group = lead(host, world, owner)
    host.start()
    while host.awake_count:
        await asyncio.sleep(0.001)
    await host.close()
    assert group.node.is_hibernating
    assert owner.ticks == 1
