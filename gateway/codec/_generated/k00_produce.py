# Written by `python -m sprawl.gateway.codec.generate` from schemas/k00_produce.kafka; do not edit.
"""Produce (key 0), versions 3-13.

Appends record batches to partitions.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Records, Struct


class PartitionProduceData(Struct):
    __slots__ = (
        "index",
        "records",
    )

    index: int  # Partition number.
    records: Records  # Record batches.

    def __init__(
        self,
        *,
        index: int = 0,
        records: Records = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.index = index
        self.records = records
        self.unknown_tagged_fields = unknown_tagged_fields


class TopicProduceData(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partition_data",
    )

    name: str  # Topic name. (v3-12, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v13+, dropped elsewhere)
    partition_data: list[PartitionProduceData]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partition_data: list[PartitionProduceData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_data = [] if partition_data is UNSET else partition_data
        self.unknown_tagged_fields = unknown_tagged_fields


class ProduceRequest(Struct):
    __slots__ = (
        "transactional_id",
        "acks",
        "timeout_ms",
        "topic_data",
    )

    transactional_id: str | None  # Transactional id; null for a producer without transactions.
    acks: int  # How many replicas must have the records: 0 (and no answer), 1 the leader, -1 all in sync.
    timeout_ms: int  # Milliseconds to wait for the replicas that acks asks for.
    topic_data: list[TopicProduceData]  # One entry a topic.

    def __init__(
        self,
        *,
        transactional_id: str | None = None,
        acks: int = 0,
        timeout_ms: int = 0,
        topic_data: list[TopicProduceData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.acks = acks
        self.timeout_ms = timeout_ms
        self.topic_data = [] if topic_data is UNSET else topic_data
        self.unknown_tagged_fields = unknown_tagged_fields


class BatchIndexAndErrorMessage(Struct):
    __slots__ = (
        "batch_index",
        "batch_index_error_message",
    )

    batch_index: int  # Place of the record in the batch.
    batch_index_error_message: str | None  # Why the record was refused.

    def __init__(
        self,
        *,
        batch_index: int = 0,
        batch_index_error_message: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.batch_index = batch_index
        self.batch_index_error_message = batch_index_error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class LeaderIdAndEpoch(Struct):
    __slots__ = (
        "leader_id",
        "leader_epoch",
    )

    leader_id: int  # Broker that leads; -1 when there is none or it is unknown.
    leader_epoch: int  # Leader epoch; -1 when unknown.

    def __init__(
        self,
        *,
        leader_id: int = -1,
        leader_epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.unknown_tagged_fields = unknown_tagged_fields


class PartitionProduceResponse(Struct):
    __slots__ = (
        "index",
        "error_code",
        "base_offset",
        "log_append_time_ms",
        "log_start_offset",
        "record_errors",
        "error_message",
        "current_leader",
    )

    index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    base_offset: int  # Offset of the first record that was appended.
    log_append_time_ms: int  # Timestamp that the broker gave the batch; -1 when the producer's own is kept.
    log_start_offset: int  # First offset that the partition still has; -1 when unknown. (v5+, dropped elsewhere)
    record_errors: list[BatchIndexAndErrorMessage]  # The records for which the batch was refused. (v8+, dropped elsewhere)
    error_message: str | None  # What went wrong, for people; null when nothing did. (v8+, dropped elsewhere)
    current_leader: LeaderIdAndEpoch  # The leader to ask instead, when this broker is not it (KIP-951). (v10+, refused elsewhere)

    def __init__(
        self,
        *,
        index: int = 0,
        error_code: int = 0,
        base_offset: int = 0,
        log_append_time_ms: int = -1,
        log_start_offset: int = -1,
        record_errors: list[BatchIndexAndErrorMessage] = UNSET,
        error_message: str | None = None,
        current_leader: LeaderIdAndEpoch = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.index = index
        self.error_code = error_code
        self.base_offset = base_offset
        self.log_append_time_ms = log_append_time_ms
        self.log_start_offset = log_start_offset
        self.record_errors = [] if record_errors is UNSET else record_errors
        self.error_message = error_message
        self.current_leader = LeaderIdAndEpoch() if current_leader is UNSET else current_leader
        self.unknown_tagged_fields = unknown_tagged_fields


class TopicProduceResponse(Struct):
    __slots__ = (
        "name",
        "topic_id",
        "partition_responses",
    )

    name: str  # Topic name. (v3-12, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v13+, dropped elsewhere)
    partition_responses: list[PartitionProduceResponse]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        topic_id: UUID = ZERO_UUID,
        partition_responses: list[PartitionProduceResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.partition_responses = [] if partition_responses is UNSET else partition_responses
        self.unknown_tagged_fields = unknown_tagged_fields


class NodeEndpoint(Struct):
    __slots__ = (
        "node_id",
        "host",
        "port",
        "rack",
    )

    node_id: int  # Broker id.
    host: str  # Host name or address.
    port: int  # TCP port.
    rack: str | None  # Rack of the broker; null when none is set.

    def __init__(
        self,
        *,
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.node_id = node_id
        self.host = host
        self.port = port
        self.rack = rack
        self.unknown_tagged_fields = unknown_tagged_fields


class ProduceResponse(Struct):
    __slots__ = (
        "responses",
        "throttle_time_ms",
        "node_endpoints",
    )

    responses: list[TopicProduceResponse]  # One entry a topic.
    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    node_endpoints: list[NodeEndpoint]  # Addresses of the leaders named above (KIP-951). (v10+, refused elsewhere)

    def __init__(
        self,
        *,
        responses: list[TopicProduceResponse] = UNSET,
        throttle_time_ms: int = 0,
        node_endpoints: list[NodeEndpoint] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.responses = [] if responses is UNSET else responses
        self.throttle_time_ms = throttle_time_ms
        self.node_endpoints = [] if node_endpoints is UNSET else node_endpoints
        self.unknown_tagged_fields = unknown_tagged_fields
