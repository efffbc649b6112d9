# Written by `python -m sprawl.gateway.codec.generate` from schemas/k02_list_offsets.kafka; do not edit.
"""ListOffsets (key 2), versions 1-11.

Finds the offset that belongs to a timestamp, or one end of a partition.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ListOffsetsPartition(Struct):
    __slots__ = (
        "partition_index",
        "current_leader_epoch",
        "timestamp",
    )

    partition_index: int  # Partition number.
    current_leader_epoch: int  # Leader epoch that the client believes in, for fencing; -1 skips the check. (v4+, dropped elsewhere)
    timestamp: int  # Milliseconds since the epoch, or a negative name of an end: -1 latest, -2 earliest.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        current_leader_epoch: int = -1,
        timestamp: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.current_leader_epoch = current_leader_epoch
        self.timestamp = timestamp
        self.unknown_tagged_fields = unknown_tagged_fields


class ListOffsetsTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[ListOffsetsPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[ListOffsetsPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class ListOffsetsRequest(Struct):
    __slots__ = (
        "replica_id",
        "isolation_level",
        "topics",
        "timeout_ms",
    )

    replica_id: int  # Broker id of a follower; -1 for a consumer.
    isolation_level: int  # 0 reads everything, 1 only committed transactions. (v2+, refused elsewhere)
    topics: list[ListOffsetsTopic]  # One entry a topic.
    timeout_ms: int  # Milliseconds to wait for an answer from remote storage. (v10+, dropped elsewhere)

    def __init__(
        self,
        *,
        replica_id: int = 0,
        isolation_level: int = 0,
        topics: list[ListOffsetsTopic] = UNSET,
        timeout_ms: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.replica_id = replica_id
        self.isolation_level = isolation_level
        self.topics = [] if topics is UNSET else topics
        self.timeout_ms = timeout_ms
        self.unknown_tagged_fields = unknown_tagged_fields


class ListOffsetsPartitionResponse(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
        "timestamp",
        "offset",
        "leader_epoch",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    timestamp: int  # Timestamp of the record at the offset; -1 when there is none.
    offset: int  # Offset that was found; -1 when there is none.
    leader_epoch: int  # Leader epoch; -1 when unknown. (v4+, refused elsewhere)

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        timestamp: int = -1,
        offset: int = -1,
        leader_epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.timestamp = timestamp
        self.offset = offset
        self.leader_epoch = leader_epoch
        self.unknown_tagged_fields = unknown_tagged_fields


class ListOffsetsTopicResponse(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[ListOffsetsPartitionResponse]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[ListOffsetsPartitionResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class ListOffsetsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v2+, dropped elsewhere)
    topics: list[ListOffsetsTopicResponse]  # One entry a topic.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[ListOffsetsTopicResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields
