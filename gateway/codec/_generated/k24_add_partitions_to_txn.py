# Written by `python -m sprawl.gateway.codec.generate` from schemas/k24_add_partitions_to_txn.kafka; do not edit.
"""AddPartitionsToTxn (key 24), versions 0-5.

Enters partitions into a transaction.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class AddPartitionsToTxnTopic(Struct):
    __slots__ = (
        "name",
        "partitions",
    )

    name: str  # Topic name.
    partitions: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        name: str = "",
        partitions: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnTransaction(Struct):
    __slots__ = (
        "transactional_id",
        "producer_id",
        "producer_epoch",
        "verify_only",
        "topics",
    )

    transactional_id: str  # Transactional id.
    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    verify_only: bool  # Only check that the partitions are in the transaction already.
    topics: list[AddPartitionsToTxnTopic]  # One entry a topic.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        verify_only: bool = False,
        topics: list[AddPartitionsToTxnTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.verify_only = verify_only
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnRequest(Struct):
    __slots__ = (
        "transactions",
        "v3_and_below_transactional_id",
        "v3_and_below_producer_id",
        "v3_and_below_producer_epoch",
        "v3_and_below_topics",
    )

    transactions: list[AddPartitionsToTxnTransaction]  # One entry a transaction. (v4+, refused elsewhere)
    v3_and_below_transactional_id: str  # Transactional id, in the form before batches of transactions. (v0-3, refused elsewhere)
    v3_and_below_producer_id: int  # Producer id, in the form before batches of transactions. (v0-3, refused elsewhere)
    v3_and_below_producer_epoch: int  # Producer epoch, in the form before batches of transactions. (v0-3, refused elsewhere)
    v3_and_below_topics: list[AddPartitionsToTxnTopic]  # Partitions to enter, in the form before batches of transactions. (v0-3, refused elsewhere)

    def __init__(
        self,
        *,
        transactions: list[AddPartitionsToTxnTransaction] = UNSET,
        v3_and_below_transactional_id: str = "",
        v3_and_below_producer_id: int = 0,
        v3_and_below_producer_epoch: int = 0,
        v3_and_below_topics: list[AddPartitionsToTxnTopic] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactions = [] if transactions is UNSET else transactions
        self.v3_and_below_transactional_id = v3_and_below_transactional_id
        self.v3_and_below_producer_id = v3_and_below_producer_id
        self.v3_and_below_producer_epoch = v3_and_below_producer_epoch
        self.v3_and_below_topics = [] if v3_and_below_topics is UNSET else v3_and_below_topics
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnPartitionResult(Struct):
    __slots__ = (
        "partition_index",
        "partition_error_code",
    )

    partition_index: int  # Partition number.
    partition_error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        partition_index: int = 0,
        partition_error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.partition_index = partition_index
        self.partition_error_code = partition_error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnTopicResult(Struct):
    __slots__ = (
        "name",
        "results_by_partition",
    )

    name: str  # Topic name.
    results_by_partition: list[AddPartitionsToTxnPartitionResult]  # One entry a partition.

    def __init__(
        self,
        *,
        name: str = "",
        results_by_partition: list[AddPartitionsToTxnPartitionResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.results_by_partition = [] if results_by_partition is UNSET else results_by_partition
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnResult(Struct):
    __slots__ = (
        "transactional_id",
        "topic_results",
    )

    transactional_id: str  # Transactional id.
    topic_results: list[AddPartitionsToTxnTopicResult]  # One entry a topic.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        topic_results: list[AddPartitionsToTxnTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.topic_results = [] if topic_results is UNSET else topic_results
        self.unknown_tagged_fields = unknown_tagged_fields


class AddPartitionsToTxnResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "results_by_transaction",
        "results_by_topic_v3_and_below",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none. (v4+, dropped elsewhere)
    results_by_transaction: list[AddPartitionsToTxnResult]  # One entry a transaction. (v4+, refused elsewhere)
    results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult]  # One entry a topic, in the form before batches of transactions. (v0-3, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        results_by_transaction: list[AddPartitionsToTxnResult] = UNSET,
        results_by_topic_v3_and_below: list[AddPartitionsToTxnTopicResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.results_by_transaction = [] if results_by_transaction is UNSET else results_by_transaction
        self.results_by_topic_v3_and_below = [] if results_by_topic_v3_and_below is UNSET else results_by_topic_v3_and_below
        self.unknown_tagged_fields = unknown_tagged_fields
