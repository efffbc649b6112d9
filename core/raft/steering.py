"""What an owner may ask of a leader: another configuration, another leader, a confirmed read.

Rules:

1. One change of the configuration at a time, and only by a leader that serves. A new voter has
   caught up as a learner before. A joint configuration is left as soon as it is in force.
2. A CONFIG entry is written after the hard state that announces it is stored (membership.py).
3. A read is confirmed by a quorum's answers to heartbeats that were sent after the read came
   (dissertation, section 6.4). Reads that come together share a round; one round is under way at a
   time, and every later heartbeat repeats it.
4. A transfer waits until the transferee has every entry, and is given up after an election timeout
   (dissertation, section 3.10).
"""

from __future__ import annotations

from collections.abc import Iterable

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import LogIndex, ReplicaId
from sprawl.core.limits import RAFT_READS_WAITING_MAX
from sprawl.core.log.frames import EntryType
from sprawl.core.raft import quorum
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.faults import ConfigurationRefused, ReadRefused, TransferRefused
from sprawl.core.raft.leadership import Leadership, WaitingRead
from sprawl.core.raft.leading import Leading
from sprawl.core.raft.messages import ReadIndex, ReadIndexAnswer
from sprawl.core.raft.progress import ProgressState
from sprawl.core.raft.ready import ConfirmedRead


class Steering(Leading):
    """The layer that does what the owner asks for."""

    __slots__ = ()

    # --- the configuration ----------------------------------------------------------------------

    def propose_configuration(
        self, voters: Iterable[int], learners: Iterable[int] = (), *, is_forced: bool = False
    ) -> None:
        """Begin the change to these voters and learners; `Ready.configuration` tells of each step.

        Args:
            is_forced: take voters that did not catch up as learners. The group may then commit
                nothing until they have.

        Raises:
            ConfigurationRefused: not now, or not this.
        """
        lead = self._lead
        if lead is None or not self.is_serving:
            raise ConfigurationRefused("this replica does not serve as leader")
        if self.pending or lead.proposal is not None or self.configuration.is_joint:
            raise ConfigurationRefused("a change is under way")
        if lead.transferee is not None:
            raise ConfigurationRefused("the leader is handing over")
        step = self.configuration.plan(voters, learners)
        for voter in step.voters:
            if not (is_forced or self.configuration.is_voter(voter) or self.is_caught_up(voter)):
                raise ConfigurationRefused(f"replica {voter} has not caught up as a learner")
        self._propose(lead, step)

    def is_caught_up(self, replica: ReplicaId) -> bool:
        """Whether a member lacks few enough entries to become a voter (dissertation, 4.2.1)."""
        lead = self._lead
        progress = None if lead is None else lead.progress.get(replica)
        if progress is None:
            return False
        lag = self.log.last_index - progress.match
        # One that was a member before votes once it has the entry that makes it one again
        # (hard_state.py).
        return (
            progress.state is ProgressState.REPLICATE
            and progress.match >= self.configuration_index
            and lag <= self.settings.catch_up_entries_max
        )

    def _propose(self, lead: Leadership, configuration: Configuration) -> None:
        lead.proposal = configuration
        lead.proposal_floor = LogIndex(self.log.last_index + 1)
        lead.proposal_token = self._next_token()
        self._hard_state_changed()

    def _write_proposal(self, lead: Leadership) -> None:
        """Write the entry if the hard state that announces it is stored."""
        configuration = lead.proposal
        if configuration is None or self._stored_token < lead.proposal_token:
            return
        self._wake_leader()
        try:
            index = self.log.append_entry(
                EntryType.CONFIG, configuration.encode(), term=self.term, now_ms=self._now_ms
            )
        except KafkaFault as fault:
            self._fault(fault)
            self._become_follower(self.term, None)
            return
        lead.proposal = None
        self._add_pending(index, configuration)
        lead.wants_append = True
        lead.idle_ticks = 0
        self._has_news = True

    def _leave_joint(self, lead: Leadership) -> None:
        if (
            self.configuration.is_joint
            and self.is_serving
            and not self.pending
            and lead.proposal is None
        ):
            self._propose(lead, self.configuration.leave())

    # --- the leader -----------------------------------------------------------------------------

    def transfer_leadership(self, to: ReplicaId) -> None:
        """Hand over to a voter; until that happened, or timed out, appends are refused.

        Raises:
            TransferRefused: this replica does not lead, or `to` cannot.
        """
        lead = self._lead
        if lead is None:
            raise TransferRefused("this replica does not lead")
        if to not in lead.progress or not self.configuration.is_voter(to):
            raise TransferRefused(f"replica {to} is no other voter")
        if lead.transferee == to:
            return
        self._wake_leader()
        lead.transferee = to
        lead.transfer_ticks = 0
        lead.wants_append = True
        lead.idle_ticks = 0
        self._has_news = True
        self._hand_over(lead)

    # --- reads ----------------------------------------------------------------------------------

    def read_index(self, context: int) -> None:
        """Ask up to where a read that came now has to see: `Ready.reads` answers.

        A follower asks its leader. The answer may get lost: ask again, under another context.

        Args:
            context: names the read; [0, 2^63).

        Raises:
            ReadRefused: there is no leader, or too many reads wait.
        """
        lead = self._lead
        if lead is not None:
            self._add_read(lead, context, None)
            return
        if self.leader is None:
            raise ReadRefused("no leader is known")
        if self._reads_asked is None:
            self._reads_asked = []
        if len(self._reads_asked) >= RAFT_READS_WAITING_MAX:
            raise ReadRefused("too many reads wait")
        self._reads_asked.append(context)
        self._send(ReadIndex(self.replica_id, self.leader, self.term, context))

    def _handle_read_index(self, message: ReadIndex) -> None:
        lead = self._lead
        if lead is None:
            return
        try:
            self._add_read(lead, message.context, message.sender)
        except ReadRefused as fault:
            self._fault(fault)

    def _add_read(self, lead: Leadership, context: int, requester: ReplicaId | None) -> None:
        if len(lead.reads) >= RAFT_READS_WAITING_MAX:
            raise ReadRefused("too many reads wait")
        self._wake_leader()
        if not isinstance(lead.reads, list):
            lead.reads = []
        index = self.commit_index if self.is_serving else None
        lead.reads.append(WaitingRead(context, requester, index, lead.read_round + 1))
        lead.idle_ticks = 0
        self._has_news = True

    def _begin_read_round(self, lead: Leadership) -> None:
        """Heartbeats for the reads that came since the last round, unless one is under way."""
        if (
            lead.reads
            and lead.reads[-1].round_number > lead.read_round
            and lead.confirmed_round == lead.read_round
        ):
            lead.read_round += 1
            self._send_heartbeats(lead)
            self._confirm_reads(lead)

    def _confirm_reads(self, lead: Leadership) -> None:
        reads = lead.reads
        if not reads:
            return
        if lead.confirmed_round < lead.read_round and self._is_round_answered(lead):
            lead.confirmed_round = lead.read_round
        if not self.is_serving:
            return
        count = 0
        for read in reads:
            if read.round_number > lead.confirmed_round:
                break
            index = self.commit_index if read.index is None else read.index
            if read.requester is None:
                self._confirm_read(ConfirmedRead(read.context, index))
            else:
                self._send(
                    ReadIndexAnswer(self.replica_id, read.requester, self.term, read.context, index)
                )
            count += 1
        lead.reads = list(reads[count:]) if count < len(reads) else ()

    def _is_round_answered(self, lead: Leadership) -> bool:
        me, progress, wanted = self.replica_id, lead.progress, lead.read_round
        return quorum.is_quorum(
            self.configuration.voters,
            self.configuration.outgoing,
            lambda each: each == me or (each in progress and progress[each].read_round >= wanted),
        )
