"""Comparisons of whole schemas: recursion, references, drafts, several demands, limits."""

from __future__ import annotations

import json

import jsonschema
import pytest

from sprawl.schema_registry.json_schema import JsonSchemaFormat, limits
from sprawl.schema_registry.schemas import Policy
from tests.json_schema_world import DRAFTS

FORMAT = JsonSchemaFormat()
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}


def found(
    writer: object,
    reader: object,
    policy: Policy = Policy.STRICT,
    texts: tuple[dict[str, str], dict[str, str]] = ({}, {}),
) -> list[tuple[str, str]]:
    old = FORMAT.parse(json.dumps(writer), [], texts[0])
    new = FORMAT.parse(json.dumps(reader), [], texts[1])
    return [(one.kind, one.path) for one in FORMAT.incompatibilities(new, old, policy)]


def tree(value: object, **more: object) -> dict[str, object]:
    return {
        "$ref": "#/definitions/node",
        "definitions": {
            "node": {
                "type": "object",
                "properties": {
                    "value": value,
                    "children": {"type": "array", "items": {"$ref": "#/definitions/node"}},
                    **more,
                },
                "additionalProperties": False,
            }
        },
    }


def test_recursive_schemas_are_compared_once_around() -> None:
    assert found(tree(INTEGER), tree(NUMBER)) == []
    assert found(tree(NUMBER), tree(INTEGER)) == [("TYPE_NARROWED", "#/properties/value")]
    assert found(tree(NUMBER), tree(NUMBER, label=TEXT)) == []
    assert found(tree(NUMBER, label=TEXT), tree(NUMBER)) == [
        ("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "#/properties/label")
    ]


def test_a_recursive_alternative_that_fails_deep_inside_fails() -> None:
    def listed(value: object) -> dict[str, object]:
        link = {"type": "object", "properties": {"head": value, "tail": {"$ref": "#"}}}
        return {"anyOf": [{"type": "null"}, link]}

    assert found(listed(INTEGER), listed(NUMBER)) == []
    assert found(listed(NUMBER), listed(INTEGER)) == [("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#/")]


def test_what_a_failed_alternative_took_for_granted_is_forgotten() -> None:
    # The first alternative fails at `q` when `p` is taken for readable and not yet looked into.
    def inside(value: object) -> dict[str, object]:
        return {"properties": {"x": {"properties": {"y": value}}}}

    writer = {"properties": {"p": inside(NUMBER), "q": TEXT}}
    reader = {
        "definitions": {"p": inside(INTEGER)},
        "anyOf": [
            {"properties": {"p": {"$ref": "#/definitions/p"}, "q": NUMBER}},
            {"properties": {"p": {"$ref": "#/definitions/p"}, "q": TEXT}},
        ],
    }
    assert found(writer, reader) == [("TYPE_CHANGED", "#/")]


def test_references_to_references_may_go_on() -> None:
    def chain(last: object) -> dict[str, object]:
        links = {f"n{number}": {"$ref": f"#/definitions/n{number + 1}"} for number in range(2_000)}
        return {"$ref": "#/definitions/n0", "definitions": {**links, "n2000": last}}

    assert found(chain(INTEGER), chain(NUMBER)) == []
    assert found(chain(NUMBER), chain(INTEGER)) == [("TYPE_NARROWED", "#/")]


def test_a_referenced_schema_counts_as_if_it_stood_there() -> None:
    referring = {"type": "object", "properties": {"a": {"$ref": "other.json"}}}
    inline = {"type": "object", "properties": {"a": NUMBER}}
    texts = {"other.json": json.dumps(NUMBER)}, {"other.json": json.dumps(INTEGER)}
    assert found(referring, referring, texts=texts) == [("TYPE_NARROWED", "#/properties/a")]
    assert found(referring, inline, texts=texts) == []
    assert found(inline, referring, texts=(texts[1], texts[0])) == []


def test_up_to_draft_7_a_reference_hides_what_stands_beside_it() -> None:
    def beside(draft: str) -> dict[str, object]:
        return {
            "$schema": draft,
            "$ref": "#/definitions/a",
            "maxLength": 1,
            "definitions": {"a": TEXT},
        }

    assert found({"$schema": DRAFTS[2], **TEXT}, beside(DRAFTS[2])) == []
    assert found({"$schema": DRAFTS[3], **TEXT}, beside(DRAFTS[3])) != []


def test_a_keyword_means_nothing_before_its_draft() -> None:
    old, new = ({"$schema": draft, "const": 1, "$defs": {}} for draft in (DRAFTS[0], DRAFTS[4]))
    assert found(new, old) == []
    assert found(old, new) == [("TYPE_CHANGED", "#/")]


def test_another_draft_of_the_same_demands_is_compatible() -> None:
    tuples = (
        {"$schema": DRAFTS[2], "type": "array", "items": [TEXT], "additionalItems": False},
        {"$schema": DRAFTS[4], "type": "array", "prefixItems": [TEXT], "items": False},
    )
    assert found(*tuples) == found(*reversed(tuples)) == []
    bounds = (
        {"$schema": DRAFTS[0], "type": "number", "minimum": 1, "exclusiveMinimum": True},
        {"$schema": DRAFTS[4], "type": "number", "exclusiveMinimum": 1},
    )
    assert found(*bounds) == found(*reversed(bounds)) == []


def test_nullable_by_a_list_of_types() -> None:
    nullable = {"type": ["string", "null"], "maxLength": 3}
    assert found({"type": "string", "maxLength": 3}, nullable) == []
    assert found({"type": "string", "maxLength": 4}, nullable) == [("TYPE_CHANGED", "#/")]
    assert found(nullable, {"anyOf": [{"type": "null"}, TEXT]}) == []
    assert found(nullable, {"oneOf": [{"type": "null"}, TEXT]}) == [("COMBINED_TYPE_CHANGED", "#/")]
    listed = {"type": ["integer", "number"]}
    assert found(listed, NUMBER) == found(NUMBER, listed) == []


def test_an_enum_that_becomes_nullable_is_compatible() -> None:
    enum = {"type": "string", "enum": ["a", "b"]}
    assert found(enum, {"anyOf": [enum, {"type": "null"}]}) == []
    assert found(enum, {"type": ["string", "null"], "enum": ["a", "b", None]}) == []


def test_alternatives_are_paired_whatever_their_order() -> None:
    # A greedy pairing gives the number to the integer, and leaves the number without a partner.
    assert found({"anyOf": [INTEGER, NUMBER]}, {"anyOf": [NUMBER, INTEGER]}) == []
    assert found({"anyOf": [INTEGER, NUMBER]}, {"anyOf": [INTEGER, INTEGER | {"minimum": 1}]}) == [
        ("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#/")
    ]
    three = [TEXT, NUMBER, {"type": "null"}]
    assert found({"oneOf": three}, {"oneOf": three[::-1]}) == []


def test_an_object_with_alternatives_is_compared_part_by_part() -> None:
    def schema(kinds: list[str], **properties: object) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {"kind": TEXT, **properties},
            "additionalProperties": False,
            "oneOf": [{"properties": {"kind": {"const": kind}}} for kind in kinds],
        }

    assert found(schema(["a"]), schema(["a", "b"])) == []
    assert found(schema(["a"]), schema(["a"], more=TEXT)) == []
    assert found(schema(["a", "b"]), schema(["a"])) == [("SUM_TYPE_NARROWED", "#/")]
    assert found(schema(["a"], more=TEXT), schema(["a"], more=NUMBER)) == [
        ("TYPE_CHANGED", "#/properties/more")
    ]


def test_lenient_lets_properties_come_and_go() -> None:
    one = {"type": "object", "properties": {"a": TEXT}}
    two = {"type": "object", "properties": {"a": TEXT, "b": NUMBER}}
    closed = {"additionalProperties": False}
    for writer, reader in ((one, two), (one | closed, two), (two | closed, one | closed)):
        assert found(writer, reader, Policy.LENIENT) == []
    assert found(two, {**one, "properties": {"a": NUMBER}}, Policy.LENIENT) == [
        ("TYPE_CHANGED", "#/properties/a")
    ]


def test_names_in_paths_are_not_escaped() -> None:
    writer, reader = ({"properties": {"a/b~": {"items": kind}}} for kind in (TEXT, NUMBER))
    assert found(writer, reader) == [("TYPE_CHANGED", "#/properties/a/b~/items")]


def test_a_pattern_that_cannot_be_judged_may_match_anything() -> None:
    look_ahead = {"patternProperties": {"^(?=a)": NUMBER}}
    reader = {"properties": {}, **look_ahead, "additionalProperties": False}
    writer = {"properties": {"b": NUMBER}, **look_ahead, "additionalProperties": False}
    assert found(writer, reader) == [
        ("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "#/properties/b")
    ]


def test_unevaluated_properties_beside_a_base() -> None:
    def schema(base: object, **own: object) -> dict[str, object]:
        return {
            "$schema": DRAFTS[4],
            "type": "object",
            "allOf": [{"$ref": "#/$defs/base"}],
            "$defs": {"base": base},
            "properties": own,
            "unevaluatedProperties": False,
        }

    base = {"properties": {"id": TEXT}}
    assert found(schema(base), schema(base, more=TEXT)) == []
    assert found(schema(base), schema({})) == [
        ("UNEVALUATED_PROPERTIES_NARROWED", "#/unevaluatedProperties")
    ]
    assert found(schema(base), schema(base, id=NUMBER)) == [
        ("OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "#/properties/id")
    ]


def test_a_schema_of_any_depth_is_compared() -> None:
    def chain(last: object) -> dict[str, object]:
        links = {
            f"n{number}": {"properties": {"next": {"$ref": f"#/definitions/n{number + 1}"}}}
            for number in range(2_000)
        }
        return {"$ref": "#/definitions/n0", "definitions": {**links, "n2000": last}}

    assert found(chain(INTEGER), chain(NUMBER)) == []
    assert [kind for kind, _ in found(chain(TEXT), chain(NUMBER))] == ["TYPE_CHANGED"]


def test_alternatives_that_multiply_meet_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def levels(last: object) -> dict[str, object]:
        definitions: dict[str, object] = {"n20": last}
        for number in range(20):
            below = {"$ref": f"#/definitions/n{number + 1}"}
            definitions[f"n{number}"] = {
                "anyOf": [
                    {"properties": {"a": below, "b": {"title": str(number)}}},
                    {"properties": {"a": below, "c": {"title": str(number)}}},
                ]
            }
        return {"$ref": "#/definitions/n0", "definitions": definitions}

    assert found(levels(INTEGER), levels(NUMBER)) == []
    monkeypatch.setattr(limits, "COMPARED_PAIRS_MAX", 50)
    assert ("COMPARISON_TOO_LARGE", "#/") in found(levels(NUMBER), levels(INTEGER))


def test_alternatives_inside_each_other_meet_a_limit() -> None:
    def nested(last: object, levels: int) -> dict[str, object]:
        definitions: dict[str, object] = {f"n{levels}": last}
        for number in range(levels):
            below = {"$ref": f"#/definitions/n{number + 1}"}
            definitions[f"n{number}"] = {"anyOf": [below, {"type": "null"}]}
        return {"$ref": "#/definitions/n0", "definitions": definitions}

    assert found(nested(INTEGER, 50), nested(NUMBER, 50)) == []
    assert ("COMPARISON_TOO_LARGE", "#/") in found(nested(INTEGER, 100), nested(NUMBER, 100))


@pytest.mark.parametrize(
    ("writer", "reader", "document"),
    [
        # Who reads fills in the default.
        (
            {"properties": {"a": {"type": "string"}}},
            {"properties": {"a": {"type": "string", "default": ""}}, "required": ["a"]},
            {},
        ),
        # Alternatives of oneOf that overlap.
        ({"oneOf": [INTEGER]}, {"oneOf": [INTEGER, NUMBER]}, 1),
        (INTEGER, {"oneOf": [INTEGER, NUMBER]}, 1),
        (
            {"oneOf": [{"maximum": 1}, {"minimum": 3}]},
            {"oneOf": [{"maximum": 5}, {"minimum": 3}]},
            3,
        ),
    ],
)
def test_where_the_rules_trust_the_user(writer: object, reader: object, document: object) -> None:
    """The three rules of README.md by which a document can be lost, as in the anchor registry."""
    assert found(writer, reader) == []
    judge = jsonschema.Draft7Validator
    assert judge(writer).is_valid(document)
    assert not judge(reader).is_valid(document)


def test_formats_are_descriptions() -> None:
    assert found(TEXT, {"type": "string", "format": "email"}) == []
    assert found(TEXT, {"type": "string", "contentEncoding": "base64"}) == []


def test_the_list_of_incompatibilities_has_an_end() -> None:
    wide = {str(number): TEXT for number in range(limits.DIFFERENCES_MAX + 500)}
    reader = {"properties": dict.fromkeys(wide, NUMBER)}
    assert len(found({"properties": wide}, reader)) == limits.DIFFERENCES_MAX
