"""The registry over the partitions of a whole node, with the real schema types and clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from schemas_topic_world import turns

from sprawl.node import Node
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.parsing import NewSchema
from sprawl.schema_registry.model.records import barrier
from sprawl.schema_registry.model.registering import register
from sprawl.schema_registry.model.scopes import put_config
from sprawl.schema_registry.service import StoreFault
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.formats import schema_formats
from sprawl.schema_registry.serving.node_topic import NodeTopic
from sprawl.schema_registry.serving.service import TopicRegistry

AVRO = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
PROTO = 'syntax = "proto3"; message Order { int64 id = 1; }'


@asynccontextmanager
async def serving(node: Node) -> AsyncIterator[TopicRegistry]:
    topic = NodeTopic(node._running.broker, lambda _: None)
    service = TopicRegistry(topic, schema_formats, executor=ThreadPoolExecutor)
    service.start()
    try:
        yield service
    finally:
        await service.stop()


async def write(service: TopicRegistry, subject: str, text: str, kind: str) -> StoredSchema:
    return await service.write(lambda registry: register(registry, subject, NewSchema(text, kind)))


def texts(subject: str) -> Any:
    return lambda registry: [each.schema for each in registry.state.versions(subject)]


async def ready(service: TopicRegistry) -> TopicRegistry:
    while not service.is_ready:
        await turns(1)
    return service


async def test_a_restart_keeps_what_was_registered_and_other_clients_can_read_it(
    tmp_path: Path,
) -> None:
    async with Node(data_dir=tmp_path) as node, serving(node) as service:
        await ready(service)
        assert "_schemas" not in node._running.broker.controller.topics
        avro = await write(service, "orders-value", AVRO, "AVRO")
        proto = await write(service, "orders-proto", PROTO, "PROTOBUF")
        schema = await write(service, "orders-json", '{"type": "object"}', "JSON")
        assert [each.id for each in (avro, proto, schema)] == [1, 2, 3]
        info = node._running.broker.controller.topics["_schemas"]
        assert (info.partition_count, info.configs["cleanup.policy"]) == (1, "compact")
    async with Node(data_dir=tmp_path) as node, serving(node) as service:
        await ready(service)
        assert await service.read(texts("orders-value")) == [avro.schema]
        kept = await service.read(lambda registry: registry.state.version("orders-value", 1))
        assert (await write(service, "orders-value", AVRO, "AVRO")).id == 1
        assert (await write(service, "other", '"string"', "AVRO")).id == 4
        consumer = AIOKafkaConsumer(
            "_schemas", bootstrap_servers=node.bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            records = [await consumer.getone() for _ in range(6)]
        finally:
            await consumer.stop()
    # One barrier for each leader, here for each start.
    assert [record.key for record in records].count(barrier()[0]) == 2
    assert json.loads(records[1].value)["schema"] == avro.schema
    assert kept is not None
    assert kept.timestamp_ms == records[1].timestamp


async def test_records_that_a_producer_writes_are_the_registrys_too() -> None:
    async with Node() as node, serving(node) as service:
        await ready(service)
        await write(service, "s", '"string"', "AVRO")
        key = b'{"keytype":"SCHEMA","subject":"t","version":1,"magic":1}'
        value = b'{"subject":"t","version":1,"id":9,"schema":"\\"long\\"","deleted":false}'
        producer = AIOKafkaProducer(
            bootstrap_servers=node.bootstrap, compression_type="gzip", linger_ms=20
        )
        await producer.start()
        try:
            await producer.send("_schemas", key=b"not json", value=b"")
            await producer.send_and_wait("_schemas", key=key, value=value)
        finally:
            await producer.stop()
        while not await service.read(texts("t")):
            await turns(1)
        assert await service.read(texts("t")) == ['"long"']
        assert (await write(service, "u", '"double"', "AVRO")).id == 10
        assert service.counts().skipped == 1


async def test_after_compaction_a_restart_reads_the_same(tmp_path: Path) -> None:
    async with Node(data_dir=tmp_path) as node, serving(node) as service:
        await ready(service)
        await write(service, "s", '"string"', "AVRO")
        log = node._running.broker.partitions.find("_schemas", 0).log
        for level in ("FULL", "NONE", "FORWARD", "NONE"):
            await service.write(partial(put_config, subject=None, body={"compatibility": level}))
        log.roll()
        await node._running.broker.partitions.housekeeping.compact()
        await write(service, "s", '"long"', "AVRO")
    async with Node(data_dir=tmp_path) as node, serving(node) as service:
        await ready(service)
        assert await service.read(texts("s")) == ['"string"', '"long"']
        assert service.counts().applied < 8


@pytest.mark.parametrize(
    ("partitions", "policy", "why"),
    [(2, "compact", "2 partitions"), (1, "delete", "cleanup.policy")],
)
async def test_a_topic_that_is_not_fit_takes_no_schemas(
    partitions: int, policy: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETRY_S", 0)
    async with Node() as node, serving(node) as service:
        admin = AIOKafkaAdminClient(bootstrap_servers=node.bootstrap)
        await admin.start()
        try:
            topic = NewTopic("_schemas", partitions, 1, topic_configs={"cleanup.policy": policy})
            await admin.create_topics([topic])
        finally:
            await admin.close()
        with pytest.raises(StoreFault, match=why):
            await write(service, "s", '"string"', "AVRO")


async def test_a_topic_that_is_deleted_is_empty_and_made_again_by_the_next_write() -> None:
    async with Node() as node, serving(node) as service:
        await ready(service)
        await write(service, "s", '"string"', "AVRO")
        await node._running.broker.controller.delete_topic(name="_schemas")
        service.wake()
        while await service.read(texts("s")):
            await turns(1)
        assert (await write(service, "t", '"long"', "AVRO")).id == 1
        assert await service.read(texts("s")) == []
