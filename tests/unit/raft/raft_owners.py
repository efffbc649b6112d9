"""The owners of a group's replicas: each duty of core/raft/__init__.py is a step of its own.

Storing a hard state, the beginning of a flush, its end, its report, the copy of a snapshot: between
any two of them power may fail, a process may die, a message may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from raft_checkers import CheckedLog, Checkers
from raft_log import Flush
from raft_moods import Knobs

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.tokens import DurableUpTo
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import Message
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Ready, Role


@dataclass(slots=True)
class Waiting:
    """Messages of one Ready that wait until its hard state and those before are stored."""

    hard_state: HardState | None
    token: int
    messages: Sequence[Message]


@dataclass
class Host:
    """A node with one replica; its disk outlives it."""

    id: ReplicaId
    log: CheckedLog
    stored: HardState
    node: RaftNode | None = None
    waiting: list[Waiting] = field(default_factory=list)
    flush: Flush | None = None
    wants_flush: bool = False
    reports: list[DurableUpTo] = field(default_factory=list)
    snapshots: list[ReplicaId] = field(default_factory=list)
    boots: int = 0
    heard_boots: dict[ReplicaId, int] = field(default_factory=dict)


class Owners:
    """All replicas of a group with their disks, and what is under way between them.

    Args:
        hosts_count: how many replicas there are; some may be no members of `founding`.
        node_type: the replica's class, for mutants.
    """

    def __init__(
        self,
        founding: Configuration,
        hosts_count: int,
        rng: Random,
        knobs: Knobs,
        node_type: type[RaftNode],
    ) -> None:
        self.founding = founding
        self.rng = rng
        self.knobs = knobs
        self.node_type = node_type
        self.checkers = Checkers(founding)
        self.hosts = {
            ReplicaId(number): Host(
                ReplicaId(number), CheckedLog(self.checkers), HardState.founding(founding)
            )
            for number in range(1, hosts_count + 1)
        }
        self.network: list[Message] = []
        self.cut: set[tuple[ReplicaId, ReplicaId]] = set()
        for host in self.hosts.values():
            self.start(host)

    # --- nodes ----------------------------------------------------------------------------------

    def start(self, host: Host) -> None:
        host.boots += 1
        host.node = self.node_type(host.id, host.log, host.stored, self.knobs.settings, self.rng)
        self.checkers.restarted(host)

    def crash(self, host: Host, *, is_power_lost: bool) -> None:
        if host.node is not None and host.node.configuration.is_joint:
            self.checkers.count("crash in a joint configuration")
        host.node = None
        host.waiting, host.reports, host.snapshots = [], [], []
        host.flush, host.wants_flush = None, False
        host.log.fails = False
        if is_power_lost:
            before = host.log.last_index
            host.log.crash(self.rng)
            if host.log.last_index < before:
                self.checkers.count("lost tail")
        else:
            host.log.recover()

    # --- an owner's duties ----------------------------------------------------------------------

    def drain(self, host: Host) -> None:
        node = host.node
        if node is None:
            return
        self.checkers.observe(host, self.hosts)
        while (ready := node.ready()) is not None:
            self.take(host, ready)

    def take(self, host: Host, ready: Ready) -> None:
        node = host.node
        assert node is not None
        self.checkers.handing_over(host, ready.messages, self.hosts)
        host.waiting.append(Waiting(ready.hard_state, ready.token, ready.messages))
        self.send_stored(host)
        host.wants_flush = host.wants_flush or ready.needs_flush
        host.snapshots += ready.snapshots
        for read in ready.reads:
            self.checkers.read_confirmed(read)
        if ready.is_hibernating and node.role is Role.LEADER:
            self.checkers.hibernated(host, self.hosts)

    def send_stored(self, host: Host) -> None:
        """Send what does not wait for a hard state."""
        while host.waiting and host.waiting[0].hard_state is None:
            for message in host.waiting.pop(0).messages:
                self.checkers.sent(message, host)
                self.network.append(message)

    def store(self, host: Host) -> None:
        """One synced write of the key-value store."""
        if not host.waiting:
            return
        waiting = host.waiting[0]
        if waiting.hard_state is not None:
            host.stored = HardState.parse(waiting.hard_state.encode())
            waiting.hard_state = None
            self.checkers.stored(host)
            assert host.node is not None
            host.node.hard_state_stored(waiting.token)
            self.checkers.observe(host, self.hosts)
        self.send_stored(host)
        self.drain(host)

    def work_on_flush(self, host: Host, speed: float = 1.0) -> None:
        """Begin a flush, end it, or report that it ended.

        Args:
            speed: how likely the disk does its part.
        """
        node = host.node
        assert node is not None
        if host.reports and self.rng.random() < self.knobs.reports:
            token = host.reports.pop(0)
            node.durable(token.index, token.term, 0)
            self.drain(host)
        elif self.rng.random() >= speed:
            pass
        elif host.flush is not None:
            host.reports.append(host.log.end_flush(host.flush))
            host.flush = None
        elif host.wants_flush:
            host.wants_flush = False
            host.flush = host.log.begin_flush()
        self.checkers.observe(host, self.hosts)

    def copy_snapshot(self, host: Host) -> None:
        """Bring a follower what the leader's log does not have any more."""
        node = host.node
        to = self.hosts[host.snapshots.pop(0)]
        assert node is not None
        index, term = node.commit_index, host.log.term_at(node.commit_index)
        is_done = False
        if term is not None and to.node is not None and (host.id, to.id) not in self.cut:
            is_done = not to.node.needs_snapshot(LogIndex(index), Term(term))
            if not is_done and not to.waiting and to.node.role is not Role.LEADER:
                self.checkers.count("snapshot")
                to.flush, to.reports = None, []
                to.stored = to.node.snapshot_state(LogIndex(index), node.configuration)
                to.log.install(index, term)
                to.node.restored(LogIndex(index), Term(term), node.configuration)
                self.drain(to)
                is_done = True
        node.snapshot_sent(to.id, is_done, index)
        self.drain(host)

    def settle(self, host: Host) -> None:
        self.drain(host)
        while host.waiting:
            self.store(host)
        while host.flush is not None or host.reports or host.wants_flush:
            self.work_on_flush(host)
        while host.snapshots:
            self.copy_snapshot(host)
