"""What is a schema, what is not, and that a user can find the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sprawl.schema_registry.avro.json_text import NESTING_MAX
from sprawl.schema_registry.avro.parsing import DEFAULT_NESTING_MAX
from sprawl.schema_registry.avro.schema import AvroFormat, AvroSchema
from sprawl.schema_registry.schemas import InvalidSchema, Reference

AVRO = AvroFormat()


def parse(value: Any, texts: dict[str, str] | None = None) -> AvroSchema:
    text = value if isinstance(value, str) else json.dumps(value)
    known = texts or {}
    return AVRO.parse(text, [Reference(name, "s", 1) for name in known], known)


def record(*fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


def fault(value: Any, texts: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidSchema) as caught:
        parse(value, texts)
    return str(caught.value)


@pytest.mark.parametrize("name", ["string", " long\n", "null"])
def test_a_primitive_type_may_be_named_without_quotes(name: str) -> None:
    assert parse(name).canonical == f'"{name.strip()}"'


def test_a_fault_of_the_json_has_a_line_and_a_column() -> None:
    assert "line 3, column 3" in fault('{"type": /* a\ncomment */ "int",\n  oops}')
    assert "NaN" in fault('{"type":"int","x":NaN}')


def test_slashes_in_texts_are_no_comments() -> None:
    doc = 'http://x /* " \\'
    assert json.loads(parse(record(doc=doc)).canonical)["doc"] == doc


@pytest.mark.parametrize(
    ("value", "path", "word"),
    [
        (record({"name": "a", "type": {"type": "array"}}), "/fields/0/type:", "items"),
        (record({"name": "a", "type": ["null", "Gone"]}), "/fields/0/type/1:", "Gone"),
        ({"type": "map", "values": record({"name": "a"})}, "/values/fields/0:", "type"),
        (record({"name": "a", "type": "int", "default": "x"}), "/fields/0:", "int"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B", "A"]}, "/symbols/2:", "A"),
        (record({"name": "a", "type": "int"}, {"name": "a", "type": "int"}), "/fields/1:", "a"),
        ([], "", ""),
    ],
)
def test_a_fault_says_where_and_what(value: Any, path: str, word: str) -> None:
    if not path:
        assert parse(value).canonical == "[]"
        return
    message = fault(value)
    assert f"at {path}" in message
    assert word in message


def test_a_long_value_is_cut_in_a_message() -> None:
    assert len(fault({"type": "fixed", "name": "F", "size": 1, "namespace": "-" * 9})) < 200
    assert len(fault(record({"name": "a", "type": "int", "default": "x" * 10_000}))) < 200


def test_a_name_may_be_used_before_its_definition() -> None:
    """As in Java since 1.12; printed, the definition stands where the name is used first."""
    fixed = {"type": "fixed", "name": "F", "size": 1}
    used = record({"name": "a", "type": "F", "default": "x"}, {"name": "b", "type": fixed})
    assert parse(used).canonical == (
        '{"type":"record","name":"R","fields":['
        '{"name":"a","type":{"type":"fixed","name":"F","size":1},"default":"x"},'
        '{"name":"b","type":"F"}]}'
    )


def test_defaults_that_need_each_other_without_end_are_refused() -> None:
    inner = {"type": "record", "name": "S", "fields": [{"name": "r", "type": "R", "default": {}}]}
    assert "without end" in fault(record({"name": "s", "type": inner, "default": {}}))
    ended = {**inner, "fields": [{"name": "r", "type": ["null", "R"], "default": None}]}
    assert parse(record({"name": "s", "type": ended, "default": {}}))


# --- references ----------------------------------------------------------------------------------

ADDRESS = '{"type":"record","name":"Address","namespace":"a","fields":[{"name":"c","type":"Code"}]}'
CODE = '{"type":"fixed","name":"Code","namespace":"a","size":2}'


def test_references_are_known_whatever_their_order() -> None:
    uses = record({"name": "x", "type": "a.Address"}, namespace="b")
    for texts in ({"a.Address": ADDRESS, "a.Code": CODE}, {"a.Code": CODE, "a.Address": ADDRESS}):
        parsed = parse(uses, texts)
        assert '"type":"a.Address"' in parsed.canonical
        assert '"size":2' in parsed.formatted("resolved")


def test_a_reference_without_a_text_is_named() -> None:
    with pytest.raises(InvalidSchema, match=r"a\.Gone"):
        AVRO.parse('"int"', [Reference("a.Gone", "s", 1)], {})


def test_a_name_that_a_reference_lacks_is_reported_with_its_place() -> None:
    assert "a.Address#/fields/0/type" in fault('"a.Address"', {"a.Address": ADDRESS})


def test_a_reference_that_is_no_json_is_named() -> None:
    assert "at a.Code#: the text is no JSON" in fault('"a.Code"', {"a.Code": "{"})


def test_a_type_that_a_reference_defines_otherwise_is_refused() -> None:
    other = {"type": "fixed", "name": "a.Code", "size": 3}
    assert "differently" in fault(["null", other], {"a.Code": CODE})


def test_references_were_accepted_once_and_are_not_judged_again() -> None:
    old = '{"type":"record","name":"Ä","fields":[{"name":"n","type":"int","default":"x"}]}'
    assert parse('["Ä"]', {"Ä": old}).canonical == '["Ä"]'
    fault(old)
    assert AVRO.parse(old, [], {}, stored=True).canonical == old
    with pytest.raises(InvalidSchema):
        AVRO.parse(old.replace("Ä", "Ä-"), [], {}, stored=True)


# --- bounds --------------------------------------------------------------------------------------


def from_below(frames: int, call: Callable[[], None]) -> None:
    """Where the stack is in use already, as in a server."""
    if frames:
        from_below(frames - 1, call)
    else:
        call()


def nested(depth: int) -> str:
    return '{"type":"array","items":' * depth + '"int"' + "}" * depth


def nested_records(depth: int) -> str:
    text = '"int"'
    for number in range(depth):
        fields = f'[{{"name":"f","type":["null",{text}],"default":null}}]'
        text = f'{{"type":"record","name":"R{number}","fields":{fields}}}'
    return text


def handle(text: str) -> None:
    parsed = parse(text)
    assert parsed.canonical == parsed.formatted("resolved") == text
    assert not AVRO.incompatibilities(parsed.normalized(), parsed)


@pytest.mark.parametrize(
    "text",
    [
        nested(NESTING_MAX),
        nested_records(NESTING_MAX // 4),
        '{"type":"int","x":' + "[" * (NESTING_MAX - 1) + "]" * (NESTING_MAX - 1) + "}",
        '{"type":"int","x":' + '{"x":' * (NESTING_MAX - 1) + "1" + "}" * NESTING_MAX,
    ],
    ids=["arrays", "records", "lists", "objects"],
)
def test_what_is_nested_as_deep_as_allowed_is_handled(text: str) -> None:
    from_below(300, lambda: handle(text))


def test_what_is_nested_deeper_is_refused() -> None:
    assert str(NESTING_MAX) in fault(nested(NESTING_MAX + 1))
    fault("[" * 100_000)
    fault('{"a":' * 100_000)


def test_what_is_nested_and_defined_twice_is_handled() -> None:
    inner = record({"name": "a", "type": json.loads(nested(NESTING_MAX - 10))})
    other = {**inner, "fields": [{"name": "a", "type": json.loads(nested(NESTING_MAX - 11))}]}

    def once_more(again: dict[str, Any]) -> list[Any]:
        return [inner, {"type": "array", "items": again}]

    from_below(300, lambda: handle(parse(once_more(inner)).canonical))
    from_below(300, lambda: parse(once_more({**inner, "doc": "d"})) and None)
    assert "differently" in fault(once_more(other))


def test_a_default_is_nested_as_deep_as_allowed_and_no_deeper() -> None:
    node = record({"name": "a", "type": ["null", "R"]})

    def of(depth: int) -> str:
        value: Any = None
        for _ in range(depth):
            value = {"a": value}
        return json.dumps([node, record({"name": "r", "type": "R", "default": value}, name="S")])

    from_below(300, lambda: parse(of(DEFAULT_NESTING_MAX)).normalized() and None)
    assert str(DEFAULT_NESTING_MAX) in fault(of(DEFAULT_NESTING_MAX + 1))


def test_a_default_is_not_tried_in_every_way_there_is() -> None:
    """Two branches that both could be meant at each of 40 levels: 2^40 ways, all wrong."""
    both = [record({"name": "a", "type": ["R", "S", "null"]}, name=name) for name in ("R", "S")]
    value: Any = 3
    for _ in range(40):
        value = {"a": value}
    holder = record({"name": "x", "type": ["R", "S"], "default": value}, name="T")
    assert "no value" in fault([*both, holder])


def test_a_chain_of_names_that_would_be_printed_too_deep_is_refused() -> None:
    """Defined before they are used, the same types are no trouble."""
    count = 400
    chain = [
        {"type": "record", "name": f"T{i}", "fields": [{"name": "n", "type": f"T{i + 1}"}]}
        for i in range(count)
    ]
    chain.append({"type": "record", "name": f"T{count}", "fields": []})
    assert str(NESTING_MAX) in fault(chain)
    parsed = parse(chain[::-1])
    assert not AVRO.incompatibilities(parsed, parsed.normalized())


def test_a_number_of_too_many_digits_is_refused() -> None:
    fault('{"type":"int","x":' + "9" * 5_000 + "}")
    assert "9" * 500 in parse('{"type":"int","x":' + "9" * 500 + "}").canonical
