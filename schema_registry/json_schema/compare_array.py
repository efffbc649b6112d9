"""Arrays: items one by one and the rest, their number, `contains`. Pure."""

from __future__ import annotations

from sprawl.schema_registry.json_schema.bounds import Number, bound, compare_bound, counted, number
from sprawl.schema_registry.json_schema.content_model import (
    ArrayModel,
    Rest,
    rests_differ,
    same_in_place,
)
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.json_schema.runs import Path, Run

_COUNTS = (bound("maxItems", "MAX_ITEMS"), bound("minItems", "MIN_ITEMS"))
_MOST = bound("maxContains", "MAX_CONTAINS")
_LEAST = bound("minContains", "MIN_CONTAINS")


def compare_arrays(run: Run, writer: Node, reader: Node, path: Path) -> None:
    """Compare what two schemas demand of arrays."""
    for rule in _COUNTS:
        compare_bound(run, rule, counted(writer, rule.keyword), counted(reader, rule.keyword), path)
    had, has = writer.get("uniqueItems") is True, reader.get("uniqueItems") is True
    if had != has:
        kind = Kind.UNIQUE_ITEMS_ADDED if has else Kind.UNIQUE_ITEMS_REMOVED
        run.add(kind, path.to("uniqueItems"))
    _compare_contained(run, writer, reader, path)
    ours, theirs = ArrayModel.of(writer), ArrayModel.of(reader)
    _compare_rests(run, ours, theirs, path)
    for index, item, other in ours.places(theirs):
        keyword = theirs.first_keyword if other is not None else ours.first_keyword
        at = path.to(keyword, str(index))
        if item is not None and other is not None:
            run.later(item, other, at)
        elif other is not None:
            run.add(_added(run, _promised(ours), other), at)
        elif item is not None:
            run.add(_removed(run, item, theirs.rest), at)


def _compare_rests(run: Run, ours: ArrayModel, theirs: ArrayModel, path: Path) -> None:
    writer, reader = ours.node, theirs.node
    plain = not (ours.rest.unevaluated or theirs.rest.unevaluated)
    if plain and not ours.first and not theirs.first:
        run.later_if_any(ours.rest.schema, theirs.rest.schema, path.to("items"))
        return
    rests_differ(run, ours.rest, theirs.rest, path, "ITEMS")
    if theirs.rest.open:
        return
    if theirs.rest.unevaluated and _judges_more(reader):
        same = same_in_place(writer, reader) and writer.get("contains") == reader.get("contains")
        if not same:
            run.add(Kind.UNEVALUATED_ITEMS_NARROWED, path.to(theirs.rest.keyword))
    elif ours.rest.unevaluated and _judges_more(writer):
        run.add(Kind.ADDITIONAL_ITEMS_NARROWED, path.to(theirs.rest.keyword))


def _judges_more(node: Node) -> bool:
    return bool(node.judges_in_place()) or node.has("contains")


def _promised(writer: ArrayModel) -> Rest:
    """What the writer surely keeps to beyond its first items."""
    if writer.rest.unevaluated and _judges_more(writer.node):
        return Rest(writer.rest.keyword, None, True)
    return writer.rest


def _added(run: Run, rest: Rest, added: Node) -> Kind:
    if rest.schema is None:
        if added.accepts_all:
            return Kind.ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL
        return Kind.ITEM_ADDED_TO_OPEN_CONTENT_MODEL
    if rest.closed:
        return Kind.ITEM_ADDED_TO_CLOSED_CONTENT_MODEL
    if run.reads(rest.schema, added):
        return Kind.ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    return Kind.ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL


def _removed(run: Run, removed: Node, rest: Rest) -> Kind:
    if rest.schema is None:
        return Kind.ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL
    if rest.closed:
        if removed.never:
            return Kind.ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
        return Kind.ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL
    if run.reads(removed, rest.schema):
        return Kind.ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    return Kind.ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL


def _compare_contained(run: Run, writer: Node, reader: Node, path: Path) -> None:
    ours, theirs = writer.schema("contains"), reader.schema("contains")
    least, most = _least(reader), number(reader.get("maxContains"))
    at = path.to("contains")
    if theirs is None or (least is None and most is None):
        if ours is not None:
            run.add(Kind.SCHEMA_REMOVED, at)
        return
    if ours is None:
        run.add(Kind.SCHEMA_ADDED, at, reader=theirs.value)
        return
    if least is not None:
        run.later(ours, theirs, at)
    if most is not None and not run.reads(theirs, ours):
        run.add(Kind.MAX_CONTAINS_DECREASED, path.to("maxContains"), reader=theirs.value)
    compare_bound(run, _LEAST, _least(writer), least, path)
    compare_bound(run, _MOST, number(writer.get("maxContains")), most, path)


def _least(node: Node) -> Number | None:
    """How many items must fit `contains`: one, if nothing is said; 0 demands nothing."""
    says = number(node.get("minContains"))
    return 1 if says is None else (None if says == 0 else says)
