"""Nodes that do not play fair: members with a certificate, taken over by somebody.

What each does is the strongest form of its kind: all lying nodes know each other, and every answer
is a lie. They cannot forge what others sign, nor answer in another node's name.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from overlay.network import Liar, Network
from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.effects import Send
from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.messages import (
    FindNode,
    FindValue,
    Found,
    Message,
    Store,
    Stored,
    StoreResult,
)
from sprawl.core.dht.records import Record
from sprawl.core.ids import BrokerId

_NOBODY: Final = 1 << 30


class Dropping(Liar):
    """Answers pings, so that it stays in tables, and nothing else."""

    answers = False

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        return () if isinstance(message, FindNode | FindValue | Store) else None


class Inventing(Liar):
    """Names nodes that do not exist, nearer to the target than any that do."""

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        if (target := _target(message)) is None:
            return _kept(message, sender)
        made_up = tuple(
            Contact(NodeId(target ^ net.rng.getrandbits(200)), BrokerId(_NOBODY))
            for _ in range(net.settings.k)
        )
        return (Send(sender, Found(message.request_id, made_up, None)),)


class Misdirecting(Liar):
    """Names the nodes that are nearest indeed, and for each the number of another one."""

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        if (target := _target(message)) is None:
            return _kept(message, sender)
        nearest = net.nodes[number].table.closest(target, net.settings.k)
        wrong = tuple(each._replace(node=BrokerId(_NOBODY + each.node)) for each in nearest)
        return (Send(sender, Found(message.request_id, wrong, None)),)


class Colluding(Liar):
    """Names only others of its kind, those nearest to the target, and no record."""

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        if (target := _target(message)) is None:
            return _kept(message, sender)
        friends = (net.contacts[each] for each in net.liars if each != number)
        named = heapq.nsmallest(net.settings.k, friends, key=lambda each: each.id ^ target)
        return (Send(sender, Found(message.request_id, tuple(named), None)),)


class Stale(Liar):
    """Gives old records, rightly signed, for those of today, and keeps nothing new."""

    def __init__(self, old: dict[Key, Record]) -> None:
        self._old = old

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        if not isinstance(message, FindValue):
            return _kept(message, sender)
        known = net.nodes[number].table.closest(message.key, net.settings.k)
        record = self._old.get(message.key)
        return (Send(sender, Found(message.request_id, tuple(known), record)),)


def _target(message: Message) -> Key | None:
    match message:
        case FindNode(_, target) | FindValue(_, target):
            return target
        case _:
            return None


def _kept(message: Message, sender: Contact) -> Iterable[Send] | None:
    """What is to be stored is said to be stored; all else is answered as it should be."""
    if isinstance(message, Store):
        return (Send(sender, Stored(message.request_id, StoreResult.STORED)),)
    return None
