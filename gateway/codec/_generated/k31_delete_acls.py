# Written by `python -m sprawl.gateway.codec.generate` from schemas/k31_delete_acls.kafka; do not edit.
"""DeleteAcls (key 31), versions 1-3.

Removes the access rules that match filters.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DeleteAclsFilter(Struct):
    __slots__ = (
        "resource_type_filter",
        "resource_name_filter",
        "pattern_type_filter",
        "principal_filter",
        "host_filter",
        "operation",
        "permission_type",
    )

    resource_type_filter: int  # Kind of resource to match.
    resource_name_filter: str | None  # Resource name to match; null matches any.
    pattern_type_filter: int  # Pattern type to match; 1 any, 2 what applies to the name, 3 literal, 4 prefix.
    principal_filter: str | None  # User to match; null matches any.
    host_filter: str | None  # Host to match; null matches any.
    operation: int  # Operation to match; 1 any.
    permission_type: int  # Permission to match; 1 any, 2 deny, 3 allow.

    def __init__(
        self,
        *,
        resource_type_filter: int = 0,
        resource_name_filter: str | None = "",
        pattern_type_filter: int = 3,
        principal_filter: str | None = "",
        host_filter: str | None = "",
        operation: int = 0,
        permission_type: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resource_type_filter = resource_type_filter
        self.resource_name_filter = resource_name_filter
        self.pattern_type_filter = pattern_type_filter
        self.principal_filter = principal_filter
        self.host_filter = host_filter
        self.operation = operation
        self.permission_type = permission_type
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteAclsRequest(Struct):
    __slots__ = (
        "filters",
    )

    filters: list[DeleteAclsFilter]  # Which rules to remove.

    def __init__(
        self,
        *,
        filters: list[DeleteAclsFilter] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.filters = [] if filters is UNSET else filters
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteAclsMatchingAcl(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "resource_type",
        "resource_name",
        "pattern_type",
        "principal",
        "host",
        "operation",
        "permission_type",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    resource_type: int  # Kind of resource.
    resource_name: str  # Name of the resource.
    pattern_type: int  # 3 for a literal name, 4 for a prefix.
    principal: str  # User that the rule is about, as in User:alice.
    host: str  # Address that the rule is about; * for any.
    operation: int  # What is allowed or denied.
    permission_type: int  # 2 denies, 3 allows.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        pattern_type: int = 3,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.pattern_type = pattern_type
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteAclsFilterResult(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "matching_acls",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    matching_acls: list[DeleteAclsMatchingAcl]  # Rules that the filter removed.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        matching_acls: list[DeleteAclsMatchingAcl] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.matching_acls = [] if matching_acls is UNSET else matching_acls
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteAclsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "filter_results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    filter_results: list[DeleteAclsFilterResult]  # One entry a filter, in order.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        filter_results: list[DeleteAclsFilterResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.filter_results = [] if filter_results is UNSET else filter_results
        self.unknown_tagged_fields = unknown_tagged_fields
