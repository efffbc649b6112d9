# Written by `python -m sprawl.gateway.codec.generate` from schemas/k55_describe_quorum.kafka; do not edit.
"""DescribeQuorum (key 55), versions 0-2.

State of the group of nodes that keeps the cluster's metadata (KIP-595).
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class RequestPartitionData(Struct):
    __slots__ = (
        "partition_index",
    )

    partition_index: int  # Partition number.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.unknown_tagged_fields = unknown_tagged_fields


class RequestTopicData(Struct):
    __slots__ = (
        "topic_name",
        "partitions",
    )

    topic_name: str  # Topic name.
    partitions: list[RequestPartitionData]  # One entry a partition.

    def __init__(
        self,
        *,
        topic_name: str = "",
        partitions: list[RequestPartitionData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_name = topic_name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeQuorumRequest(Struct):
    __slots__ = (
        "topics",
    )

    topics: list[RequestTopicData]  # Topics to describe.

    def __init__(
        self,
        *,
        topics: list[RequestTopicData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class ReplicaState(Struct):
    __slots__ = (
        "replica_id",
        "replica_directory_id",
        "log_end_offset",
        "last_fetch_timestamp",
        "last_caught_up_timestamp",
    )

    replica_id: int  # Node id of the replica.
    replica_directory_id: UUID  # Id of the replica's data directory. (v2+, refused elsewhere)
    log_end_offset: int  # End of its log as last known; -1 when unknown.
    last_fetch_timestamp: int  # When it last fetched, in ms since the epoch; -1 when unknown. (v1+, dropped elsewhere)
    last_caught_up_timestamp: int  # When it last had all there was, in ms since the epoch; -1 when unknown. (v1+, dropped elsewhere)

    def __init__(
        self,
        *,
        replica_id: int = 0,
        replica_directory_id: UUID = ZERO_UUID,
        log_end_offset: int = 0,
        last_fetch_timestamp: int = -1,
        last_caught_up_timestamp: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.replica_id = replica_id
        self.replica_directory_id = replica_directory_id
        self.log_end_offset = log_end_offset
        self.last_fetch_timestamp = last_fetch_timestamp
        self.last_caught_up_timestamp = last_caught_up_timestamp
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponsePartitionData(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
        "error_message",
        "leader_id",
        "leader_epoch",
        "high_watermark",
        "current_voters",
        "observers",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did. (v2+, dropped elsewhere)
    leader_id: int  # Node id of the leader; -1 when unknown.
    leader_epoch: int  # Epoch of that leader.
    high_watermark: int  # Offset up to which a majority has everything.
    current_voters: list[ReplicaState]  # Nodes that vote.
    observers: list[ReplicaState]  # Nodes that follow without a vote.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        leader_id: int = 0,
        leader_epoch: int = 0,
        high_watermark: int = 0,
        current_voters: list[ReplicaState] = UNSET,
        observers: list[ReplicaState] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.error_message = error_message
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.high_watermark = high_watermark
        self.current_voters = [] if current_voters is UNSET else current_voters
        self.observers = [] if observers is UNSET else observers
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponseTopicData(Struct):
    __slots__ = (
        "topic_name",
        "partitions",
    )

    topic_name: str  # Topic name.
    partitions: list[ResponsePartitionData]  # One entry a partition.

    def __init__(
        self,
        *,
        topic_name: str = "",
        partitions: list[ResponsePartitionData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_name = topic_name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class Listener(Struct):
    __slots__ = (
        "name",
        "host",
        "port",
    )

    name: str  # Listener name.
    host: str  # Host name or address.
    port: int  # Port.

    def __init__(
        self,
        *,
        name: str = "",
        host: str = "",
        port: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.unknown_tagged_fields = unknown_tagged_fields


class Node(Struct):
    __slots__ = (
        "node_id",
        "listeners",
    )

    node_id: int  # Node id.
    listeners: list[Listener]  # Where it listens.

    def __init__(
        self,
        *,
        node_id: int = 0,
        listeners: list[Listener] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.node_id = node_id
        self.listeners = [] if listeners is UNSET else listeners
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeQuorumResponse(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "topics",
        "nodes",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did. (v2+, dropped elsewhere)
    topics: list[ResponseTopicData]  # One entry a topic.
    nodes: list[Node]  # Addresses of the nodes. (v2+, refused elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        topics: list[ResponseTopicData] = UNSET,
        nodes: list[Node] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.topics = [] if topics is UNSET else topics
        self.nodes = [] if nodes is UNSET else nodes
        self.unknown_tagged_fields = unknown_tagged_fields
