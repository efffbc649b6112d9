# Written by `python -m sprawl.gateway.codec.generate` from schemas/k26_end_txn.kafka; do not edit.
"""EndTxn (key 26), versions 0-5.

Commits or aborts a transaction.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class EndTxnRequest(Struct):
    __slots__ = (
        "transactional_id",
        "producer_id",
        "producer_epoch",
        "committed",
    )

    transactional_id: str  # Transactional id.
    producer_id: int  # Producer id.
    producer_epoch: int  # Producer epoch.
    committed: bool  # Commit when true, abort when false.

    def __init__(
        self,
        *,
        transactional_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        committed: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.committed = committed
        self.unknown_tagged_fields = unknown_tagged_fields


class EndTxnResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "producer_id",
        "producer_epoch",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    producer_id: int  # Producer id to use from now on; -1 to keep the present one. (v5+, dropped elsewhere)
    producer_epoch: int  # Producer epoch to use from now on; -1 to keep the present one. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        producer_id: int = -1,
        producer_epoch: int = -1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.unknown_tagged_fields = unknown_tagged_fields
