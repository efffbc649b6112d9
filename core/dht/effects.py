"""What a node of the DHT wants done, and what it has to tell."""

from __future__ import annotations

import enum
from typing import NamedTuple, TypeAlias

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import Key
from sprawl.core.dht.messages import Message
from sprawl.core.dht.records import Record
from sprawl.core.ids import LogKey


class Send(NamedTuple):
    """Bring a message to a node. It may get lost; there is no duty to repeat it."""

    to: Contact
    message: Message


class LookupDone(NamedTuple):
    """The end of `lookup` or `find_nodes`.

    Args:
        key: what was looked up.
        record: the best one, by merge. None: nobody who answered had one, which does not mean
            that the partition does not exist.
        closest: the nearest nodes that answered, nearest first.
        hops: nodes one after the other to hear of the nearest one.
        requests: that were sent. 0: too many lookups are under way, or no node is known.
        took_ms: from the call to now.
    """

    key: Key
    record: Record | None
    closest: tuple[Contact, ...]
    hops: int
    requests: int
    took_ms: int


class StoreDone(NamedTuple):
    """A publication is over: `stored` of `asked` nodes hold the record now."""

    log_key: LogKey
    record: Record
    stored: int
    asked: int


class News(NamedTuple):
    """A record that is later than any seen here: stored here by its leader or on its behalf, or
    this node's own, as it goes out."""

    record: Record


class AlarmKind(enum.Enum):
    TWO_LEADERS = "two leaders of one partition and term"
    SUPERSEDED = "our own claim is older than what the cluster holds"
    CLOCKS = "the clock of another node is far from ours"


class Alarm(NamedTuple):
    """Something people should hear of.

    TWO_LEADERS: both records are signed by members and cannot both be true (`record` came in,
    `other` was held): a bug in elections, or a node that lies in its own name. SUPERSEDED: most
    nodes refused a claim of this node as older than theirs (`other` is None): it has been deposed
    and will hear of it soon, or somebody holds a record with a term that nobody was elected in.
    CLOCKS: a record came from its own leader, but has expired or is dated into the future by the
    clock here: it is heard, and not kept for others.
    """

    kind: AlarmKind
    record: Record
    other: Record | None


Effect: TypeAlias = Send | LookupDone | StoreDone | News | Alarm
