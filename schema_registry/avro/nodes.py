"""What a schema says, as values: what is equal says the same. Pure.

A node never holds the definition of a named type, only a `Reference` to it; the definitions of a
schema are a table by full name. So nodes are finite however types refer to each other, and a
definition that is written twice is one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final, TypeAlias

from sprawl.schema_registry.avro.json_text import JsonValue
from sprawl.schema_registry.avro.names import Name

Properties: TypeAlias = Mapping[str, JsonValue]
"""Attributes that Avro does not know, in the order given, and `logicalType` with its own."""


class NoDefault(enum.Enum):
    """A field without a default: null is a default."""

    NO_DEFAULT = enum.auto()


NO_DEFAULT: Final = NoDefault.NO_DEFAULT


class Order(enum.Enum):
    """How values of a field sort."""

    ASCENDING = "ascending"
    DESCENDING = "descending"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One of the eight types without parts."""

    kind: str
    properties: Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A named type, by its name."""

    name: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    items: Node
    properties: Properties
    kind: str = field(default="array", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    values: Node
    properties: Properties
    kind: str = field(default="map", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    branches: tuple[Node, ...]
    kind: str = field(default="union", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record."""

    name: str
    type: Node
    default: JsonValue | NoDefault
    order: Order
    properties: Properties
    doc: str | None = field(compare=False)
    aliases: tuple[str, ...] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, or an error of a protocol."""

    name: Name
    fields: tuple[Field, ...]
    is_error: bool
    properties: Properties
    doc: str | None = field(compare=False)
    aliases: tuple[Name, ...] = field(compare=False)
    kind: str = field(default="record", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enumeration:
    """An enum; its default is what a reader takes for a symbol it does not know."""

    name: Name
    symbols: tuple[str, ...]
    default: str | None
    properties: Properties
    doc: str | None = field(compare=False)
    aliases: tuple[Name, ...] = field(compare=False)
    kind: str = field(default="enum", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    name: Name
    size: int
    properties: Properties
    doc: str | None = field(compare=False)
    aliases: tuple[Name, ...] = field(compare=False)
    kind: str = field(default="fixed", init=False)


Named: TypeAlias = Record | Enumeration | Fixed
Node: TypeAlias = Primitive | Reference | Array | Map | Union
Definition: TypeAlias = Primitive | Array | Map | Union | Record | Enumeration | Fixed
"""What a node stands for once its reference, if it is one, is followed."""
Definitions: TypeAlias = Mapping[str, Named]


def followed(node: Node, types: Definitions) -> Definition:
    """The definition that a node is or refers to."""
    return types[node.name.full] if isinstance(node, Reference) else node


def is_same(one: object, other: object) -> bool:
    """Whether two definitions say the same, apart from docs and aliases. Without recursion, which
    `==` of what is nested has."""
    open_pairs = [(one, other)]
    while open_pairs:
        left, right = open_pairs.pop()
        if left is right:
            continue
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple) and isinstance(right, tuple):
            if len(left) != len(right):
                return False
            open_pairs += zip(left, right, strict=True)
        elif is_dataclass(left):
            names = [part.name for part in fields(left) if part.compare]
            open_pairs += [(getattr(left, name), getattr(right, name)) for name in names]
        elif left != right:
            return False
    return True


def spoken(node: Definition | Reference) -> str:
    """A type as a message names it."""
    match node:
        case Reference(name=name):
            return name.full
        case Record() | Enumeration() | Fixed():
            return f"{node.kind} {node.name.full}"
        case _:
            return node.kind
