"""`format=resolved` gives one schema that needs no other and judges the same documents."""

from __future__ import annotations

import json

import jsonschema.validators
import pytest
from referencing import Registry

from sprawl.schema_registry.json_schema import JsonSchemaFormat
from tests.json_schema_world import DRAFTS

FORMAT = JsonSchemaFormat()
PERSON = {"type": "object", "properties": {"name": {"$ref": "#/definitions/name"}}}
NAME = {"definitions": {"name": {"type": "string"}}}


def resolved(schema: object, texts: dict[str, object]) -> dict[str, object]:
    parsed = FORMAT.parse(
        json.dumps(schema), [], {name: json.dumps(text) for name, text in texts.items()}
    )
    result = json.loads(parsed.formatted("resolved"))
    assert isinstance(result, dict)
    return result


def valid(schema: dict[str, object], document: object) -> bool:
    judge = jsonschema.validators.validator_for(schema, jsonschema.validators.Draft7Validator)
    return bool(judge(schema, registry=Registry()).is_valid(document))


CASES = [
    # The name is the URI.
    ({"items": {"$ref": "person.json"}}, {"person.json": {**PERSON, **NAME}}),
    # The schema has another URI of its own.
    ({"items": {"$ref": "person"}}, {"person": {"$id": "http://x/p.json", **PERSON, **NAME}}),
    # The base of the root turns the name into another URI.
    (
        {"$id": "http://x/y/root.json", "items": {"$ref": "person.json"}},
        {"person.json": {"$id": "http://z/p.json", **PERSON, **NAME}},
    ),
    # References of references, one of them with a fragment, and a circle.
    (
        {"items": {"$ref": "person.json"}},
        {
            "person.json": {
                "type": "object",
                "properties": {
                    "name": {"$ref": "base.json#/definitions/name"},
                    "friend": {"$ref": "person.json"},
                },
            },
            "base.json": {"$id": "http://b/base", **NAME},
        },
    ),
    # The definitions that are there already stay.
    (
        {"definitions": {"person": {"$ref": "person"}}, "items": {"$ref": "#/definitions/person"}},
        {"person": {**PERSON, **NAME}},
    ),
]


@pytest.mark.parametrize(("schema", "texts"), CASES)
@pytest.mark.parametrize("draft", [DRAFTS[2], DRAFTS[4]])
def test_it_needs_no_other_schema(
    draft: str, schema: dict[str, object], texts: dict[str, object]
) -> None:
    whole = resolved({"$schema": draft, **schema}, texts)
    assert valid(whole, [{"name": "x"}, {}])
    assert not valid(whole, [{"name": 1}])
    again = FORMAT.parse(json.dumps(whole), [], {})
    assert again.formatted("resolved") == again.canonical


def test_draft_4_names_itself_with_id() -> None:
    whole = resolved({"$schema": DRAFTS[0], "items": {"$ref": "p"}}, {"p": {"type": "string"}})
    assert whole["definitions"] == {"p": {"id": "p", "type": "string"}}
    assert not valid(whole, [1])


def test_a_boolean_schema_is_embedded_as_an_object() -> None:
    whole = resolved({"items": {"$ref": "never"}}, {"never": False})
    assert not valid(whole, [1])


def test_what_is_not_reached_is_not_embedded() -> None:
    assert resolved({"type": "string"}, {"other": {}}) == {"type": "string"}


def test_other_formats_give_the_canonical_text() -> None:
    parsed = FORMAT.parse('{ "type": "string" }', [], {})
    assert parsed.formatted("") == parsed.formatted("serialized") == '{"type":"string"}'
