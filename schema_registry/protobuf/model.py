"""What stands in a .proto file, as it was written: names are not resolved, order is kept.

Source: protobuf.dev, language specifications of proto2, proto3 and editions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal, its escapes undone, adjacent literals joined."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is spelled, a minus sign included."""

    spelling: str


@dataclass(frozen=True, slots=True)
class Word:
    """An identifier in the place of a value: `true`, `SPEED`, `inf`, `-inf`."""

    name: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list inside a message literal."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a message literal.

    Args:
        key: the field's name; in brackets the name of an extension or the URL of a type.
    """

    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A message literal."""

    entries: tuple[Entry, ...]


Value: TypeAlias = Text | Number | Word | Items | Aggregate


@dataclass(frozen=True, slots=True)
class NamePart:
    """A part between dots of an option's name; extensions stand in parentheses."""

    name: str
    is_extension: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """`name = value`, in a statement or in brackets."""

    name: tuple[NamePart, ...]
    value: Value
    line: int = field(default=0, compare=False)

    @property
    def simple_name(self) -> str:
        """The name of an option of one plain part; "" of any other."""
        if len(self.name) == 1 and not self.name[0].is_extension:
            return self.name[0].name
        return ""


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers of fields or enum values, both ends included; `last` is None for `max`.

    Args:
        is_single: one number, not `3 to 3`.
    """

    first: int
    last: int | None
    is_single: bool
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    ranges: tuple[NumberRange, ...] = ()
    names: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Numbers that others may declare extensions with."""

    ranges: tuple[NumberRange, ...]
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field, a map or a group.

    Args:
        type: as it was written; of a map that of the values, of a group "group".
        label: "optional", "required", "repeated" or "".
        key_type: of a map, else "".
        group: the body of a group, else None.
    """

    name: str
    number: int
    type: str
    label: str = ""
    key_type: str = ""
    group: Message | None = None
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Oneof:
    name: str
    fields: tuple[Field, ...]
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Fields that are added to a message of somebody else."""

    extendee: str
    fields: tuple[Field, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumValue:
    name: str
    number: int
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enum; `visibility` is "export", "local" or "" (edition 2024)."""

    name: str
    values: tuple[EnumValue, ...]
    reserved: tuple[Reserved, ...] = ()
    options: tuple[Option, ...] = ()
    visibility: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: its declarations in the order of the text."""

    name: str
    elements: tuple[Element, ...]
    visibility: str = ""
    line: int = field(default=0, compare=False)

    def every(self, kind: type[Node]) -> Iterator[Node]:
        """Its declarations of one kind."""
        return (element for element in self.elements if isinstance(element, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method; `has_block` says that braces follow it, also empty ones."""

    name: str
    input_type: str
    output_type: str
    client_streaming: bool = False
    server_streaming: bool = False
    options: tuple[Option, ...] = ()
    has_block: bool = field(default=False, compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    methods: tuple[Method, ...]
    options: tuple[Option, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Import:
    """`import "path";`, `kind` is "public", "weak", "option" or ""."""

    path: str
    kind: str = ""
    line: int = field(default=0, compare=False)


Element: TypeAlias = Field | Oneof | Reserved | Extensions | Extend | Message | Enum | Option
Declaration: TypeAlias = Message | Enum | Extend | Service


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A .proto file.

    Args:
        syntax: "proto2", "proto3", "editions", or "" where the text does not say: proto2.
        edition: "2023" with "editions", else "".
    """

    syntax: str = ""
    edition: str = ""
    package: str = ""
    imports: tuple[Import, ...] = ()
    options: tuple[Option, ...] = ()
    declarations: tuple[Declaration, ...] = ()

    def every(self, kind: type[Node]) -> Iterator[Node]:
        """Its declarations of one kind."""
        return (element for element in self.declarations if isinstance(element, kind))


SCALARS = frozenset(
    (
        "double",
        "float",
        "int32",
        "int64",
        "uint32",
        "uint64",
        "sint32",
        "sint64",
        "fixed32",
        "fixed64",
        "sfixed32",
        "sfixed64",
        "bool",
        "string",
        "bytes",
    )
)
