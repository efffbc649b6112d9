"""What majorities decide: how far the log is committed, who won a vote, whether anybody listens.

A joint configuration decides only what both of its majorities decide (dissertation, section 4.3).
An empty half decides nothing and is passed over.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

from sprawl.core.ids import ReplicaId


class VoteResult(enum.Enum):
    """Where a vote stands."""

    PENDING = 0
    LOST = 1
    WON = 2


def majority_index(voters: Sequence[ReplicaId], index_of: Callable[[ReplicaId], int]) -> int:
    """The highest index that a majority has.

    Args:
        voters: at least one.
        index_of: the index of a voter that certainly has it; 0 for one that is not heard of.
    """
    indexes = sorted(map(index_of, voters))
    return indexes[(len(indexes) - 1) // 2]


def committed_index(
    voters: Sequence[ReplicaId],
    outgoing: Sequence[ReplicaId],
    index_of: Callable[[ReplicaId], int],
) -> int:
    """The highest index that every majority of a configuration has."""
    index = majority_index(voters, index_of)
    return min(index, majority_index(outgoing, index_of)) if outgoing else index


def majority_vote(voters: Sequence[ReplicaId], votes: Mapping[ReplicaId, bool]) -> VoteResult:
    """Where the vote of one majority stands; votes of others do not count."""
    needed = len(voters) // 2 + 1
    granted = missing = 0
    for voter in voters:
        vote = votes.get(voter)
        if vote is None:
            missing += 1
        elif vote:
            granted += 1
    if granted >= needed:
        return VoteResult.WON
    return VoteResult.PENDING if granted + missing >= needed else VoteResult.LOST


def vote_result(
    voters: Sequence[ReplicaId], outgoing: Sequence[ReplicaId], votes: Mapping[ReplicaId, bool]
) -> VoteResult:
    """Where the vote of a configuration stands: lost as soon as one half lost it."""
    result = majority_vote(voters, votes)
    if not outgoing or result is VoteResult.LOST:
        return result
    other = majority_vote(outgoing, votes)
    return other if result is VoteResult.WON or other is VoteResult.LOST else result


def is_quorum(
    voters: Sequence[ReplicaId],
    outgoing: Sequence[ReplicaId],
    is_counted: Callable[[ReplicaId], bool],
) -> bool:
    """Whether those that are counted are a quorum of a configuration."""
    for half in (voters, outgoing):
        if half and sum(map(is_counted, half)) <= len(half) // 2:
            return False
    return True
