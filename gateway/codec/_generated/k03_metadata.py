# Written by `python -m sprawl.gateway.codec.generate` from schemas/k03_metadata.kafka; do not edit.
"""Metadata (key 3), versions 0-13.

Tells which brokers there are, and which of them leads each partition.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Struct


class MetadataRequestTopic(Struct):
    __slots__ = (
        "topic_id",
        "name",
    )

    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    name: str | None  # Topic name; null when the id is used.

    def __init__(
        self,
        *,
        topic_id: UUID = ZERO_UUID,
        name: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic_id = topic_id
        self.name = name
        self.unknown_tagged_fields = unknown_tagged_fields


class MetadataRequest(Struct):
    __slots__ = (
        "topics",
        "allow_auto_topic_creation",
        "include_cluster_authorized_operations",
        "include_topic_authorized_operations",
    )

    topics: list[MetadataRequestTopic] | None  # Topics to tell about; null for all (version 0: empty for all).
    allow_auto_topic_creation: bool  # Create topics that do not exist, if the broker is set to. (v4+, refused elsewhere)
    include_cluster_authorized_operations: bool  # Also tell what the caller may do with the cluster. (v8-10, refused elsewhere)
    include_topic_authorized_operations: bool  # Also tell what the caller may do with each topic. (v8+, refused elsewhere)

    def __init__(
        self,
        *,
        topics: list[MetadataRequestTopic] | None = UNSET,
        allow_auto_topic_creation: bool = True,
        include_cluster_authorized_operations: bool = False,
        include_topic_authorized_operations: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topics = [] if topics is UNSET else topics
        self.allow_auto_topic_creation = allow_auto_topic_creation
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.include_topic_authorized_operations = include_topic_authorized_operations
        self.unknown_tagged_fields = unknown_tagged_fields


class MetadataResponseBroker(Struct):
    __slots__ = (
        "node_id",
        "host",
        "port",
        "rack",
    )

    node_id: int  # Broker id.
    host: str  # Host name or address.
    port: int  # TCP port.
    rack: str | None  # Rack of the broker; null when none is set. (v1+, dropped elsewhere)

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


class MetadataResponsePartition(Struct):
    __slots__ = (
        "error_code",
        "partition_index",
        "leader_id",
        "leader_epoch",
        "replica_nodes",
        "isr_nodes",
        "offline_replicas",
    )

    error_code: int  # Error code; 0 for none.
    partition_index: int  # Partition number.
    leader_id: int  # Broker that leads; -1 when there is none or it is unknown.
    leader_epoch: int  # Leader epoch; -1 when unknown. (v7+, dropped elsewhere)
    replica_nodes: list[int]  # Brokers that hold the partition.
    isr_nodes: list[int]  # Those of them that are in sync.
    offline_replicas: list[int]  # Those of them that are not reachable. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        partition_index: int = 0,
        leader_id: int = 0,
        leader_epoch: int = -1,
        replica_nodes: list[int] = UNSET,
        isr_nodes: list[int] = UNSET,
        offline_replicas: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.partition_index = partition_index
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.replica_nodes = [] if replica_nodes is UNSET else replica_nodes
        self.isr_nodes = [] if isr_nodes is UNSET else isr_nodes
        self.offline_replicas = [] if offline_replicas is UNSET else offline_replicas
        self.unknown_tagged_fields = unknown_tagged_fields


class MetadataResponseTopic(Struct):
    __slots__ = (
        "error_code",
        "name",
        "topic_id",
        "is_internal",
        "partitions",
        "topic_authorized_operations",
    )

    error_code: int  # Error code; 0 for none.
    name: str | None  # Topic name; null when the id is unknown.
    topic_id: UUID  # Topic id; all zeros when the name is used. (v10+, dropped elsewhere)
    is_internal: bool  # Whether the topic belongs to the broker itself. (v1+, dropped elsewhere)
    partitions: list[MetadataResponsePartition]  # One entry a partition.
    topic_authorized_operations: int  # Bit field of what the caller may do with the topic; the lowest int32 when not asked. (v8+, refused elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        name: str | None = "",
        topic_id: UUID = ZERO_UUID,
        is_internal: bool = False,
        partitions: list[MetadataResponsePartition] = UNSET,
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


class MetadataResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "brokers",
        "cluster_id",
        "controller_id",
        "topics",
        "cluster_authorized_operations",
        "error_code",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v3+, dropped elsewhere)
    brokers: list[MetadataResponseBroker]  # The brokers.
    cluster_id: str | None  # Cluster id; null when unknown. (v2+, dropped elsewhere)
    controller_id: int  # Broker that takes controller requests; -1 when unknown. (v1+, dropped elsewhere)
    topics: list[MetadataResponseTopic]  # One entry a topic.
    cluster_authorized_operations: int  # Bit field of what the caller may do with the cluster; the lowest int32 when not asked. (v8-10, refused elsewhere)
    error_code: int  # Error code; 0 for none. (v13+, dropped elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        brokers: list[MetadataResponseBroker] = UNSET,
        cluster_id: str | None = None,
        controller_id: int = -1,
        topics: list[MetadataResponseTopic] = UNSET,
        cluster_authorized_operations: int = -2147483648,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.brokers = [] if brokers is UNSET else brokers
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.topics = [] if topics is UNSET else topics
        self.cluster_authorized_operations = cluster_authorized_operations
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields
