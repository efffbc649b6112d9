"""Confluent's Python client and its serializers, against the three real schema types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from confluent_kafka.schema_registry import (
    Metadata,
    MetadataProperties,
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    ServerConfig,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.common.schema_registry_client import ConfigCompatibilityLevel
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from rest_world import MemoryService, RestWorld, rest_world

from sprawl.schema_registry.service import NotTheLeader

T = TypeVar("T")

USER = '{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]}'
USER_2 = (
    '{"type":"record","name":"User","fields":[{"name":"name","type":"string"},'
    '{"name":"age","type":["null","int"],"default":null}]}'
)
VALUE = SerializationContext("users", MessageField.VALUE)


@pytest.fixture
def other(world: RestWorld) -> Iterator[SchemaRegistryClient]:
    """A client that has nothing in its caches."""
    with client_of(world) as other:
        yield other


@pytest.fixture
def client(world: RestWorld) -> Iterator[SchemaRegistryClient]:
    with client_of(world) as client:
        yield client


def client_of(world: RestWorld) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": world.url, "max.retries": 0})


async def aside(call: Callable[..., T], *args: Any, **options: Any) -> T:
    """In a thread: the client waits for the server, which runs in this one."""
    return await asyncio.to_thread(call, *args, **options)


async def refusal(call: Callable[..., object], *args: Any, **options: Any) -> tuple[int, int]:
    with pytest.raises(SchemaRegistryError) as refused:
        await aside(call, *args, **options)
    return refused.value.http_status_code, refused.value.error_code


async def test_registering_and_finding(client: SchemaRegistryClient) -> None:
    schema = Schema(USER, "AVRO")
    assert await aside(client.register_schema, "users-value", schema) == 1
    assert await aside(client.register_schema, "people/all", schema, normalize_schemas=True) == 1
    client.clear_caches()
    found = await aside(client.get_schema, 1)
    assert (found.schema_str, found.schema_type) == (USER, "AVRO")
    registered = await aside(client.lookup_schema, "users-value", schema)
    assert (registered.subject, registered.version, registered.schema_id) == ("users-value", 1, 1)
    assert (await aside(client.get_schema_by_guid, registered.guid)).schema_str == USER
    assert await aside(client.get_subjects) == ["people/all", "users-value"]
    assert await aside(client.get_subjects, subject_prefix="people", limit=5) == ["people/all"]
    assert await aside(client.get_subjects_by_schema_id, 1) == ["people/all", "users-value"]
    versions = await aside(client.get_schema_versions, 1, subject_name="users-value")
    assert [(item.subject, item.version) for item in versions] == [
        ("people/all", 1),
        ("users-value", 1),
    ]
    assert set(await aside(client.get_schema_types)) == {"AVRO", "JSON", "PROTOBUF"}
    assert await aside(client.get_contexts) == ["."]


async def test_versions(client: SchemaRegistryClient) -> None:
    await aside(client.register_schema, "s", Schema(USER, "AVRO"))
    full = await aside(client.register_schema_full_response, "s", Schema(USER_2, "AVRO"))
    assert (full.schema_id, full.version) == (2, 2)
    assert await aside(client.get_versions, "s") == [1, 2]
    assert (await aside(client.get_latest_version, "s")).version == 2
    assert (await aside(client.get_version, "s", 1)).schema.schema_str == USER
    assert await aside(client.delete_version, "s", 1) == 1
    assert await refusal(client.get_version, "s", 1) == (404, 40402)
    assert (await aside(client.get_version, "s", 1, deleted=True)).version == 1
    assert await aside(client.delete_version, "s", 1, permanent=True) == 1
    assert await refusal(client.delete_subject, "s", permanent=True) == (404, 40405)
    assert await aside(client.delete_subject, "s") == [2]
    assert await aside(client.delete_subject, "s", permanent=True) == [2]
    client.clear_latest_caches()
    assert await refusal(client.get_latest_version, "s") == (404, 40401)


async def test_references_and_metadata(client: SchemaRegistryClient) -> None:
    metadata = Metadata(tags=None, properties=MetadataProperties({"owner": "me"}), sensitive=None)
    await aside(client.register_schema, "user", Schema(USER, "AVRO", metadata=metadata))
    group = Schema(
        '{"type":"record","name":"Group","fields":[{"name":"admin","type":"User"}]}',
        "AVRO",
        [SchemaReference("User", "user", -1)],
    )
    group_id = await aside(client.register_schema, "group", group)
    assert await aside(client.get_referenced_by, "user", 1) == [group_id]
    found = await aside(client.get_latest_version, "group")
    assert [(item.name, item.version) for item in found.schema.references] == [("User", 1)]
    owned = await aside(client.get_latest_with_metadata, "user", {"owner": "me"})
    assert owned.version == 1
    assert owned.schema.metadata.properties.properties == {"owner": "me"}
    assert await refusal(client.delete_subject, "user") == (422, 42206)


async def test_compatibility_config_and_mode(client: SchemaRegistryClient) -> None:
    await aside(client.register_schema, "s", Schema(USER, "AVRO"))
    other = Schema(USER.replace('"name":"name"', '"name":"other"'), "AVRO")
    assert await aside(client.test_compatibility, "s", Schema(USER_2, "AVRO"))
    assert not await aside(client.test_compatibility, "s", other)
    assert not await aside(client.test_compatibility_all_versions, "s", other, verbose=True)
    assert await refusal(client.register_schema, "s", other) == (409, 409)
    assert await aside(client.get_compatibility) == "BACKWARD"
    assert await aside(client.set_compatibility, level="full") == {"compatibility": "FULL"}
    await aside(client.set_compatibility, "s", "NONE")
    assert await aside(client.get_compatibility, "s") == "NONE"
    assert await aside(client.register_schema, "s", other) == 2
    await aside(client.set_config, "s", ServerConfig(ConfigCompatibilityLevel.FORWARD))
    assert (await aside(client.get_config, "s")).compatibility_level == "FORWARD"
    assert (await aside(client.delete_config, "s")).compatibility_level == "FORWARD"
    assert await refusal(client.get_config, "s") == (404, 40408)
    assert await aside(client.get_global_mode) == "READWRITE"
    assert await aside(client.update_mode, "s", "READONLY") == "READONLY"
    assert await aside(client.get_mode, "s") == "READONLY"
    assert await refusal(client.delete_subject, "s") == (422, 42205)
    assert await aside(client.delete_mode, "s") == "READONLY"
    assert await refusal(client.set_compatibility, level="SIDEWAYS") == (422, 42203)


async def test_avro_data(
    world: RestWorld, client: SchemaRegistryClient, other: SchemaRegistryClient
) -> None:
    serializer = AvroSerializer(client, USER)
    data = await aside(serializer, {"name": "Ada"}, VALUE)
    assert data[:5] == b"\0\0\0\0\x01"
    newer = AvroDeserializer(other, USER_2)
    assert await aside(newer, data, VALUE) == {"name": "Ada", "age": None}
    assert await world.good("GET", "/subjects") == ["users-value"]
    broken = AvroSerializer(client, '{"type":"record","name":"User","fields":[]}')
    await aside(broken, {}, VALUE)
    assert await world.good("GET", "/subjects/users-value/versions") == [1, 2]


async def test_json_data(
    world: RestWorld, client: SchemaRegistryClient, other: SchemaRegistryClient
) -> None:
    text = json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "User",
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
    )
    data = await aside(JSONSerializer(text, client), {"name": "Ada"}, VALUE)
    reader = JSONDeserializer(None, schema_registry_client=other)
    assert await aside(reader, data, VALUE) == {"name": "Ada"}
    assert (await world.good("GET", "/schemas/ids/1"))["schemaType"] == "JSON"


async def test_protobuf_data_with_an_import(
    world: RestWorld, client: SchemaRegistryClient, other: SchemaRegistryClient
) -> None:
    user = _message_class()
    serializer = ProtobufSerializer(user, client)
    data = await aside(serializer, user(name="Ada", address={"city": "London"}), VALUE)
    reader = ProtobufDeserializer(user, schema_registry_client=other)
    found = await aside(reader, data, VALUE)
    assert (found.name, found.address.city) == ("Ada", "London")
    stored = await world.good("GET", "/subjects/users-value/versions/latest")
    assert stored["schemaType"] == "PROTOBUF"
    assert 'import "rest/address.proto";' in stored["schema"]
    assert stored["references"] == [
        {"name": "rest/address.proto", "subject": "rest/address.proto", "version": 1}
    ]


async def test_a_client_of_a_node_that_does_not_lead(world: RestWorld) -> None:
    service = MemoryService()
    service.registry = world.service.registry
    service.failure = NotTheLeader(world.url)
    async with rest_world(service) as follower:
        with client_of(follower) as client:
            data = await aside(AvroSerializer(client, USER), {"name": "Ada"}, VALUE)
            assert await aside(AvroDeserializer(client), data, VALUE) == {"name": "Ada"}


async def test_a_client_in_a_context(world: RestWorld) -> None:
    url = f"{world.url}/contexts/.c"
    with SchemaRegistryClient({"url": url, "max.retries": 0}) as client:
        data = await aside(AvroSerializer(client, USER), {"name": "Ada"}, VALUE)
        client.clear_caches()
        assert await aside(AvroDeserializer(client), data, VALUE) == {"name": "Ada"}
    assert await world.good("GET", "/subjects") == [":.c:users-value"]


def _message_class() -> Any:
    """The class of a message that has one of another file."""
    address = descriptor_pb2.FileDescriptorProto(
        name="rest/address.proto", package="rest", syntax="proto3"
    )
    _add_field(address.message_type.add(name="Address"), "city", 1)
    user = descriptor_pb2.FileDescriptorProto(
        name="rest/user.proto", package="rest", syntax="proto3", dependency=[address.name]
    )
    message = user.message_type.add(name="User")
    _add_field(message, "name", 1)
    message.field.add(
        name="address",
        number=2,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".rest.Address",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(address)
    pool.Add(user)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("rest.User"))


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int) -> None:
    message.field.add(
        name=name,
        number=number,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    )
