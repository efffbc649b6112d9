# Written by `python -m sprawl.gateway.codec.generate` from schemas/k27_write_txn_markers.kafka; do not edit.
"""WriteTxnMarkers (key 27), versions 1-2.

Writes the commit or abort markers of transactions into partitions.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class WritableTxnMarkerTopic(Struct):
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


class WritableTxnMarker(Struct):
    __slots__ = (
        "producer_id",
        "producer_epoch",
        "transaction_result",
        "topics",
        "coordinator_epoch",
        "transaction_version",
    )

    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    transaction_result: bool  # Commit when true, abort when false.
    topics: list[WritableTxnMarkerTopic]  # One entry a topic.
    coordinator_epoch: int  # Epoch of the coordinator that sends this, to fence an older one.
    transaction_version: int  # Transaction protocol that the markers follow. (v2+, dropped elsewhere)

    def __init__(
        self,
        *,
        producer_id: int = 0,
        producer_epoch: int = 0,
        transaction_result: bool = False,
        topics: list[WritableTxnMarkerTopic] = UNSET,
        coordinator_epoch: int = 0,
        transaction_version: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.transaction_result = transaction_result
        self.topics = [] if topics is UNSET else topics
        self.coordinator_epoch = coordinator_epoch
        self.transaction_version = transaction_version
        self.unknown_tagged_fields = unknown_tagged_fields


class WriteTxnMarkersRequest(Struct):
    __slots__ = (
        "markers",
    )

    markers: list[WritableTxnMarker]  # One entry a producer.

    def __init__(
        self,
        *,
        markers: list[WritableTxnMarker] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.markers = [] if markers is UNSET else markers
        self.unknown_tagged_fields = unknown_tagged_fields


class WritableTxnMarkerPartitionResult(Struct):
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


class WritableTxnMarkerTopicResult(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[WritableTxnMarkerPartitionResult]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[WritableTxnMarkerPartitionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class WritableTxnMarkerResult(Struct):
    __slots__ = (
        "producer_id",
        "topics",
    )

    producer_id: int  # Producer id.
    topics: list[WritableTxnMarkerTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        producer_id: int = 0,
        topics: list[WritableTxnMarkerTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class WriteTxnMarkersResponse(Struct):
    __slots__ = (
        "markers",
    )

    markers: list[WritableTxnMarkerResult]  # One entry a producer.

    def __init__(
        self,
        *,
        markers: list[WritableTxnMarkerResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.markers = [] if markers is UNSET else markers
        self.unknown_tagged_fields = unknown_tagged_fields
