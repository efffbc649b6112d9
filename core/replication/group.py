"""A Raft group on this node, and whom it deals with: its owner, and the way to other nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sprawl.core.errors import KafkaFault
    from sprawl.core.ids import LogKey, ReplicaId
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.raft.node import RaftNode
    from sprawl.core.raft.ready import Ready
    from sprawl.core.storage.port import Buffer


class Owner(Protocol):
    """Who acts on what a group decides: the partition."""

    def raft_advanced(self, ready: Ready) -> None:
        """Follow a group's commit index, role, configuration, reads and snapshots."""
        ...

    def raft_progressed(self) -> None:
        """A leader heard from a follower, and nothing was decided by it."""
        ...

    def raft_ticked(self) -> None:
        """For a serving leader: time for what needs no hurry. About once a second, or every
        SLOW_TICK_S while the group hibernates."""
        ...

    def raft_failed(self, fault: KafkaFault) -> None:
        """The group is at its end on this node."""
        ...

    def hand_over(self, to: ReplicaId | None = None) -> bool:
        """Have another replica lead, `to` if given. False when this one does not lead, or it
        cannot."""
        ...


class Peers(Protocol):
    """The way to the nodes that hold other replicas."""

    def send(self, to: ReplicaId, frame: Sequence[Buffer]) -> bool:
        """Send a frame of messages; it may be lost. False when it is known to be."""
        ...

    def is_in_sight(self, replica: ReplicaId) -> bool:
        """Whether there is a session with the node of another replica."""
        ...


class RaftGroup:
    """One group on this node."""

    __slots__ = ("is_flushing", "is_over", "is_storing", "key", "log", "node", "owner")

    def __init__(self, key: LogKey, node: RaftNode, log: PartitionLog, owner: Owner) -> None:
        self.key = key
        self.node = node
        self.log = log
        self.owner = owner
        self.is_storing = False
        self.is_flushing = False
        self.is_over = False
