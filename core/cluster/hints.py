"""Who was heard to lead which partition: hints that cost a hop or a retry when wrong, never data.

A hint is published by the leader itself. Hints of one partition are ordered by (term, sequence), so
that merging is commutative, associative and idempotent: no clock takes part, and a late or repeated
message changes nothing. Election safety makes the leader of a term a function of the term; two
leaders of one term are reported and the first is kept.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from uuid import UUID

from sprawl.core.errors import PeerFault
from sprawl.core.ids import LogKey, ReplicaId, Term, TopicId

_log = logging.getLogger(__name__)

_VERSION: Final = 1
_HINT: Final = struct.Struct(">16siiqqB")


class LeaderHint(NamedTuple):
    """A leader's word about its partition.

    Args:
        term: in which it leads.
        sequence: grows with each change within the term.
        leader: its replica.
        in_sync: the replicas that follow closely, itself among them: what Kafka calls the ISR.
    """

    term: Term
    sequence: int
    leader: ReplicaId
    in_sync: tuple[ReplicaId, ...]


class LeaderHints:
    """The newest hint of each partition that this node heard of."""

    def __init__(self) -> None:
        self._hints: dict[LogKey, LeaderHint] = {}

    def get(self, key: LogKey) -> LeaderHint | None:
        return self._hints.get(key)

    def merge(self, key: LogKey, hint: LeaderHint) -> bool:
        """Take a hint in; did it change anything?"""
        known = self._hints.get(key)
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
        self._hints[key] = hint
        return True

    def forget(self, keys: Iterable[LogKey]) -> None:
        """Partitions were deleted."""
        for key in keys:
            self._hints.pop(key, None)

    def led_by(self, replica: ReplicaId) -> Iterator[tuple[LogKey, LeaderHint]]:
        """The hints that name a replica as leader."""
        return ((key, hint) for key, hint in self._hints.items() if hint.leader == replica)


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
