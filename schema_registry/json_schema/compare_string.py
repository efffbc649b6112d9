"""Strings: lengths and patterns. `format` is a description, as in the anchor registry. Pure."""

from __future__ import annotations

from sprawl.schema_registry.json_schema.bounds import bound, compare_bound, counted
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.json_schema.runs import Path, Run

_LENGTHS = (bound("maxLength", "MAX_LENGTH"), bound("minLength", "MIN_LENGTH"))


def compare_strings(run: Run, writer: Node, reader: Node, path: Path) -> None:
    """Compare what two schemas demand of strings."""
    for rule in _LENGTHS:
        compare_bound(run, rule, counted(writer, rule.keyword), counted(reader, rule.keyword), path)
    had, has = writer.get("pattern"), reader.get("pattern")
    at = path.to("pattern")
    if had == has:
        return
    if had is None:
        run.add(Kind.PATTERN_ADDED, at, reader=has)
    elif has is None:
        run.add(Kind.PATTERN_REMOVED, at)
    else:
        run.add(Kind.PATTERN_CHANGED, at, writer=had, reader=has)
