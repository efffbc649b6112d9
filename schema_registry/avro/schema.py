"""`AvroFormat`: the schema type AVRO behind the port of schema_registry/schemas.py. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sprawl.schema_registry.avro.compatibility import Resolution
from sprawl.schema_registry.avro.defaults import Filling, check_defaults
from sprawl.schema_registry.avro.json_text import NESTING_MAX, nesting
from sprawl.schema_registry.avro.nodes import Definitions, Node
from sprawl.schema_registry.avro.nodes import Reference as NameReference
from sprawl.schema_registry.avro.normalizing import normalized_definition, normalized_node
from sprawl.schema_registry.avro.parsing import Reading
from sprawl.schema_registry.avro.printing import print_schema
from sprawl.schema_registry.schemas import (
    Incompatibility,
    InvalidSchema,
    Parsed,
    Policy,
    Reference,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AvroSchema:
    """A sound schema with all that it refers to.

    Args:
        root: what the text itself is.
        types: every named type of the text and of its references.
        own: names of those that the text defines and no reference does.
        referred: names that the references stand for; not inlined.
    """

    root: Node
    types: Definitions
    own: frozenset[str]
    referred: frozenset[str]
    canonical: str = field(init=False)

    def __post_init__(self) -> None:
        canonical = print_schema(self.root, self.types, self.referred)
        if nesting(canonical) > NESTING_MAX:
            raise InvalidSchema(
                f"types are defined within types {NESTING_MAX} brackets deep when each is where it"
                " is used first; define the inner ones before"
            )
        object.__setattr__(self, "canonical", canonical)

    def normalized(self) -> AvroSchema:
        """Without differences that mean nothing: see normalizing.py."""
        filling = Filling(self.types)
        changed = {
            name: normalized_definition(self.types[name], self.types, filling) for name in self.own
        }
        return AvroSchema(
            root=normalized_node(self.root),
            types={**self.types, **changed},
            own=self.own,
            referred=self.referred,
        )

    def formatted(self, name: str) -> str:
        """`resolved`: with the types of references where they are used first."""
        return print_schema(self.root, self.types) if name == "resolved" else self.canonical

    def record_name(self, message: Sequence[int]) -> str:
        """The full name of a named type, else the kind of the type, as Java's Avro has it."""
        return self.root.name.full if isinstance(self.root, NameReference) else self.root.kind


class AvroFormat:
    """Implements `SchemaFormat`."""

    def parse(
        self,
        text: str,
        references: Sequence[Reference],
        texts: Mapping[str, str],
        *,
        stored: bool = False,
    ) -> AvroSchema:
        """Read a schema; also a primitive type's bare name, which is no JSON.

        Args:
            stored: it was registered once, maybe by a registry that checked less: its defaults are
                not checked, and its names only as far as Java needs them.
        """
        for reference in references:
            if reference.name not in texts:
                raise InvalidSchema(f'nothing is known under the reference "{reference.name}"')
        reading = Reading(texts.keys())
        referred: set[str] = set()
        for name, referred_text in texts.items():
            root = reading.read(referred_text, origin=f"{name}#", stored=True)
            if isinstance(root, NameReference):
                referred.add(root.name.full)
        foreign = frozenset(reading.types)
        root = reading.read(text, stored=stored)
        reading.finish()
        check_defaults(reading.defaults, reading.types)
        return AvroSchema(
            root=root,
            types=reading.types,
            own=frozenset(reading.types) - foreign,
            referred=frozenset(referred),
        )

    def incompatibilities(
        self, reader: Parsed, writer: Parsed, policy: Policy = Policy.STRICT
    ) -> list[Incompatibility]:
        """Why the reader could not read what was written; Avro has one policy."""
        assert isinstance(reader, AvroSchema)
        assert isinstance(writer, AvroSchema)
        return Resolution(reader.types, writer.types).incompatibilities(reader.root, writer.root)
