# Written by `python -m sprawl.gateway.codec.generate` from schemas/k25_add_offsets_to_txn.kafka; do not edit.
"""AddOffsetsToTxn (key 25), versions 0-4.

Enters a group's offsets into a transaction.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class AddOffsetsToTxnRequest(Struct):
    __slots__ = (
        "transactional_id",
        "producer_id",
        "producer_epoch",
        "group_id",
    )

    transactional_id: str  # Transactional id.
    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    group_id: str  # Group id.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        group_id: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.group_id = group_id
        self.unknown_tagged_fields = unknown_tagged_fields


class AddOffsetsToTxnResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields
