# Written by `python -m sprawl.gateway.codec.generate` from schemas/k48_describe_client_quotas.kafka; do not edit.
"""DescribeClientQuotas (key 48), versions 0-1.

Quotas that match a filter (KIP-546).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ComponentData(Struct):
    __slots__ = (
        "entity_type",
        "match_type",
        "match",
    )

    entity_type: str  # user, client-id or ip.
    match_type: int  # 0 this name, 1 the default, 2 any name.
    match: str | None  # Name to match, for match type 0.

    def __init__(
        self,
        *,
        entity_type: str = "",
        match_type: int = 0,
        match: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.match_type = match_type
        self.match = match
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeClientQuotasRequest(Struct):
    __slots__ = (
        "components",
        "strict",
    )

    components: list[ComponentData]  # What the entity of a quota must match.
    strict: bool  # Leave out quotas that have parts which the filter does not name.

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


class ValueData(Struct):
    __slots__ = (
        "key",
        "value",
    )

    key: str  # Name of the quota.
    value: float  # The quota.

    def __init__(
        self,
        *,
        key: str = "",
        value: float = 0.0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.unknown_tagged_fields = unknown_tagged_fields


class EntryData(Struct):
    __slots__ = (
        "entity",
        "values",
    )

    entity: list[EntityData]  # What the quota is for, one part an entry.
    values: list[ValueData]  # Quotas of the entity.

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
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "entries",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    entries: list[EntryData] | None  # One entry an entity; null on an error.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        entries: list[EntryData] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.entries = [] if entries is UNSET else entries
        self.unknown_tagged_fields = unknown_tagged_fields
