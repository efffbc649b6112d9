"""JSON Schema as a schema type of the registry. Pure."""

from sprawl.schema_registry.json_schema.parsing import JsonSchemaFormat, ParsedJsonSchema

__all__ = ["JsonSchemaFormat", "ParsedJsonSchema"]
