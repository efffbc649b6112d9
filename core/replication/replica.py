"""A partition whose replicas agree by Raft: the `Replication` of one of them.

    FOLLOWER ──elected──> LEADER ──own no-op committed──> SERVING ──another term──> FOLLOWER
        └──────────────────────── log or hard state failed ──────────────────────> FAILED

Rules:

1. Only a serving leader answers clients. Everything that earlier leaders promised is in its log and
   committed by then, producer state included, which follows the log on every replica.
2. acks=all is answered when the entry is committed, which counts flushed copies only, and when at
   least `min.insync.replicas` have it. acks=1 is answered when the leader's log took it.
3. The high watermark is the offset after the commit index. It never goes back.
4. An append whose leader is deposed may or may not stay in the log: its producer is told
   NOT_LEADER_OR_FOLLOWER and sends it again to the new leader, which knows duplicates.
5. The log start moves by entries of the log, on all replicas at the same place of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.raft.ready import Role

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.ids import LogIndex, LogKey, Offset, ReplicaId, Term
    from sprawl.core.partition.partition import Partition
    from sprawl.core.partition.replication import Commit
    from sprawl.core.raft.configuration import Configuration
    from sprawl.core.raft.ready import Ready
    from sprawl.core.replication.host import RaftGroup, RaftHost
    from sprawl.core.replication.log_starts import GroupLog

_log = logging.getLogger(__name__)


class RaftReplica:
    """Implements Replication, and the host's Owner.

    Args:
        announce: tells the cluster about this leader.
        led: called with the partition when it begins to serve, and when it stops.
    """

    __slots__ = (
        "_announce",
        "_clock",
        "_commits",
        "_failed",
        "_group",
        "_host",
        "_is_serving",
        "_key",
        "_led",
        "_log",
        "_partition",
        "_sequence",
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
        clock: Clock,
        announce: Callable[[LogKey, LeaderHint], None],
        led: Callable[[Partition, bool], None],
    ) -> None:
        self._partition = partition
        self._key = key
        self._log = log
        self._host = host
        self._clock = clock
        self._announce = announce
        self._led = led
        self._commits: deque[tuple[LogIndex, Commit]] = deque()
        self._failed: KafkaFault | None = None
        self._is_serving = False
        self._sequence = 0
        self._told_in_sync: tuple[ReplicaId, ...] = ()
        self._group: RaftGroup = host.add(
            key, partition.log, log, founding=founding, term=partition.term, owner=self
        )
        partition.term = self._group.node.term

    # --- Replication ----------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        return self._is_serving

    def check_readable(self) -> None:
        if self._failed is not None:
            raise KafkaFault(self._failed.code, self._failed.message)
        if not self._is_serving:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def check_writable(self, size_bytes: int) -> None:
        self.check_readable()
        node = self._group.node
        node.check_can_append(size_bytes)
        wanted = self._partition.log.config.min_insync_replicas
        if wanted > 1 and len(self._in_sync()) < wanted:
            raise KafkaFault(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"{len(self._in_sync())} replica(s) are in sync, min.insync.replicas is {wanted}.",
            )

    def appended(self) -> Commit | None:
        group = self._group
        group.node.appended(self._clock.monotonic_ms())
        self._host.touch(group)
        return self._wait(self._partition.log.last_index)

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
        node.appended(self._clock.monotonic_ms())
        self._host.touch(self._group)
        return self._wait(index)

    def close(self, fault: KafkaFault) -> None:
        self._failed = self._failed or fault
        self._is_serving = False
        self._host.remove(self._key, forget=False)
        self._fail_commits(fault)

    def _wait(self, index: LogIndex) -> Commit:
        commit: Commit = asyncio.get_running_loop().create_future()
        self._commits.append((index, commit))
        return commit

    # --- Owner ----------------------------------------------------------------------------------

    def raft_advanced(self, ready: Ready) -> None:
        change = ready.role_change
        partition = self._partition
        if change is not None:
            partition.term = change.term
            if change.role is not Role.LEADER and self._is_serving:
                self._stop_serving()
        self._commit(ready.commit_index)
        if ready.is_serving and not self._is_serving and self._failed is None:
            self._is_serving = True
            self._sequence = 0
            self._tell()
            self._led(partition, True)
        elif self._is_serving:
            self._tell()

    def raft_progressed(self) -> None:
        self._complete_commits(self._group.node.commit_index)

    def raft_ticked(self) -> None:
        self._tell()

    def raft_failed(self, fault: KafkaFault) -> None:
        self._failed = fault
        if self._is_serving:
            self._stop_serving()
        self._fail_commits(fault)
        self._partition.wake_waiters()

    def _stop_serving(self) -> None:
        self._is_serving = False
        self._fail_commits(KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER))
        self._partition.wake_waiters()
        self._led(self._partition, False)

    def _commit(self, commit_index: LogIndex) -> None:
        partition = self._partition
        log = partition.log
        if commit_index < log.first_index - 1:
            return
        start = self._log.committed_start(commit_index)
        if start is not None:
            try:
                log.set_log_start(start, write_entry=False)
            except KafkaFault as fault:
                _log.error("%s: the log start stays at %d: %s", log.tp, log.log_start_offset, fault)
            self._log.start_moved(commit_index)
        partition.commit_to(log.end_offset_of(commit_index))
        self._complete_commits(commit_index)

    def _complete_commits(self, commit_index: LogIndex) -> None:
        commits = self._commits
        if not commits:
            return
        safe_index = min(commit_index, self._replicated_index())
        while commits and commits[0][0] <= safe_index:
            _complete(commits.popleft()[1], None)

    def _replicated_index(self) -> LogIndex:
        """Up to where `min.insync.replicas` have the log on their disks."""
        durable = sorted(self._group.node.durable_indexes(), reverse=True)
        count = self._partition.log.config.min_insync_replicas
        return durable[min(count, len(durable)) - 1]

    def _fail_commits(self, fault: KafkaFault) -> None:
        commits, self._commits = self._commits, deque()
        for _, commit in commits:
            _complete(commit, fault)

    # --- telling others -------------------------------------------------------------------------

    def _in_sync(self) -> tuple[ReplicaId, ...]:
        return self._group.node.in_sync()

    def _tell(self) -> None:
        """Announce this leader when it is new, or when its followers come and go."""
        in_sync = self._in_sync()
        if self._sequence and in_sync == self._told_in_sync:
            return
        self._sequence += 1
        self._told_in_sync = in_sync
        term: Term = self._partition.term
        self._announce(self._key, LeaderHint(term, self._sequence, self._host.replica_id, in_sync))


def _complete(commit: Commit, fault: KafkaFault | None) -> None:
    if not commit.done():  # the one who waited may have gone
        commit.set_result(fault)
