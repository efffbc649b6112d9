# Written by `python -m sprawl.gateway.codec.generate` from schemas/k75_describe_topic_partitions.kafka; do not edit.
"""DescribeTopicPartitions (key 75), versions 0-0.

Topics and their partitions, page by page (KIP-966).
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class TopicRequest(Struct):
    __slots__ = (
        "name",
    )

    name: str  # Topic name.

    def __init__(
        self,
        *,
        name: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.unknown_tagged_fields = unknown_tagged_fields


class RequestCursor(Struct):
    __slots__ = (
        "topic_name",
        "partition_index",
    )

    topic_name: str  # First topic to describe.
    partition_index: int  # First partition of that topic.

    def __init__(
        self,
        *,
        topic_name: str = "",
        partition_index: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeTopicPartitionsRequest(Struct):
    __slots__ = (
        "topics",
        "response_partition_limit",
        "cursor",
    )

    topics: list[TopicRequest]  # Topics to describe; empty for all.
    response_partition_limit: int  # Most partitions that the answer may hold.
    cursor: RequestCursor | None  # Where to go on; null to start.

    def __init__(
        self,
        *,
        topics: list[TopicRequest] = UNSET,
        response_partition_limit: int = 2000,
        cursor: RequestCursor | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.response_partition_limit = response_partition_limit
        self.cursor = cursor
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeTopicPartitionsResponsePartition(Struct):
    __slots__ = (
        "error_code",
        "partition_index",
        "leader_id",
        "leader_epoch",
        "replica_nodes",
        "isr_nodes",
        "eligible_leader_replicas",
        "last_known_elr",
        "offline_replicas",
    )

    error_code: int  # Error code; 0 for none.
    partition_index: int  # Partition number.
    leader_id: int  # Node id of the leader.
    leader_epoch: int  # Leader epoch; -1 when unknown.
    replica_nodes: list[int]  # Nodes that hold the partition.
    isr_nodes: list[int]  # Nodes in sync with the leader.
    eligible_leader_replicas: list[int] | None  # Nodes out of sync that may lead without loss.
    last_known_elr: list[int] | None  # The last of those known.
    offline_replicas: list[int]  # Nodes whose replica is down.

    def __init__(
        self,
        *,
        error_code: int = 0,
        partition_index: int = 0,
        leader_id: int = 0,
        leader_epoch: int = -1,
        replica_nodes: list[int] = UNSET,
        isr_nodes: list[int] = UNSET,
        eligible_leader_replicas: list[int] | None = None,
        last_known_elr: list[int] | None = None,
        offline_replicas: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.partition_index = partition_index
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.replica_nodes = [] if replica_nodes is UNSET else replica_nodes
        self.isr_nodes = [] if isr_nodes is UNSET else isr_nodes
        self.eligible_leader_replicas = eligible_leader_replicas
        self.last_known_elr = last_known_elr
        self.offline_replicas = [] if offline_replicas is UNSET else offline_replicas
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeTopicPartitionsResponseTopic(Struct):
    __slots__ = (
        "error_code",
        "name",
        "topic_id",
        "is_internal",
        "partitions",
        "topic_authorized_operations",
    )

    error_code: int  # Error code; 0 for none.
    name: str | None  # Topic name.
    topic_id: UUID  # Topic id.
    is_internal: bool  # Whether Kafka itself uses the topic.
    partitions: list[DescribeTopicPartitionsResponsePartition]  # One entry a partition.
    topic_authorized_operations: int  # Bit field of what the client may do; the minimum when not told.

    def __init__(
        self,
        *,
        error_code: int = 0,
        name: str | None = "",
        topic_id: UUID = ZERO_UUID,
        is_internal: bool = False,
        partitions: list[DescribeTopicPartitionsResponsePartition] = UNSET,
        topic_authorized_operations: int = -2147483648,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.name = name
        self.topic_id = topic_id
        self.is_internal = is_internal
        self.partitions = [] if partitions is UNSET else partitions
        self.topic_authorized_operations = topic_authorized_operations
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponseCursor(Struct):
    __slots__ = (
        "topic_name",
        "partition_index",
    )

    topic_name: str  # First topic to describe.
    partition_index: int  # First partition of that topic.

    def __init__(
        self,
        *,
        topic_name: str = "",
        partition_index: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeTopicPartitionsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "topics",
        "next_cursor",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    topics: list[DescribeTopicPartitionsResponseTopic]  # One entry a topic.
    next_cursor: ResponseCursor | None  # Where the next page starts; null at the end.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        topics: list[DescribeTopicPartitionsResponseTopic] = UNSET,
        next_cursor: ResponseCursor | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics = [] if topics is UNSET else topics
        self.next_cursor = next_cursor
        self.unknown_tagged_fields = unknown_tagged_fields
