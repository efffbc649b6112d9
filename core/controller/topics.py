"""Topics as the controller knows them, as users ask for them, and Kafka's rules for their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ReplicaId, TopicId, TopicName

TOPIC_NAME_LENGTH_MAX: Final = 249
PARTITIONS_PER_TOPIC_MAX: Final = 10_000
INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state"})
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")

Replicas = tuple[ReplicaId, ...]
"""Of one partition, the preferred leader first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicInfo:
    """A topic as the controller knows it.

    Args:
        replicas: by partition number.
        founding: the replicas that each partition's Raft group began with. They never change: the
            group's own log says what became of them, and every replica counts from the same start.
        moving: where partitions are on their way to, by partition number; `replicas` says where
            they were when that was asked for (KIP-455).
        lingering: replicas of targets that were given up, by partition number: they may belong to
            the group, and be its majority, until its leader says that it is where it is wanted.
        asked_at: where the metadata log stood when a move was last begun, changed or stopped, for
            partitions that move or have lingering replicas.
        configs: its own overrides.
    """

    name: TopicName
    id: TopicId
    replicas: tuple[Replicas, ...]
    founding: tuple[Replicas, ...]
    configs: Mapping[str, str]
    moving: Mapping[int, Replicas] = field(default_factory=dict)
    lingering: Mapping[int, Replicas] = field(default_factory=dict)
    asked_at: Mapping[int, int] = field(default_factory=dict)

    @property
    def partition_count(self) -> int:
        return len(self.replicas)

    @property
    def internal(self) -> bool:
        return self.name in INTERNAL_TOPICS

    @property
    def partitions(self) -> range:
        return range(len(self.replicas))

    def wanted(self, partition: int) -> Replicas:
        """Where a partition should be in the end."""
        return self.moving.get(partition) or self.replicas[partition]

    def is_settled(self, partition: int) -> bool:
        """Whether its leader has said that its replicas are those wanted."""
        return partition not in self.moving and partition not in self.lingering

    def may_hold(self, partition: int, replica: ReplicaId) -> bool:
        """Whether a replica may belong to a partition's group."""
        targets = (self.moving, self.lingering)
        return replica in self.replicas[partition] or any(
            replica in each.get(partition, ()) for each in targets
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created; -1 stands for the broker's default.

    Args:
        assignments: brokers by partition number, chosen by hand; empty to let us choose.
    """

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, Sequence[int]] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the way to another node's controller."""
        return {
            "name": self.name,
            "partitions": self.partition_count,
            "replicas": self.replication_factor,
            "assignments": [[index, list(each)] for index, each in self.assignments.items()],
            "configs": dict(self.configs),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> TopicSpec:
        return cls(
            name=found["name"],
            partition_count=found["partitions"],
            replication_factor=found["replicas"],
            assignments=dict(found["assignments"]),
            configs=found["configs"],
        )


def check_name(name: str) -> None:
    """Kafka's rules for topic names. Raises: KafkaFault INVALID_TOPIC_EXCEPTION."""
    why = None
    if not name:
        why = "the empty string is not allowed"
    elif name in (".", ".."):
        why = "'.' or '..' is not allowed"
    elif len(name) > TOPIC_NAME_LENGTH_MAX:
        why = f"the length of '{name}' is longer than the max allowed length"
        why += f" {TOPIC_NAME_LENGTH_MAX}"
    elif not _NAME.fullmatch(name):
        why = f"'{name}' contains one or more characters other than ASCII alphanumerics,"
        why += " '.', '_' and '-'"
    if why is not None:
        raise KafkaFault(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {why}")
