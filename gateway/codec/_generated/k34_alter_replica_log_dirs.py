# Written by `python -m sprawl.gateway.codec.generate` from schemas/k34_alter_replica_log_dirs.kafka; do not edit.
"""AlterReplicaLogDirs (key 34), versions 1-2.

Moves replicas between the data directories of one broker (KIP-113).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class AlterReplicaLogDirTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterReplicaLogDir(Struct):
    __slots__ = (
        "path",
        "topics",
    )

    path: str  # Absolute path of the directory.
    topics: list[AlterReplicaLogDirTopic]  # Topics to move there.

    def __init__(
        self,
        *,
        path: str = "",
        topics: list[AlterReplicaLogDirTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.path = path
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterReplicaLogDirsRequest(Struct):
    __slots__ = (
        "dirs",
    )

    dirs: list[AlterReplicaLogDir]  # One entry a directory.

    def __init__(
        self,
        *,
        dirs: list[AlterReplicaLogDir] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.dirs = [] if dirs is UNSET else dirs
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterReplicaLogDirPartitionResult(Struct):
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


class AlterReplicaLogDirTopicResult(Struct):
    __slots__ = (
        "topic_name",
        "partitions",
    )

    topic_name: str  # Topic name.
    partitions: list[AlterReplicaLogDirPartitionResult]  # One entry a partition.

    def __init__(
        self,
        *,
        topic_name: str = "",
        partitions: list[AlterReplicaLogDirPartitionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_name = topic_name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterReplicaLogDirsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[AlterReplicaLogDirTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[AlterReplicaLogDirTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
