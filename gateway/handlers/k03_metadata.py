"""Metadata (key 3) v0-13

Behaviour:
- Names the brokers by the address of the listener that the request arrived on, and the topics asked
  for: all of them for null (v0: for an empty list), none for an empty list.
- Creates an unknown topic that is asked for by name when `auto.create.topics.enable` and the
  request allow it, and answers with the created topic; invalid names are INVALID_TOPIC_EXCEPTION.
- Leaders that this node is not told of are looked up first, all of them in one bounded step.
- Brokers that this node cannot reach are left out; a partition whose leader is not found or not
  reachable is LEADER_NOT_AVAILABLE with leader -1, and stays listed.
- A topic is unknown, by its name or its id, only when the controller says so: before that is
  answered, this node catches up with it, in bounded time. While no controller answers,
  LEADER_NOT_AVAILABLE lets the client ask again; so it does for a topic that could not be created.

Version notes:
- 4: `allow_auto_topic_creation` (before, creation is always allowed). 10: topic ids in the answer.
- 8: authorized operations, if asked for: all there are, as nothing is forbidden yet; those of the
  cluster go with 11.
- 10, 11: a topic cannot be asked for by id. 12: it can, without a name; unknown: UNKNOWN_TOPIC_ID.
- 13: a top-level error, never set here.

Source: KIP-516 (ids), KIP-430 (authorized operations), KIP-1102.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from sprawl.core.cluster.view import NO_LEADER
from sprawl.core.controller.topics import TopicInfo, TopicSpec, check_name
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.authorized_operations import (
    CLUSTER_OPERATIONS,
    NOT_ASKED,
    TOPIC_OPERATIONS,
)
from sprawl.gateway.catching_up import UNANSWERED, catch_up
from sprawl.gateway.codec._generated.k03_metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.leader_hint import find_topic
from sprawl.gateway.request_time import RequestTime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from uuid import UUID

    from sprawl.gateway.dispatch import RequestContext

_Refused: TypeAlias = "dict[str | UUID, ErrorCode]"
"""Topics that were looked for and are not known, by name or id, with what is to be said of them."""

CREATION_MS: Final = 3_000
"""How long all topics of a request may take to be created: clients ask again, and often."""
_BY_ID_FROM_VERSION: Final = 12
_NULL_NAME_FROM_VERSION: Final = 12
"""A topic asked for by its id has no name to give back when it is unknown."""


def handle(
    ctx: RequestContext, request: MetadataRequest
) -> MetadataResponse | Awaitable[MetadataResponse]:
    """Answer at once, unless topics have to be created or leaders to be looked up first."""
    asked = request.topics
    if asked is None or (ctx.api_version == 0 and not asked):
        known = ctx.broker.controller.topics
        return _when_found(
            ctx,
            known.values(),
            lambda: _response(ctx, request, [_topic(ctx, each) for each in known.values()]),
        )
    if any(_is_missing(ctx, each) for each in asked):
        return _look_first(ctx, request, asked)
    return _respond(ctx, request, asked)


def _respond(
    ctx: RequestContext,
    request: MetadataRequest,
    asked: list[MetadataRequestTopic],
    refused: _Refused | None = None,
) -> MetadataResponse | Awaitable[MetadataResponse]:
    return _when_found(
        ctx,
        _known(ctx, asked),
        lambda: _response(ctx, request, [_asked_topic(ctx, each, refused or {}) for each in asked]),
    )


def _when_found(
    ctx: RequestContext,
    topics: Iterable[TopicInfo],
    respond: Callable[[], MetadataResponse],
) -> MetadataResponse | Awaitable[MetadataResponse]:
    """Answer when the leaders of these topics have been looked up, where that is necessary."""
    search = ctx.broker.cluster.find_leaders((each, each.partitions) for each in topics)
    return respond() if search is None else _after(search, respond)


async def _after(
    search: Awaitable[None], respond: Callable[[], MetadataResponse]
) -> MetadataResponse:
    await search
    return respond()


def _known(ctx: RequestContext, asked: list[MetadataRequestTopic]) -> Iterator[TopicInfo]:
    for each in asked:
        found = find_topic(ctx.broker, _key(each))
        if found is not None:
            yield found


async def _look_first(
    ctx: RequestContext, request: MetadataRequest, asked: list[MetadataRequestTopic]
) -> MetadataResponse:
    refused: _Refused = {}
    if _may_create(ctx, request):
        await _create(ctx, asked, refused)
    missing = [
        key for each in asked if _is_missing(ctx, each) and (key := _key(each)) not in refused
    ]
    if missing and not await catch_up(ctx.broker):
        refused |= dict.fromkeys(missing, ErrorCode.LEADER_NOT_AVAILABLE)
    return await _responded(_respond(ctx, request, asked, refused))


async def _create(
    ctx: RequestContext, asked: list[MetadataRequestTopic], refused: _Refused
) -> None:
    """Create the topics that are missing, as far as a controller does it in time."""
    time = RequestTime(CREATION_MS)
    for each in asked:
        name = each.name
        if name is None or not _is_missing(ctx, each) or name in refused:
            continue
        try:
            await time.take(partial(ctx.broker.controller.ensure_topic, TopicSpec(name=name)))
        except KafkaFault as fault:
            code = fault.code
            refused[name] = ErrorCode.LEADER_NOT_AVAILABLE if code in UNANSWERED else code


async def _responded(
    response: MetadataResponse | Awaitable[MetadataResponse],
) -> MetadataResponse:
    return response if isinstance(response, MetadataResponse) else await response


def _may_create(ctx: RequestContext, request: MetadataRequest) -> bool:
    wanted = ctx.api_version < 4 or request.allow_auto_topic_creation
    return wanted and ctx.broker.config.auto_create_topics_enable


def _key(asked: MetadataRequestTopic) -> str | UUID:
    return (asked.name or "") if asked.topic_id == ZERO_UUID else asked.topic_id


def _is_missing(ctx: RequestContext, asked: MetadataRequestTopic) -> bool:
    """Whether it is asked for as it may be, and not known here."""
    if asked.topic_id != ZERO_UUID:
        by_id = ctx.api_version >= _BY_ID_FROM_VERSION
        return by_id and asked.topic_id not in ctx.broker.controller.by_id
    name = asked.name
    return (
        name is not None
        and name not in ctx.broker.controller.topics
        and _name_fault(name) is ErrorCode.NONE
    )


def _name_fault(name: str) -> ErrorCode:
    """NONE, or why there can be no topic of this name."""
    try:
        check_name(name)
    except KafkaFault as fault:
        return fault.code
    return ErrorCode.NONE


def _asked_topic(
    ctx: RequestContext, asked: MetadataRequestTopic, refused: _Refused
) -> MetadataResponseTopic:
    by_id = asked.topic_id != ZERO_UUID
    if (ctx.api_version < _BY_ID_FROM_VERSION) if by_id else (asked.name is None):
        return _failed(ctx, asked, ErrorCode.INVALID_REQUEST)
    key = _key(asked)
    found = find_topic(ctx.broker, key)
    if found is not None:
        return _topic(ctx, found)
    if isinstance(key, str):
        unknown = _name_fault(key) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        unknown = ErrorCode.UNKNOWN_TOPIC_ID
    return _failed(ctx, asked, refused.get(key, unknown))


def _failed(
    ctx: RequestContext, asked: MetadataRequestTopic, code: ErrorCode
) -> MetadataResponseTopic:
    name = asked.name
    if name is None and ctx.api_version < _NULL_NAME_FROM_VERSION:
        name = ""
    return MetadataResponseTopic(error_code=code, name=name, topic_id=asked.topic_id)


def _topic(ctx: RequestContext, topic: TopicInfo) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.internal,
        partitions=[_partition(ctx, topic, index) for index in topic.partitions],
    )


def _partition(ctx: RequestContext, topic: TopicInfo, index: int) -> MetadataResponsePartition:
    found = ctx.broker.cluster.partition(topic, index)
    return MetadataResponsePartition(
        error_code=ErrorCode.LEADER_NOT_AVAILABLE
        if found.leader_id == NO_LEADER
        else ErrorCode.NONE,
        partition_index=index,
        leader_id=found.leader_id,
        leader_epoch=found.leader_epoch,
        replica_nodes=found.replicas,
        isr_nodes=found.isr,
        offline_replicas=found.offline,
    )


def _response(
    ctx: RequestContext, request: MetadataRequest, topics: list[MetadataResponseTopic]
) -> MetadataResponse:
    broker = ctx.broker
    if request.include_topic_authorized_operations:
        for topic in topics:
            if topic.error_code == ErrorCode.NONE:
                topic.topic_authorized_operations = TOPIC_OPERATIONS
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(
                node_id=each.node_id, host=each.host, port=each.port, rack=each.rack
            )
            for each in broker.cluster.brokers(ctx.connection.listener_name)
        ],
        cluster_id=broker.cluster_id,
        controller_id=broker.cluster.controller_id(),
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )


HANDLER = HandlerSpec(3, 0, 13, handle)
