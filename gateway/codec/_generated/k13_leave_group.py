# Written by `python -m sprawl.gateway.codec.generate` from schemas/k13_leave_group.kafka; do not edit.
"""LeaveGroup (key 13), versions 0-5.

Takes members out of a classic group.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class MemberIdentity(Struct):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "reason",
    )

    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one.
    reason: str | None  # Why, for the broker's log. (v5+, dropped elsewhere)

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        reason: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.reason = reason
        self.unknown_tagged_fields = unknown_tagged_fields


class LeaveGroupRequest(Struct):
    __slots__ = (
        "group_id",
        "member_id",
        "members",
    )

    group_id: str  # Group id.
    member_id: str  # Id that the coordinator gave the member. (v0-2, refused elsewhere)
    members: list[MemberIdentity]  # One entry a member. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        group_id: str = "",
        member_id: str = "",
        members: list[MemberIdentity] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.members = [] if members is UNSET else members
        self.unknown_tagged_fields = unknown_tagged_fields


class MemberResponse(Struct):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "error_code",
    )

    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one.
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = "",
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class LeaveGroupResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "members",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    members: list[MemberResponse]  # One entry a member. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        members: list[MemberResponse] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.members = [] if members is UNSET else members
        self.unknown_tagged_fields = unknown_tagged_fields
