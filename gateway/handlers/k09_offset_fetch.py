"""OffsetFetch (key 9) v1-10

Behaviour:
- Answers the committed offset, leader epoch and metadata of each partition; offset -1 and no error
  where nothing is committed, the topic or group unknown included.
- Topics null: every offset of the group.
- Each group stands for itself: NOT_COORDINATOR where another node leads its partition of
  __consumer_offsets, COORDINATOR_LOAD_IN_PROGRESS while its groups are read from the log. Up to v7
  each partition carries that error too: a client that looks at partitions only would otherwise
  take a group whose coordinator moves for one that never committed.
- Read when a majority of the replicas of the group's partition has said that this node leads it
  still: one that was paused or is cut off says NOT_COORDINATOR, not an offset that a later
  coordinator may have left behind. (Apache Kafka's answers from what it has.)
- `require_stable`: a partition whose commit is still on its way to the log gets
  UNSTABLE_OFFSET_COMMIT, and the client asks again.

Version notes:
- 2: null topics, and an error for the group as a whole. 5: leader epochs. 7: `require_stable`.
- 8: many groups in one request. 9: member id and epoch, which classic groups do not check.
- 10: topic ids instead of names. An unknown id gets UNKNOWN_TOPIC_ID; with null topics, offsets of
  topics that no longer exist are left out, as they have no id.

Not implemented:
- Member epochs of the consumer protocol (KIP-848).

Source: KIP-88, KIP-320, KIP-447, KIP-709, KIP-848.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import FetchedOffset
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec._generated.k09_offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.core.groups.confirming import Refusals
    from sprawl.gateway.dispatch import RequestContext

_GROUPS_FROM_VERSION = 8
_TOPIC_IDS_FROM_VERSION = 10


def handle(
    ctx: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse | Awaitable[OffsetFetchResponse]:
    """Read committed offsets of one group (up to v7) or of several."""
    if ctx.api_version < _GROUPS_FROM_VERSION:
        refusals = ctx.broker.groups.confirm([request.group_id])
        return respond(refusals, partial(_fetch_one_group, ctx, request))
    refusals = ctx.broker.groups.confirm(group.group_id for group in request.groups)
    return respond(refusals, partial(_fetch_groups, ctx, request))


def _fetch_groups(
    ctx: RequestContext, request: OffsetFetchRequest, refused: Refusals
) -> OffsetFetchResponse:
    return OffsetFetchResponse(
        groups=[
            _fetch_group(ctx, group, request.require_stable, refused) for group in request.groups
        ]
    )


def _error(ctx: RequestContext, group_id: str, refused: Refusals) -> ErrorCode:
    """Why a group cannot be read; it may have gone elsewhere while others were waited for."""
    return refused.get(group_id) or ctx.broker.groups.availability(group_id)


def _fetch_one_group(
    ctx: RequestContext, request: OffsetFetchRequest, refused: Refusals
) -> OffsetFetchResponse:
    groups = ctx.broker.groups
    error = _error(ctx, request.group_id, refused)
    if request.topics is None:
        if error:
            return OffsetFetchResponse(error_code=error)
        found = groups.fetch_all(request.group_id, require_stable=request.require_stable)
    else:
        found = [
            (
                topic.name,
                [FetchedOffset(index, error=error) for index in topic.partition_indexes]
                if error
                else groups.fetch(
                    request.group_id,
                    topic.name,
                    topic.partition_indexes,
                    require_stable=request.require_stable,
                ),
            )
            for topic in request.topics
        ]
    return OffsetFetchResponse(
        error_code=error,
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=fetched.partition,
                        committed_offset=fetched.offset,
                        committed_leader_epoch=fetched.leader_epoch,
                        metadata=fetched.metadata,
                        error_code=fetched.error,
                    )
                    for fetched in partitions
                ],
            )
            for name, partitions in found
        ],
    )


def _fetch_group(
    ctx: RequestContext,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
    refused: Refusals,
) -> OffsetFetchResponseGroup:
    groups = ctx.broker.groups
    error = _error(ctx, group.group_id, refused)
    if error:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=error)
    if group.topics is None:
        return _fetch_whole_group(ctx, group.group_id, require_stable)
    by_id = ctx.api_version >= _TOPIC_IDS_FROM_VERSION
    topics = []
    for topic in group.topics:
        name: str | None = topic.name
        if by_id:
            info = ctx.broker.controller.by_id.get(topic.topic_id)
            name = None if info is None else info.name
        if name is None:
            found = [
                FetchedOffset(index, error=ErrorCode.UNKNOWN_TOPIC_ID)
                for index in topic.partition_indexes
            ]
        else:
            found = groups.fetch(
                group.group_id, name, topic.partition_indexes, require_stable=require_stable
            )
        topics.append(
            OffsetFetchResponseTopics(
                name=topic.name, topic_id=topic.topic_id, partitions=_partitions(found)
            )
        )
    return OffsetFetchResponseGroup(group_id=group.group_id, topics=topics)


def _fetch_whole_group(
    ctx: RequestContext, group_id: str, require_stable: bool
) -> OffsetFetchResponseGroup:
    by_id = ctx.api_version >= _TOPIC_IDS_FROM_VERSION
    known = ctx.broker.controller.topics
    topics = []
    for name, found in ctx.broker.groups.fetch_all(group_id, require_stable=require_stable):
        info = known.get(name)
        if by_id and info is None:
            continue
        topics.append(
            OffsetFetchResponseTopics(
                name=name,
                topic_id=ZERO_UUID if info is None else info.id,
                partitions=_partitions(found),
            )
        )
    return OffsetFetchResponseGroup(group_id=group_id, topics=topics)


def _partitions(found: list[FetchedOffset]) -> list[OffsetFetchResponsePartitions]:
    return [
        OffsetFetchResponsePartitions(
            partition_index=fetched.partition,
            committed_offset=fetched.offset,
            committed_leader_epoch=fetched.leader_epoch,
            metadata=fetched.metadata,
            error_code=fetched.error,
        )
        for fetched in found
    ]


HANDLER = HandlerSpec(9, 1, 10, handle)
