# Written by `python -m sprawl.gateway.codec.generate` from schemas/k35_describe_log_dirs.kafka; do not edit.
"""DescribeLogDirs (key 35), versions 1-5.

Sizes of the partitions in each data directory.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribableLogDirTopic(Struct):
    __slots__ = (
        "topic",
        "partitions",
    )

    topic: str  # Topic name.
    partitions: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeLogDirsRequest(Struct):
    __slots__ = (
        "topics",
    )

    topics: list[DescribableLogDirTopic] | None  # Topics to tell about; null for all.

    def __init__(
        self,
        *,
        topics: list[DescribableLogDirTopic] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeLogDirsPartition(Struct):
    __slots__ = (
        "partition_index",
        "partition_size",
        "offset_lag",
        "is_future_key",
    )

    partition_index: int  # Partition number.
    partition_size: int  # Bytes of its segments.
    offset_lag: int  # Offsets that the replica is behind.
    is_future_key: bool  # Whether the replica is on its way to this directory.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        partition_size: int = 0,
        offset_lag: int = 0,
        is_future_key: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.partition_size = partition_size
        self.offset_lag = offset_lag
        self.is_future_key = is_future_key
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeLogDirsTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[DescribeLogDirsPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[DescribeLogDirsPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeLogDirsResult(Struct):
    __slots__ = (
        "error_code",
        "log_dir",
        "topics",
        "total_bytes",
        "usable_bytes",
        "is_cordoned",
    )

    error_code: int  # Error code; 0 for none.
    log_dir: str  # Path of the directory.
    topics: list[DescribeLogDirsTopic]  # One entry a topic.
    total_bytes: int  # Size of the volume in bytes; -1 when unknown. (v4+, dropped elsewhere)
    usable_bytes: int  # Free bytes of the volume; -1 when unknown. (v4+, dropped elsewhere)
    is_cordoned: bool  # Whether the directory takes no new partitions. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        log_dir: str = "",
        topics: list[DescribeLogDirsTopic] = UNSET,
        total_bytes: int = -1,
        usable_bytes: int = -1,
        is_cordoned: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.log_dir = log_dir
        self.topics = [] if topics is UNSET else topics
        self.total_bytes = total_bytes
        self.usable_bytes = usable_bytes
        self.is_cordoned = is_cordoned
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeLogDirsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none. (v3+, dropped elsewhere)
    results: list[DescribeLogDirsResult]  # One entry a directory.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        results: list[DescribeLogDirsResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
