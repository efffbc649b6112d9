"""kafka-python, the client written in Python."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError
from node_process import NodeProcess

from tests.compat.scenarios import eventually

Unique = Callable[[str], str]
WAIT_MS = 20_000


def produce(node: NodeProcess, topic: str, values: list[str], **settings: object) -> list[int]:
    producer = KafkaProducer(bootstrap_servers=node.bootstrap, **settings)
    try:
        sent = [producer.send(topic, value.encode(), key=b"k") for value in values]
        return [future.get(timeout=30).offset for future in sent]
    finally:
        producer.close()


def consumer_of(node: NodeProcess, *topics: str, **settings: object) -> KafkaConsumer:
    return KafkaConsumer(
        *topics,
        bootstrap_servers=node.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=WAIT_MS,
        **settings,
    )


def read(consumer: KafkaConsumer, count: int) -> list[str]:
    values: list[str] = []
    for record in consumer:
        values.append(record.value.decode())
        if len(values) == count:
            break
    return values


@pytest.mark.parametrize("codec", [None, "gzip", "lz4", "zstd"])
def test_reads_back_what_it_wrote(node: NodeProcess, unique: Unique, codec: str | None) -> None:
    topic = unique(f"kp-{codec}")
    values = [f"value {n}" for n in range(500)]
    assert produce(node, topic, values, compression_type=codec) == list(range(500))
    consumer = consumer_of(node, topic, group_id=None)
    assert read(consumer, 500) == values
    consumer.close()


def test_group_continues_after_a_restart(own_node: NodeProcess) -> None:
    produce(own_node, "kp", ["a", "b", "c"])
    consumer = consumer_of(own_node, "kp", group_id="g", enable_auto_commit=False)
    assert read(consumer, 2) == ["a", "b"]
    consumer.commit()
    consumer.close()
    own_node.kill()
    own_node.start()
    consumer = consumer_of(own_node, "kp", group_id="g")
    assert read(consumer, 1) == ["c"]
    consumer.close()


def test_looks_up_offsets(node: NodeProcess, unique: Unique) -> None:
    topic = unique("kp-offsets")
    producer = KafkaProducer(bootstrap_servers=node.bootstrap)
    for timestamp in (1_000_000, 2_000_000, 3_000_000):
        producer.send(topic, b"x", timestamp_ms=timestamp).get(30)
    producer.close()
    consumer = consumer_of(node)
    place = TopicPartition(topic, 0)
    assert consumer.beginning_offsets([place]) == {place: 0}
    assert consumer.end_offsets([place]) == {place: 3}
    assert consumer.offsets_for_times({place: 1_500_000})[place].offset == 1
    consumer.close()


def test_administers_topics(node: NodeProcess, unique: Unique) -> None:
    topic = unique("kp-admin")
    admin = KafkaAdminClient(bootstrap_servers=node.bootstrap)
    try:
        admin.create_topics([NewTopic(topic, 3, 1)])
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics([NewTopic(topic, 3, 1)])
        eventually(lambda: topic in admin.list_topics(), True)
        admin.delete_topics([topic])
        eventually(lambda: topic in admin.list_topics(), False)
    finally:
        admin.close()
