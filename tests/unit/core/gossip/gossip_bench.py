"""One membership on a bench: rumours in, what it does out."""

from __future__ import annotations

import random
from uuid import UUID

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip import wire
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.membership import Membership
from sprawl.core.gossip.model import Effect, Event, EventKind, MemberId, MemberState, Send
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.ids import BrokerId

TAG = wire.cluster_tag("")


def member(number: int) -> MemberId:
    return MemberId(BrokerId(number), UUID(int=abs(number)))


def address(number: int) -> PeerAddress:
    return PeerAddress(f"10.0.0.{number}", 7946)


def tag(number: int) -> bytes:
    return wire.member_tag(member(number))


def alive(number: int, epoch: int = 1, incarnation: int = 0) -> wire.Alive:
    return wire.Alive(member(number), epoch, incarnation, address(number))


def suspect(number: int, source: int, epoch: int = 1, incarnation: int = 0) -> wire.Suspect:
    return wire.Suspect(member(number), epoch, incarnation, member(source))


def dead(number: int, source: int, epoch: int = 1, incarnation: int = 0) -> wire.Dead:
    return wire.Dead(member(number), epoch, incarnation, member(source))


def left(number: int, epoch: int = 1) -> wire.Left:
    return wire.Left(member(number), epoch)


def packet(*messages: wire.Message) -> bytes:
    return wire.encode_head(TAG) + b"".join(map(wire.encode, messages))


def state(sender: int, *entries: wire.StateEntry, is_request: bool = False) -> bytes:
    return wire.encode_state(wire.State(is_request, member(sender), list(entries)), TAG)


def entry(state: MemberState, told: wire.Alive) -> wire.StateEntry:
    return wire.StateEntry(state, told, 0, b"")


class Bench:
    """Node 0 among `others` that it knows."""

    def __init__(
        self, others: int = 0, *, keyring: Keyring | None = None, epoch: int = 1, **settings: object
    ) -> None:
        self.settings = GossipSettings(**settings)  # type: ignore[arg-type]
        self.now_ms = 0
        self.membership = Membership(
            settings=self.settings,
            me=member(0),
            address=address(0),
            epoch=epoch,
            rng=random.Random(1),
            now_ms=0,
            keyring=keyring,
        )
        if others:
            self.hear(*(alive(number) for number in range(1, others + 1)))

    def hear(self, *messages: wire.Message, sender: int = 1) -> list[Effect]:
        return self.membership.receive(packet(*messages), address(sender), self.now_ms)

    def hear_state(self, data: bytes) -> list[Effect]:
        return self.membership.receive_state(data, self.now_ms)

    def run(self, until_ms: int) -> list[Effect]:
        """Ticks as they are due, with nobody answering."""
        effects: list[Effect] = []
        while self.membership.deadline_ms <= until_ms:
            self.now_ms = max(self.now_ms, self.membership.deadline_ms)
            effects += self.membership.tick(self.now_ms)
        self.now_ms = until_ms
        return effects

    def seen(self, number: int) -> MemberState:
        found = self.membership.member(member(number))
        assert found is not None
        return found.state


def kinds(effects: list[Effect], number: int) -> list[EventKind]:
    """The events of one member."""
    found = (effect for effect in effects if isinstance(effect, Event))
    return [event.kind for event in found if event.id == member(number)]


def sent(effects: list[Effect], kind: type[wire.Message]) -> list[tuple[PeerAddress, wire.Message]]:
    """The messages of a kind that were sent, and to whom."""
    return [
        (effect.address, message)
        for effect in effects
        if isinstance(effect, Send)
        for message in wire.parse_packet(effect.data, TAG)
        if isinstance(message, kind)
    ]
