"""From text to nodes: what is a schema, and what is not. Pure.

One `Reading` takes in several texts that know each other's names: those of the references, then the
schema itself. A name may be used before it is defined, as in Java since 1.12; so only when all are
read is it known whether each stands for something.

Paths in messages are those of compatibility: `/fields/2/type/items`.

Source: Apache Avro 1.12 specification; where it leaves a choice, the Java library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import NamedTuple, TypeAlias

from sprawl.schema_registry.avro.json_text import JsonValue, json_text, nesting, read_json
from sprawl.schema_registry.avro.names import (
    PRIMITIVES,
    Name,
    lenient_fault,
    parse_name,
    strict_fault,
)
from sprawl.schema_registry.avro.nodes import (
    NO_DEFAULT,
    Array,
    Enumeration,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    Order,
    Primitive,
    Properties,
    Record,
    Reference,
    Union,
    is_same,
)
from sprawl.schema_registry.schemas import InvalidSchema

JsonObject: TypeAlias = dict[str, JsonValue]

FIXED_BYTES_MAX = 2**31 - 9
"""Largest fixed, as in the Java library: the largest array of its machine."""
DEFAULT_NESTING_MAX = 50
"""Brackets nested in a default: checking it takes up to six frames of the stack for one,
where each level is a union's record."""
SHOWN_TEXT_MAX = 80
"""So much of a wrong value is shown in a message."""

_PLAIN = {kind: Primitive(kind=kind, properties={}) for kind in PRIMITIVES}
_NUMBER = re.compile(
    r"[+-]?(?P<nan>NaN)"
    r"|(?P<number>[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?"
)
_SCHEMA_WORDS = frozenset(
    (
        "aliases",
        "doc",
        "fields",
        "items",
        "name",
        "namespace",
        "size",
        "symbols",
        "type",
        "values",
    )
)
_ENUM_WORDS = _SCHEMA_WORDS | {"default"}
_FIELD_WORDS = frozenset(("aliases", "default", "doc", "name", "order", "type"))


class FieldPlace(NamedTuple):
    """A field with a default, and where it stands."""

    path: str
    record: Name
    field: Field


class Reading:
    """Takes in texts until all names of a schema are known.

    Args:
        expected: names that texts still to come define: a name that is one of them is that one,
            whatever else it could mean.
    """

    def __init__(self, expected: Collection[str] = ()) -> None:
        self.types: dict[str, Named] = {}
        self.defaults: list[FieldPlace] = []  # of schemas that are new
        self._expected = expected
        self._stored = False
        self._open: set[str] = set()  # records whose fields are being read
        self._used: dict[str, str] = {}  # full name -> where it is used first

    def read(self, text: str, *, origin: str = "", stored: bool = False) -> Node:
        """One schema. Only after `finish` may its references be followed.

        Args:
            origin: what paths in messages begin with.
            stored: it was registered once, maybe under rules that were wider than today's: letters
                of all scripts may stand in names, and anything in namespaces.

        Raises:
            InvalidSchema: it is none.
        """
        self._stored = stored
        bare = text.strip()
        try:
            value = bare if bare in PRIMITIVES else read_json(text)
        except InvalidSchema as fault:
            raise (_fault(origin, str(fault)) if origin else fault) from None
        return self._schema(value, "", origin)

    def finish(self) -> None:
        """All texts were read.

        Raises:
            InvalidSchema: a name stands for nothing.
        """
        for name, path in self._used.items():
            if name not in self.types:
                raise _fault(
                    path,
                    f'"{name}" is not defined here or by a reference; define it, or name it in'
                    " the references",
                )

    # --- types -----------------------------------------------------------------------------------

    def _schema(self, value: JsonValue, space: str, path: str) -> Node:
        """Takes one frame of the stack for one bracket of the text, and so do records."""
        match value:
            case str():
                return self._named_or_primitive(value, space, path)
            case list():
                branches: list[Node] = []
                for index, item in enumerate(value):
                    branches.append(self._schema(item, space, f"{path}/{index}"))
                return _union(branches, path)
            case dict():
                word = value.get("type")
                if word == "array" and "items" in value:
                    of = self._schema(value["items"], space, f"{path}/items")
                    return Array(items=of, properties=_properties(value, _SCHEMA_WORDS))
                if word == "map" and "values" in value:
                    of = self._schema(value["values"], space, f"{path}/values")
                    return Map(values=of, properties=_properties(value, _SCHEMA_WORDS))
                if word in ("record", "error"):
                    return self._record(value, space, path)
                return self._flat(word, value, space, path)
            case _:
                raise _fault(path, f"a schema is a name, an object or an array, not {shown(value)}")

    def _flat(self, word: JsonValue, value: JsonObject, space: str, path: str) -> Node:
        match word:
            case "enum":
                return self._enum(value, space, path)
            case "fixed":
                return self._fixed(value, space, path)
            case "array" | "map":
                part = "items" if word == "array" else "values"
                raise _fault(path, f'type {word} needs "{part}"')
            case str() if word in PRIMITIVES:
                properties = _properties(value, _SCHEMA_WORDS)
                return Primitive(kind=word, properties=properties) if properties else _PLAIN[word]
            case str():
                return self._named_or_primitive(word, space, path)
            case _:
                raise _fault(path, f'needs a "type" that is a text: {shown(value)}')

    def _named_or_primitive(self, text: str, space: str, path: str) -> Node:
        if text in PRIMITIVES:
            return _PLAIN[text]
        name = parse_name(text, space)
        if not self._is_known(name.full) and self._is_known(text):
            name = parse_name(text, "")
        self._used.setdefault(name.full, path)
        return Reference(name=name)

    def _is_known(self, full: str) -> bool:
        return full in self.types or full in self._open or full in self._expected

    # --- named types -----------------------------------------------------------------------------

    def _record(self, value: JsonObject, space: str, path: str) -> Node:
        name = self._name(value, space, path)
        listed = value.get("fields")
        if not isinstance(listed, list):
            raise _fault(path, f'record {name.full} needs "fields", an array')
        if name.full in self._open:
            raise _fault(path, f"{name.full} is defined within its own definition")
        self._open.add(name.full)
        fields: dict[str, Field] = {}
        places: list[FieldPlace] = []
        for index, item in enumerate(listed):
            where = f"{path}/fields/{index}"
            field = self._field(item, name, where)
            if field.name in fields:
                raise _fault(where, f"record {name.full} has a field {field.name} already")
            fields[field.name] = field
            if field.default is not NO_DEFAULT:
                places.append(FieldPlace(where, name, field))
        self._open.remove(name.full)
        if not self._stored:
            self.defaults += places
        record = Record(
            name=name,
            fields=tuple(fields.values()),
            is_error=value["type"] == "error",
            properties=_properties(value, _SCHEMA_WORDS),
            doc=_text(value, "doc"),
            aliases=self._type_aliases(value, name, path),
        )
        return self._define(record, path)

    def _field(self, value: JsonValue, record: Name, path: str) -> Field:
        if not isinstance(value, dict):
            raise _fault(path, f"a field is an object, not {shown(value)}")
        name = _text(value, "name")
        if name is None:
            raise _fault(path, f'a field needs a "name" that is a text: {shown(value)}')
        self._check_name(name, path)
        if "type" not in value:
            raise _fault(path, f'field {name} of {record.full} needs a "type"')
        type_ = self._schema(value["type"], record.space, f"{path}/type")
        default = value.get("default", NO_DEFAULT)
        if isinstance(default, list | dict) and nesting(json_text(default)) > DEFAULT_NESTING_MAX:
            raise _fault(
                path, f"the default of {name} has more than {DEFAULT_NESTING_MAX} brackets nested"
            )
        if isinstance(default, str) and isinstance(type_, Primitive):
            default = _spelt_number(default, type_.kind, path)
        return Field(
            name=name,
            type=type_,
            default=default,
            order=_order(value, path),
            properties=_properties(value, _FIELD_WORDS),
            doc=_text(value, "doc"),
            aliases=_aliases(value, path),
        )

    def _enum(self, value: JsonObject, space: str, path: str) -> Node:
        name = self._name(value, space, path)
        listed = value.get("symbols")
        if not isinstance(listed, list):
            raise _fault(path, f'enum {name.full} needs "symbols", an array')
        symbols: dict[str, None] = {}
        for index, symbol in enumerate(listed):
            where = f"{path}/symbols/{index}"
            if not isinstance(symbol, str):
                raise _fault(where, f"a symbol is a text, not {shown(symbol)}")
            self._check_name(symbol, where)
            if symbol in symbols:
                raise _fault(where, f"enum {name.full} has the symbol {symbol} already")
            symbols[symbol] = None
        default = _text(value, "default")
        if default is not None and default not in symbols:
            raise _fault(
                path, f"the default {shown(default)} of enum {name.full} is none of its symbols"
            )
        enumeration = Enumeration(
            name=name,
            symbols=tuple(symbols),
            default=default,
            properties=_properties(value, _ENUM_WORDS),
            doc=_text(value, "doc"),
            aliases=self._type_aliases(value, name, path),
        )
        return self._define(enumeration, path)

    def _fixed(self, value: JsonObject, space: str, path: str) -> Node:
        name = self._name(value, space, path)
        size = value.get("size")
        if not isinstance(size, int) or isinstance(size, bool):
            raise _fault(path, f'fixed {name.full} needs a "size", an integer')
        if not 0 <= size <= FIXED_BYTES_MAX:
            raise _fault(
                path, f"fixed {name.full} has from 0 to {FIXED_BYTES_MAX} bytes, not {size}"
            )
        fixed = Fixed(
            name=name,
            size=size,
            properties=_properties(value, _SCHEMA_WORDS),
            doc=_text(value, "doc"),
            aliases=self._type_aliases(value, name, path),
        )
        return self._define(fixed, path)

    def _define(self, named: Named, path: str) -> Reference:
        """The same definition again is the one that is there, as in Java since 1.12."""
        if not is_same(self.types.setdefault(named.name.full, named), named):
            raise _fault(path, f"{named.name.full} is defined already, and differently")
        return Reference(name=named.name)

    def _name(self, value: JsonObject, space: str, path: str) -> Name:
        text = _text(value, "name")
        if text is None:
            raise _fault(path, f'a {value["type"]} needs a "name" that is a text: {shown(value)}')
        own_space = _text(value, "namespace")
        name = parse_name(text, space if own_space is None else own_space)
        self._check_name(name.simple, path)
        if name.space and not self._stored:
            for part in name.space.split("."):
                self._check_name(part, path)
        if name.full in PRIMITIVES:
            raise _fault(path, f"a type may not be named {name.full}, as a primitive type is")
        return name

    def _check_name(self, name: str, path: str) -> None:
        fault = lenient_fault(name) if self._stored else strict_fault(name)
        if fault:
            raise _fault(path, fault)

    def _type_aliases(self, value: JsonObject, owner: Name, path: str) -> tuple[Name, ...]:
        names: dict[Name, None] = {}
        for text in _aliases(value, path):
            alias = parse_name(text, owner.space)
            self._check_name(alias.simple, f"{path}/aliases")
            names[alias] = None
        return tuple(names)


def shown(value: JsonValue) -> str:
    """A value as a message shows it."""
    text = json_text(value)
    return text if len(text) <= SHOWN_TEXT_MAX else text[: SHOWN_TEXT_MAX - 3] + "..."


def _union(branches: list[Node], path: str) -> Union:
    kinds: set[str] = set()
    for index, branch in enumerate(branches):
        where = f"{path}/{index}"
        if isinstance(branch, Union):
            raise _fault(where, "a union may not hold a union; write its branches here")
        kind = branch.name.full if isinstance(branch, Reference) else branch.kind
        if kind in kinds:
            raise _fault(where, f"the union has {kind} already")
        kinds.add(kind)
    return Union(branches=tuple(branches))


def _order(value: JsonObject, path: str) -> Order:
    given = value.get("order", Order.ASCENDING.value)
    for order in Order:
        if isinstance(given, str) and given.lower() == order.value:
            return order
    raise _fault(path, f'"order" is ascending, descending or ignore, not {shown(given)}')


def _aliases(value: JsonObject, path: str) -> tuple[str, ...]:
    listed = value.get("aliases", [])
    if not isinstance(listed, list):
        raise _fault(path, f'"aliases" is an array, not {shown(listed)}')
    texts: dict[str, None] = {}
    for alias in listed:
        if not isinstance(alias, str):
            raise _fault(f"{path}/aliases", f"an alias is a text, not {shown(alias)}")
        texts[alias] = None
    return tuple(texts)


def _spelt_number(default: str, kind: str, path: str) -> JsonValue:
    """A default of a float or a double may be a text, as Java reads it: `"NaN"` has no number."""
    if kind not in {"float", "double"}:
        return default
    spelt = _NUMBER.fullmatch(default.strip())
    if spelt is None:
        raise _fault(path, f"the default {shown(default)} is no {kind}")
    return math.nan if spelt["nan"] else float(spelt["number"])  # one NaN: it equals itself


def _text(value: JsonObject, key: str) -> str | None:
    text = value.get(key)
    return text if isinstance(text, str) else None


def _properties(value: JsonObject, known: Collection[str]) -> Properties:
    return {key: item for key, item in value.items() if key not in known}


def _fault(path: str, what: str) -> InvalidSchema:
    return InvalidSchema(f"at {path or '/'}: {what}")
