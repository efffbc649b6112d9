"""A group of replicas in a world where anything may happen, decided by a seed.

Everything an owner does (core/raft/__init__.py) is a step of its own: storing a hard state, the
beginning of a flush, its end, its report, the delivery of a message. Between any two of them power
may fail, a process may die, links may break; messages get lost, repeated and reordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from raft_checkers import Broken, CheckedLog, Checkers
from raft_log import Flush

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import EntryType
from sprawl.core.log.tokens import DurableUpTo
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import Refused
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import Message
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Ready, Role
from sprawl.core.raft.settings import RaftSettings


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How rough a world is, drawn from its seed."""

    lost: float
    repeated: float
    delayed: float
    crashes: float
    partitions: float
    changes: float
    steers: float
    disk_errors: float
    writes: float
    reads: float
    reports: float
    unrest: float
    clocks: tuple[float, ...]
    settings: RaftSettings

    @classmethod
    def draw(cls, rng: Random) -> Knobs:
        return cls(
            lost=rng.choice((0.0, 0.02, 0.2)),
            repeated=rng.choice((0.0, 0.05)),
            delayed=rng.choice((0.0, 0.3, 0.9)),
            crashes=rng.choice((0.0, 0.004, 0.02)),
            partitions=rng.choice((0.0, 0.004, 0.02)),
            changes=rng.choice((0.0, 0.01, 0.03)),
            steers=rng.choice((0.01, 0.05)),
            disk_errors=rng.choice((0.0, 0.0, 0.002)),
            writes=(writes := rng.choice((1.0, 1.0, 0.03))),
            reads=rng.choice((1.0, 0.1)) if writes == 1.0 else rng.choice((1.0, 0.01)),
            reports=rng.choice((0.4, 0.04)),
            unrest=rng.choice((0.0, 0.005, 0.02)),
            clocks=rng.choice(((1.0,), (1.0, 0.5), (1.0, 1.0, 0.05))),
            settings=RaftSettings(
                election_ticks=rng.choice((3, 5, 10)),
                heartbeat_ticks=rng.choice((1, 2)),
                hibernate_after_ticks=rng.choice((0, 3, 6)),
                append_bytes_max=rng.choice((1, 80, 1_000_000)),
                inflight_appends_max=rng.choice((1, 2, 32)),
                inflight_bytes_max=rng.choice((60, 1_000_000)),
                uncommitted_bytes_max=rng.choice((200, 1_000_000)),
                catch_up_entries_max=rng.choice((0, 5, 1000)),
            ),
        )


class World:
    """One group in one world.

    Args:
        seed: decides everything.
        node_type: the replica's class, for mutants.
    """

    def __init__(
        self, seed: int, *, knobs: Knobs | None = None, node_type: type[RaftNode] = RaftNode
    ) -> None:
        self.rng = Random(seed)
        self.seed = seed
        self.node_type = node_type
        self.knobs = Knobs.draw(self.rng) if knobs is None else knobs
        size = self.rng.choice((1, 2, 3, 3, 3, 3, 4, 5))
        self.founding = Configuration.of(range(1, size + 1))
        self.checkers = Checkers(self.founding)
        spare = 2 if self.knobs.changes else 0
        self.hosts = {
            ReplicaId(number): Host(
                ReplicaId(number), CheckedLog(self.checkers), HardState.founding(self.founding)
            )
            for number in range(1, size + spare + 1)
        }
        self.network: list[Message] = []
        self.cut: set[tuple[ReplicaId, ReplicaId]] = set()
        self.written = 0
        self.asked = 0
        self.steps = 0
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

    def work_on_flush(self, host: Host) -> None:
        """Begin a flush, end it, or report that it ended."""
        node = host.node
        assert node is not None
        if host.reports and self.rng.random() < self.knobs.reports:
            token = host.reports.pop(0)
            node.durable(token.index, token.term, 0)
            self.drain(host)
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

    # --- events ---------------------------------------------------------------------------------

    def deliver(self, at: int) -> None:
        message = self.network[at]
        if self.rng.random() >= self.knobs.repeated:
            self.network[at] = self.network[-1]
            self.network.pop()
        to = self.hosts[message.to]
        if (message.sender, message.to) in self.cut or to.node is None:
            return
        to.node.step(message, 0)
        self.maybe_drain(to)

    def maybe_drain(self, host: Host) -> None:
        """The owner may look after its duties later."""
        self.checkers.observe(host, self.hosts)
        if self.rng.random() < 0.7:
            self.drain(host)

    def write(self, host: Host) -> None:
        node = host.node
        assert node is not None
        try:
            node.check_can_append(40)
        except KafkaFault:
            return
        for _ in range(self.rng.choice((1, 1, 3))):
            self.written += 1
            try:
                host.log.append_entry(
                    EntryType.CONTROLLER_COMMAND, b"%d" % self.written, term=node.term
                )
            except KafkaFault:
                return
        node.appended(0)
        self.maybe_drain(host)

    def steer(self, host: Host) -> None:
        """What an owner or the controller may ask for."""
        node, rng = host.node, self.rng
        assert node is not None
        try:
            what = rng.randrange(6)
            if what == 0:
                node.transfer_leadership(rng.choice(list(self.hosts)))
                self.checkers.count("transfer")
            elif what == 1:
                node.campaign(0)
            elif what == 2:
                node.forget_leader()
            elif what == 3:
                node.hibernate()
            elif what == 4:
                node.unreachable(rng.choice(list(self.hosts)))
            else:
                node.wake()
        except Refused:
            return
        self.maybe_drain(host)

    def read(self, host: Host) -> None:
        assert host.node is not None
        self.asked += 1
        self.checkers.read_asked(self.asked)
        try:
            host.node.read_index(self.asked)
        except Refused:
            return
        self.maybe_drain(host)

    def change(self) -> None:
        """Another configuration, asked of whoever leads."""
        rng = self.rng
        leaders = [h for h in self.hosts.values() if h.node and h.node.role is Role.LEADER]
        if not leaders:
            return
        host = rng.choice(leaders)
        node = host.node
        assert node is not None
        current = node.configuration
        numbers = list(self.hosts)
        rng.shuffle(numbers)
        is_forced = rng.random() < 0.2
        if rng.random() < 0.4:
            # The newcomers learn first.
            voters = list(current.voters)
        elif is_forced:
            voters = numbers[: rng.choice((1, 2, 3, 3, 4))]
        else:
            members = [each for each in numbers if each in current.members]
            voters = members[: rng.choice((2, 3, 3, 4))]
        others = [each for each in numbers if each not in voters]
        try:
            node.propose_configuration(
                voters, others[: rng.choice((0, 1, 2, 2))], is_forced=is_forced
            )
        except Refused:
            return
        self.maybe_drain(host)

    def session(self, host: Host) -> None:
        """Look after the sessions that a hibernating group hangs on."""
        node = host.node
        if node is None or not node.is_hibernating:
            return
        broken = [each for each in self.hosts if each != host.id and self.is_broken(host, each)]
        is_false_alarm = self.rng.random() < 0.05
        if node.role is Role.LEADER:
            if broken or is_false_alarm:
                node.wake()
        elif node.leader in broken or is_false_alarm:
            self.checkers.count("leader gone in hibernation")
            node.wake(leader_is_gone=True)
        elif broken:
            node.wake()
        self.drain(host)

    def is_broken(self, host: Host, other: ReplicaId) -> bool:
        peer = self.hosts[other]
        if peer.node is None or (other, host.id) in self.cut or (host.id, other) in self.cut:
            return True
        is_new = host.heard_boots.get(other, peer.boots) != peer.boots
        host.heard_boots[other] = peer.boots
        return is_new

    def partition(self) -> None:
        rng = self.rng
        if self.cut or rng.random() < 0.2 or len(self.hosts) == 1:
            self.cut = set()
            return
        numbers = list(self.hosts)
        if rng.random() < 0.2:
            # Some links, each in one direction.
            self.cut = {(a, b) for a in numbers for b in numbers if rng.random() < 0.3}
            return
        side = set(rng.sample(numbers, rng.randrange(1, len(numbers))))
        leaders = [h.id for h in self.hosts.values() if h.node and h.node.role is Role.LEADER]
        if leaders and rng.random() < 0.5:
            side = {leaders[0], *rng.sample(numbers, rng.randrange(2))}
        self.cut = {(a, b) for a in numbers for b in numbers if (a in side) != (b in side)}
        if leaders and rng.random() < 0.5:
            self.disturb()

    def disturb(self) -> None:
        """Some take the leader for gone, and one of them campaigns."""
        rng = self.rng
        up = [host for host in self.hosts.values() if host.node is not None]
        followers = [host for host in up if host.node and host.node.role is not Role.LEADER]
        if not followers:
            return
        for host in followers:
            if rng.random() < 0.8 and host.node is not None:
                host.node.wake(leader_is_gone=True)
                self.maybe_drain(host)
        host = rng.choice(followers)
        assert host.node is not None
        host.node.campaign(0)
        self.maybe_drain(host)

    def compact(self, host: Host) -> None:
        node = host.node
        self.drain(host)
        if node is None or host.waiting or host.flush or host.log.changes:
            return
        index = min(node.commit_index, host.log.synced)
        if index > host.log.base:
            host.log.compact(self.rng.randrange(host.log.base, index) + 1)

    def step(self) -> None:
        """One thing happens."""
        rng, knobs = self.rng, self.knobs
        self.steps += 1
        host = self.hosts[ReplicaId(rng.randrange(len(self.hosts)) + 1)]
        luck = rng.random()
        if luck < knobs.crashes:
            if host.node is None:
                self.start(host)
                self.drain(host)
            else:
                self.crash(host, is_power_lost=rng.random() < 0.7)
            return
        if host.node is None:
            if rng.random() < 0.05:
                self.start(host)
                self.drain(host)
            return
        if rng.random() < knobs.partitions:
            self.partition()
        if rng.random() < knobs.unrest:
            self.disturb()
        if rng.random() < knobs.disk_errors:
            host.log.fails = not host.log.fails
        if rng.random() < knobs.changes:
            self.change()
        elif rng.random() < knobs.steers:
            self.steer(host)
        elif rng.random() < 0.003:
            self.compact(host)
        self.usual()

    def usual(self) -> None:
        """What happens all the time: something that can happen."""
        rng = self.rng
        up = [host for host in self.hosts.values() if host.node is not None]
        if not up:
            return
        what = rng.random()
        if what < 0.45 and self.network:
            at = rng.randrange(len(self.network)) if rng.random() < self.knobs.delayed else 0
            if rng.random() < self.knobs.lost:
                self.network.pop(at)
            else:
                self.deliver(at)
            return
        if what < 0.6 and (ready := [host for host in up if host.waiting]):
            self.store(rng.choice(ready))
            return
        if what < 0.8 and (
            ready := [host for host in up if host.flush or host.reports or host.wants_flush]
        ):
            self.work_on_flush(rng.choice(ready))
            return
        host = rng.choice(up)
        leaders = [host for host in up if host.node and host.node.role is Role.LEADER]
        if what < 0.88 and leaders and rng.random() < self.knobs.writes:
            self.write(rng.choice(leaders))
        elif what < 0.92 and leaders and rng.random() < self.knobs.reads:
            self.read(rng.choice((host, *leaders)))
        elif what < 0.95:
            self.session(host)
        elif what < 0.97 and (ready := [host for host in up if host.snapshots]):
            self.copy_snapshot(rng.choice(ready))
        elif host.node is not None:
            clocks = self.knobs.clocks
            if rng.random() < clocks[host.id % len(clocks)]:
                host.node.tick(0)
            self.maybe_drain(host)

    def run(self, steps: int) -> World:
        """Let so many things happen.

        Raises:
            Broken: an invariant does not hold; how to see it again is in the text.
        """
        try:
            for _ in range(steps):
                self.step()
        except (Broken, InvariantBroken) as fault:
            fault.args = (f"{fault.args[0]} (seed {self.seed}, step {self.steps})",)
            raise
        return self

    # --- liveness -------------------------------------------------------------------------------

    def heal(self) -> None:
        """Nothing fails any more."""
        self.cut = set()
        for host in self.hosts.values():
            host.log.fails = False
            if host.node is None:
                self.start(host)

    def calm(self, rounds: int, is_done: Callable[[], bool]) -> bool:
        """Let everything happen in good order, a tick a round, until something is so."""
        for _ in range(rounds):
            for host in self.hosts.values():
                self.session(host)
                assert host.node is not None
                host.node.tick(0)
                self.checkers.observe(host, self.hosts)
            for _ in range(20):
                for host in self.hosts.values():
                    self.settle(host)
                network, self.network = self.network, []
                if not network:
                    break
                for message in network:
                    to = self.hosts[message.to]
                    assert to.node is not None
                    to.node.step(message, 0)
                    self.checkers.observe(to, self.hosts)
            if is_done():
                return True
        return False

    def settle(self, host: Host) -> None:
        self.drain(host)
        while host.waiting:
            self.store(host)
        while host.flush is not None or host.reports or host.wants_flush:
            self.work_on_flush(host)
        while host.snapshots:
            self.copy_snapshot(host)

    def leader(self) -> Host | None:
        """The serving leader of the highest term."""
        serving = [h for h in self.hosts.values() if h.node is not None and h.node.is_serving]
        return max(serving, key=lambda h: h.node.term, default=None)  # type: ignore[union-attr]

    def is_even(self) -> bool:
        """Whether a leader serves, no change is under way, and every member has everything."""
        leader = self.leader()
        if leader is None or leader.node is None:
            return False
        node = leader.node
        if (
            node.configuration.is_joint
            or node.pending
            or node.commit_index != leader.log.last_index
        ):
            return False
        for member in node.configuration.members:
            host = self.hosts[member]
            assert host.node is not None
            if host.log.last_index != leader.log.last_index:
                return False
            if host.node.commit_index != node.commit_index:
                return False
        return True
