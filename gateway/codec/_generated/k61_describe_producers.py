# Written by `python -m sprawl.gateway.codec.generate` from schemas/k61_describe_producers.kafka; do not edit.
"""DescribeProducers (key 61), versions 0-0.

Producers that are writing to partitions (KIP-664).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class TopicRequest(Struct):
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


class DescribeProducersRequest(Struct):
    __slots__ = (
        "topics",
    )

    topics: list[TopicRequest]  # One entry a topic.

    def __init__(
        self,
        *,
        topics: list[TopicRequest] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class ProducerState(Struct):
    __slots__ = (
        "producer_id",
        "producer_epoch",
        "last_sequence",
        "last_timestamp",
        "coordinator_epoch",
        "current_txn_start_offset",
    )

    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    last_sequence: int  # Sequence number of its last record; -1 when unknown.
    last_timestamp: int  # When it last wrote, milliseconds since the epoch; -1 when unknown.
    coordinator_epoch: int  # Epoch of the transaction coordinator.
    current_txn_start_offset: int  # First offset of its open transaction; -1 for none.

    def __init__(
        self,
        *,
        producer_id: int = 0,
        producer_epoch: int = 0,
        last_sequence: int = -1,
        last_timestamp: int = -1,
        coordinator_epoch: int = 0,
        current_txn_start_offset: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.last_sequence = last_sequence
        self.last_timestamp = last_timestamp
        self.coordinator_epoch = coordinator_epoch
        self.current_txn_start_offset = current_txn_start_offset
        self.unknown_tagged_fields = unknown_tagged_fields


class PartitionResponse(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
        "error_message",
        "active_producers",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    active_producers: list[ProducerState]  # One entry a producer.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        error_message: str | None = None,
        active_producers: list[ProducerState] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.error_message = error_message
        self.active_producers = [] if active_producers is UNSET else active_producers
        self.unknown_tagged_fields = unknown_tagged_fields


class TopicResponse(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[PartitionResponse]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[PartitionResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeProducersResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[TopicResponse]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[TopicResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
