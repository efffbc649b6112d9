"""DescribeTopicPartitions (key 75) v0

Behaviour:
- Topics by name, in order of their names; all for an empty list. An answer holds at most
  `response_partition_limit` partitions, and no more than PARTITIONS_MAX; the cursor says where the
  next page starts.
- Leaders that this node is not told of are looked up first, those of a page in one bounded step.
- A topic that was asked for by name is UNKNOWN_TOPIC_OR_PARTITION when the controller says so;
  while no controller answers, LEADER_NOT_AVAILABLE.
- What the client may do is always told.

Source: KIP-966.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.cluster.view import NO_LEADER
from sprawl.core.errors import ErrorCode
from sprawl.gateway.authorized_operations import TOPIC_OPERATIONS
from sprawl.gateway.catching_up import catch_up
from sprawl.gateway.codec._generated.k75_describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
    ResponseCursor,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from sprawl.core.controller.topics import TopicInfo
    from sprawl.gateway.dispatch import RequestContext

PARTITIONS_MAX = 2_000
"""Kafka's max.request.partition.size.limit: about 60 kB a page."""


class _Page(NamedTuple):
    """What one answer tells: topics in order, None for an unknown one, and where the next one
    begins."""

    topics: list[tuple[str, TopicInfo | None, Sequence[int]]]
    next_cursor: ResponseCursor | None


def handle(
    ctx: RequestContext, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse | Awaitable[DescribeTopicPartitionsResponse]:
    """Answer at once, unless topics or leaders have to be looked up first."""
    cursor = request.cursor
    if cursor is not None and cursor.partition_index < 0:
        failed = [_failed(each.name, ErrorCode.INVALID_REQUEST) for each in request.topics]
        return DescribeTopicPartitionsResponse(topics=failed)
    page = _page(ctx, request)
    if any(topic is None for _, topic, _ in page.topics):
        return _catch_up_first(ctx, request)
    search = _search(ctx, page)
    return _response(ctx, page) if search is None else _after(search, ctx, page)


async def _catch_up_first(
    ctx: RequestContext, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    is_certain = await catch_up(ctx.broker)
    page = _page(ctx, request)
    search = _search(ctx, page)
    if search is not None:
        await search
    return _response(
        ctx,
        page,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if is_certain else ErrorCode.LEADER_NOT_AVAILABLE,
    )


def _search(ctx: RequestContext, page: _Page) -> Awaitable[None] | None:
    return ctx.broker.cluster.find_leaders(
        (topic, indexes) for _, topic, indexes in page.topics if topic is not None
    )


async def _after(
    search: Awaitable[None], ctx: RequestContext, page: _Page
) -> DescribeTopicPartitionsResponse:
    await search
    return _response(ctx, page)


def _page(ctx: RequestContext, request: DescribeTopicPartitionsRequest) -> _Page:
    cursor = request.cursor
    known = ctx.broker.controller.topics
    names = {each.name for each in request.topics} or set(known)
    first_name = "" if cursor is None else cursor.topic_name
    room = max(1, min(request.response_partition_limit, PARTITIONS_MAX))
    topics: list[tuple[str, TopicInfo | None, Sequence[int]]] = []
    for name in sorted(name for name in names if name >= first_name):
        topic = known.get(name)
        if topic is None:
            topics.append((name, None, ()))
            continue
        start = cursor.partition_index if cursor is not None and name == first_name else 0
        indexes = topic.partitions[start : start + room]
        if indexes or room:
            topics.append((name, topic, indexes))
        room -= len(indexes)
        if start + len(indexes) < topic.partition_count:
            place = ResponseCursor(topic_name=name, partition_index=start + len(indexes))
            return _Page(topics, place)
    return _Page(topics, None)


def _response(
    ctx: RequestContext,
    page: _Page,
    unknown: ErrorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(
        topics=[
            _failed(name, unknown) if topic is None else _described(ctx, topic, indexes)
            for name, topic, indexes in page.topics
        ],
        next_cursor=page.next_cursor,
    )


def _failed(name: str, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(error_code=code, name=name)


def _described(
    ctx: RequestContext, topic: TopicInfo, page: Sequence[int]
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.internal,
        partitions=[_partition(ctx, topic, index) for index in page],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _partition(
    ctx: RequestContext, topic: TopicInfo, index: int
) -> DescribeTopicPartitionsResponsePartition:
    found = ctx.broker.cluster.partition(topic, index)
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.LEADER_NOT_AVAILABLE
        if found.leader_id == NO_LEADER
        else ErrorCode.NONE,
        partition_index=index,
        leader_id=found.leader_id,
        leader_epoch=found.leader_epoch,
        replica_nodes=found.replicas,
        isr_nodes=found.isr,
        offline_replicas=found.offline,
        eligible_leader_replicas=[],
        last_known_elr=[],
    )


HANDLER = HandlerSpec(75, 0, 0, handle)
