"""Elections: who campaigns, who votes.

               ┌───────────── the term of another is higher ──────────────┐
               v                                                          │
    start ─> FOLLOWER ──timeout──> PRE_CANDIDATE ──would win──> CANDIDATE ──won──> LEADER
               ^ ^                   │  ^                      │  │                  │
               │ └─── leader heard ──┘  └──────── timeout ─────┘  │                  │
               └──────────── leader heard, or lost ───────────────┘                  │
               └──────────── a quorum was not heard, or it is removed ───────────────┘

Rules:

1. A vote is given once a term, to a log that is not behind (Raft paper, section 5.4.1), and is
   stored before anybody hears of it. A candidate's vote for itself counts when it is stored.
2. Before it raises its term, a replica asks whether it could win (dissertation, section 9.6).
3. Who heard the leader less than an election timeout ago, or hibernates, does not vote
   (dissertation, section 4.2.3), unless the leader itself sent the candidate, or is it: then it
   leads no more.
4. Any replica answers a candidate, also a learner that does not know yet that it votes. The
   candidate counts those that vote in its own configuration. One whose log was deleted votes for
   nobody until it is a member again by its own log (hard_state.py). A member whose disk lost
   something asks as in rule 2 when it hears no leader, and never counts an answer: a leader that
   hibernates has to hear that it must fill it again.
5. Who talks about an election tells what it knows to be committed. Without that a voter whose
   configuration is committed, and that missed it, may need the vote of one that left the group and
   is ahead of it, while the others need its own: nobody could ever win.
"""

from __future__ import annotations

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft import quorum
from sprawl.core.raft.hard_state import NEVER
from sprawl.core.raft.log_port import NO_TERM
from sprawl.core.raft.messages import PreVote, PreVoteAnswer, TimeoutNow, Vote, VoteAnswer
from sprawl.core.raft.quorum import VoteResult
from sprawl.core.raft.ready import Role
from sprawl.core.raft.steering import Steering


class Elections(Steering):
    """The layer that finds a leader."""

    __slots__ = ()

    # --- campaigning ----------------------------------------------------------------------------

    @property
    def may_campaign(self) -> bool:
        """Whether this replica may become leader."""
        return (
            self.can_lead and self.is_voter and self.lost is None and self.role is not Role.LEADER
        )

    def _election_timeout(self) -> None:
        """Nobody was heard for too long."""
        if self.may_campaign:
            self._ask_before()
            return
        self._restart_timer()
        if self.leader is not None:
            self._lose_leader()
        is_damaged = self.lost is not None and self.lost[1] == NEVER
        if is_damaged and self.replica_id in self.configuration.members:
            # A leader that hibernates counts on what this replica had: the question wakes it. No
            # answer to it counts here.
            self._send_pre_votes()

    def _ask_before(self) -> None:
        """Find out whether an election could be won, without disturbing anybody."""
        self._become_follower(self.term, None)
        self.role = Role.PRE_CANDIDATE
        self._votes = {self.replica_id: True}
        if self._vote_result() is VoteResult.WON:
            self._campaign(is_transfer=False)
            return
        self._send_pre_votes()

    def _send_pre_votes(self) -> None:
        term = Term(self.term + 1)
        last_index, last_term = self.log.last_index, self.log.last_term
        known = self._known_commit()
        for voter in self._other_voters():
            self._send(PreVote(self.replica_id, voter, term, last_index, last_term, *known))

    def _campaign(self, *, is_transfer: bool) -> None:
        """Stand for election in the next term."""
        self._become_follower(Term(self.term + 1), None)
        self.role = Role.CANDIDATE
        self.voted_for = self.replica_id
        self._votes = {}
        self._vote_token = self._next_token()
        self._hard_state_changed()
        place = (self.log.last_index, self.log.last_term)
        known = self._known_commit()
        for voter in self._other_voters():
            self._send(Vote(self.replica_id, voter, self.term, *place, is_transfer, *known))

    def _count_own_vote(self) -> None:
        """A hard state was stored: the vote for itself may be in it."""
        votes = self._votes
        if (
            self.role is Role.CANDIDATE
            and votes is not None
            and self._stored_token >= self._vote_token
        ):
            votes[self.replica_id] = True
            self._maybe_win()

    def _other_voters(self) -> list[ReplicaId]:
        configuration = self.configuration
        voters = {*configuration.voters, *configuration.outgoing} - {self.replica_id}
        return sorted(voters)

    def _vote_result(self) -> VoteResult:
        votes = self._votes
        assert votes is not None
        return quorum.vote_result(self.configuration.voters, self.configuration.outgoing, votes)

    def _maybe_win(self) -> None:
        result = self._vote_result()
        if result is VoteResult.PENDING:
            return
        if result is VoteResult.LOST:
            self._become_follower(self.term, None)
        elif self.role is Role.PRE_CANDIDATE:
            self._campaign(is_transfer=False)
        else:
            self._become_leader()

    # --- what is committed ----------------------------------------------------------------------

    def _known_commit(self) -> tuple[LogIndex, Term]:
        """The last committed entry, and its term if it is known."""
        term = self._term_at(self.commit_index)
        return self.commit_index, NO_TERM if term is None else term

    def _learn_from_election(self, index: LogIndex, term: Term) -> None:
        """Somebody knows that the entry (index, term) is committed, in whatever term that was.

        By log matching, everything before it is too, for whoever has it (rule 5).
        """
        if (
            index > self.commit_index
            and self.role is not Role.LEADER
            and index <= self.log.last_index
            and self.log.term_at(index) == term
        ):
            self.matched_index = max(self.matched_index, index)
            self._set_commit(index)

    # --- voting ---------------------------------------------------------------------------------

    def _hears_leader(self) -> bool:
        """Whether this replica has no reason to want another leader (rule 3)."""
        if self.role is Role.LEADER:
            return True
        return self.leader is not None and (
            self.is_hibernating or self._elapsed_ticks < self.settings.election_ticks
        )

    def _is_up_to_date(self, last_index: LogIndex, last_term: Term) -> bool:
        log = self.log
        return (last_term, last_index) >= (log.last_term, log.last_index)

    def _handle_pre_vote(self, message: PreVote) -> None:
        is_open = message.term > self.term or (
            message.term == self.term
            and self.voted_for in (None, message.sender)
            and self.leader is None
        )
        is_open = is_open and self.lost is None
        is_granted = is_open and self._is_up_to_date(message.last_index, message.last_term)
        term = message.term if is_granted else self.term
        self._answer_pre_vote(message.sender, term, is_granted)

    def _answer_pre_vote(self, to: ReplicaId, term: Term, is_granted: bool) -> None:
        known = self._known_commit()
        self._send(PreVoteAnswer(self.replica_id, to, term, is_granted, *known))

    def _handle_vote(self, message: Vote) -> None:
        is_open = self.voted_for == message.sender or (
            self.voted_for is None and self.leader is None
        )
        is_open = is_open and self.lost is None
        is_granted = is_open and self._is_up_to_date(message.last_index, message.last_term)
        if is_granted:
            self._elapsed_ticks = 0
            if self.voted_for is None:
                self.voted_for = message.sender
                self._hard_state_changed()
        known = self._known_commit()
        self._send(VoteAnswer(self.replica_id, message.sender, self.term, is_granted, *known))

    def _handle_pre_vote_answer(self, message: PreVoteAnswer) -> None:
        is_mine = not message.is_granted or message.term == self.term + 1
        if self.role is Role.PRE_CANDIDATE and self._votes is not None and is_mine:
            self._votes.setdefault(message.sender, message.is_granted)
            self._maybe_win()

    def _handle_vote_answer(self, message: VoteAnswer) -> None:
        if self.role is Role.CANDIDATE and self._votes is not None:
            self._votes.setdefault(message.sender, message.is_granted)
            self._maybe_win()

    def _handle_timeout_now(self, message: TimeoutNow) -> None:
        """The leader hands over: campaign at once, and without asking before."""
        if self.role is Role.FOLLOWER and self.may_campaign:
            self._campaign(is_transfer=True)
