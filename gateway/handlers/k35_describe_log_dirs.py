"""DescribeLogDirs (key 35) v1-5

Behaviour:
- One directory: the node's data, with the size of each partition asked for (all for null).
- A partition that was not opened since the start counts with what its files hold.
- `storage=memory` has the directory name `memory` and no volume sizes.

Version notes:
- 3: top-level error. 4: total and usable bytes of the volume. 5: cordoned.

Not implemented: nothing.

Source: KIP-113, KIP-827, KIP-1066.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec._generated.k35_describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from sprawl.gateway.dispatch import HandlerSpec

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext


def handle(ctx: RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    """Answer at once."""
    wanted = None
    if request.topics is not None:
        wanted = {(each.topic, part) for each in request.topics for part in each.partitions}
    topics: dict[str, DescribeLogDirsTopic] = {}
    for tp, size_bytes in ctx.broker.partitions.usage():
        if wanted is not None and tp not in wanted:
            continue
        topic = topics.setdefault(tp.topic, DescribeLogDirsTopic(name=tp.topic))
        topic.partitions.append(
            DescribeLogDirsPartition(
                partition_index=tp.partition,
                partition_size=size_bytes,
                offset_lag=0,
                is_future_key=False,
            )
        )
    volume = ctx.broker.volume()
    return DescribeLogDirsResponse(
        error_code=ErrorCode.NONE,
        results=[
            DescribeLogDirsResult(
                error_code=ErrorCode.NONE,
                log_dir=volume.path,
                topics=list(topics.values()),
                total_bytes=volume.total_bytes,
                usable_bytes=volume.usable_bytes,
                is_cordoned=ctx.broker.controller.state.is_leaving(ctx.broker.node_id),
            )
        ],
    )


HANDLER = HandlerSpec(35, 1, 5, handle)
