"""A partition whose replicas agree by Raft: the `Replication` of one of them.

    FOLLOWER ──elected──> LEADER ──own no-op committed──> SERVING ──another term──> FOLLOWER
        └──────────────────────── log or hard state failed ──────────────────────> FAILED

Rules:

1. Only a serving leader answers clients. Everything that earlier leaders promised is in its log and
   committed by then, producer state included, which follows the log on every replica.
   Consumers may also read from a follower, up to its own commit index, as long as it hears a leader
   (KIP-392): what is committed is the same everywhere.
2. acks=all is answered when the entry is committed, which counts flushed copies only, and when at
   least `min.insync.replicas` have it. acks=1 is answered when the leader's log took it.
3. The high watermark is the offset after the commit index. It never goes back.
4. An append whose leader is deposed may or may not stay in the log. Its producer is told
   NOT_ENOUGH_REPLICAS_AFTER_APPEND, never a code that stands for "not written": it tries again, and
   the new leader knows duplicates. NOT_LEADER_OR_FOLLOWER is certain: nothing was appended.
5. The log start moves by entries of the log, on all replicas at the same place of it, and on each
   when the entry is committed and on its own disk.
6. Where the replicas are wanted is the controller's to say; the leader brings it about, one step
   of the configuration at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex
from sprawl.core.log.reading import DamagedSegment
from sprawl.core.partition.replication import ACKS_ALL
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import ConfigurationRefused, ReadRefused, TransferRefused
from sprawl.core.raft.ready import Role

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.ids import LogKey, Offset, ReplicaId
    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.replication import Commit
    from sprawl.core.raft.ready import Ready
    from sprawl.core.replication.group import RaftGroup
    from sprawl.core.replication.host import RaftHost
    from sprawl.core.replication.log_starts import GroupLog
    from sprawl.core.replication.surroundings import Surroundings, Target

_log = logging.getLogger(__name__)

BALANCE_MS: Final = 30_000
"""Time for which the preferred replica has to be in sync before it is handed the leadership:
longer than a restarted node takes to read its first fetches, shorter than Kafka's 300."""


FOUNDING_TRIES: Final = 8
FOUNDING_TRY_S: Final = 0.05
"""The preferred replica of a new group asks for votes so often and so soon: others learn of the
group within a few milliseconds of it. After that the election timeouts decide."""


class RaftReplica:
    """Implements Replication, and the host's Owner."""

    __slots__ = (
        "_around",
        "_balanced_at_ms",
        "_clock",
        "_commits",
        "_failed",
        "_followed_index",
        "_group",
        "_host",
        "_is_serving",
        "_key",
        "_log",
        "_partition",
        "_reads",
        "_sequence",
        "_start_commits",
        "_told_in_sync",
    )

    def __init__(
        self,
        partition: Partition,
        *,
        key: LogKey,
        log: GroupLog,
        host: RaftHost,
        founding: Configuration,
        is_preferred: bool,
        clock: Clock,
        around: Surroundings,
    ) -> None:
        self._partition = partition
        self._key = key
        self._log = log
        self._host = host
        self._clock = clock
        self._around = around
        self._commits: deque[tuple[LogIndex, Commit]] = deque()
        # Of LOG_START entries: who asked is told when the log starts there.
        self._start_commits: deque[tuple[LogIndex, Commit]] = deque()
        # The commit index that the partition has followed: most turns bring no later one.
        self._followed_index: LogIndex | None = None
        self._reads: dict[int, asyncio.Future[LogIndex]] = {}
        self._failed: KafkaFault | None = None
        self._is_serving = False
        self._sequence = 0
        self._told_in_sync: tuple[ReplicaId, ...] = ()
        self._balanced_at_ms: int | None = None
        is_new = host.hard_state(key) is None
        self._group: RaftGroup = host.add(
            key, partition.log, log, founding=founding, term=partition.term, owner=self
        )
        node = self._group.node
        partition.term = node.term
        is_founder = is_new and is_preferred and node.is_voter and partition.log.last_index == 0
        if is_founder or node.configuration == Configuration.of([host.replica_id]):
            self._found(FOUNDING_TRIES)

    def _found(self, tries_left: int) -> None:
        """Nobody led the group yet, or nobody else can: no election timeout has to be waited for,
        only until the others have heard of the group."""
        node = self._group.node
        if node.leader is not None or self._failed is not None:
            return
        node.campaign(self._clock.now_ms())
        self._host.touch(self._group)
        if tries_left > 1:
            loop = asyncio.get_running_loop()
            loop.call_later(FOUNDING_TRY_S, self._found, tries_left - 1)

    # --- Replication ----------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        return self._is_serving

    @property
    def leader(self) -> ReplicaId | None:
        """The replica that leads, as far as this one knows."""
        return self._group.node.leader

    @property
    def configuration(self) -> Configuration:
        """Who belongs to the group, as far as this replica knows."""
        return self._group.node.configuration

    def check_readable(self, *, may_follow: bool = False) -> None:
        if self._failed is not None:
            raise KafkaFault(self._failed.code, self._failed.message)
        if not self._is_serving and not (may_follow and self._follows):
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    @property
    def _follows(self) -> bool:
        """Whether there is another one that leads. Who did not hear it for an election timeout, up
        to twice as long, does not know."""
        return self.leader not in (None, self._host.replica_id)

    def followers_at(self, offset: Offset) -> list[ReplicaId]:
        node = self._group.node
        found = node.followers_in_sync() if self._is_serving else []
        return [
            follower
            for follower, index in sorted(found, key=lambda each: (-each[1], each[0]))
            if index >= node.commit_index or self._reaches(index, offset)
        ]

    def _reaches(self, index: LogIndex, offset: Offset) -> bool:
        try:
            return self._partition.log.end_offset_of(index) >= offset
        except ValueError:  # in a compacted segment: far behind
            return False

    def commits_awaited(self) -> None:
        node = self._group.node
        if not self._is_serving:
            node.want_commits()
            if node.has_ready:
                self._host.touch(self._group)

    def check_writable(self, size_bytes: int, *, acks: int) -> None:
        self.check_readable()
        wanted = self._partition.log.config.min_insync_replicas
        if acks == ACKS_ALL and wanted > 1 and (there := len(self._in_sync())) < wanted:
            raise KafkaFault(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"{there} replica(s) are in sync, min.insync.replicas is {wanted}.",
            )
        self._group.node.check_can_append(size_bytes)

    def appended(self, *, acks: int) -> Commit | None:
        self._propose()
        return self._wait(self._partition.log.last_index) if acks == ACKS_ALL else None

    def is_kept(self, end_offset: Offset) -> bool:
        majority = len(self.configuration.voters) // 2 + 1
        if self._partition.log.config.min_insync_replicas <= majority:
            return True
        try:
            index = self._partition.log.index_of_offset(end_offset - 1)
        except ValueError:  # in a compacted segment: long kept by all
            return True
        return index <= self._replicated_index()

    def wait_for(self, end_offset: Offset) -> Commit:
        return self._wait(self._partition.log.index_of_offset(end_offset - 1))

    def sync(self) -> Commit | None:
        """What is not on the disk of this replica is on those of others, or was never promised."""
        return None

    def advance_log_start(self, offset: Offset) -> Commit | None:
        self.check_readable()
        node = self._group.node
        node.check_can_append(0)
        index = self._log.append_start(offset, term=node.term, now_ms=self._clock.now_ms())
        self._propose()
        commit: Commit = asyncio.get_running_loop().create_future()
        self._start_commits.append((index, commit))
        return commit

    def retain(self, now_ms: int, up_to_offset: Offset) -> None:
        """A leader moves the log start for all; what lies below it goes by that everywhere."""
        if not self._is_serving:
            return
        start = self._partition.log.retention_start(now_ms, up_to_offset=up_to_offset)
        if start is not None and start > self._partition.log_start_offset:
            self.advance_log_start(start)

    def forget_below(self, offset: Offset) -> bool:
        """Delete what lies below a committed offset, on this replica alone: its owner keeps in
        another form what is said there, and gives it with copies.

        Returns:
            False when it cannot be done now: the disk does not have what follows, or a hard state
            is on its way, without which a configuration that stands there would be lost.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; the log starts where it did.
        """
        partition = self._partition
        log = partition.log
        if self._failed is not None or not self._group.node.is_hard_state_stored:
            return False
        if min(log.synced_offset, partition.high_watermark) <= offset:
            return False
        log.set_log_start(offset, write_entry=False)
        return True

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        self._failed = self._failed or fault
        if self._is_serving:
            self._is_serving = False
            self._around.led(self._partition, is_leader=False)
        self._host.remove(self._key, forget=forget)
        if forget:
            self._log.forget()
        self._fail_all(fault)

    def confirm(self) -> asyncio.Future[LogIndex]:
        """Whether this leader still leads: completes with a commit index that holds everything
        that was committed before the call. The future fails with KafkaFault NOT_LEADER_OR_FOLLOWER.
        """
        confirmed: asyncio.Future[LogIndex] = asyncio.get_running_loop().create_future()
        context = self._host.next_context()
        self._reads[context] = confirmed
        try:
            self._group.node.read_index(context)
        except ReadRefused as refused:
            del self._reads[context]
            confirmed.set_exception(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, str(refused)))
        self._host.touch(self._group)
        return confirmed

    def hand_over(self, to: ReplicaId | None = None) -> bool:
        """Have another replica lead: `to`, or one that is in sync. False when this one does not
        lead, or there is none."""
        candidates = [each for each in self._in_sync() if each != self._host.replica_id]
        if to is not None:
            candidates = [each for each in candidates if each == to]
        for candidate in candidates:
            try:
                self._group.node.transfer_leadership(candidate)
            except TransferRefused:
                continue
            self._host.touch(self._group)
            return True
        return False

    def _propose(self) -> None:
        self._group.node.appended(self._clock.now_ms())
        self._host.touch(self._group)

    def _wait(self, index: LogIndex) -> Commit:
        commit: Commit = asyncio.get_running_loop().create_future()
        self._commits.append((index, commit))
        return commit

    # --- Owner ----------------------------------------------------------------------------------

    def raft_advanced(self, ready: Ready) -> None:
        change = ready.role_change
        partition = self._partition
        if change is not None:
            partition.role_changed(change.term)
            if change.role is not Role.LEADER and self._is_serving:
                self._stop_serving()
        self._commit(ready.commit_index)
        for follower in ready.snapshots:
            self._around.fell_behind(self._key, follower)
        for read in ready.reads:
            confirmed = self._reads.pop(read.context, None)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(read.index)
        for context in ready.reads_failed:
            _fail(self._reads.pop(context, None), KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
        if ready.is_serving and not self._is_serving and self._failed is None:
            self._is_serving = True
            self._sequence = 0
            self._balanced_at_ms = None
            self._tell()
            self._around.led(partition, is_leader=True)

    def raft_progressed(self) -> None:
        commit_index = self._group.node.commit_index
        self._move_start(commit_index)
        self._complete_commits(commit_index)

    def raft_ticked(self) -> None:
        if self._is_serving:
            self._tell()
            target = self._around.target(self._key)
            if target is not None and not self._reconcile(target):
                self._balance(target)

    def raft_failed(self, fault: KafkaFault) -> None:
        self._failed = fault
        if self._is_serving:
            self._stop_serving()
        self._fail_all(fault)
        self._partition.wake_waiters()

    def _stop_serving(self) -> None:
        self._is_serving = False
        self._fail_all(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
        self._around.led(self._partition, is_leader=False)

    def _commit(self, commit_index: LogIndex) -> None:
        partition = self._partition
        log = partition.log
        self._move_start(commit_index)
        if commit_index == self._followed_index:
            self._complete_commits(commit_index)
            return
        if commit_index < log.first_index - 1:
            return
        try:
            partition.commit_to(log.end_offset_of(commit_index))
            self._followed_index = commit_index
        except ValueError:
            # After a restart a replica may know no later commit index than one that was compacted
            # since: the group's leader tells a later one.
            _log.debug("%s: entry %d is in a compacted segment", log.tp, commit_index)
        except DamagedSegment:
            # Whoever looks after the log has heard of it. A replica that its group cannot do
            # without follows again with the next commit index.
            self._followed_index = commit_index
        self._around.committed(partition)
        self._complete_commits(commit_index)

    def _move_start(self, commit_index: LogIndex) -> None:
        """Follow committed LOG_START entries, once this replica has them, and so what stands before
        them, on its own disk, and every configuration among that in its hard state.

        The log start is synced at once: with a tail that a power loss takes it would lie beyond the
        end of the log, whose next offset would go with the index of another record.
        """
        log, open_start = self._partition.log, self._log.open_start
        index = min(commit_index, log.synced_index)
        if open_start is None or index < open_start or not self._group.node.is_hard_state_stored:
            return
        try:
            start = self._log.committed_start(index)
            if start is not None:
                log.set_log_start(start, write_entry=False)
            self._log.start_moved(index)
        except KafkaFault as fault:
            _log.error("%s: the log start stays at %d: %s", log.tp, log.log_start_offset, fault)

    def _complete_commits(self, commit_index: LogIndex) -> None:
        commits, starts = self._commits, self._start_commits
        if not commits and not starts:
            return
        safe_index = min(commit_index, self._replicated_index())
        _complete(commits, safe_index)
        open_start = self._log.open_start
        if open_start is not None:
            safe_index = min(safe_index, LogIndex(open_start - 1))
        _complete(starts, safe_index)

    def _replicated_index(self) -> LogIndex:
        """Up to where `min.insync.replicas` have the log on their disks."""
        durable = sorted(self._group.node.durable_indexes(), reverse=True)
        count = self._partition.log.config.min_insync_replicas
        return durable[min(count, len(durable)) - 1]

    def _fail_all(self, fault: KafkaFault) -> None:
        commits = [*self._commits, *self._start_commits]
        self._commits, self._start_commits = deque(), deque()
        uncertain = fault
        if fault.code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR):
            uncertain = KafkaFault(
                ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                "The leader changed before enough replicas had this; it may be in the log.",
            )
        for _, commit in commits:
            if not commit.done():
                commit.set_result(uncertain)
        reads, self._reads = self._reads, {}
        for confirmed in reads.values():
            _fail(confirmed, fault)

    # --- what needs no hurry --------------------------------------------------------------------

    def _in_sync(self) -> tuple[ReplicaId, ...]:
        return self._group.node.in_sync()

    def _tell(self) -> None:
        """Announce this leader when it is new, or when its followers come and go."""
        in_sync = self._in_sync()
        if self._sequence and in_sync == self._told_in_sync:
            return
        self._sequence += 1
        self._told_in_sync = in_sync
        hint = LeaderHint(self._partition.term, self._sequence, self._host.replica_id, in_sync)
        self._around.announce(self._key, hint)

    def _reconcile(self, target: Target) -> bool:
        """Take a step towards where the replicas are wanted; was there one to take?"""
        node = self._group.node
        now = node.configuration
        voters, learners = set(target.voters), set(target.learners) - set(target.voters)
        if now.is_joint:
            return True
        if voters == set(now.voters) and learners == set(now.learners):
            self._around.arrived(self._key)
            return False
        coming = voters - set(now.voters)
        try:
            if coming <= set(now.learners):
                if all(node.is_caught_up(each) for each in coming):
                    node.propose_configuration(voters, learners)
            else:
                node.propose_configuration(now.voters, {*now.learners, *coming, *learners})
        except ConfigurationRefused as refused:
            _log.debug("%s: no step towards %s: %s", self._partition.tp, target, refused)
        self._host.touch(self._group)
        return True

    def _balance(self, target: Target) -> None:
        """Hand over to the preferred replica once it has been in sync for a while."""
        preferred = target.voters[0]
        if preferred == self._host.replica_id or preferred not in self._in_sync():
            self._balanced_at_ms = None
            return
        now_ms = self._clock.monotonic_ms()
        if self._balanced_at_ms is None:
            self._balanced_at_ms = now_ms
        elif now_ms - self._balanced_at_ms >= BALANCE_MS:
            self._balanced_at_ms = None
            self.hand_over(preferred)


def _complete(commits: deque[tuple[LogIndex, Commit]], up_to: LogIndex) -> None:
    while commits and commits[0][0] <= up_to:
        commit = commits.popleft()[1]
        if not commit.done():  # the one who waited may have gone
            commit.set_result(None)


def _fail(confirmed: asyncio.Future[LogIndex] | None, fault: KafkaFault) -> None:
    if confirmed is not None and not confirmed.done():
        confirmed.set_exception(fault)
