# Written by `python -m sprawl.gateway.codec.generate` from schemas/k32_describe_configs.kafka; do not edit.
"""DescribeConfigs (key 32), versions 1-4.

Settings of topics and brokers, with where each value comes from.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribeConfigsResource(Struct):
    __slots__ = (
        "resource_type",
        "resource_name",
        "configuration_keys",
    )

    resource_type: int  # 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    resource_name: str  # Name of the resource.
    configuration_keys: list[str] | None  # Settings to tell; null for all.

    def __init__(
        self,
        *,
        resource_type: int = 0,
        resource_name: str = "",
        configuration_keys: list[str] | None = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configuration_keys = [] if configuration_keys is UNSET else configuration_keys
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeConfigsRequest(Struct):
    __slots__ = (
        "resources",
        "include_synonyms",
        "include_documentation",
    )

    resources: list[DescribeConfigsResource]  # One entry a resource.
    include_synonyms: bool  # Also tell the values that are overridden.
    include_documentation: bool  # Also tell what each setting means. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        resources: list[DescribeConfigsResource] = UNSET,
        include_synonyms: bool = False,
        include_documentation: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resources = [] if resources is UNSET else resources
        self.include_synonyms = include_synonyms
        self.include_documentation = include_documentation
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeConfigsSynonym(Struct):
    __slots__ = (
        "name",
        "value",
        "source",
    )

    name: str  # Setting that the value was given under.
    value: str | None  # Value of the setting; null when it is unset or secret.
    source: int  # Where the value comes from, numbered as config_source.

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        source: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.source = source
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeConfigsResourceResult(Struct):
    __slots__ = (
        "name",
        "value",
        "read_only",
        "config_source",
        "is_sensitive",
        "synonyms",
        "config_type",
        "documentation",
    )

    name: str  # Setting.
    value: str | None  # Value of the setting; null when it is unset or secret.
    read_only: bool  # Whether the setting cannot be changed at run time.
    config_source: int  # Where the value comes from: 1 topic, 2 and 3 dynamic broker, 4 static broker, 5 default.
    is_sensitive: bool  # Whether the value is a secret, and therefore null here.
    synonyms: list[DescribeConfigsSynonym]  # Every place that sets a value, the one in force first.
    config_type: int  # 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password. (v3+, dropped elsewhere)
    documentation: str | None  # What the setting means. (v3+, dropped elsewhere)

    def __init__(
        self,
        *,
        name: str = "",
        value: str | None = "",
        read_only: bool = False,
        config_source: int = -1,
        is_sensitive: bool = False,
        synonyms: list[DescribeConfigsSynonym] = UNSET,
        config_type: int = 0,
        documentation: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.config_source = config_source
        self.is_sensitive = is_sensitive
        self.synonyms = [] if synonyms is UNSET else synonyms
        self.config_type = config_type
        self.documentation = documentation
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeConfigsResult(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "resource_type",
        "resource_name",
        "configs",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    resource_type: int  # 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
    resource_name: str  # Name of the resource.
    configs: list[DescribeConfigsResourceResult]  # One entry a setting.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        configs: list[DescribeConfigsResourceResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs = [] if configs is UNSET else configs
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeConfigsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[DescribeConfigsResult]  # One entry a result, in the order of the request.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[DescribeConfigsResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
