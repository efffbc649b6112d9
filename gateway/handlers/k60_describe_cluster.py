"""DescribeCluster (key 60) v0-2

Behaviour:
- The brokers that this node can reach, by their addresses on the listener that the request arrived
  on, and the controller that leads.
- Authorized operations, if asked for: all that a cluster has, as nothing is forbidden yet.
- Asked for controllers (`endpoint_type` 2): MISMATCHED_ENDPOINT_TYPE, as Kafka's brokers answer.

Version notes:
- 1: endpoint type. 2: fenced brokers: those that are registered and cannot be reached from here.

Source: KIP-430 (authorized operations), KIP-700, KIP-919, KIP-1073.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED
from sprawl.gateway.codec._generated.k60_describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

_BROKERS = 1
_CONTROLLERS = 2


def handle(ctx: RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse:
    """Answer at once."""
    if request.endpoint_type != _BROKERS:
        known = request.endpoint_type == _CONTROLLERS
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE
            if known
            else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message="The request was sent to a broker listener; only brokers (endpoint type"
            " 1) can be described there.",
        )
    broker = ctx.broker
    listener = ctx.connection.listener_name
    brokers = [(each, False) for each in broker.cluster.brokers(listener)]
    if request.include_fenced_brokers:
        brokers += [(each, True) for each in broker.cluster.unreachable_brokers(listener)]
    return DescribeClusterResponse(
        error_code=ErrorCode.NONE,
        error_message=None,
        cluster_id=broker.cluster_id,
        controller_id=broker.cluster.controller_id(),
        brokers=[
            DescribeClusterBroker(
                broker_id=each.node_id,
                host=each.host,
                port=each.port,
                rack=each.rack,
                is_fenced=is_fenced,
            )
            for each, is_fenced in brokers
        ],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )


HANDLER = HandlerSpec(60, 0, 2, handle)
