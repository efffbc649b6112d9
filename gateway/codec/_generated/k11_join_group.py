# Written by `python -m sprawl.gateway.codec.generate` from schemas/k11_join_group.kafka; do not edit.
"""JoinGroup (key 11), versions 0-9.

Enters a classic consumer group and waits for its next generation.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class JoinGroupRequestProtocol(Struct):
    __slots__ = (
        "name",
        "metadata",
    )

    name: str  # Name of the protocol.
    metadata: bytes  # What the member tells the leader, in the format of the protocol.

    def __init__(
        self,
        *,
        name: str = "",
        metadata: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.name = name
        self.metadata = metadata
        self.unknown_tagged_fields = unknown_tagged_fields


class JoinGroupRequest(Struct):
    __slots__ = (
        "group_id",
        "session_timeout_ms",
        "rebalance_timeout_ms",
        "member_id",
        "group_instance_id",
        "protocol_type",
        "protocols",
        "reason",
    )

    group_id: str  # Group id.
    session_timeout_ms: int  # Milliseconds without a heartbeat after which the member is out.
    rebalance_timeout_ms: int  # Milliseconds the member may take to rejoin. (v1+, dropped elsewhere)
    member_id: str  # Id that the coordinator gave the member; empty before it has one.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v5+, refused elsewhere)
    protocol_type: str  # Kind of group, such as consumer or connect.
    protocols: list[JoinGroupRequestProtocol]  # Assignment protocols of the member, the best liked first.
    reason: str | None  # Why, for the broker's log. (v8+, dropped elsewhere)

    def __init__(
        self,
        *,
        group_id: str = "",
        session_timeout_ms: int = 0,
        rebalance_timeout_ms: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,
        protocol_type: str = "",
        protocols: list[JoinGroupRequestProtocol] = UNSET,
        reason: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocols = [] if protocols is UNSET else protocols
        self.reason = reason
        self.unknown_tagged_fields = unknown_tagged_fields


class JoinGroupResponseMember(Struct):
    __slots__ = (
        "member_id",
        "group_instance_id",
        "metadata",
    )

    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v5+, dropped elsewhere)
    metadata: bytes  # What the member told, in the format of the protocol; sent to the leader only.

    def __init__(
        self,
        *,
        member_id: str = "",
        group_instance_id: str | None = None,
        metadata: bytes = b"",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.metadata = metadata
        self.unknown_tagged_fields = unknown_tagged_fields


class JoinGroupResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "generation_id",
        "protocol_type",
        "protocol_name",
        "leader",
        "skip_assignment",
        "member_id",
        "members",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v2+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.
    generation_id: int  # Generation that the member is now in.
    protocol_type: str | None  # Kind of group, such as consumer or connect. (v7+, dropped elsewhere)
    protocol_name: str | None  # Assignment protocol that the group chose.
    leader: str  # Member id of the group's leader.
    skip_assignment: bool  # Whether the leader keeps the present assignment. (v9+, refused elsewhere)
    member_id: str  # Id that the coordinator gave the member.
    members: list[JoinGroupResponseMember]  # The members, for the leader; empty for others.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        generation_id: int = -1,
        protocol_type: str | None = None,
        protocol_name: str | None = "",
        leader: str = "",
        skip_assignment: bool = False,
        member_id: str = "",
        members: list[JoinGroupResponseMember] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.generation_id = generation_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.leader = leader
        self.skip_assignment = skip_assignment
        self.member_id = member_id
        self.members = [] if members is UNSET else members
        self.unknown_tagged_fields = unknown_tagged_fields
