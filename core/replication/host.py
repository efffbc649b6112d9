"""All Raft groups of a node in asyncio: ticks, messages, synced writes, flushes.

    something happened ──> dirty group ──turn──> Ready ──┬─ hard state ──> one synced write ─┐
                                                         ├─ messages ─────(after that)──> peers
                                                         ├─ needs_flush ──> job ──> durable
                                                         └─ commit, role, reads ──> owner

Rules:

1. A turn takes every dirty group once and sends each peer what is for it in as few frames as
   possible: a hundred groups that commit together cost two frames a peer pair.
2. Hard states of all groups that changed are one synced write batch. What a group says while its
   hard state is on the way waits for it (the group gets no turn).
3. Flushes of different logs share a job of the thread pool; at most FLUSH_JOBS_MAX run. A log that
   is flushed while more is appended is flushed once more, for all that came meanwhile.
4. A hard state that cannot be stored, or a log whose sync failed, ends the group on this node until
   the next start: it says nothing more, and its owner answers KAFKA_STORAGE_ERROR.
5. Groups that hibernate get no ticks. They wake when something is said to them, when their leader's
   node is lost from sight, when a leader is out of sight of a quorum, and when a node that shares
   them comes back.
6. Whatever a group's node raises ends this group alone. Others get their turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogKey, ReplicaId, Term
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.quorum import is_quorum
from sprawl.core.raft.wire import parse
from sprawl.core.replication.group import RaftGroup
from sprawl.core.replication.log_starts import store_key as start_key
from sprawl.core.replication.outbox import Outbox

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.clock import Clock
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.log.tokens import DurableUpTo
    from sprawl.core.raft.configuration import Configuration
    from sprawl.core.raft.log_port import RaftLog
    from sprawl.core.raft.ready import Ready
    from sprawl.core.raft.settings import RaftSettings
    from sprawl.core.replication.group import Owner, Peers
    from sprawl.core.storage.port import KeyValueStore

    RunBlocking = Callable[[Callable[[], object]], asyncio.Future[object]]

_log = logging.getLogger(__name__)

FLUSH_JOBS_MAX: Final = 2
"""Flush jobs under way: while one waits for the disk, another gathers. More would only take the
threads that cold reads need."""
HAND_OVER_S: Final = 5.0
"""How long a node that stops tries to give its partitions away: a transfer takes one round trip
once the follower has everything."""
HAND_OVER_LOOK_S: Final = 0.05
SLOW_TICK_S: Final = 10
"""Seconds between two looks at groups that hibernate: they move, and are handed back to their
preferred leader, without hurry. 10,000 groups cost a few milliseconds each time."""
_PREFIX: Final = b"raft/"


class RaftHost:
    """See the module.

    Args:
        replica_id: this data directory's.
        kv: where hard states are kept.
        run_blocking: the way into the thread pool.
    """

    def __init__(
        self,
        *,
        replica_id: ReplicaId,
        kv: KeyValueStore,
        run_blocking: RunBlocking,
        peers: Peers,
        clock: Clock,
        rng: Random,
        settings: RaftSettings,
    ) -> None:
        self.replica_id = replica_id
        self._kv = kv
        self._run_blocking = run_blocking
        self._peers = peers
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._groups: dict[LogKey, RaftGroup] = {}
        self._awake: dict[LogKey, RaftGroup] = {}
        self._dirty: dict[LogKey, RaftGroup] = {}
        self._has_turn = False
        self._storing = False
        self._to_store: list[tuple[RaftGroup, Ready]] = []
        self._to_flush: dict[LogKey, RaftGroup] = {}
        self._flush_jobs = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._contexts = 0
        self._is_closed = False

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to tick."""
        self._arm()

    async def hand_over(self) -> None:
        """Have other replicas lead what is led here, as far as they can within HAND_OVER_S."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HAND_OVER_S
        while loop.time() < deadline:
            waiting = [group for group in self._groups.values() if group.owner.hand_over()]
            if not waiting:
                return
            await asyncio.sleep(HAND_OVER_LOOK_S)

    async def close(self) -> None:
        """Say nothing more. Logs belong to their partitions and are closed there."""
        self._is_closed = True
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        for group in self._groups.values():
            group.is_over = True

    def hard_state(self, key: LogKey) -> HardState | None:
        """What is stored of a group; None for one that never ran here.

        Raises:
            ValueError: it cannot be read.
        """
        found = self._kv.get(hard_state_key(key))
        return None if found is None else HardState.parse(found)

    def add(
        self,
        key: LogKey,
        log: PartitionLog,
        view: RaftLog,
        *,
        founding: Configuration,
        term: Term,
        owner: Owner,
    ) -> RaftGroup:
        """Run a group from now on.

        Args:
            log: whose flushes count.
            view: the same log as the group sees it.
            founding: the configuration that the controller founded it with; counts only for a group
                that never ran here.
            term: at least this one, for a log that was led without a group before.

        Raises:
            ValueError: its hard state cannot be read.
        """
        state = self.hard_state(key)
        if state is None:
            state = HardState.founding(founding)
        if state.term < term:
            state = state._replace(term=term, voted_for=None)
        node = RaftNode(self.replica_id, view, state, self._settings, self._rng)
        group = RaftGroup(key, node, log, owner)
        self._groups[key] = self._awake[key] = group
        self.touch(group)
        return group

    def remove(self, key: LogKey, *, forget: bool) -> None:
        """Run a group no more.

        Args:
            forget: its data is deleted too, for a topic or a replica that is gone for good.
        """
        group = self._groups.pop(key, None)
        if group is not None:
            group.is_over = True
        self._awake.pop(key, None)
        self._dirty.pop(key, None)
        self._to_flush.pop(key, None)
        if forget:
            self._kv.delete(hard_state_key(key))

    async def let_go(self, key: LogKey, founding: Configuration) -> bool:
        """Run a group no more whose replica here left it, and keep what must outlive its log; its
        data may be deleted then. False: not now.

        Args:
            founding: the configuration that every replica counts from, should it come back.

        Raises:
            OSError: it cannot be kept. The group is over here until the next start.
        """
        group = self._groups.get(key)
        if group is None or group.is_storing or self._is_closed:
            return False
        self.remove(key, forget=False)
        node, log = group.node, group.log
        end = (log.last_term, log.last_index)
        lost = end if node.lost is None else max(end, node.lost)
        state = HardState(node.term, node.voted_for, founding, lost=lost)
        puts = [(hard_state_key(key), state.encode())]
        deletes = [start_key(key)]
        await self._run_blocking(
            partial(self._kv.write_batch, puts=puts, deletes=deletes, sync=True)
        )
        return True

    def next_context(self) -> int:
        """A number that no read of this node had before."""
        self._contexts += 1
        return self._contexts

    def put_hard_state(self, key: LogKey, state: HardState) -> tuple[bytes, bytes]:
        """What to write for it, by who writes it together with other things."""
        return hard_state_key(key), state.encode()

    def group(self, key: LogKey) -> RaftGroup | None:
        return self._groups.get(key)

    def groups(self) -> Iterator[RaftGroup]:
        return iter(self._groups.values())

    @property
    def group_count(self) -> int:
        """Groups that run here."""
        return len(self._groups)

    @property
    def awake_count(self) -> int:
        """Groups that do not hibernate."""
        return len(self._awake)

    # --- events ---------------------------------------------------------------------------------

    def touch(self, group: RaftGroup) -> None:
        """Something was done to a group's node: see what it wants."""
        if group.is_over:
            return
        self._dirty[group.key] = group
        self._awake[group.key] = group
        if not self._has_turn:
            self._has_turn = True
            asyncio.get_running_loop().call_soon(self._turn)

    def receive(self, sender_is: Callable[[ReplicaId], bool], frame: memoryview) -> None:
        """Messages from a peer.

        Args:
            sender_is: whether a replica is on the node that the frame came from.

        Raises:
            WireFault: the frame is not one.
        """
        now_ms = self._clock.now_ms()
        for found, message in parse(frame):
            group = self._groups.get(LogKey(found.topic_id, found.partition))
            # An unknown group is one whose founding has not been heard of here yet, or is gone.
            if group is None or group.is_over:
                continue
            if message.to != self.replica_id or not sender_is(message.sender):
                continue
            try:
                group.node.step(message, now_ms)
            except Exception as failure:  # noqa: BLE001 rule 6
                self._broke(group, failure)
                continue
            self.touch(group)

    def peer_lost(self, is_there: Callable[[ReplicaId], bool]) -> None:
        """A node is out of sight: groups that it led and that hibernate have to look for another
        leader, unless it comes back in time. A group that is led here wakes when too few of its
        members are in sight: they may elect another leader, and who asks this one would not hear
        of it."""
        for group in list(self._groups.values()):
            node = group.node
            if not node.is_hibernating or node.leader is None:
                continue
            if is_there(node.leader) or (node.is_leader and not self._sees_quorum(node)):
                node.wake(leader_is_gone=not node.is_leader)
                self.touch(group)

    def _sees_quorum(self, node: RaftNode) -> bool:
        voters, outgoing = node.configuration.voters, node.configuration.outgoing
        return is_quorum(
            voters, outgoing, lambda each: each == self.replica_id or self._peers.is_in_sight(each)
        )

    def peer_found(self, is_there: Callable[[ReplicaId], bool]) -> None:
        """A node is in sight, maybe after a restart: groups led here that it shares wake up, so
        that it hears from its leaders."""
        for group in list(self._groups.values()):
            node = group.node
            members = node.configuration.members
            if node.is_leader and node.is_hibernating and any(map(is_there, members)):
                node.wake(leader_is_gone=False)
                self.touch(group)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_later(self._settings.tick_ms / 1_000, self._tick)

    def _tick(self) -> None:
        self._arm()
        now_ms = self._clock.now_ms()
        self._ticks += 1
        second = max(1, 1_000 // self._settings.tick_ms)
        if self._ticks % (second * SLOW_TICK_S) == 0:
            self._tick_owners(list(self._groups.values()))
        elif self._ticks % second == 0:
            self._tick_owners(list(self._awake.values()))
        for group in list(self._awake.values()):
            node = group.node
            try:
                node.tick(now_ms)
            except Exception as failure:  # noqa: BLE001 rule 6
                self._broke(group, failure)
                continue
            if node.has_ready:
                self.touch(group)
            elif node.is_hibernating:
                del self._awake[group.key]
                # Its owner may not have told yet that a follower is back: the next look is late.
                self._tick_owners([group])

    def _tick_owners(self, groups: Iterable[RaftGroup]) -> None:
        for group in groups:
            if not group.node.is_serving or group.is_over:
                continue
            try:
                group.owner.raft_ticked()
            except Exception as failure:  # noqa: BLE001 rule 6
                self._broke(group, failure)

    # --- turns ----------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._has_turn = False
        if self._is_closed:
            return
        dirty, self._dirty = self._dirty, {}
        outbox = Outbox()
        for group in dirty.values():
            if group.is_over or group.is_storing:
                continue  # who stores is touched when that is done
            try:
                self._take_turn(group, outbox)
            except Exception as failure:  # noqa: BLE001 rule 6
                self._broke(group, failure)
        self._send(outbox)
        self._store()
        self._flush()

    def _take_turn(self, group: RaftGroup, outbox: Outbox) -> None:
        ready = group.node.ready()
        if ready is None:
            if group.node.is_leader:
                group.owner.raft_progressed()
            return
        for fault in ready.faults:
            _log.warning("%s: %s", group.log.tp, fault)
        if ready.faults and group.log.failure is not None:
            self.fail(group, group.log.failure)
            return
        if ready.needs_flush:
            self._to_flush[group.key] = group
        if ready.hard_state is not None:
            group.is_storing = True
            self._to_store.append((group, ready))
        else:
            outbox.put(group.key, ready)
        group.owner.raft_advanced(ready)

    def _send(self, outbox: Outbox) -> None:
        for to, key in outbox.send(self._peers):
            group = self._groups.get(key)
            if group is None:
                continue
            try:
                group.node.unreachable(to)
            except Exception as failure:  # noqa: BLE001 rule 6
                self._broke(group, failure)

    # --- durability -----------------------------------------------------------------------------

    def _store(self) -> None:
        if self._storing or not self._to_store:
            return
        self._storing = True
        batch, self._to_store = self._to_store, []
        puts = [
            (hard_state_key(group.key), ready.hard_state.encode())
            for group, ready in batch
            if ready.hard_state is not None and not group.is_over
        ]
        job = partial(self._kv.write_batch, puts=puts, sync=True)
        self._run_blocking(job).add_done_callback(partial(self._stored, batch))

    def _stored(
        self, batch: list[tuple[RaftGroup, Ready]], written: asyncio.Future[object]
    ) -> None:
        self._storing = False
        if self._is_closed or written.cancelled():
            return
        failure = written.exception()
        outbox = Outbox()
        for group, ready in batch:
            group.is_storing = False
            if group.is_over:
                continue
            if failure is not None:
                self.fail(group, f"Its term and vote cannot be stored: {failure}")
                continue
            try:
                group.node.hard_state_stored(ready.token)
            except Exception as broken:  # noqa: BLE001 rule 6
                self._broke(group, broken)
                continue
            outbox.put(group.key, ready)
            self.touch(group)
        self._send(outbox)
        self._store()

    def _flush(self) -> None:
        while self._flush_jobs < FLUSH_JOBS_MAX:
            groups = [group for group in self._to_flush.values() if not group.is_flushing]
            if not groups:
                return
            for group in groups:
                group.is_flushing = True
                del self._to_flush[group.key]
            self._flush_jobs += 1
            job = partial(_flush_all, [group.log for group in groups])
            self._run_blocking(job).add_done_callback(partial(self._flushed, groups))

    def _flushed(self, groups: list[RaftGroup], job: asyncio.Future[object]) -> None:
        self._flush_jobs -= 1
        if self._is_closed or job.cancelled():
            return
        results = job.result()
        assert isinstance(results, list)
        now_ms = self._clock.now_ms()
        for group, result in zip(groups, results, strict=True):
            group.is_flushing = False
            if group.is_over:
                continue
            if isinstance(result, Exception):
                self.fail(group, f"A sync failed: {result}")
                continue
            try:
                group.node.durable(result.index, result.term, now_ms)
            except Exception as broken:  # noqa: BLE001 rule 6
                self._broke(group, broken)
                continue
            self.touch(group)
        self._flush()

    def _broke(self, group: RaftGroup, failure: Exception) -> None:
        if isinstance(failure, InvariantBroken):
            self.fail(group, f"An invariant is broken: {failure}")
        else:
            self.fail(group, f"It cannot follow its group: {failure}", failure)

    def fail(self, group: RaftGroup, reason: str, failure: Exception | None = None) -> None:
        """The group is at its end on this node.

        Args:
            failure: whose trace is logged, when nobody expected it.
        """
        _log.error(
            "%s: %s. This replica takes part no more until the node is started again",
            group.log.tp,
            reason,
            exc_info=failure,
        )
        group.is_over = True
        self.remove(group.key, forget=False)
        group.owner.raft_failed(KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, reason))


def _flush_all(logs: list[PartitionLog]) -> list[DurableUpTo | Exception]:
    """Runs in the thread pool: each log fails for itself."""
    results: list[DurableUpTo | Exception] = []
    for log in logs:
        try:
            results.append(log.flush())
        except Exception as failure:  # noqa: BLE001 who waits for the others has to be told
            results.append(failure)
    return results


def hard_state_key(key: LogKey) -> bytes:
    """Where a group's hard state is kept."""
    return _PREFIX + key.topic_id.bytes + key.partition.to_bytes(4, "big")
