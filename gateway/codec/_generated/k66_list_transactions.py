# Written by `python -m sprawl.gateway.codec.generate` from schemas/k66_list_transactions.kafka; do not edit.
"""ListTransactions (key 66), versions 0-2.

Transactions that this broker coordinates (KIP-664).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ListTransactionsRequest(Struct):
    __slots__ = (
        "state_filters",
        "producer_id_filters",
        "duration_filter",
        "transactional_id_pattern",
    )

    state_filters: list[str]  # States to list; empty for all.
    producer_id_filters: list[int]  # Producer ids to list; empty for all.
    duration_filter: int  # Only transactions older than this many milliseconds; negative for all. (v1+, refused elsewhere)
    transactional_id_pattern: str | None  # Regular expression over transactional ids; null or empty for all. (v2+, refused elsewhere)

    def __init__(
        self,
        *,
        state_filters: list[str] = UNSET,
        producer_id_filters: list[int] = UNSET,
        duration_filter: int = -1,
        transactional_id_pattern: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.state_filters = [] if state_filters is UNSET else state_filters
        self.producer_id_filters = [] if producer_id_filters is UNSET else producer_id_filters
        self.duration_filter = duration_filter
        self.transactional_id_pattern = transactional_id_pattern
        self.unknown_tagged_fields = unknown_tagged_fields


class TransactionState(Struct):
    __slots__ = (
        "transactional_id",
        "producer_id",
        "transaction_state",
    )

    transactional_id: str  # Transactional id.
    producer_id: int  # Producer id.
    transaction_state: str  # Name of the state.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        producer_id: int = 0,
        transaction_state: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.transaction_state = transaction_state
        self.unknown_tagged_fields = unknown_tagged_fields


class ListTransactionsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "unknown_state_filters",
        "transaction_states",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    unknown_state_filters: list[str]  # Names among the filters that are no state.
    transaction_states: list[TransactionState]  # One entry a transaction.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        unknown_state_filters: list[str] = UNSET,
        transaction_states: list[TransactionState] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.unknown_state_filters = [] if unknown_state_filters is UNSET else unknown_state_filters
        self.transaction_states = [] if transaction_states is UNSET else transaction_states
        self.unknown_tagged_fields = unknown_tagged_fields
