"""What the Raft paper and Ongaro's dissertation demand, section by section.

Scenarios hold more of it, and name their sections; here is what is said more shortly in Python.
"""

from __future__ import annotations

from random import Random

import pytest
from raft_log import MemoryLog

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry, EntryType, encode_entry
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.log_port import NO_INDEX, NO_TERM
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    Message,
    PreVote,
    PreVoteAnswer,
    TimeoutNow,
    Vote,
    VoteAnswer,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Role
from sprawl.core.raft.settings import RaftSettings

ME, TWO, THREE = ReplicaId(1), ReplicaId(2), ReplicaId(3)
ELECTION_TICKS = 10


def entry(index: int, term: int) -> Entry:
    frame = encode_entry(EntryType.CONTROLLER_COMMAND, b"%d" % index, next_offset=0, term=term)
    return Entry(LogIndex(index), Term(term), EntryType.CONTROLLER_COMMAND, memoryview(frame))


def replica(*terms: int, term: int = 0, seed: int = 0) -> RaftNode:
    """Replica 1 of 1, 2 and 3, with these entries on disk."""
    log = MemoryLog([entry(at + 1, each) for at, each in enumerate(terms)])
    founding = HardState.founding(Configuration.of([1, 2, 3]))
    settings = RaftSettings(
        election_ticks=ELECTION_TICKS, hibernate_after_ticks=0, campaign_first=False
    )
    return RaftNode(ME, log, founding._replace(term=Term(term)), settings, Random(seed))


def answers(node: RaftNode, *messages: Message) -> list[Message]:
    """What a replica says, with its hard states stored and its log flushed meanwhile."""
    for message in messages:
        node.step(message, 0)
    said: list[Message] = []
    while (ready := node.ready()) is not None:
        said += ready.messages
        if ready.hard_state is not None:
            node.hard_state_stored(ready.token)
        if ready.needs_flush:
            assert isinstance(node.log, MemoryLog)
            token = node.log.flush()
            node.durable(token.index, token.term, 0)
    return said


def candidate(node: RaftNode) -> list[Message]:
    """Let it campaign, and the others say that they would vote for it."""
    node.campaign(0)
    answers(node)
    would = PreVoteAnswer(TWO, ME, Term(node.term + 1), True, NO_INDEX, NO_TERM)
    return answers(node, would)


def leader(*terms: int, term: int = 0) -> RaftNode:
    node = replica(*terms, term=term)
    candidate(node)
    answers(node, VoteAnswer(TWO, ME, node.term, True, NO_INDEX, NO_TERM))
    assert node.role is Role.LEADER
    return node


def test_5_1_a_request_of_an_old_term_changes_nothing_and_is_answered_with_the_new_one() -> None:
    node = replica(1, term=5)
    old = Append(TWO, ME, Term(4), LogIndex(1), Term(1), NO_INDEX, (entry(2, 4),))
    (said,) = answers(node, old)
    assert isinstance(said, AppendAnswer)
    assert said.term == 5
    assert (node.leader, node.log.last_index) == (None, 1)


def test_5_2_timeouts_are_drawn_between_one_and_two_election_timeouts() -> None:
    waits = set()
    for seed in range(200):
        node = replica(seed=seed)
        ticks = 0
        while node.role is Role.FOLLOWER:
            node.tick(0)
            ticks += 1
        waits.add(ticks)
    assert waits == set(range(ELECTION_TICKS, 2 * ELECTION_TICKS))


def test_5_2_one_vote_a_term_for_whoever_asks_first() -> None:
    node = replica()
    first = Vote(TWO, ME, Term(1), NO_INDEX, NO_TERM, False, NO_INDEX, NO_TERM)
    second = first._replace(sender=THREE)
    said = answers(node, first, second, first)
    votes = [(each.to, each.is_granted) for each in said if isinstance(each, VoteAnswer)]
    assert votes == [(TWO, True), (THREE, False), (TWO, True)]


def test_5_2_a_candidate_that_hears_a_leader_of_its_term_follows_it() -> None:
    node = replica()
    candidate(node)
    assert (node.role, node.term) == (Role.CANDIDATE, 1)
    answers(node, Heartbeat(TWO, ME, Term(1), NO_INDEX, 0))
    assert (node.role, node.leader, node.term) == (Role.FOLLOWER, TWO, 1)


def test_5_2_after_a_split_vote_a_candidate_tries_again_in_the_next_term() -> None:
    node = replica()
    candidate(node)
    answers(node, VoteAnswer(TWO, ME, Term(1), False, NO_INDEX, NO_TERM))
    assert node.role is Role.CANDIDATE
    for _ in range(2 * ELECTION_TICKS):
        node.tick(0)
    would = PreVoteAnswer(THREE, ME, Term(2), True, NO_INDEX, NO_TERM)
    said = answers(node, would)
    assert {each.term for each in said if isinstance(each, Vote)} == {2}


def test_5_3_entries_are_refused_where_the_one_before_them_differs() -> None:
    node = replica(1, 1, term=2)
    after = Append(TWO, ME, Term(3), LogIndex(2), Term(2), NO_INDEX, (entry(3, 3),))
    (said,) = answers(node, after)
    assert isinstance(said, AppendAnswer)
    assert said.is_rejected
    assert node.log.last_index == 2


def test_5_3_an_entry_that_conflicts_is_cut_off_with_all_that_follow_it() -> None:
    node = replica(1, 1, 1, 1, term=2)
    answers(node, Append(TWO, ME, Term(3), LogIndex(1), Term(1), NO_INDEX, (entry(2, 3),)))
    assert [node.log.term_at(index) for index in range(1, 4)] == [1, 3, None]


def test_5_5_an_append_that_comes_twice_changes_nothing() -> None:
    node = replica(1, term=2)
    late = Append(TWO, ME, Term(3), LogIndex(1), Term(1), NO_INDEX, (entry(2, 3),))
    more = late._replace(entries=(entry(2, 3), entry(3, 3)))
    said = answers(node, more, late)
    assert node.log.last_index == 3
    assert [each.index for each in said if isinstance(each, AppendAnswer)][-1] == 3


@pytest.mark.parametrize(
    ("last_index", "last_term", "is_granted"),
    [(9, 1, False), (1, 3, True), (2, 2, False), (3, 2, True), (4, 2, True)],
)
def test_5_4_1_the_later_last_term_is_ahead_then_the_longer_log(
    last_index: int, last_term: int, is_granted: bool
) -> None:
    node = replica(1, 2, 2, term=3)
    place = (LogIndex(last_index), Term(last_term))
    (said,) = answers(node, Vote(TWO, ME, Term(4), *place, False, NO_INDEX, NO_TERM))
    assert isinstance(said, VoteAnswer)
    assert said.is_granted is is_granted


def test_5_4_2_an_entry_of_an_earlier_term_is_committed_only_together_with_one_of_its_own() -> None:
    """Figure 8: (c) alone is not enough, since (d) may still overwrite it."""
    node = leader(1, 2, term=3)
    answers(node, accepted(node, 2))
    assert node.commit_index == 0
    answers(node, accepted(node, 3))
    assert node.commit_index == 3


def accepted(node: RaftNode, index: int) -> AppendAnswer:
    """Replica TWO has the log on disk up to there."""
    at = LogIndex(index)
    return AppendAnswer(TWO, ME, node.term, at, False, at, NO_TERM, wants_commits=False)


def test_dissertation_3_10_who_is_told_to_takes_over_at_once() -> None:
    """No wait and no question before, and voters are told that the leader wants it."""
    node = replica(term=1)
    answers(node, Heartbeat(TWO, ME, Term(1), NO_INDEX, 0))
    said = answers(node, TimeoutNow(TWO, ME, Term(1)))
    votes = [each for each in said if isinstance(each, Vote)]
    assert [(each.to, each.term, each.is_transfer) for each in votes] == [
        (TWO, 2, True),
        (THREE, 2, True),
    ]


def test_dissertation_4_2_3_who_hears_a_leader_gives_no_vote_and_enters_no_later_term() -> None:
    node = replica(term=1)
    answers(node, Heartbeat(TWO, ME, Term(1), NO_INDEX, 0))
    vote = Vote(THREE, ME, Term(7), LogIndex(9), Term(6), False, NO_INDEX, NO_TERM)
    assert answers(node, vote) == []
    assert node.term == 1
    (said,) = answers(node, vote._replace(is_transfer=True))
    assert isinstance(said, VoteAnswer)
    assert said.is_granted


def test_dissertation_9_6_a_question_before_a_vote_changes_no_term_and_takes_no_vote() -> None:
    node = replica(term=1)
    ask = PreVote(TWO, ME, Term(2), NO_INDEX, NO_TERM, NO_INDEX, NO_TERM)
    said = answers(node, ask, ask._replace(sender=THREE))
    assert [each.is_granted for each in said if isinstance(each, PreVoteAnswer)] == [True, True]
    assert (node.term, node.voted_for) == (1, None)
