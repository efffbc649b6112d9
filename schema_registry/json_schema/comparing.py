"""Compares a reader's schema with a writer's. Pure.

The verdict follows the anchor registry: every rule asks whether all that is valid for the writer is
valid for the reader. Where the rules are lenient by intent, README.md says so.
"""

from __future__ import annotations

from sprawl.schema_registry.json_schema.compare_array import compare_arrays
from sprawl.schema_registry.json_schema.compare_combined import (
    compare_combinations,
    compare_conditions,
    compare_excluded,
    compare_values,
    read_by_combination,
    read_from_combination,
)
from sprawl.schema_registry.json_schema.compare_object import compare_objects
from sprawl.schema_registry.json_schema.compare_scalar import compare_numbers, compare_strings
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Facet, Group, Node
from sprawl.schema_registry.json_schema.runs import Comparison, Difference, Path, Run
from sprawl.schema_registry.schemas import Policy

_ANNOTATIONS = (
    (("$id", "id"), Kind.ID_CHANGED),
    (("title",), Kind.TITLE_CHANGED),
    (("description",), Kind.DESCRIPTION_CHANGED),
    (("default",), Kind.DEFAULT_CHANGED),
)


def differences(writer: Node, reader: Node, policy: Policy) -> list[Difference]:
    """All differences between two schemas, compatible ones too; each pair once."""
    comparison = Comparison(compare, policy)
    run = Run(comparison)
    run.later(writer, reader, Path())
    run.finish()
    if comparison.too_large:
        run.add(Kind.COMPARISON_TOO_LARGE, Path())
    return run.found


def compare(run: Run, writer: Node, reader: Node, path: Path) -> None:
    """Compare two settled schemas; parts that need no answer here are left to the run."""
    _compare_annotations(run, writer, reader, path)
    if reader.accepts_all or writer.never:
        return
    if reader.never:
        run.add(Kind.TYPE_CHANGED, path, reader=False)
        return
    w, r = writer.facets, reader.facets
    one_writer = w[0] if len(w) == 1 else None
    one_reader = r[0] if len(r) == 1 else None
    writer_combines = one_writer is not None and one_writer.group.combines
    reader_combines = one_reader is not None and one_reader.group.combines
    if one_reader is not None and reader_combines and not writer_combines:
        if read_by_combination(run, writer, one_reader, path):
            return
        if one_reader.group not in {facet.group for facet in w}:
            run.add(Kind.TYPE_CHANGED, path, **_shown(w, r))
            return
    if one_writer is not None and writer_combines and not reader_combines:
        if read_from_combination(run, one_writer, reader, path):
            return
        if one_writer.group not in {facet.group for facet in r}:
            run.add(Kind.TYPE_CHANGED, path, **_shown(w, r))
            return
    if one_writer is not None and one_reader is not None:
        _compare_facets(run, one_writer, one_reader, path)
    else:
        _compare_conjunctions(run, writer, reader, path)


def _compare_conjunctions(run: Run, writer: Node, reader: Node, path: Path) -> None:
    """Pair facets of one kind; what the reader demands on its own, some facet must promise."""
    by_group = {facet.group: facet for facet in writer.facets}
    alone: list[Facet] = []
    for facet in reader.facets:
        partner = by_group.pop(facet.group, None)
        if partner is not None:
            _compare_facets(run, partner, facet, path)
        else:
            alone.append(facet)
    for facet in alone:
        partner = _combination(by_group) if facet.group.combines else None
        if partner is not None:
            del by_group[partner.group]
            _compare_facets(run, partner, facet, path)
        elif not _promised(run, writer, reader, facet):
            kind = Kind.PRODUCT_TYPE_EXTENDED if len(writer.facets) > 1 else Kind.TYPE_CHANGED
            run.add(kind, path, **_shown(writer.facets, reader.facets))
    if by_group:
        run.add(Kind.PRODUCT_TYPE_NARROWED, path)


def _combination(by_group: dict[Group, Facet]) -> Facet | None:
    return next((facet for facet in by_group.values() if facet.group.combines), None)


def _promised(run: Run, writer: Node, reader: Node, facet: Facet) -> bool:
    demanded = reader.only(facet.group)
    if facet.group.combines and run.reads(writer, demanded):
        return True
    return len(writer.facets) > 1 and any(
        run.reads(writer.only(promise.group), demanded) for promise in writer.facets
    )


def _compare_facets(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    if writer.group.combines and reader.group.combines:
        compare_combinations(run, writer, reader, path)
        return
    if writer.group is not reader.group:
        run.add(Kind.TYPE_CHANGED, path, **_shown((writer,), (reader,)))
        return
    if writer.typed != reader.typed:
        kind = Kind.TYPE_EXTENDED if writer.typed else Kind.TYPE_NARROWED
        run.add(kind, path, reader=reader.node.get("type"))
    match reader.group:
        case Group.STRING:
            compare_strings(run, writer.node, reader.node, path)
        case Group.NUMBER:
            compare_numbers(run, writer, reader, path)
        case Group.ARRAY:
            compare_arrays(run, writer.node, reader.node, path)
        case Group.OBJECT:
            compare_objects(run, writer.node, reader.node, path)
        case Group.VALUES:
            compare_values(run, writer, reader, path)
        case Group.NOT:
            compare_excluded(run, writer, reader, path)
        case Group.CONDITION:
            compare_conditions(run, writer, reader, path)


def _compare_annotations(run: Run, writer: Node, reader: Node, path: Path) -> None:
    for keywords, kind in _ANNOTATIONS:
        says = [
            next((node.get(keyword) for keyword in keywords if node.has(keyword)), None)
            for node in (writer, reader)
        ]
        if says[0] != says[1]:
            run.add(kind, path)


def _shown(writer: tuple[Facet, ...], reader: tuple[Facet, ...]) -> dict[str, str]:
    return {"writer": _named(writer), "reader": _named(reader)}


def _named(facets: tuple[Facet, ...]) -> str:
    return " and ".join(_name(facet) for facet in facets) or "anything"


def _name(facet: Facet) -> str:
    if facet.group is Group.UNION:
        says = facet.node.get("type")
        return " or ".join(str(name) for name in says) if isinstance(says, list) else "type"
    return "integer" if facet.integer else facet.group.value
