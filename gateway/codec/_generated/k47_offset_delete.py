# Written by `python -m sprawl.gateway.codec.generate` from schemas/k47_offset_delete.kafka; do not edit.
"""OffsetDelete (key 47), versions 0-0.

Deletes offsets that a group has committed (KIP-496).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class OffsetDeleteRequestPartition(Struct):
    __slots__ = (
        "partition_index",
    )

    partition_index: int  # Partition number.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetDeleteRequestTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[OffsetDeleteRequestPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[OffsetDeleteRequestPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetDeleteRequest(Struct):
    __slots__ = (
        "group_id",
        "topics",
    )

    group_id: str  # Group id.
    topics: list[OffsetDeleteRequestTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        group_id: str = "",
        topics: list[OffsetDeleteRequestTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetDeleteResponsePartition(Struct):
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


class OffsetDeleteResponseTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[OffsetDeleteResponsePartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[OffsetDeleteResponsePartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class OffsetDeleteResponse(Struct):
    __slots__ = (
        "error_code",
        "throttle_time_ms",
        "topics",
    )

    error_code: int  # Error code; 0 for none.
    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[OffsetDeleteResponseTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        error_code: int = 0,
        throttle_time_ms: int = 0,
        topics: list[OffsetDeleteResponseTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
