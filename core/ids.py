"""Nominal types: one name for each idea, so that mypy refuses an offset where an index belongs.

`Offset` counts a partition's records (Kafka). `LogIndex` counts a partition's Raft entries, those
without records included. `Term` is Raft's election number; stamped into a record batch it becomes
Kafka's `leader_epoch`, and only core/partition converts one into the other. `ReplicaId` names a
registered data directory of a node: the controller gives each a number and never gives it again,
so that a wiped disk comes back as another replica.
"""

from __future__ import annotations

from typing import NamedTuple, NewType
from uuid import UUID

BrokerId = NewType("BrokerId", int)
PartitionId = NewType("PartitionId", int)
TopicName = NewType("TopicName", str)
TopicId = NewType("TopicId", UUID)
GroupId = NewType("GroupId", str)

Offset = NewType("Offset", int)
LogIndex = NewType("LogIndex", int)
Term = NewType("Term", int)
LeaderEpoch = NewType("LeaderEpoch", int)
ReplicaId = NewType("ReplicaId", int)
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
