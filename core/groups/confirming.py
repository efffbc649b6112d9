"""Makes sure that nobody else coordinates a group by now, before its offsets are read.

Committed offsets are answered from memory. A coordinator that was paused, or is cut off from the
other replicas, does not know yet that another one may have acknowledged newer ones: a consumer that
starts at the older reads again what its group is done with. So the leader of the offsets partition
has a majority say that it leads still (Raft's read index); reads that come together share a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.offsets_log import OffsetsLog

CONFIRM_S: Final = 5.0
"""Bound of the wait. A leader that lost its majority steps down sooner, after one to two seconds,
and that ends the wait too."""

Refusals = dict[str, ErrorCode]
"""By group, why its offsets cannot be read here now."""


def confirm(
    log: OffsetsLog, groups: Mapping[int, Sequence[str]], refused: Refusals
) -> Refusals | Awaitable[Refusals]:
    """Have each partition confirmed, once for all groups in it and all at the same time.

    Args:
        groups: to be read, by the partition that they live in.
        refused: of others; goes into the answer.

    Returns: at once where no other node could lead a partition.
    """
    reads: dict[int, Awaitable[object]] = {}
    for partition, names in groups.items():
        try:
            read = log.confirm(partition)
        except KafkaFault:
            refused |= dict.fromkeys(names, ErrorCode.NOT_COORDINATOR)
        else:
            if read is not None:
                reads[partition] = read
    return _wait(reads, groups, refused) if reads else refused


async def _wait(
    reads: Mapping[int, Awaitable[object]], groups: Mapping[int, Sequence[str]], refused: Refusals
) -> Refusals:
    asked = {partition: asyncio.ensure_future(read) for partition, read in reads.items()}
    try:
        async with asyncio.timeout(CONFIRM_S):
            await asyncio.gather(*asked.values(), return_exceptions=True)
    except TimeoutError:
        pass  # what was still open is cancelled now
    for partition, read in asked.items():
        if read.cancelled() or read.exception() is not None:
            refused |= dict.fromkeys(groups[partition], ErrorCode.NOT_COORDINATOR)
    return refused
