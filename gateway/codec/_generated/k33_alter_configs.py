# Written by `python -m sprawl.gateway.codec.generate` from schemas/k33_alter_configs.kafka; do not edit.
"""AlterConfigs (key 33), versions 0-2.

Replaces all overrides of a resource; IncrementalAlterConfigs is the better one.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class AlterableConfig(Struct):
    __slots__ = (
        "name",
        "value",
    )

    name: str  # Setting.
    value: str | None  # New value; null for the default.

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterConfigsResource(Struct):
    __slots__ = (
        "resource_type",
        "resource_name",
        "configs",
    )

    resource_type: int  # 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    resource_name: str  # Name of the resource.
    configs: list[AlterableConfig]  # All overrides that the resource shall have.

    def __init__(
        self,
        *,
        resource_type: int = 0,
        resource_name: str = "",
        configs: list[AlterableConfig] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs = [] if configs is UNSET else configs
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterConfigsRequest(Struct):
    __slots__ = (
        "resources",
        "validate_only",
    )

    resources: list[AlterConfigsResource]  # One entry a resource.
    validate_only: bool  # Check the request and change nothing.

    def __init__(
        self,
        *,
        resources: list[AlterConfigsResource] = UNSET,
        validate_only: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resources = [] if resources is UNSET else resources
        self.validate_only = validate_only
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterConfigsResourceResponse(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "resource_type",
        "resource_name",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    resource_type: int  # 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    resource_name: str  # Name of the resource.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.unknown_tagged_fields = unknown_tagged_fields


class AlterConfigsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "responses",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    responses: list[AlterConfigsResourceResponse]  # One entry a resource.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        responses: list[AlterConfigsResourceResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses = [] if responses is UNSET else responses
        self.unknown_tagged_fields = unknown_tagged_fields
