"""Has every Raft group of every simulated node judged while it runs (checkers/raft.py).

    with observing(world):
        world.run(story)         # stops at the first violation, which the end of the block raises

What happens is seen where it happens, whoever caused it:

    RaftNode        between it and the host: terms, votes, elections, commits, configurations
    PartitionLog    every entry that is written, every cut, every move of the log start
    the host        what a flush brought to the disk, what leaves a node
    the disk        hard states, once they are synced
    the partition   high watermarks, answers to acks=all

Rules:

1. Nothing is scheduled, drawn, read from a disk or written into the trace: a seed has the same
   digest with it and without.
2. A life begins with its RaftNode, not with its process: a replica that is opened again while its
   node runs lives again, and what its old log still does counts for nothing.
3. What a dead process does while it falls is not looked at.
4. A node that is alone has one group, its controller's; its other logs answer to nobody's vote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sim.disk import SimDirectory, SimKeyValueStore
from sim.processes import PROCESS

from sprawl.core.ids import LogKey
from sprawl.core.log.partition_log import PartitionLog
from sprawl.core.partition.partition import Partition
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import AppendAnswer, VoteAnswer
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Ready, Role
from sprawl.core.replication import host
from sprawl.core.replication.log_starts import GroupLog
from sprawl.core.replication.outbox import Outbox
from sprawl.core.replication.replica import RaftReplica
from tests.sim.checkers import observations as seen
from tests.sim.checkers.raft import InvariantBroken, ObservationError, RaftChecker

if TYPE_CHECKING:
    from sim.world import World

    from sprawl.core.ids import LogIndex, Offset, ReplicaId, Term
    from sprawl.core.log.tokens import AppendResult, DurableUpTo
    from sprawl.core.partition.replication import Commit
    from sprawl.core.raft.configuration import Configuration
    from sprawl.core.raft.messages import Vote
    from sprawl.core.records.batch import BatchHeader

_observers: list[Observer] = []
"""The last one is told; those before it wait for the end of a world within their own."""


class Life:
    """A replica from the beginning of its RaftNode on."""

    __slots__ = ("_observer", "group", "incarnation", "is_over", "log", "node")

    def __init__(self, observer: Observer, node: ReplicaId, log: PartitionLog) -> None:
        self._observer = observer
        self.node = node
        self.group = f"{log.tp} {log.topic_id}"
        self.incarnation = 0
        self.log = log
        self.is_over = False

    @property
    def is_damaged(self) -> bool:
        """Whether bits flipped in its files, now or long ago."""
        directory = self.log.directory
        assert isinstance(directory, SimDirectory)
        return directory.name in directory.disk.flipped_logs

    def tell(self, kind: type[seen.Observation], **fields: Any) -> None:
        """Something happened to it."""
        process = PROCESS.get()
        if self.is_over or (process is not None and process.is_dead):
            return
        self._observer.observe(
            kind(node=self.node, incarnation=self.incarnation, group=self.group, **fields)
        )

    def configured(self, index: LogIndex, term: Term, configuration: Configuration) -> None:
        self.tell(
            seen.ConfigurationApplied,
            index=index,
            term=term,
            voters=frozenset(configuration.voters),
            outgoing=frozenset(configuration.outgoing),
        )

    def flushed(self, index: LogIndex, term: int | None) -> None:
        self.tell(seen.Flushed, index=index, term=term)


class Observer:
    """Feeds one checker with what happens in one world."""

    def __init__(self, world: World) -> None:
        self.failure: Exception | None = None
        self._world = world
        self._checker = RaftChecker(stop_at_first=True)
        self._lives: dict[PartitionLog, Life] = {}
        self._replicas: dict[tuple[LogKey, ReplicaId], Life] = {}
        self._stores: dict[tuple[SimKeyValueStore, bytes], Life] = {}

    def observe(self, observation: seen.Observation) -> None:
        """Judge; the world stands still after the first violation."""
        if self.failure is not None:
            return
        try:
            self._checker.observe(observation)
        except (InvariantBroken, ObservationError) as failure:
            failure.add_note(f"in process {PROCESS.get()}")
            self.failure = failure
            self._world.loop.stop()

    def life_of(self, log: PartitionLog) -> Life | None:
        return self._lives.get(log)

    def replica(self, key: LogKey, node: ReplicaId) -> Life | None:
        return self._replicas.get((key, node))

    def begin(self, node: RaftNode, found: HardState) -> Life:
        """A replica opened its log."""
        view = node.log
        assert isinstance(view, GroupLog)
        log, store = view._log, view._kv
        assert isinstance(store, SimKeyValueStore)
        key = LogKey(log.topic_id, log.tp.partition)
        life = Life(self, node.replica_id, log)
        before = self._replicas.get((key, node.replica_id))
        if before is not None:
            before.is_over = True
            life.incarnation = before.incarnation + 1
        self._lives[log] = self._replicas[key, node.replica_id] = life
        self._stores[store, host.hard_state_key(key)] = life
        life.tell(
            seen.Started,
            term=found.term,
            vote=found.voted_for,
            first_index=log.first_index,
            last_index=log.last_index,
            last_term=max(0, log.last_term),
            commit_index=node.commit_index,
            is_lost=found.lost is not None,
            is_damaged=life.is_damaged,
        )
        if node.term > found.term:
            life.tell(seen.TermChanged, term=node.term)
        life.flushed(log.synced_index, log.term_at(log.synced_index))
        life.configured(node.configuration_index, node.configuration_term, node.configuration)
        if log.log_start_offset:
            life.tell(seen.LogStartMoved, offset=log.log_start_offset)
        return life

    def stored(self, store: SimKeyValueStore, key: bytes, value: bytes) -> None:
        """Something is on a disk."""
        life = self._stores.get((store, key))
        if life is not None:
            state = HardState.parse(value)
            life.tell(seen.HardStateFlushed, term=state.term, vote=state.voted_for)


def watched(base: type[RaftNode]) -> type[RaftNode]:
    """A replica whose life is told."""

    class Watched(base):  # type: ignore[valid-type, misc]
        __slots__ = ("_life",)

        def __init__(
            self, replica_id: ReplicaId, log: Any, hard_state: HardState, *args: Any, **named: Any
        ) -> None:
            super().__init__(replica_id, log, hard_state, *args, **named)
            self._life = _observers[-1].begin(self, hard_state)

        def _raise_term(self, term: Term) -> None:
            super()._raise_term(term)
            self._life.tell(seen.TermChanged, term=term)

        def _handle_vote(self, message: Vote) -> None:
            before = self.voted_for
            super()._handle_vote(message)
            if self.voted_for != before:
                self._life.tell(seen.Voted, term=self.term, candidate=self.voted_for)

        def _campaign(self, *, is_transfer: bool) -> None:
            super()._campaign(is_transfer=is_transfer)
            self._life.tell(seen.Voted, term=self.term, candidate=self.voted_for)

        def _become_leader(self) -> None:
            # Nobody is sent the vote for itself.
            self._life.tell(seen.VoteAnswered, term=self.term, candidate=self.voted_for)
            self._life.tell(seen.LeaderElected, term=self.term)
            super()._become_leader()
            if self.role is not Role.LEADER:
                self._life.tell(seen.SteppedDown, term=self.term)

        def _drop_leadership(self) -> None:
            if self._lead is not None:
                self._life.tell(seen.SteppedDown, term=self.term)
            super()._drop_leadership()

        def _set_commit(self, index: LogIndex) -> None:
            # By the configuration in force before.
            self._life.tell(seen.Committed, index=index)
            super()._set_commit(index)

        def _apply_configuration(self, index: LogIndex, configuration: Configuration) -> None:
            self._life.configured(index, self.log.term_at(index), configuration)
            super()._apply_configuration(index, configuration)

        def restored(self, index: LogIndex, term: Term, configuration: Configuration) -> None:
            super().restored(index, term, configuration)
            life = self._life
            log = life.log
            life.tell(
                seen.SnapshotInstalled, index=index, term=term, next_offset=log.log_end_offset
            )
            life.flushed(index, term)
            life.configured(index, term, configuration)
            life.tell(seen.LogStartMoved, offset=log.log_start_offset)

    return Watched


# --- what the host, logs, disks and partitions do -------------------------------------------------


def _watch_flush_all(flush_all: Callable[[list[PartitionLog]], list[Any]]) -> Any:
    def watch(logs: list[PartitionLog]) -> list[DurableUpTo | Exception]:
        results = flush_all(logs)
        for log, result in zip(logs, results, strict=True):
            life = _observers[-1].life_of(log)
            if life is not None and not isinstance(result, Exception):
                life.flushed(result.index, result.term)
        return results

    return watch


def _watch_put(put: Callable[..., None]) -> Any:
    def watch(outbox: Outbox, key: LogKey, ready: Ready) -> None:
        for message in ready.messages:
            kind = type(message)
            if kind is AppendAnswer and not message.is_rejected:  # type: ignore[union-attr]
                life = _observers[-1].replica(key, message.sender)
                if life is not None:
                    life.tell(seen.AppendAnswered, index=message.index, term=message.term)  # type: ignore[union-attr]
            elif kind is VoteAnswer and message.is_granted:  # type: ignore[union-attr]
                life = _observers[-1].replica(key, message.sender)
                if life is not None:
                    life.tell(seen.VoteAnswered, term=message.term, candidate=message.to)
        put(outbox, key, ready)

    return watch


def _watch_append_batch(append_batch: Callable[..., AppendResult]) -> Any:
    def watch(
        log: PartitionLog, buf: memoryview, header: BatchHeader, *, term: int, now_ms: int
    ) -> AppendResult:
        result = append_batch(log, buf, header, term=term, now_ms=now_ms)
        life = _observers[-1].life_of(log)
        if life is not None:
            has_sequence = header.producer_id >= 0 and not header.is_control
            life.tell(
                seen.Appended,
                index=result.index,
                term=term,
                crc=header.crc,
                base_offset=result.first_offset,
                count=header.last_offset_delta + 1,
                producer=header[9:12] if has_sequence else None,
            )
        return result

    return watch


def _watch_append_frame(append_frame: Callable[..., LogIndex]) -> Any:
    def watch(log: PartitionLog, frame: bytearray, term: int, now_ms: int) -> LogIndex:
        index = append_frame(log, frame, term, now_ms)
        life = _observers[-1].life_of(log)
        if life is not None:
            crc, next_offset = int.from_bytes(frame[17:21]), int.from_bytes(frame[:8])
            life.tell(seen.Appended, index=index, term=term, crc=crc, base_offset=next_offset)
        return index

    return watch


def _watch_truncate_suffix(truncate_suffix: Callable[..., None]) -> Any:
    def watch(log: PartitionLog, from_index: int) -> None:
        life = _observers[-1].life_of(log)
        if life is None or from_index > log.last_index:
            truncate_suffix(log, from_index)
            return
        life.tell(seen.Cutting, from_index=from_index)
        truncate_suffix(log, from_index)
        life.tell(seen.Truncated, from_index=from_index)

    return watch


def _watch_set_log_start(set_log_start: Callable[..., None]) -> Any:
    def watch(log: PartitionLog, offset: int, *, write_entry: bool = True) -> None:
        before = log.log_start_offset
        set_log_start(log, offset, write_entry=write_entry)
        life = _observers[-1].life_of(log)
        if life is not None and log.log_start_offset != before:
            life.tell(seen.LogStartMoved, offset=log.log_start_offset)

    return watch


def _watch_write_batch(write_batch: Callable[..., None]) -> Any:
    def watch(
        store: SimKeyValueStore, *, puts: Any = (), deletes: Any = (), sync: bool = False
    ) -> None:
        write_batch(store, puts=puts, deletes=deletes, sync=sync)
        if sync:
            for key, value in puts:
                _observers[-1].stored(store, key, value)

    return watch


def _watch_remove(remove: Callable[..., None]) -> Any:
    def watch(runner: host.RaftHost, key: LogKey, *, forget: bool) -> None:
        life = _observers[-1].replica(key, runner.replica_id)
        if forget and life is not None:
            life.tell(seen.Forgotten)
        remove(runner, key, forget=forget)

    return watch


def _watch_commit_to(commit_to: Callable[..., None]) -> Any:
    def watch(partition: Partition, end_offset: Offset) -> None:
        before = partition.high_watermark
        commit_to(partition, end_offset)
        if partition.high_watermark != before:
            _high_watermark_moved(partition)

    return watch


def _watch_raft_advanced(raft_advanced: Callable[..., None]) -> Any:
    def watch(replica: RaftReplica, ready: Ready) -> None:
        was_serving = replica._is_serving
        raft_advanced(replica, ready)
        if replica._is_serving and not was_serving:
            _high_watermark_moved(replica._partition)

    return watch


def _high_watermark_moved(partition: Partition) -> None:
    life = _observers[-1].life_of(partition.log)
    if life is not None:
        # One that cannot read its end may serve with the high watermark that it had.
        serves = partition.is_leader and not life.is_damaged
        term = partition.term if serves else 0
        life.tell(seen.HighWatermarkMoved, offset=partition.high_watermark, term=term)


def _watch_wait(wait: Callable[..., Commit]) -> Any:
    def watch(replica: RaftReplica, index: LogIndex) -> Commit:
        commit = wait(replica, index)
        if commit.done():
            _produce_answered(replica, index)
        return commit

    return watch


def _watch_complete_commits(complete_commits: Callable[..., None]) -> Any:
    def watch(replica: RaftReplica, commit_index: LogIndex) -> None:
        commits = replica._commits
        if not commits:
            complete_commits(replica, commit_index)
            return
        waiting = [index for index, _ in commits]
        complete_commits(replica, commit_index)
        for index in waiting[: len(waiting) - len(commits)]:
            _produce_answered(replica, index)

    return watch


def _produce_answered(replica: RaftReplica, index: LogIndex) -> None:
    log = replica._partition.log
    life = _observers[-1].life_of(log)
    term = log.term_at(index)
    # With the same commit the log may have come to start behind it.
    if life is not None and term is not None:
        life.tell(seen.ProduceAnswered, index=index, term=term)


WATCHES: Final[tuple[tuple[Any, str, Callable[[Any], Any]], ...]] = (
    (host, "RaftNode", watched),
    (host, "_flush_all", _watch_flush_all),
    (host.RaftHost, "remove", _watch_remove),
    (Outbox, "put", _watch_put),
    (PartitionLog, "append_batch", _watch_append_batch),
    (PartitionLog, "_append_frame", _watch_append_frame),
    (PartitionLog, "truncate_suffix", _watch_truncate_suffix),
    (PartitionLog, "set_log_start", _watch_set_log_start),
    (SimKeyValueStore, "write_batch", _watch_write_batch),
    (Partition, "commit_to", _watch_commit_to),
    (RaftReplica, "raft_advanced", _watch_raft_advanced),
    (RaftReplica, "_wait", _watch_wait),
    (RaftReplica, "_complete_commits", _watch_complete_commits),
)
"""What is replaced, in which place, and by what is made of it."""


@contextmanager
def observing(world: World) -> Iterator[None]:
    """Judge a world's Raft groups within the block.

    Raises:
        InvariantBroken: at the end of the block, which the first violation brings about.
    """
    observer = Observer(world)
    originals = []
    if not _observers:
        originals = [(place, name, vars(place)[name]) for place, name, _ in WATCHES]
        for place, name, watch in WATCHES:
            setattr(place, name, watch(vars(place)[name]))
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.pop()
        for place, name, original in originals:
            setattr(place, name, original)
        if observer.failure is not None:
            raise observer.failure from None
