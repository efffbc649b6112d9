# Written by `python -m sprawl.gateway.codec.generate` from schemas/k26_end_txn.kafka; do not edit.
"""EndTxn (key 26), versions 0-5."""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class EndTxnRequest(Struct):
    __slots__ = ("transactional_id", "producer_id", "producer_epoch", "committed",)

    transactional_id: str
    producer_id: int
    producer_epoch: int
    committed: bool

    def __init__(
        self,
        *,
        transactional_id: str = '',
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
    __slots__ = ("throttle_time_ms", "error_code", "producer_id", "producer_epoch",)

    throttle_time_ms: int
    error_code: int
    producer_id: int
    producer_epoch: int

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
