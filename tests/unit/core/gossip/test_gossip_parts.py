"""Broadcasts, digests and bytes."""

from __future__ import annotations

import pytest
from gossip_bench import (
    TAG,
    Bench,
    address,
    alive,
    dead,
    entry,
    left,
    member,
    sent,
    state,
    suspect,
    tag,
)
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.gossip import wire
from sprawl.core.gossip.broadcasts import Broadcasts
from sprawl.core.gossip.digest import HotGroup, LoadDigest, encode_digest, parse_digest
from sprawl.core.gossip.model import MemberState, PacketFault
from sprawl.core.ids import LogKey, TopicId
from sprawl.core.limits import GOSSIP_DIGEST_BYTES_MAX

HOT = tuple(HotGroup(LogKey(TopicId(member(n).directory_id), n), 1_000 - n) for n in range(3))
DIGEST = LoadDigest(2_500, 100, 1_200, 400, 50_000, 70_000, 4_000, HOT)
MESSAGES = (
    wire.Ping(1, tag(2), tag(3)),
    wire.PingReq(2**32 - 1, member(2), address(2)),
    wire.Ack(0, tag(1)),
    wire.Nack(7),
    alive(1, epoch=2**63 - 1, incarnation=2**32 - 1),
    wire.Alive(member(-1), 0, 0, address(1)._replace(host="2001:db8::1")),
    suspect(1, 2),
    dead(1, 2),
    left(1),
    wire.Load(member(1), 5, 6, encode_digest(DIGEST)),
)


def test_every_message_comes_back_as_it_was() -> None:
    packet = wire.encode_head(TAG) + b"".join(map(wire.encode, MESSAGES))
    assert wire.parse_packet(packet, TAG) == list(MESSAGES)


def test_a_state_comes_back_as_it_was() -> None:
    entries = [
        wire.StateEntry(MemberState.SUSPECT, alive(1), 3, encode_digest(DIGEST)),
        entry(MemberState.LEFT, alive(2)),
    ]
    told = wire.State(True, member(9), entries)
    assert wire.parse_state(wire.encode_state(told, TAG), TAG) == told


def test_a_digest_is_small_and_comes_back() -> None:
    data = encode_digest(DIGEST)
    assert len(data) <= GOSSIP_DIGEST_BYTES_MAX
    assert parse_digest(data) == DIGEST
    beyond = parse_digest(encode_digest(LoadDigest(20_000, -1, 0, 2**40, 0, -5, 1)))
    assert beyond == LoadDigest(10_000, 0, 0, 2**32 - 1, 0, 0, 1)
    with pytest.raises(ValueError, match="hot groups"):
        encode_digest(DIGEST._replace(hot_groups=HOT + HOT))


def test_the_newer_digest_of_the_present_life_wins() -> None:
    bench = Bench(2)
    for epoch, sequence in ((1, 5), (1, 4), (2, 9), (1, 6)):
        digest = encode_digest(DIGEST._replace(partitions=sequence))
        bench.hear(wire.Load(member(1), epoch, sequence, digest))
    found = bench.membership.load(member(1))
    assert found is not None
    assert (found.sequence, found.digest.partitions) == (6, 6)


def test_a_malformed_digest_harms_nothing() -> None:
    bench = Bench(2)
    bench.hear(wire.Load(member(1), 1, 1, b"\xff" * 20), alive(3))
    assert bench.membership.load(member(1)) is None
    assert bench.membership.counters.malformed == 1
    assert bench.seen(3) is MemberState.ALIVE


def test_digests_ride_along_and_are_told_once_in_their_interval() -> None:
    bench = Bench(2)
    bench.run(1_000)
    for partitions in (1, 2, 3):
        bench.membership.update_digest(DIGEST._replace(partitions=partitions), bench.now_ms)
    effects = bench.run(bench.now_ms + 5_000)
    told = {message.sequence for _, message in sent(effects, wire.Load)}  # type: ignore[union-attr]
    assert told == {1}
    mine = bench.membership.load(member(0))
    assert mine is not None
    assert mine.digest.partitions == 3


def test_an_exchange_carries_digests() -> None:
    bench = Bench()
    told = wire.StateEntry(MemberState.ALIVE, alive(1), 4, encode_digest(DIGEST))
    bench.hear_state(state(1, told))
    found = bench.membership.load(member(1))
    assert found is not None
    assert found.digest == DIGEST


def test_what_was_sent_least_often_goes_first() -> None:
    """SWIM 4.1: a member "prefers" news that were gossiped fewer times."""
    queue = Broadcasts(10, lambda: 3)
    queue.add(member(1), b"a" * 40)
    taken: list[bytes] = []
    queue.take(40, taken)
    queue.add(member(2), b"b" * 40)
    queue.add(member(3), b"c" * 40)
    for _ in range(6):
        queue.take(40, taken)
    assert b"".join(each[:1] for each in taken) == b"acbbcaa"


def test_news_are_sent_as_often_as_asked_and_then_forgotten() -> None:
    queue = Broadcasts(10, lambda: 3)
    queue.add(member(1), b"a" * 40)
    taken: list[bytes] = []
    for _ in range(5):
        queue.take(100, taken)
    assert len(taken) == 3
    assert len(queue) == 0


def test_newer_news_replace_older_ones() -> None:
    queue = Broadcasts(10, lambda: 3)
    queue.add(member(1), b"a" * 40)
    queue.add(member(1), b"b" * 40)
    taken: list[bytes] = []
    queue.take(1_000, taken)
    assert taken == [b"b" * 40]


@given(st.lists(st.integers(29, 120), max_size=40), st.integers(0, 400))
def test_packets_are_filled_to_the_last_byte_that_fits(sizes: list[int], room: int) -> None:
    queue = Broadcasts(100, lambda: 2)
    for number, size in enumerate(sizes):
        queue.add(member(number), bytes(size))
    taken: list[bytes] = []
    rest = queue.take(room, taken)
    assert sum(map(len, taken)) + rest == room
    untaken = sizes.copy()
    for each in taken:
        untaken.remove(len(each))
    assert all(size > rest for size in untaken)


def test_a_full_queue_loses_what_was_told_most() -> None:
    queue = Broadcasts(2, lambda: 9)
    queue.add(member(1), b"a" * 40)
    taken: list[bytes] = []
    queue.take(40, taken)
    queue.add(member(2), b"b" * 40)
    queue.add(member(3), b"c" * 40)
    assert queue.dropped == 1
    taken.clear()
    queue.take(1_000, taken)
    assert taken == [b"c" * 40, b"b" * 40]


@pytest.mark.parametrize("host", ["", "example.com", "10.0.0.1 ", "999.1.1.1", "\xff"])
def test_an_address_has_to_be_one(host: str) -> None:
    good = wire.encode(alive(1))
    size = len(address(1).host)
    raw = host.encode("latin-1")
    bad = good[: -size - 3] + bytes((len(raw),)) + raw + good[-2:]
    with pytest.raises(PacketFault):
        wire.parse_packet(wire.encode_head(TAG) + bad, TAG)
