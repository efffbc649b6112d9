# Written by `python -m sprawl.gateway.codec.generate` from schemas/k12_heartbeat.kafka; do not edit.
"""Heartbeat (key 12), versions 0-4.

Keeps a member of a classic group alive, and tells it of a rebalance.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import Struct


class HeartbeatRequest(Struct):
    __slots__ = (
        "group_id",
        "generation_id",
        "member_id",
        "group_instance_id",
    )

    group_id: str  # Group id.
    generation_id: int  # Generation of the group that the member knows.
    member_id: str  # Id that the coordinator gave the member.
    group_instance_id: str | None  # Name that a static member keeps across restarts; null for a dynamic one. (v3+, refused elsewhere)

    def __init__(
        self,
        *,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.unknown_tagged_fields = unknown_tagged_fields


class HeartbeatResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.unknown_tagged_fields = unknown_tagged_fields
