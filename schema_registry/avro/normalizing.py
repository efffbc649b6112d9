"""One spelling for schemas that mean the same: what `normalize=true` stores. Pure.

Attributes that Avro does not know and aliases are sorted, and so are objects within such attributes
and within defaults; an empty doc goes; defaults of float and double are spelt as such a number is.
What can be seen stays: docs, aliases, defaults, the order of fields, symbols and branches.

Source: the anchor registry's rules, which follow Avro's parsing canonical form and drop nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from sprawl.schema_registry.avro.defaults import Filling
from sprawl.schema_registry.avro.json_text import JsonValue
from sprawl.schema_registry.avro.logical_types import logical_attributes
from sprawl.schema_registry.avro.names import Name
from sprawl.schema_registry.avro.nodes import (
    Array,
    Definitions,
    Enumeration,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    NoDefault,
    Primitive,
    Properties,
    Record,
    Reference,
    Union,
    followed,
)
from sprawl.schema_registry.avro.printing import alias_text

_FLOAT_DIGITS = 9
"""So many digits tell any two numbers of 32 bits apart."""


def normalized_node(node: Node) -> Node:
    """A type that has no name, with what it holds."""
    match node:
        case Primitive(kind=kind, properties=properties):
            return replace(node, properties=_sorted(kind, 0, properties))
        case Array(items=items, properties=properties):
            return Array(items=normalized_node(items), properties=_sorted(node.kind, 0, properties))
        case Map(values=values, properties=properties):
            return Map(values=normalized_node(values), properties=_sorted(node.kind, 0, properties))
        case Union(branches=branches):
            sorted_branches: list[Node] = []
            for branch in branches:  # a comprehension would take a frame of its own
                sorted_branches.append(normalized_node(branch))  # noqa: PERF401
            return Union(branches=tuple(sorted_branches))
        case Reference():
            return node


def normalized_definition(named: Named, types: Definitions, filling: Filling) -> Named:
    """A type that has a name. An error is a record: only protocols know the difference."""
    doc = named.doc or None
    aliases = _sorted_aliases(named.aliases, named.name.space)
    match named:
        case Record(fields=fields, properties=properties):
            return replace(
                named,
                is_error=False,
                fields=tuple([_normalized_field(field, types, filling) for field in fields]),
                properties=_sorted(named.kind, 0, properties),
                doc=doc,
                aliases=aliases,
            )
        case Enumeration(properties=properties):
            properties = _sorted(named.kind, 0, properties)
            return replace(named, properties=properties, doc=doc, aliases=aliases)
        case Fixed(size=size, properties=properties):
            properties = _sorted(named.kind, size, properties)
            return replace(named, properties=properties, doc=doc, aliases=aliases)


def _normalized_field(field: Field, types: Definitions, filling: Filling) -> Field:
    default = field.default
    if not isinstance(default, NoDefault):
        default = _normalized_default(default, field.type, types, filling)
    return replace(
        field,
        type=normalized_node(field.type),
        default=default,
        aliases=tuple(sorted(field.aliases)),
        properties=_in_order(field.properties, sorted(field.properties)),
    )


def _sorted_aliases(aliases: tuple[Name, ...], space: str) -> tuple[Name, ...]:
    def spelt(alias: Name) -> str:
        return alias.full if alias.space else alias_text(alias, space)

    return tuple(sorted(aliases, key=spelt))


def _sorted(kind: str, size: int, properties: Properties) -> Properties:
    logical = logical_attributes(kind, size, properties)
    return _in_order(properties, [*logical, *sorted(properties.keys() - logical)])


def _in_order(properties: Properties, keys: Iterable[str]) -> Properties:
    return {key: _sorted_value(properties[key]) for key in keys}


def _sorted_value(value: JsonValue) -> JsonValue:
    match value:
        case list():
            items: list[JsonValue] = []
            for item in value:  # a comprehension would take a frame of its own
                items.append(_sorted_value(item))  # noqa: PERF401
            return items
        case dict():
            members: dict[str, JsonValue] = {}
            for key in sorted(value):
                members[key] = _sorted_value(value[key])
            return members
        case _:
            return value


def _normalized_default(
    value: JsonValue, node: Node, types: Definitions, filling: Filling
) -> JsonValue:
    match followed(node, types), value:
        case Primitive(kind="double"), int() | float() if not isinstance(value, bool):
            return _double(value)
        case Primitive(kind="float"), int() | float() if not isinstance(value, bool):
            return _float(value)
        case Array(items=items), list():
            return [_normalized_default(item, items, types, filling) for item in value]
        case Map(values=values), dict():
            return {
                key: _normalized_default(value[key], values, types, filling)
                for key in sorted(value)
            }
        case Record(fields=fields), dict():
            of = {field.name: field.type for field in fields}
            return {
                key: _normalized_default(value[key], of[key], types, filling)
                if key in of
                else value[key]
                for key in sorted(value)
            }
        case Union(branches=branches), _:
            for branch in branches:
                if filling.fields_filled(value, branch) is not None:
                    return _normalized_default(value, branch, types, filling)
    return value


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer that no double reaches
        return float("inf") if value > 0 else float("-inf")


def _float(value: float) -> float:
    """The shortest decimal that is the same number in 32 bits."""
    try:
        packed = struct.pack(">f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    (nearest,) = struct.unpack(">f", packed)
    for digits in range(1, _FLOAT_DIGITS):
        shorter = float(f"{nearest:.{digits}g}")
        if _is_same(shorter, packed):
            return shorter
    return float(f"{nearest:.{_FLOAT_DIGITS}g}")


def _is_same(value: float, packed: bytes) -> bool:
    try:
        return struct.pack(">f", value) == packed
    except OverflowError:  # rounded up past the largest
        return False
