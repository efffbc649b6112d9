# Written by `python -m sprawl.gateway.codec.generate` from schemas/k46_list_partition_reassignments.kafka; do not edit.
"""ListPartitionReassignments (key 46), versions 0-0.

Partitions that are being moved (KIP-455).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ListPartitionReassignmentsTopics(Struct):
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


class ListPartitionReassignmentsRequest(Struct):
    __slots__ = (
        "timeout_ms",
        "topics",
    )

    timeout_ms: int  # Milliseconds the broker may take.
    topics: list[ListPartitionReassignmentsTopics] | None  # Topics to look at; null for all.

    def __init__(
        self,
        *,
        timeout_ms: int = 60000,
        topics: list[ListPartitionReassignmentsTopics] | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.timeout_ms = timeout_ms
        self.topics = topics
        self.unknown_tagged_fields = unknown_tagged_fields


class OngoingPartitionReassignment(Struct):
    __slots__ = (
        "partition_index",
        "replicas",
        "adding_replicas",
        "removing_replicas",
    )

    partition_index: int  # Partition number.
    replicas: list[int]  # The replicas.
    adding_replicas: list[int]  # Replicas that are being added.
    removing_replicas: list[int]  # Replicas that are being removed.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        replicas: list[int] = UNSET,
        adding_replicas: list[int] = UNSET,
        removing_replicas: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.replicas = [] if replicas is UNSET else replicas
        self.adding_replicas = [] if adding_replicas is UNSET else adding_replicas
        self.removing_replicas = [] if removing_replicas is UNSET else removing_replicas
        self.unknown_tagged_fields = unknown_tagged_fields


class OngoingTopicReassignment(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[OngoingPartitionReassignment]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[OngoingPartitionReassignment] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class ListPartitionReassignmentsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    topics: list[OngoingTopicReassignment]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        topics: list[OngoingTopicReassignment] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
