"""Nominal types: one name for each idea, so that mypy refuses an offset where an index belongs.

`Offset` counts a partition's records (Kafka). `LogIndex` counts a partition's Raft entries, those
without records included. `Term` is Raft's election number; stamped into a record batch it becomes
Kafka's `leader_epoch`, and only core/partition converts one into the other. `BrokerId` is what
Kafka's clients call a node; `ReplicaId` is one data directory of it.
"""

from __future__ import annotations

from typing import NamedTuple, NewType
from uuid import UUID

BrokerId = NewType("BrokerId", int)
ReplicaId = NewType("ReplicaId", int)
"""A registered data directory. The controller never gives a number twice, so a node that comes
back without its data is another replica and cannot vote twice in one term (KIP-853)."""
PartitionId = NewType("PartitionId", int)
TopicName = NewType("TopicName", str)
TopicId = NewType("TopicId", UUID)
GroupId = NewType("GroupId", str)

Offset = NewType("Offset", int)
LogIndex = NewType("LogIndex", int)
Term = NewType("Term", int)
LeaderEpoch = NewType("LeaderEpoch", int)
ProducerId = NewType("ProducerId", int)
ProducerEpoch = NewType("ProducerEpoch", int)

ZERO_UUID = UUID(int=0)
"""The topic id that means "none" on the wire (KIP-516)."""


class TopicPartition(NamedTuple):
    """A partition by topic name, as Kafka's clients name it. Prints as `topic-0`."""

    topic: TopicName
    partition: PartitionId

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class LogKey(NamedTuple):
    """A partition for good: names are reused after a deletion, topic ids are not. Also the name of
    the partition's Raft group."""

    topic_id: TopicId
    partition: int
