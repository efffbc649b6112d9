# Written by `python -m sprawl.gateway.codec.generate` from schemas/k10_find_coordinator.kafka; do not edit.
"""FindCoordinator (key 10), versions 0-6.

Finds the broker that coordinates a group or a transactional id.
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class FindCoordinatorRequest(Struct):
    __slots__ = (
        "key",
        "key_type",
        "coordinator_keys",
    )

    key: str  # Group or transactional id to look up. (v0-3, refused elsewhere)
    key_type: int  # What the keys are: 0 group, 1 transactional id, 2 share group. (v1+, refused elsewhere)
    coordinator_keys: list[str]  # Group or transactional ids to look up. (v4+, refused elsewhere)

    def __init__(
        self,
        *,
        key: str = "",
        key_type: int = 0,
        coordinator_keys: list[str] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.key_type = key_type
        self.coordinator_keys = [] if coordinator_keys is UNSET else coordinator_keys
        self.unknown_tagged_fields = unknown_tagged_fields


class Coordinator(Struct):
    __slots__ = (
        "key",
        "node_id",
        "host",
        "port",
        "error_code",
        "error_message",
    )

    key: str  # Group or transactional id to look up.
    node_id: int  # Broker id.
    host: str  # Host name or address.
    port: int  # TCP port.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.

    def __init__(
        self,
        *,
        key: str = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.key = key
        self.node_id = node_id
        self.host = host
        self.port = port
        self.error_code = error_code
        self.error_message = error_message
        self.unknown_tagged_fields = unknown_tagged_fields


class FindCoordinatorResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "node_id",
        "host",
        "port",
        "coordinators",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none. (v1+, dropped elsewhere)
    error_code: int  # Error code; 0 for none. (v0-3, refused elsewhere)
    error_message: str | None  # What went wrong, for people; null when nothing did. (v1-3, dropped elsewhere)
    node_id: int  # Broker id. (v0-3, refused elsewhere)
    host: str  # Host name or address. (v0-3, refused elsewhere)
    port: int  # TCP port. (v0-3, refused elsewhere)
    coordinators: list[Coordinator]  # One entry a key. (v4+, refused elsewhere)

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        coordinators: list[Coordinator] = UNSET,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.node_id = node_id
        self.host = host
        self.port = port
        self.coordinators = [] if coordinators is UNSET else coordinators
        self.unknown_tagged_fields = unknown_tagged_fields
