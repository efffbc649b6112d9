"""Metadata and rules: read, merged, checked; and the cache of parsed schemas."""

from __future__ import annotations

from typing import Any

import pytest
from registry_world import FieldsFormat, refusal

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.contracts import (
    MalformedContract,
    Metadata,
    check_rule_set,
    merge_metadata,
    merge_rule_sets,
    parse_metadata,
    parse_rule_set,
)
from sprawl.schema_registry.schemas import InvalidSchema, SchemaType


def metadata(**fields: object) -> Metadata:
    parsed = parse_metadata(fields)
    assert parsed is not None
    return parsed


def test_metadata_is_sorted_and_scalars_are_texts() -> None:
    parsed = metadata(tags={"b": ["Y", "X", "Y"]}, properties={"n": 1, "b": True, "a": "x"})
    assert parsed.to_json() == {
        "tags": {"b": ["X", "Y"]},
        "properties": {"a": "x", "b": "true", "n": "1"},
    }
    assert list(dict(parsed.properties)) == ["a", "b", "n"]
    assert metadata().to_json() == {}
    order = metadata(sensitive=["\U00010000", "\uffff"]).sensitive
    assert order == ("\U00010000", "\uffff"), "as Java sorts"


@pytest.mark.parametrize(
    "value",
    [1, [], "x", {"tags": []}, {"tags": {"a": "b"}}, {"properties": {"a": None}},
     {"properties": {"a": {}}}, {"sensitive": "x"}, {"sensitive": [None]}],
)  # fmt: skip
def test_what_is_no_metadata(value: object) -> None:
    with pytest.raises(MalformedContract):
        parse_metadata(value)


@pytest.mark.parametrize(
    "value",
    [1, [], {"domainRules": {}}, {"domainRules": [1]}, {"domainRules": [{"disabled": 1}]},
     {"domainRules": [{"name": []}]}, {"enableAt": {}}],
)  # fmt: skip
def test_what_is_no_rule_set(value: object) -> None:
    with pytest.raises(MalformedContract):
        parse_rule_set(value)


def test_the_newer_metadata_counts() -> None:
    older = metadata(
        tags={"a": ["1"], "b": ["1"]}, properties={"p": "1", "q": "1"}, sensitive=["p"]
    )
    newer = metadata(tags={"b": ["2"]}, properties={"q": "2"}, sensitive=["q"])
    merged = merge_metadata(older, newer)
    assert merged == metadata(
        tags={"a": ["1"], "b": ["2"]}, properties={"p": "1", "q": "2"}, sensitive=["p", "q"]
    )
    assert merge_metadata(None, newer) == merge_metadata(newer, None) == newer


def test_a_newer_rule_replaces_the_older_one_of_its_name() -> None:
    older = parse_rule_set({"domainRules": [{"name": "a"}, {"name": "b"}], "enableAt": "X"})
    newer = parse_rule_set({"domainRules": [{"name": "a", "doc": "new"}, {"name": "c"}]})
    merged = merge_rule_sets(older, newer)
    assert merged is not None
    assert [(rule.name, rule.doc) for rule in merged.domain_rules] == [
        ("b", None),
        ("a", "new"),
        ("c", None),
    ]
    assert merged.enable_at == "X"


GOOD = {"name": "r", "type": "CEL", "mode": "WRITE"}


@pytest.mark.parametrize(
    ("phase", "changes", "message"),
    [
        ("domainRules", {"name": None}, "Missing rule name"),
        ("domainRules", {"name": ""}, "Empty rule name"),
        ("domainRules", {"name": "n" * (limits.RULE_NAME_CHARS_MAX + 1)}, "Rule name too long"),
        ("domainRules", {"name": "1a"}, "Illegal initial character in rule name: 1a"),
        ("domainRules", {"name": "a b"}, "Illegal character in rule name: a b"),
        ("domainRules", {"type": None}, "Missing rule type"),
        ("domainRules", {"kind": "X"}, "Unknown rule kind: X"),
        ("domainRules", {"mode": "UPGRADE"}, "Domain rules can only be WRITE, READ, WRITEREAD"),
        ("encodingRules", {"mode": "X"}, "Encoding rules can only be WRITE, READ, WRITEREAD"),
        ("migrationRules", {}, "Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN"),
        (
            "domainRules",
            {"onFailure": "DLQ,NONE"},
            "Multiple actions only valid with WRITEREAD and UPDOWN",
        ),
    ],
)
def test_rules_that_no_client_could_carry_out(
    phase: str, changes: dict[str, Any], message: str
) -> None:
    rule_set = parse_rule_set({phase: [{**GOOD, **changes}]})
    assert refusal(check_rule_set, rule_set) == (42210, message)


def test_rules_that_are_right() -> None:
    both = {**GOOD, "name": "_a-1", "mode": "WRITEREAD", "onSuccess": "A,B"}
    check_rule_set(parse_rule_set({"domainRules": [GOOD, both]}))
    check_rule_set(parse_rule_set({"migrationRules": [{**GOOD, "mode": "UPDOWN"}]}))
    check_rule_set(None)
    twice = parse_rule_set({"domainRules": [GOOD], "encodingRules": [GOOD]})
    assert refusal(check_rule_set, twice) == (42210, "Found rule with duplicate name 'r'")


def test_a_text_is_parsed_once_for_the_same_references() -> None:
    fields = FieldsFormat()
    schemas = ParsedSchemas({SchemaType.AVRO: fields, SchemaType.JSON: fields})
    for _ in range(2):
        schemas.parse("AVRO", "@R", (), {"R": "a"})
    assert fields.parsed_count == 1
    schemas.parse("AVRO", "@R", (), {"R": "b"})
    schemas.parse("JSON", "@R", (), {"R": "b"})
    assert fields.parsed_count == 3


@pytest.mark.parametrize("bounds", [{"schemas_max": 2}, {"chars_max": 2}])
def test_the_cache_keeps_what_was_used_last(bounds: dict[str, int]) -> None:
    fields = FieldsFormat()
    schemas = ParsedSchemas({SchemaType.AVRO: fields}, **bounds)
    for text in ("a", "b", "a", "c", "a"):
        schemas.parse("AVRO", text, (), {})
    assert (schemas.count, fields.parsed_count) == (2, 3)
    schemas.parse("AVRO", "b", (), {})
    assert fields.parsed_count == 4


def test_a_type_that_the_node_does_not_know() -> None:
    schemas = ParsedSchemas({})
    for name in ("AVRO", "THRIFT"):
        with pytest.raises(InvalidSchema, match=f"Invalid schema type {name}"):
            schemas.parse(name, "a", (), {})
