"""From nodes to text, as the Java library's `Schema.toString` prints it. Pure.

Attributes come in a fixed order; namespaces stand only where they change; a type is defined where
it is used first, and by its name everywhere else. A stack of our own walks the types: a chain of
them may be longer than Python's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from sprawl.schema_registry.avro.json_text import json_string, json_text
from sprawl.schema_registry.avro.names import Name
from sprawl.schema_registry.avro.nodes import (
    Array,
    Definitions,
    Enumeration,
    Fixed,
    Map,
    Named,
    Node,
    NoDefault,
    Order,
    Primitive,
    Properties,
    Record,
    Reference,
    Union,
)
from sprawl.schema_registry.schemas import InvalidSchema

_Piece: TypeAlias = "str | tuple[Node, str]"
"""Text, or a node that is still to be printed where a namespace holds."""


def print_schema(root: Node, types: Definitions, known: Iterable[str] = ()) -> str:
    """A schema as text.

    Args:
        known: full names of types that the reader of the text has from elsewhere.

    Raises:
        InvalidSchema: a reference has no spelling: see `_reference`.
    """
    defined = set(known)
    printed: list[str] = []
    pieces: list[_Piece] = [(root, "")]
    while pieces:
        piece = pieces.pop()
        if isinstance(piece, str):
            printed.append(piece)
        else:
            pieces.extend(reversed([*_pieces(*piece, types, defined)]))
    return "".join(printed)


def _pieces(node: Node, space: str, types: Definitions, defined: set[str]) -> Iterator[_Piece]:
    match node:
        case Primitive(kind=kind, properties=properties):
            yield f'{{"type":"{kind}"{_properties(properties)}}}' if properties else f'"{kind}"'
        case Array(items=items, properties=properties):
            yield '{"type":"array","items":'
            yield items, space
            yield _properties(properties) + "}"
        case Map(values=values, properties=properties):
            yield '{"type":"map","values":'
            yield values, space
            yield _properties(properties) + "}"
        case Union(branches=branches):
            yield "["
            for index, branch in enumerate(branches):
                if index:
                    yield ","
                yield branch, space
            yield "]"
        case Reference(name=name):
            if name.full in defined:
                yield _reference(name, space, types)
            else:
                defined.add(name.full)
                yield from _definition(types[name.full], space)


def _reference(name: Name, space: str, types: Definitions) -> str:
    """A name where a namespace holds.

    Avro has no spelling for a type without a namespace where its short name means another type:
    what is written here would be read as that one.
    """
    if space and not name.space and f"{space}.{name.simple}" in types:
        raise InvalidSchema(
            f'"{name.simple}" cannot be told from "{space}.{name.simple}" within namespace'
            f' "{space}"; give it a namespace'
        )
    return json_string(name.within(space))


def _definition(named: Named, space: str) -> Iterator[_Piece]:
    match named:
        case Record(fields=fields, is_error=is_error):
            yield _head("error" if is_error else "record", named, space)
            yield ',"fields":['
            for index, field in enumerate(fields):
                yield f'{"," if index else ""}{{"name":"{field.name}","type":'
                yield field.type, named.name.space
                if field.doc is not None:
                    yield f',"doc":{json_string(field.doc)}'
                if not isinstance(field.default, NoDefault):
                    yield f',"default":{json_text(field.default)}'
                if field.order is not Order.ASCENDING:
                    yield f',"order":"{field.order.value}"'
                yield _aliases(field.aliases) + _properties(field.properties) + "}"
            yield "]"
        case Enumeration(symbols=symbols, default=default):
            yield _head("enum", named, space)
            yield f',"symbols":{json_text([*symbols])}'
            if default is not None:
                yield f',"default":"{default}"'
        case Fixed(size=size):
            yield _head("fixed", named, space)
            yield f',"size":{size}'
    aliases = [alias_text(alias, named.name.space) for alias in named.aliases]
    yield _properties(named.properties) + _aliases(aliases) + "}"


def _head(kind: str, named: Named, space: str) -> str:
    head = f'{{"type":"{kind}","name":{json_string(named.name.simple)}'
    if named.name.space != space:
        head += f',"namespace":{json_string(named.name.space)}'
    if named.doc is not None:
        head += f',"doc":{json_string(named.doc)}'
    return head


def alias_text(alias: Name, space: str) -> str:
    """An alias of a type in a namespace. Without a namespace of its own it begins with a dot, where
    Java prints what means another name when it is read again."""
    if space and not alias.space:
        return f".{alias.simple}"
    return alias.within(space)


def _aliases(aliases: Iterable[str]) -> str:
    texts = [*aliases]
    return f',"aliases":{json_text([*texts])}' if texts else ""


def _properties(properties: Properties) -> str:
    return "".join([f",{json_string(key)}:{json_text(value)}" for key, value in properties.items()])
