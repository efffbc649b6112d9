"""What a checker knows of one group and of each of its replicas.

A replica's log is a list of terms. What an entry says stands once per group, by (index, term), with
the term of the entry before it: two logs that agree on (index, term) therefore agree on everything
before, as long as no append contradicts this table. That makes every check cheap.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.sim.checkers.observations import Node

Configuration = tuple[frozenset[Node], frozenset[Node]]
"""Voters, and the outgoing voters while a change is under way."""

SEQUENCES = 1 << 31
"""A producer's sequence numbers count from 0 to 2^31 - 1 and begin again."""


class EntryFacts(NamedTuple):
    """What the entry of an (index, term) is, whichever log it stands in."""

    previous_term: int
    crc: int
    base_offset: int
    offset_count: int
    producer: tuple[int, int, int] | None

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.offset_count


def entry_key(index: int, term: int) -> int:
    """(index, term) as one number: half of the memory of a pair."""
    return index << 32 | term


class Replica:
    """One node's part of a group: what it holds in memory, and what it promised is on its disk."""

    __slots__ = (
        "before_term",
        "commit",
        "configuration",
        "configuration_index",
        "cutting",
        "durable_term",
        "durable_vote",
        "first",
        "flushed",
        "flushed_term",
        "high_watermark",
        "incarnation",
        "leads",
        "log_start",
        "node",
        "promised",
        "promised_first",
        "term",
        "terms",
        "vote",
    )

    def __init__(self, node: Node) -> None:
        self.node = node
        self.incarnation = -1
        self.term = 0
        self.vote: Node | None = None
        self.durable_term = 0
        self.durable_vote: Node | None = None
        self.leads = 0
        """The term in which it leads; 0 when it does not."""
        self.first = 1
        self.before_term = 0
        """The term of the entry before the first one."""
        self.terms: list[int] = []
        self.flushed = 0
        self.flushed_term = 0
        self.cutting: int | None = None
        """From where entries are being cut off."""
        self.promised_first = 1
        self.promised: list[int] = []
        """The terms of what was on its disk when that was lost: it was acknowledged, and counts."""
        self.commit = 0
        self.high_watermark = 0
        self.log_start = 0
        self.configuration: Configuration | None = None
        self.configuration_index = -1

    @property
    def last(self) -> int:
        return self.first + len(self.terms) - 1

    def term_at(self, index: int) -> int:
        """The term of an entry; -1 for one that it does not hold."""
        place = index - self.first
        if 0 <= place < len(self.terms):
            return self.terms[place]
        return self.before_term if place == -1 else -1

    def holds(self, index: int, term: int) -> bool:
        """On its disk, by what it said, now or when it lost that. What a snapshot covers was
        committed."""
        if index <= self.flushed and (index < self.first or self.term_at(index) == term):
            return True
        place = index - self.promised_first
        return 0 <= place < len(self.promised) and self.promised[place] == term

    def lose(self) -> None:
        """What was on its disk is gone."""
        self.promised_first = self.first
        self.promised = self.terms[: max(0, self.flushed + 1 - self.first)]
        self.flushed = self.flushed_term = 0

    def cut(self, from_index: int) -> None:
        """Drop the entries from here on."""
        del self.terms[max(0, from_index - self.first) :]
        if self.flushed >= from_index:
            self.flushed = from_index - 1
            self.flushed_term = self.term_at(self.flushed)


class GroupFacts:
    """One group: its entries, its leaders, what is committed and what consumers see."""

    __slots__ = (
        "answered_votes",
        "commit",
        "commits",
        "committed",
        "configurations",
        "entries",
        "high_watermark",
        "high_watermarks",
        "is_unknown",
        "leaders",
        "name",
        "producers",
        "replicas",
    )

    def __init__(self, name: object) -> None:
        self.name = name
        self.is_unknown = False
        """A replica took its damaged disk for sound, or the topic was deleted: nothing more can be
        said of the group."""
        self.replicas: dict[Node, Replica] = {}
        self.entries: dict[int, EntryFacts] = {}
        self.leaders: dict[int, tuple[Node, int]] = {}
        self.committed: list[int] = [0]
        """index -> term of the one entry committed there."""
        self.commit = 0
        self.commits: dict[int, int] = {}
        """term -> the highest index that its leader committed."""
        self.answered_votes: dict[tuple[Node, int], Node] = {}
        self.configurations: dict[int, Configuration] = {}
        self.producers: dict[int, tuple[int, int]] = {}
        """producer id -> (epoch, sequence that comes next)."""
        self.high_watermark = 0
        self.high_watermarks: dict[int, int] = {}
        """term -> the highest high watermark of its leader."""

    def facts(self, index: int, term: int) -> EntryFacts | None:
        return self.entries.get(entry_key(index, term))

    @property
    def committed_next_offset(self) -> int:
        """Kafka's offset after everything that is committed."""
        facts = self.facts(self.commit, self.committed[self.commit])
        return 0 if facts is None else facts.next_offset

    def restore(self, replica: Replica, first: int, last: int, last_term: int) -> bool:
        """Give a replica the log that its disk held: from `first` to (last, last_term).

        Returns:
            False when no such log was ever written.
        """
        tail: list[int] = []
        index, term = last, last_term
        while index >= first:
            if replica.first <= first and replica.term_at(index) == term:
                replica.terms[index - replica.first + 1 :] = reversed(tail)
                return True
            facts = self.facts(index, term)
            if facts is None:
                return False
            tail.append(term)
            index, term = index - 1, facts.previous_term
        replica.first, replica.before_term = first, term
        replica.terms = tail[::-1]
        return True
