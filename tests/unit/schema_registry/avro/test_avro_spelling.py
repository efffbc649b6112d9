"""Canonical and normalized texts where they are ours: beside the tables of the Java library."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprawl.schema_registry.avro.json_text import json_text, read_json
from sprawl.schema_registry.avro.schema import AvroFormat
from sprawl.schema_registry.schemas import InvalidSchema

AVRO = AvroFormat()


def canonical(text: str) -> str:
    parsed = AVRO.parse(text, [], {})
    assert AVRO.parse(parsed.canonical, [], {}).canonical == parsed.canonical
    return parsed.canonical


def normalized(text: str) -> str:
    return AVRO.parse(text, [], {}).normalized().canonical


def field(type_: str, rest: str = "") -> str:
    return f'{{"type":"record","name":"R","fields":[{{"name":"f","type":{type_}{rest}}}]}}'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_the_same_double_after_printing(value: float) -> None:
    assert read_json(json_text(value)) == value


@given(st.integers())
def test_an_integer_keeps_all_its_digits(value: int) -> None:
    text = field('"double"', f',"default":{value},"x":[{value}]')
    assert canonical(text) == text


@given(st.text())
def test_a_text_is_the_same_text_after_printing(value: str) -> None:
    assert json.loads(json_text(value)) == value


def test_half_a_surrogate_pair_can_be_stored() -> None:
    text = canonical('{"type":"int","x":"\\ud83d"}')
    assert text == '{"type":"int","x":"\\uD83D"}'
    assert text.encode()


def test_an_alias_without_a_namespace_keeps_its_meaning() -> None:
    """Java prints "Old", which means "n.Old" when it is read again."""
    text = '{"type":"fixed","name":"F","namespace":"n","size":1,"aliases":[".Old"]}'
    assert canonical(text) == text
    assert normalized(text) == text
    old = AVRO.parse('{"type":"fixed","name":"Old","size":1}', [], {})
    assert not AVRO.incompatibilities(AVRO.parse(text, [], {}), old)


def test_a_name_that_would_be_read_as_another_is_refused() -> None:
    plain = '{"type":"fixed","name":"F","namespace":"","size":1}'
    spaced = '{"type":"fixed","name":"F","size":2}'
    record = (
        '{"type":"record","name":"R","namespace":"n","fields":['
        f'{{"name":"a","type":{plain}}},{{"name":"b","type":{spaced}}},'
        f'{{"name":"c","type":{plain}}}]}}'
    )
    with pytest.raises(InvalidSchema, match="cannot be told"):
        AVRO.parse(record, [], {})


def test_a_name_in_its_own_record_needs_no_namespace_there() -> None:
    """Java 1.12.1 takes "R" for "n.R" here and refuses it; 1.11 and the specification do not."""
    inner = '{"type":"record","name":"S","namespace":"n","fields":[{"name":"r","type":"R"}]}'
    text = field(f'["null",{inner}]')
    assert canonical(text) == text


def test_a_default_of_a_later_branch_is_kept() -> None:
    text = field('["null","string"]', ',"default":"x"')
    assert normalized(text) == text


@pytest.mark.parametrize(
    ("type_", "given", "kept"),
    [
        ("float", "1", "1.0"),
        ("float", "0.123456789", "0.12345679"),
        ("float", "1e39", '"Infinity"'),
        ("float", "3.4028235e38", "3.4028235E38"),
        ("double", "-1", "-1.0"),
        ("double", "1" + "0" * 400, '"Infinity"'),
        ("double", '"-Infinity"', '"-Infinity"'),
        ("long", "1", "1"),
    ],
)
def test_numbers_that_are_the_same_are_spelt_the_same(type_: str, given: str, kept: str) -> None:
    assert normalized(field(f'"{type_}"', f',"default":{given}')) == field(
        f'"{type_}"', f',"default":{kept}'
    )


def test_order_that_means_nothing_goes_and_what_can_be_seen_stays() -> None:
    one = '{"z":1,"type":"map","b":{"y":1,"x":2},"values":{"type":"int","doc":"no place for one"}}'
    two = '{"b":{"x":2,"y":1},"values":"int","z":1,"type":"map"}'
    assert normalized(one) == normalized(two)
    assert normalized(field('"int"', ',"doc":""')) == field('"int"', ',"doc":""')
    symbols = '{"type":"enum","name":"E","symbols":["B","A"]}'
    assert normalized(symbols) == symbols


def test_a_type_without_a_namespace_keeps_its_name() -> None:
    text = (
        '{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":'
        '{"type":"fixed","name":"F","namespace":"","size":1}}]}'
    )
    assert normalized(text) == text


def test_unknown_formats_give_the_canonical_text() -> None:
    assert AVRO.parse("int", [], {}).formatted("serialized") == '"int"'
