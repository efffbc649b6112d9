"""The state of one replica of a group, and what every part of it uses.

The parts are layers, each in a file; a layer calls those before it:

    state -> membership -> following -> leading -> steering -> elections -> node
"""

from __future__ import annotations

from typing import Protocol

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry, EntryType
from sprawl.core.raft.checks import broken, check
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import NEVER, HardState
from sprawl.core.raft.leadership import Leadership
from sprawl.core.raft.log_port import NO_INDEX, NO_TERM, RaftLog
from sprawl.core.raft.messages import Message
from sprawl.core.raft.ready import ConfirmedRead, Role
from sprawl.core.raft.settings import RaftSettings

TERM_MAX = 2**31 - 1
"""A term is stamped into batches as Kafka's leader epoch, an int32."""
_SCAN_BYTES = 1_048_576


class Randomness(Protocol):
    """Where election timeouts come from; `random.Random` is one, groups may share it."""

    def randrange(self, stop: int, /) -> int:
        """An integer from [0, stop)."""
        ...


class RaftState:
    """What a replica knows, and the moves that every part makes.

    Attributes:
        term, voted_for, configuration, configuration_index, configuration_term: the hard state.
        term_leader: who leads, or led, in this term, also after `leader` was forgotten.
        durable_index: entries up to here survive a power loss here.
        matched_index: entries up to here are those of this term's leader, as far as a follower
            knows.
        pending: CONFIG entries above the commit index, ascending.
    """

    __slots__ = (
        "_dropped_prev",
        "_elapsed_ticks",
        "_faults",
        "_floor",
        "_flush_asked_index",
        "_has_news",
        "_hold_token",
        "_is_ack_owed",
        "_is_configuration_new",
        "_is_hard_state_new",
        "_lead",
        "_messages",
        "_now_ms",
        "_reads",
        "_reads_asked",
        "_reads_failed",
        "_snapshots",
        "_stored_token",
        "_timeout_ticks",
        "_token",
        "_told",
        "_vote_token",
        "_votes",
        "_wanted_ticks",
        "can_lead",
        "commit_index",
        "configuration",
        "configuration_index",
        "configuration_term",
        "durable_index",
        "is_hibernating",
        "leader",
        "log",
        "lost",
        "matched_index",
        "pending",
        "replica_id",
        "rng",
        "role",
        "settings",
        "term",
        "term_leader",
        "voted_for",
    )

    def __init__(
        self,
        replica_id: ReplicaId,
        log: RaftLog,
        hard_state: HardState,
        settings: RaftSettings,
        rng: Randomness,
        *,
        can_lead: bool = True,
        commit_index: LogIndex = NO_INDEX,
    ) -> None:
        self.replica_id = replica_id
        self.log = log
        self.settings = settings
        self.rng = rng
        self.can_lead = can_lead
        self.term = hard_state.term
        self.voted_for = hard_state.voted_for
        self.configuration = hard_state.configuration
        self.configuration_index = hard_state.configuration_index
        self.configuration_term = hard_state.configuration_term
        self.lost = hard_state.lost
        self.role = Role.FOLLOWER
        self.leader: ReplicaId | None = None
        self.term_leader: ReplicaId | None = None
        self.is_hibernating = False
        self.durable_index = log.synced_index
        self._lead: Leadership | None = None
        self._votes: dict[ReplicaId, bool] | None = None
        self._messages: list[Message] | None = None
        self._reads: list[ConfirmedRead] | None = None
        self._reads_failed: list[int] | None = None
        self._reads_asked: list[int] | None = None
        self._snapshots: list[ReplicaId] | None = None
        self._faults: list[Exception] | None = None
        self._is_hard_state_new = False
        self._is_configuration_new = False
        self._has_news = True
        self._token = 0
        self._stored_token = 0
        self._vote_token = 0
        self._hold_token = 0
        self._dropped_prev: LogIndex | None = None
        self._floor: LogIndex | None = None
        self._is_ack_owed = False
        self._flush_asked_index = log.synced_index
        self._elapsed_ticks = 0
        self._wanted_ticks = 0
        self._now_ms = 0
        if log.last_term > self.term:
            # Entries of a new term reached the disk, and the term did not: nobody was told of
            # either, so that there was no vote in it.
            self.term = log.last_term
            self.voted_for = None
            self._hard_state_changed()
        self.commit_index = self.matched_index = self._find_committed(commit_index)
        self.pending: tuple[tuple[LogIndex, Configuration], ...] = self._find_pending(hard_state)
        if tuple(index for index, _ in self.pending) != hard_state.pending_configuration_indexes:
            self._hard_state_changed()
        for index, configuration in self.pending:
            self._maybe_found(index, self._term_at(index), configuration)
        self._maybe_refilled(self.durable_index)
        self._told: tuple[Role, Term, ReplicaId | None] | None = None
        self._timeout_ticks = self._draw_timeout()

    def _find_committed(self, remembered: LogIndex) -> LogIndex:
        """Up to where this log is known to be committed.

        The configuration's entry is, and everything before it in a log that holds that entry. One
        that a power loss took back to what had been cut off does not hold it.
        """
        log = self.log
        known = max(remembered, log.first_index - 1)
        if self._term_at(self.configuration_index) == self.configuration_term:
            known = max(known, self.configuration_index)
        return LogIndex(min(known, log.last_index))

    def _find_pending(self, hard_state: HardState) -> tuple[tuple[LogIndex, Configuration], ...]:
        """The CONFIG entries that are not committed yet: see HardState for where they may be."""
        log = self.log
        lo = log.last_index
        if hard_state.pending_configuration_indexes:
            lo = min(lo, hard_state.pending_configuration_indexes[0])
        known = max(self.commit_index, self.configuration_index)
        lo = LogIndex(max(lo, known + 1, log.first_index))
        found: list[tuple[LogIndex, Configuration]] = []
        while lo <= log.last_index:
            entries = log.entries(lo, log.last_index + 1, _SCAN_BYTES)
            found += [(e.index, read_configuration(e)) for e in entries if is_configuration(e)]
            lo = LogIndex(entries[-1].index + 1)
        return tuple(found)

    def _maybe_found(
        self, index: LogIndex, term: Term | None, configuration: Configuration
    ) -> None:
        """The log names this replica's part at a place: see HardState.lost."""
        if self.lost is None or term is None or self.replica_id not in configuration.members:
            return
        if (term, index) > self.lost:
            self.lost = None
            self._hard_state_changed()

    def _maybe_refilled(self, index: LogIndex) -> None:
        """A leader brought the log on disk up to a place: see HardState.lost."""
        if self.lost is None or self.lost[1] != NEVER:
            return
        term = self._term_at(index)
        if term is not None and term > self.lost[0]:
            self.lost = None
            self._hard_state_changed()

    # --- facts ----------------------------------------------------------------------------------

    @property
    def hard_state(self) -> HardState:
        """As it stands, stored or not."""
        indexes = [index for index, _ in self.pending]
        if self._floor is not None:
            indexes.append(self._floor)
        lead = self._lead
        if lead is not None and lead.proposal is not None:
            indexes.append(lead.proposal_floor)
        return HardState(
            self.term,
            self.voted_for,
            self.configuration,
            self.configuration_index,
            self.configuration_term,
            tuple(sorted(set(indexes))),
            self.lost,
        )

    @property
    def is_serving(self) -> bool:
        """Leads, and an entry of its own term is committed: what Kafka calls a leader."""
        lead = self._lead
        return lead is not None and self.commit_index >= lead.noop_index

    @property
    def is_voter(self) -> bool:
        """Whether this replica's vote counts in its own configuration."""
        return self.configuration.is_voter(self.replica_id)

    @property
    def membership_index(self) -> LogIndex | None:
        """Where the last configuration stands that has this replica in it, of the one in force here
        and those that may come into force; None when none has."""
        known = ((self.configuration_index, self.configuration), *self.pending)
        places = [index for index, each in known if self.replica_id in each.members]
        return places[-1] if places else None

    def _term_at(self, index: int) -> Term | None:
        return NO_TERM if index == NO_INDEX else self.log.term_at(index)

    # --- news for the owner ---------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        if self._messages is None:
            self._messages = []
        self._messages.append(message)
        self._has_news = True

    def _fault(self, fault: Exception) -> None:
        if self._faults is None:
            self._faults = []
        self._faults.append(fault)
        self._has_news = True

    def _fail_read(self, context: int) -> None:
        if self._reads_failed is None:
            self._reads_failed = []
        self._reads_failed.append(context)
        self._has_news = True

    def _confirm_read(self, read: ConfirmedRead) -> None:
        if self._reads is None:
            self._reads = []
        self._reads.append(read)
        self._has_news = True

    def _hard_state_changed(self) -> None:
        self._is_hard_state_new = True
        self._has_news = True

    def _next_token(self) -> int:
        """The token that the hard state as it stands now will be stored under."""
        return self._token + 1

    # --- roles ----------------------------------------------------------------------------------

    def _draw_timeout(self) -> int:
        """From one to two election timeouts (Raft paper, section 5.2)."""
        ticks = self.settings.election_ticks
        return ticks + self.rng.randrange(ticks)

    def _restart_timer(self) -> None:
        self._elapsed_ticks = 0
        self._timeout_ticks = self._draw_timeout()

    def _raise_term(self, term: Term) -> None:
        """Enter a term that is above this replica's."""
        check(self.term < term <= TERM_MAX, "I6", f"term {term} after {self.term}")
        self.term = term
        self.voted_for = None
        self.term_leader = None
        self.matched_index = self.commit_index
        self._is_ack_owed = False
        self._dropped_prev = None
        self._hard_state_changed()

    def _become_follower(self, term: Term, leader: ReplicaId | None) -> None:
        """Follow `leader`, or wait for one, in a term that is not below this replica's."""
        if term > self.term:
            self._raise_term(term)
        self._drop_leadership()
        if leader is not None:
            self._follow(leader)
        elif self.leader is not None:
            self._lose_leader()
        self.role = Role.FOLLOWER
        self._votes = None
        self.is_hibernating = False
        self._restart_timer()
        self._has_news = True

    def _follow(self, leader: ReplicaId) -> None:
        if self.term_leader is not None and self.term_leader != leader:
            broken("I1", f"{self.term_leader} and {leader} lead in term {self.term}")
        self.term_leader = leader
        if self.leader != leader:
            self._lose_leader()
            self.leader = leader
            self._has_news = True

    def _lose_leader(self) -> None:
        """What was asked of the leader will not be answered."""
        self.leader = None
        self._has_news = True
        asked, self._reads_asked = self._reads_asked, None
        for context in asked or ():
            self._fail_read(context)

    def _drop_leadership(self) -> None:
        lead, self._lead = self._lead, None
        if lead is None:
            return
        for read in lead.reads:
            if read.requester is None:
                self._fail_read(read.context)
        if lead.proposal is not None:
            # Its place is in the hard state.
            self._hard_state_changed()


def is_configuration(entry: Entry) -> bool:
    """Whether an entry changes the configuration."""
    return entry.type is EntryType.CONFIG


def read_configuration(entry: Entry) -> Configuration:
    """The configuration in a CONFIG entry.

    Raises:
        InvariantBroken: a committed or acknowledged entry cannot be read.
    """
    try:
        return Configuration.parse(entry.payload)
    except ValueError as fault:
        broken("I9", f"entry {entry.index} holds no configuration: {fault}")
