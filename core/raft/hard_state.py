"""What a replica must never forget: its term, its vote, and the configuration it counts by.

A replica that left its group keeps them when its log is deleted, and where that log ended (`lost`):
should it come back, it starts with an empty log, and what it acknowledged before is not in it. It
votes again once its log names it a member at a later place, because all that ever counted on the
lost log is committed before that. A leader makes no voter of it before it acknowledged that place.

A replica whose disk lost what was synced keeps them too, and stays a member (`damaged`). It votes
again once its log has, on disk, an entry of a term T above that of `lost`. Take an entry that it
had acknowledged, so in the term of `lost` at the latest, and that is committed or ever counts as
such. The leader of T was elected by a majority of which this replica was none, unless it voted
while it had its old log: so that leader had the entry (leader completeness; Raft paper, section
5.4.3), and before all entries of its own.

As bytes, for the key-value store:

    0   u8   version
    1   i32  term
    5   i64  voted_for, -1 for nobody
    13  i64  configuration_index
    21  i32  configuration_term
    25  i32  term of `lost`, -2 for none; i64 its index
    37  u16  number of pending_configuration_indexes, then each as i64
        ...  the configuration (configuration.py)

Version 1 has neither configuration_term nor `lost`.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple, Self

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.log_port import NO_INDEX, NO_TERM

_HEAD: Final = struct.Struct(">BiqqiiqH")
_VERSION: Final = 2
_HEAD_1: Final = struct.Struct(">BiqqH")
_NOBODY: Final = -1
_NOTHING: Final = (-2, 0)
"""For `lost`: an empty log ends at term -1."""
NEVER: Final = LogIndex(2**63 - 1)
"""An index that no entry has: in `lost` of a damaged log, whose end is not known."""


class HardState(NamedTuple):
    """A group's facts that are synced before anybody is told of what they allow.

    Args:
        configuration: the last one whose entry is known to be committed; at first the one that
            the controller founded the group with, whoever this replica is.
        configuration_index: index of its entry; 0 for the founding one. The log may end before it,
            or have something else there: a power loss takes the log back, and not the hard state.
        configuration_term: term of its entry, which tells whether the log has it; -1 for the
            founding one, and while a snapshot is put into the place of a log without it.
        pending_configuration_indexes: a CONFIG entry that is not known to be committed may stand
            at the smallest of these, or after it; nowhere else but in the last place of the log.
        lost: term and index of the last entry of the log this replica had before, or its term and
            NEVER; None for one that has all it ever acknowledged.
    """

    term: Term
    voted_for: ReplicaId | None
    configuration: Configuration
    configuration_index: LogIndex = NO_INDEX
    configuration_term: Term = NO_TERM
    pending_configuration_indexes: tuple[LogIndex, ...] = ()
    lost: tuple[Term, LogIndex] | None = None

    def damaged(self) -> Self:
        """Of a replica that begins with an empty log, because its own cannot be read.

        Where that ended is not known, only that all of it was acknowledged in this term at the
        latest. The replica enters the next one at once, so that the leader of this one gives way to
        one that writes an entry of a later term.
        """
        return self._replace(term=Term(self.term + 1), voted_for=None, lost=(self.term, NEVER))

    @classmethod
    def founding(cls, configuration: Configuration) -> Self:
        """Of a replica that starts with an empty log."""
        return cls(Term(0), None, configuration)

    def encode(self) -> bytes:
        """The value in the key-value store."""
        voted_for = _NOBODY if self.voted_for is None else self.voted_for
        pending = self.pending_configuration_indexes
        place = (self.configuration_index, self.configuration_term)
        lost = _NOTHING if self.lost is None else self.lost
        head = _HEAD.pack(_VERSION, self.term, voted_for, *place, *lost, len(pending))
        return head + struct.pack(f">{len(pending)}q", *pending) + self.configuration.encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `encode`'s bytes.

        Raises:
            ValueError: they are not that, or not of a version known here.
        """
        index_term = int(NO_TERM)
        lost_term, lost_index = _NOTHING
        try:
            if data[:1] == b"\x01":
                _, term, voted_for, index, count = _HEAD_1.unpack_from(data)
                at = _HEAD_1.size
            else:
                head = _HEAD.unpack_from(data)
                version, term, voted_for, index, index_term, lost_term, lost_index, count = head
                if version != _VERSION:
                    raise ValueError(f"a hard state of version {version}")
                at = _HEAD.size
            pending = struct.unpack_from(f">{count}q", data, at)
        except struct.error as fault:
            raise ValueError(f"not a hard state: {fault}") from None
        return cls(
            Term(term),
            None if voted_for == _NOBODY else ReplicaId(voted_for),
            Configuration.parse(data[at + 8 * count :]),
            LogIndex(index),
            Term(index_term),
            tuple(map(LogIndex, pending)),
            None if lost_term == _NOTHING[0] else (Term(lost_term), LogIndex(lost_index)),
        )
