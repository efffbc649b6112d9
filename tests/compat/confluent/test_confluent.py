"""confluent-kafka, the Python client over librdkafka."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from node_process import NodeProcess

from tests.compat.scenarios import eventually

Unique = Callable[[str], str]
WAIT_S = 30


def admin_of(node: NodeProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": node.bootstrap})


def create(node: NodeProcess, topic: str, partitions: int = 1, **config: str) -> None:
    new = NewTopic(topic, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
    admin = admin_of(node)
    admin.create_topics([new])[topic].result(WAIT_S)
    eventually(lambda: topic in admin.list_topics(timeout=WAIT_S).topics, True)


def produce(node: NodeProcess, topic: str, values: list[str], **settings: object) -> list[Message]:
    delivered: list[Message] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        delivered.append(message)

    producer = Producer({"bootstrap.servers": node.bootstrap, **settings})
    for value in values:
        producer.produce(topic, value, key=value[:1], on_delivery=on_delivery)
    assert producer.flush(WAIT_S) == 0
    return delivered


def read(consumer: Consumer, count: int) -> list[str]:
    values: list[str] = []
    deadline = time.monotonic() + WAIT_S
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            values.append((message.value() or b"").decode())
    return values


def consumer_of(node: NodeProcess, group: str, **settings: object) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": node.bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            **settings,
        }
    )


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codecs(node: NodeProcess, unique: Unique, codec: str) -> None:
    topic = unique(f"cf-{codec}")
    values = [f"value {n}" * 5 for n in range(3_000)]
    produce(node, topic, values, **{"compression.type": codec})
    consumer = consumer_of(node, unique("group"))
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert read(consumer, len(values)) == values
    consumer.close()


def test_idempotent_producer_keeps_order(node: NodeProcess, unique: Unique) -> None:
    topic = unique("cf-idempotent")
    values = [str(n) for n in range(5_000)]
    delivered = produce(node, topic, values, **{"enable.idempotence": True, "linger.ms": 1})
    assert [message.offset() for message in delivered] == list(range(5_000))


def test_group_shares_partitions_and_takes_over(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("cf-group"), unique("group")
    create(node, topic, partitions=4)
    first = consumer_of(node, group)
    second = consumer_of(node, group)
    first.subscribe([topic])
    second.subscribe([topic])
    for _ in range(200):
        first.poll(0.05)
        second.poll(0.05)
        if len(first.assignment()) == len(second.assignment()) == 2:
            break
    owned = {tp.partition for tp in first.assignment()} | {
        tp.partition for tp in second.assignment()
    }
    assert owned == {0, 1, 2, 3}
    second.close()
    for _ in range(200):
        first.poll(0.05)
        if len(first.assignment()) == 4:
            break
    assert len(first.assignment()) == 4
    first.close()


def test_cooperative_group(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("cf-coop"), unique("group")
    create(node, topic, partitions=4)
    cooperative = {"partition.assignment.strategy": "cooperative-sticky"}
    first = consumer_of(node, group, **cooperative)
    first.subscribe([topic])
    for _ in range(200):
        first.poll(0.05)
        if len(first.assignment()) == 4:
            break
    second = consumer_of(node, group, **cooperative)
    second.subscribe([topic])
    for _ in range(300):
        first.poll(0.05)
        second.poll(0.05)
        if len(first.assignment()) == len(second.assignment()) == 2:
            break
    assert len(first.assignment()) == len(second.assignment()) == 2
    first.close()
    second.close()


def test_committed_offsets_survive_restart_and_kill(own_node: NodeProcess) -> None:
    produce(own_node, "orders", [str(n) for n in range(10)])
    consumer = consumer_of(own_node, "billing", **{"enable.auto.commit": False})
    consumer.subscribe(["orders"])
    assert len(read(consumer, 4)) == 4
    consumer.commit(offsets=[TopicPartition("orders", 0, 4)], asynchronous=False)
    consumer.close()
    own_node.restart()
    consumer = consumer_of(own_node, "billing", **{"enable.auto.commit": False})
    [committed] = consumer.committed([TopicPartition("orders", 0)], timeout=WAIT_S)
    assert committed.offset == 4
    consumer.commit(offsets=[TopicPartition("orders", 0, 7)], asynchronous=False)
    consumer.close()
    own_node.kill()
    own_node.start()
    consumer = consumer_of(own_node, "billing")
    consumer.subscribe(["orders"])
    assert read(consumer, 3) == ["7", "8", "9"]
    consumer.close()


def test_admin_of_topics(node: NodeProcess, unique: Unique) -> None:
    topic = unique("cf-admin")
    admin = admin_of(node)
    create(node, topic, 2, retention_ms="1000000")
    with pytest.raises(KafkaException) as raised:
        create(node, topic)
    assert raised.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(WAIT_S)
    eventually(lambda: len(admin.list_topics(topic, WAIT_S).topics[topic].partitions), 5)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    found = admin.describe_configs([resource])[resource].result(WAIT_S)
    assert found["retention.ms"].value == "1000000"
    assert found["cleanup.policy"].value == "delete"
    resource.add_incremental_config(
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    )
    admin.incremental_alter_configs([resource])[resource].result(WAIT_S)
    plain = ConfigResource(ConfigResource.Type.TOPIC, topic)

    def policy() -> str:
        return str(admin.describe_configs([plain])[plain].result(WAIT_S)["cleanup.policy"].value)

    eventually(policy, "compact")
    admin.delete_topics([topic])[topic].result(WAIT_S)
    eventually(lambda: topic in admin.list_topics(timeout=WAIT_S).topics, False)


def test_authorized_operations_are_told_if_asked_for(node: NodeProcess, unique: Unique) -> None:
    topic = unique("operations")
    create(node, topic)
    admin = admin_of(node)
    asked = TopicCollection([topic])
    told = admin.describe_topics(asked, include_authorized_operations=True)[topic].result(WAIT_S)
    assert {operation.name for operation in told.authorized_operations} == {
        "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS",
        "ALTER_CONFIGS",
    }  # fmt: skip
    silent = admin.describe_topics(asked)[topic].result(WAIT_S)
    assert silent.authorized_operations is None
    cluster = admin.describe_cluster(include_authorized_operations=True).result(WAIT_S)
    assert {operation.name for operation in cluster.authorized_operations} == {
        "CREATE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS",
        "IDEMPOTENT_WRITE",
    }  # fmt: skip


def test_wrong_topic_config_is_refused(node: NodeProcess, unique: Unique) -> None:
    with pytest.raises(KafkaException) as raised:
        create(node, unique("cf-bad"), no_such_config="1")
    assert raised.value.args[0].code() == KafkaError.INVALID_CONFIG


def test_admin_of_groups_and_offsets(node: NodeProcess, unique: Unique) -> None:
    topic, group = unique("cf-offsets"), unique("group")
    produce(node, topic, ["a", "b", "c"])
    consumer = consumer_of(node, group)
    consumer.subscribe([topic])
    assert read(consumer, 3) == ["a", "b", "c"]
    consumer.close()
    admin = admin_of(node)
    listed = admin.list_consumer_groups().result(WAIT_S)
    assert group in [each.group_id for each in listed.valid]
    described = admin.describe_consumer_groups([group])[group].result(WAIT_S)
    assert described.state.name == "EMPTY"
    place = TopicPartition(topic, 0)
    latest = admin.list_offsets({place: OffsetSpec.latest()})[place].result(WAIT_S)
    assert latest.offset == 3
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 1)])
    admin.alter_consumer_group_offsets([wanted])[group].result(WAIT_S)
    asked = ConsumerGroupTopicPartitions(group)
    [found] = admin.list_consumer_group_offsets([asked])[group].result(WAIT_S).topic_partitions
    assert found.offset == 1
    deleted = admin.delete_records([TopicPartition(topic, 0, 2)])
    assert deleted[place].result(WAIT_S).low_watermark == 2
    admin.delete_consumer_groups([group])[group].result(WAIT_S)
    listed = admin.list_consumer_groups().result(WAIT_S)
    assert group not in [each.group_id for each in listed.valid]
