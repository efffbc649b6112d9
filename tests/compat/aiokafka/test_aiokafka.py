"""aiokafka, the asyncio client, which speaks the older, inflexible versions of every API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from node_process import NodeProcess

Unique = Callable[[str], str]
WAIT_S = 30


async def produce(node: NodeProcess, topic: str, values: list[str], **settings: object) -> None:
    async with AIOKafkaProducer(bootstrap_servers=node.bootstrap, **settings) as producer:
        await asyncio.gather(
            *[await producer.send(topic, value.encode(), partition=0) for value in values]
        )


async def read(consumer: AIOKafkaConsumer, count: int) -> list[str]:
    async with asyncio.timeout(WAIT_S):
        return [(await consumer.getone()).value.decode() for _ in range(count)]


def consumer_of(node: NodeProcess, *topics: str, **settings: object) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics, bootstrap_servers=node.bootstrap, auto_offset_reset="earliest", **settings
    )


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_reads_back_what_it_wrote(
    node: NodeProcess, unique: Unique, codec: str | None
) -> None:
    topic = unique(f"aio-{codec}")
    values = [f"value {n}" for n in range(500)]
    await produce(node, topic, values, compression_type=codec)
    async with consumer_of(node, topic) as consumer:
        assert await read(consumer, 500) == values


async def test_idempotent_producer(node: NodeProcess, unique: Unique) -> None:
    topic = unique("aio-idempotent")
    await produce(node, topic, [str(n) for n in range(1_000)], enable_idempotence=True)
    async with consumer_of(node, topic) as consumer:
        assert await read(consumer, 1_000) == [str(n) for n in range(1_000)]


async def test_group_continues_where_it_stopped(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("aio-group"), unique("group")
    await produce(node, topic, ["a", "b", "c"])
    async with consumer_of(node, topic, group_id=group, enable_auto_commit=False) as consumer:
        assert await read(consumer, 2) == ["a", "b"]
        await consumer.commit()
    async with consumer_of(node, topic, group_id=group) as consumer:
        assert await read(consumer, 1) == ["c"]


async def test_two_members_share_a_topic(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("aio-share"), unique("group")
    admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1)])
    await admin.close()
    async with consumer_of(node, topic, group_id=group) as first:
        assert first.assignment() == {TopicPartition(topic, part) for part in range(4)}
        async with consumer_of(node, topic, group_id=group) as second, asyncio.timeout(WAIT_S):
            while len(first.assignment()) != 2 or len(second.assignment()) != 2:
                await asyncio.gather(first.getmany(timeout_ms=50), second.getmany(timeout_ms=50))
            assert first.assignment().isdisjoint(second.assignment())
