# Written by `python -m sprawl.gateway.codec.generate` from schemas/k18_api_versions.kafka; do not edit.
"""ApiVersions (key 18), versions 0-4.

Tells which APIs and versions the broker serves.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ApiVersionsRequest(Struct):
    __slots__ = (
        "client_software_name",
        "client_software_version",
    )

    client_software_name: str  # Name of the client library. (v3+, dropped elsewhere)
    client_software_version: str  # Version of the client library. (v3+, dropped elsewhere)

    def __init__(
        self,
        *,
        client_software_name: str = "",
        client_software_version: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.client_software_name = client_software_name
        self.client_software_version = client_software_version
        self.unknown_tagged_fields = unknown_tagged_fields


class ApiVersion(Struct):
    __slots__ = (
        "api_key",
        "min_version",
        "max_version",
    )

    api_key: int  # API key.
    min_version: int  # Lowest version.
    max_version: int  # Highest version.

    def __init__(
        self,
        *,
        api_key: int = 0,
        min_version: int = 0,
        max_version: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.api_key = api_key
        self.min_version = min_version
        self.max_version = max_version
        self.unknown_tagged_fields = unknown_tagged_fields


class SupportedFeatureKey(Struct):
    __slots__ = (
        "name",
        "min_version",
        "max_version",
    )

    name: str  # Feature name.
    min_version: int  # Lowest version.
    max_version: int  # Highest version.

    def __init__(
        self,
        *,
        name: str = "",
        min_version: int = 0,
        max_version: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.min_version = min_version
        self.max_version = max_version
        self.unknown_tagged_fields = unknown_tagged_fields


class FinalizedFeatureKey(Struct):
    __slots__ = (
        "name",
        "max_version_level",
        "min_version_level",
    )

    name: str  # Feature name.
    max_version_level: int  # Highest level in use.
    min_version_level: int  # Lowest level in use.

    def __init__(
        self,
        *,
        name: str = "",
        max_version_level: int = 0,
        min_version_level: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.max_version_level = max_version_level
        self.min_version_level = min_version_level
        self.unknown_tagged_fields = unknown_tagged_fields


class ApiVersionsResponse(Struct):
    __slots__ = (
        "error_code",
        "api_keys",
        "throttle_time_ms",
        "supported_features",
        "finalized_features_epoch",
        "finalized_features",
        "zk_migration_ready",
    )

    error_code: int  # Error code; 0 for none.
    api_keys: list[ApiVersion]  # One entry an API.
    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    supported_features: list[SupportedFeatureKey]  # Features that the broker knows (KIP-584). (v3+, dropped elsewhere)
    finalized_features_epoch: int  # Grows with each change of the finalized features; -1 when unknown. (v3+, dropped elsewhere)
    finalized_features: list[FinalizedFeatureKey]  # Features in use in the whole cluster (KIP-584). (v3+, dropped elsewhere)
    zk_migration_ready: bool  # From the time of ZooKeeper; always false here. (v3+, dropped elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        api_keys: list[ApiVersion] = UNSET,
        throttle_time_ms: int = 0,
        supported_features: list[SupportedFeatureKey] = UNSET,
        finalized_features_epoch: int = -1,
        finalized_features: list[FinalizedFeatureKey] = UNSET,
        zk_migration_ready: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.api_keys = [] if api_keys is UNSET else api_keys
        self.throttle_time_ms = throttle_time_ms
        self.supported_features = [] if supported_features is UNSET else supported_features
        self.finalized_features_epoch = finalized_features_epoch
        self.finalized_features = [] if finalized_features is UNSET else finalized_features
        self.zk_migration_ready = zk_migration_ready
        self.unknown_tagged_fields = unknown_tagged_fields
