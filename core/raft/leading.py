"""A leader replicates, counts what is durable, and commits.

Rules:

1. An entry is committed by counting only when it is of the leader's own term; earlier ones are
   committed with it (Raft paper, section 5.4.2).
2. What counts is durable: the followers' acknowledgements and the leader's own flushes alike.
3. A leader serves nobody before its own first entry, a no-op, is committed.
4. A follower that clients read from is told of a commit at once, by a heartbeat when no entries
   are to be sent to it anyway.
5. A leader that has not heard a quorum for an election timeout steps down. One that has not heard
   it for `contact_ticks` takes no appends any more.
"""

from __future__ import annotations

from typing import Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import LogIndex, ReplicaId
from sprawl.core.limits import RAFT_APPEND_ENTRIES_MAX
from sprawl.core.log.frames import Entry, EntryType
from sprawl.core.raft import quorum
from sprawl.core.raft.checks import broken, check
from sprawl.core.raft.faults import UncommittedFull
from sprawl.core.raft.following import Following
from sprawl.core.raft.leadership import Leadership
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    TimeoutNow,
)
from sprawl.core.raft.progress import Progress, ProgressState
from sprawl.core.raft.ready import Role

_NO_ENTRIES: Final[tuple[Entry, ...]] = ()


class Leading(Following):
    """The layer that replicates."""

    __slots__ = ()

    # --- beginning ------------------------------------------------------------------------------

    def _become_leader(self) -> None:
        check(self.role is Role.CANDIDATE, "I1", f"a {self.role.value} cannot become leader")
        try:
            noop_index = self.log.append_entry(
                EntryType.NOOP, b"", term=self.term, now_ms=self._now_ms
            )
        except KafkaFault as fault:
            self._fault(fault)
            self._become_follower(self.term, None)
            return
        self._follow(self.replica_id)
        self.role = Role.LEADER
        self._votes = None
        self._lead = Leadership(noop_index)
        self._members_changed()
        self._lead.wants_append = True
        self._has_news = True

    def _members_changed(self) -> None:
        lead = self._lead
        if lead is None:
            if self.role is not Role.FOLLOWER and not self.is_voter:
                self._become_follower(self.term, None)
            return
        old = lead.progress
        lead.progress = {}
        for member in self.configuration.members:
            if member == self.replica_id:
                continue
            progress = old.pop(member, None)
            if progress is None:
                progress = Progress(LogIndex(max(lead.noop_index, self.commit_index)), lead.ticks)
            lead.progress[member] = progress
        for member, progress in old.items():
            # Its last word: it is out.
            self._send_heartbeat(lead, member, progress)
        if lead.transferee is not None and not self.configuration.is_voter(lead.transferee):
            lead.transferee = None
        lead.wants_append = True

    # --- the owner's appends --------------------------------------------------------------------

    def check_can_append(self, size_bytes: int) -> None:
        """Ask whether a batch may be appended now, in this call's term.

        One that is then refused for another reason weighs nothing: the next question replaces this.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER; NOT_ENOUGH_REPLICAS, a quorum is out of contact.
            UncommittedFull: too much waits for its commit.
        """
        lead = self._lead
        if lead is None or not self.is_serving or lead.transferee is not None:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if not self.is_hibernating and not self._has_contact(lead, self.settings.contact_ticks):
            raise KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS)
        waiting = lead.uncommitted_bytes
        if waiting and waiting + size_bytes > self.settings.uncommitted_bytes_max:
            raise UncommittedFull(waiting)
        lead.checked_bytes = size_bytes

    def appended(self, now_ms: int) -> None:
        """The owner appended batches in this term, after `check_can_append`: replicate them."""
        lead = self._lead
        if lead is None or self.log.last_term != self.term:
            broken("I4", f"an append by a {self.role.value} of term {self.term}")
        self._now_ms = now_ms
        self._wake_leader()
        lead.appended(self.log.last_index)
        lead.wants_append = True
        lead.idle_ticks = 0
        self._has_news = True

    def _wake_leader(self) -> None:
        lead = self._lead
        if lead is None or not self.is_hibernating:
            return
        self.is_hibernating = False
        lead.idle_ticks = 0
        for progress in lead.progress.values():
            progress.heard_tick = lead.ticks
        self._send_heartbeats(lead)

    # --- sending --------------------------------------------------------------------------------

    def _send_heartbeats(self, lead: Leadership) -> None:
        lead.heartbeat_ticks = 0
        for member, progress in lead.progress.items():
            self._send_heartbeat(lead, member, progress)

    def _send_heartbeat(self, lead: Leadership, to: ReplicaId, progress: Progress) -> None:
        commit_index = min(progress.match, self.commit_index)
        progress.sent_commit = max(progress.sent_commit, commit_index)
        self._send(Heartbeat(self.replica_id, to, self.term, commit_index, lead.read_round))

    def _send_appends(self, lead: Leadership) -> None:
        """Send every follower what it lacks, as far as its window allows."""
        lead.wants_append = False
        read: dict[LogIndex, list[Entry]] = {}
        last = self.log.last_index
        for member, progress in lead.progress.items():
            while progress.next <= last and not progress.is_full(self.settings):
                if not self._send_append(member, progress, read):
                    break
            if progress.state is ProgressState.PROBE and not progress.is_paused:
                self._send_empty_append(member, progress)
            if progress.wants_commits and not self.is_hibernating:
                self._tell_commit(lead, member, progress)

    def _tell_commit(self, lead: Leadership, to: ReplicaId, progress: Progress) -> None:
        if progress.sent_commit < min(progress.match, self.commit_index):
            self._send_heartbeat(lead, to, progress)

    def _send_append(
        self, to: ReplicaId, progress: Progress, read: dict[LogIndex, list[Entry]]
    ) -> bool:
        """Send the next entries to one follower; True when that was possible.

        Args:
            read: what was read for other followers just now, by first index.
        """
        next_index = progress.next
        prev_index = LogIndex(next_index - 1)
        prev_term = self._term_at(prev_index)
        entries = read.get(next_index) if progress.state is ProgressState.REPLICATE else None
        if prev_term is not None and entries is None:
            is_probe = progress.state is ProgressState.PROBE
            hi = min(
                self.log.last_index + 1, next_index + (1 if is_probe else RAFT_APPEND_ENTRIES_MAX)
            )
            try:
                # A follower that refuses a damaged entry says nothing, and is probed with it then.
                entries = self.log.entries(
                    next_index, hi, self.settings.append_bytes_max, verify=is_probe
                )
            except KafkaFault as fault:
                self._fault(fault)
                return False
            except ValueError:
                entries = None
            if entries is not None and not is_probe:
                read[next_index] = entries
        if prev_term is None or entries is None:
            self._want_snapshot(to, progress)
            return False
        self._send(
            Append(
                self.replica_id,
                to,
                self.term,
                prev_index,
                prev_term,
                self.commit_index,
                tuple(entries),
            )
        )
        progress.sent_commit = self.commit_index
        progress.sent(entries[-1].index, sum(len(each.frame) for each in entries))
        return True

    def _send_empty_append(self, to: ReplicaId, progress: Progress) -> None:
        """Ask whether everything that was sent has arrived."""
        prev_index = LogIndex(progress.next - 1)
        prev_term = self._term_at(prev_index)
        if prev_term is None:
            self._want_snapshot(to, progress)
            return
        self._send(
            Append(
                self.replica_id,
                to,
                self.term,
                prev_index,
                prev_term,
                self.commit_index,
                _NO_ENTRIES,
            )
        )
        if progress.state is ProgressState.PROBE:
            progress.is_paused = True

    def _want_snapshot(self, to: ReplicaId, progress: Progress) -> None:
        progress.become_snapshot()
        if self._snapshots is None:
            self._snapshots = []
        self._snapshots.append(to)
        self._has_news = True

    # --- answers --------------------------------------------------------------------------------

    def _hear_member(self, member: ReplicaId) -> Progress | None:
        """The progress of a follower that spoke just now; None for one that is no member."""
        lead = self._lead
        progress = None if lead is None else lead.progress.get(member)
        if lead is not None and progress is not None:
            progress.heard_tick = lead.ticks
        return progress

    def _handle_append_answer(self, message: AppendAnswer) -> None:
        progress = self._hear_member(message.sender)
        lead = self._lead
        if lead is None or progress is None:
            return
        if message.is_rejected:
            self._wake_leader()
            self._step_back(progress, message)
            lead.wants_append = True
            self._has_news = True
            return
        if message.hint_index > self.log.last_index or message.index > message.hint_index:
            self._fault(ValueError(f"an answer beyond the end of the log: {message}"))
            return
        progress.wants_commits = message.wants_commits
        is_new = progress.acknowledge(message.index, message.hint_index)
        if progress.state is ProgressState.PROBE or (
            progress.state is ProgressState.SNAPSHOT and progress.match + 1 >= self.log.first_index
        ):
            progress.become_replicate()
        if is_new:
            self._maybe_commit()
        if self._lead is lead:
            lead.wants_append = True
            self._has_news = True
            if message.sender == lead.transferee:
                self._hand_over(lead)

    def _step_back(self, progress: Progress, message: AppendAnswer) -> None:
        """The logs do not match at `message.index`: find out where they may.

        The follower's hint is the last place whose term is not above that of the rejected one; here
        it is the last one whose term is not above the hint's.
        """
        if progress.state is ProgressState.REPLICATE:
            if message.index <= progress.match:
                return
        elif progress.state is ProgressState.SNAPSHOT or progress.next - 1 != message.index:
            return
        if message.index <= progress.match:
            # It has not what it acknowledged: it left the group since and came back with nothing,
            # and its acknowledgement came late; or its disk changed the entry's term. To know less
            # of it than is so does no harm.
            progress.match = LogIndex(0)
        low, high = progress.match, min(message.hint_index, message.index, self.log.last_index)
        while low < high:
            middle = LogIndex((low + high + 1) // 2)
            term = self._term_at(middle)
            if term is not None and term > message.hint_term:
                high = LogIndex(middle - 1)
            else:
                low = middle
        progress.received = progress.match
        progress.become_probe(low + 1)

    def _handle_heartbeat_answer(self, message: HeartbeatAnswer) -> None:
        progress = self._hear_member(message.sender)
        lead = self._lead
        if lead is None or progress is None:
            return
        if self.is_hibernating:
            return
        is_probe = progress.state is ProgressState.PROBE
        if progress.may_ask and (is_probe or progress.match < self.log.last_index):
            progress.may_ask = False
            progress.is_paused = False
            if progress.match + 1 < progress.next:
                # An Append or its answer may be lost; or the follower's flush takes long.
                self._send_empty_append(message.sender, progress)
            lead.wants_append = True
            self._has_news = True
        if message.context > progress.read_round:
            progress.read_round = message.context
            self._confirm_reads(lead)
        if message.sender == lead.transferee:
            self._hand_over(lead)

    def _confirm_reads(self, lead: Leadership) -> None:
        """For the layer of reads: a heartbeat was answered, or something was committed."""

    def _hand_over(self, lead: Leadership) -> None:
        """Let the transferee campaign once it has every entry (dissertation, section 3.10)."""
        to = lead.transferee
        if to is not None and lead.progress[to].match == self.log.last_index:
            self._send(TimeoutNow(self.replica_id, to, self.term))

    # --- committing -----------------------------------------------------------------------------

    def _durable_index_of(self, replica: ReplicaId) -> LogIndex:
        """How far a replica's log is durable and this leader's."""
        lead = self._lead
        assert lead is not None
        if replica == self.replica_id:
            return self.durable_index
        progress = lead.progress.get(replica)
        return LogIndex(0) if progress is None else progress.match

    def _maybe_commit(self) -> None:
        """Commit what a quorum has on disk, and follow the configurations among it."""
        lead = self._lead
        while lead is not None and self._lead is lead:
            configuration = self.configuration
            index = LogIndex(
                quorum.committed_index(
                    configuration.voters, configuration.outgoing, self._durable_index_of
                )
            )
            if index <= self.commit_index or self.log.term_at(index) != self.term:
                return
            self._set_commit(index)
            lead.committed(index)
            lead.wants_append = True
            self._after_commit(lead)

    def _after_commit(self, lead: Leadership) -> None:
        if not self.configuration.is_voter(self.replica_id):
            self._leave_office(lead)
            return
        self._confirm_reads(lead)
        self._leave_joint(lead)

    def _leave_joint(self, lead: Leadership) -> None:
        """For the layer of changes: something was committed."""

    def _leave_office(self, lead: Leadership) -> None:
        """This leader is no voter any more: the best of those that are may campaign at once."""
        best = max(
            (each for each in lead.progress if self.configuration.is_voter(each)),
            key=lambda each: lead.progress[each].match,
        )
        self._send_heartbeats(lead)
        if lead.progress[best].match == self.log.last_index:
            self._send(TimeoutNow(self.replica_id, best, self.term))
        self._become_follower(self.term, None)

    def _has_contact(self, lead: Leadership, ticks: int) -> bool:
        """Whether a quorum was heard less than so many ticks ago."""
        since = lead.ticks - ticks
        me, progress = self.replica_id, lead.progress
        configuration = self.configuration
        return quorum.is_quorum(
            configuration.voters,
            configuration.outgoing,
            lambda each: each == me or (each in progress and progress[each].heard_tick > since),
        )
