"""The invariants of README.md, checked from outside: nothing here trusts a replica's own view.

The checkers see every disk, every message that leaves a node, and every entry that is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from raft_log import MemoryLog

from sprawl.core.ids import ReplicaId
from sprawl.core.log.frames import Entry, EntryType
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    Hibernate,
    Message,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import ConfirmedRead, Role


class Broken(AssertionError):
    """An invariant does not hold."""


def demand(condition: object, invariant: str, text: str) -> None:
    if not condition:
        raise Broken(f"{invariant}: {text}")


class Observed(Protocol):
    """A replica as the checkers see it."""

    id: ReplicaId
    log: CheckedLog
    node: RaftNode | None
    stored: HardState


class Checkers:
    """What is known of a group since its foundation."""

    def __init__(self, founding: Configuration) -> None:
        self.entries: dict[tuple[int, int], tuple[bytes, int]] = {}
        self.committed: dict[int, Entry] = {}
        self.commit_index = 0
        self.configurations: dict[int, Configuration] = {0: founding}
        self.leaders: dict[int, ReplicaId] = {}
        self.votes: dict[tuple[ReplicaId, int], ReplicaId] = {}
        self.read_floors: dict[int, int] = {}
        self.seen: dict[ReplicaId, tuple[int, Role, int, int]] = {}
        self.counts: dict[str, int] = {}

    def count(self, name: str) -> None:
        """Something rare happened; tests demand that it does."""
        self.counts[name] = self.counts.get(name, 0) + 1

    # --- the logs -------------------------------------------------------------------------------

    def wrote(self, entry: Entry, prev_term: int) -> None:
        """I2: an index and a term name one entry with one predecessor."""
        facts = (bytes(entry.frame), prev_term)
        known = self.entries.setdefault((entry.index, entry.term), facts)
        demand(known == facts, "I2", f"two entries at {entry.index} of term {entry.term}")

    def cut(self, entries: Sequence[Entry]) -> None:
        """I11: nothing that is committed is cut off."""
        self.count("truncation")
        if len(entries) > 1:
            self.count("truncation of several entries")
        for entry in entries:
            committed = self.committed.get(entry.index)
            demand(
                committed is None or committed.term != entry.term,
                "I11",
                f"the committed entry {entry.index} is cut off",
            )

    # --- a replica after an event ---------------------------------------------------------------

    def observe(self, replica: Observed, replicas: Mapping[ReplicaId, Observed]) -> None:
        node = replica.node
        assert node is not None
        before = self.seen.get(replica.id, (0, Role.FOLLOWER, 0, 0))
        now = (node.commit_index, node.role, node.term, replica.log.truncations)
        if before == now:
            return
        self.seen[replica.id] = now
        demand(node.term >= before[2], "I6", f"{replica.id} went back to term {node.term}")
        if node.role is Role.LEADER:
            self._observe_leader(replica, before, replicas)
        if node.commit_index > before[0]:
            self._observe_commit(replica, before[0])
        demand(node.commit_index >= before[0], "I11", f"{replica.id} went back in its commits")
        self._observe_configuration(node)
        demand(
            node.role is not Role.LEADER or node.configuration.is_voter(replica.id),
            "I10",
            f"{replica.id} leads and is no voter",
        )

    def restarted(self, replica: Observed) -> None:
        assert replica.node is not None
        node = replica.node
        self.seen[replica.id] = (
            node.commit_index,
            node.role,
            node.term,
            replica.log.truncations,
        )
        self._observe_commit(replica, replica.log.base)
        self._observe_configuration(node)
        known = max(node.commit_index, node.configuration_index)
        found = [
            entry.index
            for entry in replica.log.content
            if entry.type is EntryType.CONFIG and entry.index > known
        ]
        pending = [index for index, _ in node.pending]
        demand(found == pending, "I9", f"{replica.id} knows of {pending}, its log has {found}")

    def _observe_leader(
        self,
        replica: Observed,
        before: tuple[int, Role, int, int],
        replicas: Mapping[ReplicaId, Observed],
    ) -> None:
        node = replica.node
        assert node is not None
        commit_index, role, term, truncations = before
        if role is not Role.LEADER or term != node.term:
            self.count("election")
            known = self.leaders.setdefault(node.term, replica.id)
            demand(known == replica.id, "I1", f"{known}, {replica.id} lead term {node.term}")
            configuration = self.configuration_of(node)
            for half in (configuration.voters, configuration.outgoing):
                votes = [each for each in half if self.votes.get((each, node.term)) == replica.id]
                demand(len(votes) * 2 > len(half) or not half, "I10", f"elected by {votes}")
            for index, entry in self.committed.items():
                if index > replica.log.base:
                    found = replica.log.term_at(index)
                    demand(found == entry.term, "I3", f"the leader lacks entry {index}")
        else:
            demand(truncations == replica.log.truncations, "I4", "a leader cut its log")
        if node.commit_index > commit_index and node.commit_index > self.commit_index:
            self._observe_decision(replica, commit_index, replicas)

    def _observe_decision(
        self, replica: Observed, before: int, replicas: Mapping[ReplicaId, Observed]
    ) -> None:
        """A leader commits what nobody did before it."""
        node = replica.node
        assert node is not None
        index = node.commit_index
        term = replica.log.term_at(index)
        demand(term == node.term, "I8", f"entry {index} of term {term} committed by counting")
        holders = {each.id for each in replicas.values() if each.log.disk_term_at(index) == term}
        steps = [self.configurations[max(i for i in self.configurations if i <= before)]]
        steps += [
            Configuration.parse(entry.payload)
            for entry in replica.log.entries(before + 1, index + 1, 1 << 30)
            if entry.type is EntryType.CONFIG
        ]
        demand(
            any(
                all(
                    len(holders.intersection(half)) * 2 > len(half)
                    for half in (step.voters, step.outgoing)
                    if half
                )
                for step in steps
            ),
            "I7",
            f"entry {index} is committed and on the disks of {sorted(holders)}, {steps}",
        )

    def _observe_commit(self, replica: Observed, before: int) -> None:
        """I5: a place in the log is committed once."""
        node = replica.node
        assert node is not None
        log = replica.log
        for index in range(max(before, log.base) + 1, node.commit_index + 1):
            entry = log.content[index - log.base - 1]
            known = self.committed.setdefault(index, entry)
            demand(
                known.term == entry.term and known.frame == entry.frame,
                "I5",
                f"entry {index} is committed in terms {known.term} and {entry.term}",
            )
            if entry.type is EntryType.CONFIG and index not in self.configurations:
                configuration = Configuration.parse(entry.payload)
                last = max(self.configurations)
                demand(
                    index > last and configuration.follows(self.configurations[last]),
                    "I9",
                    f"{configuration} at {index} after {self.configurations[last]} at {last}",
                )
                self.count("joint" if configuration.is_joint else "configuration")
                self.configurations[index] = configuration
        self.commit_index = max(self.commit_index, node.commit_index)

    def configuration_of(self, node: RaftNode) -> Configuration:
        """What a replica has to count by: the last configuration it knows to be committed."""
        known = max(node.commit_index, node.configuration_index)
        at = max(index for index in self.configurations if index <= known)
        return self.configurations[at]

    def _observe_configuration(self, node: RaftNode) -> None:
        truth = self.configuration_of(node)
        demand(node.configuration == truth, "I9", f"counts by {node.configuration}, not {truth}")

    # --- what leaves a node ---------------------------------------------------------------------

    def stored(self, replica: Observed) -> None:
        """A hard state is on disk."""
        if replica.stored.voted_for == replica.id:
            self._voted(replica, replica.stored.term, replica.id)

    def sent(self, message: Message, replica: Observed) -> None:
        """A message leaves: what it promises must be on disk."""
        stored = replica.stored
        demand(
            stored.term >= message.term or _is_question(message),
            "I6",
            f"term {message.term} is not stored: {message}",
        )
        if isinstance(message, Vote):
            self._voted(replica, message.term, replica.id)
        elif isinstance(message, VoteAnswer) and message.is_granted:
            self._voted(replica, message.term, message.to)
        elif isinstance(message, AppendAnswer) and not message.is_rejected:
            self._acknowledged(message, replica)
        elif isinstance(message, Append | Heartbeat | Hibernate):
            known = self.leaders.get(message.term)
            demand(known == message.sender, "I1", f"{message.sender} leads, not {known}")

    def handing_over(
        self,
        replica: Observed,
        messages: Sequence[Message],
        replicas: Mapping[ReplicaId, Observed],
    ) -> None:
        """Who is told to campaign can win: it has what this leader has."""
        node = replica.node
        lead = None if node is None else node._lead
        if node is None or lead is None or node.pending:
            return
        for message in messages:
            if isinstance(message, TimeoutNow) and message.to == lead.transferee:
                last, term = replica.log.last_index, replica.log.last_term
                found = replicas[message.to].log.disk_term_at(last)
                demand(found == term, "transfer", f"{message.to} lacks entry {last}")

    def _voted(self, replica: Observed, term: int, candidate: ReplicaId) -> None:
        stored = replica.stored
        demand(
            stored.term > term or stored.voted_for == candidate,
            "I6",
            f"the vote for {candidate} in term {term} is not stored",
        )
        known = self.votes.setdefault((replica.id, term), candidate)
        demand(known == candidate, "I6", f"{replica.id} votes twice in term {term}")

    def _acknowledged(self, message: AppendAnswer, replica: Observed) -> None:
        """What is acknowledged is on disk, and a CONFIG entry is remembered before that."""
        stored, log = replica.stored, replica.log
        assert replica.node is not None
        if replica.node.term == message.term and message.index > log.base:
            # In a later term it may have been cut off since it was acknowledged.
            on_disk = log.disk_term_at(message.index)
            demand(
                on_disk is not None and on_disk == log.term_at(message.index),
                "I7",
                f"{message.index} is acknowledged, on disk there is term {on_disk}",
            )
        known = {stored.configuration_index, *stored.pending_configuration_indexes}
        floor = min(stored.pending_configuration_indexes, default=1 << 60)
        for entry in log.disk[max(stored.configuration_index - log.base, 0) :]:
            if entry.index > message.index:
                break
            if entry.type is EntryType.CONFIG and entry.index > stored.configuration_index:
                demand(
                    entry.index in known or entry.index >= floor,
                    "I9",
                    f"entry {entry.index} is acknowledged, its configuration not stored",
                )

    # --- reads ----------------------------------------------------------------------------------

    def read_asked(self, context: int) -> None:
        self.read_floors[context] = self.commit_index

    def read_confirmed(self, read: ConfirmedRead) -> None:
        """A read sees everything that was committed when it came."""
        self.count("read")
        floor = self.read_floors[read.context]
        demand(read.index >= floor, "reads", f"confirmed at {read.index}, {floor} was committed")

    # --- hibernation ----------------------------------------------------------------------------

    def hibernated(self, replica: Observed, replicas: Mapping[ReplicaId, Observed]) -> None:
        """I13: when a leader hibernates, every member has the same log on disk, all committed."""
        node = replica.node
        assert node is not None
        self.count("hibernation")
        last, term = replica.log.last_index, replica.log.last_term
        demand(node.commit_index == last, "I13", f"{last} entries, {node.commit_index} committed")
        for member in node.configuration.members:
            if member in replicas:
                log = replicas[member].log
                found = log.disk_term_at(last)
                demand(found == term, "I13", f"{member} lacks entry {last}")


class CheckedLog(MemoryLog):
    """A log whose writes the checkers see."""

    def __init__(self, checkers: Checkers) -> None:
        super().__init__()
        self.checkers = checkers

    def _add(self, entry: Entry) -> None:
        prev_term = self.last_term
        super()._add(entry)
        self.checkers.wrote(entry, prev_term)

    def truncate_suffix(self, from_index: int) -> None:
        self.checkers.cut(self.content[from_index - self.base - 1 :])
        super().truncate_suffix(from_index)

    def disk_term_at(self, index: int) -> int | None:
        """The term of an entry that is on disk; also of those that a snapshot stands for."""
        if index <= self.base:
            committed = self.checkers.committed.get(index)
            return None if committed is None else committed.term
        at = index - self.base - 1
        return self.disk[at].term if at < len(self.disk) else None


def _is_question(message: Message) -> bool:
    """Whether a message speaks of a term that nobody is in yet."""
    return type(message).__name__ in ("PreVote", "PreVoteAnswer")
