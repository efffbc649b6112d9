# Written by `python -m sprawl.gateway.codec.generate` from schemas/k60_describe_cluster.kafka; do not edit.
"""DescribeCluster (key 60), versions 0-2.

Cluster id, controller and brokers (KIP-700).
"""

from __future__ import annotations

from sprawl.gateway.codec.message import UNSET, Struct


class DescribeClusterRequest(Struct):
    __slots__ = (
        "include_cluster_authorized_operations",
        "endpoint_type",
        "include_fenced_brokers",
    )

    include_cluster_authorized_operations: bool  # Also tell what the caller may do with the cluster.
    endpoint_type: int  # 1 for brokers, 2 for controllers. (v1+, refused elsewhere)
    include_fenced_brokers: bool  # Also list brokers that are fenced. (v2+, refused elsewhere)

    def __init__(
        self,
        *,
        include_cluster_authorized_operations: bool = False,
        endpoint_type: int = 1,
        include_fenced_brokers: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.endpoint_type = endpoint_type
        self.include_fenced_brokers = include_fenced_brokers
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeClusterBroker(Struct):
    __slots__ = (
        "broker_id",
        "host",
        "port",
        "rack",
        "is_fenced",
    )

    broker_id: int  # Broker id.
    host: str  # Host name or address.
    port: int  # TCP port.
    rack: str | None  # Rack of the broker; null when none is set.
    is_fenced: bool  # Whether the broker is fenced, which means alive but not in service. (v2+, refused elsewhere)

    def __init__(
        self,
        *,
        broker_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
        is_fenced: bool = False,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.broker_id = broker_id
        self.host = host
        self.port = port
        self.rack = rack
        self.is_fenced = is_fenced
        self.unknown_tagged_fields = unknown_tagged_fields


class DescribeClusterResponse(Struct):
    __slots__ = (
        "throttle_time_ms",
        "error_code",
        "error_message",
        "endpoint_type",
        "cluster_id",
        "controller_id",
        "brokers",
        "cluster_authorized_operations",
    )

    throttle_time_ms: int  # Milliseconds the client should stay quiet because of a quota; 0 for none.
    error_code: int  # Error code; 0 for none.
    error_message: str | None  # What went wrong, for people; null when nothing did.
    endpoint_type: int  # 1 for brokers, 2 for controllers. (v1+, refused elsewhere)
    cluster_id: str  # Cluster id.
    controller_id: int  # Broker that takes controller requests; -1 when unknown.
    brokers: list[DescribeClusterBroker]  # The brokers.
    cluster_authorized_operations: int  # Bit field of what the caller may do with the cluster; the lowest int32 when not asked.

    def __init__(
        self,
        *,
        throttle_time_ms: int = 0,
        error_code: int = 0,
        error_message: str | None = None,
        endpoint_type: int = 1,
        cluster_id: str = "",
        controller_id: int = -1,
        brokers: list[DescribeClusterBroker] = UNSET,
        cluster_authorized_operations: int = -2147483648,
        unknown_tagged_fields: dict[int, bytes] | None = None,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.endpoint_type = endpoint_type
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.brokers = [] if brokers is UNSET else brokers
        self.cluster_authorized_operations = cluster_authorized_operations
        self.unknown_tagged_fields = unknown_tagged_fields
