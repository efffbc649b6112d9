"""OffsetCommit (key 8) v2-10

Behaviour:
- Stores a position a partition, answered once the positions are committed to __consumer_offsets;
  OffsetFetch shows them from then on. All partitions of one request commit together.
- A partition that does not exist gets UNKNOWN_TOPIC_OR_PARTITION, an unknown topic id
  UNKNOWN_TOPIC_ID, metadata over `offset.metadata.max.bytes` OFFSET_METADATA_TOO_LARGE; the others
  are stored all the same.
- Without generation and member (-1, "") anyone may commit while the group has no members; a group
  that does not exist is created for it.
- NOT_COORDINATOR where another node leads the group's partition of __consumer_offsets,
  COORDINATOR_LOAD_IN_PROGRESS while its groups are read from the log. COORDINATOR_NOT_AVAILABLE and
  NOT_COORDINATOR also for a commit whose record could not be committed, or may be yet.
- A member's commit must carry its generation (ILLEGAL_GENERATION) and, for a static member, the
  member id that owns the instance (FENCED_INSTANCE_ID). While the group waits for its leader's
  assignment the answer is REBALANCE_IN_PROGRESS. A commit renews the member's session.

Version notes:
- 2-4: `retention_time_ms` of the request replaces `offsets.retention.minutes`.
- 6: leader epochs are stored. 7: `group_instance_id`.
- 9: a missing group is GROUP_ID_NOT_FOUND, before ILLEGAL_GENERATION. 10: topic ids, no names.

Not implemented:
- Member epochs of the consumer protocol (KIP-848), which this node does not advertise.

Source: KIP-98, KIP-211, KIP-320, KIP-345, KIP-1043.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.model import CommitRequest, CommitResult, OffsetToCommit
from sprawl.gateway.codec._generated.k08_offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from sprawl.gateway.dispatch import HandlerSpec
from sprawl.gateway.handlers.deferred import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sprawl.core.controller.topics import TopicInfo
    from sprawl.gateway.dispatch import RequestContext

_TOPIC_IDS_FROM_VERSION = 10
_GROUP_NOT_FOUND_FROM_VERSION = 9


def handle(
    ctx: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | Awaitable[OffsetCommitResponse]:
    """Commit what belongs to existing partitions; the response keeps the request's order."""
    offsets: list[OffsetToCommit] = []
    answers: list[OffsetCommitResponsePartition] = []
    topics = []
    for topic in request.topics:
        info, error = _find(ctx, topic)
        partitions = []
        for wish in topic.partitions:
            answer = OffsetCommitResponsePartition(partition_index=wish.partition_index)
            partitions.append(answer)
            if info is None or not 0 <= wish.partition_index < len(info.partitions):
                answer.error_code = error
                continue
            answers.append(answer)
            offsets.append(
                OffsetToCommit(
                    info.name,
                    wish.partition_index,
                    wish.committed_offset,
                    wish.committed_leader_epoch,
                    wish.committed_metadata or "",
                )
            )
        topics.append(
            OffsetCommitResponseTopic(
                name=topic.name, topic_id=topic.topic_id, partitions=partitions
            )
        )
    response = OffsetCommitResponse(topics=topics)
    if request.topics and not offsets:
        return response

    def convert(result: CommitResult) -> OffsetCommitResponse:
        errors = [result.error] * len(answers) if result.error else result.errors
        for answer, code in zip(answers, errors, strict=True):
            answer.error_code = code
        return response

    return respond(
        ctx.broker.groups.commit(
            CommitRequest(
                group_id=request.group_id,
                member_id=request.member_id,
                generation_id=request.generation_id_or_member_epoch,
                group_instance_id=request.group_instance_id,
                retention_time_ms=request.retention_time_ms,
                reports_missing_group=ctx.api_version >= _GROUP_NOT_FOUND_FROM_VERSION,
                offsets=offsets,
            )
        ),
        convert,
    )


def _find(
    ctx: RequestContext, topic: OffsetCommitRequestTopic
) -> tuple[TopicInfo | None, ErrorCode]:
    """The topic, and the error for those of its partitions that do not exist."""
    controller = ctx.broker.controller
    if ctx.api_version < _TOPIC_IDS_FROM_VERSION:
        return controller.topics.get(topic.name), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    info = controller.by_id.get(topic.topic_id)
    if info is None:
        return None, ErrorCode.UNKNOWN_TOPIC_ID
    return info, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


HANDLER = HandlerSpec(8, 2, 10, handle)
