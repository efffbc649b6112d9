"""What this node has of a topic's partitions: alone, as one of several replicas, or nothing."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

from sprawl.core.controller.topics import TopicInfo
from sprawl.core.ids import LogKey, ReplicaId
from sprawl.core.raft.configuration import Configuration


class Role(enum.Enum):
    """How a partition is held here."""

    ALONE = enum.auto()
    """This is its only replica: what its log took is committed."""
    REPLICATED = enum.auto()
    """By a Raft group, also of one voter if it had more, or will."""
    LEAVING = enum.auto()
    """By a Raft group, and wanted only on other nodes: it goes once the group has let it go."""
    ELSEWHERE = enum.auto()
    """Only on other nodes."""

    @property
    def has_group(self) -> bool:
        """Whether a Raft group runs here."""
        return self in (Role.REPLICATED, Role.LEAVING)


class Placement(NamedTuple):
    """One partition as this node holds it.

    Args:
        founding: the configuration that the controller founded the group with; this replica may be
            none of it, because the partition moved, or moves, here.
        is_preferred: whether this replica is where the leader is wanted.
    """

    role: Role
    founding: Configuration | None = None
    is_preferred: bool = True


ALONE = Placement(Role.ALONE)
ELSEWHERE = Placement(Role.ELSEWHERE)


def placements_of(
    topic: TopicInfo, own: ReplicaId, ran_before: Callable[[LogKey], bool]
) -> list[Placement]:
    """How each partition of a topic is held here.

    Args:
        own: this node's replica id.
        ran_before: whether a partition had a Raft group here, which has not let it go: it keeps it.
    """
    return [_placement(topic, index, own, ran_before) for index in topic.partitions]


def _placement(
    topic: TopicInfo, index: int, own: ReplicaId, ran_before: Callable[[LogKey], bool]
) -> Placement:
    replicas = topic.replicas[index]
    target = topic.moving.get(index, ())
    founding = Configuration.of(topic.founding[index])
    if own not in replicas and own not in target:
        if ran_before(LogKey(topic.id, index)):
            return Placement(Role.LEAVING, founding, is_preferred=False)
        return ELSEWHERE
    is_alone = replicas == (own,) and topic.is_settled(index)
    if is_alone and not ran_before(LogKey(topic.id, index)):
        return ALONE
    return Placement(Role.REPLICATED, founding, topic.wanted(index)[0] == own)
