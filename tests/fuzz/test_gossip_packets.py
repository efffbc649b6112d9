"""The promise of gossip's decoders: any bytes give messages or one `PacketFault`, nothing else; and
a membership lives through whatever comes."""

from __future__ import annotations

import contextlib
import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip import wire
from sprawl.core.gossip.digest import LoadDigest, encode_digest, parse_digest
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.membership import Membership
from sprawl.core.gossip.model import Event, MemberId, MemberState, PacketFault
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.ids import BrokerId

TAG = wire.cluster_tag("")
KEY = b"k" * 16
SEEDS = range(150)


def member(number: int) -> MemberId:
    return MemberId(BrokerId(number), UUID(int=number))


def address(number: int) -> PeerAddress:
    return PeerAddress(f"10.0.0.{number}", 7946)


def message(rng: random.Random) -> wire.Message:
    """An honest message, or one with numbers at the ends of their range."""
    who, other = member(rng.randrange(6)), member(rng.randrange(6))
    epoch = rng.choice((0, 1, 2, 3, wire.EPOCH_MAX))
    incarnation = rng.choice((0, 1, 2, wire.INCARNATION_MAX))
    where = address(who.node_id)
    digest = encode_digest(LoadDigest(1, 2, 3, 4, 5, 6, 7))
    return rng.choice(
        (
            wire.Ping(rng.getrandbits(32), wire.member_tag(who), wire.member_tag(other)),
            wire.PingReq(rng.getrandbits(32), who, where),
            wire.Ack(rng.getrandbits(32), wire.member_tag(who)),
            wire.Nack(rng.getrandbits(32)),
            wire.Alive(who, epoch, incarnation, where),
            wire.Suspect(who, epoch, incarnation, other),
            wire.Dead(who, epoch, incarnation, other),
            wire.Left(who, epoch),
            wire.Load(who, epoch, rng.getrandbits(32), digest),
        )
    )


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut out or put in."""
    bad = bytearray(data)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(bad) + 1)
        match rng.randrange(3):
            case 0:
                bad[at : at + 1] = rng.randbytes(1)
            case 1:
                del bad[at : at + rng.randint(1, 30)]
            case 2:
                bad[at:at] = rng.choice((b"\xff" * 4, b"\0" * 9, rng.randbytes(7)))
    return bytes(bad)


def packet(rng: random.Random) -> bytes:
    body = b"".join(wire.encode(message(rng)) for _ in range(rng.randrange(8)))
    return wire.encode_head(TAG) + body


def state(rng: random.Random) -> bytes:
    entries = []
    for _ in range(rng.randrange(6)):
        who = rng.randrange(6)
        alive = wire.Alive(
            member(who), rng.choice((0, 1, 2, wire.EPOCH_MAX)), rng.randrange(3), address(who)
        )
        load = rng.choice((b"", encode_digest(LoadDigest(1, 2, 3, 4, 5, 6, 7)), b"bad"))
        entries.append(wire.StateEntry(rng.choice(list(MemberState)), alive, 1, load))
    return wire.encode_state(wire.State(rng.random() < 0.5, member(1), entries), TAG)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_packet_or_a_fault(data: bytes) -> None:
    ring = Keyring(member(0), (KEY,), b"ses1")
    for parse in (
        lambda: wire.parse_packet(data, TAG),
        lambda: wire.parse_packet(wire.encode_head(TAG) + data, TAG),
        lambda: wire.parse_exchange(data, TAG),
        lambda: wire.parse_exchange(wire.encode_head(TAG) + data, TAG),
        lambda: parse_digest(data),
        lambda: ring.open(data),
        lambda: ring.open(b"\x81" + data),
    ):
        with contextlib.suppress(PacketFault):
            parse()


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_membership_lives_through_whatever_comes(is_sealed: bool) -> None:
    """And what it tells its consumer keeps the law of `EventKind`."""
    for seed in SEEDS:
        rng = random.Random(seed)
        theirs = Keyring(member(1), (KEY,), b"ses1")
        membership = Membership(
            settings=GossipSettings(forget_ms=40_000),
            me=member(0),
            address=address(0),
            epoch=1,
            rng=random.Random(seed),
            now_ms=0,
            keyring=Keyring(member(0), (KEY,), b"ses0") if is_sealed else None,
        )
        now_ms = 0
        events: list[Event] = []
        for _ in range(40):
            is_state = rng.random() < 0.2
            data = (state if is_state else packet)(rng)
            if is_sealed and not is_state:
                data = data[wire.HEAD_BYTES :]
            harm_first = rng.random() < 0.5
            data = damaged(data, rng) if harm_first else data
            if is_sealed:
                data = theirs.seal(data, 1)
                data = data if harm_first else damaged(data, rng)
            if is_state:
                effects = membership.receive_state(data, now_ms)
            else:
                effects = membership.receive(data, address(rng.randrange(6)), now_ms)
            now_ms += rng.choice((1, 50, 700))
            while membership.deadline_ms <= now_ms:
                effects += membership.tick(now_ms)
            events += [effect for effect in effects if isinstance(effect, Event)]
        check_law(events)


def check_law(events: list[Event]) -> None:
    """Epochs never fall; after the end of a life comes nothing of that life but LEFT after DEAD."""
    last: dict[MemberId, Event] = {}
    for event in events:
        before = last.get(event.id)
        kind = event.kind.name
        if before is None:
            assert kind == "JOINED", event
        elif kind == "JOINED":  # it was forgotten meanwhile
            assert before.kind.name in ("DEAD", "LEFT"), (before, event)
        else:
            assert event.epoch >= before.epoch, (before, event)
            if kind == "REJOINED":
                assert event.epoch > before.epoch, (before, event)
            elif before.kind.name == "DEAD" and event.epoch == before.epoch:
                assert kind == "LEFT", (before, event)
            elif before.kind.name == "LEFT":
                assert kind in ("DEAD", "LEFT"), (before, event)
                assert event.epoch > before.epoch, (before, event)
        last[event.id] = event
