"""A group of replicas in a world where anything may happen, decided by a seed.

Everything an owner does is a step of its own (raft_owners.py). Between any two of them power may
fail, a process may die, links may break; messages get lost, repeated and reordered. The seed also
decides what a world is like (raft_moods.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from raft_checkers import Broken
from raft_moods import Knobs, mood_of
from raft_owners import Host, Owners

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import ReplicaId
from sprawl.core.log.frames import EntryType
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import Refused
from sprawl.core.raft.messages import PreVote, PreVoteAnswer, Vote, VoteAnswer
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Role


class World(Owners):
    """One group in one world.

    Args:
        seed: decides everything.
        node_type: the replica's class, for mutants.
    """

    def __init__(self, seed: int, *, node_type: type[RaftNode] = RaftNode) -> None:
        rng = Random(seed)
        self.seed = seed
        knobs = mood_of(seed)(rng, Knobs.draw(rng))
        size = rng.choice(knobs.sizes)
        spare = 2 if knobs.changes else 0
        founding = Configuration.of(range(1, size + 1))
        super().__init__(founding, size + spare, rng, knobs, node_type)
        self.written = 0
        self.asked = 0
        self.steps = 0

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
            what = rng.randrange(5)
            if rng.random() < self.knobs.transfers:
                node.transfer_leadership(rng.choice(list(self.hosts)))
                self.checkers.count("transfer")
            elif what == 0:
                node.campaign(0)
            elif what == 1:
                node.forget_leader()
            elif what == 2:
                node.hibernate()
            elif what == 3:
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
        serving = [host for host in leaders if host.node and host.node.is_serving]
        host = rng.choice(serving or leaders)
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

    def usurp(self) -> None:
        """A bare majority finds another leader, and is rid of the others for a while, or not."""
        rng, hosts = self.rng, self.hosts
        followers = [h for h in hosts.values() if h.node and h.node.role is not Role.LEADER]
        if not followers:
            return
        candidate = rng.choice(followers)
        assert candidate.node is not None
        voters = [each for each in candidate.node.configuration.voters if each != candidate.id]
        rng.shuffle(voters)
        if rng.random() < 0.8:
            # Those that would have it first.
            place = (candidate.log.last_term, candidate.log.last_index)
            voters.sort(key=lambda each: _refuses(hosts[each], place))
        side = {candidate.id, *voters[: (len(voters) + 1) // 2]}
        self.cut = set()
        if rng.random() < 0.7:
            self.cut = {(a, b) for a in hosts for b in hosts if (a in side) != (b in side)}
        for number in side:
            host = hosts[number]
            if host.node is None:
                self.start(host)
            elif host.node.role is not Role.LEADER:
                host.node.wake(leader_is_gone=True)
        candidate.node.campaign(0)
        for _ in range(4):  # two questions, two answers
            for number in side:
                host = hosts[number]
                self.drain(host)
                while host.waiting:
                    self.store(host)
            for at in reversed(range(len(self.network))):
                if isinstance(self.network[at], PreVote | PreVoteAnswer | Vote | VoteAnswer):
                    self.deliver(at)

    def lose_a_cut(self) -> None:
        """Power fails where something was cut off and is on disk still; the hard state is newer."""
        hosts = [h for h in self.hosts.values() if h.node is not None]
        cut = [h for h in hosts if any(isinstance(each, int) for each in h.log.changes)]
        if cut:
            host = self.rng.choice(cut)
            self.drain(host)
            while host.waiting:
                self.store(host)
            self.crash(host, is_power_lost=True)
            self.start(host)
            self.drain(host)

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
        if rng.random() < knobs.outages:
            self.lose_a_cut()
        nodes = [host.node for host in self.hosts.values() if host.node is not None]
        is_changing = any(node.is_leader and node.pending for node in nodes)
        if rng.random() < (knobs.coups if is_changing else knobs.usurpers):
            self.usurp()
        elif rng.random() < knobs.usurpers:
            self.cut = set()
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
            host = rng.choice(ready)
            if rng.random() < _share(self.knobs.stores, host):
                self.store(host)
            return
        if what < 0.8 and (
            ready := [host for host in up if host.flush or host.reports or host.wants_flush]
        ):
            host = rng.choice(ready)
            self.work_on_flush(host, _share(self.knobs.disks, host))
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
            if rng.random() < _share(self.knobs.clocks, host):
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


def _share(values: Sequence[float], host: Host) -> float:
    """A replica's own value, of those that a world has."""
    return values[host.id % len(values)]


def _refuses(host: Host, place: tuple[int, int]) -> bool:
    """Whether a replica would not vote for one whose log ends there."""
    is_leader = host.node is not None and host.node.role is Role.LEADER
    return is_leader or (host.log.last_term, host.log.last_index) > place
