"""Bodies of requests, from JSON to what the model takes. Fields that are not known are left out, as
newer clients send them; null means absent. Pure.

Raises everywhere: MalformedContract when a field is of another kind than it has to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from sprawl.schema_registry.model import faults
from sprawl.schema_registry.model.contracts import (
    MalformedContract,
    Metadata,
    RuleSet,
    parse_metadata,
    parse_rule_set,
)
from sprawl.schema_registry.model.parsing import NewSchema
from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.rest.faults import HttpFault
from sprawl.schema_registry.schemas import Reference

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")
_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A text of JSON; one that does not end goes to the end, so that none is looked at twice."""
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_TAG_FIELDS = ("schemaTagsToAdd", "schemaTagsToRemove", "tagsToAdd", "tagsToRemove")


class ContractChange(NamedTuple):
    """Body of `POST /subjects/{subject}/versions/{version}/tags`."""

    new_version: int = 0
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    rules_to_merge: RuleSet | None = None
    rules_to_remove: tuple[str, ...] | None = None


def parse_json(data: bytes) -> object:
    """Nobody else has a turn while the interpreter parses, in whichever thread it does; what takes
    it long are values, not characters, so a large body is first looked at for how many it has.

    Raises:
        HttpFault: 400.
    """
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        if len(data) > limits.PARSED_AT_ONCE_BYTES_MAX:
            _check_values_count(text)
        value: object = json.loads(text)
    except (ValueError, RecursionError) as problem:
        where = (
            problem.msg if isinstance(problem, json.JSONDecodeError) else "too deep or not UTF-8"
        )
        raise HttpFault(HTTPStatus.BAD_REQUEST, f"The body is no JSON: {where}") from None
    return value


def _check_values_count(text: str) -> None:
    """Between texts each value stands behind one of these."""
    rest = _TEXT.sub("", text)
    if sum(map(rest.count, "[{,")) > limits.JSON_VALUES_MAX:
        raise HttpFault(
            HTTPStatus.BAD_REQUEST, f"The body has more than {limits.JSON_VALUES_MAX} values"
        )


def parse_anything(value: object) -> object:
    return value


def parse_new_schema(value: object) -> NewSchema:
    """A schema to register, to look up or to compare.

    Raises:
        RegistryFault: 42205: tags are to be put into the text.
    """
    fields = _object(value, "the body")
    _refuse_tags(fields)
    return NewSchema(
        schema=_text(fields.get("schema"), "schema"),
        schema_type=_text(fields.get("schemaType"), "schemaType"),
        references=_references(fields.get("references")),
        metadata=parse_metadata(fields.get("metadata")),
        rule_set=parse_rule_set(fields.get("ruleSet")),
        version=_number(fields.get("version"), "version", 0),
        id=_number(fields.get("id"), "id", -1),
    )


def parse_contract_change(value: object) -> ContractChange:
    """Raises: RegistryFault: 42205, as `parse_new_schema`."""
    fields = _object(value, "the body")
    _refuse_tags(fields)
    removed = fields.get("rulesToRemove")
    return ContractChange(
        new_version=_number(fields.get("newVersion"), "newVersion", 0),
        metadata=parse_metadata(fields.get("metadata")),
        rule_set=parse_rule_set(fields.get("ruleSet")),
        rules_to_merge=parse_rule_set(fields.get("rulesToMerge")),
        rules_to_remove=None if removed is None else _texts(removed, "rulesToRemove"),
    )


def parse_config(value: object) -> Mapping[str, object]:
    """The fields of a config; the model reads each."""
    return _object(value, "the body")


def parse_mode(value: object) -> str | None:
    """Returns: the mode's name; None takes it away, when the body says so: `{"mode":null}`.

    Raises:
        RegistryFault: 42204: it says nothing.
    """
    fields = _object(value, "the body")
    if "mode" not in fields:
        raise faults.invalid_mode()
    return _text(fields["mode"], "mode")


def _refuse_tags(fields: Mapping[str, object]) -> None:
    for name in _TAG_FIELDS:
        if fields.get(name):
            raise faults.not_permitted(f"Tags inside a schema's text are not supported: {name}")


def _references(value: object) -> tuple[Reference, ...]:
    references: list[Reference] = []
    for index, item in enumerate(_list(value, "references")):
        where = f"references[{index}]"
        fields = _object(item, where)
        name, subject = (_text(fields.get(key), f"{where}.{key}") for key in ("name", "subject"))
        if name is None or subject is None or fields.get("version") is None:
            raise MalformedContract(f"{where} needs a name, a subject and a version")
        references.append(
            Reference(name, subject, _number(fields["version"], f"{where}.version", 0))
        )
    return tuple(references)


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise MalformedContract(f"{where} is no JSON object")
    return value


def _list(value: object, where: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedContract(f"{where} is no JSON array")
    return value


def _text(value: object, where: str) -> str | None:
    """Numbers and flags count as texts, as in contracts."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            raise MalformedContract(f"{where} is no text")


def _texts(value: object, where: str) -> tuple[str, ...]:
    found = [_text(item, where) for item in _list(value, where)]
    return tuple(item for item in found if item is not None)


def _number(value: object, where: str, default: int) -> int:
    """A text of digits counts as a number."""
    if value is None:
        return default
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedContract(f"{where} is no whole number")
    if not _INT32_MIN <= value <= _INT32_MAX:
        raise MalformedContract(f"{where} is beyond 32 bits")
    return value
