"""What a replica tells the rest of its node, and asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from sprawl.core.cluster.hints import LeaderHint
    from sprawl.core.ids import LogKey, ReplicaId
    from sprawl.core.partition.partition import Partition


class Target(NamedTuple):
    """Where a partition's replicas are wanted, the preferred leader first."""

    voters: tuple[ReplicaId, ...]
    learners: tuple[ReplicaId, ...] = ()


class Surroundings(Protocol):
    """What a replica tells the rest of its node, and asks it."""

    def announce(self, key: LogKey, hint: LeaderHint) -> None:
        """Tell the cluster who leads."""
        ...

    def led(self, partition: Partition, *, is_leader: bool) -> None:
        """A partition begins to be served here, or is no more."""
        ...

    def committed(self, partition: Partition) -> None:
        """The high watermark may have moved; called before who waits for it hears."""
        ...

    def target(self, key: LogKey) -> Target | None:
        """Where the replicas are wanted; None when that is not known."""
        ...

    def fell_behind(self, key: LogKey, follower: ReplicaId) -> None:
        """A leader cannot serve a follower entry by entry."""
        ...

    def arrived(self, key: LogKey) -> None:
        """A leader says that its replicas are where they are wanted."""
        ...
