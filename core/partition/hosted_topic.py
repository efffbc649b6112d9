"""A topic as one node knows it: which of its partitions are here, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.partition.placement import Placement, Role

if TYPE_CHECKING:
    from sprawl.core.ids import TopicId, TopicName, TopicPartition
    from sprawl.core.log.config import LogConfig
    from sprawl.core.partition.partition import Partition


class HostedTopic:
    """A topic as this node knows it.

    `partitions` holds one place for each partition: None until it is opened, and for one that is
    elsewhere; `placements` says which it is.
    """

    __slots__ = ("config", "name", "partitions", "placements", "topic_id")

    def __init__(self, name: TopicName, topic_id: TopicId, config: LogConfig) -> None:
        self.name = name
        self.topic_id = topic_id
        self.config = config
        self.partitions: list[Partition | None] = []
        self.placements: Sequence[Placement] = ()

    def here(self) -> Iterator[int]:
        """The partitions that have a replica on this node."""
        return (n for n, each in enumerate(self.placements) if each.role is not Role.ELSEWHERE)

    def elsewhere(self) -> Iterator[int]:
        """The others."""
        return (n for n, each in enumerate(self.placements) if each.role is Role.ELSEWHERE)

    def is_replicated(self, index: int) -> bool:
        return self.placements[index].role.has_group


class Usage(NamedTuple):
    """Disk space one partition takes (DescribeLogDirs)."""

    tp: TopicPartition
    size_bytes: int
