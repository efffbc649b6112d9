"""When is an append committed? The question a partition hands to its `Replication`.

Rules:

1. Commits happen in log order: while one append waits for the disk, later ones wait behind it.
2. On a single replica an append is committed when the log took it, unless the topic's
   `flush.messages` is reached: then when a sync that started after it has returned.
3. One sync runs at a time for a partition and covers everything appended before it started, so
   a hundred producers that wait share it (group commit).
4. A sync that failed may have lost what it was to save, and trying again would hide that. The
   partition takes no more appends until its log is opened again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sprawl.core.ids import Offset, ReplicaId
    from sprawl.core.log.partition_log import PartitionLog

    Commit = asyncio.Future[KafkaFault | None]
    """Completes with None when committed, else with the reason why it is not known to be."""
    RunBlocking = Callable[[Callable[[], object]], asyncio.Future[object]]
    """Runs a function in the thread pool and completes on the event loop."""

_log = logging.getLogger(__name__)

ACKS_ALL = -1
"""Produce's `acks` that waits for enough replicas."""
FLUSH_MS_NEVER = 2**63 - 1
"""Kafka's default of flush.ms and flush.messages: leave it to the operating system."""


class Replication(Protocol):
    """Commits what was appended to one partition's log."""

    @property
    def is_leader(self) -> bool:
        """Whether this replica serves clients now."""
        ...

    def check_readable(self, *, may_follow: bool = False) -> None:
        """Refuse what only a leader may answer.

        Args:
            may_follow: or a replica that knows its leader.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER.
        """
        ...

    def followers_at(self, offset: Offset) -> list[ReplicaId]:
        """For a leader: the followers in sync that have everything below `offset`, which is
        committed; the most caught up first."""
        ...

    def commits_awaited(self) -> None:
        """Somebody begins to wait for the next commit."""
        ...

    def check_writable(self, size_bytes: int, *, acks: int) -> None:
        """Refuse what could not be committed.

        Args:
            acks: as in Produce; ACKS_ALL needs `min.insync.replicas`.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS.
        """
        ...

    def advance_log_start(self, offset: Offset) -> Commit | None:
        """Move the log start, which is below `offset`, on all replicas; None: it is done.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER.
        """
        ...

    def retain(self, now_ms: int, up_to_offset: Offset) -> None:
        """Apply the topic's retention below an offset, if that is this replica's to do.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR.
        """
        ...

    def appended(self, *, acks: int) -> Commit | None:
        """Take note of the append that just happened.

        Args:
            acks: as in Produce; ACKS_ALL waits for enough replicas, others for the leader only.

        Returns:
            What to wait for; None when there is nothing to wait for.
        """
        ...

    def is_kept(self, end_offset: Offset) -> bool:
        """Whether a committed append that ends before `end_offset` has as many replicas as acks=all
        waits for: the majority that commits may be fewer."""
        ...

    def wait_for(self, end_offset: Offset) -> Commit:
        """Wait for an earlier append that ends before `end_offset`."""
        ...

    def confirm(self) -> Awaitable[object] | None:
        """What to wait for to be sure that this replica still leads; None: it does. Fails with
        KafkaFault NOT_LEADER_OR_FOLLOWER."""
        ...

    def sync(self) -> Commit | None:
        """Bring everything appended so far to disk; None when it is there."""
        ...

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        """Tell everybody who waits that their append may not be committed.

        Args:
            forget: this replica is gone for good.
        """
        ...


class SingleReplica:
    """The partition lives on this node only.

    Args:
        log: the partition's log.
        committed: called with the offset below which everything is committed, when it grows.
        run_blocking: the way into the thread pool.
    """

    __slots__ = (
        "_appends",
        "_closed",
        "_committed",
        "_flush_timer",
        "_flushing",
        "_log",
        "_run_blocking",
        "_syncs",
    )

    def __init__(
        self, log: PartitionLog, committed: Callable[[Offset], None], run_blocking: RunBlocking
    ) -> None:
        self._log = log
        self._committed = committed
        self._run_blocking = run_blocking
        self._appends: deque[tuple[Offset, Commit]] = deque()
        self._syncs: deque[tuple[Offset, Commit]] = deque()
        self._flushing = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._closed: KafkaFault | None = None

    @property
    def is_leader(self) -> bool:
        return True

    def check_readable(self, *, may_follow: bool = False) -> None:
        """The only replica leads."""

    def followers_at(self, offset: Offset) -> list[ReplicaId]:
        return []

    def commits_awaited(self) -> None:
        """They are made here."""

    def check_writable(self, size_bytes: int, *, acks: int) -> None:
        if self._closed is not None:
            raise KafkaFault(self._closed.code, self._closed.message)
        wanted = self._log.config.min_insync_replicas
        if acks == ACKS_ALL and wanted > 1:
            raise KafkaFault(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"There is one replica, min.insync.replicas is {wanted}.",
            )

    def advance_log_start(self, offset: Offset) -> Commit | None:
        self._log.set_log_start(offset)
        return None

    def retain(self, now_ms: int, up_to_offset: Offset) -> None:
        self._log.delete_old_segments(now_ms, up_to_offset=up_to_offset)

    def appended(self, *, acks: int) -> Commit | None:
        log = self._log
        config = log.config
        end_offset = log.log_end_offset
        if config.flush_ms < FLUSH_MS_NEVER and self._flush_timer is None:
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(config.flush_ms / 1_000, self._flush_due)
        if log.pending_sync:
            # A segment was sealed: its sync moves the recovery point on, and nobody waits for it.
            self._flush()
        if not self._appends and end_offset - log.synced_offset < config.flush_messages:
            self._committed(end_offset)
            return None
        return self.wait_for(end_offset)

    def is_kept(self, end_offset: Offset) -> bool:
        return True

    def wait_for(self, end_offset: Offset) -> Commit:
        return self._wait(self._appends, end_offset)

    def confirm(self) -> None:
        """The only replica leads."""

    def sync(self) -> Commit | None:
        end_offset = self._log.log_end_offset
        if self._log.synced_offset >= end_offset:
            return None
        return self._wait(self._syncs, end_offset)

    def close(self, fault: KafkaFault, *, forget: bool = False) -> None:
        self._closed = self._closed or fault
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        waiting = [*self._appends, *self._syncs]
        self._appends.clear()
        self._syncs.clear()
        for _, commit in waiting:
            _complete(commit, fault)

    def _wait(self, queue: deque[tuple[Offset, Commit]], end_offset: Offset) -> Commit:
        commit: Commit = asyncio.get_running_loop().create_future()
        if self._closed is not None:
            commit.set_result(self._closed)
        else:
            queue.append((end_offset, commit))
            self._flush()
        return commit

    def _flush_due(self) -> None:
        self._flush_timer = None
        self.sync()

    def _flush(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._run_blocking(self._log.flush).add_done_callback(self._flushed)

    def _flushed(self, flush: asyncio.Future[object]) -> None:
        self._flushing = False
        if flush.cancelled() or self._closed is not None:
            return
        failure = flush.exception()
        if failure is not None:
            _log.error("%s: sync failed, no more appends until restart: %s", self._log.tp, failure)
            self.close(KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"Sync failed: {failure}"))
            return
        synced_offset = self._log.synced_offset
        if self._appends:
            self._committed(synced_offset)
        for queue in (self._appends, self._syncs):
            while queue and queue[0][0] <= synced_offset:
                _complete(queue.popleft()[1], None)
        if self._appends or self._syncs or self._log.pending_sync:
            self._flush()


def _complete(commit: Commit, fault: KafkaFault | None) -> None:
    if not commit.done():  # the one who waited may have gone
        commit.set_result(fault)
