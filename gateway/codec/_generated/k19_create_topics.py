# Written by `python -m sprawl.gateway.codec.generate` from schemas/k19_create_topics.kafka; do not edit.
"""CreateTopics (key 19), versions 2-7.

Creates topics.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class CreatableReplicaAssignment(Struct):
    __slots__ = (
        "partition_index",
        "broker_ids",
    )

    partition_index: int  # Partition number.
    broker_ids: list[int]  # Replicas, the preferred leader first.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        broker_ids: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.broker_ids = [] if broker_ids is UNSET else broker_ids
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatableTopicConfig(Struct):
    __slots__ = (
        "name",
        "value",
    )

    name: str  # Setting.
    value: str | None  # Value of the setting; null when it is unset or secret.

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatableTopic(Struct):
    __slots__ = (
        "name",
        "num_partitions",
        "replication_factor",
        "assignments",
        "configs",
    )

    name: str  # Topic name.
    num_partitions: int  # Number of partitions; -1 for the broker's default, or when assignments say it.
    replication_factor: int  # Replicas a partition; -1 for the broker's default, or when assignments say it.
    assignments: list[CreatableReplicaAssignment]  # Replicas of each partition, chosen by hand; empty to let the broker choose.
    configs: list[CreatableTopicConfig]  # One entry a setting.

    def __init__(
        self,
        *,
        name: str = "",
        num_partitions: int = 0,
        replication_factor: int = 0,
        assignments: list[CreatableReplicaAssignment] = UNSET,
        configs: list[CreatableTopicConfig] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.assignments = [] if assignments is UNSET else assignments
        self.configs = [] if configs is UNSET else configs
        self.unknown_tagged_fields = unknown_tagged_fields


class CreateTopicsRequest(Struct):
    __slots__ = (
        "topics",
        "timeout_ms",
        "validate_only",
    )

    topics: list[CreatableTopic]  # One entry a topic.
    timeout_ms: int  # Milliseconds the broker may take.
    validate_only: bool  # Check the request and change nothing.

    def __init__(
        self,
        *,
        topics: list[CreatableTopic] = UNSET,
        timeout_ms: int = 60000,
        validate_only: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatableTopicConfigs(Struct):
    __slots__ = (
        "name",
        "value",
        "read_only",
        "config_source",
        "is_sensitive",
    )

    name: str  # Setting.
    value: str | None  # Value of the setting; null when it is unset or secret.
    read_only: bool  # Whether the setting cannot be changed at run time.
    config_source: int  # Where the value comes from: 1 topic, 2 and 3 dynamic broker, 4 static broker, 5 default.
    is_sensitive: bool  # Whether the value is a secret, and therefore null here.

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        read_only: bool = False,
        config_source: int = -1,
        is_sensitive: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.config_source = config_source
        self.is_sensitive = is_sensitive
        self.unknown_tagged_fields = unknown_tagged_fields


class CreatableTopicResult(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "error_code",
        "error_message",
        "topic_config_error_code",
        "num_partitions",
        "replication_factor",
        "configs",
    )

    name: str  # Topic name.
    topic_id: UUID  # Topic id; all zeros when the name is used. (v7+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    topic_config_error_code: int  # Why the settings are left out; 0 when they are not. (v5+, dropped elsewhere)
    num_partitions: int  # Number of partitions; -1 when it is not told. (v5+, dropped elsewhere)
    replication_factor: int  # Replicas a partition; -1 when it is not told. (v5+, dropped elsewhere)
    configs: list[CreatableTopicConfigs] | None  # Settings of the new topic; null when the caller may not see them. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        error_code: int = 0,
        error_message: str | None = "",
        topic_config_error_code: int = 0,
        num_partitions: int = -1,
        replication_factor: int = -1,
        configs: list[CreatableTopicConfigs] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message
        self.topic_config_error_code = topic_config_error_code
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.configs = [] if configs is UNSET else configs
        self.unknown_tagged_fields = unknown_tagged_fields


class CreateTopicsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[CreatableTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[CreatableTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
