"""What a replica must never forget: its term, its vote, and the configuration it counts by.

A replica that left its group keeps them when its log is deleted, and where that log ended (`lost`):
should it come back, it starts with an empty log, and what it acknowledged before is not in it. It
votes again once its log names it a member at a later place, because all that ever counted on the
lost log is committed before that. A leader makes no voter of it before it acknowledged that place.

As bytes, for the key-value store:

    0   u8   version, 2 when there is `lost`
    1   i32  term
    5   i64  voted_for, -1 for nobody
    13  i64  configuration_index
    21  u16  number of pending_configuration_indexes, then each as i64
        ...  of version 2: i32 term and i64 index of `lost`
        ...  the configuration (configuration.py)
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Self

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.log_port import NO_INDEX

_HEAD: Final = struct.Struct(">BiqqH")
_VERSION: Final = 1
_VERSION_LOST: Final = 2
_PLACE: Final = struct.Struct(">iq")
_NOBODY: Final = -1


class HardState(NamedTuple):
    """A group's facts that are synced before anybody is told of what they allow.

    Args:
        configuration: the last one whose entry is known to be committed; at first the one that
            the controller founded the group with, whoever this replica is.
        configuration_index: index of its entry; 0 for the founding one.
        pending_configuration_indexes: a CONFIG entry that is not known to be committed may stand
            at the smallest of these, or after it; nowhere else but in the last place of the log.
        lost: term and index of the last entry of the log this replica had before; None for one that
            has all it ever acknowledged.
    """

    term: Term
    voted_for: ReplicaId | None
    configuration: Configuration
    configuration_index: LogIndex = NO_INDEX
    pending_configuration_indexes: tuple[LogIndex, ...] = ()
    lost: tuple[Term, LogIndex] | None = None

    @classmethod
    def founding(cls, configuration: Configuration) -> Self:
        """Of a replica that starts with an empty log."""
        return cls(Term(0), None, configuration)

    def encode(self) -> bytes:
        """The value in the key-value store."""
        voted_for = _NOBODY if self.voted_for is None else self.voted_for
        pending = self.pending_configuration_indexes
        version = _VERSION if self.lost is None else _VERSION_LOST
        head = _HEAD.pack(version, self.term, voted_for, self.configuration_index, len(pending))
        lost = b"" if self.lost is None else _PLACE.pack(*self.lost)
        places = struct.pack(f">{len(pending)}q", *pending)
        return head + places + lost + self.configuration.encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `encode`'s bytes.

        Raises:
            ValueError: they are not that, or not of a version known here.
        """
        try:
            version, term, voted_for, index, count = _HEAD.unpack_from(data)
            if version not in (_VERSION, _VERSION_LOST):
                raise ValueError(f"a hard state of version {version}")
            pending = struct.unpack_from(f">{count}q", data, _HEAD.size)
            at = _HEAD.size + 8 * count
            lost = None
            if version == _VERSION_LOST:
                lost_term, lost_index = _PLACE.unpack_from(data, at)
                lost = Term(lost_term), LogIndex(lost_index)
                at += _PLACE.size
        except struct.error as fault:
            raise ValueError(f"not a hard state: {fault}") from None
        return cls(
            Term(term),
            None if voted_for == _NOBODY else ReplicaId(voted_for),
            Configuration.parse(data[at:]),
            LogIndex(index),
            tuple(map(LogIndex, pending)),
            lost,
        )
