# Written by `python -m sprawl.gateway.codec.generate` from schemas/k17_sasl_handshake.kafka; do not edit.
"""SaslHandshake (key 17), versions 0-1.

Picks the SASL mechanism of a connection.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class SaslHandshakeRequest(Struct):
    __slots__ = (
        "mechanism",
    )

    mechanism: str  # Mechanism that the client picks.

    def __init__(
        self,
        *,
        mechanism: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.mechanism = mechanism
        self.unknown_tagged_fields = unknown_tagged_fields


class SaslHandshakeResponse(Struct):
    __slots__ = (
        "error_code",
        "mechanisms",
    )

    error_code: int  # Error code; 0 for none.
    mechanisms: list[str]  # Mechanisms that the broker has.

    def __init__(
        self,
        *,
        error_code: int = 0,
        mechanisms: list[str] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.mechanisms = [] if mechanisms is UNSET else mechanisms
        self.unknown_tagged_fields = unknown_tagged_fields
