"""RaftHost with other members, played here: what it hears from them and when it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random

import pytest
from log_world import TOPIC_ID, LogWorld

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, LogKey, Offset, ReplicaId, Term
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.refusals import Refusals
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    PreVote,
    PreVoteAnswer,
    Vote,
    VoteAnswer,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Ready
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.raft.wire import encode, parse
from sprawl.core.records.batch import parse_header
from sprawl.core.records.record import encode_batch
from sprawl.core.replication.group import RaftGroup
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica
from sprawl.core.storage.port import Buffer

ME, SECOND, THIRD = (ReplicaId(number) for number in (1, 2, 3))
ALL = Configuration.of([ME, SECOND, THIRD])
KEY = LogKey(TOPIC_ID, 0)
DAY_MS = 86_400_000
WALL_MS = 1_790_000_000_000


class UpForAnHour:
    """The clocks of a machine that was started an hour ago."""

    def now_ms(self) -> int:
        return WALL_MS

    def monotonic_ms(self) -> int:
        return 3_600_000


class Members:
    """They say yes to everything and have everything, unless they are out of sight or slow."""

    def __init__(self) -> None:
        self.host: RaftHost | None = None
        self.out_of_sight: set[ReplicaId] = set()
        self.slow_disks: set[ReplicaId] = set()

    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        if to in self.out_of_sight:
            return False
        for key, message in parse(b"".join(frame)):
            answer = self._answer(message)
            if answer is not None:
                asyncio.get_running_loop().call_soon(self._say, key, answer)
        return True

    def is_in_sight(self, replica: ReplicaId) -> bool:
        return replica not in self.out_of_sight

    def _say(self, key: LogKey, answer: Message) -> None:
        assert self.host is not None
        self.host.receive(lambda replica: True, memoryview(encode([(key, answer)])))

    def _answer(self, asked: Message) -> Message | None:
        names = (asked.to, asked.sender, asked.term)
        nothing = (LogIndex(0), Term(-1))
        match asked:
            case PreVote():
                return PreVoteAnswer(*names, True, *nothing)
            case Vote():
                return VoteAnswer(*names, True, *nothing)
            case Heartbeat():
                return HeartbeatAnswer(*names, asked.context)
            case Append() if asked.to not in self.slow_disks:
                index = LogIndex(asked.prev_index + len(asked.entries))
                return AppendAnswer(*names, index, False, index, Term(-1), False)
        return None


class Owner:
    """Of groups that no partition is behind."""

    def __init__(self) -> None:
        self.faults: list[KafkaFault] = []

    def raft_advanced(self, ready: Ready) -> None: ...

    def raft_progressed(self) -> None: ...

    def raft_ticked(self) -> None: ...

    def raft_failed(self, fault: KafkaFault) -> None:
        self.faults.append(fault)

    def hand_over(self, to: ReplicaId | None = None) -> bool:
        return False


class Surroundings:
    """Of a partition that has nowhere to go."""

    def announce(self, *_: object) -> None: ...

    def led(self, *_: object, is_leader: bool) -> None: ...

    def committed(self, *_: object) -> None: ...

    def target(self, key: LogKey) -> None: ...

    def fell_behind(self, *_: object) -> None: ...

    def arrived(self, *_: object) -> None: ...


def at_once(job: Callable[[], object]) -> asyncio.Future[object]:
    done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    done.set_result(job())
    return done


def host_of(world: LogWorld, members: Members, **settings: int) -> RaftHost:
    members.host = RaftHost(
        replica_id=ME,
        kv=world.kv,
        run_blocking=at_once,
        peers=members,
        clock=UpForAnHour(),
        rng=Random(1),
        settings=RaftSettings(tick_ms=1, **settings),
    )
    return members.host


def group_of(host: RaftHost, world: LogWorld, owner: Owner, key: LogKey = KEY) -> RaftGroup:
    view = GroupLog(world.log, key, world.kv)
    return host.add(key, world.log, view, founding=ALL, term=Term(0), owner=owner)


def begin_to_lead(host: RaftHost, group: RaftGroup) -> None:
    group.node.campaign(0)
    host.touch(group)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)


def batch() -> memoryview:
    record = [(WALL_MS, None, b"x", [])]
    return memoryview(encode_batch(record, producer_id=5, producer_epoch=0, base_sequence=0))


async def test_followers_know_a_producer_as_long_as_its_leader_does() -> None:
    """Else a new leader takes a retry for something new, and it is stored twice."""
    theirs, world = LogWorld(None), LogWorld(None)
    theirs.append_raw(bytearray(batch()), term=1)
    host = host_of(world, Members())
    group_of(host, world, Owner())
    entries = tuple(theirs.log.entries(1, 2, 1 << 20))
    append = Append(SECOND, ME, Term(1), LogIndex(0), Term(-1), LogIndex(0), entries)
    host.receive(lambda replica: True, memoryview(encode([(KEY, append)])))
    await until(lambda: world.log.last_index == 1)
    await host.close()
    assert world.log.producers.expire(WALL_MS + 1_000, DAY_MS) == 0
    assert world.log.producers.check(parse_header(batch())) is not None


async def test_a_leader_that_hibernates_and_sees_no_quorum_serves_nobody() -> None:
    """The others may elect one of them, and its clients would never hear of that."""
    world, members = LogWorld(None), Members()
    host = host_of(world, members, hibernate_after_ticks=20)
    group = group_of(host, world, Owner())
    begin_to_lead(host, group)
    host.start()
    await until(lambda: host.awake_count == 0)
    members.out_of_sight = {SECOND}
    host.peer_lost(lambda replica: replica == SECOND)
    assert group.node.is_hibernating, "a majority is there: nobody else can lead"
    members.out_of_sight = {SECOND, THIRD}
    host.peer_lost(lambda replica: replica == THIRD)
    await until(lambda: not group.node.is_serving)
    await host.close()


async def test_a_leader_whose_last_word_before_hibernation_was_lost_looks_again() -> None:
    world, members = LogWorld(None), Members()
    host = host_of(world, members)
    group = group_of(host, world, Owner())
    begin_to_lead(host, group)
    await until(lambda: group.node.is_serving and group.node.hibernate())
    members.out_of_sight = {SECOND, THIRD}
    host.touch(group)
    await asyncio.sleep(0)
    await host.close()
    assert not group.node.is_hibernating


async def test_a_repeat_waits_for_min_insync_replicas_as_its_original_does() -> None:
    """A majority that committed it may be fewer than the producer was promised."""
    world, members = LogWorld(None), Members()
    world.configure(min_insync_replicas=3)
    host = host_of(world, members, hibernate_after_ticks=0)
    host.start()
    partition = Partition(
        world.log,
        topic_id=TOPIC_ID,
        term=Term(0),
        high_watermark=Offset(0),
        refusals=Refusals(UpForAnHour()),
        replicate=lambda made: RaftReplica(
            made,
            key=KEY,
            log=GroupLog(world.log, KEY, world.kv),
            host=host,
            founding=ALL,
            is_preferred=True,
            clock=UpForAnHour(),
            around=Surroundings(),
        ),
    )
    group = host.group(KEY)
    assert group is not None
    await until(lambda: partition.is_leader and len(group.node.in_sync()) == 3)
    members.slow_disks = {THIRD}
    first = partition.append_produced(batch(), produce_version=9, now_ms=WALL_MS)
    await until(lambda: partition.high_watermark == 1)
    assert first.commit is not None
    assert not first.commit.done()
    again = partition.append_produced(batch(), produce_version=9, now_ms=WALL_MS)
    assert again.commit is not None
    assert not again.commit.done()
    members.slow_disks = set()
    group.node.unreachable(THIRD)  # is asked again
    await until(first.commit.done)
    assert (first.commit.result(), await again.commit) == (None, None)
    third = partition.append_produced(batch(), produce_version=9, now_ms=WALL_MS)
    assert third.commit is None
    await host.close()


@pytest.mark.parametrize("event", ["tick", "ready", "hard_state_stored", "durable"])
async def test_what_a_node_raises_ends_its_group_alone(
    event: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = LogWorld(None), LogWorld(None)
    host, owners = host_of(good, Members(), hibernate_after_ticks=0), [Owner(), Owner()]
    broken = group_of(host, bad, owners[1], LogKey(TOPIC_ID, 1))
    group = group_of(host, good, owners[0])
    real = getattr(RaftNode, event)

    def raises(node: RaftNode, *what: object) -> object:
        if node is broken.node:
            raise TypeError("odd")
        return real(node, *what)

    monkeypatch.setattr(RaftNode, event, raises)
    with caplog.at_level(logging.ERROR):
        begin_to_lead(host, broken)
        begin_to_lead(host, group)
        host.start()
        await until(lambda: group.node.is_serving and broken.is_over)
    await host.close()
    assert [fault.code for fault in owners[1].faults] == [ErrorCode.KAFKA_STORAGE_ERROR]
    assert owners[0].faults == []
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_a_log_that_failed_takes_its_group_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica whose log was cut in half neither answers nor leads."""
    world, owner = LogWorld(None), Owner()
    host = host_of(world, Members())
    group_of(host, world, owner)
    theirs = LogWorld(None)
    for _ in range(3):
        theirs.append("x", term=1)

    def said(term: int, prev: tuple[int, int], entries: tuple[int, int]) -> None:
        found = tuple(theirs.log.entries(*entries, 1 << 20))
        place = (LogIndex(prev[0]), Term(prev[1]), LogIndex(0))
        append = Append(SECOND, ME, Term(term), *place, found)
        host.receive(lambda replica: True, memoryview(encode([(KEY, append)])))

    said(1, (0, -1), (1, 4))
    await until(lambda: world.log.synced_index == 3)

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    theirs.log.truncate_suffix(3)
    theirs.append("other", term=2)
    monkeypatch.setattr(type(world.log.segments[-1]), "cut", fails)
    said(2, (2, 1), (3, 4))
    await until(lambda: bool(owner.faults))
    await host.close()
    assert owner.faults[0].code is ErrorCode.KAFKA_STORAGE_ERROR
    assert host.group(KEY) is None
