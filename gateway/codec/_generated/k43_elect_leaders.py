# Written by `python -m sprawl.gateway.codec.generate` from schemas/k43_elect_leaders.kafka; do not edit.
"""ElectLeaders (key 43), versions 0-2.

Asks for leader elections of partitions.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class TopicPartitions(Struct):
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


class ElectLeadersRequest(Struct):
    __slots__ = (
        "election_type",
        "topic_partitions",
        "timeout_ms",
    )

    election_type: int  # 0 elects the preferred replica, 1 any replica when none in sync is left. (v1+, refused elsewhere)
    topic_partitions: list[TopicPartitions] | None  # Partitions to elect leaders for; null for all.
    timeout_ms: int  # Milliseconds the broker may take.

    def __init__(
        self,
        *,
        election_type: int = 0,
        topic_partitions: list[TopicPartitions] | None = UNSET,
        timeout_ms: int = 60000,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.election_type = election_type
        self.topic_partitions = [] if topic_partitions is UNSET else topic_partitions
        self.timeout_ms = timeout_ms
        self.unknown_tagged_fields = unknown_tagged_fields


class PartitionResult(Struct):
    __slots__ = (
        "partition_id",
        "error_code",
        "error_message",
    )

    partition_id: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        partition_id: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_id = partition_id
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class ReplicaElectionResult(Struct):
    __slots__ = (
        "topic",
        "partition_result",
    )

    topic: str  # Topic name.
    partition_result: list[PartitionResult]  # One entry a partition.

    def __init__(
        self,
        *,
        topic: str = "",
        partition_result: list[PartitionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.partition_result = [] if partition_result is UNSET else partition_result
        self.unknown_tagged_fields = unknown_tagged_fields


class ElectLeadersResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "replica_election_results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none. (v1+, refused elsewhere)
    replica_election_results: list[ReplicaElectionResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        replica_election_results: list[ReplicaElectionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.replica_election_results = [] if replica_election_results is UNSET else replica_election_results
        self.unknown_tagged_fields = unknown_tagged_fields
