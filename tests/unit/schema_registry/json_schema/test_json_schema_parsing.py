"""What is read as a JSON schema, what is stored of it, and what a user is told who sent another."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.schema_registry.json_schema import JsonSchemaFormat, limits
from sprawl.schema_registry.schemas import InvalidSchema, Reference
from tests.json_schema_world import DRAFTS

FORMAT = JsonSchemaFormat()
D7, D2019, D2020 = DRAFTS[2:]


def canonical(text: str) -> str:
    return FORMAT.parse(text, [], {}).canonical


def fault(text: str, texts: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidSchema) as caught:
        FORMAT.parse(text, [], texts or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (' { "type" : "string" ,\n "a":[ 1 , {} , [] ] } ', '{"type":"string","a":[1,{},[]]}'),
        ('{"title":"b","$id":"a"}', '{"title":"b","$id":"a"}'),
        ("true", "true"),
        ('{"a":1.0}', '{"a":1.0}'),
        ('{"a":1.10}', '{"a":1.10}'),
        ('{"a":-0}', '{"a":0}'),
        ('{"a":-0.0}', '{"a":0.0}'),
        ('{"a":1e3}', '{"a":1E+3}'),
        ('{"a":12.5e3}', '{"a":1.25E+4}'),
        ('{"a":1E-7}', '{"a":1E-7}'),
        ('{"a":0.0000001}', '{"a":1E-7}'),
        ('{"a":0.000001}', '{"a":0.000001}'),
        ('{"a":123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
        ('{"a":0.1234567890123456789012345678901}', '{"a":0.1234567890123456789012345678901}'),
        ('{"a":"\\u00e9\\u2028\\ud83d\\ude00\\/"}', '{"a":"é\u2028😀/"}'),
        (
            '{"a":"\\b\\f\\n\\r\\t\\"\\\\\\u001f\\u007f"}',
            '{"a":"\\b\\f\\n\\r\\t\\"\\\\\\u001F\x7f"}',
        ),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
    ],
)
def test_canonical_text(text: str, stored: str) -> None:
    assert canonical(text) == stored
    assert canonical(stored) == stored


def test_normalized_sorts_keys_on_every_level_and_references() -> None:
    text = '{"type":"object","properties":{"b":{"type":"string","$comment":"x"},"a":[]},"$id":"i"}'
    text = text.replace('"a":[]', '"a":{"enum":[{"z":1,"y":2},"b","a"]}')
    references = [Reference("b", "s", 2), Reference("a", "s", 1), Reference("b", "s", 2)]
    parsed = FORMAT.parse(text, references, {"a": "{}", "b": "{}"}).normalized()
    assert parsed.canonical == (
        '{"$id":"i","properties":{"a":{"enum":[{"y":2,"z":1},"b","a"]},'
        '"b":{"$comment":"x","type":"string"}},"type":"object"}'
    )
    assert parsed.references == (Reference("a", "s", 1), Reference("b", "s", 2))
    assert parsed.normalized().canonical == parsed.canonical


def test_normalized_sorts_as_java_does() -> None:
    # U+1F600 is written with surrogates, which Java's order puts before U+FF5E.
    text = '{"\uff5e":1,"\U0001f600":2}'
    assert FORMAT.parse(text, [], {}).normalized().canonical == '{"\U0001f600":2,"\uff5e":1}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ('{"a":1} {}', "not JSON: Extra data at line 1, column 9"),
        ('{"a":NaN}', "not JSON: NaN is no number of JSON"),
        ("[1]", "#: a JSON schema is an object or a boolean, not [1]"),
        ("null", "#: a JSON schema is an object or a boolean, not null"),
        (
            '{"properties":{"a/b":{"type":"strin"}}}',
            '#/properties/a~1b/type: "strin" is no type; the types are array, boolean, integer,'
            " null, number, object, string",
        ),
        ('{"minLength":-1}', "#/minLength: -1 is less than the minimum of 0"),
        ('{"required":"a"}', '#/required: "a" is not of type array'),
        ('{"allOf":[{"not":3}]}', "#/allOf/0/not: 3 is not of type object or boolean"),
        ('{"pattern":"a["}', "#/pattern: no pattern: missing ]: ["),
        ('{"patternProperties":{"(":{}}}', "#/patternProperties/(: no pattern: missing ): ("),
        ('{"a":"\\ud800"}', "half of a surrogate pair (\\ud800 to \\udfff) stands alone"),
        (
            '{"$schema":"http://json-schema.org/draft-03/schema#"}',
            "#/$schema: draft 3 is not supported; drafts 4, 6, 7, 2019-09 and 2020-12 are",
        ),
        ('{"$ref":"#/definitions/a"}', '#/$ref: "#/definitions/a" is nowhere in this schema'),
        ('{"$ref":"#a"}', '#/$ref: "#a" is nowhere in this schema'),
        (
            '{"items":{"$ref":"a.json#/x"}}',
            '#/items/$ref: "a.json#/x" cannot be resolved; register that schema and name it'
            ' "a.json" in the references (nothing is fetched)',
        ),
        ('{"$ref":"#"}', "#: refers to itself without end"),
        ('{"anyOf":[{"type":"null"},{"$ref":"#"}]}', "#: refers to itself without end"),
    ],
)
def test_a_user_is_told_what_is_wrong_and_where(text: str, said: str) -> None:
    assert fault(text) == said


@pytest.mark.parametrize(
    ("draft", "schema", "sound"),
    [
        (DRAFTS[0], {"minimum": 1, "exclusiveMinimum": True}, True),
        (DRAFTS[0], {"exclusiveMinimum": 1}, False),
        (DRAFTS[0], {"additionalItems": {}, "items": [True]}, False),
        (DRAFTS[0], {"additionalItems": False, "additionalProperties": True}, True),
        (DRAFTS[1], {"exclusiveMinimum": True}, False),
        (DRAFTS[1], {"const": 1, "contains": True}, True),
        (D7, {"if": {}, "then": True, "maxLength": 2.0}, True),
        (D2019, {"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"}, True),
        (D2020, {"prefixItems": [{}], "items": False}, True),
        (D2020, {"items": [{}]}, False),
        (D2020, {"$dynamicAnchor": "n", "items": {"$dynamicRef": "#n"}}, True),
        ("http://example.com/own", {"exclusiveMinimum": 1}, True),
    ],
)
def test_a_schema_is_read_as_its_draft(draft: str, schema: dict[str, object], sound: bool) -> None:
    text = json.dumps({"$schema": draft, **schema})
    if sound:
        assert json.loads(canonical(text)) == json.loads(text)
    else:
        assert fault(text).startswith("#")


REFERRING = [
    ({"$ref": "other.json"}, "other.json", {"type": "string"}),
    ({"$ref": "other.json#/definitions/x"}, "other.json", {"definitions": {"x": {}}}),
    (
        {
            "$id": "http://x/y/root.json",
            "$ref": "#/definitions/o",
            "definitions": {"o": {"$ref": "other.json"}},
        },
        "other.json",
        {},
    ),
    (
        {"$id": "http://x/root.json", "properties": {"a": {"$ref": "other.json"}}},
        "http://x/other.json",
        {},
    ),
    ({"properties": {"a": {"$ref": "http://x/o"}}}, "some name", {"$id": "http://x/o"}),
    (
        {"properties": {"a": {"$ref": "a b.json#named"}}},
        "a b.json",
        {"definitions": {"q": {"$id": "#named"}}},
    ),
    ({"properties": {"a": {"$ref": "http://json-schema.org/draft-07/schema#"}}}, "unused", {}),
    (
        {"properties": {"a": {"$ref": "inner"}}, "definitions": {"i": {"$id": "inner"}}},
        "unused",
        {},
    ),
    ({"items": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}, "unused", {}),
    ({"items": {"$ref": "https://json-schema.org/draft/2019-09/schema"}}, "unused", {}),
]


@pytest.mark.parametrize(("schema", "name", "other"), REFERRING)
def test_a_reference_leads_to_a_registered_schema_or_a_place(
    schema: dict[str, object], name: str, other: dict[str, object]
) -> None:
    texts = {name: json.dumps(other)}
    parsed = FORMAT.parse(json.dumps(schema), [Reference(name, "s", 1)], texts)
    assert FORMAT.incompatibilities(parsed, parsed) == []


def test_references_of_references_are_followed() -> None:
    texts = {"b": '{"properties":{"c":{"$ref":"c"}}}', "c": '{"$ref":"d#/definitions/x"}'}
    said = fault('{"items":{"$ref":"b"}}', texts)
    assert said.endswith('name it "d" in the references (nothing is fetched)')
    assert "$ref b" in said
    FORMAT.parse('{"items":{"$ref":"b"}}', [], texts | {"d": '{"definitions":{"x":true}}'})


def test_a_reference_without_its_text_is_refused() -> None:
    with pytest.raises(InvalidSchema, match="reference other: there is no schema for it"):
        FORMAT.parse("{}", [Reference("other", "s", 1)], {})
    assert fault("{}", {"avro": '"string"'}) == 'reference avro: no JSON schema, but "string"'
    assert fault("{}", {"proto": "syntax"}).startswith("reference proto: not JSON")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"title":"' + "a" * limits.SCHEMA_BYTES_MAX + '"}', "a schema has at most"),
        ("[" * 100_000, "objects and arrays inside each other"),
        ('{"not":' * 200 + "{}" + "}" * 200, "objects and arrays inside each other"),
        ('{"enum":[' + "1," * limits.SCHEMA_VALUES_MAX + "1]}", "values in one schema"),
        ('{"enum":[' + "1" * 5_000 + "]}", "a number of more than 1000 digits"),
        ('{"enum":[1e999999999999999999999]}', "an exponent beyond 10000"),
        ('{"enum":[1e-20000]}', "an exponent beyond 10000"),
    ],
)
def test_hostile_texts_meet_a_limit(text: str, said: str) -> None:
    assert said in fault(text)


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("shape", ['{"not":%s}', '{"properties":{"a":%s}}', '{"allOf":[%s]}'])
def test_a_schema_as_deep_as_allowed_is_read_and_compared(draft: str, shape: str) -> None:
    text = "{}"
    while shape.count("{") + shape.count("[") + _depth(text) <= limits.SCHEMA_DEPTH_MAX:
        text = shape % text
    parsed = FORMAT.parse(f'{{"$schema":"{draft}",{text[1:]}', [], {})
    kinds = {one.kind for one in FORMAT.incompatibilities(parsed, parsed)}
    assert ("COMPARISON_TOO_LARGE" in kinds) == ("not" in shape)
    assert "not" in shape or not kinds
    parsed.normalized().formatted("resolved")


def _depth(text: str) -> int:
    return text.count("{") + text.count("[")


def test_brackets_in_texts_are_not_depth() -> None:
    text = json.dumps({"title": '[{"' * 500, "description": "\\"})
    assert canonical(text) == text.replace(": ", ":").replace(", ", ",")


def test_many_patterns_and_values_of_different_types_meet_a_limit() -> None:
    many = {f"^{number}": {} for number in range(limits.PATTERN_PROPERTIES_MAX + 1)}
    assert fault(json.dumps({"patternProperties": many})) == (
        f"#/patternProperties: more than {limits.PATTERN_PROPERTIES_MAX} patterns"
    )
    mixed = [item for number in range(10_000) for item in (number, str(number))]
    draft = {"$schema": DRAFTS[0]}
    canonical(json.dumps({**draft, "enum": mixed}))
    assert "has an item twice" in fault(json.dumps({**draft, "enum": [*mixed, 1]}))


def test_a_pattern_that_takes_others_for_ever_is_a_pattern() -> None:
    name = "a" * 60 + "!"
    closed = {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}
    old = FORMAT.parse(json.dumps({"properties": {name: {}}, **closed}), [], {})
    new = FORMAT.parse(json.dumps(closed), [], {})
    assert [one.kind for one in FORMAT.incompatibilities(new, old)] == [
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    ]


def test_too_many_references_meet_a_limit() -> None:
    texts = {str(number): "{}" for number in range(limits.REFERENCES_MAX + 1)}
    assert "references, all levels together" in fault("{}", texts)
    large = json.dumps({"title": "a" * 1_000_000})
    assert "bytes together" in fault("{}", {str(number): large for number in range(20)})


@pytest.mark.parametrize("pattern", [r"\p{L}+", "(?=a)b", r"(a)\1", r"é", "(?<year>[0-9]{4})"])
def test_patterns_of_other_dialects_are_accepted(pattern: str) -> None:
    canonical(json.dumps({"pattern": pattern, "patternProperties": {pattern: {}}}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_value_is_stored_as_the_same_value(value: object) -> None:
    text = json.dumps({"default": value})
    assert json.loads(canonical(text)) == {"default": value}
    assert canonical(canonical(text)) == canonical(text)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_a_schema_or_is_refused(text: str) -> None:
    try:
        parsed = FORMAT.parse(text, [], {})
    except InvalidSchema:
        pass
    else:
        assert FORMAT.incompatibilities(parsed, parsed) == []


@pytest.mark.parametrize("draft", DRAFTS[:3])
@pytest.mark.parametrize(
    "dependencies",
    [
        {"a": {"ID": "https://example.org/inside", "type": "object"}, "b": ["c"]},
        {"b": ["c"], "a": {"ID": "https://example.org/inside", "type": "object"}},
    ],
    ids=["schema first", "list first"],
)
def test_dependencies_may_be_schemas_and_lists_side_by_side(
    draft: str, dependencies: dict[str, object]
) -> None:
    schema = {
        "$schema": draft,
        "dependencies": dependencies,
        "properties": {"d": {"$ref": "https://example.org/inside"}},
    }
    keyword = "id" if draft == DRAFTS[0] else "$id"
    text = json.dumps(schema).replace("ID", keyword)
    assert canonical(text) == json.dumps(json.loads(text), separators=(",", ":"))


def test_a_schema_of_another_draft_inside_has_dependencies_of_one_kind() -> None:
    inside: dict[str, object] = {"$id": "i", "$schema": D7, "dependencies": {"a": {}, "b": ["c"]}}
    assert "#/$defs/x/dependencies" in fault(json.dumps({"$schema": D2020, "$defs": {"x": inside}}))
    inside["dependencies"] = {"a": {}}
    canonical(json.dumps({"$schema": D2020, "$defs": {"x": inside}}))
