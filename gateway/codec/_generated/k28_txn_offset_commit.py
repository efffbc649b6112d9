# Written by `python -m sprawl.gateway.codec.generate` from schemas/k28_txn_offset_commit.kafka; do not edit.
"""TxnOffsetCommit (key 28), versions 0-5.

Stores a group's offsets as part of a transaction.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class TxnOffsetCommitRequestPartition(Struct):
    __slots__ = (
        "partition_index",
        "committed_offset",
        "committed_leader_epoch",
        "committed_metadata",
    )

    partition_index: int  # Partition number.
    committed_offset: int  # Offset of the next record to read.
    committed_leader_epoch: int  # Leader epoch of the last record that was read; -1 when unknown. (v2+, dropped elsewhere)
    committed_metadata: str | None  # Free text kept beside the offset.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        committed_metadata: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.committed_metadata = committed_metadata
        self.unknown_tagged_fields = unknown_tagged_fields


class TxnOffsetCommitRequestTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[TxnOffsetCommitRequestPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[TxnOffsetCommitRequestPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class TxnOffsetCommitRequest(Struct):
    __slots__ = (
        "transactional_id",
        "group_id",
        "producer_id",
        "producer_epoch",
        "generation_id",
        "member_id",
        "group_instance_id",
        "topics",
    )

    transactional_id: str  # Transactional id.
    group_id: str  # Group id.
    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    generation_id: int  # Generation of the group that the member knows; -1 outside a group. (v3+, refused elsewhere)
    member_id: str  # Id that the coordinator gave the member; empty outside a group. (v3+, refused elsewhere)
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v3+, refused elsewhere)
    topics: list[TxnOffsetCommitRequestTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        group_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        generation_id: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,
        topics: list[TxnOffsetCommitRequestTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.group_id = group_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class TxnOffsetCommitResponsePartition(Struct):
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


class TxnOffsetCommitResponseTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[TxnOffsetCommitResponsePartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[TxnOffsetCommitResponsePartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class TxnOffsetCommitResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[TxnOffsetCommitResponseTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[TxnOffsetCommitResponseTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
