"""Whether the default of a field is a value of its type. Pure.

As the Java library (1.12) checks it: a union takes a default of any of its branches, and what is
text in JSON suits a string, bytes, an enum and a fixed alike. Unlike there, a record whose default
needs itself is found out instead of exhausting the stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sprawl.schema_registry.avro.json_text import JsonValue, json_text
from sprawl.schema_registry.avro.nodes import (
    NO_DEFAULT,
    Array,
    Definition,
    Definitions,
    Enumeration,
    Fixed,
    Map,
    Node,
    NoDefault,
    Primitive,
    Record,
    Union,
    followed,
    spoken,
)
from sprawl.schema_registry.avro.parsing import FieldPlace, shown
from sprawl.schema_registry.schemas import InvalidSchema

FieldKey = tuple[str, str]
"""The full name of a record, and the name of a field of it."""

_INTEGER_BITS = {"int": 31, "long": 63}


def check_defaults(places: Iterable[FieldPlace], types: Definitions) -> None:
    """All defaults of a schema.

    Raises:
        InvalidSchema: one is no value of its field's type, or would hold itself.
    """
    uses: dict[FieldKey, set[FieldKey]] = {}
    paths: dict[FieldKey, str] = {}
    filling = Filling(types)
    for path, record, field in places:
        assert not isinstance(field.default, NoDefault)
        key = (record.full, field.name)
        used = filling.fields_filled(field.default, field.type)
        if used is None:
            raise InvalidSchema(
                f"at {path}: the default {shown(field.default)} of field {field.name} is no value"
                f" of its type, {_described(field.type, types)}"
            )
        uses[key] = used
        paths[key] = path
    endless = _on_a_cycle(uses)
    if endless:
        raise InvalidSchema(
            f"at {paths[endless]}: the default of field {endless[1]} would hold itself without end"
        )


class Filling:
    """Which values are of which types, as far as somebody asked: with unions within each other, the
    same question would come up again for every way that leads to it."""

    def __init__(self, types: Definitions) -> None:
        self._types = types
        self._known: dict[tuple[int, int], set[FieldKey] | None] = {}

    def fields_filled(self, value: JsonValue, node: Node) -> set[FieldKey] | None:
        """The fields whose own defaults complete a default; None if it is no value of its type.

        The values asked about must stay, for they are known by their identity.
        """
        definition = followed(node, self._types)
        key = id(value), id(definition)
        if key not in self._known:
            self._known[key] = self._judged(value, definition)
        return self._known[key]

    def _judged(self, value: JsonValue, definition: Definition) -> set[FieldKey] | None:
        match definition, value:
            case Primitive(kind=kind), _:
                return set() if _is_primitive(value, kind) else None
            case Enumeration() | Fixed(), str():
                return set()
            case Array(items=node), list():
                return self._together([(item, node) for item in value])
            case Map(values=node), dict():
                return self._together([(item, node) for item in value.values()])
            case Union(branches=branches), _:
                for branch in branches:
                    used = self.fields_filled(value, branch)
                    if used is not None:
                        return used
                return None
            case Record(fields=fields), dict():
                given = [field for field in fields if field.name in value]
                left = [field for field in fields if field.name not in value]
                if any(field.default is NO_DEFAULT for field in left):
                    return None
                used = self._together([(value[field.name], field.type) for field in given])
                if used is None:
                    return None
                # what fills the others is checked where it stands
                return used | {(definition.name.full, field.name) for field in left}
            case _:
                return None

    def _together(self, parts: Iterable[tuple[JsonValue, Node]]) -> set[FieldKey] | None:
        used: set[FieldKey] = set()
        for value, node in parts:
            more = self.fields_filled(value, node)
            if more is None:
                return None
            used |= more
        return used


def _is_primitive(value: JsonValue, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string" | "bytes":
            return isinstance(value, str)
        case "float" | "double":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            bound = 1 << _INTEGER_BITS[kind]
            return (
                isinstance(value, int)
                and not isinstance(value, bool)
                and -bound <= value < bound  # 1.0 is no integer either
            )


def _on_a_cycle(uses: Mapping[FieldKey, set[FieldKey]]) -> FieldKey | None:
    """A default that needs itself: what stays when all that are complete are taken away."""
    needed_by: dict[FieldKey, list[FieldKey]] = {}
    missing = dict.fromkeys(uses, 0)
    for key, used in uses.items():
        for other in used & uses.keys():
            needed_by.setdefault(other, []).append(key)
            missing[key] += 1
    complete = [key for key, count in missing.items() if not count]
    while complete:
        key = complete.pop()
        del missing[key]
        for user in needed_by.get(key, ()):
            missing[user] -= 1
            if not missing[user]:
                complete.append(user)
    return next(iter(missing), None)


def _described(node: Node, types: Definitions) -> str:
    match followed(node, types):
        case Union(branches=branches):
            return f"the union of {', '.join(map(spoken, branches)) or 'nothing'}"
        case Record() as record:
            needed = [field.name for field in record.fields if field.default is NO_DEFAULT]
            return (
                f"{spoken(record)} (it needs {json_text([*needed])})" if needed else spoken(record)
            )
        case other:
            return spoken(other)
