"""What a replica keeps only while it leads."""

from __future__ import annotations

from typing import NamedTuple

from sprawl.core.ids import LogIndex, ReplicaId
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.log_port import NO_INDEX
from sprawl.core.raft.progress import Progress


class WaitingRead(NamedTuple):
    """A read to confirm.

    Args:
        requester: the follower that asks; None for the owner of this replica.
        index: the commit index when it came; None until an own entry is committed.
        round_number: any answer to a heartbeat of this round or a later one confirms it.
    """

    context: int
    requester: ReplicaId | None
    index: LogIndex | None  # type: ignore[assignment]  # hides tuple.index, unused
    round_number: int


class Leadership:
    """State of a leader, from its election to its end.

    Attributes:
        progress: the other members, ascending by replica.
        noop_index: its first entry; before this is committed it serves nobody.
        ticks: since it was elected.
        idle_ticks: since something was to do.
        transferee: who is to lead; appends are refused meanwhile.
        uncommitted: (last index, bytes) of what the owner appended and is not committed.
        checked_bytes: asked for by the last `check_can_append`, until `appended`.
        proposal: a configuration whose entry is written once `proposal_token` is stored, somewhere
            from `proposal_floor` on.
        read_round: number of the last read round that was begun.
        confirmed_round: the last one that a quorum answered.
    """

    __slots__ = (
        "checked_bytes",
        "confirmed_round",
        "heartbeat_ticks",
        "idle_ticks",
        "noop_index",
        "progress",
        "proposal",
        "proposal_floor",
        "proposal_token",
        "read_round",
        "reads",
        "ticks",
        "transfer_ticks",
        "transferee",
        "uncommitted",
        "uncommitted_bytes",
        "wants_append",
    )

    def __init__(self, noop_index: LogIndex) -> None:
        self.progress: dict[ReplicaId, Progress] = {}
        self.noop_index = noop_index
        self.ticks = 0
        self.heartbeat_ticks = 0
        self.idle_ticks = 0
        self.transferee: ReplicaId | None = None
        self.transfer_ticks = 0
        self.uncommitted: tuple[tuple[LogIndex, int], ...] | list[tuple[LogIndex, int]] = ()
        self.uncommitted_bytes = 0
        self.checked_bytes = 0
        self.proposal: Configuration | None = None
        self.proposal_floor = NO_INDEX
        self.proposal_token = 0
        self.read_round = 0
        self.confirmed_round = 0
        self.reads: list[WaitingRead] | tuple[WaitingRead, ...] = ()
        self.wants_append = False

    def appended(self, last_index: LogIndex) -> None:
        """The owner appended up to `last_index` what it had asked for."""
        size_bytes, self.checked_bytes = self.checked_bytes, 0
        if size_bytes:
            if not isinstance(self.uncommitted, list):
                self.uncommitted = []
            self.uncommitted.append((last_index, size_bytes))
            self.uncommitted_bytes += size_bytes

    def committed(self, index: LogIndex) -> None:
        """What is committed weighs no more."""
        uncommitted = self.uncommitted
        count = 0
        for last_index, size_bytes in uncommitted:
            if last_index > index:
                break
            self.uncommitted_bytes -= size_bytes
            count += 1
        if count == len(uncommitted):
            self.uncommitted = ()
        elif count:
            self.uncommitted = list(uncommitted[count:])
