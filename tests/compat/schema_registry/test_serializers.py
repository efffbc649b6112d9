"""confluent-kafka's three serializers against a node: data, evolution in each mode, a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.common.schema_registry_client import ConfigCompatibilityLevel
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from sprawl.node import Node

WAIT_S = 30
ID = {"name": "id", "type": "string"}
NOTE = {"name": "note", "type": "string"}
NOTE_OR_NOTHING = NOTE | {"default": ""}


def order(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": list(fields)})


def place(*properties: str, required: Sequence[str] = ()) -> str:
    """Of a closed content model: nothing else is allowed."""
    return json.dumps(
        {
            "title": "Place",
            "type": "object",
            "properties": {name: {"type": "string"} for name in properties},
            "required": list(required),
            "additionalProperties": False,
        }
    )


def message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="ride.proto", package="t", syntax="proto3")
    file.message_type.add(name="Ride").field.add(
        name="to",
        number=1,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Ride"))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(data_dir=tmp_path, schema_registry_port=0) as made:
        yield made


def level(name: str) -> ServerConfig:
    return ServerConfig(compatibility=ConfigCompatibilityLevel[name])


@pytest.fixture
def client(node: Node) -> Iterator[SchemaRegistryClient]:
    with registry_of(node) as made:
        yield made


def registry_of(node: Node) -> SchemaRegistryClient:
    """A client with nothing in its caches."""
    return SchemaRegistryClient({"url": node.schema_registry, "max.retries": 0})


def roundtrip(node: Node, topic: str, value: Any, serializer: Any, deserializer: Any) -> Any:
    about = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({"bootstrap.servers": node.bootstrap})
    producer.produce(topic, serializer(value, about))
    assert producer.flush(WAIT_S) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": node.bootstrap,
            "group.id": topic,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    try:
        message = consumer.poll(WAIT_S)
        assert message is not None
        assert message.error() is None
        return deserializer(message.value(), about)
    finally:
        consumer.close()


def test_data_goes_through_and_schemas_outlive_a_restart(tmp_path: Path) -> None:
    ride = message_class()
    with (
        Node(data_dir=tmp_path, schema_registry_port=0) as node,
        registry_of(node) as client,
    ):
        avro = AvroSerializer(client, order(ID))
        found = roundtrip(node, "orders", {"id": "7"}, avro, AvroDeserializer(client))
        assert found == {"id": "7"}
        schema = place("name")
        found = roundtrip(
            node, "places", {"name": "x"}, JSONSerializer(schema, client), JSONDeserializer(schema)
        )
        assert found == {"name": "x"}
        settings = {"use.deprecated.format": False}
        found = roundtrip(
            node,
            "rides",
            ride(to="there"),
            ProtobufSerializer(ride, client, settings),
            ProtobufDeserializer(ride, settings),
        )
        assert found.to == "there"
        client.set_config("orders-value", level("FULL"))
        before = {each: client.get_latest_version(each) for each in client.get_subjects()}
    assert set(before) == {"orders-value", "places-value", "rides-value"}
    with (
        Node(data_dir=tmp_path, schema_registry_port=0) as node,
        registry_of(node) as client,
    ):
        after = {each: client.get_latest_version(each) for each in client.get_subjects()}
        assert {name: (each.schema_id, each.schema.schema_str) for name, each in after.items()} == {
            name: (each.schema_id, each.schema.schema_str) for name, each in before.items()
        }
        assert client.get_config("orders-value").compatibility_level == "FULL"
        assert client.register_schema("more-value", Schema(order(ID, NOTE), "AVRO")) > max(
            each.schema_id for each in before.values()
        )


ADDED, ADDED_WITH_DEFAULT, REMOVED, REMOVED_WITH_DEFAULT = range(4)
AVRO_CHANGES = {
    ADDED: (order(ID), order(ID, NOTE)),
    ADDED_WITH_DEFAULT: (order(ID), order(ID, NOTE_OR_NOTHING)),
    REMOVED: (order(ID, NOTE), order(ID)),
    REMOVED_WITH_DEFAULT: (order(ID, NOTE_OR_NOTHING), order(ID)),
}
JSON_CHANGES = {
    ADDED: (place("id"), place("id", "note", required=["note"])),
    ADDED_WITH_DEFAULT: (place("id"), place("id", "note")),
    REMOVED: (place("id", "note", required=["note"]), place("id")),
    REMOVED_WITH_DEFAULT: (place("id", "note"), place("id")),
}


@pytest.mark.parametrize(
    ("mode", "avro_refuses", "json_refuses"),
    [
        ("NONE", set(), set()),
        ("BACKWARD", {ADDED}, {ADDED, REMOVED, REMOVED_WITH_DEFAULT}),
        ("FORWARD", {REMOVED}, {ADDED, ADDED_WITH_DEFAULT, REMOVED}),
        ("FULL", {ADDED, REMOVED}, {ADDED, ADDED_WITH_DEFAULT, REMOVED, REMOVED_WITH_DEFAULT}),
    ],
)
def test_each_mode_refuses_what_it_should_with_a_reason(
    client: SchemaRegistryClient, mode: str, avro_refuses: set[int], json_refuses: set[int]
) -> None:
    for transitive in ("", "_TRANSITIVE") if mode != "NONE" else ("",):
        client.set_config(config=level(mode + transitive))
        for kind, changes, refused in (
            ("AVRO", AVRO_CHANGES, avro_refuses),
            ("JSON", JSON_CHANGES, json_refuses),
        ):
            for change, (old, new) in changes.items():
                subject = f"{kind}{transitive}{change}"
                client.register_schema(subject, Schema(old, kind))
                if change not in refused:
                    client.register_schema(subject, Schema(new, kind))
                    continue
                with pytest.raises(SchemaRegistryError) as refusal:
                    client.register_schema(subject, Schema(new, kind))
                assert (refusal.value.http_status_code, refusal.value.error_code) == (409, 409)
                assert "note" in refusal.value.error_message


def test_transitive_modes_look_at_every_version(client: SchemaRegistryClient) -> None:
    steps = (order(ID, NOTE), order(ID, NOTE_OR_NOTHING), order(ID))
    for mode, is_taken in (("FORWARD", True), ("FORWARD_TRANSITIVE", False)):
        client.set_config(mode, level(mode))
        client.register_schema(mode, Schema(steps[0], "AVRO"))
        client.register_schema(mode, Schema(steps[1], "AVRO"))
        assert client.test_compatibility(mode, Schema(steps[2], "AVRO")) is True
        if is_taken:
            client.register_schema(mode, Schema(steps[2], "AVRO"))
            continue
        with pytest.raises(SchemaRegistryError, match="oldSchemaVersion: 1"):
            client.register_schema(mode, Schema(steps[2], "AVRO"))
