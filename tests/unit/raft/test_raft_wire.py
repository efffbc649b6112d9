"""Frames between nodes: what goes in comes out, and nothing but WireFault for what is no frame."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.ids import LogIndex, PartitionId, ReplicaId, Term, TopicId
from sprawl.core.limits import RAFT_FRAME_MESSAGES_MAX
from sprawl.core.log.frames import Entry, EntryType, encode_entry
from sprawl.core.partition.terms import LogKey
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
from sprawl.core.raft.wire import WireFault, encode, encode_buffers, parse
from sprawl.core.records.record import encode_batch

replicas = st.integers(0, 2**62).map(ReplicaId)
terms = st.integers(-1, 2**31 - 1).map(Term)
indexes = st.integers(0, 2**62).map(LogIndex)
contexts = st.integers(0, 2**62)
flags = st.booleans()
keys = st.builds(LogKey, st.uuids().map(TopicId), st.integers(0, 2**31 - 1).map(PartitionId))


@st.composite
def appends(draw: st.DrawFn) -> Append:
    prev_index = draw(st.integers(0, 2**40))
    entries = []
    for number in range(draw(st.integers(0, 4))):
        term = draw(st.integers(0, 2**31 - 1))
        if draw(flags):
            frame = encode_batch([(1, None, draw(st.binary(max_size=40)), [])])
            frame[12:16] = term.to_bytes(4, "big")
            kind = EntryType.DATA
        else:
            kind = draw(st.sampled_from(list(EntryType)[1:]))
            frame = encode_entry(kind, draw(st.binary(max_size=40)), next_offset=7, term=term)
        index = LogIndex(prev_index + number + 1)
        entries.append(Entry(index, Term(term), kind, memoryview(frame)))
    return Append(
        draw(replicas),
        draw(replicas),
        draw(terms),
        LogIndex(prev_index),
        draw(terms),
        draw(indexes),
        tuple(entries),
    )


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(PreVote, replicas, replicas, terms, indexes, terms, indexes, terms),
    st.builds(PreVoteAnswer, replicas, replicas, terms, flags, indexes, terms),
    st.builds(Vote, replicas, replicas, terms, indexes, terms, flags, indexes, terms),
    st.builds(VoteAnswer, replicas, replicas, terms, flags, indexes, terms),
    appends(),
    st.builds(AppendAnswer, replicas, replicas, terms, indexes, flags, indexes, terms, flags),
    st.builds(Heartbeat, replicas, replicas, terms, indexes, contexts),
    st.builds(HeartbeatAnswer, replicas, replicas, terms, contexts),
    st.builds(TimeoutNow, replicas, replicas, terms),
    st.builds(ReadIndex, replicas, replicas, terms, contexts),
    st.builds(ReadIndexAnswer, replicas, replicas, terms, contexts, indexes),
    st.builds(Hibernate, replicas, replicas, terms, indexes, indexes),
)
items = st.lists(st.tuples(keys, messages), max_size=6)


@given(items)
@settings(max_examples=200, deadline=None)
def test_what_goes_in_comes_out(sent: list[tuple[LogKey, Message]]) -> None:
    assert parse(encode(sent)) == sent


@given(items, st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_frame_is_read_or_refused(
    sent: list[tuple[LogKey, Message]], data: st.DataObject
) -> None:
    frame = bytearray(encode(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        if data.draw(flags):
            frame[at] = data.draw(st.integers(0, 255))
        else:
            del frame[at : at + data.draw(st.integers(1, 30))]
        if not frame:
            break
    with suppress(WireFault):
        parse(frame)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_noise_is_read_or_refused(noise: bytes) -> None:
    for frame in (noise, b"\x01\x00\x00\x00\x01" + noise):
        with suppress(WireFault):
            parse(frame)


def frame_of(*sent: Message) -> bytes:
    key = LogKey(TopicId(UUID(int=5)), PartitionId(3))
    return encode([(key, message) for message in sent])


HEARTBEAT = Heartbeat(ReplicaId(1), ReplicaId(2), Term(3), LogIndex(4), 5)


def test_a_key_is_a_log_key() -> None:
    ((key, _),) = parse(frame_of(HEARTBEAT))
    assert key == LogKey(TopicId(UUID(int=5)), 3)
    assert hash(key) == hash(LogKey(TopicId(UUID(int=5)), 3))


def test_entries_are_views_of_the_frame() -> None:
    entry_frame = memoryview(encode_entry(EntryType.NOOP, b"payload", next_offset=0, term=3))
    entry = Entry(LogIndex(5), Term(3), EntryType.NOOP, entry_frame)
    message = Append(
        ReplicaId(1), ReplicaId(2), Term(3), LogIndex(4), Term(3), LogIndex(4), (entry,)
    )
    frame = frame_of(message)
    ((_, parsed),) = parse(frame)
    assert isinstance(parsed, Append)
    assert parsed.entries[0].frame.obj is frame
    assert parsed.entries[0].payload == b"payload"


def test_entries_are_not_copied_for_sending() -> None:
    buf = memoryview(encode_entry(EntryType.NOOP, b"payload", next_offset=0, term=3))
    entry = Entry(LogIndex(5), Term(3), EntryType.NOOP, buf)
    message = Append(
        ReplicaId(1), ReplicaId(2), Term(3), LogIndex(4), Term(3), LogIndex(4), (entry,)
    )
    buffers = encode_buffers([(LogKey(TopicId(UUID(int=5)), PartitionId(3)), message)])
    assert any(each is buf for each in buffers)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x01" + frame_of(HEARTBEAT)[1:],
        frame_of(HEARTBEAT) + b"\x00",
        frame_of(HEARTBEAT)[:-1],
        b"\x02" + (RAFT_FRAME_MESSAGES_MAX + 1).to_bytes(4, "big"),
    ],
    ids=["empty", "version", "too long", "too short", "too many"],
)
def test_refused_frames(frame: bytes) -> None:
    with pytest.raises(WireFault):
        parse(frame)


def test_an_entry_whose_checksum_is_wrong_is_refused() -> None:
    buf = encode_entry(EntryType.CONFIG, b"payload", next_offset=0, term=3)
    buf[-1] ^= 1
    entry = Entry(LogIndex(5), Term(3), EntryType.CONFIG, memoryview(buf))
    message = Append(
        ReplicaId(1), ReplicaId(2), Term(3), LogIndex(4), Term(3), LogIndex(4), (entry,)
    )
    with pytest.raises(WireFault, match="checksum"):
        parse(frame_of(message))


def test_too_many_messages_for_a_frame() -> None:
    with pytest.raises(ValueError, match="too much"):
        frame_of(*[HEARTBEAT] * (RAFT_FRAME_MESSAGES_MAX + 1))
