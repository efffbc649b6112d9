# Written by `python -m sprawl.gateway.codec.generate` from schemas/k37_create_partitions.kafka; do not edit.
"""CreatePartitions (key 37), versions 0-3.

Adds partitions to topics.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class CreatePartitionsAssignment(Struct):
    __slots__ = (
        "broker_ids",
    )

    broker_ids: list[int]  # Replicas, the preferred leader first.

    def __init__(
        self,
        *,
        broker_ids: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.broker_ids = [] if broker_ids is UNSET else broker_ids
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatePartitionsTopic(Struct):
    __slots__ = (
        "name",
        "count",
        "assignments",
    )

    name: str  # Topic name.
    count: int  # Partitions that the topic shall have in all.
    assignments: list[CreatePartitionsAssignment] | None  # Replicas of each new partition; null to let the broker choose.

    def __init__(
        self,
        *,
        name: str = "",
        count: int = 0,
        assignments: list[CreatePartitionsAssignment] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.count = count
        self.assignments = [] if assignments is UNSET else assignments
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatePartitionsRequest(Struct):
    __slots__ = (
        "topics",
        "timeout_ms",
        "validate_only",
    )

    topics: list[CreatePartitionsTopic]  # One entry a topic.
    timeout_ms: int  # Milliseconds the broker may take.
    validate_only: bool  # Check the request and change nothing.

    def __init__(
        self,
        *,
        topics: list[CreatePartitionsTopic] = UNSET,
        timeout_ms: int = 0,
        validate_only: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatePartitionsTopicResult(Struct):
    __slots__ = (
        "name",
        "error_code",
        "error_message",
    )

    name: str  # Topic name.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        name: str = "",
        error_code: int = 0,
        error_message: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatePartitionsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[CreatePartitionsTopicResult]  # One entry a result, in the order of the request.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[CreatePartitionsTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
