# Written by `python -m sprawl.gateway.codec.generate` from schemas/k30_create_acls.kafka; do not edit.
"""CreateAcls (key 30), versions 1-3.

Adds access rules.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class AclCreation(Struct):
    __slots__ = (
        "resource_type",
        "resource_name",
        "resource_pattern_type",
        "principal",
        "host",
        "operation",
        "permission_type",
    )

    resource_type: int  # Kind of resource.
    resource_name: str  # Name of the resource.
    resource_pattern_type: int  # 3 for a literal name, 4 for a prefix.
    principal: str  # User that the rule is about, as in User:alice.
    host: str  # Address that the rule is about; * for any.
    operation: int  # What is allowed or denied.
    permission_type: int  # 2 denies, 3 allows.

    def __init__(
        self,
        *,
        resource_type: int = 0,
        resource_name: str = "",
        resource_pattern_type: int = 3,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.resource_pattern_type = resource_pattern_type
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type
        self.unknown_tagged_fields = unknown_tagged_fields


class CreateAclsRequest(Struct):
    __slots__ = (
        "creations",
    )

    creations: list[AclCreation]  # Rules to add.

    def __init__(
        self,
        *,
        creations: list[AclCreation] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.creations = [] if creations is UNSET else creations
        self.unknown_tagged_fields = unknown_tagged_fields


class AclCreationResult(Struct):
    __slots__ = (
        "error_code",
        "error_message",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class CreateAclsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[AclCreationResult]  # One entry a result, in the order of the request.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[AclCreationResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
