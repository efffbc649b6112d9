"""The schema types that a node knows, made anew for each thread that parses."""

from __future__ import annotations

from collections.abc import Mapping

from sprawl.schema_registry.schemas import SchemaFormat, SchemaType


def schema_formats() -> Mapping[SchemaType, SchemaFormat]:
    """All three, with nothing remembered yet. Their libraries are loaded by the first call, so that
    a node whose registry nobody asks does without them."""
    from sprawl.schema_registry.avro.schema import AvroFormat
    from sprawl.schema_registry.json_schema import JsonSchemaFormat
    from sprawl.schema_registry.protobuf.schema import ProtobufFormat

    return {
        SchemaType.AVRO: AvroFormat(),
        SchemaType.JSON: JsonSchemaFormat(),
        SchemaType.PROTOBUF: ProtobufFormat(),
    }
