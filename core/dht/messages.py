"""What nodes say to each other: Kademlia's four requests (section 2.3) and their answers.

Who sent a message is known from the connection, so it is not said in it; what an answer belongs to
is, by the request's id. FIND_VALUE is answered with the record and with contacts, where the paper
says either: a lookup goes on to the nodes nearest to the key, since a record found on the way may
be older than theirs.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, TypeAlias

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import Key
from sprawl.core.dht.records import Record


class StoreResult(enum.IntEnum):
    """What became of a record that was to be stored; the value is what the wire carries.

    HELD means that this record was there already: storing twice is no fault, and renews nothing.
    """

    STORED = 0
    HELD = 1
    STALE = 2
    FORGED = 3
    EXPIRED = 4
    EARLY = 5
    FULL = 6


class Ping(NamedTuple):
    request_id: int


class Pong(NamedTuple):
    request_id: int


class FindNode(NamedTuple):
    request_id: int
    target: Key


class FindValue(NamedTuple):
    request_id: int
    key: Key


class Found(NamedTuple):
    """The nearest nodes that the sender knows; `record` only in answer to FIND_VALUE."""

    request_id: int
    contacts: tuple[Contact, ...]
    record: Record | None


class Store(NamedTuple):
    request_id: int
    record: Record


class Stored(NamedTuple):
    request_id: int
    result: StoreResult


Message: TypeAlias = Ping | Pong | FindNode | FindValue | Found | Store | Stored
