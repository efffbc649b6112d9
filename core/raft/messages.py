"""What the replicas of a group say to each other. Messages may be lost, repeated and reordered.

Every message names its receiver by replica, so that what was meant for a disk that is gone is not
taken by the one that came in its place. `term` is the sender's, except in PreVote (the term it
would campaign in) and in a granted PreVoteAnswer (the term that was asked for).

Whatever is said in an election carries (commit_index, commit_term), an entry that the sender knows
to be committed. Who has this entry has learned that it is committed: that is how a voter that has
a configuration, and missed that it is in force, gets to know it without a leader.
"""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry


class PreVote(NamedTuple):
    """Would you vote for me? Nobody's term or vote changes (dissertation, section 9.6)."""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    last_index: LogIndex
    last_term: Term
    commit_index: LogIndex
    commit_term: Term


class PreVoteAnswer(NamedTuple):
    sender: ReplicaId
    to: ReplicaId
    term: Term
    is_granted: bool
    commit_index: LogIndex
    commit_term: Term


class Vote(NamedTuple):
    """Vote for me. `is_transfer`: the leader told me to, so that its lease does not hold."""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    last_index: LogIndex
    last_term: Term
    is_transfer: bool
    commit_index: LogIndex
    commit_term: Term


class VoteAnswer(NamedTuple):
    sender: ReplicaId
    to: ReplicaId
    term: Term
    is_granted: bool
    commit_index: LogIndex
    commit_term: Term


class Append(NamedTuple):
    """Entries that follow (prev_index, prev_term); none to ask whether that place matches."""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    prev_index: LogIndex
    prev_term: Term
    commit_index: LogIndex
    entries: tuple[Entry, ...]


class AppendAnswer(NamedTuple):
    """How far a follower's log is the leader's.

    Args:
        index: accepted: entries up to here match the leader's and are durable. Rejected: the
            `prev_index` that did not match.
        hint_index: accepted: entries up to here match, durable or not. Rejected: the last place
            at which the logs may still agree.
        hint_term: rejected: the term there.
        wants_commits: clients read from this replica: tell it at once what is committed.
    """

    sender: ReplicaId
    to: ReplicaId
    term: Term
    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused
    is_rejected: bool
    hint_index: LogIndex
    hint_term: Term
    wants_commits: bool


class Heartbeat(NamedTuple):
    """I lead. `context` is the number of the leader's last read round."""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    commit_index: LogIndex
    context: int


class HeartbeatAnswer(NamedTuple):
    sender: ReplicaId
    to: ReplicaId
    term: Term
    context: int


class TimeoutNow(NamedTuple):
    """Campaign at once: the leader hands over (dissertation, section 3.10)."""

    sender: ReplicaId
    to: ReplicaId
    term: Term


class ReadIndex(NamedTuple):
    """How far do I have to be before I answer a read that came just now?"""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    context: int


class ReadIndexAnswer(NamedTuple):
    sender: ReplicaId
    to: ReplicaId
    term: Term
    context: int
    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused


class Hibernate(NamedTuple):
    """Every log ends at `last_index`, all of it is committed: stop the timer until woken."""

    sender: ReplicaId
    to: ReplicaId
    term: Term
    commit_index: LogIndex
    last_index: LogIndex


Message = (
    PreVote
    | PreVoteAnswer
    | Vote
    | VoteAnswer
    | Append
    | AppendAnswer
    | Heartbeat
    | HeartbeatAnswer
    | TimeoutNow
    | ReadIndex
    | ReadIndexAnswer
    | Hibernate
)
