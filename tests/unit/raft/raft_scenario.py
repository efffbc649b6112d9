"""Runs scenarios/*.txt: commands, and under each what comes of it. Their README.md has the words.

A scenario is a conversation: a line that begins with `>` says what to do, the lines after it what
is seen. Nothing happens by chance and nothing on its own: messages lie in the network until they
are delivered, and every timeout is one election timeout long.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path

from raft_log import MemoryLog

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry, EntryType, encode_entry
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import Refused
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Hibernate,
    Message,
    PreVote,
    PreVoteAnswer,
    ReadIndex,
    ReadIndexAnswer,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Ready, Role
from sprawl.core.raft.settings import RaftSettings

Command = Callable[["Scenario", list[str]], None]


class NoChance:
    """Every timeout is the shortest."""

    def randrange(self, stop: int, /) -> int:
        return 0


class Member:
    """A replica, its disk, and what its owner has not done yet."""

    def __init__(self, number: int, log: MemoryLog, stored: HardState) -> None:
        self.id = ReplicaId(number)
        self.log = log
        self.stored = stored
        self.node: RaftNode | None = None
        self.unstored: list[Ready] = []
        self.commit_index = LogIndex(0)
        self.was_hibernating = False


class Scenario:
    """A group and the network between its replicas."""

    def __init__(self) -> None:
        self.members: dict[int, Member] = {}
        self.network: list[Message] = []
        self.cut: set[tuple[int, int]] = set()
        self.seen: list[str] = []
        self.is_flush_manual = False
        self.is_store_manual = False
        self.settings = RaftSettings(hibernate_after_ticks=0, campaign_first=False)

    def say(self, line: str) -> None:
        self.seen.append(line)

    def do(self, words: list[str]) -> list[str]:
        """Run one command; returns what was seen."""
        self.seen = []
        name, *rest = words
        try:
            command: Command = getattr(type(self), f"do_{name}")
            command(self, rest)
        except (Refused, KafkaFault) as fault:
            self.say(f"refused: {fault}")
        self.work()
        return self.seen

    def node(self, word: str) -> RaftNode:
        node = self.members[int(word)].node
        assert node is not None, f"{word} is down"
        return node

    # --- an owner's duties ----------------------------------------------------------------------

    def work(self) -> None:
        """Every owner does what there is to do, except what was said to wait."""
        is_busy = True
        while is_busy:
            is_busy = False
            for member in self.members.values():
                while member.node is not None and (ready := member.node.ready()) is not None:
                    is_busy = True
                    self.take(member, ready)

    def take(self, member: Member, ready: Ready) -> None:
        self.report(member, ready)
        member.unstored.append(ready)
        node = member.node
        assert node is not None
        if not self.is_store_manual:
            self.store(member)
        else:
            while member.unstored and member.unstored[0].hard_state is None:
                self.network += member.unstored.pop(0).messages
        if ready.needs_flush and not self.is_flush_manual:
            self.flush(member)

    def store(self, member: Member) -> None:
        waiting, member.unstored = member.unstored, []
        for ready in waiting:
            if ready.hard_state is not None:
                member.stored = HardState.parse(ready.hard_state.encode())
                assert member.node is not None
                member.node.hard_state_stored(ready.token)
            self.network += ready.messages

    def flush(self, member: Member) -> None:
        token = member.log.flush()
        assert member.node is not None
        member.node.durable(token.index, token.term, 0)

    def report(self, member: Member, ready: Ready) -> None:
        me = member.id
        if ready.role_change is not None:
            role, term, leader = ready.role_change
            whose = f" of {leader}" if role is Role.FOLLOWER and leader is not None else ""
            self.say(f"{me} is {role.value}{whose} in term {term}")
        if ready.commit_index != member.commit_index:
            member.commit_index = ready.commit_index
            self.say(f"{me} commits {ready.commit_index}")
        if ready.configuration is not None:
            self.say(f"{me} counts by {ready.configuration}")
        for read in ready.reads:
            self.say(f"{me} confirms read {read.context} at {read.index}")
        for context in ready.reads_failed:
            self.say(f"{me} cannot confirm read {context}")
        for to in ready.snapshots:
            self.say(f"{me} wants a snapshot for {to}")
        for fault in ready.faults:
            self.say(f"{me} reports {fault}")
        if ready.is_hibernating != member.was_hibernating:
            member.was_hibernating = ready.is_hibernating
            self.say(f"{me} {'hibernates' if ready.is_hibernating else 'is awake'}")

    # --- setting the scene ----------------------------------------------------------------------

    def do_group(self, words: list[str]) -> None:
        """group 1 2 3 [learners 4] [and 5]: voters, learners, replicas that are no members yet."""
        lists: dict[str, list[int]] = {"voters": [], "learners": [], "and": []}
        name = "voters"
        for word in words:
            if word in lists:
                name = word
            else:
                lists[name].append(int(word))
        founding = Configuration.of(lists["voters"], lists["learners"])
        self.members, self.network, self.cut = {}, [], set()
        for number in sorted(chain.from_iterable(lists.values())):
            member = Member(number, MemoryLog(), HardState.founding(founding))
            self.members[number] = member
            self.start(member)

    def do_set(self, words: list[str]) -> None:
        """set NAME NUMBER: a field of RaftSettings; before `group`."""
        fields = {name: getattr(self.settings, name) for name in RaftSettings.__slots__}
        fields[words[0]] = int(words[1])
        self.settings = RaftSettings(**fields)

    def do_logs(self, words: list[str]) -> None:
        """logs 1: 1 1 2: what replica 1 has on disk at first, as the terms of its entries."""
        member = self.members[int(words[0].rstrip(":"))]
        entries = []
        for index, word in enumerate(words[1:], 1):
            frame = encode_entry(EntryType.NOOP, b"", next_offset=0, term=int(word))
            entries.append(
                Entry(LogIndex(index), Term(int(word)), EntryType.NOOP, memoryview(frame))
            )
        member.log = MemoryLog(entries)
        term = max(member.stored.term, member.log.last_term)
        member.stored = member.stored._replace(term=Term(term))
        self.start(member)

    def do_term(self, words: list[str]) -> None:
        """term 1 5: replica 1 has seen term 5."""
        member = self.members[int(words[0])]
        member.stored = member.stored._replace(term=Term(int(words[1])))
        self.start(member)

    def start(self, member: Member) -> None:
        member.node = RaftNode(member.id, member.log, member.stored, self.settings, NoChance())
        member.unstored = []
        member.was_hibernating = False
        while (ready := member.node.ready()) is not None:
            member.commit_index = ready.commit_index
            if ready.hard_state is not None:
                member.stored = ready.hard_state
                member.node.hard_state_stored(ready.token)

    def do_flushes(self, words: list[str]) -> None:
        """flushes wait | flushes happen: whether an owner flushes at once."""
        self.is_flush_manual = words == ["wait"]

    def do_stores(self, words: list[str]) -> None:
        """stores wait | stores happen: whether an owner stores hard states at once."""
        self.is_store_manual = words == ["wait"]

    # --- events ---------------------------------------------------------------------------------

    def do_tick(self, words: list[str]) -> None:
        """tick 1 [10]: so many ticks pass at replica 1, or at all of them."""
        numbers = list(self.members) if words[0] == "all" else [int(words[0])]
        for _ in range(int(words[1]) if len(words) > 1 else 1):
            for number in numbers:
                node = self.members[number].node
                if node is not None:
                    node.tick(0)
            self.work()

    def do_campaign(self, words: list[str]) -> None:
        self.node(words[0]).campaign(0)

    def do_append(self, words: list[str]) -> None:
        """append 1 [3]: the leader's owner appends so many entries."""
        node = self.node(words[0])
        for _ in range(int(words[1]) if len(words) > 1 else 1):
            node.check_can_append(30)
            node.log.append_entry(EntryType.CONTROLLER_COMMAND, b"", term=node.term)
            node.appended(0)

    def do_can(self, words: list[str]) -> None:
        """can 1 [100]: may the owner append so many bytes?"""
        self.node(words[0]).check_can_append(int(words[1]) if len(words) > 1 else 1)
        self.say("yes")

    def do_flush(self, words: list[str]) -> None:
        self.flush(self.members[int(words[0])])

    def do_durable(self, words: list[str]) -> None:
        """durable 1 5 of term 2: a flush is reported, true or not."""
        self.node(words[0]).durable(LogIndex(int(words[1])), Term(int(words[4])), 0)

    def do_store(self, words: list[str]) -> None:
        self.store(self.members[int(words[0])])

    def do_propose(self, words: list[str]) -> None:
        """propose 1 voters 1 2 4 [learners 3] [forced]"""
        is_forced = words[-1] == "forced"
        rest = words[2:-1] if is_forced else words[2:]
        at = rest.index("learners") if "learners" in rest else len(rest)
        voters, learners = map(int, rest[:at]), map(int, rest[at + 1 :])
        self.node(words[0]).propose_configuration(voters, learners, is_forced=is_forced)

    def do_transfer(self, words: list[str]) -> None:
        """transfer 1 to 2"""
        self.node(words[0]).transfer_leadership(ReplicaId(int(words[2])))

    def do_read(self, words: list[str]) -> None:
        """read 1 7: a read named 7 comes to replica 1."""
        self.node(words[0]).read_index(int(words[1]))

    def do_hibernate(self, words: list[str]) -> None:
        if not self.node(words[0]).hibernate():
            self.say("not now")

    def do_wake(self, words: list[str]) -> None:
        """wake 1 [gone]: gone: the leader's node is not there any more."""
        self.node(words[0]).wake(leader_is_gone="gone" in words)

    def do_forget(self, words: list[str]) -> None:
        self.node(words[0]).forget_leader()

    def do_wait(self, words: list[str]) -> None:
        """wait 2: somebody waits at replica 2 for what is committed."""
        self.node(words[0]).want_commits()

    def do_unreachable(self, words: list[str]) -> None:
        """unreachable 1 2: 1 cannot reach 2."""
        self.node(words[0]).unreachable(ReplicaId(int(words[1])))

    def do_crash(self, words: list[str]) -> None:
        """crash 1: power is lost, and with it what was not flushed."""
        member = self.members[int(words[0])]
        member.node = None
        member.unstored = []
        member.log.changes = []
        member.log.crash(NoChance())

    def do_restart(self, words: list[str]) -> None:
        self.start(self.members[int(words[0])])

    def do_fails(self, words: list[str]) -> None:
        """fails 1 yes | fails 1 no: whether the disk of replica 1 takes appends."""
        self.members[int(words[0])].log.fails = words[1] == "yes"

    def do_compact(self, words: list[str]) -> None:
        """compact 1 5: the log of replica 1 forgets its entries up to 5."""
        self.members[int(words[0])].log.compact(int(words[1]))

    def do_snapshot(self, words: list[str]) -> None:
        """snapshot 1 to 3 [fails]: what 1 has committed is copied to 3."""
        node, to = self.node(words[0]), self.members[int(words[2])]
        index = node.commit_index
        term = node.log.term_at(index)
        assert term is not None
        assert to.node is not None
        is_there = "fails" not in words
        if is_there and to.node.needs_snapshot(index, term):
            to.stored = to.node.snapshot_state(index, node.configuration)
            to.log.install(index, term)
            to.node.restored(index, term, node.configuration)
        elif is_there:
            self.say(f"{to.id} has that already")
        node.snapshot_sent(to.id, is_there, index)

    # --- the network ----------------------------------------------------------------------------

    def do_cut(self, words: list[str]) -> None:
        """cut 1 from 2 3: nothing passes between them, in both directions."""
        at = words.index("from")
        for a in words[:at]:
            for b in words[at + 1 :]:
                self.cut |= {(int(a), int(b)), (int(b), int(a))}

    def do_heal(self, words: list[str]) -> None:
        self.cut = set()

    def do_deliver(self, words: list[str]) -> None:
        """deliver [2]: what is under way (to 2) arrives, and what that leads to waits."""
        network, self.network = self.network, []
        for message in network:
            if words and str(message.to) not in words:
                self.network.append(message)
                continue
            node = self.members[message.to].node
            if (message.sender, message.to) in self.cut or node is None:
                continue
            self.say(f"  {describe(message)}")
            node.step(message, 0)
            self.work()

    def do_settle(self, words: list[str]) -> None:
        """settle: everything arrives, until nothing is under way; messages are not shown."""
        for _ in range(200):
            self.work()
            if not self.network:
                return
            network, self.network = self.network, []
            for message in network:
                node = self.members[message.to].node
                if (message.sender, message.to) not in self.cut and node is not None:
                    node.step(message, 0)
                    self.work()
        self.say("it does not settle")

    def do_lose(self, words: list[str]) -> None:
        """lose [2]: what is under way (to 2) is lost."""
        self.network = [m for m in self.network if words and str(m.to) not in words]

    def do_repeat(self, words: list[str]) -> None:
        """repeat: what is under way will arrive twice."""
        self.network += list(self.network)

    def do_reverse(self, words: list[str]) -> None:
        """reverse: what is under way will arrive in reverse order."""
        self.network.reverse()

    # --- looking --------------------------------------------------------------------------------

    def do_network(self, words: list[str]) -> None:
        for message in self.network:
            self.say(f"  {describe(message)}")

    def do_show(self, words: list[str]) -> None:
        for number, member in self.members.items():
            node = member.node
            if words and str(number) not in words:
                continue
            if node is None:
                self.say(f"{number} is down")
                continue
            serving = ", serving" if node.is_serving else ""
            self.say(
                f"{number} {node.role.value} term {node.term} commit {node.commit_index} "
                f"durable {node.durable_index} last {node.log.last_index} "
                f"of term {node.log.last_term}{serving}"
            )

    def do_terms(self, words: list[str]) -> None:
        """terms 1: the terms of the entries of replica 1."""
        log = self.members[int(words[0])].log
        self.say(f"from {log.first_index}: " + " ".join(str(e.term) for e in log.content))

    def do_stored(self, words: list[str]) -> None:
        state = self.members[int(words[0])].stored
        pending = ",".join(map(str, state.pending_configuration_indexes))
        self.say(
            f"term {state.term} vote {state.voted_for} {state.configuration} "
            f"at {state.configuration_index} pending {pending or 'none'}"
        )

    def do_progress(self, words: list[str]) -> None:
        lead = self.node(words[0])._lead
        assert lead is not None
        for number, each in lead.progress.items():
            self.say(
                f"{number} {each.state.value} match {each.match} next {each.next} "
                f"under way {each.inflight_count}"
            )


def describe(message: Message) -> str:
    """A message in words."""
    head = f"{message.sender} -> {message.to} {type(message).__name__} term {message.term}"
    match message:
        case Append():
            entries = ", ".join(
                f"{each.index}:{each.term}{'' if each.type is not EntryType.CONFIG else ' config'}"
                for each in message.entries
            )
            return (
                f"{head} after {message.prev_index}:{message.prev_term} "
                f"[{entries}] commit {message.commit_index}"
            )
        case AppendAnswer():
            if message.is_rejected:
                hint = f"{message.hint_index}:{message.hint_term}"
                return f"{head} not {message.index}, perhaps {hint}"
            received = "" if message.hint_index == message.index else f" of {message.hint_index}"
            wish = ", wants commits" if message.wants_commits else ""
            return f"{head} has {message.index}{received}{wish}"
        case Vote() | PreVote():
            transfer = " by transfer" if isinstance(message, Vote) and message.is_transfer else ""
            return f"{head} log {message.last_index}:{message.last_term}{transfer}"
        case VoteAnswer() | PreVoteAnswer():
            return f"{head} {'yes' if message.is_granted else 'no'}"
        case Heartbeat():
            return f"{head} commit {message.commit_index} round {message.context}"
        case HeartbeatAnswer():
            return f"{head} round {message.context}"
        case Hibernate():
            return f"{head} last {message.last_index}"
        case ReadIndex():
            return f"{head} read {message.context}"
        case ReadIndexAnswer():
            return f"{head} read {message.context} at {message.index}"
        case TimeoutNow():
            return head


def play(path: Path) -> str:
    """The scenario's text, with what is seen now under each command."""
    scenario = Scenario()
    lines: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(">"):
            lines.append(line)
            lines += scenario.do(line[1:].split())
        elif not line or line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"
