# Written by `python -m sprawl.gateway.codec.generate` from schemas/k15_describe_groups.kafka; do not edit.
"""DescribeGroups (key 15), versions 0-6.

State and members of classic groups.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribeGroupsRequest(Struct):
    __slots__ = (
        "groups",
        "include_authorized_operations",
    )

    groups: list[str]  # Groups to describe.
    include_authorized_operations: bool  # Also tell what the caller may do. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        groups: list[str] = UNSET,
        include_authorized_operations: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.groups = [] if groups is UNSET else groups
        self.include_authorized_operations = include_authorized_operations
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribedGroupMember(Struct):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "client_id",
        "client_host",
        "member_metadata",
        "member_assignment",
    )

    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v4+, dropped elsewhere)
    client_id: str  # Client id of the member.
    client_host: str  # Address of the member.
    member_metadata: bytes  # What the member said on joining, in the format of its protocol.
    member_assignment: bytes  # What the member was assigned, in the format of its protocol.

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        client_id: str = "",
        client_host: str = "",
        member_metadata: bytes = b"",
        member_assignment: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.member_metadata = member_metadata
        self.member_assignment = member_assignment
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribedGroup(Struct):
    __slots__ = (
        "error_code",
        "error_message",
        "group_id",
        "group_state",
        "protocol_type",
        "protocol_data",
        "members",
        "authorized_operations",
    )

    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did. (v6+, refused elsewhere)
    group_id: str  # Group id.
    group_state: str  # Name of the state.
    protocol_type: str  # Kind of group, such as consumer or connect.
    protocol_data: str  # Assignment protocol that the group chose.
    members: list[DescribedGroupMember]  # One entry a member.
    authorized_operations: int  # Bit field of what the caller may do with the group; the lowest int32 when not asked. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        error_code: int = 0,
        error_message: str | None = None,
        group_id: str = "",
        group_state: str = "",
        protocol_type: str = "",
        protocol_data: str = "",
        members: list[DescribedGroupMember] = UNSET,
        authorized_operations: int = -2147483648,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.group_id = group_id
        self.group_state = group_state
        self.protocol_type = protocol_type
        self.protocol_data = protocol_data
        self.members = [] if members is UNSET else members
        self.authorized_operations = authorized_operations
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeGroupsResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "groups",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    groups: list[DescribedGroup]  # One entry a group.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        groups: list[DescribedGroup] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.groups = [] if groups is UNSET else groups
        self.unknown_tagged_fields = unknown_tagged_fields
