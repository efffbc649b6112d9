# Written by `python -m sprawl.gateway.codec.generate` from schemas/k16_list_groups.kafka; do not edit.
"""ListGroups (key 16), versions 0-5.

Groups that this broker coordinates.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class ListGroupsRequest(Struct):
    __slots__ = (
        "states_filter",
        "types_filter",
    )

    states_filter: list[str]  # States to list; empty for all. (v4+, refused elsewhere)
    types_filter: list[str]  # Types to list; empty for all. (v5+, refused elsewhere)

    def __init__(
        self,
        *,
        states_filter: list[str] = UNSET,
        types_filter: list[str] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.states_filter = [] if states_filter is UNSET else states_filter
        self.types_filter = [] if types_filter is UNSET else types_filter
        self.unknown_tagged_fields = unknown_tagged_fields


class ListedGroup(Struct):
    __slots__ = (
        "group_id",
        "protocol_type",
        "group_state",
        "group_type",
    )

    group_id: str  # Group id.
    protocol_type: str  # Kind of group, such as consumer or connect.
    group_state: str  # Name of the state. (v4+, dropped elsewhere)
    group_type: str  # classic, consumer, share or streams. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        group_id: str = "",
        protocol_type: str = "",
        group_state: str = "",
        group_type: str = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.protocol_type = protocol_type
        self.group_state = group_state
        self.group_type = group_type
        self.unknown_tagged_fields = unknown_tagged_fields


class ListGroupsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "groups",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    groups: list[ListedGroup]  # One entry a group.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        groups: list[ListedGroup] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.groups = [] if groups is UNSET else groups
        self.unknown_tagged_fields = unknown_tagged_fields
