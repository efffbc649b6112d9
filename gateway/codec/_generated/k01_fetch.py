# Written by `python -m sprawl.gateway.codec.generate` from schemas/k01_fetch.kafka; do not edit.
"""Fetch (key 1), versions 4-18.

Reads record batches from partitions, waiting for data if asked to.
"""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import UNSET, Records, Struct


class ReplicaState(Struct):
    __slots__ = (
        "replica_id",
        "replica_epoch",
    )

    replica_id: int  # Broker id of a follower; -1 for a consumer.
    replica_epoch: int  # Epoch of the follower; -1 when unknown.

    def __init__(
        self,
        *,
        replica_id: int = -1,
        replica_epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.replica_id = replica_id
        self.replica_epoch = replica_epoch
        self.unknown_tagged_fields = unknown_tagged_fields


class FetchPartition(Struct):
    __slots__ = (
        "partition",
        "current_leader_epoch",
        "fetch_offset",
        "last_fetched_epoch",
        "log_start_offset",
        "partition_max_bytes",
        "replica_directory_id",
        "high_watermark",
    )

    partition: int  # Partition number.
    current_leader_epoch: int  # Leader epoch that the client believes in, for fencing; -1 skips the check. (v9+, dropped elsewhere)
    fetch_offset: int  # Offset to read from.
    last_fetched_epoch: int  # Leader epoch of the last record read, to find a truncation; -1 when unknown. (v12+, refused elsewhere)
    log_start_offset: int  # First offset of the follower; -1 for a consumer. (v5+, dropped elsewhere)
    partition_max_bytes: int  # Bytes of records wanted of this partition; one batch may exceed it (KIP-74).
    replica_directory_id: UUID  # Data directory of the follower; all zeros for a consumer. (v17+, dropped elsewhere)
    high_watermark: int  # High watermark that the follower knows; the largest int64 when it says none. (v18+, dropped elsewhere)

    def __init__(
        self,
        *,
        partition: int = 0,
        current_leader_epoch: int = -1,
        fetch_offset: int = 0,
        last_fetched_epoch: int = -1,
        log_start_offset: int = -1,
        partition_max_bytes: int = 0,
        replica_directory_id: UUID = ZERO_UUID,
        high_watermark: int = 9223372036854775807,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.fetch_offset = fetch_offset
        self.last_fetched_epoch = last_fetched_epoch
        self.log_start_offset = log_start_offset
        self.partition_max_bytes = partition_max_bytes
        self.replica_directory_id = replica_directory_id
        self.high_watermark = high_watermark
        self.unknown_tagged_fields = unknown_tagged_fields


class FetchTopic(Struct):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )

    topic: str  # Topic name. (v4-12, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v13+, dropped elsewhere)
    partitions: list[FetchPartition]  # One entry a partition.

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[FetchPartition] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class ForgottenTopic(Struct):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )

    topic: str  # Topic name. (v7-12, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v13+, dropped elsewhere)
    partitions: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class FetchRequest(Struct):
    __slots__ = (
        "cluster_id",
        "replica_id",
        "replica_state",
        "max_wait_ms",
        "min_bytes",
        "max_bytes",
        "isolation_level",
        "session_id",
        "session_epoch",
        "topics",
        "forgotten_topics_data",
        "rack_id",
    )

    cluster_id: str | None  # Cluster id that the follower believes in; null for a consumer. (v12+, dropped elsewhere)
    replica_id: int  # Broker id of a follower; -1 for a consumer. (v4-14, refused elsewhere)
    replica_state: ReplicaState  # Who the follower is; left at its default by consumers. (v15+, refused elsewhere)
    max_wait_ms: int  # Milliseconds to wait for min_bytes.
    min_bytes: int  # Answer as soon as this many bytes are there.
    max_bytes: int  # Bytes of records wanted in all; one batch may exceed it (KIP-74).
    isolation_level: int  # 0 reads everything, 1 only committed transactions.
    session_id: int  # Fetch session (KIP-227); 0 for none. (v7+, dropped elsewhere)
    session_epoch: int  # Count of requests in the session; 0 opens one, -1 closes it or works without. (v7+, dropped elsewhere)
    topics: list[FetchTopic]  # One entry a topic.
    forgotten_topics_data: list[ForgottenTopic]  # Partitions that leave the session. (v7+, refused elsewhere)
    rack_id: str  # Rack of the consumer, to find a near replica; empty for none. (v11+, dropped elsewhere)

    def __init__(
        self,
        *,
        cluster_id: str | None = None,
        replica_id: int = -1,
        replica_state: ReplicaState = UNSET,
        max_wait_ms: int = 0,
        min_bytes: int = 0,
        max_bytes: int = 2147483647,
        isolation_level: int = 0,
        session_id: int = 0,
        session_epoch: int = -1,
        topics: list[FetchTopic] = UNSET,
        forgotten_topics_data: list[ForgottenTopic] = UNSET,
        rack_id: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.cluster_id = cluster_id
        self.replica_id = replica_id
        self.replica_state = ReplicaState() if replica_state is UNSET else replica_state
        self.max_wait_ms = max_wait_ms
        self.min_bytes = min_bytes
        self.max_bytes = max_bytes
        self.isolation_level = isolation_level
        self.session_id = session_id
        self.session_epoch = session_epoch
        self.topics = [] if topics is UNSET else topics
        self.forgotten_topics_data = [] if forgotten_topics_data is UNSET else forgotten_topics_data
        self.rack_id = rack_id
        self.unknown_tagged_fields = unknown_tagged_fields


class EpochEndOffset(Struct):
    __slots__ = (
        "epoch",
        "end_offset",
    )

    epoch: int  # Leader epoch; -1 when unset.
    end_offset: int  # Offset after the last one of the epoch; -1 when unset.

    def __init__(
        self,
        *,
        epoch: int = -1,
        end_offset: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.epoch = epoch
        self.end_offset = end_offset
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


class SnapshotId(Struct):
    __slots__ = (
        "end_offset",
        "epoch",
    )

    end_offset: int  # Offset after the last one of the snapshot; -1 when unset.
    epoch: int  # Leader epoch of the snapshot; -1 when unset.

    def __init__(
        self,
        *,
        end_offset: int = -1,
        epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.end_offset = end_offset
        self.epoch = epoch
        self.unknown_tagged_fields = unknown_tagged_fields


class AbortedTransaction(Struct):
    __slots__ = (
        "producer_id",
        "first_offset",
    )

    producer_id: int  # Producer id.
    first_offset: int  # First offset of the transaction.

    def __init__(
        self,
        *,
        producer_id: int = 0,
        first_offset: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.first_offset = first_offset
        self.unknown_tagged_fields = unknown_tagged_fields


class PartitionData(Struct):
    __slots__ = (
        "partition_index",
        "error_code",
        "high_watermark",
        "last_stable_offset",
        "log_start_offset",
        "diverging_epoch",
        "current_leader",
        "snapshot_id",
        "aborted_transactions",
        "preferred_read_replica",
        "records",
    )

    partition_index: int  # Partition number.
    error_code: int  # Error code; 0 for none.
    high_watermark: int  # First offset that consumers cannot read yet.
    last_stable_offset: int  # First offset of the oldest open transaction, or the high watermark.
    log_start_offset: int  # First offset that the partition still has; -1 when unknown. (v5+, dropped elsewhere)
    diverging_epoch: EpochEndOffset  # Set when the reader's log went another way: where its epoch really ended. (v12+, refused elsewhere)
    current_leader: LeaderIdAndEpoch  # The leader to ask instead, when this broker is not it (KIP-951). (v12+, refused elsewhere)
    snapshot_id: SnapshotId  # Snapshot to fetch instead; metadata partition only. (v12+, refused elsewhere)
    aborted_transactions: list[AbortedTransaction] | None  # Transactions in the records to skip; null when everything was asked for.
    preferred_read_replica: int  # Broker that the consumer should read from; -1 for this one. (v11+, refused elsewhere)
    records: Records  # Record batches.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        error_code: int = 0,
        high_watermark: int = 0,
        last_stable_offset: int = -1,
        log_start_offset: int = -1,
        diverging_epoch: EpochEndOffset = UNSET,
        current_leader: LeaderIdAndEpoch = UNSET,
        snapshot_id: SnapshotId = UNSET,
        aborted_transactions: list[AbortedTransaction] | None = UNSET,
        preferred_read_replica: int = -1,
        records: Records = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.high_watermark = high_watermark
        self.last_stable_offset = last_stable_offset
        self.log_start_offset = log_start_offset
        self.diverging_epoch = EpochEndOffset() if diverging_epoch is UNSET else diverging_epoch
        self.current_leader = LeaderIdAndEpoch() if current_leader is UNSET else current_leader
        self.snapshot_id = SnapshotId() if snapshot_id is UNSET else snapshot_id
        self.aborted_transactions = [] if aborted_transactions is UNSET else aborted_transactions
        self.preferred_read_replica = preferred_read_replica
        self.records = records
        self.unknown_tagged_fields = unknown_tagged_fields


class FetchableTopicResponse(Struct):
    __slots__ = (
        "topic",
        "topic_id",
        "partitions",
    )

    topic: str  # Topic name. (v4-12, dropped elsewhere)
    topic_id: UUID  # Topic id; all zeros when the name is used. (v13+, dropped elsewhere)
    partitions: list[PartitionData]  # One entry a partition.

    def __init__(
        self,
        *,
        topic: str = "",
        topic_id: UUID = ZERO_UUID,
        partitions: list[PartitionData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions = [] if partitions is UNSET else partitions
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


class FetchResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "session_id",
        "responses",
        "node_endpoints",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none. (v7+, dropped elsewhere)
    session_id: int  # Fetch session (KIP-227); 0 for none. (v7+, refused elsewhere)
    responses: list[FetchableTopicResponse]  # One entry a topic.
    node_endpoints: list[NodeEndpoint]  # Addresses of the leaders named above (KIP-951). (v16+, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        session_id: int = 0,
        responses: list[FetchableTopicResponse] = UNSET,
        node_endpoints: list[NodeEndpoint] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.session_id = session_id
        self.responses = [] if responses is UNSET else responses
        self.node_endpoints = [] if node_endpoints is UNSET else node_endpoints
        self.unknown_tagged_fields = unknown_tagged_fields
