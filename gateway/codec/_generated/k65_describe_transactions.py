# Written by `python -m sprawl.gateway.codec.generate` from schemas/k65_describe_transactions.kafka; do not edit.
"""DescribeTransactions (key 65), versions 0-0.

State of transactions by transactional id (KIP-664).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribeTransactionsRequest(Struct):
    __slots__ = (
        "transactional_ids",
    )

    transactional_ids: list[str]  # Transactions to describe.

    def __init__(
        self,
        *,
        transactional_ids: list[str] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_ids = [] if transactional_ids is UNSET else transactional_ids
        self.unknown_tagged_fields = unknown_tagged_fields


class TopicData(Struct):
    __slots__ = (
        "topic",
        "partitions",
    )

    topic: str  # Topic name.
    partitions: list[int]  # Partition numbers.

    def __init__(
        self,
        *,
        topic: str = "",
        partitions: list[int] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.topic = topic
        self.partitions = [] if partitions is UNSET else partitions
        self.unknown_tagged_fields = unknown_tagged_fields


class TransactionState(Struct):
    __slots__ = (
        "error_code",
        "transactional_id",
        "transaction_state",
        "transaction_timeout_ms",
        "transaction_start_time_ms",
        "producer_id",
        "producer_epoch",
        "topics",
    )

    error_code: int  # Error code; 0 for none.
    transactional_id: str  # Transactional id.
    transaction_state: str  # Name of the state.
    transaction_timeout_ms: int  # Milliseconds a transaction may take before the coordinator aborts it.
    transaction_start_time_ms: int  # When it began, milliseconds since the epoch; -1 when it has not.
    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    topics: list[TopicData]  # Partitions in the transaction.

    def __init__(
        self,
        *,
        error_code: int = 0,
        transactional_id: str = "",
        transaction_state: str = "",
        transaction_timeout_ms: int = 0,
        transaction_start_time_ms: int = 0,
        producer_id: int = 0,
        producer_epoch: int = 0,
        topics: list[TopicData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.transactional_id = transactional_id
        self.transaction_state = transaction_state
        self.transaction_timeout_ms = transaction_timeout_ms
        self.transaction_start_time_ms = transaction_start_time_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.topics = [] if topics is UNSET else topics
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeTransactionsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "transaction_states",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    transaction_states: list[TransactionState]  # One entry a transaction.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        transaction_states: list[TransactionState] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.transaction_states = [] if transaction_states is UNSET else transaction_states
        self.unknown_tagged_fields = unknown_tagged_fields
