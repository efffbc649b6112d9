# Written by `python -m sprawl.gateway.codec.generate` from schemas/k57_update_features.kafka; do not edit.
"""UpdateFeatures (key 57), versions 0-2.

Changes the finalized level of features (KIP-584).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class FeatureUpdateKey(Struct):
    __slots__ = (
        "feature",
        "max_version_level",
        "allow_downgrade",
        "upgrade_type",
    )

    feature: str  # Feature name.
    max_version_level: int  # Wanted level; below 1 asks for the feature to be deleted.
    allow_downgrade: bool  # Whether the level may become lower. (v0, refused elsewhere)
    upgrade_type: int  # 1 upgrades only, 2 allows a downgrade without loss, 3 one with loss. (v1+, refused elsewhere)

    def __init__(
        self,
        *,
        feature: str = "",
        max_version_level: int = 0,
        allow_downgrade: bool = False,
        upgrade_type: int = 1,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.feature = feature
        self.max_version_level = max_version_level
        self.allow_downgrade = allow_downgrade
        self.upgrade_type = upgrade_type
        self.unknown_tagged_fields = unknown_tagged_fields


class UpdateFeaturesRequest(Struct):
    __slots__ = (
        "timeout_ms",
        "feature_updates",
        "validate_only",
    )

    timeout_ms: int  # Milliseconds the broker may take.
    feature_updates: list[FeatureUpdateKey]  # One entry a feature.
    validate_only: bool  # Only check the request, change nothing. (v1+, refused elsewhere)

    def __init__(
        self,
        *,
        timeout_ms: int = 60000,
        feature_updates: list[FeatureUpdateKey] = UNSET,
        validate_only: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.timeout_ms = timeout_ms
        self.feature_updates = [] if feature_updates is UNSET else feature_updates
        self.validate_only = validate_only
        self.unknown_tagged_fields = unknown_tagged_fields


class UpdatableFeatureResult(Struct):
    __slots__ = (
        "feature",
        "error_code",
        "error_message",
    )

    feature: str  # Feature name.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        feature: str = "",
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.feature = feature
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class UpdateFeaturesResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    results: list[UpdatableFeatureResult]  # One entry a feature. (v0-1, dropped elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        results: list[UpdatableFeatureResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
