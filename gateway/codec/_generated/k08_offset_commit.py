# Written by `python -m sprawl.gateway.codec.generate` from schemas/k08_offset_commit.kafka; do not edit.
"""OffsetCommit (key 8), versions 2-10.

Stores how far a consumer group has read.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class OffsetCommitRequestPartition(Struct):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "committed_metadata",
    )

    partition_index: int  # Partition number.
    committed_offset: int  # Offset of the next record to read.
    committed_leader_epoch: int  # Leader epoch of the last record that was read; -1 when unknown. (v6+, dropped elsewhere)
    committed_metadata: str | None  # Free text kept beside the offset.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        committed_metadata: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.committed_metadata = committed_metadata
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetCommitRequestTopic(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )

    name: str  # Topic name. (v2-9, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    partitions: list[OffsetCommitRequestPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[OffsetCommitRequestPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetCommitRequest(Struct):
    __slots__ = (
        "group_id",
        "generation_id_or_member_epoch",
        "member_id",
        "group_instance_id",
        "retention_time_ms",
        "topics",
    )

    group_id: str  # Group id.
    generation_id_or_member_epoch: int  # Generation of a classic group, or member epoch of a KIP-848 group; -1 outside a group.
    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v7+, refused elsewhere)
    retention_time_ms: int  # Milliseconds to keep the offset; -1 for the broker's setting. (v2-4, dropped elsewhere)
    topics: list[OffsetCommitRequestTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id_or_member_epoch: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,
        retention_time_ms: int = -1,
        topics: list[OffsetCommitRequestTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.generation_id_or_member_epoch = generation_id_or_member_epoch
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.retention_time_ms = retention_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetCommitResponsePartition(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetCommitResponseTopic(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )

    name: str  # Topic name. (v2-9, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    partitions: list[OffsetCommitResponsePartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[OffsetCommitResponsePartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetCommitResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v3+, dropped elsewhere)
    topics: list[OffsetCommitResponseTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[OffsetCommitResponseTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
