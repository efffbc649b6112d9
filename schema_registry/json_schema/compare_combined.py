"""Combinations (allOf, anyOf, oneOf, lists of types), not, if, and lists of values. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sprawl.schema_registry.json_schema import json_text
from sprawl.schema_registry.json_schema.kinds import SENTENCES, Kind
from sprawl.schema_registry.json_schema.matching import largest_pairing
from sprawl.schema_registry.json_schema.model import Facet, Group, Node
from sprawl.schema_registry.json_schema.runs import Path, Run


def read_by_combination(run: Run, writer: Node, reader: Facet, path: Path) -> bool:
    """Compare a schema that is no combination with one that is.

    Returns:
        Whether that settled it; False: nothing was noted, and the reader cannot read it.
    """
    branches = reader.branches
    if reader.group is Group.ALL_OF:
        return all(run.reads(writer, branch) for branch in branches)
    if not any(run.reads(writer, branch) for branch in branches):
        return False
    if len(branches) > 1:
        run.add(Kind.SUM_TYPE_EXTENDED, path)
    return True


def read_from_combination(run: Run, writer: Facet, reader: Node, path: Path) -> bool:
    """Compare a combination with a schema that is none; returns as `read_by_combination`."""
    branches = writer.branches
    if len(branches) > 1 and writer.group is not Group.ALL_OF:
        return False
    if not any(run.reads(branch, reader) for branch in branches):
        return False
    if len(branches) > 1:
        run.add(Kind.PRODUCT_TYPE_NARROWED, path)
    return True


def compare_combinations(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    """Compare two combinations: their rule, their number, a largest pairing; or one as a whole."""
    found = list(_paired(run, writer, reader))
    if any(kind in SENTENCES for kind, _, _ in found) and _fits_whole(run, writer, reader):
        run.add(Kind.COMBINED_TYPE_EXTENDED, path)
        return
    for kind, ours, theirs in found:
        run.add(kind, path, writer=ours, reader=theirs)


def _paired(run: Run, writer: Facet, reader: Facet) -> Iterator[tuple[Kind, object, object]]:
    """The differences, with what the two say."""
    had, has = _distinct(writer), _distinct(reader)
    old, new = _rule(writer), _rule(reader)
    if old is not new:
        if not _wider(old, len(had), new, len(has)):
            yield Kind.COMBINED_TYPE_CHANGED, old.value, new.value
            return
        yield Kind.COMBINED_TYPE_EXTENDED, old.value, new.value
    if len(had) < len(has):
        kind = Kind.PRODUCT_TYPE_EXTENDED if new is Group.ALL_OF else Kind.SUM_TYPE_EXTENDED
        yield kind, len(had), len(has)
    elif len(had) > len(has):
        kind = Kind.PRODUCT_TYPE_NARROWED if old is Group.ALL_OF else Kind.SUM_TYPE_NARROWED
        yield kind, len(had), len(has)
    partners = [
        [index for index, theirs in enumerate(has) if run.reads(ours, theirs)] for ours in had
    ]
    pairing = largest_pairing(partners)
    if sum(partner is not None for partner in pairing) < min(len(had), len(has)):
        alone = f"{writer.group.value}/{pairing.index(None)}"
        yield Kind.COMBINED_TYPE_SUBSCHEMAS_CHANGED, alone, None


def _fits_whole(run: Run, writer: Facet, reader: Facet) -> bool:
    """Whether the writer as a whole is read by one alternative, or one part by the whole reader."""
    ours, theirs = writer.node.only(writer.group), reader.node.only(reader.group)
    if reader.group is not Group.ALL_OF and any(
        run.reads(ours, branch) for branch in reader.branches
    ):
        return True
    return writer.group is Group.ALL_OF and any(
        run.reads(branch, theirs) for branch in writer.branches
    )


def compare_excluded(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    """Compare two `not`: the reader may exclude only what the writer excludes."""
    at = path.to("not")
    ours, theirs = writer.branches[0], reader.branches[0]
    if not run.reads(theirs, ours):
        run.add(Kind.NOT_TYPE_EXTENDED, at)
    elif json_text.identity(ours.value) != json_text.identity(theirs.value):
        run.add(Kind.NOT_TYPE_NARROWED, at)


def compare_conditions(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    """Compare two `if`: the condition must be the same, what follows may be wider."""
    ours, theirs = writer.branches[0], reader.branches[0]
    if not (run.reads(ours, theirs) and run.reads(theirs, ours)):
        run.add(Kind.COMBINED_TYPE_CHANGED, path.to("if"))
        return
    for keyword in ("then", "else"):
        run.later_if_any(writer.node.schema(keyword), reader.node.schema(keyword), path.to(keyword))


def compare_values(run: Run, writer: Facet, reader: Facet, path: Path) -> None:
    """Compare two lists of values; `const` is a list of one."""
    had, has = set(writer.values), set(reader.values)
    both_const = writer.node.has("const") and reader.node.has("const")
    at = path.to("const" if both_const else "enum")
    if had == has:
        return
    if had < has:
        run.add(Kind.ENUM_ARRAY_EXTENDED, at)
        return
    missing = ", ".join(value for value in writer.values if value not in has)
    kind = Kind.ENUM_ARRAY_NARROWED if has < had else Kind.ENUM_ARRAY_CHANGED
    run.add(kind, at, writer=missing)


def _rule(facet: Facet) -> Group:
    return Group.ANY_OF if facet.group is Group.UNION else facet.group


def _wider(old: Group, had: int, new: Group, has: int) -> bool:
    """Whether another rule over schemas that can be paired accepts no less."""
    if new is Group.ANY_OF or (had == 1 and has == 1):
        return True
    return (had == 1 and new is Group.ONE_OF) or (has == 1 and old is Group.ALL_OF)


def _distinct(facet: Facet) -> tuple[Node, ...]:
    """The branches, equal ones once; a value that two equal branches of oneOf accept is invalid."""
    if facet.group in (Group.UNION, Group.ONE_OF):
        return facet.branches
    return tuple({json_text.identity(branch.value): branch for branch in facet.branches}.values())
