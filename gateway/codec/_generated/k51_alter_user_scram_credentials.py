# Written by `python -m sprawl.gateway.codec.generate` from schemas/k51_alter_user_scram_credentials.kafka; do not edit.
"""AlterUserScramCredentials (key 51), versions 0-0.

Sets and deletes SCRAM credentials (KIP-554).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ScramCredentialDeletion(Struct):
    __slots__ = (
        "name",
        "mechanism",
    )

    name: str  # User name.
    mechanism: int  # SCRAM mechanism: 1 for SHA-256, 2 for SHA-512.

    def __init__(
        self,
        *,
        name: str = "",
        mechanism: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.mechanism = mechanism
        self.unknown_tagged_fields = unknown_tagged_fields


class ScramCredentialUpsertion(Struct):
    __slots__ = (
        "name",
        "mechanism",
        "iterations",
        "salt",
        "salted_password",
    )

    name: str  # User name.
    mechanism: int  # SCRAM mechanism: 1 for SHA-256, 2 for SHA-512.
    iterations: int  # Rounds of the key derivation.
    salt: bytes  # Random salt, made by the client.
    salted_password: bytes  # Password after salt and iterations.

    def __init__(
        self,
        *,
        name: str = "",
        mechanism: int = 0,
        iterations: int = 0,
        salt: bytes = b"",
        salted_password: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.mechanism = mechanism
        self.iterations = iterations
        self.salt = salt
        self.salted_password = salted_password
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterUserScramCredentialsRequest(Struct):
    __slots__ = (
        "deletions",
        "upsertions",
    )

    deletions: list[ScramCredentialDeletion]  # Credentials to delete.
    upsertions: list[ScramCredentialUpsertion]  # Credentials to set.

    def __init__(
        self,
        *,
        deletions: list[ScramCredentialDeletion] = UNSET,
        upsertions: list[ScramCredentialUpsertion] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.deletions = [] if deletions is UNSET else deletions
        self.upsertions = [] if upsertions is UNSET else upsertions
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterUserScramCredentialsResult(Struct):
    __slots__ = (
        "user",
        "error_code",
        "error_message",
    )

    user: str  # User name.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        user: str = "",
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.user = user
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterUserScramCredentialsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[AlterUserScramCredentialsResult]  # One entry a user.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[AlterUserScramCredentialsResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
