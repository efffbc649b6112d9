"""What is called compatible is read by fastavro, which knows nothing of us; what is not, is not.
Apache's library for Python, which compares by the same rules, comes to the same verdicts."""

from __future__ import annotations

import io
import json
from random import Random
from typing import Any

import avro.compatibility
import avro.schema
import fastavro
from avro_models import Model, datum, model, neighbour
from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.schema_registry.avro.schema import AvroFormat
from sprawl.schema_registry.schemas import Incompatibility

AVRO = AvroFormat()
TURNS = 8


def _incompatibilities(reader: str, writer: str) -> list[Incompatibility]:
    return AVRO.incompatibilities(AVRO.parse(reader, [], {}), AVRO.parse(writer, [], {}))


def _read(writer: Model, reader: str, turn: int) -> Any:
    written_as = fastavro.parse_schema(json.loads(writer.text()))
    read_as = fastavro.parse_schema(json.loads(reader))
    data = io.BytesIO()
    fastavro.schemaless_writer(data, written_as, datum(writer, writer.root, turn))
    data.seek(0)
    value = fastavro.schemaless_reader(data, written_as, read_as)
    assert not data.read()
    return value


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_verdict_is_that_of_apache_avro(rng: Random, unions: bool) -> None:
    old = model(rng, unions=unions)
    writer, reader = old.text(), neighbour(rng, old, unions=unions).text()
    judged = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
        avro.schema.parse(reader), avro.schema.parse(writer)
    )
    is_compatible = judged.compatibility is avro.compatibility.SchemaCompatibilityType.compatible
    assert is_compatible == (not _incompatibilities(reader, writer))


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_data_of_a_compatible_writer_is_read(rng: Random) -> None:
    writer = model(rng, unions=True)
    reader = neighbour(rng, writer, unions=True).text()
    if not _incompatibilities(reader, writer.text()):
        for turn in range(TURNS):
            _read(writer, reader, turn)


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_some_data_of_an_incompatible_writer_is_not(rng: Random) -> None:
    writer = model(rng, unions=False)
    reader = neighbour(rng, writer, unions=False).text()
    if _incompatibilities(reader, writer.text()):
        failures = 0
        for turn in range(TURNS):
            try:
                _read(writer, reader, turn)
            except Exception:  # noqa: BLE001 - fastavro fails in many ways
                failures += 1
        assert failures


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_canonical_text_says_the_same(rng: Random, unions: bool) -> None:
    text = neighbour(rng, model(rng, unions=unions), unions=unions).text()
    parsed = AVRO.parse(text, [], {})
    again = AVRO.parse(parsed.canonical, [], {})
    assert again.canonical == parsed.canonical
    assert again.types == {name: parsed.types[name] for name in again.types}
    normalized = parsed.normalized()
    assert normalized.normalized().canonical == normalized.canonical
    assert again.normalized().canonical == normalized.canonical
    for reader, writer in ((parsed, normalized), (normalized, parsed), (again, parsed)):
        assert not AVRO.incompatibilities(reader, writer)
