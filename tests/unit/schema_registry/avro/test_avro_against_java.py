"""Tables of what the Java library says: org.apache.avro 1.12.1 and, for `normalized`, the anchor
registry's rules upon it. Half of the cases were thought of, half are random.

java_texts.jsonl: a text (with the texts it refers to), and what it is printed as; null: it is
refused. `normalized` is there if it is not the canonical text; null where we keep on purpose what
is lost there (README.md of the folder).
java_pairs.jsonl: a reader, a writer, and the kinds and paths found, each once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sprawl.schema_registry.avro.schema import AvroFormat, AvroSchema
from sprawl.schema_registry.schemas import InvalidSchema, Reference

AVRO = AvroFormat()
HERE = Path(__file__).parent


def _cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text().splitlines()]


TEXTS = _cases("java_texts.jsonl")
SOUND = [case for case in TEXTS if case["canonical"] is not None]
PAIRS = _cases("java_pairs.jsonl")


def _parsed(case: dict[str, Any]) -> AvroSchema:
    texts: dict[str, str] = {}
    for text in case.get("references", ()):
        value = json.loads(text)
        texts[f"{value['namespace']}.{value['name']}"] = text
    return AVRO.parse(case["text"], [Reference(name, "s", 1) for name in texts], texts)


def test_what_java_refuses_is_refused() -> None:
    refused = [case for case in TEXTS if case["canonical"] is None]
    assert refused
    for case in refused:
        with pytest.raises(InvalidSchema):
            _parsed(case)


def test_a_text_is_printed_as_java_prints_it() -> None:
    printed = {case["text"]: _parsed(case).canonical for case in SOUND}
    assert printed == {case["text"]: case["canonical"] for case in SOUND}


def test_references_are_inlined_as_java_does() -> None:
    cases = [case for case in SOUND if "resolved" in case]
    assert cases
    for case in cases:
        assert _parsed(case).formatted("resolved") == case["resolved"]


def test_a_normalized_text_is_that_of_the_anchor() -> None:
    expected = {case["text"]: case.get("normalized", case["canonical"]) for case in SOUND}
    for case in SOUND:
        if expected[case["text"]] is not None:
            assert _parsed(case).normalized().canonical == expected[case["text"]]


def test_what_does_not_fit_is_found_where_java_finds_it() -> None:
    for case in PAIRS:
        reader, writer = (AVRO.parse(case[side], [], {}) for side in ("reader", "writer"))
        found = AVRO.incompatibilities(reader, writer)
        assert [f"{item.kind} {item.path}" for item in found] == case["found"], case
