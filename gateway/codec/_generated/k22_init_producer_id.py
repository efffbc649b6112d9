# Written by `python -m sprawl.gateway.codec.generate` from schemas/k22_init_producer_id.kafka; do not edit.
"""InitProducerId (key 22), versions 0-6.

Gives a producer its id and epoch, and fences its predecessor.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class InitProducerIdRequest(Struct):
    __slots__ = (
        "transactional_id",
        "transaction_timeout_ms",
        "producer_id",
        "producer_epoch",
        "enable2_pc",
        "keep_prepared_txn",
    )

    transactional_id: str | None  # Transactional id; null for a producer without transactions.
    transaction_timeout_ms: int  # Milliseconds a transaction may take before the coordinator aborts it.
    producer_id: int  # Producer id so far; -1 for a new one. (v3+, refused elsewhere)
    producer_epoch: int  # Producer epoch so far; -1 for a new one. (v3+, refused elsewhere)
    enable2_pc: bool  # Whether an outside coordinator decides (KIP-939). (v6+, refused elsewhere)
    keep_prepared_txn: bool  # Leave a prepared transaction as it is (KIP-939). (v6+, refused elsewhere)

    def __init__(
        self,
        *,
        transactional_id: str | None = "",
        transaction_timeout_ms: int = 0,
        producer_id: int = -1,
        producer_epoch: int = -1,
        enable2_pc: bool = False,
        keep_prepared_txn: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.transaction_timeout_ms = transaction_timeout_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.enable2_pc = enable2_pc
        self.keep_prepared_txn = keep_prepared_txn
        self.unknown_tagged_fields = unknown_tagged_fields


class InitProducerIdResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "producer_id",
        "producer_epoch",
        "ongoing_txn_producer_id",
        "ongoing_txn_producer_epoch",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    producer_id: int  # Producer id to use; -1 on an error.
    producer_epoch: int  # Producer epoch.
    ongoing_txn_producer_id: int  # Producer id of the transaction that was kept; -1 for none. (v6+, refused elsewhere)
    ongoing_txn_producer_epoch: int  # Producer epoch of the transaction that was kept; -1 for none. (v6+, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        producer_id: int = -1,
        producer_epoch: int = 0,
        ongoing_txn_producer_id: int = -1,
        ongoing_txn_producer_epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.ongoing_txn_producer_id = ongoing_txn_producer_id
        self.ongoing_txn_producer_epoch = ongoing_txn_producer_epoch
        self.unknown_tagged_fields = unknown_tagged_fields
