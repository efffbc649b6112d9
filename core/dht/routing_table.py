"""The k-buckets of a node (Kademlia, sections 2.2, 2.4 and 4.1). Pure.

Bucket i holds nodes whose ids share exactly i leading bits with the own id, oldest word first. A
node that was heard of moves to the end. A full bucket keeps its old contacts, because "the longer
a node has been up, the more likely it is to remain up another hour": a newcomer waits in the
replacement cache, the oldest contact is asked whether it still lives, and only if it does not is
it replaced. Nobody can push living nodes out of a table by flooding it with new ones.

    heard(c) --+-- known ------> to the end of its bucket
               +-- room -------> appended
               +-- full -------> replacement cache; the oldest is due for a ping
    failed(c) --+-- once --------> out of use, pinged each minute, until it is heard of
                +-- twice -------> replaced by the latest newcomer, as soon as there is one

A contact without a successor stays, so that a node whose own network is down does not forget
everybody (section 4.1).

Pings are not sent at once but collected once a minute (section 4.1 delays them for the same
reason): the node pinged hears of a newcomer itself, whose ping would make the next one ping, and
a lookup among 10,000 nodes would set off thousands.

Memory counts: a node among 10,000 knows 200 others. Contacts are shared, a bucket is one list, and
failures are kept for those that fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import ID_BITS, Key, NodeId, shared_prefix
from sprawl.core.limits import DHT_FULL_VIEW_NODES_MAX, DHT_REPLACEMENTS_MAX

if TYPE_CHECKING:
    from random import Random

_FAILURES_REPLACED: Final = 2
"""Unanswered requests in a row after which a newcomer may take the place: one may have got lost."""
_PINGED_MAX: Final = 3
"""Contacts of one bucket that are pinged in one minute: all of it within seven."""
_FAILURES_FORGOTTEN: Final = 60
"""And after which a contact goes even if nobody waits for its place: an hour of pings."""


class _Bucket:
    __slots__ = ("contacts", "looked_up_ms", "newcomers", "replacements")

    def __init__(self, now_ms: int) -> None:
        self.contacts: list[Contact] = []
        self.replacements: list[Contact] | None = None
        self.newcomers = 0
        self.looked_up_ms = now_ms


class RoutingTable:
    """Whom a node knows.

    Args:
        own_id: never part of the table.
        k: contacts of a bucket.
        now_ms: buckets count as fresh from here on.
    """

    __slots__ = ("_bucket_max", "_buckets", "_failures", "_k", "_now_ms", "own_id")

    def __init__(self, own_id: NodeId, *, k: int, now_ms: int) -> None:
        self.own_id = own_id
        self._k = k
        self._bucket_max = k
        self._buckets: list[_Bucket | None] = []
        self._failures: dict[NodeId, int] | None = None
        self._now_ms = now_ms

    def __len__(self) -> int:
        return sum(len(bucket.contacts) for bucket in self._buckets if bucket is not None)

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self._buckets:
            if bucket is not None:
                yield from bucket.contacts

    def get(self, node: NodeId) -> Contact | None:
        """The contact with this id, if it is in a bucket."""
        bucket = self._bucket_of(node)
        if bucket is None:
            return None
        return next((each for each in bucket.contacts if each.id == node), None)

    def seed(self, members: Iterable[Contact]) -> None:
        """Take in nodes that membership vouches for. While they are few, buckets hold them all,
        so that every key is one hop away."""
        found = [each for each in members if each.id != self.own_id]
        is_small = len(found) <= DHT_FULL_VIEW_NODES_MAX
        self._bucket_max = max(self._k, DHT_FULL_VIEW_NODES_MAX) if is_small else self._k
        for contact in found:
            self.add(contact)

    def add(self, contact: Contact) -> bool:
        """Take a node in if there is room for it; is it known now?"""
        bucket = self._bucket_for(contact.id)
        for place, each in enumerate(bucket.contacts):
            if each.id == contact.id:
                bucket.contacts[place] = contact
                return True
        if len(bucket.contacts) < self._bucket_max:
            bucket.contacts.append(contact)
            return True
        return False

    def heard(self, contact: Contact) -> None:
        """This very node sent something."""
        node = contact.id
        if node == self.own_id:
            return
        if self._failures:
            self._failures.pop(node, None)
        bucket = self._bucket_for(node)
        contacts = bucket.contacts
        if contacts and contacts[-1].id == node:
            contacts[-1] = contact
            return
        for place, each in enumerate(contacts):
            if each.id == node:
                del contacts[place]
                contacts.append(contact)
                return
        if len(contacts) < self._bucket_max:
            contacts.append(contact)
            return
        for place, each in enumerate(contacts):
            if self._failures and self._failures.get(each.id, 0) >= _FAILURES_REPLACED:
                del self._failures[each.id]
                del contacts[place]
                contacts.append(contact)
                return
        self._wait(bucket, contact)

    def to_ping(self) -> list[Contact]:
        """Who has to show that it lives: in each bucket as many of the oldest contacts as
        newcomers came to wait since the last call, up to three; and those that left their last
        request unanswered."""
        failing = self._failures or {}
        found = [each for each in self if each.id in failing] if failing else []
        for bucket in self._buckets:
            if bucket is not None and bucket.newcomers:
                oldest = bucket.contacts[: min(bucket.newcomers, _PINGED_MAX)]
                bucket.newcomers = 0
                found += [each for each in oldest if each.id not in failing]
        return found

    @staticmethod
    def _wait(bucket: _Bucket, contact: Contact) -> None:
        waiting = bucket.replacements
        if waiting is None:
            waiting = bucket.replacements = []
        for place, each in enumerate(waiting):
            if each.id == contact.id:
                del waiting[place]
                break
        else:
            bucket.newcomers += 1
        waiting.append(contact)
        if len(waiting) > DHT_REPLACEMENTS_MAX:
            del waiting[0]

    def failed(self, contact: Contact) -> None:
        """A request was left unanswered. One that went where only others say that the node is
        says nothing about it."""
        node = contact.id
        bucket = self._bucket_of(node)
        if bucket is None:
            return
        known = next((each for each in bucket.contacts if each.id == node), None)
        if known is None or known.node != contact.node:
            return
        if self._failures is None:
            self._failures = {}
        failures = self._failures.get(node, 0) + 1
        self._failures[node] = failures
        if failures >= (_FAILURES_REPLACED if bucket.replacements else _FAILURES_FORGOTTEN):
            self.remove(node)

    def remove(self, node: NodeId) -> None:
        """This node is gone for good; the replacement heard of last takes its place."""
        bucket = self._bucket_of(node)
        if bucket is None:
            return
        if self._failures:
            self._failures.pop(node, None)
        self._drop_replacement(bucket, node)
        for place, each in enumerate(bucket.contacts):
            if each.id == node:
                del bucket.contacts[place]
                if bucket.replacements and len(bucket.contacts) < self._bucket_max:
                    # As the oldest: it has yet to show that it stays.
                    bucket.contacts.insert(0, bucket.replacements.pop())
                return

    def is_failing(self, node: NodeId) -> bool:
        """Did it leave its last request unanswered?"""
        return self._failures is not None and node in self._failures

    def closest(self, target: int, count: int) -> list[Contact]:
        """The known nodes nearest to an id, nearest first; those that fail only if there are not
        enough others."""
        if self._failures:
            found = self._closest(target, count, self._failures)
            if len(found) == count:
                return found
        return self._closest(target, count, {})

    def _closest(self, target: int, count: int, skipped: Mapping[NodeId, int]) -> list[Contact]:
        """Buckets come in the order of their distance: the one that the target falls in; then,
        from there towards the own id, those whose bit of the distance is set; then back, those
        whose bit is not; then the ones farther away. All of one is nearer than all of the next."""
        found: list[Contact] = []
        for bucket in self._by_distance(target):
            contacts = bucket.contacts
            if skipped:
                contacts = [each for each in contacts if each.id not in skipped]
            # Distances of different nodes differ: the comparison never reaches the contact.
            ranked = sorted([(each[0] ^ target, each) for each in contacts])
            found += [each for _, each in ranked[: count - len(found)]]
            if len(found) >= count:
                break
        return found

    def _by_distance(self, target: int) -> Iterator[_Bucket]:
        buckets = self._buckets
        size = len(buckets)
        distance = self.own_id ^ target
        home = ID_BITS - distance.bit_length()
        if home < size:
            if (bucket := buckets[home]) is not None:
                yield bucket
            bits = distance >> (ID_BITS - size)
            farther: list[_Bucket] = []
            for place in range(home + 1, size):
                bucket = buckets[place]
                if bucket is None or not bucket.contacts:
                    continue
                if bits >> (size - 1 - place) & 1:
                    yield bucket
                else:
                    farther.append(bucket)
            yield from reversed(farther)
        for place in range(min(home, size) - 1, -1, -1):
            if (bucket := buckets[place]) is not None:
                yield bucket

    def looked_up(self, target: int, now_ms: int) -> None:
        """A lookup went through the bucket of this id: it needs no refresh for a while."""
        bucket = self._bucket_of(target)
        if bucket is not None:
            bucket.looked_up_ms = now_ms

    def stale(self, before_ms: int) -> Iterator[int]:
        """The buckets that no lookup went through since, by their number."""
        for place, bucket in enumerate(self._buckets):
            if bucket is not None and bucket.looked_up_ms <= before_ms:
                yield place

    def random_id(self, bucket: int, rng: Random) -> Key:
        """An id that falls in a bucket, for its refresh (section 2.3)."""
        low_bits = ID_BITS - bucket - 1
        flipped = (self.own_id >> low_bits) ^ 1
        return Key(flipped << low_bits | rng.getrandbits(low_bits) if low_bits else flipped)

    def refresh_order(self) -> list[int]:
        """The buckets that a joining node looks through: all farther away than its nearest
        neighbour (section 2.3)."""
        known = [place for place, each in enumerate(self._buckets) if each and each.contacts]
        return list(range(max(known, default=0) + 1))

    def _bucket_of(self, node: int) -> _Bucket | None:
        place = shared_prefix(self.own_id, node)
        return self._buckets[place] if place < len(self._buckets) else None

    def _bucket_for(self, node: NodeId) -> _Bucket:
        place = ID_BITS - (self.own_id ^ node).bit_length()
        buckets = self._buckets
        if place >= len(buckets):
            assert place < ID_BITS, "a node does not know itself"
            buckets.extend([None] * (place + 1 - len(buckets)))
        bucket = buckets[place]
        if bucket is None:
            bucket = buckets[place] = _Bucket(self._now_ms)
        return bucket

    @staticmethod
    def _drop_replacement(bucket: _Bucket, node: NodeId) -> None:
        for place, each in enumerate(bucket.replacements or ()):
            if each.id == node:
                assert bucket.replacements is not None
                del bucket.replacements[place]
                return
