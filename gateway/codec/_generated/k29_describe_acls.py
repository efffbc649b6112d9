# Written by `python -m sprawl.gateway.codec.generate` from schemas/k29_describe_acls.kafka; do not edit.
"""DescribeAcls (key 29), versions 1-3.

Access rules that match a filter.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribeAclsRequest(Struct):
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


class AclDescription(Struct):
    __slots__ = (
        "principal",
        "host",
        "operation",
        "permission_type",
    )

    principal: str  # User that the rule is about, as in User:alice.
    host: str  # Address that the rule is about; * for any.
    operation: int  # What is allowed or denied.
    permission_type: int  # 2 denies, 3 allows.

    def __init__(
        self,
        *,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeAclsResource(Struct):
    __slots__ = (
        "resource_type",
        "resource_name",
        "pattern_type",
        "acls",
    )

    resource_type: int  # Kind of resource.
    resource_name: str  # Name of the resource.
    pattern_type: int  # 3 for a literal name, 4 for a prefix.
    acls: list[AclDescription]  # Rules of the resource.

    def __init__(
        self,
        *,
        resource_type: int = 0,
        resource_name: str = "",
        pattern_type: int = 3,
        acls: list[AclDescription] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.pattern_type = pattern_type
        self.acls = [] if acls is UNSET else acls
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeAclsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "resources",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    resources: list[DescribeAclsResource]  # One entry a resource.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        resources: list[DescribeAclsResource] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.resources = [] if resources is UNSET else resources
        self.unknown_tagged_fields = unknown_tagged_fields
