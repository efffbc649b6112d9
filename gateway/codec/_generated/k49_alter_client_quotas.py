# Written by `python -m sprawl.gateway.codec.generate` from schemas/k49_alter_client_quotas.kafka; do not edit.
"""AlterClientQuotas (key 49), versions 0-1."""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class RequestEntityData(Struct):
    __slots__ = ("entity_type", "entity_name",)

    entity_type: str
    entity_name: str | None

    def __init__(
        self,
        *,
        entity_type: str = '',
        entity_name: str | None = '',
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name
        self.unknown_tagged_fields = unknown_tagged_fields


class OpData(Struct):
    __slots__ = ("key", "value", "remove",)

    key: str
    value: float
    remove: bool

    def __init__(
        self,
        *,
        key: str = '',
        value: float = 0.0,
        remove: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.remove = remove
        self.unknown_tagged_fields = unknown_tagged_fields


class RequestEntryData(Struct):
    __slots__ = ("entity", "ops",)

    entity: list[RequestEntityData]
    ops: list[OpData]

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
    __slots__ = ("entries", "validate_only",)

    entries: list[RequestEntryData]
    validate_only: bool

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
    __slots__ = ("entity_type", "entity_name",)

    entity_type: str
    entity_name: str | None

    def __init__(
        self,
        *,
        entity_type: str = '',
        entity_name: str | None = '',
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name
        self.unknown_tagged_fields = unknown_tagged_fields


class ResponseEntryData(Struct):
    __slots__ = ("error_code", "error_message", "entity",)

    error_code: int
    error_message: str | None
    entity: list[ResponseEntityData]

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = '',
        entity: list[ResponseEntityData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.entity = [] if entity is UNSET else entity
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterClientQuotasResponse(Struct):
    __slots__ = ("throttle_time_ms", "entries",)

    throttle_time_ms: int
    entries: list[ResponseEntryData]

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
