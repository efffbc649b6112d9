# Written by `python -m sprawl.gateway.codec.generate` from schemas/k42_delete_groups.kafka; do not edit.
"""DeleteGroups (key 42), versions 0-2.

Deletes empty groups.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DeleteGroupsRequest(Struct):
    __slots__ = (
        "groups_names",
    )

    groups_names: list[str]  # Groups to delete.

    def __init__(
        self,
        *,
        groups_names: list[str] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.groups_names = [] if groups_names is UNSET else groups_names
        self.unknown_tagged_fields = unknown_tagged_fields


class DeletableGroupResult(Struct):
    __slots__ = (
        "group_id",
        "error_code",
    )

    group_id: str  # Group id.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        group_id: str = "",
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class DeleteGroupsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "results",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    results: list[DeletableGroupResult]  # One entry a group.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        results: list[DeletableGroupResult] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results = [] if results is UNSET else results
        self.unknown_tagged_fields = unknown_tagged_fields
