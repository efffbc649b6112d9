# Written by `python -m sprawl.gateway.codec.generate` from schemas/k21_delete_records.kafka; do not edit.
"""DeleteRecords (key 21), versions 0-2.

Moves the start of partitions forward.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Records, Struct


class DeleteRecordsPartition(Struct):
    __slots__ = (
        "partition_index",
        "offset",
    )

    partition_index: int  # Partition number.
    offset: int  # First offset to keep; -1 for the high watermark.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        offset: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.offset = offset
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteRecordsTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[DeleteRecordsPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[DeleteRecordsPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteRecordsRequest(Struct):
    __slots__ = (
        "topics",
        "timeout_ms",
    )

    topics: list[DeleteRecordsTopic]  # One entry a topic.
    timeout_ms: int  # Milliseconds the broker may take.

    def __init__(
        self,
        *,
        topics: list[DeleteRecordsTopic] = UNSET,
        timeout_ms: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.timeout_ms = timeout_ms
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteRecordsPartitionResult(Struct):
    __slots__ = (
        "partition_index",
        "low_watermark",
        "error_code",
    )

    partition_index: int  # Partition number.
    low_watermark: int  # First offset that is left; -1 on an error.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        low_watermark: int = 0,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.low_watermark = low_watermark
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteRecordsTopicResult(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[DeleteRecordsPartitionResult]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[DeleteRecordsPartitionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteRecordsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[DeleteRecordsTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[DeleteRecordsTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
