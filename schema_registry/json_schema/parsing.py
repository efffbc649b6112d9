"""JSON Schema for the registry: reads a schema, and compares two. Pure.

Source: the port in `schemas.py`; JSON Schema drafts 4, 6, 7, 2019-09 and 2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from sprawl.schema_registry.json_schema import checking, json_text, resolved
from sprawl.schema_registry.json_schema.comparing import differences
from sprawl.schema_registry.json_schema.documents import Documents
from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.schemas import (
    Incompatibility,
    InvalidSchema,
    Parsed,
    Policy,
    Reference,
)


class ParsedJsonSchema:
    """A sound JSON schema. Immutable."""

    def __init__(self, documents: Documents, references: Sequence[Reference]) -> None:
        self.documents = documents
        self.references = tuple(references)

    @cached_property
    def canonical(self) -> str:
        """The same text without white space: keys in their order, numbers as they are."""
        return json_text.write(self.documents.root.value)

    @cached_property
    def root(self) -> Node:
        """What the schema says, as comparisons see it."""
        return Node.of(self.documents)

    def normalized(self) -> ParsedJsonSchema:
        """The same with the keys of every object sorted, and the references sorted, each once."""
        documents = self.documents.with_root(_sorted(self.documents.root.value))
        return ParsedJsonSchema(documents, sorted(set(self.references)))

    def formatted(self, name: str) -> str:
        """`resolved` gives one schema that needs no other; all else is `canonical`."""
        return (
            json_text.write(resolved.bundle(self.documents))
            if name == "resolved"
            else self.canonical
        )

    def record_name(self, message: Sequence[int]) -> str | None:
        """The title."""
        value = self.documents.root.value
        title = value.get("title") if isinstance(value, dict) else None
        return title if isinstance(title, str) else None


class JsonSchemaFormat:
    """The schema type JSON."""

    def parse(
        self, text: str, references: Sequence[Reference], texts: Mapping[str, str]
    ) -> ParsedJsonSchema:
        """See `SchemaFormat.parse`."""
        value = json_text.read(text)
        if not isinstance(value, dict | bool):
            raise InvalidSchema(
                f"#: a JSON schema is an object or a boolean, not {json_text.shown(value)}"
            )
        missing = [reference.name for reference in references if reference.name not in texts]
        if missing:
            raise InvalidSchema(f"reference {missing[0]}: there is no schema for it")
        checking.check_keywords(value)
        documents = Documents(value, texts)
        checking.check(documents)
        return ParsedJsonSchema(documents, references)

    def incompatibilities(
        self, reader: Parsed, writer: Parsed, policy: Policy = Policy.STRICT
    ) -> list[Incompatibility]:
        """See `SchemaFormat.incompatibilities`."""
        assert isinstance(reader, ParsedJsonSchema), "the registry compares schemas of one type"
        assert isinstance(writer, ParsedJsonSchema), "the registry compares schemas of one type"
        return [
            Incompatibility(found.kind.name, found.path, found.message)
            for found in differences(writer.root, reader.root, policy)
            if not found.kind.compatible(policy)
        ]


def _sorted(value: Json) -> Json:
    return json_text.read(json_text.write(value, sort_keys=True))
