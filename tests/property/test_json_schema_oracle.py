"""What the registry calls compatible is: every document of the writer is one for the reader.

The judge is jsonschema, another implementation of the rules of validation.
"""

from __future__ import annotations

import contextlib
import json

import jsonschema.exceptions
import jsonschema.validators
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from sprawl.schema_registry.json_schema import JsonSchemaFormat, checking, json_text
from sprawl.schema_registry.schemas import Incompatibility, InvalidSchema
from tests.json_schema_world import DRAFTS, Schema, SchemaMaker, documents

FORMAT = JsonSchemaFormat()
CORPUS = list(documents())


def with_draft(schema: Schema, draft: str) -> str:
    return json.dumps({"$schema": draft, **schema} if isinstance(schema, dict) else schema)


def lost(writer: Schema, reader: Schema, draft: str) -> list[object]:
    """Documents that are valid for the writer and not for the reader."""
    judge = jsonschema.validators.validator_for({"$schema": draft})
    write, read = judge(writer, registry=Registry()), judge(reader, registry=Registry())
    return [found for found in CORPUS if write.is_valid(found) and not read.is_valid(found)]


def incompatibilities(writer: Schema, reader: Schema, draft: str) -> list[Incompatibility] | None:
    """What the registry finds; None: one of the two is no schema."""
    try:
        old, new = (FORMAT.parse(with_draft(schema, draft), [], {}) for schema in (writer, reader))
    except InvalidSchema:
        return None
    return FORMAT.incompatibilities(new, old)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(DRAFTS), st.integers(0, 3), st.data())
def test_compatible_means_that_no_document_is_lost(
    draft: str, how: int, data: st.DataObject
) -> None:
    maker = SchemaMaker(draft, lambda n: data.draw(st.integers(0, n - 1)))
    writer = maker.schema()
    reader = maker.schema() if how == 3 else maker.edited(writer)
    if incompatibilities(writer, reader, draft) == []:
        assert lost(writer, reader, draft) == []


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DRAFTS), st.data())
def test_a_schema_reads_itself_and_what_is_narrower(draft: str, data: st.DataObject) -> None:
    maker = SchemaMaker(draft, lambda n: data.draw(st.integers(0, n - 1)))
    schema, other = maker.schema(), maker.schema()
    if incompatibilities(schema, other, draft) is None:
        return
    assert incompatibilities(schema, schema, draft) == []
    assert incompatibilities(schema, {}, draft) == []
    assert incompatibilities({"not": {}}, schema, draft) == []
    assert incompatibilities(schema, {"anyOf": [other, schema]}, draft) == []


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DRAFTS), st.data())
def test_a_schema_that_excludes_a_document_is_found_out(draft: str, data: st.DataObject) -> None:
    maker = SchemaMaker(draft, lambda n: data.draw(st.integers(0, n - 1)))
    schema = maker.schema()
    document = data.draw(st.sampled_from(CORPUS))
    judge = jsonschema.validators.validator_for({"$schema": draft})
    if incompatibilities(schema, {}, draft) is None:
        return
    if judge(schema, registry=Registry()).is_valid(document):
        narrower: Schema = {"allOf": [schema, {"not": {"enum": [document]}}]}
        assert lost(schema, narrower, draft)
        assert incompatibilities(schema, narrower, draft)
        assert incompatibilities(narrower, schema, draft) == []


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DRAFTS[:3]), st.integers(0, 2), st.data())
def test_recursive_schemas_lose_no_document(draft: str, how: int, data: st.DataObject) -> None:
    """The same with a schema inside itself, through references."""
    maker = SchemaMaker(draft, lambda n: data.draw(st.integers(0, n - 1)))
    inner = maker.schema(1)
    other = maker.schema(1) if how == 2 else maker.edited(inner)
    writer, reader = (_around(schema) for schema in (inner, other))
    if incompatibilities(writer, reader, draft) == []:
        assert lost(writer, reader, draft) == []


def _around(inner: Schema) -> Schema:
    here = {"$ref": "#"}
    node = {
        "type": "object",
        "properties": {"a": {"anyOf": [here, {"$ref": "#/definitions/i"}]}, "b": here},
    }
    return {
        "definitions": {"i": inner, "n": node},
        "anyOf": [{"$ref": "#/definitions/n"}, {"$ref": "#/definitions/i"}],
    }


KEYWORDS = {
    *("$id", "$ref", "$anchor", "$defs", "$comment", "type", "enum", "const", "pattern", "title"),
    *("allOf", "anyOf", "oneOf", "not", "if", "items", "prefixItems", "contains", "uniqueItems"),
    *("properties", "patternProperties", "propertyNames", "required", "dependentRequired"),
    *("minimum", "maxLength", "multipleOf", "minContains", "unevaluatedItems"),
}
UNCHECKED = {
    "$schema",
    "format",
    "dependencies",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
}
"""Of deprecated keywords the newer metaschemas know more than we look at."""
WRONG = (None, True, 3, -1, 1.5, "text", "#x", [], [3], ["a", "a"], {}, {"a": 3}, {"a": ["b"]})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(DRAFTS), st.data())
def test_the_metaschema_has_the_same_say(draft: str, data: st.DataObject) -> None:
    """Our walk through a schema refuses what jsonschema refuses, and nothing else."""
    maker = SchemaMaker(draft, lambda n: data.draw(st.integers(0, n - 1)))
    judge = jsonschema.validators.validator_for({"$schema": draft})
    known = set(judge(judge.META_SCHEMA).schema.get("properties", {})) | KEYWORDS
    schema = maker.schema()
    inside = schema
    while isinstance(inside, dict) and inside and data.draw(st.booleans()):
        inside = inside[data.draw(st.sampled_from(sorted(inside)))]
    if isinstance(inside, dict):
        keyword = data.draw(st.sampled_from(sorted(known - UNCHECKED)))
        inside[keyword] = data.draw(st.sampled_from(WRONG))
    try:
        judge.check_schema(schema)
        sound = True
    except jsonschema.exceptions.SchemaError:
        sound = False
    try:
        checking.check_keywords(json_text.read(with_draft(schema, draft)))
        ours = True
    except InvalidSchema:
        ours = False
    assert ours == sound
    with contextlib.suppress(InvalidSchema):
        FORMAT.parse(with_draft(schema, draft), [], {})
