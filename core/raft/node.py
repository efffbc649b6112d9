"""One replica of a group: events in, duties out. The package's docstring has the owner's part.

Messages are taken by term (Raft paper, section 5.1):

    below this replica's    answered so that the sender learns of the new term, or dropped
    the same                handled
    above                   the replica follows into it first; but not for a PreVote or its granted
                            answer, which speak of a term that is not there yet, and not for a Vote
                            or PreVote while the leader is heard
"""

from __future__ import annotations

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft.elections import Elections
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.leadership import Leadership
from sprawl.core.raft.log_port import NO_INDEX, NO_TERM, RaftLog
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
from sprawl.core.raft.progress import ProgressState
from sprawl.core.raft.ready import Ready, RoleChange
from sprawl.core.raft.settings import RaftSettings
from sprawl.core.raft.state import Randomness


class RaftNode(Elections):
    """One replica of one group.

    Args:
        replica_id: of the data directory that holds this log.
        log: has whatever survived.
        hard_state: as stored last; `HardState.founding` for a new replica.
        settings: shared by all groups.
        rng: draws election timeouts.
        can_lead: False keeps it from campaigning; it votes and follows as ever. May be set later.
        commit_index: what the owner knows to be committed of this very log, if anything.
    """

    __slots__ = ()

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
        super().__init__(
            replica_id,
            log,
            hard_state,
            settings,
            rng,
            can_lead=can_lead,
            commit_index=commit_index,
        )
        voters = self.configuration.voters
        is_new = self.term == 0 and log.last_index == NO_INDEX
        is_sole = voters == (replica_id,) and not self.configuration.is_joint
        if is_sole or (settings.campaign_first and is_new and voters[:1] == (replica_id,)):
            self._timeout_ticks = 1

    # --- facts for the owner --------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """Whether this replica leads; see `is_serving` for whether it may serve."""
        return self._lead is not None

    @property
    def has_ready(self) -> bool:
        """Whether `ready` would tell anything."""
        lead = self._lead
        return self._has_news or (lead is not None and (lead.wants_append or bool(lead.reads)))

    @property
    def is_hard_state_stored(self) -> bool:
        """Whether all that the hard state says is on disk: only then may a log forget entries."""
        return not self._is_hard_state_new and self._stored_token == self._token

    def durable_indexes(self) -> list[LogIndex]:
        """For a leader: up to where each voter, itself first, is known to have the log on disk."""
        lead = self._lead
        found = [self.durable_index]
        if lead is not None:
            found += [
                each.match
                for member, each in lead.progress.items()
                if self.configuration.is_voter(member)
            ]
        return found

    def in_sync(self) -> tuple[ReplicaId, ...]:
        """For a leader: itself and the voters that answer and lack little, ascending (Kafka's
        ISR)."""
        if self._lead is None:
            return ()
        found = [member for member, _ in self.followers_in_sync()]
        return tuple(sorted([*found, self.replica_id]))

    def followers_in_sync(self) -> list[tuple[ReplicaId, LogIndex]]:
        """For a leader: the others of `in_sync`, and how far each has the log on disk."""
        lead = self._lead
        if lead is None:
            return []
        since = lead.ticks - self.settings.election_ticks
        return [
            (member, each.match)
            for member, each in lead.progress.items()
            if self.configuration.is_voter(member)
            and (self.is_hibernating or each.heard_tick > since)
            and self.is_caught_up(member)
        ]

    # --- messages -------------------------------------------------------------------------------

    def step(self, message: Message, now_ms: int) -> None:
        """Take a message.

        Raises:
            InvariantBroken: stop this group.
        """
        if message.to != self.replica_id:
            return
        self._now_ms = now_ms
        if self.is_hibernating and self._lead is not None and isinstance(message, PreVote | Vote):
            # A member that is awake has not heard of us for long.
            self._wake_leader()
        if isinstance(message, PreVote | PreVoteAnswer | Vote | VoteAnswer):
            self._learn_from_election(message.commit_index, message.commit_term)
        if message.term > self.term:
            if not self._enter_term(message):
                return
        elif message.term < self.term:
            self._answer_old_term(message)
            return
        self._dispatch(message)

    def _hear_candidate(self, candidate: ReplicaId) -> None:
        """Who leads does not campaign: it stepped down. A follower that hibernates would wait for
        it for ever, and refuse its vote."""
        if candidate == self.leader:
            self._wake_follower()
            self.forget_leader()

    def _enter_term(self, message: Message) -> bool:
        """Follow a message into its term; False when it is to be ignored."""
        if isinstance(message, PreVote | Vote):
            self._hear_candidate(message.sender)
        if isinstance(message, PreVote):
            return not self._hears_leader()
        if isinstance(message, Vote) and not message.is_transfer and self._hears_leader():
            return False
        if isinstance(message, PreVoteAnswer) and message.is_granted:
            return True
        is_leader = isinstance(message, Append | Heartbeat | Hibernate)
        self._become_follower(message.term, message.sender if is_leader else None)
        return True

    def _answer_old_term(self, message: Message) -> None:
        if isinstance(message, Append | Heartbeat | Hibernate):
            self._send(
                AppendAnswer(
                    self.replica_id,
                    message.sender,
                    self.term,
                    NO_INDEX,
                    False,
                    NO_INDEX,
                    NO_TERM,
                    False,
                )
            )
        elif isinstance(message, PreVote):
            self._answer_pre_vote(message.sender, self.term, False)

    def _dispatch(self, message: Message) -> None:  # noqa: C901  # one line a message
        match message:
            case Append():
                self._handle_append(message)
            case AppendAnswer():
                self._handle_append_answer(message)
            case Heartbeat():
                self._handle_heartbeat(message)
            case HeartbeatAnswer():
                self._handle_heartbeat_answer(message)
            case PreVote():
                self._handle_pre_vote(message)
            case PreVoteAnswer():
                self._handle_pre_vote_answer(message)
            case Vote():
                self._handle_vote(message)
            case VoteAnswer():
                self._handle_vote_answer(message)
            case TimeoutNow():
                self._handle_timeout_now(message)
            case ReadIndex():
                self._handle_read_index(message)
            case ReadIndexAnswer():
                self._handle_read_index_answer(message)
            case Hibernate():
                self._handle_hibernate(message)

    # --- time -----------------------------------------------------------------------------------

    def tick(self, now_ms: int) -> None:
        """So much time passed as the settings call a tick. A hibernating group needs none."""
        if self.is_hibernating:
            return
        self._now_ms = now_ms
        lead = self._lead
        if lead is not None:
            self._tick_leader(lead)
            return
        self._elapsed_ticks += 1
        if self._wanted_ticks:
            self._wanted_ticks -= 1
        if self._elapsed_ticks >= self._timeout_ticks:
            self._election_timeout()

    def _tick_leader(self, lead: Leadership) -> None:
        settings = self.settings
        lead.ticks += 1
        lead.idle_ticks += 1
        if lead.transferee is not None:
            lead.transfer_ticks += 1
            if lead.transfer_ticks >= settings.election_ticks:
                lead.transferee = None
        lead.heartbeat_ticks += 1
        if lead.heartbeat_ticks < settings.heartbeat_ticks:
            return
        if not self._has_contact(lead, settings.election_ticks):
            self._become_follower(self.term, None)
            return
        if not (0 < settings.hibernate_after_ticks <= lead.idle_ticks and self.hibernate()):
            for progress in lead.progress.values():
                progress.may_ask = True
            self._send_heartbeats(lead)

    def campaign(self, now_ms: int) -> None:
        """Try to become leader now, asking before, if this replica may and does not lead."""
        self._now_ms = now_ms
        if self.may_campaign:
            self._ask_before()

    # --- what became of earlier duties ----------------------------------------------------------

    def durable(self, index: LogIndex, term: Term, now_ms: int) -> None:
        """A flush ended: every entry up to `index` is synced, where the entry of `term` stands.

        A report about what was cut off meanwhile is ignored; one about an entry that was cut off
        and came again counts as far as the log says that it is synced.
        """
        self._now_ms = now_ms
        log = self.log
        if index > log.last_index:
            return
        known = self._term_at(index)
        if known is not None and known != term:
            return
        index = min(index, log.synced_index)
        if index <= self.durable_index:
            return
        self._set_durable(index)
        if self._lead is not None:
            self._maybe_commit()
        elif self._is_ack_owed:
            self._acknowledge()

    def hard_state_stored(self, token: int) -> None:
        """The hard state of this token, and all before it, are on disk."""
        if token <= self._stored_token:
            return
        self._stored_token = token
        self._release_hold()
        self._count_own_vote()
        lead = self._lead
        if lead is not None:
            self._write_proposal(lead)

    def snapshot_sent(self, to: ReplicaId, ok: bool, index: LogIndex) -> None:
        """The copy that `Ready.snapshots` asked for is over.

        Args:
            ok: whether the follower has it now, or had it before (`needs_snapshot`).
            index: of its last entry.
        """
        lead = self._lead
        progress = None if lead is None else lead.progress.get(to)
        if lead is None or progress is None or progress.state is not ProgressState.SNAPSHOT:
            return
        progress.become_probe(index + 1 if ok else progress.next)
        # A failed one is tried again after a heartbeat's answer.
        progress.is_paused = not ok
        lead.wants_append = True
        self._has_news = True

    def unreachable(self, replica: ReplicaId) -> None:
        """What was sent to a replica lately may be lost: its node's session broke."""
        lead = self._lead
        progress = None if lead is None else lead.progress.get(replica)
        if lead is None or progress is None:
            return
        # One that just went to hibernate may not have reached all: it has to see who is there.
        self._wake_leader()
        progress.heard_tick = min(progress.heard_tick, lead.ticks - self.settings.contact_ticks)
        if progress.state is ProgressState.REPLICATE:
            progress.become_probe(progress.match + 1)

    # --- hibernation ----------------------------------------------------------------------------

    def hibernate(self) -> bool:
        """Stop the timers of an idle group; True when it hibernates.

        Only a leader can, when every member is there and has everything, and nothing is under way.
        """
        lead = self._lead
        last = self.log.last_index
        if lead is None or self.is_hibernating:
            return self.is_hibernating
        since = lead.ticks - self.settings.contact_ticks
        if (
            not self.is_serving
            or self.commit_index != last
            or self.durable_index != last
            or self.configuration.is_joint
            or self.pending
            or lead.proposal is not None
            or lead.transferee is not None
            or lead.reads
            or self._is_hard_state_new
            or any(
                each.match != last
                or each.state is not ProgressState.REPLICATE
                or each.heard_tick <= since
                for each in lead.progress.values()
            )
        ):
            return False
        for member in lead.progress:
            self._send(Hibernate(self.replica_id, member, self.term, last, last))
        self.is_hibernating = True
        self._has_news = True
        return True

    def wake(self, leader_is_gone: bool = False) -> None:
        """Start the timers again; a group that is awake stays so.

        Args:
            leader_is_gone: the session with the leader's node broke: a follower forgets the leader,
                so that it votes, and campaigns itself after a random time.
        """
        if self._lead is not None:
            self._wake_leader()
            return
        was_hibernating = self.is_hibernating
        self._wake_follower()
        if leader_is_gone:
            self.forget_leader()
            if was_hibernating:
                # The session took its time to break: that was the wait.
                self._timeout_ticks = 1 + self.rng.randrange(self.settings.election_ticks)

    def forget_leader(self) -> None:
        """A follower takes the leader for gone: it would vote for another one now."""
        if self._lead is None and self.leader is not None:
            self._lose_leader()

    # --- duties ---------------------------------------------------------------------------------

    def ready(self) -> Ready | None:
        """What is to be done since the last call; None for nothing."""
        lead = self._lead
        if lead is not None:
            if lead.wants_append:
                self._send_appends(lead)
            if lead.reads:
                self._begin_read_round(lead)
        if not self._has_news:
            return None
        self._has_news = False
        hard_state, token = None, 0
        if self._is_hard_state_new:
            self._is_hard_state_new = False
            self._token += 1
            hard_state, token = self.hard_state, self._token
        last = self.log.last_index
        needs_flush = last > max(self._flush_asked_index, self.durable_index)
        if needs_flush:
            self._flush_asked_index = last
        role, term, leader = self.role, self.term, self.leader
        role_change = None
        if self._told != (role, term, leader):
            self._told = (role, term, leader)
            role_change = RoleChange(role, term, leader)
        configuration = self.configuration if self._is_configuration_new else None
        self._is_configuration_new = False
        messages, self._messages = self._messages, None
        reads, self._reads = self._reads, None
        failed, self._reads_failed = self._reads_failed, None
        snapshots, self._snapshots = self._snapshots, None
        faults, self._faults = self._faults, None
        return Ready(
            hard_state,
            token,
            tuple(messages) if messages else (),
            needs_flush,
            self.commit_index,
            configuration,
            self.configuration_index,
            tuple(reads) if reads else (),
            tuple(failed) if failed else (),
            role_change,
            self.is_serving,
            self.is_hibernating,
            tuple(snapshots) if snapshots else (),
            tuple(faults) if faults else (),
        )
