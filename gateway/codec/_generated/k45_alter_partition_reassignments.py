# Written by `python -m sprawl.gateway.codec.generate` from schemas/k45_alter_partition_reassignments.kafka; do not edit.
"""AlterPartitionReassignments (key 45), versions 0-1.

Moves partitions to other brokers, or stops moving them (KIP-455).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ReassignablePartition(Struct):
    __slots__ = (
        "partition_index",
        "replicas",
    )

    partition_index: int  # Partition number.
    replicas: list[int] | None  # Replicas to move to; null stops a move.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        replicas: list[int] | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.replicas = replicas
        self.unknown_tagged_fields = unknown_tagged_fields


class ReassignableTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[ReassignablePartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[ReassignablePartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterPartitionReassignmentsRequest(Struct):
    __slots__ = (
        "timeout_ms",
        "allow_replication_factor_change",
        "topics",
    )

    timeout_ms: int  # Milliseconds the broker may take.
    allow_replication_factor_change: bool  # Whether the number of replicas may change. (v1+, refused elsewhere)
    topics: list[ReassignableTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        timeout_ms: int = 60000,
        allow_replication_factor_change: bool = True,
        topics: list[ReassignableTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.timeout_ms = timeout_ms
        self.allow_replication_factor_change = allow_replication_factor_change
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class ReassignablePartitionResponse(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
        "error_message",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class ReassignableTopicResponse(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[ReassignablePartitionResponse]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[ReassignablePartitionResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterPartitionReassignmentsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "allow_replication_factor_change",
        "error_code",
        "error_message",
        "responses",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    allow_replication_factor_change: bool  # Whether the number of replicas may change. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    responses: list[ReassignableTopicResponse]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        allow_replication_factor_change: bool = True,
        error_code: int = 0,
        error_message: str | None = "",
        responses: list[ReassignableTopicResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.allow_replication_factor_change = allow_replication_factor_change
        self.error_code = error_code
        self.error_message = error_message
        self.responses = [] if responses is UNSET else responses
        self.unknown_tagged_fields = unknown_tagged_fields
