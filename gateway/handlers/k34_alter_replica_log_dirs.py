"""AlterReplicaLogDirs (key 34) v1-2

Behaviour:
- A node has one data directory. Moving a replica to where it is succeeds and changes nothing, as in
  Kafka; any other directory is LOG_DIR_NOT_FOUND.
- An unknown partition is UNKNOWN_TOPIC_OR_PARTITION.

Version notes: 2: flexible.

Not implemented: more than one data directory a node.

Source: KIP-113.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k34_alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(ctx: RequestContext, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse:
    """Answer at once."""
    own_path = ctx.broker.volume().path
    results: dict[str, AlterReplicaLogDirTopicResult] = {}
    for directory in request.dirs:
        for topic in directory.topics:
            result = results.setdefault(
                topic.name, AlterReplicaLogDirTopicResult(topic_name=topic.name)
            )
            for index in topic.partitions:
                result.partitions.append(
                    AlterReplicaLogDirPartitionResult(
                        partition_index=index,
                        error_code=_judge(
                            ctx, topic.name, index, is_own_path=directory.path == own_path
                        ),
                    )
                )
    return AlterReplicaLogDirsResponse(results=list(results.values()))


def _judge(ctx: RequestContext, name: str, index: int, *, is_own_path: bool) -> ErrorCode:
    if not is_own_path:
        return ErrorCode.LOG_DIR_NOT_FOUND
    topic = ctx.broker.controller.topics.get(name)
    if topic is None or index not in topic.partitions:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE


HANDLER = HandlerSpec(34, 1, 2, handle)
