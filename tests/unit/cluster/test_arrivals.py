"""What a leader makes certain of before it tells the controller that its partition has arrived."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sprawl.core.cluster.arrivals import Arrivals
from sprawl.core.controller.topics import TopicInfo
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, LogKey, ReplicaId, TopicId, TopicName
from sprawl.core.raft.configuration import Configuration

KEY = LogKey(TopicId(UUID(int=1)), 0)
HERE, THERE = (ReplicaId(1),), (ReplicaId(2),)


class World:
    """A leader of one partition, and what the controller hears of it."""

    def __init__(self, **moves: Any) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.leads: KafkaFault | None = None
        self.end_offset = 7
        topic = TopicInfo(
            name=TopicName("t"),
            id=KEY.topic_id,
            replicas=(HERE,),
            founding=(HERE,),
            configs={},
            **moves,
        )
        self.by_id = {KEY.topic_id: topic}
        self.node = SimpleNamespace(pending=())
        self._tasks: list[asyncio.Task[None]] = []
        self.arrivals = Arrivals(cast("Any", self), cast("Any", self), start=self._start)

    def group(self, key: LogKey) -> Any:
        return SimpleNamespace(node=self.node, owner=self)

    def _start(self, job: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(job))

    async def confirm(self) -> None:
        self.end_offset += 1  # what becomes known meanwhile was not known at the look
        if self.leads is not None:
            raise self.leads

    async def end_move(self, *word: Any, as_of: int) -> None:
        self.told.append((*word, as_of))

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.arrivals.look(KEY)
        await asyncio.gather(*self._tasks)


async def test_an_arrival_is_told_with_what_was_known_at_the_look() -> None:
    world = World(moving={0: THERE})
    await world.look()
    assert world.told == [(*KEY, THERE, 7)]


async def test_that_a_partition_is_back_is_told_too() -> None:
    world = World(lingering={0: THERE})
    await world.look()
    assert world.told == [(*KEY, HERE, 7)]


async def test_of_a_partition_that_stays_nothing_is_told() -> None:
    world = World()
    await world.look()
    assert not world.told


async def test_a_configuration_that_waits_may_come_into_force_yet() -> None:
    world = World(lingering={0: THERE})
    world.node.pending = ((LogIndex(9), Configuration.of(list(THERE))),)
    await world.look()
    assert not world.told


async def test_who_was_deposed_tells_nothing_and_looks_again_later() -> None:
    world = World(lingering={0: THERE})
    world.leads = KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    await world.look()
    assert not world.told
    world.leads = None
    await world.look()
    assert world.told == [(*KEY, HERE, 8)]


async def test_one_word_at_a_time() -> None:
    world = World(moving={0: THERE})
    await world.look(times=3)
    assert len(world.told) == 1
