"""Every kind of difference, once: where it is found, whether the reader can live with it.

A case that breaks has a document that shows it: valid for the writer, invalid for the reader.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import jsonschema.validators
import pytest
from referencing import Registry

from sprawl.schema_registry.json_schema import JsonSchemaFormat
from sprawl.schema_registry.json_schema.comparing import differences
from sprawl.schema_registry.json_schema.kinds import FORGIVEN_BY_LENIENT, Kind
from sprawl.schema_registry.schemas import Policy
from tests.json_schema_world import Schema

FORMAT = JsonSchemaFormat()
S: Schema = {"type": "string"}
INT: Schema = {"type": "integer"}
N: Schema = {"type": "number"}
NEVER: Schema = {"not": {}}
D4 = "http://json-schema.org/draft-04/schema#"
D7 = "http://json-schema.org/draft-07/schema#"
D2020 = "https://json-schema.org/draft/2020-12/schema"


class Case(NamedTuple):
    kind: str
    path: str
    writer: Schema
    reader: Schema
    lost: object = ...
    """A document that the reader loses; `...`: there is none, the change is compatible."""
    draft: str = D7


def string(**keywords: object) -> Schema:
    return {"type": "string", **keywords}


def numeric(**keywords: object) -> Schema:
    return {"type": "number", **keywords}


def objects(**keywords: object) -> Schema:
    return {"type": "object", **keywords}


def arrays(**keywords: object) -> Schema:
    return {"type": "array", **keywords}


def properties(**schemas: Schema) -> Schema:
    return objects(properties=schemas)


def closed(*required: str, **schemas: Schema) -> Schema:
    needed = {"required": list(required)} if required else {}
    return objects(properties=schemas, additionalProperties=False, **needed)


def partial(rest: Schema, **schemas: Schema) -> Schema:
    return objects(properties=schemas, additionalProperties=rest)


def items(*first: Schema, rest: Schema | None = None) -> Schema:
    return arrays(items=list(first), **({} if rest is None else {"additionalItems": rest}))


def upper(
    kind: str, keyword: str, base: Schema, low: object, high: object, draft: str = D7
) -> list[Case]:
    """The four kinds of an upper bound of 2; `low` has 2 and `high` 3 of what it counts."""
    none, two, three = base, {**dict(base), keyword: 2}, {**dict(base), keyword: 3}
    at = f"#/{keyword}"
    return [
        Case(f"{kind}_ADDED", at, none, two, high, draft),
        Case(f"{kind}_REMOVED", at, two, none, draft=draft),
        Case(f"{kind}_INCREASED", at, two, three, draft=draft),
        Case(f"{kind}_DECREASED", at, three, two, high, draft),
    ]


def lower(
    kind: str, keyword: str, base: Schema, low: object, high: object, draft: str = D7
) -> list[Case]:
    """The same for a lower bound."""
    none, two, three = base, {**dict(base), keyword: 2}, {**dict(base), keyword: 3}
    at = f"#/{keyword}"
    return [
        Case(f"{kind}_ADDED", at, none, three, low, draft),
        Case(f"{kind}_REMOVED", at, three, none, draft=draft),
        Case(f"{kind}_INCREASED", at, two, three, low, draft),
        Case(f"{kind}_DECREASED", at, three, two, draft=draft),
    ]


AB: Schema = {"a": 1, "b": 1}
ABC: Schema = {"a": 1, "b": 1, "c": 1}
WITH_DEFAULT: Schema = {"type": "string", "default": "x"}
CONTAINS: Schema = {"type": "array", "contains": N}
REST = "#/additionalProperties"
IN_OPEN = "ADDED_TO_OPEN_CONTENT_MODEL"
IN_CLOSED = "ADDED_TO_UNOPEN_CONTENT_MODEL"
COVERED = "IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
NOT_COVERED = "NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"

ANNOTATIONS = [
    Case("ID_CHANGED", "#/", string(**{"$id": "http://x/1"}), string(**{"$id": "http://x/2"})),
    Case("TITLE_CHANGED", "#/", string(title="a"), string(title="b")),
    Case("DESCRIPTION_CHANGED", "#/", string(description="a"), S),
    Case("DEFAULT_CHANGED", "#/properties/a", properties(a=S), properties(a=WITH_DEFAULT)),
]
TYPES = [
    Case("SCHEMA_ADDED", "#/items", arrays(), arrays(items=S), [1]),
    Case("SCHEMA_REMOVED", "#/items", arrays(items=S), arrays()),
    Case("SCHEMA_ADDED", "#/contains", arrays(), CONTAINS, []),
    Case(
        "SCHEMA_ADDED",
        "#/propertyNames",
        objects(),
        objects(propertyNames={"maxLength": 1}),
        AB | {"cc": 1},
    ),
    Case("TYPE_EXTENDED", "#/properties/a", properties(a=INT), properties(a=N)),
    Case("TYPE_EXTENDED", "#/", string(maxLength=1), {"maxLength": 1}),
    Case("TYPE_NARROWED", "#/properties/a", properties(a=N), properties(a=INT), {"a": 1.5}),
    Case("TYPE_NARROWED", "#/", {"maxLength": 1}, string(maxLength=1), 1),
    Case("TYPE_CHANGED", "#/properties/a", properties(a=S), properties(a=N), {"a": "x"}),
    Case("TYPE_CHANGED", "#/", {}, S, 1),
    Case("TYPE_CHANGED", "#/", {"type": ["string", "null"]}, S, None),
    Case("TYPE_CHANGED", "#/", S, {"type": "string", "enum": ["a"]}, "b"),
    Case("TYPE_CHANGED", "#/", S, NEVER, "a"),
]
SCALARS = [
    *upper("MAX_LENGTH", "maxLength", S, "ab", "abc"),
    *lower("MIN_LENGTH", "minLength", S, "ab", "abc"),
    Case("PATTERN_ADDED", "#/pattern", S, string(pattern="^a"), "b"),
    Case("PATTERN_REMOVED", "#/pattern", string(pattern="^a"), S),
    Case("PATTERN_CHANGED", "#/pattern", string(pattern="^a"), string(pattern="a$"), "ab"),
    *upper("MAXIMUM", "maximum", N, 2, 3),
    *lower("MINIMUM", "minimum", N, 2, 3),
    *upper("EXCLUSIVE_MAXIMUM", "exclusiveMaximum", N, 1, 2),
    *lower("EXCLUSIVE_MINIMUM", "exclusiveMinimum", N, 3, 4),
    Case(
        "EXCLUSIVE_MINIMUM_ADDED",
        "#/exclusiveMinimum",
        numeric(minimum=2),
        numeric(minimum=2, exclusiveMinimum=True),
        2,
        D4,
    ),
    Case("MULTIPLE_OF_ADDED", "#/multipleOf", N, numeric(multipleOf=2), 3),
    Case("MULTIPLE_OF_REMOVED", "#/multipleOf", numeric(multipleOf=2), N),
    Case("MULTIPLE_OF_EXPANDED", "#/multipleOf", numeric(multipleOf=2), numeric(multipleOf=4), 6),
    Case("MULTIPLE_OF_REDUCED", "#/multipleOf", numeric(multipleOf=4), numeric(multipleOf=2)),
    Case("MULTIPLE_OF_REDUCED", "#/multipleOf", numeric(multipleOf=1), numeric(multipleOf=0.25)),
    Case("MULTIPLE_OF_CHANGED", "#/multipleOf", numeric(multipleOf=2), numeric(multipleOf=3), 2),
]
OBJECTS = [
    Case("REQUIRED_ATTRIBUTE_ADDED", "#/required/a", closed(a=S), closed("a", a=S), {}),
    Case("REQUIRED_ATTRIBUTE_ADDED", "#/required/a", objects(), objects(required=["a"]), {}),
    Case(
        "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED",
        "#/required/a",
        closed(a=S),
        closed("a", a=WITH_DEFAULT),
    ),
    Case("REQUIRED_ATTRIBUTE_REMOVED", "#/required/a", closed("a", a=S), closed(a=S)),
    *upper("MAX_PROPERTIES", "maxProperties", objects(), AB, ABC),
    *lower("MIN_PROPERTIES", "minProperties", objects(), AB, ABC),
    Case("ADDITIONAL_PROPERTIES_ADDED", REST, closed(a=S), properties(a=S)),
    Case("ADDITIONAL_PROPERTIES_ADDED", REST, closed(a=S), partial(N, a=S)),
    Case("ADDITIONAL_PROPERTIES_REMOVED", REST, properties(a=S), closed(a=S), {"z": 1}),
    Case("ADDITIONAL_PROPERTIES_REMOVED", REST, partial(N), closed(), {"z": 1}),
    Case("ADDITIONAL_PROPERTIES_EXTENDED", REST, partial(S), objects()),
    Case("ADDITIONAL_PROPERTIES_NARROWED", REST, objects(), partial(S), {"z": 1}),
    Case("TYPE_CHANGED", REST, partial(S), partial(N), {"z": "x"}),
    Case(
        "DEPENDENCY_ARRAY_ADDED",
        "#/dependencies/a",
        objects(),
        objects(dependencies={"a": ["b"]}),
        {"a": 1},
    ),
    Case(
        "DEPENDENCY_ARRAY_REMOVED",
        "#/dependencies/a",
        objects(dependencies={"a": ["b"]}),
        objects(),
    ),
    Case(
        "DEPENDENCY_ARRAY_EXTENDED",
        "#/dependencies/a",
        objects(dependencies={"a": ["b"]}),
        objects(dependencies={"a": ["b", "c"]}),
        AB,
    ),
    Case(
        "DEPENDENCY_ARRAY_NARROWED",
        "#/dependencies/a",
        objects(dependentRequired={"a": ["b", "c"]}),
        objects(dependentRequired={"a": ["c"]}),
        draft=D2020,
    ),
    Case(
        "DEPENDENCY_ARRAY_CHANGED",
        "#/dependencies/a",
        objects(dependencies={"a": ["b"]}),
        objects(dependencies={"a": ["c"]}),
        AB,
    ),
    Case(
        "DEPENDENCY_SCHEMA_ADDED",
        "#/dependencies/a",
        objects(),
        objects(dependentSchemas={"a": {"minProperties": 2}}),
        {"a": 1},
        D2020,
    ),
    Case(
        "DEPENDENCY_SCHEMA_REMOVED",
        "#/dependencies/a",
        objects(dependencies={"a": {"minProperties": 2}}),
        objects(),
    ),
]
CONTENT_MODEL = [
    Case(f"PROPERTY_WITH_EMPTY_SCHEMA_{IN_OPEN}", "#/properties/a", objects(), properties(a={})),
    Case(
        f"OPTIONAL_PROPERTY_{IN_OPEN}",
        "#/properties/b",
        properties(a=S),
        properties(a=S, b=S),
        {"b": 1},
    ),
    Case(
        f"REQUIRED_PROPERTY_{IN_OPEN}",
        "#/properties/b",
        properties(a=S),
        objects(properties={"a": S, "b": S}, required=["b"]),
        {},
    ),
    Case(
        f"REQUIRED_PROPERTY_WITH_DEFAULT_{IN_OPEN}",
        "#/properties/b",
        properties(a=S),
        objects(properties={"a": S, "b": WITH_DEFAULT}, required=["b"]),
        {"b": 1},
    ),
    Case(f"OPTIONAL_PROPERTY_{IN_CLOSED}", "#/properties/b", closed(a=S), closed(a=S, b=S)),
    Case(
        f"REQUIRED_PROPERTY_{IN_CLOSED}", "#/properties/b", closed(a=S), closed("b", a=S, b=S), {}
    ),
    Case(
        f"REQUIRED_PROPERTY_WITH_DEFAULT_{IN_CLOSED}",
        "#/properties/b",
        closed(a=S),
        closed("b", a=S, b=WITH_DEFAULT),
    ),
    Case(f"PROPERTY_ADDED_{COVERED}", "#/properties/b", partial(INT), partial(INT, b=N)),
    Case(
        f"PROPERTY_ADDED_{NOT_COVERED}", "#/properties/b", partial(N), partial(N, b=INT), {"b": 1.5}
    ),
    Case(
        f"PROPERTY_ADDED_{NOT_COVERED}",
        "#/properties/xb",
        objects(patternProperties={"^x": N}, additionalProperties=False),
        objects(patternProperties={"^x": N}, properties={"xb": INT}, additionalProperties=False),
        {"xb": 1.5},
    ),
    Case(
        f"OPTIONAL_PROPERTY_{IN_OPEN}",
        "#/patternProperties/^x",
        objects(),
        objects(patternProperties={"^x": N}),
        {"xy": ""},
    ),
    Case(
        "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL",
        "#/properties/b",
        properties(a=S, b=S),
        properties(a=S),
    ),
    Case(
        "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "#/properties/b",
        closed(a=S, b=False),
        closed(a=S),
    ),
    Case(
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "#/properties/b",
        closed(a=S, b=S),
        closed(a=S),
        {"b": ""},
    ),
    Case(f"PROPERTY_REMOVED_{COVERED}", "#/properties/b", partial(N, b=INT), partial(N)),
    Case(
        f"PROPERTY_REMOVED_{NOT_COVERED}",
        "#/properties/b",
        partial(INT, b=N),
        partial(INT),
        {"b": 1.5},
    ),
]
UNEVALUATED_PROPERTIES = [
    Case(f"UNEVALUATED_PROPERTIES_{change}", "#/unevaluatedProperties", old, new, lost, D2020)
    for change, old, new, lost in (
        ("ADDED", objects(unevaluatedProperties=False), objects(), ...),
        ("REMOVED", objects(), objects(unevaluatedProperties=False), {"a": 1}),
        ("EXTENDED", objects(unevaluatedProperties=S), objects(), ...),
        ("NARROWED", objects(), objects(unevaluatedProperties=S), {"a": 1}),
    )
]
ARRAYS = [
    *upper("MAX_ITEMS", "maxItems", arrays(), [1, 1], [1, 1, 1]),
    *lower("MIN_ITEMS", "minItems", arrays(), [1, 1], [1, 1, 1]),
    *upper("MAX_CONTAINS", "maxContains", CONTAINS, [1, 1], [1, 1, 1], D2020),
    *lower("MIN_CONTAINS", "minContains", CONTAINS, [1, 1], [1, 1, 1], D2020)[2:],
    Case(
        "MIN_CONTAINS_ADDED",
        "#/minContains",
        {**CONTAINS, "minContains": 0},
        {**CONTAINS, "minContains": 2},
        [1],
        D2020,
    ),
    Case("SCHEMA_REMOVED", "#/contains", CONTAINS, {**CONTAINS, "minContains": 0}, draft=D2020),
    Case(
        "MIN_CONTAINS_REMOVED",
        "#/minContains",
        {**CONTAINS, "minContains": 2},
        {**CONTAINS, "minContains": 0, "maxContains": 9},
        [1] * 10,
        D2020,
    ),
    Case("UNIQUE_ITEMS_ADDED", "#/uniqueItems", arrays(), arrays(uniqueItems=True), [1, 1]),
    Case("UNIQUE_ITEMS_REMOVED", "#/uniqueItems", arrays(uniqueItems=True), arrays()),
    Case("ADDITIONAL_ITEMS_ADDED", "#/additionalItems", items(S, rest=False), items(S)),
    Case("ADDITIONAL_ITEMS_REMOVED", "#/additionalItems", items(S), items(S, rest=False), ["", 1]),
    Case("ADDITIONAL_ITEMS_EXTENDED", "#/additionalItems", items(S, rest=S), items(S)),
    Case("ADDITIONAL_ITEMS_NARROWED", "#/additionalItems", items(S), items(S, rest=S), ["", 1]),
    Case("TYPE_CHANGED", "#/items/0", items(S), items(N), [""]),
    Case(
        "TYPE_CHANGED",
        "#/prefixItems/0",
        arrays(prefixItems=[S]),
        arrays(prefixItems=[N]),
        [""],
        D2020,
    ),
    *(
        Case(f"UNEVALUATED_ITEMS_{change}", "#/unevaluatedItems", old, new, lost, D2020)
        for change, old, new, lost in (
            ("ADDED", arrays(unevaluatedItems=False), arrays(), ...),
            ("REMOVED", arrays(), arrays(unevaluatedItems=False), [1]),
            ("EXTENDED", arrays(unevaluatedItems=S), arrays(), ...),
            ("NARROWED", arrays(), arrays(unevaluatedItems=S), [1]),
        )
    ),
]
TUPLES = [
    Case("ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", "#/items/1", items(S), items(S, {})),
    Case("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", "#/items/1", items(S), items(S, S), ["", 1]),
    Case(
        "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL",
        "#/items/1",
        items(S, rest=False),
        items(S, S, rest=False),
    ),
    Case(f"ITEM_ADDED_{COVERED}", "#/items/1", items(S, rest=INT), items(S, N, rest=INT)),
    Case(
        f"ITEM_ADDED_{NOT_COVERED}", "#/items/1", items(S, rest=N), items(S, INT, rest=N), ["", 1.5]
    ),
    Case("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", "#/items/1", items(S, S), items(S)),
    Case(
        "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "#/items/1",
        items(S, False, rest=False),
        items(S, rest=False),
    ),
    Case(
        "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL",
        "#/items/1",
        items(S, S, rest=False),
        items(S, rest=False),
        ["", ""],
    ),
    Case(f"ITEM_REMOVED_{COVERED}", "#/items/1", items(S, INT, rest=N), items(S, rest=N)),
    Case(
        f"ITEM_REMOVED_{NOT_COVERED}",
        "#/items/1",
        items(S, N, rest=INT),
        items(S, rest=INT),
        ["", 1.5],
    ),
]
COMBINED = [
    Case("ENUM_ARRAY_EXTENDED", "#/enum", {"enum": [1]}, {"enum": [1.0, "a"]}),
    Case("ENUM_ARRAY_NARROWED", "#/enum", string(enum=["a", "b"]), string(enum=["b"]), "a"),
    Case("ENUM_ARRAY_CHANGED", "#/enum", {"enum": [1, 2]}, {"enum": [2, 3]}, 1),
    Case("ENUM_ARRAY_CHANGED", "#/const", {"const": 1}, {"const": True}, 1),
    Case("ENUM_ARRAY_EXTENDED", "#/enum", {"const": 1}, {"enum": [1, 2]}),
    Case("COMBINED_TYPE_EXTENDED", "#/", {"oneOf": [S, N]}, {"anyOf": [S, N]}),
    Case(
        "COMBINED_TYPE_EXTENDED",
        "#/",
        {"allOf": [S, string(maxLength=1)]},
        {"anyOf": [S, string(maxLength=1), N]},
    ),
    Case("COMBINED_TYPE_CHANGED", "#/", {"anyOf": [INT, N]}, {"oneOf": [INT, N]}, 1),
    Case("COMBINED_TYPE_CHANGED", "#/if", {"if": S, "then": {}}, {"if": N, "then": False}, 1),
    Case("SCHEMA_ADDED", "#/then", {"if": S, "else": N}, {"if": S, "then": False, "else": N}, ""),
    Case("PRODUCT_TYPE_EXTENDED", "#/", {"allOf": [S]}, {"allOf": [S, {"maxLength": 1}]}, "ab"),
    Case(
        "PRODUCT_TYPE_EXTENDED",
        "#/",
        string(enum=["ab"]),
        string(enum=["ab"], **{"not": {"maxLength": 2}}),
        "ab",
    ),
    Case("PRODUCT_TYPE_NARROWED", "#/", {"allOf": [S, {"maxLength": 1}]}, {"allOf": [S]}),
    Case("PRODUCT_TYPE_NARROWED", "#/", {"allOf": [S, {"maxLength": 1}]}, S),
    Case("PRODUCT_TYPE_NARROWED", "#/", string(enum=["a"]), S),
    Case("SUM_TYPE_EXTENDED", "#/", {"oneOf": [S, N]}, {"oneOf": [{"type": "null"}, N, S]}),
    Case(
        "SUM_TYPE_EXTENDED",
        "#/properties/a",
        properties(a=S),
        properties(a={"type": ["null", "string"]}),
    ),
    Case("SUM_TYPE_NARROWED", "#/", {"anyOf": [S, N]}, {"anyOf": [S]}, 1),
    Case(
        "SUM_TYPE_NARROWED",
        "#/",
        {"type": ["string", "null", "number"]},
        {"type": ["string", "null"]},
        1,
    ),
    Case("COMBINED_TYPE_SUBSCHEMAS_CHANGED", "#/", {"anyOf": [S, N]}, {"anyOf": [S, INT]}, 1.5),
    Case("NOT_TYPE_EXTENDED", "#/not", {"not": INT}, {"not": N}, 1.5),
    Case("NOT_TYPE_NARROWED", "#/not", {"not": N}, {"not": INT}),
]
CASES = [
    *ANNOTATIONS,
    *TYPES,
    *SCALARS,
    *OBJECTS,
    *CONTENT_MODEL,
    *UNEVALUATED_PROPERTIES,
    *ARRAYS,
    *TUPLES,
    *COMBINED,
]


def text(schema: Schema, draft: str) -> str:
    return json.dumps({"$schema": draft, **schema} if isinstance(schema, dict) else schema)


def named(case: Case) -> str:
    return f"{case.kind} {case.path}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_difference_is_found_where_it_is(case: Case) -> None:
    writer = FORMAT.parse(text(case.writer, case.draft), [], {})
    reader = FORMAT.parse(text(case.reader, case.draft), [], {})
    found = differences(writer.root, reader.root, Policy.STRICT)
    assert (case.kind, case.path) in [(one.kind.name, one.path) for one in found]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_verdict_of_both_policies(case: Case) -> None:
    writer = FORMAT.parse(text(case.writer, case.draft), [], {})
    reader = FORMAT.parse(text(case.reader, case.draft), [], {})
    strict = FORMAT.incompatibilities(reader, writer)
    lenient = FORMAT.incompatibilities(reader, writer, Policy.LENIENT)
    assert bool(strict) == (case.lost is not ...)
    kinds = {Kind[one.kind] for one in strict}
    assert {Kind[one.kind] for one in lenient} == kinds - FORGIVEN_BY_LENIENT


@pytest.mark.parametrize("case", [case for case in CASES if case.lost is not ...], ids=named)
def test_what_breaks_loses_a_document(case: Case) -> None:
    judge = jsonschema.validators.validator_for({"$schema": case.draft})
    assert judge(case.writer, registry=Registry()).is_valid(case.lost)
    assert not judge(case.reader, registry=Registry()).is_valid(case.lost)


@pytest.mark.parametrize("case", [case for case in CASES if case.lost is not ...], ids=named)
def test_a_message_says_where_and_what_to_do(case: Case) -> None:
    writer = FORMAT.parse(text(case.writer, case.draft), [], {})
    reader = FORMAT.parse(text(case.reader, case.draft), [], {})
    for found in FORMAT.incompatibilities(reader, writer):
        assert found.message.startswith(f"{found.path}: ")
        assert ";" in found.message


def test_every_kind_has_a_case() -> None:
    without = {kind.name for kind in Kind} - {case.kind for case in CASES}
    assert without == {"COMPARISON_TOO_LARGE"}
