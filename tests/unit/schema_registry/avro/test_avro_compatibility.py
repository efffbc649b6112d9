"""Verdicts beside the tables of the Java library: messages, and where that one goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sprawl.schema_registry.avro.compatibility import PAIRS_MAX
from sprawl.schema_registry.avro.schema import AvroFormat
from sprawl.schema_registry.schemas import Incompatibility

AVRO = AvroFormat()


def found(reader: Any, writer: Any) -> list[Incompatibility]:
    return AVRO.incompatibilities(
        AVRO.parse(json.dumps(reader), [], {}), AVRO.parse(json.dumps(writer), [], {})
    )


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, type_: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **more}


def fixed(name: str, size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


@pytest.mark.parametrize(
    ("reader", "writer", "words"),
    [
        (record(field("a", "int")), record(), ("field a", "record R", "default")),
        (record(name="n.R2"), record(), ("record n.R2", "record R", "alias R")),
        (fixed("F", 2), fixed("F", 3), ("2 bytes", "3")),
        (
            {"type": "enum", "name": "E", "symbols": ["A"]},
            {"type": "enum", "name": "E", "symbols": ["A", "C", "B"]},
            ("B, C", "default"),
        ),
        ("int", "long", ("int", "long")),
        (["null", "int"], "string", ("null, int", "string", "add one")),
    ],
)
def test_a_message_names_what_is_wrong_and_a_way_out(
    reader: Any, writer: Any, words: tuple[str, ...]
) -> None:
    (one,) = found(reader, writer)
    assert all(word in one.message for word in words)


def test_a_union_says_why_its_likely_branch_fails() -> None:
    old = record(name="S")
    new = record(field("x", {"type": "array", "items": "int"}), name="S")
    (one,) = found(["null", new], ["null", old])
    assert (one.kind, one.path) == ("MISSING_UNION_BRANCH", "/1")
    assert "at /fields/0 in it" in one.message
    assert "field x" in one.message


def test_a_field_that_two_of_the_writer_could_be_is_incompatible() -> None:
    """Java throws, and no reader knows which of them to take."""
    (one,) = found(
        record(field("a", "int", aliases=["b"])), record(field("a", "int"), field("b", "int"))
    )
    assert (one.kind, one.path) == ("NAME_MISMATCH", "/fields/0")
    assert "a and b" in one.message


def test_an_enum_default_is_no_default_of_a_field() -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["A"], "default": "A"}
    (one,) = found(record(field("e", enum)), record())
    assert (one.kind, one.path) == ("TYPE_MISMATCH", "/fields/0/type")
    assert "field e" in one.message


def test_a_type_is_told_at_its_place_even_if_a_union_met_it_first() -> None:
    """Java gives the path from the union on: /size."""

    def pair(size: int) -> Any:
        return record(field("u", ["null", fixed("F", size)]), field("f", "F"))

    assert [(item.kind, item.path) for item in found(pair(2), pair(3))] == [
        ("MISSING_UNION_BRANCH", "/fields/0/type/1"),
        ("FIXED_SIZE_MISMATCH", "/fields/1/type/size"),
    ]


def test_the_same_fault_of_two_fields_is_told_of_both() -> None:
    reader = record(field("a", "int"), field("b", "int"), field("c", ["null", "int"]))
    writer = record(field("a", "string"), field("b", "string"), field("c", "string"))
    assert [item.path for item in found(reader, writer)] == [
        "/fields/0/type",
        "/fields/1/type",
        "/fields/2/type",
    ]


def test_a_named_type_is_told_once() -> None:
    def pair(size: int) -> Any:
        return record(field("a", fixed("F", size)), field("b", "F"))

    assert [item.path for item in found(pair(1), pair(2))] == ["/fields/0/type/size"]


def test_a_union_is_not_blamed_for_the_type_around_it() -> None:
    def node(value: str) -> Any:
        return record(field("next", ["null", "R"]), field("v", value))

    assert [(item.kind, item.path) for item in found(node("int"), node("string"))] == [
        ("TYPE_MISMATCH", "/fields/1/type")
    ]


def test_a_verdict_does_not_rest_on_one_that_fails_later() -> None:
    """T is fine while R is taken for granted; but R fails, and so does T where it stands alone."""

    def schema(size: str) -> Any:
        inner = record(field("r", "R"), name="T")
        loop = record(field("t", {"type": "array", "items": inner}), field("v", size))
        return [loop, "T"]

    reader = ["null", *schema("int")]
    paths = [item.path for item in found(reader, schema("string"))]
    assert paths == ["/0", "/1"]


def test_recursive_types_that_fit_are_compatible() -> None:
    tree = record(field("kids", {"type": "array", "items": "R"}), field("v", "long"))
    older = record(field("kids", {"type": "array", "items": "R"}), field("v", "int"))
    assert not found(tree, older)
    assert found(older, tree)


def test_a_long_chain_of_types_is_no_trouble() -> None:
    count = 1_000

    def chain(last: Any) -> Any:
        types = [record(field("v", last), name="T0")]
        types += [
            record(field("n", ["null", f"T{number - 1}"]), name=f"T{number}")
            for number in range(1, count)
        ]
        return [*types, {"type": "array", "items": f"T{count - 1}"}]

    assert not found(chain("long"), chain("int"))
    reasons = found(chain("int"), chain("long"))
    assert reasons[0].path == "/0"
    assert "cannot be read" in reasons[-1].message
    assert max(len(reason.message) for reason in reasons) < 500


def test_long_unions_are_compared_by_name() -> None:
    """Every branch with every other would be 1,000,000 pairs."""
    branches = [fixed(f"F{number}", 1) for number in range(1_000)]
    assert not found(branches, branches)
    (one,) = found(branches[:-1], branches)
    assert one.path == "/999"
    assert len(one.message) < 500


def test_what_would_take_too_long_to_judge_is_not_let_through() -> None:
    """Each of these could read each other by its name, and none does."""
    readers = [fixed(f"n{number}.F", 1) for number in range(500)]
    writers = [fixed(f"n{number}.F", 2) for number in range(500)]
    (one,) = found(readers, writers)
    assert str(PAIRS_MAX) in one.message
    assert len(found(readers[:50], writers[:50])) == 50
