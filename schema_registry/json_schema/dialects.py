"""The drafts of JSON Schema: which one a schema is written in, which keywords that has, and whether
the schema follows its metaschema. Pure; nothing is ever fetched.

Source: draft-fge-json-schema-validation-00 (draft 4), -wright-...-01 (6), -handrews-...-01 (7),
-handrews-...-02 (2019-09), -bhutton-...-00 (2020-12).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urldefrag, urljoin

import jsonschema.validators
import jsonschema_specifications
import referencing.jsonschema
from attrs import evolve
from jsonschema.exceptions import ValidationError, best_match
from referencing import Resource, Specification

from sprawl.schema_registry.json_schema import json_text
from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.schemas import InvalidSchema

if TYPE_CHECKING:
    from jsonschema import TypeChecker

Meta: TypeAlias = dict[str, Any]
"""A metaschema as the library has it."""


class _Judge(Protocol):
    def iter_errors(self, instance: Json) -> Iterable[ValidationError]: ...


class Draft(enum.IntEnum):
    """The drafts that are read, in the order they came."""

    D4 = 4
    D6 = 6
    D7 = 7
    D2019_09 = 8
    D2020_12 = 9


DEFAULT = Draft.D7
"""Without `$schema`, and with one that names no draft: what the anchor registry and the clients
take a schema for."""

_URIS = {
    "json-schema.org/draft-04/schema": Draft.D4,
    "json-schema.org/draft-06/schema": Draft.D6,
    "json-schema.org/draft-07/schema": Draft.D7,
    "json-schema.org/draft/2019-09/schema": Draft.D2019_09,
    "json-schema.org/draft/2020-12/schema": Draft.D2020_12,
}
_VALIDATORS = {
    Draft.D4: jsonschema.validators.Draft4Validator,
    Draft.D6: jsonschema.validators.Draft6Validator,
    Draft.D7: jsonschema.validators.Draft7Validator,
    Draft.D2019_09: jsonschema.validators.Draft201909Validator,
    Draft.D2020_12: jsonschema.validators.Draft202012Validator,
}


def _taking_mixed_dependencies(known: Specification[Json]) -> Specification[Json]:
    """The library's, which takes all `dependencies` for what the first one is, schema or list."""

    def subresources_of(contents: Json) -> Iterable[Json]:
        if isinstance(contents, dict) and isinstance(inside := contents.get("dependencies"), dict):
            schemas: Json = {name: each for name, each in inside.items() if isinstance(each, dict)}
            contents = {**contents, "dependencies": schemas}
        return known.subresources_of(contents)

    return evolve(known, subresources_of=subresources_of)  # type: ignore[misc]  # its own frozen


_SPECIFICATIONS: dict[Draft, Specification[Json]] = {
    Draft.D4: _taking_mixed_dependencies(referencing.jsonschema.DRAFT4),
    Draft.D6: _taking_mixed_dependencies(referencing.jsonschema.DRAFT6),
    Draft.D7: _taking_mixed_dependencies(referencing.jsonschema.DRAFT7),
    Draft.D2019_09: referencing.jsonschema.DRAFT201909,
    Draft.D2020_12: referencing.jsonschema.DRAFT202012,
}

_FIRST = {
    "const": Draft.D6,
    "contains": Draft.D6,
    "propertyNames": Draft.D6,
    "if": Draft.D7,
    "then": Draft.D7,
    "else": Draft.D7,
    "dependentRequired": Draft.D2019_09,
    "dependentSchemas": Draft.D2019_09,
    "minContains": Draft.D2019_09,
    "maxContains": Draft.D2019_09,
    "unevaluatedItems": Draft.D2019_09,
    "unevaluatedProperties": Draft.D2019_09,
    "prefixItems": Draft.D2020_12,
    "$defs": Draft.D2019_09,
    "contentSchema": Draft.D2019_09,
}
_LAST = {"dependencies": Draft.D7, "additionalItems": Draft.D2019_09}

_DYNAMIC = {"$dynamicRef", "$recursiveRef"}

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_MESSAGE_CHARACTERS_MAX = 200


def draft_of(value: Json, otherwise: Draft = DEFAULT) -> Draft:
    """The draft that `$schema` names.

    Raises:
        InvalidSchema: it names draft 3, which is another language.
    """
    uri = value.get("$schema") if isinstance(value, dict) else None
    if not isinstance(uri, str):
        return otherwise
    name = uri.removesuffix("#").removeprefix("https://").removeprefix("http://")
    if name == "json-schema.org/draft-03/schema":
        raise InvalidSchema(
            "#/$schema: draft 3 is not supported; drafts 4, 6, 7, 2019-09 and 2020-12 are"
        )
    return _URIS.get(name, otherwise)


def resource(value: Json, draft: Draft) -> Resource[Json]:
    """A schema as the reference library takes it."""
    return _SPECIFICATIONS[draft].create_resource(value)


def identifier(value: Json, draft: Draft) -> str | None:
    """The URI that a schema gives itself; None: it has none, or only an anchor."""
    keyword = "id" if draft is Draft.D4 else "$id"
    if not isinstance(value, dict) or not isinstance(value.get(keyword), str):
        return None
    return _SPECIFICATIONS[draft].id_of(value)


def knows(draft: Draft, keyword: str) -> bool:
    """Whether a keyword means something in a draft: to older and newer ones it is a comment."""
    return _FIRST.get(keyword, Draft.D4) <= draft <= _LAST.get(keyword, Draft.D2020_12)


def check_against_metaschema(value: Json, draft: Draft, pointer: str) -> None:
    """See whether the keywords of one schema are right, without the schemas inside it.

    Args:
        pointer: where the schema stands, for the message.

    Raises:
        InvalidSchema: they are not; the message has the place as a JSON pointer.
    """
    fault = best_match(_validator(draft).iter_errors(value))
    if fault is None:
        return
    place = json_text.pointer((str(step) for step in fault.absolute_path), pointer)
    raise InvalidSchema(f"{place}: {_explained(fault)}")


@cache
def _validator(draft: Draft) -> _Judge:
    """Judges one level: the metaschema in one piece, with any schema where it means itself.

    Going down is ours: the library makes many calls a level, and takes ten times as long."""
    original = _VALIDATORS[draft]
    metaschema = original.META_SCHEMA
    parts = [metaschema] if draft <= Draft.D7 else _vocabularies(metaschema)
    any_schema = {"type": "object" if draft is Draft.D4 else ["object", "boolean"]}
    properties = {
        keyword: _flat(rule, part, any_schema)
        for part in parts
        for keyword, rule in part["properties"].items()
    }
    whole = {"type": any_schema["type"], "properties": properties}
    if "dependencies" in metaschema:
        whole["dependencies"] = metaschema["dependencies"]
    checker = original.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
    extend: Callable[..., Callable[[Meta], _Judge]] = jsonschema.validators.extend
    return extend(original, validators={"uniqueItems": _unique}, type_checker=checker)(whole)


def _vocabularies(metaschema: Meta) -> list[Meta]:
    base = metaschema["$id"]
    return [
        jsonschema_specifications.REGISTRY.contents(urljoin(base, part["$ref"]))
        for part in metaschema["allOf"]
    ] + [metaschema]


def _flat(rule: object, part: Meta, any_schema: Meta) -> object:
    """A rule of a metaschema without references."""
    if isinstance(rule, list):
        return [_flat(item, part, any_schema) for item in rule]
    if not isinstance(rule, dict):
        return rule
    says = rule.get("$ref", "#" if _DYNAMIC & rule.keys() else None)
    if says == "#":
        return any_schema
    beside = {
        keyword: _flat(item, part, any_schema)
        for keyword, item in rule.items()
        if keyword not in ("$ref", "default", "$comment")
    }
    if says is None:
        return beside
    uri, steps = urldefrag(urljoin(part.get("$id", ""), says))
    part = jsonschema_specifications.REGISTRY.contents(uri) if says[0] != "#" else part
    target: object = part
    for step in steps.removeprefix("/").split("/"):
        assert isinstance(target, dict), "references of metaschemas lead somewhere"
        target = target[step]
    flat = _flat(target, part, any_schema)
    assert isinstance(flat, dict), "and to schemas"
    return flat | beside


def _unique(judge: _Judge, wanted: bool, items: Json, rule: Meta) -> Iterator[ValidationError]:
    """The library's own compares each item with each, where they cannot be sorted."""
    if wanted and isinstance(items, list) and len(set(map(json_text.identity, items))) < len(items):
        yield ValidationError(f"{json_text.shown(items)} has an item twice")


def _is_number(checker: TypeChecker, value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_integer(checker: TypeChecker, value: object) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return _is_number(checker, value)


def _explained(fault: ValidationError) -> str:
    path = list(fault.absolute_path)
    shown = json_text.shown(fault.instance)
    if "type" in path[-2:] and fault.validator in ("enum", "anyOf", "type"):
        return f"{shown} is no type; the types are {', '.join(TYPES)}"
    if fault.validator == "type":
        wanted = fault.validator_value
        words = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
        return f"{shown} is not of type {words}"
    message = fault.message
    if len(message) > _MESSAGE_CHARACTERS_MAX:
        return f"{shown} breaks the rule {fault.validator} of the metaschema"
    return message
