# Written by `python -m sprawl.gateway.codec.generate` from schemas/k64_unregister_broker.kafka; do not edit.
"""UnregisterBroker (key 64), versions 0-0.

Takes a broker that is gone for good out of the cluster (KIP-500).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class UnregisterBrokerRequest(Struct):
    __slots__ = (
        "broker_id",
    )

    broker_id: int  # Broker id.

    def __init__(
        self,
        *,
        broker_id: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.broker_id = broker_id
        self.unknown_tagged_fields = unknown_tagged_fields


class UnregisterBrokerResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields
