# Written by `python -m sprawl.gateway.codec.generate` from schemas/k14_sync_group.kafka; do not edit.
"""SyncGroup (key 14), versions 0-5.

Hands the leader's assignment in, and each member's part of it out.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class SyncGroupRequestAssignment(Struct):
    __slots__ = (
        "member_id",
        "assignment",
    )

    member_id: str  # Id that the coordinator gave the member.
    assignment: bytes  # The member's part, in the format of the group's protocol.

    def __init__(
        self,
        *,
        member_id: str = "",
        assignment: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.assignment = assignment
        self.unknown_tagged_fields = unknown_tagged_fields


class SyncGroupRequest(Struct):
    __slots__ = (
        "group_id",
        "generation_id",
        "member_id",
        "group_instance_id",
        "protocol_type",
        "protocol_name",
        "assignments",
    )

    group_id: str  # Group id.
    generation_id: int  # Generation of the group that the member knows.
    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v3+, refused elsewhere)
    protocol_type: str | None  # Kind of group, such as consumer or connect. (v5+, dropped elsewhere)
    protocol_name: str | None  # Assignment protocol that the member knows the group to use. (v5+, dropped elsewhere)
    assignments: list[SyncGroupRequestAssignment]  # The assignment, one entry a member.

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignments: list[SyncGroupRequestAssignment] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignments = [] if assignments is UNSET else assignments
        self.unknown_tagged_fields = unknown_tagged_fields


class SyncGroupResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "protocol_type",
        "protocol_name",
        "assignment",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    protocol_type: str | None  # Kind of group, such as consumer or connect. (v5+, dropped elsewhere)
    protocol_name: str | None  # Assignment protocol that the member knows the group to use. (v5+, dropped elsewhere)
    assignment: bytes  # The member's part, in the format of the group's protocol.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignment: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignment = assignment
        self.unknown_tagged_fields = unknown_tagged_fields
