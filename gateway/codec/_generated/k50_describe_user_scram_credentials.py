# Written by `python -m sprawl.gateway.codec.generate` from schemas/k50_describe_user_scram_credentials.kafka; do not edit.
"""DescribeUserScramCredentials (key 50), versions 0-0.

Which SCRAM credentials users have, without their secrets (KIP-554).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class UserName(Struct):
    __slots__ = (
        "name",
    )

    name: str  # User name.

    def __init__(
        self,
        *,
        name: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeUserScramCredentialsRequest(Struct):
    __slots__ = (
        "users",
    )

    users: list[UserName] | None  # Users to describe; null or empty for all.

    def __init__(
        self,
        *,
        users: list[UserName] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.users = [] if users is UNSET else users
        self.unknown_tagged_fields = unknown_tagged_fields


class CredentialInfo(Struct):
    __slots__ = (
        "mechanism",
        "iterations",
    )

    mechanism: int  # SCRAM mechanism: 1 for SHA-256, 2 for SHA-512.
    iterations: int  # Rounds of the key derivation.

    def __init__(
        self,
        *,
        mechanism: int = 0,
        iterations: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.mechanism = mechanism
        self.iterations = iterations
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeUserScramCredentialsResult(Struct):
    __slots__ = (
        "user",
        "error_code",
        "error_message",
        "credential_infos",
    )

    user: str  # User name.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    credential_infos: list[CredentialInfo]  # Credentials of the user.

    def __init__(
        self,
        *,
        user: str = "",
        error_code: int = 0,
        error_message: str | None = "",
        credential_infos: list[CredentialInfo] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.user = user
        self.error_code = error_code
        self.error_message = error_message
        self.credential_infos = [] if credential_infos is UNSET else credential_infos
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeUserScramCredentialsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    results: list[DescribeUserScramCredentialsResult]  # One entry a user.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        results: list[DescribeUserScramCredentialsResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
