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
    for path, record, field in places:
        assert not isinstance(field.default, NoDefault)
        key = (record.full, field.name)
        used = fields_filled(field.default, field.type, types)
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


def fields_filled(value: JsonValue, node: Node, types: Definitions) -> set[FieldKey] | None:
    """The fields whose own defaults complete a default; None if it is no value of its type."""
    match followed(node, types):
        case Primitive(kind=kind):
            return set() if _is_primitive(value, kind) else None
        case Enumeration() | Fixed():
            return set() if isinstance(value, str) else None
        case Array(items=items):
            return _all_filled(value, items, types) if isinstance(value, list) else None
        case Map(values=values):
            if not isinstance(value, dict):
                return None
            return _all_filled(value.values(), values, types)
        case Union(branches=branches):
            for branch in branches:
                used = fields_filled(value, branch, types)
                if used is not None:
                    return used
            return None
        case Record() as record:
            return _record_filled(value, record, types) if isinstance(value, dict) else None


def _all_filled(
    values: Iterable[JsonValue], node: Node, types: Definitions
) -> set[FieldKey] | None:
    used: set[FieldKey] = set()
    for value in values:
        more = fields_filled(value, node, types)
        if more is None:
            return None
        used |= more
    return used


def _record_filled(
    value: Mapping[str, JsonValue], record: Record, types: Definitions
) -> set[FieldKey] | None:
    used: set[FieldKey] = set()
    for field in record.fields:
        if field.name in value:
            more = fields_filled(value[field.name], field.type, types)
            if more is None:
                return None
            used |= more
        elif field.default is NO_DEFAULT:
            return None
        else:
            used.add((record.name.full, field.name))  # which is checked where it stands
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
