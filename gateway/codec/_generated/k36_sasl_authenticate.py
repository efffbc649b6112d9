# Written by `python -m sprawl.gateway.codec.generate` from schemas/k36_sasl_authenticate.kafka; do not edit.
"""SaslAuthenticate (key 36), versions 0-2.

Carries the tokens of a SASL exchange.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class SaslAuthenticateRequest(Struct):
    __slots__ = (
        "auth_bytes",
    )

    auth_bytes: bytes  # Token of the SASL mechanism.

    def __init__(
        self,
        *,
        auth_bytes: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.auth_bytes = auth_bytes
        self.unknown_tagged_fields = unknown_tagged_fields


class SaslAuthenticateResponse(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "auth_bytes",
        "session_lifetime_ms",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    auth_bytes: bytes  # Token of the SASL mechanism.
    session_lifetime_ms: int  # Milliseconds until the client must authenticate again; 0 for never. (v1+, dropped elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        auth_bytes: bytes = b"",
        session_lifetime_ms: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.auth_bytes = auth_bytes
        self.session_lifetime_ms = session_lifetime_ms
        self.unknown_tagged_fields = unknown_tagged_fields
