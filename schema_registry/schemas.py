"""What the registry asks of a schema type, and what a parsed schema can say. Pure.

Three formats implement `SchemaFormat`: `avro/`, `json_schema/` and `protobuf/`. Nobody else knows
what stands in a schema.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class SchemaType(enum.Enum):
    """`schemaType` of the REST interface; a request without one means AVRO."""

    AVRO = "AVRO"
    JSON = "JSON"
    PROTOBUF = "PROTOBUF"


class Reference(NamedTuple):
    """A name in a schema that stands for another registered schema.

    Args:
        name: as the schema says it: an Avro full name, a JSON `$ref`, the path of an import.
        version: 1 and up; -1 for the latest, until it is resolved.
    """

    name: str
    subject: str
    version: int


class InvalidSchema(Exception):
    """A text is no schema of its type, or a reference cannot be resolved.

    The message says where and what, for the user (error code 42201).
    """


class Incompatibility(NamedTuple):
    """One reason why data written with one schema cannot be read with another.

    Args:
        kind: the anchor registry's name of it, as `READER_FIELD_MISSING_DEFAULT_VALUE`.
        path: where, as that registry spells paths for this schema type.
        message: one sentence that names what is wrong, and how it could be made right.
    """

    kind: str
    path: str
    message: str


class Policy(enum.Enum):
    """`compatibilityPolicy`: only JSON Schema knows a difference."""

    STRICT = "STRICT"
    LENIENT = "LENIENT"


class Parsed(Protocol):
    """A schema that was found to be sound, with what it refers to. Immutable."""

    @property
    def canonical(self) -> str:
        """What is stored, compared and given out: the same for texts that differ only in layout."""
        ...

    def normalized(self) -> Parsed:
        """The same schema as `normalize=true` stores it: also without differences of order and of
        spelling that mean nothing."""
        ...

    def formatted(self, name: str) -> str:
        """As `format=` asks for it (`resolved`, `serialized`, `ignore_extensions`); names that are
        not known give `canonical`."""
        ...

    def record_name(self, message: Sequence[int]) -> str | None:
        """What subject name strategies call the type of the data: an Avro type's full name, a JSON
        schema's title, a Protobuf message's full name.

        Args:
            message: the way to a Protobuf message, by its place in the file and in each message.

        Returns:
            None when there is no such name.
        """
        ...


class SchemaFormat(Protocol):
    """One schema type."""

    def parse(self, text: str, references: Sequence[Reference], texts: Mapping[str, str]) -> Parsed:
        """Read a schema.

        Args:
            references: those of the schema itself, in the order given.
            texts: what every name that is referred to stands for, canonical; of the references of
                references too, by the name they are referred to with.

        Raises:
            InvalidSchema: it is none, or it needs a name that is not there.
        """
        ...

    def incompatibilities(
        self, reader: Parsed, writer: Parsed, policy: Policy = Policy.STRICT
    ) -> list[Incompatibility]:
        """Why a reader with one schema could not read what was written with another: BACKWARD takes
        the new schema for the reader, FORWARD for the writer. Empty: it can."""
        ...
