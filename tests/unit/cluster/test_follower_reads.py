"""Consumers that read from the replica in their rack (KIP-392): real clients and whole nodes."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from cluster_world import ClusterWorld, rack_of
from rack_readers import ConfluentReader, KafkaPythonReader, RackReader

from sprawl.client.cluster import Cluster
from sprawl.client.fetching import Reader
from sprawl.client.nearest import NearReplicas
from sprawl.core.config.broker_keys import RACK_AWARE
from sprawl.core.errors import ErrorCode
from sprawl.core.partition.partition import Partition
from sprawl.core.records.record import encode_batch
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)

TOPIC = "t"
NEAREST = {"replica_selector_class": RACK_AWARE}

# kafka-python drops sockets that it did not get to connect: see `reading`.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _no_records(caplog: pytest.LogCaptureFixture) -> None:
    """Log records that are kept would keep the sockets too."""
    caplog.set_level(logging.CRITICAL, logger="kafka")


MakeReader = Callable[[str, str], RackReader]
MAKE_READERS: list[MakeReader] = [
    partial(each, topic=TOPIC, metadata_ms=1_000) for each in (ConfluentReader, KafkaPythonReader)
]
READERS = pytest.mark.parametrize(
    "reader", MAKE_READERS, ids=["ConfluentReader", "KafkaPythonReader"]
)


@asynccontextmanager
async def reading(reader: MakeReader, bootstrap: str, rack: str) -> AsyncIterator[list[str]]:
    """What a consumer reads, in a thread of its own, while the block runs."""
    read: list[str] = []
    is_over = threading.Event()

    def run() -> None:
        consumer = reader(bootstrap, rack)
        while not is_over.is_set():
            read.extend(consumer.poll())
        consumer.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield read
    finally:
        is_over.set()
        await asyncio.to_thread(thread.join)
        gc.collect()


async def append(world: ClusterWorld, *values: str) -> None:
    """Write through whoever leads, as acks=all does."""
    await world.until(lambda: world.leader(TOPIC) is not None)
    partition = replica(world, world.leader(TOPIC))
    batch = memoryview(encode_batch([(1_000, None, value.encode(), []) for value in values]))
    outcome = partition.append_produced(batch, produce_version=12, now_ms=1_000)
    if outcome.commit is not None:
        assert await outcome.commit is None


def replica(world: ClusterWorld, number: int | None) -> Partition:
    assert number is not None
    found = world.replica(number, TOPIC)
    assert found is not None
    return found


def follower(world: ClusterWorld) -> int:
    """A node that follows."""
    return next(each for each in world.nodes if each != world.leader(TOPIC))


async def in_sync(world: ClusterWorld) -> None:
    """Wait until the leader counts every replica as in sync."""
    partition = replica(world, world.leader(TOPIC))
    await world.until(lambda: len(partition.followers_at(partition.high_watermark)) == 2)


def values(start: int, end: int) -> list[str]:
    return [str(number) for number in range(start, end)]


@READERS
async def test_a_consumer_reads_from_the_replica_in_its_rack(reader: MakeReader) -> None:
    async with ClusterWorld(3, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 50))
        await in_sync(world)
        near = follower(world)
        async with reading(reader, world.bootstrap, rack_of(near)) as read:
            for number in range(50, 100):
                await append(world, str(number))
            await world.until(lambda: len(read) >= 100)
        assert read == values(0, 100)
        leader = world.leader(TOPIC)
        assert leader is not None
        assert world.metrics(leader).fetch_sent_on > 0
        assert world.metrics(near).fetch_follower_bytes >= replica(world, near).log.size_bytes // 2
        [other] = set(world.nodes) - {leader, near}
        assert world.metrics(other).fetch_follower_bytes == 0


@READERS
@pytest.mark.parametrize("rack", ["", "elsewhere"])
async def test_without_a_replica_in_its_rack_it_reads_from_the_leader(
    reader: MakeReader, rack: str
) -> None:
    async with ClusterWorld(3, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        async with reading(reader, world.bootstrap, rack) as read:
            await world.until(lambda: len(read) >= 10)
        assert [world.metrics(number).fetch_sent_on for number in world.nodes] == [0, 0, 0]
        assert [world.metrics(number).fetch_follower_bytes for number in world.nodes] == [0, 0, 0]


@READERS
async def test_it_goes_back_to_the_leader_when_its_replica_is_gone(
    reader: MakeReader, tmp_path: Path
) -> None:
    async with ClusterWorld(3, tmp_path, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        await in_sync(world)
        near = follower(world)
        async with reading(reader, world.bootstrap, rack_of(near)) as read:
            await world.until(lambda: len(read) >= 10)
            assert world.metrics(near).fetch_follower_bytes > 0
            await world.stop(near)
            await append(world, *values(10, 20))
            await world.until(lambda: len(read) >= 20, patience_s=60)
            # And to it again once it is there.
            await world.start(near)
            await world.until(lambda: world.replica(near, TOPIC) is not None)
            await in_sync(world)
            for number in range(20, 60):
                await append(world, str(number))
                await asyncio.sleep(0.05)
            await world.until(lambda: len(read) >= 60, patience_s=60)
        assert read == values(0, 60)


@READERS
async def test_it_reads_on_when_the_leader_is_another_one(
    reader: MakeReader, tmp_path: Path
) -> None:
    async with ClusterWorld(3, tmp_path, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        await in_sync(world)
        near = follower(world)
        async with reading(reader, world.bootstrap, rack_of(near)) as read:
            await world.until(lambda: len(read) >= 10)
            leader = world.leader(TOPIC)
            assert leader is not None
            await world.stop(leader)
            await append(world, *values(10, 20))
            await world.until(lambda: len(read) >= 20, patience_s=60)
        assert read == values(0, 20)


async def test_it_starts_where_the_log_does_after_records_were_deleted() -> None:
    async with ClusterWorld(3, **NEAREST) as world:
        await world.topic(TOPIC, segment_ms="100")
        await append(world, *values(0, 10))
        deletion = replica(world, world.leader(TOPIC)).delete_records(6)
        assert deletion is not None
        assert await deletion is None
        await in_sync(world)
        near = follower(world)
        for reader in MAKE_READERS:
            async with reading(reader, world.bootstrap, rack_of(near)) as read:
                await world.until(lambda read=read: len(read) >= 4)
            assert read == values(6, 10)
        assert world.metrics(near).fetch_follower_bytes > 0


async def fetch(client: Cluster, node: int, offset: int, max_wait_ms: int) -> PartitionData:
    """One fetch from a node, whatever it is."""
    wanted = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    request = FetchRequest(
        max_wait_ms=max_wait_ms, min_bytes=1, topics=[FetchTopic(topic=TOPIC, partitions=[wanted])]
    )
    connection = await client.node(node)
    answer = await connection.request(1, request, FetchResponse, timeout_ms=max_wait_ms + 10_000)
    return answer.responses[0].partitions[0]


async def test_a_follower_that_loses_its_leader_lets_nobody_wait(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        await in_sync(world)
        near = follower(world)
        await world.until(lambda: replica(world, near).high_watermark == 10)
        async with Cluster(world.nodes[near].bootstrap) as client:
            waiting = asyncio.ensure_future(fetch(client, near, 10, max_wait_ms=60_000))
            await world.until(lambda: replica(world, near).waiter_count)
            for number in set(world.nodes) - {near}:
                await world.stop(number)
            assert (await waiting).error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
            # The last that stopped may have led for a moment.
            async with asyncio.timeout(30):
                while (answer := await fetch(client, near, 0, max_wait_ms=0)).error_code == 0:
                    await asyncio.sleep(0.05)
            assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER


async def test_our_own_reader_goes_there_and_back(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        await in_sync(world)
        near = follower(world)
        leader = world.leader(TOPIC)
        assert leader is not None
        async with Cluster(world.nodes[leader].bootstrap) as client:
            places = NearReplicas(rack_of(near))
            reader = Reader(client, await client.topic(TOPIC), {0: 0}, near=places)
            read: list[str] = []

            async def read_to(count: int) -> None:
                async with asyncio.timeout(30):
                    while len(read) < count:
                        found = await reader.poll()
                        read.extend((each.record.value or b"").decode() for each in found)

            await read_to(10)
            assert places.advice_count == 1
            assert world.metrics(near).fetch_follower_bytes > 0
            await world.stop(near)
            await append(world, *values(10, 20))
            await read_to(20)
            assert read == values(0, 20)


async def test_a_replica_that_is_gone_is_no_choice(tmp_path: Path) -> None:
    async with ClusterWorld(3, tmp_path, **NEAREST) as world:
        await world.topic(TOPIC)
        await append(world, *values(0, 10))
        await in_sync(world)
        near = follower(world)
        leader = replica(world, world.leader(TOPIC))
        await world.stop(near)
        await append(world, *values(10, 20))
        await world.until(lambda: len(leader.followers_at(20)) == 1)
        assert leader.followers_at(21) == []
        assert replica(world, follower(world)).followers_at(0) == []
