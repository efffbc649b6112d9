"""The term each partition is led in, kept in the node's key-value store.

Rules:

1. A partition's first term is 0, as Kafka's first leader epoch. Zero is not stored.
2. After an unclean stop every partition that existed goes one term up before it serves: its log may
   have lost an unsynced tail, and consumers that read this tail find out by the epoch (KIP-320).
3. A term is on disk before anything is stamped with it, and never goes down.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from sprawl.core.ids import LogKey, Term

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sprawl.core.storage.port import KeyValueStore

_PREFIX = b"term/"
_VALUE = struct.Struct(">i")
_PARTITION = struct.Struct(">i")


class Terms:
    """Terms of all partitions of this node; loaded once, written through."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._terms = {
            key[len(_PREFIX) :]: Term(_VALUE.unpack(value)[0]) for key, value in kv.iterate(_PREFIX)
        }

    def of(self, key: LogKey) -> Term:
        """The term in which the partition is led now."""
        return self._terms.get(_encode(key), Term(0))

    def raise_all(self, keys: Iterable[LogKey]) -> None:
        """Begin the next term everywhere (rule 2), in one synced write."""
        raised = {}
        for key in keys:
            encoded = _encode(key)
            raised[encoded] = Term(self._terms.get(encoded, Term(0)) + 1)
        self._store(raised)

    def raise_to(self, key: LogKey, term: Term) -> None:
        """Never serve below a term that the log itself shows."""
        if term > self.of(key):
            self._store({_encode(key): term})

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Drop the terms of deleted partitions."""
        known = [encoded for key in keys if (encoded := _encode(key)) in self._terms]
        for encoded in known:
            del self._terms[encoded]
            self._kv.delete(_PREFIX + encoded)

    def _store(self, terms: dict[bytes, Term]) -> None:
        self._kv.write_batch(
            puts=[(_PREFIX + encoded, _VALUE.pack(term)) for encoded, term in terms.items()],
            sync=True,
        )
        self._terms.update(terms)


def _encode(key: LogKey) -> bytes:
    return key.topic_id.bytes + _PARTITION.pack(key.partition)
