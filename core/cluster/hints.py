"""Who was heard to lead which partition: hints that cost a hop or a retry when wrong, never data.

A hint is the leader's own word, out of its record (core/dht) or of its answer. Hints of one
partition are ordered by (term, sequence), so that merging is commutative, associative and
idempotent: no clock takes part, and a late or repeated message changes nothing. Election safety
makes the leader of a term a function of the term; two leaders of one term are reported and the
first is kept.

They are kept in two generations: what is read or learned goes to the young one; when that is full
it becomes the old one, and what was old and not used since is forgotten. Reading changes nothing
unless the hint has to move up, so a read costs one dictionary access where a list in the order of
use costs three. What this node leads itself is never forgotten.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.errors import PeerFault
from sprawl.core.ids import LogKey, ReplicaId, Term, TopicId
from sprawl.core.limits import DHT_ROUTES_MAX

_log = logging.getLogger(__name__)

_VERSION: Final = 1
_HINT: Final = struct.Struct(">16siiqqB")


class LeaderHint(NamedTuple):
    """A leader's word about its partition.

    Args:
        term: in which it leads.
        sequence: grows with each change, and each publication, within the term.
        leader: its replica.
        in_sync: the replicas that follow closely, itself among them: what Kafka calls the ISR.
    """

    term: Term
    sequence: int
    leader: ReplicaId
    in_sync: tuple[ReplicaId, ...]


class LeaderHints:
    """The newest hint of each partition that this node heard of and has not forgotten.

    Args:
        hints_max: of others' partitions, of both generations.
    """

    def __init__(self, hints_max: int = DHT_ROUTES_MAX) -> None:
        self._half = max(1, hints_max // 2)
        self._own: dict[LogKey, LeaderHint] = {}
        self._young: dict[LogKey, LeaderHint] = {}
        self._old: dict[LogKey, LeaderHint] = {}

    def __len__(self) -> int:
        return len(self._own) + len(self._young) + len(self._old)

    def get(self, key: LogKey) -> LeaderHint | None:
        found = self._young.get(key)
        if found is None and (found := self._own.get(key)) is None:
            found = self._old.pop(key, None)
            if found is not None:
                self._keep(key, found)
        return found

    def merge(self, key: LogKey, hint: LeaderHint) -> bool:
        """Take a hint in; did it change anything?"""
        known = self.get(key)
        if known is not None:
            if known.term == hint.term and known.leader != hint.leader:
                _log.error(
                    "%s-%d: replicas %d and %d both claim to lead in term %d; the first is kept."
                    " This must not happen: keep the logs of both nodes and report it",
                    *key,
                    known.leader,
                    hint.leader,
                    hint.term,
                )
                return False
            if (hint.term, hint.sequence) <= (known.term, known.sequence):
                return False
        if key in self._own and known is not None and hint.leader == known.leader:
            self._own[key] = hint
        else:
            self._own.pop(key, None)
            self._keep(key, hint)
        return True

    def lead(self, key: LogKey, hint: LeaderHint) -> bool:
        """This node leads: as `merge`, and kept for as long as it is so."""
        is_news = self.merge(key, hint)
        if is_news:
            self._young.pop(key, None)
            self._own[key] = hint
        return is_news

    def resign(self, key: LogKey) -> None:
        """This node leads no more: what it said is a hint like others."""
        hint = self._own.pop(key, None)
        if hint is not None:
            self._keep(key, hint)

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Partitions were deleted."""
        for key in keys:
            for generation in (self._own, self._young, self._old):
                generation.pop(key, None)

    def _keep(self, key: LogKey, hint: LeaderHint) -> None:
        young = self._young
        if len(young) >= self._half and key not in young:
            self._old = young
            self._young = young = {}
        young[key] = hint


def encode_hints(hints: Iterable[tuple[LogKey, LeaderHint]]) -> bytes:
    """Hints as they go from node to node: version, then each with its replicas in sync.

    1   u8   version
        16 bytes topic id, i32 partition, i32 term, i64 sequence, i64 leader, u8 count, i64 each
    """
    parts = [bytes([_VERSION])]
    for key, hint in hints:
        parts.append(
            _HINT.pack(
                key.topic_id.bytes,
                key.partition,
                hint.term,
                hint.sequence,
                hint.leader,
                len(hint.in_sync),
            )
        )
        parts.append(struct.pack(f">{len(hint.in_sync)}q", *hint.in_sync))
    return b"".join(parts)


def parse_hints(data: memoryview) -> list[tuple[LogKey, LeaderHint]]:
    """Read `encode_hints`'s bytes.

    Raises:
        PeerFault: they are not that, or of a version not known here.
    """
    found = []
    try:
        if data[0] != _VERSION:
            raise PeerFault(f"hints of version {data[0]}")
        at = 1
        while at < len(data):
            topic, partition, term, sequence, leader, count = _HINT.unpack_from(data, at)
            at += _HINT.size
            in_sync = struct.unpack_from(f">{count}q", data, at)
            at += 8 * count
            hint = LeaderHint(
                Term(term), sequence, ReplicaId(leader), tuple(map(ReplicaId, in_sync))
            )
            found.append((LogKey(TopicId(UUID(bytes=topic)), partition), hint))
    except (struct.error, IndexError) as fault:
        raise PeerFault(f"malformed hints: {fault}") from None
    return found
