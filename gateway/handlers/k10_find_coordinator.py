"""FindCoordinator (key 10) v0-6

Behaviour:
- Key type 0, a consumer group: the node that leads the group's partition of __consumer_offsets, as
  far as this node knows, at its address of the listener the client came through.
- Leaders that this node is not told of are looked up first, all of them in one bounded step.
- COORDINATOR_NOT_AVAILABLE when no leader is found, or none that such clients can reach. Clients
  ask again after a pause: a leader is not elected any sooner for being waited for here.
- The first request creates __consumer_offsets; while it cannot be created, and until its leaders
  are elected, the answer is COORDINATOR_NOT_AVAILABLE.
- Any other key type: INVALID_REQUEST.

Version notes:
- 1: key types, error messages. 4: several keys in one request, answered each on its own.

Not implemented:
- Key type 1, transactions, and (v6) key type 2, share groups: UNSUPPORTED_VERSION with a message.
  It is not retriable, so a transactional producer fails at once with the reason instead of looking
  for a coordinator until it times out.

Source: KIP-98, KIP-699, KIP-932.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.placement import OFFSETS_TOPIC, partition_for
from sprawl.gateway.codec._generated.k10_find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from sprawl.core.cluster.view import BrokerView
    from sprawl.gateway.dispatch import RequestContext

_GROUP = 0
_TRANSACTION = 1
_SHARE = 2
_KEYS_FROM_VERSION = 4
_SHARE_FROM_VERSION = 6


def handle(
    ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | Coroutine[None, None, FindCoordinatorResponse]:
    """Name the coordinator of each key; waits only while __consumer_offsets is being created, and
    for leaders that have to be looked up."""
    if request.key_type != _GROUP:
        return _respond(ctx, request, _refusal(ctx, request))
    if not ctx.broker.groups.is_ready():
        return _handle_first(ctx, request)
    search = _search(ctx, request)
    return _respond(ctx, request, None) if search is None else _after(search, ctx, request)


def _search(ctx: RequestContext, request: FindCoordinatorRequest) -> Awaitable[None] | None:
    topic = ctx.broker.controller.topics.get(OFFSETS_TOPIC)
    if topic is None:
        return None
    has_keys = ctx.api_version >= _KEYS_FROM_VERSION
    groups = request.coordinator_keys if has_keys else [request.key]
    indexes = {partition_for(group, topic.partition_count) for group in groups}
    return ctx.broker.cluster.find_leaders([(topic, sorted(indexes))])


async def _after(
    search: Awaitable[None], ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse:
    await search
    return _respond(ctx, request, None)


async def _handle_first(
    ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse:
    try:
        await ctx.broker.groups.ensure_ready()
    except KafkaFault as fault:
        return _respond(ctx, request, fault)
    search = _search(ctx, request)
    if search is not None:
        await search
    return _respond(ctx, request, None)


def _refusal(ctx: RequestContext, request: FindCoordinatorRequest) -> KafkaFault:
    if request.key_type == _TRANSACTION:
        return KafkaFault(
            ErrorCode.UNSUPPORTED_VERSION, "this version of Sprawl does not serve transactions"
        )
    if request.key_type == _SHARE and ctx.api_version >= _SHARE_FROM_VERSION:
        return KafkaFault(
            ErrorCode.UNSUPPORTED_VERSION, "this version of Sprawl does not serve share groups"
        )
    return KafkaFault(ErrorCode.INVALID_REQUEST, f"there is no key type {request.key_type}")


def _respond(
    ctx: RequestContext, request: FindCoordinatorRequest, fault: KafkaFault | None
) -> FindCoordinatorResponse:
    if ctx.api_version >= _KEYS_FROM_VERSION:
        return FindCoordinatorResponse(
            coordinators=[_find(ctx, key, fault) for key in request.coordinator_keys]
        )
    found = _find(ctx, request.key, fault)
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(ctx: RequestContext, group_id: str, fault: KafkaFault | None) -> Coordinator:
    try:
        if fault is not None:
            raise fault
        leader = _leader(ctx, group_id)
    except KafkaFault as why:
        return Coordinator(
            key=group_id,
            node_id=-1,
            host="",
            port=-1,
            error_code=why.code,
            error_message=why.message,
        )
    return Coordinator(
        key=group_id, node_id=leader.node_id, host=leader.host, port=leader.port, error_message=None
    )


def _leader(ctx: RequestContext, group_id: str) -> BrokerView:
    """The node that leads the group's partition.

    Raises:
        KafkaFault: COORDINATOR_NOT_AVAILABLE.
    """
    broker = ctx.broker
    topic = broker.controller.topics.get(OFFSETS_TOPIC)
    if topic is None:
        raise KafkaFault(ErrorCode.COORDINATOR_NOT_AVAILABLE, f"There is no {OFFSETS_TOPIC} yet.")
    index = partition_for(group_id, topic.partition_count)
    leader = broker.cluster.leader(topic, index)
    if leader < 0:
        raise KafkaFault(
            ErrorCode.COORDINATOR_NOT_AVAILABLE, f"{OFFSETS_TOPIC}-{index} has no leader now."
        )
    listener = ctx.connection.listener_name
    found = broker.cluster.broker(leader, listener)
    if found is None:
        raise KafkaFault(
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            f"Broker {leader} has no address on the listener {listener}.",
        )
    return found


HANDLER = HandlerSpec(10, 0, 6, handle)
