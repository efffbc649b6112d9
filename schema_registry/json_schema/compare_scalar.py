"""Strings and numbers: lengths, patterns, bounds, multiples; all exact. Pure.

`format` is a description and is not compared, as in the anchor registry.
"""

from __future__ import annotations

from fractions import Fraction

from sprawl.schema_registry.json_schema.bounds import Number, bound, compare_bound, counted, number
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Facet, Node
from sprawl.schema_registry.json_schema.runs import Path, Run

_LENGTHS = (bound("maxLength", "MAX_LENGTH"), bound("minLength", "MIN_LENGTH"))
_BOUNDS = (
    bound("maximum", "MAXIMUM"),
    bound("minimum", "MINIMUM"),
    bound("exclusiveMaximum", "EXCLUSIVE_MAXIMUM"),
    bound("exclusiveMinimum", "EXCLUSIVE_MINIMUM"),
)
_EXCLUSIVE = {"maximum": "exclusiveMaximum", "minimum": "exclusiveMinimum"}
_INCLUSIVE = {exclusive: inclusive for inclusive, exclusive in _EXCLUSIVE.items()}


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


def compare_numbers(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    """Compare what two schemas demand of numbers."""
    for rule in _BOUNDS:
        compare_bound(
            run,
            rule,
            _bounded(writer.node, rule.keyword),
            _bounded(reader.node, rule.keyword),
            path,
        )
    _compare_multiples(run, writer.node, reader.node, path.to("multipleOf"))
    if writer.integer and not reader.integer:
        run.add(Kind.TYPE_EXTENDED, path)
    elif reader.integer and not writer.integer:
        run.add(Kind.TYPE_NARROWED, path, writer="number", reader="integer")


def _bounded(node: Node, keyword: str) -> Number | None:
    """A bound; draft 4 has the exclusive ones as a flag beside the others."""
    if node.draft is not Draft.D4:
        return number(node.get(keyword))
    if keyword in _INCLUSIVE:
        return number(node.get(_INCLUSIVE[keyword])) if node.get(keyword) is True else None
    return None if node.get(_EXCLUSIVE[keyword]) is True else number(node.get(keyword))


def _compare_multiples(run: Run, writer: Node, reader: Node, path: Path) -> None:
    had, has = number(writer.get("multipleOf")), number(reader.get("multipleOf"))
    if had == has:
        return
    if had is None:
        run.add(Kind.MULTIPLE_OF_ADDED, path, reader=has)
    elif has is None:
        run.add(Kind.MULTIPLE_OF_REMOVED, path)
    elif Fraction(had) % Fraction(has) == 0:
        run.add(Kind.MULTIPLE_OF_REDUCED, path)
    elif Fraction(has) % Fraction(had) == 0:
        run.add(Kind.MULTIPLE_OF_EXPANDED, path, writer=had, reader=has)
    else:
        run.add(Kind.MULTIPLE_OF_CHANGED, path, writer=had, reader=has)
