"""A replica's log start moves once its own disk has what the group decided, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from copy_world import TOPIC_ID, Replica
from crash_storage import Choose

from sprawl.core.clock import SystemClock
from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.ids import LogIndex, LogKey, Offset, ReplicaId, Term
from sprawl.core.log.frames import EntryType
from sprawl.core.partition.partition import Partition
from sprawl.core.partition.refusals import Refusals
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.log_port import NO_TERM
from sprawl.core.raft.messages import Append
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.replica import RaftReplica
from sprawl.core.replication.surroundings import Target
from sprawl.core.storage.port import Buffer

KEY = LogKey(TOPIC_ID, 0)
LEADER, OWN = ReplicaId(1), ReplicaId(2)
TERM = Term(1)


class Surroundings:
    """A node with nobody to tell."""

    def announce(self, key: LogKey, hint: LeaderHint) -> None: ...

    def led(self, partition: Partition, *, is_leader: bool) -> None: ...

    def committed(self, partition: Partition) -> None: ...

    def target(self, key: LogKey) -> Target | None:
        return None

    def fell_behind(self, key: LogKey, follower: ReplicaId) -> None: ...

    def arrived(self, key: LogKey) -> None: ...


class Following:
    """Replica 2 of a group that replica 1 leads; what its disk is to do waits for `work`."""

    def __init__(self) -> None:
        self.disk = Replica()
        self.disk.open()
        self.restart()

    def restart(self) -> None:
        """A process over what the disk has."""
        self.jobs: list[tuple[Callable[[], object], asyncio.Future[object]]] = []
        self.host = RaftHost(
            replica_id=OWN,
            kv=self.disk.kv,
            run_blocking=self._later,
            peers=self,
            clock=SystemClock(),
            rng=Random(1),
            settings=RaftSettings(),
        )
        self.partition = Partition(
            self.disk.log,
            topic_id=TOPIC_ID,
            term=Term(0),
            high_watermark=self.disk.log.log_start_offset,
            refusals=Refusals(SystemClock()),
            replicate=self._replicate,
        )

    def _replicate(self, partition: Partition) -> RaftReplica:
        self.replica = RaftReplica(
            partition,
            key=KEY,
            log=GroupLog(partition.log, KEY, self.disk.kv),
            host=self.host,
            founding=Configuration.of([1, 2, 3]),
            is_preferred=False,
            clock=SystemClock(),
            around=Surroundings(),
        )
        return self.replica

    def _later(self, job: Callable[[], object]) -> asyncio.Future[object]:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.jobs.append((job, done))
        return done

    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        return True

    def is_in_sight(self, replica: ReplicaId) -> bool:
        return True

    async def work(self) -> None:
        """The disk does what was asked of it, and what that leads to."""
        for _ in range(10):
            jobs, self.jobs = self.jobs, []
            for job, done in jobs:
                done.set_result(job())
            await asyncio.sleep(0)

    async def hear(self, leader: Replica, *, commit_index: int) -> None:
        """An Append with everything that this log lacks."""
        group = self.host.group(KEY)
        assert group is not None
        log, last = leader.log, self.disk.log.last_index
        missing = log.last_index > last
        entries = tuple(log.entries(last + 1, log.last_index + 1, 1 << 20)) if missing else ()
        term = NO_TERM if last == 0 else TERM
        message = Append(LEADER, OWN, TERM, last, term, LogIndex(commit_index), entries)
        group.node.step(message, 1)
        self.host.touch(group)
        for _ in range(5):
            await asyncio.sleep(0)

    def lose_power(self, choose: Choose) -> None:
        self.disk.directory.crash(choose)
        self.disk.kv.crash(choose)
        self.disk.open()


def leading() -> tuple[Replica, LogIndex]:
    """A log of ten records of which the first eight are deleted, and where that was decided."""
    made = Replica()
    made.open()
    for at in range(10):
        made.append("k", f"{at}", term=TERM)
    index = GroupLog(made.log, KEY, made.kv).append_start(8, term=TERM, now_ms=1_000)
    made.log.flush()
    return made, index


async def test_a_tail_that_was_not_on_the_disk_is_no_hole_after_a_power_loss() -> None:
    source, start_index = leading()
    following = Following()
    await following.hear(source, commit_index=0)  # a new term: stored before anything is answered
    store, flush = following.jobs
    store[1].set_result(store[0]())
    following.jobs = [flush]
    # A majority without this replica has everything on its disks.
    await following.hear(source, commit_index=start_index)
    assert following.partition.high_watermark == 10
    following.lose_power(lambda low, high: low)
    log = following.disk.log
    assert log.log_end_offset == log.last_index, "an index stands for another record"
    assert log.log_start_offset <= log.log_end_offset


async def test_the_start_moves_with_the_flush_that_makes_it_safe() -> None:
    source, start_index = leading()
    following = Following()
    await following.hear(source, commit_index=start_index)
    assert following.partition.log_start_offset == 0
    await following.work()
    assert following.partition.log_start_offset == 8
    following.lose_power(lambda low, high: low)
    assert following.disk.log.log_start_offset == 8
    assert following.disk.records() == source.records()[8:]
    assert following.disk.log.last_index == source.log.last_index


async def test_a_configuration_is_in_the_hard_state_before_its_entry_is_deleted() -> None:
    source = Replica()
    source.open()
    source.append("k", "0", term=TERM)
    source.log.append_entry(EntryType.CONFIG, Configuration.of([1, 2, 3], [4]).encode(), term=TERM)
    for at in range(20):  # so that segments may go
        source.append("k", f"{at}", term=TERM)
    start_index = GroupLog(source.log, KEY, source.kv).append_start(15, term=TERM, now_ms=1_000)
    source.log.flush()
    following = Following()
    for _ in range(3):  # nothing is taken after a configuration until it is stored
        await following.hear(source, commit_index=0)
        await following.work()
    assert following.disk.log.synced_index == source.log.last_index
    await following.hear(source, commit_index=start_index)
    following.lose_power(lambda low, high: low)
    following.restart()
    await following.hear(source, commit_index=start_index)
    await following.work()
    assert following.replica.configuration.learners == (4,)
    assert following.partition.log_start_offset in (0, 15)


async def test_what_is_kept_elsewhere_goes_when_the_disk_has_what_follows() -> None:
    source, start_index = leading()
    following = Following()
    await following.hear(source, commit_index=start_index - 1)
    assert following.partition.high_watermark == 10
    assert not following.replica.forget_below(Offset(6)), "nothing is on the disk"
    await following.work()
    assert not following.replica.forget_below(Offset(10)), "nothing follows"
    assert following.replica.forget_below(Offset(6))
    following.lose_power(lambda low, high: low)
    assert following.disk.log.log_start_offset == 6
    assert following.disk.log.last_index == source.log.last_index
    assert following.disk.records() == source.records()[6:]


async def test_a_start_that_is_not_decided_is_not_followed_by_a_restart() -> None:
    source, start_index = leading()
    following = Following()
    await following.hear(source, commit_index=0)
    await following.work()
    following.lose_power(lambda low, high: low)
    assert following.disk.log.last_index == source.log.last_index
    assert following.disk.log.log_start_offset == 0
    following.restart()
    await following.hear(source, commit_index=start_index)
    await following.work()
    assert following.partition.log_start_offset == 8
