"""The replica with one mistake each: every one is known from some system, or from a draft of ours.

The random worlds have to find each of them; test_raft_mutants.py says within how many.
"""

from __future__ import annotations

from sprawl.core.ids import LogIndex, Term
from sprawl.core.raft import quorum
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.leadership import Leadership
from sprawl.core.raft.log_port import NO_TERM
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    Hibernate,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.progress import Progress
from sprawl.core.raft.quorum import VoteResult
from sprawl.core.raft.ready import Role


class VoteIsNotStored(RaftNode):
    """A vote is given and not put into the hard state."""

    __slots__ = ()

    def _handle_vote(self, message: Vote) -> None:
        was_new = self._is_hard_state_new
        super()._handle_vote(message)
        self._is_hard_state_new = was_new


class TermIsNotStored(RaftNode):
    """A higher term is followed and not put into the hard state."""

    __slots__ = ()

    def _raise_term(self, term: Term) -> None:
        was_new = self._is_hard_state_new
        super()._raise_term(term)
        self._is_hard_state_new = was_new


class OwnVoteCountsAtOnce(RaftNode):
    """A candidate's vote for itself counts before it is stored."""

    __slots__ = ()

    def _campaign(self, *, is_transfer: bool) -> None:
        super()._campaign(is_transfer=is_transfer)
        assert self._votes is not None
        self._votes[self.replica_id] = True
        self._maybe_win()


class TwoVotesInATerm(RaftNode):
    """Whoever asks last gets the vote."""

    __slots__ = ()

    def _handle_vote(self, message: Vote) -> None:
        if self.role is not Role.FOLLOWER:
            super()._handle_vote(message)
            return
        is_granted = self._is_up_to_date(message.last_index, message.last_term)
        if is_granted:
            self.voted_for = message.sender
            self._hard_state_changed()
        known = self._known_commit()
        self._send(VoteAnswer(self.replica_id, message.sender, self.term, is_granted, *known))


class AnyLogGetsTheVote(RaftNode):
    """The candidate's log is not compared."""

    __slots__ = ()

    def _is_up_to_date(self, last_index: LogIndex, last_term: Term) -> bool:
        return True


class LongestLogGetsTheVote(RaftNode):
    """Logs are compared by length only, not by their last term."""

    __slots__ = ()

    def _is_up_to_date(self, last_index: LogIndex, last_term: Term) -> bool:
        return last_index >= self.log.last_index


class ReceivedIsAcknowledged(RaftNode):
    """A follower acknowledges what it has, synced or not."""

    __slots__ = ()

    def _acknowledge(self) -> None:
        if self.leader is not None:
            index = self.matched_index
            self._send(
                AppendAnswer(
                    self.replica_id, self.leader, self.term, index, False, index, NO_TERM, False
                )
            )


class DurableIsAcknowledged(RaftNode):
    """A follower acknowledges what is synced, the leader's or not."""

    __slots__ = ()

    def _acknowledge(self) -> None:
        if self.leader is not None:
            index = self.durable_index
            self._send(
                AppendAnswer(
                    self.replica_id, self.leader, self.term, index, False, index, NO_TERM, False
                )
            )


class LeaderCountsUnsynced(RaftNode):
    """The leader counts its own entries before they are synced."""

    __slots__ = ()

    def _durable_index_of(self, replica: int) -> LogIndex:
        if replica == self.replica_id:
            return self.log.last_index
        return super()._durable_index_of(replica)  # type: ignore[arg-type]


class OldTermsAreCounted(RaftNode):
    """Entries of earlier terms are committed by counting (figure 8 of the paper)."""

    __slots__ = ()

    def _maybe_commit(self) -> None:
        lead = self._lead
        if lead is None:
            return
        index = LogIndex(
            quorum.committed_index(
                self.configuration.voters, self.configuration.outgoing, self._durable_index_of
            )
        )
        if index > self.commit_index:
            self._set_commit(index)
            lead.committed(index)
            self._after_commit(lead)


class ServesBeforeItsNoOp(RaftNode):
    """A leader serves as soon as it is elected."""

    __slots__ = ()

    @property
    def is_serving(self) -> bool:
        return self._lead is not None


class OldFlushesCount(RaftNode):
    """The report of a flush counts although what it flushed was cut off meanwhile."""

    __slots__ = ()

    def durable(self, index: LogIndex, term: Term, now_ms: int) -> None:
        if self.durable_index < index <= self.log.last_index:
            self._set_durable(index)
            if self._lead is not None:
                self._maybe_commit()
            elif self._is_ack_owed:
                self._acknowledge()


class FlushesCountByTerm(RaftNode):
    """The report of a flush counts when the entry stands there again, synced or not."""

    __slots__ = ()

    def durable(self, index: LogIndex, term: Term, now_ms: int) -> None:
        if self._term_at(index) == term and index > self.durable_index:
            self._set_durable(index)
            if self._lead is not None:
                self._maybe_commit()
            elif self._is_ack_owed:
                self._acknowledge()


class CutsWithoutConflict(RaftNode):
    """A repeated, older Append cuts off the entries after it."""

    __slots__ = ()

    def _handle_append(self, message: Append) -> None:
        end = message.prev_index + len(message.entries)
        if message.term == self.term and message.entries and end < self.log.last_index:
            self.pending = tuple(each for each in self.pending if each[0] <= end)
            self.log.truncate_suffix(end + 1)
            self.durable_index = min(self.durable_index, LogIndex(end))
            self.matched_index = min(self.matched_index, LogIndex(end))
            self.commit_index = min(self.commit_index, LogIndex(end))
        super()._handle_append(message)


class PlaceBeforeIsNotCompared(RaftNode):
    """Entries are taken whatever stands before them."""

    __slots__ = ()

    def _handle_append(self, message: Append) -> None:
        known = self._term_at(message.prev_index)
        if known is not None and message.prev_index <= self.log.last_index:
            message = message._replace(prev_term=min(known, message.term))
        super()._handle_append(message)


class CommitsUnmatched(RaftNode):
    """A follower commits up to its last entry, the leader's or not."""

    __slots__ = ()

    def _handle_append(self, message: Append) -> None:
        super()._handle_append(message)
        commit_index = min(message.commit_index, self.log.last_index)
        if commit_index > self.commit_index:
            self._set_commit(commit_index)


class HeartbeatsTellAll(RaftNode):
    """A heartbeat tells the commit index to a follower that has not got so far."""

    __slots__ = ()

    def _send_heartbeat(self, lead: Leadership, to: int, progress: Progress) -> None:  # type: ignore[override]
        self._send(
            Heartbeat(self.replica_id, to, self.term, self.commit_index, lead.read_round)  # type: ignore[arg-type]
        )

    def _learn_commit(self, index: LogIndex) -> None:
        super()._learn_commit(min(index, self.log.last_index))


class OutgoingMajorityIsForgotten(RaftNode):
    """A joint configuration decides by its new majority alone."""

    __slots__ = ()

    def _vote_result(self) -> VoteResult:
        assert self._votes is not None
        return quorum.vote_result(self.configuration.voters, (), self._votes)

    def _maybe_commit(self) -> None:
        joint = self.configuration
        self.configuration = joint._replace(outgoing=(), learners_next=())
        index = self._counted()
        self.configuration = joint
        lead = self._lead
        if lead is None or index <= self.commit_index or self.log.term_at(index) != self.term:
            return
        self._set_commit(index)
        lead.committed(index)
        self._after_commit(lead)

    def _counted(self) -> LogIndex:
        if self._lead is None:
            return LogIndex(0)
        return LogIndex(
            quorum.committed_index(self.configuration.voters, (), self._durable_index_of)
        )


class LearnersCount(RaftNode):
    """Learners count for commits and votes."""

    __slots__ = ()

    def _maybe_commit(self) -> None:
        lead = self._lead
        if lead is None:
            return
        index = LogIndex(quorum.majority_index(self.configuration.members, self._durable_index_of))
        if index > self.commit_index and self.log.term_at(index) == self.term:
            self._set_commit(index)
            lead.committed(index)
            self._after_commit(lead)


class HalfIsAMajority(RaftNode):
    """Two of four are taken for a majority."""

    __slots__ = ()

    def _maybe_commit(self) -> None:
        lead = self._lead
        if lead is None:
            return
        indexes = sorted(map(self._durable_index_of, self.configuration.voters))
        index = indexes[len(indexes) // 2]
        if index > self.commit_index and self.log.term_at(index) == self.term:
            self._set_commit(index)
            lead.committed(index)
            self._after_commit(lead)


class HalfOfTheVotesWins(RaftNode):
    """Two votes of four win."""

    __slots__ = ()

    def _vote_result(self) -> VoteResult:
        assert self._votes is not None
        voters = self.configuration.voters
        granted = sum(self._votes.get(each, False) for each in voters)
        return VoteResult.WON if granted * 2 >= len(voters) else super()._vote_result()


class ReadsAreNotConfirmed(RaftNode):
    """A leader answers reads by what it believes."""

    __slots__ = ()

    def _is_round_answered(self, lead: Leadership) -> bool:
        return True


class EarlierAnswersConfirmReads(RaftNode):
    """Answers to heartbeats that were sent before a read came confirm it."""

    __slots__ = ()

    def _add_read(self, lead: Leadership, context: int, requester: int | None) -> None:  # type: ignore[override]
        super()._add_read(lead, context, requester)  # type: ignore[arg-type]
        assert isinstance(lead.reads, list)
        lead.reads[-1] = lead.reads[-1]._replace(round_number=lead.read_round)
        self._confirm_reads(lead)


class HandsOverAtOnce(RaftNode):
    """A transfer does not wait until the other one has everything."""

    __slots__ = ()

    def _hand_over(self, lead: Leadership) -> None:
        if lead.transferee is not None:
            self._send(TimeoutNow(self.replica_id, lead.transferee, self.term))


class LeaderAppliesAtAppend(RaftNode):
    """The leader counts by a configuration as soon as its entry is written, the others later."""

    __slots__ = ()

    def _add_pending(self, index: LogIndex, configuration: Configuration) -> None:
        super()._add_pending(index, configuration)
        if self._lead is not None:
            self.pending = self.pending[:-1]
            self._apply_configuration(index, configuration)


class ConfigurationIsNotRemembered(RaftNode):
    """A CONFIG entry is acknowledged before the hard state knows of it."""

    __slots__ = ()

    def _add_pending(self, index: LogIndex, configuration: Configuration) -> None:
        super()._add_pending(index, configuration)
        self._hold_token = 0
        self._is_hard_state_new = False

    def _hard_state_changed(self) -> None:
        if not self.pending:
            super()._hard_state_changed()


class CutConfigurationIsForgotten(RaftNode):
    """A CONFIG entry that was cut off leaves the hard state before the cut is on disk."""

    __slots__ = ()

    def _truncate(self, from_index: LogIndex) -> None:
        super()._truncate(from_index)
        if self._floor is not None:
            self._floor = None
            self._hard_state_changed()


class RemovedLeaderStays(RaftNode):
    """A leader that is no voter any more goes on."""

    __slots__ = ()

    def _leave_office(self, lead: Leadership) -> None:
        self._leave_joint(lead)


class HibernatesAlone(RaftNode):
    """A leader hibernates when it has nothing to do, whatever the others lack."""

    __slots__ = ()

    def hibernate(self) -> bool:
        lead = self._lead
        if lead is None or self.is_hibernating or not self.is_serving:
            return False
        last = self.log.last_index
        for member in lead.progress:
            self._send(Hibernate(self.replica_id, member, self.term, self.commit_index, last))
        self.is_hibernating = True
        self._has_news = True
        return True


class NewLeaderCutsItsLog(RaftNode):
    """A new leader begins after its commit index, as if the rest had never been."""

    __slots__ = ()

    def _become_leader(self) -> None:
        if self.log.last_index > self.commit_index and not self.pending:
            self.log.truncate_suffix(self.commit_index + 1)
            self.durable_index = min(self.durable_index, self.log.last_index)
        super()._become_leader()


MUTANTS: tuple[type[RaftNode], ...] = tuple(
    each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, RaftNode) and each is not RaftNode
)
