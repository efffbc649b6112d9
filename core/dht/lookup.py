"""One iterative lookup (Kademlia, section 2.3), on disjoint paths if so wanted. Pure.

It keeps the contacts it heard of by distance, asks alpha of the nearest at once, takes in whom they
name, and ends when the nearest `width` that answer have all been asked. Progress is measured in
leading bits of the target that a contact shares; among contacts that share as many, those that are
nearer in the network are asked first.

With d disjoint paths (S/Kademlia, section 4.4) the first contacts are dealt out, each path follows
only what it heard itself, and no node is asked twice: a liar can spoil only the path it is on.

A liar may also name a node that exists and say that it is reached elsewhere. So what others say of
the same node is kept, and tried when nobody answers at the first place.

Contacts are hearsay until they answer. A node two of whose contacts left requests unanswered, while
none answered, is not believed: contacts that nobody else named are passed over.
"""

from __future__ import annotations

import enum
from bisect import insort
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sprawl.core.dht.contacts import Contact, Locality
from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.records import Record, merge
from sprawl.core.limits import DHT_LOOKUP_CANDIDATES_MAX, DHT_LOOKUP_REQUESTS_MAX

_FAILED_CONTACTS_MAX: Final = 2
_PLACES_MAX: Final = 3
"""Other places of one node that are remembered, as different nodes named them."""


class _State(enum.IntEnum):
    HEARD = 0
    ASKED = 1
    SLOW = 2
    ANSWERED = 3
    FAILED = 4


class _Candidate:
    __slots__ = ("asked_on", "contact", "depth", "elsewhere", "informant", "record", "state")

    def __init__(self, contact: Contact, informant: _Candidate | None, depth: int) -> None:
        self.contact = contact
        self.informant = informant
        self.depth = depth
        self.state = _State.HEARD
        self.asked_on = 0
        self.record: Record | None = None
        self.elsewhere: list[tuple[Contact, _Candidate]] | None = None

    def try_elsewhere(self, contact: Contact, informant: _Candidate) -> None:
        """To be asked anew, at the place that another node named."""
        self.contact = contact
        self.informant = informant
        self.state = _State.HEARD


class _Credit:
    __slots__ = ("answered", "failed")

    def __init__(self) -> None:
        self.answered = 0
        self.failed = 0


class Asking(NamedTuple):
    """Somebody to ask, and on which path."""

    contact: Contact
    path: int


class Lookup:
    """The state of one lookup.

    Args:
        target: an id or a key.
        first: the nearest nodes of the own routing table.
        width: how many of the nearest nodes are wanted.
        alpha: requests under way at once, over all paths.
        paths: disjoint paths.
        locality: who is near in the network.
        has_full_view: `first` come out of all nodes there are, so that distance says nothing
            about progress and only locality ranks them.
        records_enough: answers with a record that end it early.
    """

    __slots__ = (
        "_alpha",
        "_candidates",
        "_credits",
        "_has_full_view",
        "_locality",
        "_paths",
        "_records_enough",
        "_under_way",
        "_width",
        "best",
        "records",
        "requests",
        "target",
    )

    def __init__(
        self,
        target: Key,
        first: Iterable[Contact],
        *,
        width: int,
        alpha: int,
        paths: int,
        locality: Locality,
        has_full_view: bool = False,
        records_enough: int | None = None,
    ) -> None:
        self.target = target
        self.requests = 0
        self.records = 0
        self.best: Record | None = None
        self._width = width
        self._alpha = max(1, alpha // paths)
        self._locality = locality
        self._has_full_view = has_full_view
        self._records_enough = records_enough
        self._candidates: dict[NodeId, _Candidate] = {}
        self._credits: dict[NodeId, _Credit] = {}
        self._paths: list[list[tuple[int, NodeId]]] = [[] for _ in range(paths)]
        self._under_way = [0] * paths
        for number, contact in enumerate(first):
            self._candidates[contact.id] = _Candidate(contact, None, 1)
            self._paths[number % paths].append((contact.id ^ target, contact.id))
        for path in self._paths:
            path.sort()

    def next(self) -> list[Asking]:
        """Whom to ask now. Empty while answers are awaited, and at the end."""
        found: list[Asking] = []
        if self._has_enough():
            return found
        for path, under_way in enumerate(self._under_way):
            room = min(self._alpha - under_way, DHT_LOOKUP_REQUESTS_MAX - self.requests)
            if self._records_enough is not None and self.records:
                # Those that are asked are expected to have it, too.
                room = min(room, self._records_enough - self.records - sum(self._under_way))
            if room <= 0:
                continue
            for candidate in self._choose(self._wanted(path), room):
                candidate.state = _State.ASKED
                candidate.asked_on = path
                self._under_way[path] += 1
                self.requests += 1
                found.append(Asking(candidate.contact, path))
        return found

    @property
    def is_done(self) -> bool:
        """Nothing is awaited; after `next` came back empty this is the end."""
        return self._has_enough() or not any(self._under_way)

    def answered(
        self, sender: Contact, path: int, contacts: Iterable[Contact], record: Record | None
    ) -> None:
        """A node that was asked answered, and is where the answer came from; its record, if any,
        is genuine."""
        candidate = self._candidates[sender.id]
        if candidate.state is _State.ANSWERED:
            return
        if candidate.state is _State.ASKED:
            self._under_way[candidate.asked_on] -= 1
        candidate.state = _State.ANSWERED
        candidate.contact = sender
        candidate.record = record
        if candidate.informant is not None:
            self._credit(candidate.informant).answered += 1
        if record is not None:
            self.records += 1
            self.best = record if self.best is None else merge(self.best, record)
        ranked = self._paths[path]
        target = self.target
        known = self._candidates
        for contact in contacts:
            found = known.get(contact.id)
            if found is None:
                found = known[contact.id] = _Candidate(contact, candidate, candidate.depth + 1)
                insort(ranked, (contact.id ^ target, contact.id))
                continue
            if found.contact.node != contact.node:
                self._dispute(found, contact, candidate)
            elif found.informant is not candidate:
                # Named by a second node: believed on its own.
                found.informant = None
            if len(self._paths) > 1:
                self._follow(ranked, contact.id)
        del ranked[DHT_LOOKUP_CANDIDATES_MAX:]

    def slow(self, node: NodeId) -> None:
        """A node that was asked has not answered yet. "Nodes that fail to respond quickly are
        removed from consideration until and unless they do respond" (section 2.3): another one is
        asked in its place."""
        candidate = self._candidates[node]
        if candidate.state is not _State.ASKED:
            return
        candidate.state = _State.SLOW
        self._under_way[candidate.asked_on] -= 1
        if candidate.informant is not None:
            self._credit(candidate.informant).failed += 1
        if candidate.elsewhere:
            candidate.try_elsewhere(*candidate.elsewhere.pop(0))

    def failed(self, node: NodeId) -> None:
        """A slow node will not answer any more."""
        candidate = self._candidates[node]
        if candidate.state is _State.SLOW:
            candidate.state = _State.FAILED

    def closest(self) -> list[Contact]:
        """The nearest nodes that answered, nearest first."""
        return [each.contact for each in self._closest()]

    def lacking(self) -> list[Contact]:
        """Those of the nearest that do not have the best record."""
        if self.best is None:
            return []
        best = self.best.encoded
        return [
            each.contact
            for each in self._closest()
            if each.record is None or each.record.encoded != best
        ]

    @property
    def hops(self) -> int:
        """How many nodes, one after the other, it took to hear of the nearest one, itself
        included: 1 if it was in the own routing table."""
        return max((each.depth for each in self._closest()[:1]), default=0)

    def _closest(self) -> list[_Candidate]:
        answered = [each for each in self._candidates.values() if each.state is _State.ANSWERED]
        answered.sort(key=lambda each: each.contact.id ^ self.target)
        return answered[: self._width]

    def _has_enough(self) -> bool:
        return self._records_enough is not None and self.records >= self._records_enough

    def _wanted(self, path: int) -> Iterator[_Candidate]:
        """Those among the nearest of a path that nobody asked yet."""
        left = self._width
        for _, node in self._paths[path]:
            candidate = self._candidates[node]
            if candidate.state in (_State.SLOW, _State.FAILED):
                continue
            if candidate.state is _State.HEARD:
                if self._is_doubtful(candidate):
                    continue
                yield candidate
            left -= 1
            if left == 0:
                return

    def _choose(self, wanted: Iterator[_Candidate], room: int) -> list[_Candidate]:
        found = list(wanted)
        if len(found) <= room:
            return found
        target = self.target
        rank = self._locality.rank
        if self._has_full_view:
            found.sort(key=lambda each: (rank(each.contact), each.contact.id ^ target))
        else:
            found.sort(
                key=lambda each: (
                    (each.contact.id ^ target).bit_length(),
                    rank(each.contact),
                    each.contact.id ^ target,
                )
            )
        return found[:room]

    def _is_doubtful(self, candidate: _Candidate) -> bool:
        informant = candidate.informant
        if informant is None:
            return False
        credit = self._credits.get(informant.contact.id)
        return credit is not None and credit.failed >= _FAILED_CONTACTS_MAX and credit.answered == 0

    def _dispute(self, found: _Candidate, contact: Contact, informant: _Candidate) -> None:
        """Two nodes name different places of a third one."""
        if found.state is _State.ANSWERED:
            return
        is_given_up = found.state in (_State.SLOW, _State.FAILED)
        if is_given_up or (found.state is _State.HEARD and self._is_doubtful(found)):
            found.try_elsewhere(contact, informant)
        elif found.elsewhere is None:
            found.elsewhere = [(contact, informant)]
        elif len(found.elsewhere) < _PLACES_MAX:
            found.elsewhere.append((contact, informant))

    def _credit(self, informant: _Candidate) -> _Credit:
        return self._credits.setdefault(informant.contact.id, _Credit())

    def _follow(self, ranked: list[tuple[int, NodeId]], node: NodeId) -> None:
        """A path heard of a node that another one knows as well."""
        entry = (node ^ self.target, node)
        if entry not in ranked:
            insort(ranked, entry)
