"""A replica that left its group, lost its log by that, and comes back: it must not vote as if it
still had what it acknowledged."""

from __future__ import annotations

from random import Random

import pytest
from raft_log import MemoryLog

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.log.frames import Entry, EntryType, encode_entry
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import NEVER, HardState
from sprawl.core.raft.messages import (
    Append,
    AppendAnswer,
    Heartbeat,
    Hibernate,
    Message,
    PreVote,
    PreVoteAnswer,
    Vote,
)
from sprawl.core.raft.node import RaftNode
from sprawl.core.raft.ready import Role
from sprawl.core.raft.settings import RaftSettings

ME, OTHER, LEADER = ReplicaId(1), ReplicaId(2), ReplicaId(3)
FOUNDING = Configuration.of([1, 2])
LOST = (Term(4), LogIndex(9))


def node(*, lost: tuple[Term, LogIndex] | None, log: MemoryLog | None = None) -> RaftNode:
    state = HardState(Term(5), None, FOUNDING, lost=lost)
    return RaftNode(ME, log or MemoryLog(), state, RaftSettings(), Random(1))


def answers(replica: RaftNode, message: Message) -> list[Message]:
    replica.step(message, 1)
    said: list[Message] = []
    while (ready := replica.ready()) is not None:
        if ready.hard_state is not None:
            replica.hard_state_stored(ready.token)
        said += ready.messages
    return said


def ask_for_votes(replica: RaftNode, last_term: int = 5) -> list[bool]:
    term = replica.term + 1
    asked = (
        PreVote(OTHER, ME, Term(term), LogIndex(50), Term(last_term), LogIndex(0), Term(-1)),
        Vote(OTHER, ME, Term(term), LogIndex(50), Term(last_term), False, LogIndex(0), Term(-1)),
    )
    return [answer.is_granted for each in asked for answer in answers(replica, each)]  # type: ignore[union-attr]


def replicate(replica: RaftNode, *entries: tuple[EntryType, int, bytes]) -> None:
    """What the leader of term 6 has from its start on."""
    listed = tuple(
        Entry(
            LogIndex(at),
            Term(term),
            kind,
            memoryview(encode_entry(kind, payload, next_offset=0, term=term)),
        )
        for at, (kind, term, payload) in enumerate(entries, start=1)
    )
    message = Append(LEADER, ME, Term(6), LogIndex(0), Term(-1), LogIndex(len(listed)), listed)
    answers(replica, message)
    while replica.log.last_index < len(listed):  # nothing is taken after a configuration at once
        have = replica.log.last_index
        rest = listed[have:]
        term = Term(entries[have - 1][1])
        answers(replica, Append(LEADER, ME, Term(6), have, term, LogIndex(len(listed)), rest))
    replica.forget_leader()


def configuration(*voters: int, learners: tuple[int, ...] = ()) -> bytes:
    return Configuration.of(voters, learners).encode()


def test_who_lost_its_log_neither_votes_nor_campaigns() -> None:
    assert ask_for_votes(node(lost=None)) == [True, True]
    replica = node(lost=LOST)
    assert ask_for_votes(replica) == [False, False]
    term = replica.term
    for at in range(200):
        replica.tick(at)
    assert replica.term == term
    ready = replica.ready()
    assert ready is None or ready.messages == ()


def test_a_damaged_member_asks_and_never_campaigns() -> None:
    """Its leader may hibernate, and wakes when it is asked."""
    replica = node(lost=(Term(4), NEVER))
    term = replica.term
    said: list[Message] = []
    for at in range(200):
        replica.tick(at)
        said += getattr(replica.ready(), "messages", ())
    assert {type(each) for each in said} == {PreVote}
    assert replica.role is Role.FOLLOWER
    yes = PreVoteAnswer(OTHER, ME, Term(term + 1), True, LogIndex(0), Term(-1))
    assert answers(replica, yes) == []
    assert (replica.role, replica.term) == (Role.FOLLOWER, term)


def test_it_votes_again_once_it_is_a_member_by_a_later_entry() -> None:
    replica = node(lost=LOST)
    replicate(
        replica,
        (EntryType.NOOP, 6, b""),
        (EntryType.CONFIG, 6, configuration(1, 2, learners=(3,))),
    )
    assert replica.lost is None
    assert replica.hard_state.lost is None


def test_what_it_was_before_does_not_count() -> None:
    """The log names it a member at a place that it may have acknowledged entries after."""
    replica = node(lost=LOST)
    replicate(
        replica,
        (EntryType.NOOP, 1, b""),
        (EntryType.CONFIG, 1, configuration(1, 2, learners=(3,))),
        (EntryType.NOOP, 6, b""),
    )
    assert replica.lost == LOST
    assert ask_for_votes(replica) == [False, False]


def test_a_restart_finds_the_entry_that_makes_it_a_member() -> None:
    entry = encode_entry(
        EntryType.CONFIG, configuration(1, 2, learners=(3,)), next_offset=0, term=6
    )
    log = MemoryLog([Entry(LogIndex(1), Term(6), EntryType.CONFIG, memoryview(entry))])
    replica = node(lost=LOST, log=log)
    assert replica.lost is None
    ready = replica.ready()
    assert ready is not None
    assert ready.hard_state is not None
    assert ready.hard_state.lost is None


def test_what_was_said_to_the_lost_log_does_no_harm() -> None:
    late = Heartbeat(LEADER, ME, Term(5), LogIndex(9), 0)
    answers(node(lost=LOST), late)
    with pytest.raises(InvariantBroken):
        node(lost=None).step(late, 1)


@pytest.mark.parametrize("lost", [None, LOST, (Term(5), NEVER)])
def test_the_place_is_kept(lost: tuple[Term, LogIndex] | None) -> None:
    state = HardState(Term(5), OTHER, FOUNDING, LogIndex(3), Term(2), (LogIndex(4),), lost)
    assert HardState.parse(state.encode()) == state


def damaged() -> RaftNode:
    """A voter whose disk lost what it had acknowledged up to term 5."""
    state = HardState(Term(5), OTHER, Configuration.of([1, 2, 3])).damaged()
    return RaftNode(ME, MemoryLog(), state, RaftSettings(), Random(1))


def flush(replica: RaftNode) -> None:
    log = replica.log
    assert isinstance(log, MemoryLog)
    log.flush()
    replica.durable(log.last_index, log.last_term, 1)


def test_a_damaged_replica_has_no_vote_until_a_later_term_is_on_its_disk() -> None:
    replica = damaged()
    replicate(replica, (EntryType.NOOP, 4, b""), (EntryType.NOOP, 5, b""))
    flush(replica)
    assert ask_for_votes(replica) == [False, False]
    replica = damaged()
    replicate(replica, (EntryType.NOOP, 5, b""), (EntryType.NOOP, 6, b""))
    assert ask_for_votes(replica, last_term=6) == [False, False]  # a power loss would take it
    replica = damaged()
    replicate(replica, (EntryType.NOOP, 5, b""), (EntryType.NOOP, 6, b""))
    flush(replica)
    assert replica.hard_state.lost is None
    assert ask_for_votes(replica, last_term=6) == [True, True]


def test_a_damaged_replica_has_the_leader_of_its_term_elected_anew() -> None:
    replica = damaged()
    late = Append(LEADER, ME, Term(5), LogIndex(9), Term(5), LogIndex(9), ())
    answer = answers(replica, late)[-1]
    assert answer.term == 6
    assert replica.leader is None


def test_a_damaged_replica_that_is_damaged_again_begins_anew() -> None:
    state = damaged().hard_state.damaged()
    assert state.term == 7
    assert state.lost is not None
    assert state.lost[0] == 6


def test_a_leader_starts_over_with_who_lost_what_it_had_acknowledged() -> None:
    """An acknowledgement from before the follower left may come after it is back."""
    state = HardState(Term(5), None, Configuration.of([1], [2]))
    leader = RaftNode(ME, MemoryLog(), state, RaftSettings(), Random(1))
    leader.campaign(1)
    while (ready := leader.ready()) is not None:
        if ready.hard_state is not None:
            leader.hard_state_stored(ready.token)
    assert leader.is_leader
    late = AppendAnswer(OTHER, ME, leader.term, LogIndex(1), False, LogIndex(1), Term(-1), False)
    answers(leader, late)
    leader.unreachable(OTHER)  # probes at what it takes for matched
    refused = AppendAnswer(OTHER, ME, leader.term, LogIndex(1), True, LogIndex(0), Term(-1), False)
    said = answers(leader, refused)
    assert [each.prev_index for each in said if isinstance(each, Append)] == [0]


def test_a_leader_starts_over_with_whose_disk_changed_what_it_had_acknowledged() -> None:
    """No checksum covers a term: the follower names another one at the very place."""
    state = HardState(Term(5), None, Configuration.of([1], [2]))
    leader = RaftNode(ME, MemoryLog(), state, RaftSettings(), Random(1))
    leader.campaign(1)
    while (ready := leader.ready()) is not None:
        if ready.hard_state is not None:
            leader.hard_state_stored(ready.token)
    acknowledged = AppendAnswer(
        OTHER, ME, leader.term, LogIndex(1), False, LogIndex(1), Term(-1), False
    )
    answers(leader, acknowledged)
    leader.unreachable(OTHER)
    refused = AppendAnswer(OTHER, ME, leader.term, LogIndex(1), True, LogIndex(1), Term(4), False)
    said = answers(leader, refused)
    assert [each.prev_index for each in said if isinstance(each, Append)] == [0]


def entry_of(index: int, term: int) -> Entry:
    frame = encode_entry(EntryType.NOOP, b"", next_offset=0, term=term)
    return Entry(LogIndex(index), Term(term), EntryType.NOOP, memoryview(frame))


@pytest.mark.parametrize("prev_index", [0, 1, 2])
def test_a_committed_entry_whose_term_was_changed_is_damage(prev_index: int) -> None:
    """The entries were acknowledged as of term 5; after a power loss the second one is of 4."""
    log = MemoryLog([entry_of(1, 4), entry_of(2, 4)])
    replica = node(lost=None, log=log)
    answers(replica, Heartbeat(LEADER, ME, Term(5), LogIndex(2), 0))
    assert replica.commit_index == 2
    listed = (entry_of(1, 4), entry_of(2, 5), entry_of(3, 5))[prev_index:]
    prev_term = Term((-1, 4, 5)[prev_index])
    append = Append(LEADER, ME, Term(5), LogIndex(prev_index), prev_term, LogIndex(2), listed)
    assert answers(replica, append) == []
    assert log.refuted == 2
    assert (log.last_index, log.last_term) == (2, 4)


def test_a_committed_entry_that_is_the_leaders_is_not_refuted() -> None:
    log = MemoryLog([entry_of(1, 4), entry_of(2, 5)])
    replica = node(lost=None, log=log)
    answers(replica, Heartbeat(LEADER, ME, Term(5), LogIndex(2), 0))
    listed = (entry_of(2, 5), entry_of(3, 5))
    answers(replica, Append(LEADER, ME, Term(5), LogIndex(1), Term(4), LogIndex(2), listed))
    assert log.refuted is None
    assert log.last_index == 3


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_leader_that_campaigns_leads_no_more(is_behind: bool) -> None:
    """A damaged member came back in a later term than the leader's, which stepped down; the third
    one hibernates, and hears of nothing else."""
    replica = node(lost=None, log=MemoryLog([entry_of(1, 5)]))
    answers(replica, Append(LEADER, ME, Term(5), LogIndex(1), Term(5), LogIndex(1), ()))
    answers(replica, Hibernate(LEADER, ME, Term(5), LogIndex(1), LogIndex(1)))
    assert replica.is_hibernating
    last = LogIndex(0) if is_behind else LogIndex(1)
    stranger = PreVote(OTHER, ME, Term(6), last, Term(5), LogIndex(1), Term(5))
    assert answers(replica, stranger) == []
    assert replica.is_hibernating
    [answer] = answers(replica, stranger._replace(sender=LEADER))
    assert isinstance(answer, PreVoteAnswer)
    assert answer.is_granted is not is_behind
    assert (replica.is_hibernating, replica.leader) == (False, None)
    for at in range(200):
        replica.tick(at)
    assert replica.role is Role.PRE_CANDIDATE
