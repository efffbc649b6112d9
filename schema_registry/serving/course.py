"""What the owner of the state does next: the rules of reading and writing, without a loop. Pure.

    nothing ──look──> READING ──at the end, and current──> READ ──another incarnation──> READING
                                                            │
                     a write waits:  this node leads ── fenced in this term? ──no──> FENCE
                                                            │                  └yes─> JUDGE
                                     another one leads ─────┴──> SEND_ON

Rules:

1. Whatever can be read is taken in before anything else, so a command is judged on all there is.
2. A leader first appends a barrier in its term, and judges once it was read again. It does so when
   the first write comes: nodes that are only read write nothing.
3. Reads are answered from the first state that was read to the end of a log that is current. While
   a new one is being read, the one before goes on answering.
4. A topic that does not exist is an empty one; the first write creates it.
5. A replica that was lost to this node is read from the start when it comes back: compaction may
   have taken away tombstones that were never seen.
"""

from __future__ import annotations

import enum

from sprawl.schema_registry.serving.topic import Piece, Place, Standing


class Step(enum.Enum):
    TAKE_IN = enum.auto()
    """Read on and apply."""
    PUBLISH = enum.auto()
    """What was read answers reads from now on."""
    CREATE = enum.auto()
    FENCE = enum.auto()
    """Append the barrier of this term."""
    JUDGE = enum.auto()
    """Judge the write that waits."""
    SEND_ON = enum.auto()
    """The write that waits is another node's."""
    WAIT = enum.auto()


class Course:
    """Where the reading of one node stands.

    Attributes:
        position: the offset to read next; None for the start of the log.
        is_read: whether the present state was read to the end once.
    """

    def __init__(self) -> None:
        self.position: int | None = None
        self.is_read = False
        self._incarnation: int | None = None
        self._is_at_end = False
        self._fenced_term: int | None = None

    def look(self, standing: Standing) -> bool:
        """Compare with what was read so far; True: begin with an empty state."""
        match standing.place:
            case Place.OPENING:
                return False
            case Place.ELSEWHERE:
                incarnation = None
            case _:
                incarnation = standing.incarnation
        if incarnation == self._incarnation:
            return False
        self._incarnation = incarnation
        self.begin()
        return True

    def begin(self) -> None:
        """Read from the start."""
        self.position = None
        self.is_read = False
        self._is_at_end = False
        self._fenced_term = None

    def next_step(self, standing: Standing, *, has_write: bool) -> Step:
        """Args: standing: the one that `look` was called with."""
        place = standing.place
        if place is Place.MISSING:
            if not self.is_read:
                return Step.PUBLISH
            return Step.CREATE if has_write else Step.WAIT
        if place in (Place.FOLLOWS, Place.LEADS):
            if not self._is_at_end:
                return Step.TAKE_IN
            if not self.is_read and standing.is_current:
                return Step.PUBLISH
        if not has_write:
            return Step.WAIT
        if place is not Place.LEADS:
            return Step.WAIT if standing.leader_url is None else Step.SEND_ON
        return Step.JUDGE if self._fenced_term == standing.term else Step.FENCE

    def took(self, piece: Piece) -> None:
        """A piece was applied."""
        self._is_at_end = piece.next_offset == self.position
        self.position = piece.next_offset

    def published(self) -> None:
        self.is_read = True

    def fenced(self, term: int) -> None:
        """The barrier of a term is committed."""
        self._fenced_term = term
        self._is_at_end = False

    def may_go_on(self) -> None:
        """There may be more to read."""
        self._is_at_end = False
