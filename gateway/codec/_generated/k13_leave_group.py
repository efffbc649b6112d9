# Written by `python -m sprawl.gateway.codec.generate` from schemas/k13_leave_group.kafka; do not edit.
"""LeaveGroup (key 13), versions 0-5."""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class MemberIdentity(Struct):
    __slots__ = ("member_id", "group_instance_id", "reason",)

    member_id: str
    group_instance_id: str | None
    reason: str | None

    def __init__(
        self,
        *,
        member_id: str = '',
        group_instance_id: str | None = None,
        reason: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.reason = reason
        self.unknown_tagged_fields = unknown_tagged_fields


class LeaveGroupRequest(Struct):
    __slots__ = ("group_id", "member_id", "members",)

    group_id: str
    member_id: str
    members: list[MemberIdentity]

    def __init__(
        self,
        *,
        group_id: str = '',
        member_id: str = '',
        members: list[MemberIdentity] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.members = [] if members is UNSET else members
        self.unknown_tagged_fields = unknown_tagged_fields


class MemberResponse(Struct):
    __slots__ = ("member_id", "group_instance_id", "error_code",)

    member_id: str
    group_instance_id: str | None
    error_code: int

    def __init__(
        self,
        *,
        member_id: str = '',
        group_instance_id: str | None = '',
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields


class LeaveGroupResponse(Struct):
    __slots__ = ("throttle_time_ms", "error_code", "members",)

    throttle_time_ms: int
    error_code: int
    members: list[MemberResponse]

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
