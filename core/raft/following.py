"""A follower takes what its leader sends, and acknowledges what is durable.

Rules:

1. An Append is accepted when the place before its entries matches. What is there already stays;
   the first entry that differs is cut off with all that follow (Raft paper, section 5.3).
2. An acknowledgement names min(durable, known to be the leader's). An Append that brought something
   new is answered when the log reports it durable, any other one at once.
3. A rejection names the last place where the logs can still agree, found by term, so that a whole
   term is passed over in one round trip.
4. A committed entry of another term than the leader's was changed on this disk. It is neither
   rejected nor cut off: the log is refuted, and its owner has it filled again.
5. When the log fails, nothing is answered: the leader tries again.
6. A follower that clients read from says so with what it acknowledges, and hears of commits at once
   then. Others hear of them with the next entries, or with a heartbeat.
"""

from __future__ import annotations

from collections.abc import Sequence

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry, FrameFault
from sprawl.core.raft.checks import broken, check
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.log_port import NO_TERM
from sprawl.core.raft.membership import Membership
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Hibernate,
    ReadIndexAnswer,
)
from sprawl.core.raft.ready import ConfirmedRead, Role
from sprawl.core.raft.state import is_configuration, read_configuration


class Following(Membership):
    """The layer that takes a leader's entries."""

    __slots__ = ()

    def _hear_leader(self, leader: ReplicaId) -> None:
        """The leader of this term spoke."""
        if self.role is Role.LEADER:
            broken("I1", f"{leader} leads in term {self.term}, as {self.replica_id} does")
        if self.role is not Role.FOLLOWER or self.leader != leader:
            self._become_follower(self.term, leader)
        self._elapsed_ticks = 0

    def _wake_follower(self) -> None:
        if self.is_hibernating:
            self.is_hibernating = False
            self._has_news = True
            self._restart_timer()

    # --- entries --------------------------------------------------------------------------------

    def _handle_append(self, message: Append) -> None:
        self._hear_leader(message.sender)
        self._wake_follower()
        entries, prev_index = message.entries, message.prev_index
        if not _is_sound(message):
            self._fault(ValueError(f"entries that do not follow each other: {message!r:.200}"))
            return
        if prev_index <= self.commit_index:
            # What is committed is the same everywhere.
            if not self._is_committed_here(message):
                return
            entries = entries[self.commit_index - prev_index :]
            prev_index = self.commit_index
        elif prev_index > self.log.last_index or self._term_at(prev_index) != message.prev_term:
            self._reject(message.sender, message.prev_index, message.prev_term)
            return
        new = self._skip_known(entries)
        known = LogIndex(prev_index + len(entries) - len(new))
        is_taken = not new or self._take(new, known)
        self.matched_index = max(self.matched_index, known)
        if new and is_taken:
            self.matched_index = max(self.matched_index, self.log.last_index)
        commit_index = min(message.commit_index, self.matched_index)
        if commit_index > self.commit_index:
            self._set_commit(commit_index)
        if not is_taken:
            return
        if new and self.durable_index < self.matched_index:
            self._is_ack_owed = True
        else:
            self._acknowledge()

    def _is_committed_here(self, message: Append) -> bool:
        """Whether an Append that begins at what is committed goes by the entries that are here.

        No checksum covers the term of an entry: one that was changed on the disk, after the last
        sync that the log knows of, shows when the leader names the true one.
        """
        known = message.entries[: self.commit_index - message.prev_index]
        index, term = known[-1][:2] if known else (message.prev_index, message.prev_term)
        found = self._term_at(index)
        if found is None or found == term:
            return True
        self.log.refute(index)
        return False

    def _skip_known(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries from the first one on that this log does not have."""
        last = self.log.last_index
        for at, entry in enumerate(entries):
            if entry.index > last or self.log.term_at(entry.index) != entry.term:
                return entries[at:]
        return ()

    def _take(self, entries: Sequence[Entry], prev_index: LogIndex) -> bool:
        """Append entries of which this log has none, up to the first configuration.

        Returns:
            False when they were not taken: nothing may be answered.
        """
        if self._hold_token > self._stored_token:
            self._dropped_prev = prev_index
            return False
        configuration: Configuration | None = None
        for at, entry in enumerate(entries):
            if is_configuration(entry):
                configuration = read_configuration(entry)
                if at + 1 < len(entries):
                    self._dropped_prev = entry.index
                entries = entries[: at + 1]
                break
        end = entries[-1].index
        try:
            if prev_index < self.log.last_index:
                self._truncate(LogIndex(prev_index + 1))
            self.log.append_replicated(entries, now_ms=self._now_ms)
        except (KafkaFault, FrameFault, ValueError) as fault:
            self._fault(fault)
            return False
        check(self.log.last_index == end, "I2", f"the log ends at {self.log.last_index}, not {end}")
        self._has_news = True
        if configuration is not None and end > self.configuration_index:
            self._add_pending(end, configuration)
            self._maybe_found(end, entries[-1].term, configuration)
            self._hard_state_changed()
            self._hold_token = self._next_token()
        return True

    def _release_hold(self) -> None:
        """The hard state that knows of the last configuration is stored: ask for what was dropped.

        Called whenever a hard state was stored.
        """
        prev_index = self._dropped_prev
        if prev_index is None or self._hold_token > self._stored_token:
            return
        self._dropped_prev = None
        if self.role is Role.FOLLOWER and self.leader is not None:
            hint = min(prev_index, self.log.last_index)
            self._send_rejection(self.leader, prev_index, hint)

    def _acknowledge(self) -> None:
        """Tell the leader how far the log is durable and its own."""
        leader = self.leader
        if leader is None:
            return
        index = min(self.durable_index, self.matched_index)
        self._is_ack_owed = index < self.matched_index
        self._send(
            AppendAnswer(
                self.replica_id,
                leader,
                self.term,
                index,
                False,
                self.matched_index,
                NO_TERM,
                self._wanted_ticks > 0,
            )
        )

    def _reject(self, leader: ReplicaId, prev_index: LogIndex, prev_term: Term) -> None:
        """Find the last entry whose term is not above `prev_term`: terms do not descend."""
        low, high = self.commit_index, min(prev_index, self.log.last_index)
        while low < high:
            middle = LogIndex((low + high + 1) // 2)
            term = self.log.term_at(middle)
            if term is not None and term > prev_term:
                high = LogIndex(middle - 1)
            else:
                low = middle
        self._send_rejection(leader, prev_index, low)

    def _send_rejection(self, leader: ReplicaId, prev_index: LogIndex, hint: LogIndex) -> None:
        term = self._term_at(hint)
        self._send(
            AppendAnswer(
                self.replica_id,
                leader,
                self.term,
                prev_index,
                True,
                hint,
                NO_TERM if term is None else term,
                self._wanted_ticks > 0,
            )
        )

    def want_commits(self) -> None:
        """Somebody waits for what is committed: hear of it at once for an election timeout."""
        is_new = self._wanted_ticks == 0
        self._wanted_ticks = self.settings.election_ticks
        # One that hibernates knows of all there is.
        if is_new and self.role is Role.FOLLOWER and not self.is_hibernating:
            self._acknowledge()

    # --- the leader is there --------------------------------------------------------------------

    def _handle_heartbeat(self, message: Heartbeat) -> None:
        self._hear_leader(message.sender)
        self._wake_follower()
        self._learn_commit(message.commit_index)
        self._send(HeartbeatAnswer(self.replica_id, message.sender, self.term, message.context))

    def _learn_commit(self, index: LogIndex) -> None:
        """The leader says that this replica acknowledged `index` in this term, and it is committed.

        Raises:
            InvariantBroken: I6, this replica has lost what it acknowledged.
        """
        if index > self.log.last_index:
            if self.lost is not None:
                return  # it was said to the log that is gone
            broken(
                "I6",
                f"entries up to {index} were acknowledged, the log ends at {self.log.last_index}",
            )
        self.matched_index = max(self.matched_index, index)
        if index > self.commit_index:
            self._set_commit(index)

    def _handle_hibernate(self, message: Hibernate) -> None:
        """The leader has counted this replica's acknowledgement of its last entry."""
        self._hear_leader(message.sender)
        if self.log.last_index != message.last_index:
            # Late, or early: the leader's next message clears it up.
            return
        self._learn_commit(message.commit_index)
        if self.commit_index == message.last_index and not self.is_hibernating:
            self.is_hibernating = True
            self._has_news = True

    def _handle_read_index_answer(self, message: ReadIndexAnswer) -> None:
        asked = self._reads_asked
        if self.role is not Role.FOLLOWER or not asked or message.context not in asked:
            return
        asked.remove(message.context)
        if not asked:
            self._reads_asked = None
        self._confirm_read(ConfirmedRead(message.context, message.index))

    # --- snapshots ------------------------------------------------------------------------------

    def needs_snapshot(self, index: LogIndex, term: Term) -> bool:
        """Whether a snapshot that ends at `index` brings anything: ask just before putting it in.

        A log that holds the place already may have acknowledged what follows it: to replace it
        would take that back.
        """
        return index > self.commit_index and (
            index > self.log.last_index or self._term_at(index) != term
        )

    def snapshot_state(self, index: LogIndex, configuration: Configuration) -> HardState:
        """What to store, synced, before a snapshot takes the place of the log.

        After a crash in between the configuration may be ahead of the log; it must not be behind.
        """
        return self.hard_state._replace(
            configuration=configuration, configuration_index=index, configuration_term=NO_TERM
        )

    def restored(self, index: LogIndex, term: Term, configuration: Configuration) -> None:
        """The shell put a snapshot in the place of the log: it ends at, or holds, `index`.

        Before that it asked `needs_snapshot`, and stored `snapshot_state`.

        Args:
            term: of the entry at `index`.
            configuration: in force there.

        Raises:
            InvariantBroken: I12, it is behind what is committed here.
        """
        check(self.role is not Role.LEADER, "I4", "a leader does not take a snapshot")
        if index < self.commit_index:
            broken("I12", f"snapshot at {index}, committed up to {self.commit_index}")
        if self._term_at(index) != term:
            broken("I2", f"snapshot of term {term} at {index}, the log has {self._term_at(index)}")
        self.pending = tuple(each for each in self.pending if each[0] > index)
        if self.pending and self.pending[-1][0] > self.log.last_index:
            self.pending = ()
        self.configuration = configuration
        self.configuration_index = index
        self.configuration_term = term
        self._maybe_found(index, term, configuration)
        self._is_configuration_new = True
        self._hard_state_changed()
        self._set_durable(self.log.synced_index)
        self.matched_index = max(min(self.matched_index, self.log.last_index), index)
        self.commit_index = max(self.commit_index, index)
        self._flush_asked_index = self.durable_index
        self._has_news = True
        self._acknowledge()


def _is_sound(message: Append) -> bool:
    """Whether the entries follow each other, in ascending terms up to the leader's."""
    index, term = message.prev_index, message.prev_term
    for entry in message.entries:
        index = LogIndex(index + 1)
        if entry.index != index or not term <= entry.term <= message.term:
            return False
        term = entry.term
    return True
