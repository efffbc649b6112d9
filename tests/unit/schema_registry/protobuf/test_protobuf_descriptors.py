"""Our descriptors beside protoc's: the same bytes mean the same schema to every client."""

from __future__ import annotations

import base64
import importlib

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from sprawl.schema_registry.protobuf import well_known
from sprawl.schema_registry.protobuf.describing import describe
from sprawl.schema_registry.protobuf.linking import Linker
from sprawl.schema_registry.protobuf.parsing import parse
from sprawl.schema_registry.protobuf.schema import ProtobufFormat
from tests import protoc_oracle
from tests.unit.schema_registry.protobuf.sound_texts import IMPORTS, TEXTS

EVERY_TEXT = pytest.mark.parametrize("name", TEXTS)
ALL_IMPORTS = {**well_known.TEXTS, **IMPORTS}


def linker() -> Linker:
    return Linker(IMPORTS, lambda path, text: describe(path, parse(text)))


def our_descriptor(text: str) -> tuple[pb.FileDescriptorProto, DescriptorPool]:
    files = linker()
    return files.link(describe("default", parse(text))).proto, files.pool


def with_known_options(proto: pb.FileDescriptorProto, pool: DescriptorPool) -> Message:
    """The descriptor as a message of the pool, which knows the custom options.

    Bytes of options that nobody knows have an order, their values have none.
    """
    try:
        known = pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto")
    except KeyError:
        return proto
    return GetMessageClass(known).FromString(proto.SerializeToString())


@EVERY_TEXT
def test_descriptor_is_that_of_protoc(name: str) -> None:
    ours, pool = our_descriptor(TEXTS[name])
    theirs = protoc_oracle.descriptor(TEXTS[name], ALL_IMPORTS)
    assert not isinstance(theirs, str), theirs
    assert with_known_options(ours, pool) == with_known_options(theirs, pool)


@EVERY_TEXT
def test_canonical_text_means_the_same(name: str) -> None:
    """protoc reads what we give out, and it says what we were told, but for the order of parts."""
    schema = ProtobufFormat().parse(TEXTS[name], [], IMPORTS)
    again = ProtobufFormat().parse(schema.canonical, [], IMPORTS)
    assert again.canonical == schema.canonical
    theirs = protoc_oracle.descriptor(schema.canonical, ALL_IMPORTS)
    assert not isinstance(theirs, str), theirs
    serialized = base64.b64decode(schema.formatted("serialized"))
    ours, pool = our_descriptor(schema.canonical)
    assert serialized == ours.SerializeToString(deterministic=True)
    assert with_known_options(ours, pool) == with_known_options(theirs, pool)


@EVERY_TEXT
def test_normalized_text_is_stable_and_sound(name: str) -> None:
    schema = ProtobufFormat().parse(TEXTS[name], [], IMPORTS)
    normalized = schema.normalized().canonical
    again = ProtobufFormat().parse(normalized, [], IMPORTS)
    assert again.canonical == normalized
    assert again.normalized().canonical == normalized
    assert not isinstance(protoc_oracle.descriptor(normalized, ALL_IMPORTS), str)
    assert ProtobufFormat().incompatibilities(again, schema) == []
    assert ProtobufFormat().incompatibilities(schema, again) == []


@EVERY_TEXT
def test_descriptor_of_protoc_is_read_back(name: str) -> None:
    """What a client sends as base64 is rendered as text that says the same."""
    theirs = protoc_oracle.descriptor(TEXTS[name], ALL_IMPORTS)
    assert not isinstance(theirs, str), theirs
    sent = base64.b64encode(theirs.SerializeToString()).decode()
    from_descriptor = ProtobufFormat().parse(sent, [], IMPORTS)
    from_text = ProtobufFormat().parse(TEXTS[name], [], IMPORTS)
    assert _normalized_descriptor(from_descriptor.canonical) == _normalized_descriptor(
        from_text.canonical
    )


def test_options_with_maps_that_somebody_loaded_are_read() -> None:
    """A program that uses Confluent's serializers and embeds a node knows their options."""
    module = importlib.import_module("confluent_kafka.schema_registry.confluent.meta_pb2")
    assert module.DESCRIPTOR.name == "confluent/meta.proto"
    test_descriptor_of_protoc_is_read_back("confluent's options")


def _normalized_descriptor(text: str) -> bytes:
    schema = ProtobufFormat().parse(text, [], IMPORTS).normalized()
    proto, pool = our_descriptor(schema.canonical)
    return with_known_options(proto, pool).SerializeToString(deterministic=True)


@EVERY_TEXT
def test_ignore_extensions_gives_a_sound_text(name: str) -> None:
    schema = ProtobufFormat().parse(TEXTS[name], [], IMPORTS)
    text = schema.formatted("ignore_extensions")
    assert "extend " not in text
    assert "(shop." not in text
    ProtobufFormat().parse(text, [], IMPORTS)


def test_every_well_known_file_can_be_imported() -> None:
    for path in (*well_known.MODULES, *well_known.TEXTS):
        ProtobufFormat().parse(f'syntax = "proto3"; import "{path}"; message M {{}}', [], {})
    assert len(well_known.MODULES) == 11 + 17
