# Written by `python -m sprawl.gateway.codec.generate` from schemas/k49_alter_client_quotas.kafka; do not edit.
"""AlterClientQuotas (key 49), versions 0-1.

Changes quotas (KIP-546).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class RequestEntityData(Struct):
    __slots__ = (
        "entity_type",
        "entity_name",
    )

    entity_type: str  # user, client-id or ip.
    entity_name: str | None  # Name of the entity; null for the default of its type.

    def __init__(
        self,
        *,
        entity_type: str = "",
        entity_name: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name
        self.unknown_tagged_fields = unknown_tagged_fields


class OpData(Struct):
    __slots__ = (
        "key",
        "value",
        "remove",
    )

    key: str  # Name of the quota.
    value: float  # The quota to set.
    remove: bool  # Remove the quota instead of setting it.

    def __init__(
        self,
        *,
        key: str = "",
        value: float = 0.0,
        remove: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.remove = remove
        self.unknown_tagged_fields = unknown_tagged_fields


class RequestEntryData(Struct):
    __slots__ = (
        "entity",
        "ops",
    )

    entity: list[RequestEntityData]  # What the quota is for, one part an entry.
    ops: list[OpData]  # Changes to its quotas.

    def __init__(
        self,
        *,
        entity: list[RequestEntityData] = UNSET,
        ops: list[OpData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity = [] if entity is UNSET else entity
        self.ops = [] if ops is UNSET else ops
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterClientQuotasRequest(Struct):
    __slots__ = (
        "entries",
        "validate_only",
    )

    entries: list[RequestEntryData]  # One entry an entity.
    validate_only: bool  # Check the request and change nothing.

    def __init__(
        self,
        *,
        entries: list[RequestEntryData] = UNSET,
        validate_only: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entries = [] if entries is UNSET else entries
        self.validate_only = validate_only
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponseEntityData(Struct):
    __slots__ = (
        "entity_type",
        "entity_name",
    )

    entity_type: str  # user, client-id or ip.
    entity_name: str | None  # Name of the entity; null for the default of its type.

    def __init__(
        self,
        *,
        entity_type: str = "",
        entity_name: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponseEntryData(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "entity",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    entity: list[ResponseEntityData]  # What the quota is for, one part an entry.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        entity: list[ResponseEntityData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.entity = [] if entity is UNSET else entity
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterClientQuotasResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "entries",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    entries: list[ResponseEntryData]  # One entry an entity.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        entries: list[ResponseEntryData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.entries = [] if entries is UNSET else entries
        self.unknown_tagged_fields = unknown_tagged_fields
