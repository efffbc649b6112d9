"""Topics that take only records whose schema is registered, through confluent-kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    header_schema_id_serializer,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from kafka import KafkaProducer

from sprawl.node import Node

WAIT_S = 30
ORDER = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "id", "type": "string"}],
    }
)
PLACE = json.dumps({"title": "Place", "type": "object", "properties": {"name": {"type": "string"}}})
STRATEGIES = "io.confluent.kafka.serializers.subject."


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(data_dir=tmp_path, schema_registry_port=0) as made:
        yield made


@pytest.fixture
def client(node: Node) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": node.schema_registry, "max.retries": 0}) as made:
        yield made


class Shop:
    """A topic that validates, and a producer that remembers what became of its records."""

    def __init__(self, node: Node, topic: str, configs: dict[str, str]) -> None:
        self.topic = topic
        self._outcomes: list[KafkaError | None] = []
        self._producer = Producer({"bootstrap.servers": node.bootstrap})
        admin = AdminClient({"bootstrap.servers": node.bootstrap})
        admin.create_topics([NewTopic(topic, 1, config=configs)])[topic].result(WAIT_S)

    def send(self, value: bytes | None, key: bytes | None = None, **more: Any) -> KafkaError | None:
        """Send one record; what the broker made of it."""

        def report(error: KafkaError | None, _message: Message) -> None:
            self._outcomes.append(error)

        self._producer.produce(self.topic, value, key, on_delivery=report, **more)
        assert self._producer.flush(WAIT_S) == 0
        return self._outcomes[-1]

    def about(self, field: str = MessageField.VALUE, headers: Any = None) -> SerializationContext:
        return SerializationContext(self.topic, field, headers)


def refused(error: KafkaError | None) -> None:
    assert error is not None
    assert error.code() == KafkaError.INVALID_RECORD


def test_only_what_names_a_registered_schema_is_taken(
    node: Node, client: SchemaRegistryClient
) -> None:
    shop = Shop(node, "orders", {"confluent.value.schema.validation": "true"})
    refused(shop.send(b'{"id": "7"}'))
    refused(shop.send(b"\x00\x00\x00\x00\x63data"))
    other = client.register_schema("payments-value", Schema(ORDER, "AVRO"))
    refused(shop.send(b"\x00" + other.to_bytes(4, "big") + b"data"))
    serialize = AvroSerializer(client, ORDER)
    assert shop.send(serialize({"id": "7"}, shop.about())) is None
    assert shop.send(None, b"a tombstone names no schema") is None
    refused(shop.send(b""))


def test_a_schema_that_was_just_registered_is_known(
    node: Node, client: SchemaRegistryClient
) -> None:
    shop = Shop(node, "news", {"confluent.value.schema.validation": "true"})
    for count in range(20):
        text = json.dumps({"type": "string", "logicalType": f"news-{count}"})
        schema_id = client.register_schema("news-value", Schema(text, "AVRO"))
        assert shop.send(b"\x00" + schema_id.to_bytes(4, "big") + b"\x00") is None


def test_keys_have_schemas_of_their_own(node: Node, client: SchemaRegistryClient) -> None:
    shop = Shop(node, "keyed", {"confluent.key.schema.validation": "true"})
    serialize = AvroSerializer(client, '"string"')
    good = serialize("k", shop.about(MessageField.KEY))
    assert shop.send(b"any value", good) is None
    refused(shop.send(good, b"k"))


def test_one_bad_record_refuses_its_batch_and_is_named(
    node: Node, client: SchemaRegistryClient
) -> None:
    shop = Shop(node, "batches", {"confluent.value.schema.validation": "true"})
    good = AvroSerializer(client, ORDER)({"id": "7"}, shop.about())
    # A long linger, so that all are one batch.
    producer = KafkaProducer(
        bootstrap_servers=node.bootstrap, linger_ms=60_000, compression_type="gzip"
    )
    try:
        sent = [producer.send("batches", value) for value in (good, b"bad", good)]
        producer.flush(WAIT_S)
        refusals = [str(each.exception) for each in sent]
        assert "part of a batch" in refusals[0]
        assert refusals[1].endswith("Its value does not begin with the id of a schema.")
        assert "part of a batch" in refusals[2]
    finally:
        producer.close(WAIT_S)
    assert shop.send(good) is None


def test_ids_in_headers(node: Node, client: SchemaRegistryClient) -> None:
    shop = Shop(node, "headers", {"confluent.value.schema.validation": "true"})
    settings = {"schema.id.serializer": header_schema_id_serializer}
    headers: list[tuple[str, bytes]] = []
    value = AvroSerializer(client, ORDER, conf=settings)({"id": "7"}, shop.about(headers=headers))
    assert headers
    assert shop.send(value, headers=headers) is None
    refused(shop.send(value))
    refused(shop.send(value, headers=[("__value_schema_id", b"\x01" + bytes(16))]))


def ride() -> Any:
    """t.Trip.Ride, the second message of a file, in another one."""
    file = descriptor_pb2.FileDescriptorProto(name="trip.proto", package="t", syntax="proto3")
    file.message_type.add(name="Bill")
    inner = file.message_type.add(name="Trip").nested_type.add(name="Ride")
    inner.field.add(
        name="to",
        number=1,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Trip.Ride"))


@pytest.mark.parametrize("kind", ["avro", "json", "protobuf"])
@pytest.mark.parametrize("strategy", ["RecordNameStrategy", "TopicRecordNameStrategy"])
def test_subjects_named_after_types(
    node: Node, client: SchemaRegistryClient, kind: str, strategy: str
) -> None:
    shop = Shop(
        node,
        f"{kind}.{strategy}",
        {
            "confluent.value.schema.validation": "true",
            "confluent.value.subject.name.strategy": STRATEGIES + strategy,
        },
    )
    by_record = strategy == "RecordNameStrategy"
    named = record_subject_name_strategy if by_record else topic_record_subject_name_strategy
    settings: dict[str, Any] = {"subject.name.strategy": named}
    plain: Any
    serialize: Any
    if kind == "avro":
        data: Any = {"id": "7"}
        plain = AvroSerializer(client, ORDER)
        serialize = AvroSerializer(client, ORDER, conf=settings)
    elif kind == "json":
        data = {"name": "here"}
        plain = JSONSerializer(PLACE, client)
        serialize = JSONSerializer(PLACE, client, conf=settings)
    else:
        message = ride()
        data = message(to="there")
        indexes = {"use.deprecated.format": False}
        plain = ProtobufSerializer(message, client, indexes)
        serialize = ProtobufSerializer(message, client, indexes | settings)
    refused(shop.send(plain(data, shop.about())))
    assert shop.send(serialize(data, shop.about())) is None


def test_the_config_is_checked(node: Node) -> None:
    with pytest.raises(KafkaException, match="TopicNameStrategy") as raised:
        Shop(node, "t", {"confluent.value.subject.name.strategy": "MyStrategy"})
    assert raised.value.args[0].code() == KafkaError.INVALID_CONFIG
