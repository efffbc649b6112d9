"""Judges replicated logs while they run, one observation at a time.

    I1 two_leaders                 I7 commit_without_majority     K1 offset_gap
    I2 log_mismatch                I8 commit_of_old_term          K3 high_watermark_*
    I3 leader_lacks_committed      I9 configuration_*             K5 duplicate_sequence
    I4 leader_changed_own_log      I11 cut_below_commit           K6 log_start_*
    I5 committed_differs           I12 snapshot_behind_commit     K8 answered_before_commit
    I6 vote_*, term_*, lost_flushed_entries, answered_before_flush

README.md says what each name means. Each observation costs a few dictionary look-ups; only the
election of a leader, a commit and a start look at more than one replica or entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sim.checkers import observations as seen
from tests.sim.checkers.raft_group import (
    SEQUENCES,
    Configuration,
    EntryFacts,
    GroupFacts,
    Replica,
    entry_key,
)

KEPT = 100
"""Violations that are kept; more are only counted."""


class ObservationError(ValueError):
    """The feed is wrong, not the log: an observation of a life that did not begin, for example."""


class InvariantBroken(AssertionError):
    """An invariant of a replicated log does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that does not hold.

    Args:
        name: which one.
        what: one sentence for people.
        number: of the observation that showed it, from 0 on.
        observation: that observation.
    """

    name: str
    what: str
    number: int
    observation: seen.Observation

    def __str__(self) -> str:
        return f"{self.name}: {self.what} [observation {self.number}: {self.observation}]"


class RaftChecker:
    """All groups of a cluster.

    Args:
        stop_at_first: raise InvariantBroken at the observation that breaks an invariant, so that a
            simulator stops there; otherwise violations are collected.
    """

    def __init__(self, *, stop_at_first: bool = False) -> None:
        self.violations: list[Violation] = []
        self.violation_count = 0
        self.observed = 0
        self._stop_at_first = stop_at_first
        self._groups: dict[seen.Group, GroupFacts] = {}
        self._current: seen.Observation | None = None
        self._rules: dict[type[seen.Observation], Callable[[GroupFacts, Replica, Any], None]] = {
            seen.Started: self._started,
            seen.TermChanged: self._term_changed,
            seen.Voted: self._voted,
            seen.HardStateFlushed: self._hard_state_flushed,
            seen.VoteAnswered: self._vote_answered,
            seen.LeaderElected: self._leader_elected,
            seen.SteppedDown: self._stepped_down,
            seen.Appended: self._appended,
            seen.Cutting: self._cutting,
            seen.Truncated: self._truncated,
            seen.SnapshotInstalled: self._snapshot_installed,
            seen.Forgotten: self._forgotten,
            seen.Flushed: self._flushed,
            seen.AppendAnswered: self._append_answered,
            seen.Committed: self._committed,
            seen.ConfigurationApplied: self._configuration_applied,
            seen.ProduceAnswered: self._produce_answered,
            seen.HighWatermarkMoved: self._high_watermark_moved,
            seen.LogStartMoved: self._log_start_moved,
        }

    @property
    def is_good(self) -> bool:
        return self.violation_count == 0

    @property
    def names(self) -> frozenset[str]:
        return frozenset(violation.name for violation in self.violations)

    def observe(self, observation: seen.Observation) -> None:
        """Take one observation, in the order in which they happen.

        Raises:
            InvariantBroken: an invariant does not hold, with `stop_at_first`.
            ObservationError: the feed itself is wrong.
        """
        group = self._groups.get(observation.group)
        if group is None:
            group = self._groups[observation.group] = GroupFacts(observation.group)
        if group.is_unknown:
            return
        replica = group.replicas.get(observation.node)
        if replica is None:
            replica = group.replicas[observation.node] = Replica(observation.node)
        if observation.incarnation != replica.incarnation and type(observation) is not seen.Started:
            raise ObservationError(f"this life of the node has not begun: {observation}")
        self._current = observation
        self._rules[type(observation)](group, replica, observation)
        self.observed += 1

    def committed_index(self, group: seen.Group) -> int:
        """Up to where a leader committed the log of a group; 0 for an unknown group."""
        return self._groups[group].commit if group in self._groups else 0

    def committed_offset(self, group: seen.Group) -> int:
        """Kafka's offset after everything committed; 0 for an unknown group."""
        return self._groups[group].committed_next_offset if group in self._groups else 0

    def text(self) -> str:
        """The verdict for people."""
        if self.is_good:
            return f"good: {self.observed} observations of {len(self._groups)} groups"
        lines = [f"BAD: {self.violation_count} violations in {self.observed} observations"]
        return "\n".join(lines + [f"  {violation}" for violation in self.violations])

    def _broken(self, name: str, what: str) -> None:
        assert self._current is not None
        self.violation_count += 1
        found = Violation(name=name, what=what, number=self.observed, observation=self._current)
        if self.violation_count <= KEPT:
            self.violations.append(found)
        if self._stop_at_first:
            raise InvariantBroken(str(found))

    # --- lives, terms and votes -------------------------------------------------------------------

    def _started(self, group: GroupFacts, replica: Replica, o: seen.Started) -> None:
        if o.incarnation <= replica.incarnation:
            raise ObservationError(f"life {replica.incarnation} came before: {o}")
        replica.incarnation = o.incarnation
        if o.term < replica.durable_term:
            self._broken(
                "term_lost", f"term {replica.durable_term} was on the disk, {o.term} is there now"
            )
        elif o.term == replica.durable_term and o.vote != replica.durable_vote:
            self._broken(
                "vote_lost",
                f"a vote for {replica.durable_vote} in term {o.term} was on the disk,"
                f" {o.vote} is there now",
            )
        replica.term = replica.durable_term = o.term
        replica.vote = replica.durable_vote = o.vote
        replica.leads = 0
        replica.high_watermark = replica.log_start = 0
        replica.configuration_index = -1
        replica.commit = 0
        self._restore(group, replica, o)
        if not group.is_unknown:
            self._check_commit(group, replica, o.commit_index)

    def _forgotten(self, group: GroupFacts, replica: Replica, o: seen.Forgotten) -> None:
        """Whatever happens to a group whose topic is gone, nobody can read it."""
        group.is_unknown = True

    def _restore(self, group: GroupFacts, replica: Replica, o: seen.Started) -> None:
        """The log is what the disk held: all that was flushed, or what a later leader had put into
        its place."""
        if replica.cutting is not None:
            replica.flushed = min(replica.flushed, max(replica.cutting, replica.first) - 1)
            replica.flushed_term = replica.term_at(replica.flushed)
            replica.cutting = None
        flushed, flushed_term = replica.flushed, replica.flushed_term
        is_short = (o.last_term, o.last_index) < (flushed_term, flushed)
        if is_short and o.is_lost:
            replica.lose()
        is_written = group.restore(replica, o.first_index, o.last_index, o.last_term)
        if o.is_damaged and (not is_written or (is_short and not o.is_lost)):
            group.is_unknown = True
            return
        if not is_written:
            self._broken(
                "log_invented",
                f"no node ever wrote a log that ends in {o.last_index}/{o.last_term}",
            )
        if is_short and not o.is_lost:
            self._broken(
                "lost_flushed_entries",
                f"entry {flushed} of term {flushed_term} was on the disk; the log ends at"
                f" {o.last_index}",
            )
        replica.flushed = min(replica.flushed, replica.last)
        replica.flushed_term = replica.term_at(replica.flushed)

    def _term_changed(self, group: GroupFacts, replica: Replica, o: seen.TermChanged) -> None:
        if o.term <= replica.term:
            self._broken("term_went_back", f"from {replica.term} to {o.term}")
        replica.term, replica.vote, replica.leads = o.term, None, 0

    def _voted(self, group: GroupFacts, replica: Replica, o: seen.Voted) -> None:
        if o.term != replica.term:
            self._broken("vote_in_other_term", f"the node is in term {replica.term}")
        elif replica.vote is not None and replica.vote != o.candidate:
            self._broken("vote_twice", f"for {replica.vote} and for {o.candidate} in term {o.term}")
        replica.vote = o.candidate

    def _hard_state_flushed(
        self, group: GroupFacts, replica: Replica, o: seen.HardStateFlushed
    ) -> None:
        if o.term < replica.durable_term:
            self._broken("term_went_back", f"on the disk, from {replica.durable_term} to {o.term}")
        replica.durable_term, replica.durable_vote = o.term, o.vote

    def _vote_answered(self, group: GroupFacts, replica: Replica, o: seen.VoteAnswered) -> None:
        # A vote of an earlier term cannot be given again.
        if o.term > replica.durable_term or (
            o.term == replica.durable_term and o.candidate != replica.durable_vote
        ):
            self._broken(
                "vote_answered_before_flush",
                f"term {replica.durable_term} and vote {replica.durable_vote} are on the disk",
            )
        before = group.answered_votes.setdefault((o.node, o.term), o.candidate)
        if before != o.candidate:
            self._broken("vote_twice", f"answered to {before} and {o.candidate} in term {o.term}")

    def _leader_elected(self, group: GroupFacts, replica: Replica, o: seen.LeaderElected) -> None:
        before = group.leaders.setdefault(o.term, (o.node, o.incarnation))
        if before != (o.node, o.incarnation):
            self._broken("two_leaders", f"node {before[0]} (life {before[1]}) led term {o.term}")
        if o.term != replica.term:
            self._broken("leader_of_other_term", f"the node is in term {replica.term}")
        replica.leads = o.term
        self._check_votes(group, replica)
        # One that gets its votes late, when others are in a later term, cannot do any harm.
        last = max((at for term, at in group.commits.items() if term < o.term), default=0)
        if replica.term_at(last) != group.committed[last] and last >= replica.first:
            self._broken(
                "leader_lacks_committed",
                f"entry {last} of term {group.committed[last]} is committed, the new leader has"
                f" term {replica.term_at(last)} there and ends at {replica.last}",
            )

    def _check_votes(self, group: GroupFacts, replica: Replica) -> None:
        """A majority of the voters, as the winner knows them, answered with their vote."""
        if replica.configuration is None:
            raise ObservationError(f"a leader without ConfigurationApplied: {self._current}")
        for voters in replica.configuration:
            votes = (group.answered_votes.get((voter, replica.leads)) for voter in voters)
            won = sum(1 for vote in votes if vote == replica.node)
            if voters and won <= len(voters) // 2:
                self._broken("elected_without_majority", f"{won} of {len(voters)} voters")

    def _stepped_down(self, group: GroupFacts, replica: Replica, o: seen.SteppedDown) -> None:
        replica.leads = 0

    # --- the log ----------------------------------------------------------------------------------

    def _appended(self, group: GroupFacts, replica: Replica, o: seen.Appended) -> None:
        index, term = o.index, o.term
        terms = replica.terms
        previous_term = terms[-1] if terms else replica.before_term
        if index != replica.first + len(terms):
            self._broken("index_gap", f"the log ended at {replica.last}")
            return
        if term < previous_term or term > replica.term:
            self._broken(
                "entry_of_wrong_term",
                f"after an entry of term {previous_term}, by a node in term {replica.term}",
            )
        facts = EntryFacts(previous_term, o.crc, o.base_offset, o.count, o.producer)
        key = entry_key(index, term)
        known = group.entries.get(key)
        if known is None:
            group.entries[key] = facts
            self._check_birth(group, replica, o, previous_term)
        elif known != facts:
            self._broken("log_mismatch", f"entry {index}/{term} was {known}, here it is {facts}")
        terms.append(term)

    def _check_birth(
        self, group: GroupFacts, replica: Replica, o: seen.Appended, previous_term: int
    ) -> None:
        """An entry that no log held before: its leader appends it, behind what went before."""
        if replica.leads != o.term:
            self._broken(
                "entry_without_leader",
                f"no log held it before, and the node does not lead term {o.term}",
            )
        before = group.facts(o.index - 1, previous_term)
        due = 0 if before is None else before.next_offset
        if o.base_offset != due and (before is not None or o.index == 1):
            self._broken(
                "offset_gap", f"offset {due} comes next, the entry begins at {o.base_offset}"
            )

    def _cutting(self, group: GroupFacts, replica: Replica, o: seen.Cutting) -> None:
        replica.cutting = o.from_index

    def _truncated(self, group: GroupFacts, replica: Replica, o: seen.Truncated) -> None:
        if replica.leads:
            self._broken("leader_changed_own_log", f"it leads term {replica.leads}")
        if o.from_index <= replica.commit:
            self._broken("cut_below_commit", f"the node knows {replica.commit} to be committed")
        elif (
            o.from_index <= group.commit
            and replica.term_at(o.from_index) == group.committed[o.from_index]
        ):
            self._broken("cut_below_commit", f"entry {o.from_index} is committed")
        replica.cut(o.from_index)
        replica.cutting = None

    def _snapshot_installed(
        self, group: GroupFacts, replica: Replica, o: seen.SnapshotInstalled
    ) -> None:
        if replica.leads:
            self._broken("leader_changed_own_log", f"it leads term {replica.leads}")
        if o.index < replica.commit:
            self._broken("snapshot_behind_commit", f"the node knows {replica.commit} as committed")
        facts = group.facts(o.index, o.term)
        if o.index > group.commit or group.committed[o.index] != o.term:
            self._broken("snapshot_of_uncommitted", f"committed is up to {group.commit}")
        elif facts is not None and facts.next_offset != o.next_offset:
            self._broken("offset_gap", f"offset {facts.next_offset} follows entry {o.index}")
        keeps_tail = replica.term_at(o.index) == o.term
        replica.terms = replica.terms[o.index + 1 - replica.first :] if keeps_tail else []
        replica.first, replica.before_term = o.index + 1, o.term
        if not keeps_tail and replica.flushed > o.index:
            replica.flushed, replica.flushed_term = o.index, o.term
        replica.configuration_index = -1
        self._check_commit(group, replica, max(replica.commit, o.index))

    def _flushed(self, group: GroupFacts, replica: Replica, o: seen.Flushed) -> None:
        if o.index > replica.flushed and replica.term_at(o.index) == o.term:
            replica.flushed, replica.flushed_term = o.index, o.term

    def _append_answered(self, group: GroupFacts, replica: Replica, o: seen.AppendAnswered) -> None:
        # What was answered in an earlier term may have been cut off since.
        is_current = o.term == replica.term
        if (is_current and o.index > replica.flushed) or o.term > replica.durable_term:
            self._broken(
                "answered_before_flush",
                f"entries up to {replica.flushed} and term {replica.durable_term} are on the disk",
            )

    # --- commits ----------------------------------------------------------------------------------

    def _committed(self, group: GroupFacts, replica: Replica, o: seen.Committed) -> None:
        if replica.leads and o.index > group.commit:
            self._check_leader_commits(group, replica, o.index)
        self._check_commit(group, replica, o.index)

    def _check_leader_commits(self, group: GroupFacts, replica: Replica, index: int) -> None:
        """A leader moves the commit index of the whole group."""
        term = replica.term_at(index)
        if term != replica.leads:
            self._broken(
                "commit_of_old_term", f"entry {index} is of term {term}, it leads {replica.leads}"
            )
        if replica.configuration is None:
            raise ObservationError(f"a leader without ConfigurationApplied: {self._current}")
        for voters in replica.configuration:
            others = (group.replicas.get(voter) for voter in voters)
            holders = sum(1 for r in others if r is not None and r.holds(index, term))
            if voters and holders <= len(voters) // 2:
                self._broken(
                    "commit_without_majority",
                    f"{holders} of {len(voters)} voters have entry {index}/{term} on the disk",
                )
        start = group.commit + 1
        if start < replica.first or index > replica.last:
            return  # _check_commit says what is wrong with it
        added = replica.terms[start - replica.first : index + 1 - replica.first]
        group.committed += added
        group.commit = group.commits[replica.leads] = index
        for place, entry_term in enumerate(added, start):
            facts = group.entries[entry_key(place, entry_term)]
            if facts.producer is not None:
                self._check_sequence(group, facts)

    def _check_commit(self, group: GroupFacts, replica: Replica, index: int) -> None:
        """What a replica takes for committed is what a leader committed."""
        if index < replica.commit:
            self._broken("commit_went_back", f"from {replica.commit}")
            return
        if index > replica.last:
            self._broken("commit_beyond_log", f"the log ends at {replica.last}")
            return
        if index > group.commit:
            self._broken("commit_without_leader", f"leaders committed up to {group.commit}")
            replica.commit = index
            return
        start = max(replica.commit + 1, replica.first)
        mine = replica.terms[start - replica.first : max(0, index + 1 - replica.first)]
        if mine != group.committed[start : index + 1]:
            self._broken(
                "committed_differs",
                f"terms {mine[:5]} from entry {start} on, committed were"
                f" {group.committed[start : index + 1][:5]}",
            )
        replica.commit = index

    def _check_sequence(self, group: GroupFacts, facts: EntryFacts) -> None:
        """Each sequence of a producer is committed once, in order."""
        assert facts.producer is not None
        producer_id, epoch, first = facts.producer
        known_epoch, due = group.producers.get(producer_id, (epoch - 1, 0))
        if epoch < known_epoch:
            self._broken("fenced_producer", f"epoch {known_epoch} came before: {facts}")
            return
        if epoch == known_epoch and first != due:
            ahead = (first - due) % SEQUENCES
            name = "sequence_gap" if ahead < SEQUENCES // 2 else "duplicate_sequence"
            self._broken(name, f"sequence {due} comes next: {facts}")
        group.producers[producer_id] = (epoch, (first + facts.offset_count) % SEQUENCES)

    # --- configurations ---------------------------------------------------------------------------

    def _configuration_applied(
        self, group: GroupFacts, replica: Replica, o: seen.ConfigurationApplied
    ) -> None:
        after: Configuration = (o.voters, o.outgoing)
        is_known = o.term >= 0 or o.index == 0
        key = entry_key(o.index, max(0, o.term))
        if is_known and group.configurations.setdefault(key, after) != after:
            self._broken(
                "configuration_differs",
                f"entry {o.index} said {group.configurations[key]} elsewhere",
            )
        before = replica.configuration
        if before is not None and 0 <= replica.configuration_index < o.index:
            self._check_step(before, after)
        replica.configuration, replica.configuration_index = after, o.index

    def _check_step(self, before: Configuration, after: Configuration) -> None:
        """Into a joint configuration and out of it again; or learners only."""
        voters, outgoing = before
        if not outgoing and after[1]:
            is_fine = after[1] == voters
        elif outgoing and not after[1]:
            is_fine = after[0] == voters
        else:
            is_fine = after == before
        if not is_fine:
            self._broken("configuration_jump", f"from {before} to {after}")

    # --- what consumers see -----------------------------------------------------------------------

    def _produce_answered(
        self, group: GroupFacts, replica: Replica, o: seen.ProduceAnswered
    ) -> None:
        if o.index > group.commit or group.committed[o.index] != o.term:
            self._broken("answered_before_commit", f"committed is up to {group.commit}")

    def _high_watermark_moved(
        self, group: GroupFacts, replica: Replica, o: seen.HighWatermarkMoved
    ) -> None:
        offset = o.offset
        if offset > group.committed_next_offset:
            self._broken(
                "high_watermark_uncommitted", f"committed is up to {group.committed_next_offset}"
            )
        if offset < replica.high_watermark:
            self._broken(
                "high_watermark_went_back", f"this node was at {replica.high_watermark} before"
            )
        replica.high_watermark = offset
        if not o.term:
            return
        if offset < group.high_watermark:
            earlier = [hw for term, hw in group.high_watermarks.items() if term < o.term]
            if offset < max(earlier, default=0):
                self._broken("high_watermark_went_back", f"a leader before was at {max(earlier)}")
        known = group.high_watermarks.get(o.term, 0)
        group.high_watermarks[o.term] = max(known, offset)
        group.high_watermark = max(group.high_watermark, offset)

    def _log_start_moved(self, group: GroupFacts, replica: Replica, o: seen.LogStartMoved) -> None:
        if o.offset < replica.log_start:
            self._broken("log_start_went_back", f"from {replica.log_start}")
        if o.offset > group.committed_next_offset:
            self._broken(
                "log_start_uncommitted", f"committed is up to {group.committed_next_offset}"
            )
        replica.log_start = o.offset
