# Written by `python -m sprawl.gateway.codec.generate` from schemas/k09_offset_fetch.kafka; do not edit.
"""OffsetFetch (key 9), versions 1-10.

Reads back what OffsetCommit stored.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class OffsetFetchRequestTopic(Struct):
    __slots__ = (
        "name",
        "partition_indexes",
    )

    name: str  # Topic name.
    partition_indexes: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        name: str = "",
        partition_indexes: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partition_indexes = [] if partition_indexes is UNSET else partition_indexes
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchRequestTopics(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partition_indexes",
    )

    name: str  # Topic name. (v8-9, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    partition_indexes: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partition_indexes: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_indexes = [] if partition_indexes is UNSET else partition_indexes
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchRequestGroup(Struct):
    __slots__ = (
        "group_id",
        "member_id",
        "member_epoch",
        "topics",
    )

    group_id: str  # Group id.
    member_id: str | None  # Member id of a KIP-848 group; null otherwise. (v9+, dropped elsewhere)
    member_epoch: int  # Member epoch of a KIP-848 group; -1 otherwise. (v9+, dropped elsewhere)
    topics: list[OffsetFetchRequestTopics] | None  # Topics to read; null for all that have offsets.

    def __init__(
        self,
        *,
        group_id: str = "",
        member_id: str | None = None,
        member_epoch: int = -1,
        topics: list[OffsetFetchRequestTopics] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchRequest(Struct):
    __slots__ = (
        "group_id",
        "topics",
        "groups",
        "require_stable",
    )

    group_id: str  # Group id. (v1-7, refused elsewhere)
    topics: list[OffsetFetchRequestTopic] | None  # Topics to read; null for all that have offsets. (v1-7, refused elsewhere)
    groups: list[OffsetFetchRequestGroup]  # One entry a group. (v8+, refused elsewhere)
    require_stable: bool  # Answer an error for offsets that an open transaction may still change. (v7+, refused elsewhere)

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: list[OffsetFetchRequestTopic] | None = UNSET,
        groups: list[OffsetFetchRequestGroup] = UNSET,
        require_stable: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.topics = [] if topics is UNSET else topics
        self.groups = [] if groups is UNSET else groups
        self.require_stable = require_stable
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponsePartition(Struct):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "metadata",
        "error_code",
    )

    partition_index: int  # Partition number.
    committed_offset: int  # Offset of the next record to read; -1 when none is stored.
    committed_leader_epoch: int  # Leader epoch of the last record that was read; -1 when unknown. (v5+, dropped elsewhere)
    metadata: str | None  # Free text kept beside the offset.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponseTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[OffsetFetchResponsePartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[OffsetFetchResponsePartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponsePartitions(Struct):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "metadata",
        "error_code",
    )

    partition_index: int  # Partition number.
    committed_offset: int  # Offset of the next record to read; -1 when none is stored.
    committed_leader_epoch: int  # Leader epoch of the last record that was read; -1 when unknown.
    metadata: str | None  # Free text kept beside the offset.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        metadata: str | None = "",
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.metadata = metadata
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponseTopics(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partitions",
    )

    name: str  # Topic name. (v8-9, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    partitions: list[OffsetFetchResponsePartitions]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[OffsetFetchResponsePartitions] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponseGroup(Struct):
    __slots__ = (
        "group_id",
        "topics",
        "error_code",
    )

    group_id: str  # Group id.
    topics: list[OffsetFetchResponseTopics]  # Topics to read; null for all that have offsets.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: list[OffsetFetchResponseTopics] = UNSET,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.topics = [] if topics is UNSET else topics
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetFetchResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
        "error_code",
        "groups",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v3+, dropped elsewhere)
    topics: list[OffsetFetchResponseTopic]  # One entry a topic. (v1-7, refused elsewhere)
    error_code: int  # Error code; 0 for none. (v2-7, dropped elsewhere)
    groups: list[OffsetFetchResponseGroup]  # One entry a group. (v8+, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[OffsetFetchResponseTopic] = UNSET,
        error_code: int = 0,
        groups: list[OffsetFetchResponseGroup] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.error_code = error_code
        self.groups = [] if groups is UNSET else groups
        self.unknown_tagged_fields = unknown_tagged_fields
