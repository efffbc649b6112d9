"""How the tests of Fetch ask, and read the answers."""

from __future__ import annotations

import asyncio
from uuid import UUID

from data_world import World, batch, values_of

from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from sprawl.gateway.handlers import k01_fetch

V = 12


def partition(index: int = 0, offset: int = 0, **fields: int) -> FetchPartition:
    return FetchPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=fields.pop("partition_max_bytes", 1 << 20),
        **fields,  # type: ignore[arg-type]
    )


def request(
    *partitions: FetchPartition, topic: str = "t", topic_id: UUID = ZERO_UUID, **fields: int
) -> FetchRequest:
    topics = [FetchTopic(topic=topic, topic_id=topic_id, partitions=list(partitions))]
    return FetchRequest(
        topics=topics if partitions else [],
        max_wait_ms=fields.pop("max_wait_ms", 0),
        min_bytes=fields.pop("min_bytes", 1),
        **fields,  # type: ignore[arg-type]
    )


async def fetch(world: World, wanted: FetchRequest, version: int = V) -> FetchResponse:
    response = await world.call(k01_fetch, wanted, version)
    assert isinstance(response, FetchResponse)
    return response


async def fetch_one(world: World, wanted: FetchRequest, version: int = V) -> PartitionData:
    response = await fetch(world, wanted, version)
    return response.responses[0].partitions[0]


def read(response: FetchResponse) -> dict[int, list[str]]:
    """The values in the answer, by partition."""
    return {
        data.partition_index: values_of(data.records)
        for topic in response.responses
        for data in topic.partitions
    }


def order(response: FetchResponse) -> list[int]:
    return [data.partition_index for topic in response.responses for data in topic.partitions]


def size_of(*values: str) -> int:
    return len(batch(*values))


async def settle() -> None:
    """Let everything that is ready to run, run."""
    for _ in range(5):
        await asyncio.sleep(0)
