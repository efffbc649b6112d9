"""Sealed packets: what is refused, how it is counted, and how keys are rotated."""

from __future__ import annotations

import pytest
from gossip_bench import Bench, address, alive, member, packet

from sprawl.core.gossip import wire
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.model import MemberState, PacketFault
from sprawl.core.limits import GOSSIP_REPLAY_WINDOW

OLD, NEW, OTHER = b"o" * 16, b"n" * 32, b"x" * 16


def inside(*messages: wire.Message) -> bytes:
    return b"".join(map(wire.encode, messages))


def ring(number: int, *keys: bytes, session: bytes = b"ses1") -> Keyring:
    return Keyring(member(number), keys or (OLD,), session)


def refused(ring: Keyring, data: bytes) -> str:
    with pytest.raises(PacketFault) as caught:
        ring.open(data)
    return caught.value.kind


def test_a_packet_is_opened_once() -> None:
    ours, theirs = ring(0), ring(1)
    sealed = theirs.seal(b"hello", 1)
    assert b"hello" not in sealed
    assert len(sealed) == 5 + Keyring.overhead_bytes
    assert ours.open(sealed) == b"hello"
    assert refused(ours, sealed) == "replayed"


def test_packets_may_overtake_each_other_within_the_window() -> None:
    ours, theirs = ring(0), ring(1)
    sealed = [theirs.seal(bytes([n % 256]), 1) for n in range(GOSSIP_REPLAY_WINDOW + 2)]
    assert ours.open(sealed[3]) == b"\3"
    assert ours.open(sealed[2]) == b"\2"
    assert ours.open(sealed[-1])
    assert ours.open(sealed[10]) == b"\n"
    assert refused(ours, sealed[10]) == "replayed"
    assert refused(ours, sealed[3]) == "replayed"
    assert refused(ours, sealed[1]) == "stale"


@pytest.mark.parametrize("at", [0, 1, 3, 12, 20, 24, 29, -1])
def test_a_changed_packet_is_refused(at: int) -> None:
    ours, theirs = ring(0), ring(1)
    sealed = bytearray(theirs.seal(b"hello", 5))
    sealed[at] ^= 1
    assert refused(ours, bytes(sealed)) in {"forged", "key_unknown", "plain"}
    sealed[at] ^= 1
    assert ours.open(bytes(sealed)) == b"hello"


def test_forged_packets_do_not_move_the_window() -> None:
    ours, theirs = ring(0), ring(1)
    assert ours.open(theirs.seal(b"a", 5))
    forged = bytearray(ring(1).seal(b"b", 2**60))
    forged[-1] ^= 1
    assert refused(ours, bytes(forged)) == "forged"
    assert ours.open(theirs.seal(b"c", 5)) == b"c"


def test_packets_of_a_former_life_are_stale() -> None:
    ours = ring(0)
    before, after = ring(1, session=b"ses1"), ring(1, session=b"ses2")
    old = before.seal(b"old", 5)
    assert ours.open(after.seal(b"new", 6)) == b"new"
    assert refused(ours, old) == "stale"
    assert refused(ours, before.seal(b"same epoch", 6)) == "stale"


def test_our_own_packets_do_not_come_back_in() -> None:
    ours = ring(0)
    assert refused(ours, ours.seal(b"echo", 1)) == "replayed"


def test_two_starts_with_one_epoch_share_no_nonce() -> None:
    first, second = ring(1, session=b"ses1"), ring(1, session=b"ses2")
    one, other = first.seal(b"same", 1), second.seal(b"same", 1)
    assert one[-20:] != other[-20:]


def test_keys_are_rotated_without_a_gap() -> None:
    rings = [ring(0), ring(1)]

    def both_ways() -> None:
        assert rings[0].open(rings[1].seal(b"x", 1)) == b"x"
        assert rings[1].open(rings[0].seal(b"y", 1)) == b"y"

    both_ways()
    for keys in ((OLD, NEW), (NEW, OLD), (NEW,)):
        for each in rings:
            each.replace(keys)
            both_ways()
    assert refused(rings[0], ring(2, OLD).seal(b"late", 1)) == "key_unknown"


def test_a_keyring_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="AES"):
        ring(0, b"short")
    with pytest.raises(ValueError, match="needs a key"):
        Keyring(member(0), (), b"ses1")
    with pytest.raises(ValueError, match="session"):
        Keyring(member(0), (OLD,), b"")
    ours = ring(0)
    for wrong in ((), (NEW, b"short"), [bytes([number]) * 16 for number in range(9)]):
        with pytest.raises(ValueError, match=r"needs a key|AES|more than"):
            ours.replace(wrong)
        assert ours.open(ring(1).seal(b"x", 1)) == b"x"
        ours = ring(0)


def test_a_membership_counts_what_it_refuses_by_kind() -> None:
    bench = Bench(keyring=ring(0))
    theirs = ring(1)
    good = theirs.seal(inside(alive(1)), 5)
    forged = bytearray(theirs.seal(inside(alive(2)), 5))
    forged[-1] ^= 1
    stale = ring(1, session=b"ses0").seal(inside(alive(2)), 4)
    stranger = ring(1, OTHER).seal(inside(alive(2)), 5)
    broken = theirs.seal(b"\xff", 5)
    for data in (good, good, bytes(forged), stale, stranger, packet(alive(2)), broken, b""):
        bench.membership.receive(data, address(1), 0)
    counters = bench.membership.counters
    assert (counters.replayed, counters.forged, counters.stale) == (1, 1, 1)
    assert (counters.key_unknown, counters.plain, counters.malformed) == (1, 2, 1)
    assert bench.seen(1) is MemberState.ALIVE
    assert bench.membership.member(member(2)) is None


def test_a_sealed_packet_means_nothing_without_a_key() -> None:
    bench = Bench()
    bench.membership.receive(ring(1).seal(inside(alive(1)), 1), address(1), 0)
    assert bench.membership.counters.plain == 1
