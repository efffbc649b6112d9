# Written by `python -m sprawl.gateway.codec.generate` from schemas/k23_offset_for_leader_epoch.kafka; do not edit.
"""OffsetForLeaderEpoch (key 23), versions 2-4.

Finds where a leader epoch ended, so that a reader sees a truncation (KIP-320).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class OffsetForLeaderPartition(Struct):
    __slots__ = (
        "partition",
        "current_leader_epoch",
        "leader_epoch",
    )

    partition: int  # Partition number.
    current_leader_epoch: int  # Leader epoch that the client believes in, for fencing; -1 skips the check.
    leader_epoch: int  # Leader epoch to look up.

    def __init__(
        self,
        *,
        partition: int = 0,
        current_leader_epoch: int = -1,
        leader_epoch: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.leader_epoch = leader_epoch
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetForLeaderTopic(Struct):
    __slots__ = (
        "topic",
        "partitions",
    )

    topic: str  # Topic name.
    partitions: list[OffsetForLeaderPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: list[OffsetForLeaderPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetForLeaderEpochRequest(Struct):
    __slots__ = (
        "replica_id",
        "topics",
    )

    replica_id: int  # Broker id of a follower; -1 for a consumer, -2 when unset. (v3+, dropped elsewhere)
    topics: list[OffsetForLeaderTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        replica_id: int = -2,
        topics: list[OffsetForLeaderTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.replica_id = replica_id
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class EpochEndOffset(Struct):
    __slots__ = (
        "error_code",
        "partition",
        "leader_epoch",
        "end_offset",
    )

    error_code: int  # Error code; 0 for none.
    partition: int  # Partition number.
    leader_epoch: int  # Largest leader epoch not above the one asked for; -1 when there is none.
    end_offset: int  # Offset after the last one of the epoch; -1 when unset.

    def __init__(
        self,
        *,
        error_code: int = 0,
        partition: int = 0,
        leader_epoch: int = -1,
        end_offset: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.partition = partition
        self.leader_epoch = leader_epoch
        self.end_offset = end_offset
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetForLeaderTopicResult(Struct):
    __slots__ = (
        "topic",
        "partitions",
    )

    topic: str  # Topic name.
    partitions: list[EpochEndOffset]  # One entry a partition.

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: list[EpochEndOffset] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetForLeaderEpochResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[OffsetForLeaderTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[OffsetForLeaderTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
