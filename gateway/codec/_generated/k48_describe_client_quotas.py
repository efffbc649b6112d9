# Written by `python -m sprawl.gateway.codec.generate` from schemas/k48_describe_client_quotas.kafka; do not edit.
"""DescribeClientQuotas (key 48), versions 0-1."""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ComponentData(Struct):
    __slots__ = ("entity_type", "match_type", "match",)

    entity_type: str
    match_type: int
    match: str | None

    def __init__(
        self,
        *,
        entity_type: str = '',
        match_type: int = 0,
        match: str | None = '',
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.match_type = match_type
        self.match = match
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeClientQuotasRequest(Struct):
    __slots__ = ("components", "strict",)

    components: list[ComponentData]
    strict: bool

    def __init__(
        self,
        *,
        components: list[ComponentData] = UNSET,
        strict: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.components = [] if components is UNSET else components
        self.strict = strict
        self.unknown_tagged_fields = unknown_tagged_fields


class EntityData(Struct):
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


class ValueData(Struct):
    __slots__ = ("key", "value",)

    key: str
    value: float

    def __init__(
        self,
        *,
        key: str = '',
        value: float = 0.0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.unknown_tagged_fields = unknown_tagged_fields


class EntryData(Struct):
    __slots__ = ("entity", "values",)

    entity: list[EntityData]
    values: list[ValueData]

    def __init__(
        self,
        *,
        entity: list[EntityData] = UNSET,
        values: list[ValueData] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity = [] if entity is UNSET else entity
        self.values = [] if values is UNSET else values
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeClientQuotasResponse(Struct):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "entries",)

    throttle_time_ms: int
    error_code: int
    error_message: str | None
    entries: list[EntryData] | None

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = '',
        entries: list[EntryData] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.entries = [] if entries is UNSET else entries
        self.unknown_tagged_fields = unknown_tagged_fields
