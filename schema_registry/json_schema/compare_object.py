"""Objects: the content-model rule, required properties, dependencies, names. Pure.

The content-model rule, for a property that only one side declares:

    the other side's model     added by the reader             removed by the reader
    (writer's / reader's)
    open                       breaks, unless it takes all     fine
    closed                     fine, if optional or default    breaks, unless it was `false`
    partially open             fine, if covered                fine, if covered

A pattern in `patternProperties` is treated as one property with the name of the pattern.
"""

from __future__ import annotations

from sprawl.schema_registry.json_schema import patterns
from sprawl.schema_registry.json_schema.bounds import bound, compare_bound, counted
from sprawl.schema_registry.json_schema.content_model import (
    ObjectModel,
    rests_differ,
    same_in_place,
)
from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.json_schema.runs import Path, Run

_COUNTS = (bound("maxProperties", "MAX_PROPERTIES"), bound("minProperties", "MIN_PROPERTIES"))


def compare_objects(run: Run, writer: Node, reader: Node, path: Path) -> None:
    """Compare what two schemas demand of objects."""
    ours, theirs = ObjectModel(writer), ObjectModel(reader)
    _compare_required(run, ours, theirs, path)
    for rule in _COUNTS:
        compare_bound(run, rule, counted(writer, rule.keyword), counted(reader, rule.keyword), path)
    _compare_rests(run, ours, theirs, path)
    _compare_dependencies(run, writer, reader, path)
    _compare_declared(run, ours, theirs, path)
    _compare_patterns(run, ours, theirs, path.to("patternProperties"))
    run.later_if_any(
        writer.schema("propertyNames"), reader.schema("propertyNames"), path.to("propertyNames")
    )


def _compare_required(run: Run, writer: ObjectModel, reader: ObjectModel, path: Path) -> None:
    had, has = _names(writer.node.get("required")), _names(reader.node.get("required"))
    for name in has:
        added = name in reader.declared and name not in writer.declared
        if name in had or added:
            continue
        with_default = name in reader.declared and reader.declared[name].has_default
        kind = (
            Kind.REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED
            if with_default
            else Kind.REQUIRED_ATTRIBUTE_ADDED
        )
        run.add(kind, path.to("required", name))
    for name in had:
        if name not in has:
            run.add(Kind.REQUIRED_ATTRIBUTE_REMOVED, path.to("required", name))


def _compare_rests(run: Run, writer: ObjectModel, reader: ObjectModel, path: Path) -> None:
    rests_differ(run, writer.rest, reader.rest, path, "PROPERTIES")
    if reader.rest.open:
        return
    if not reader.rest_is_whole:
        if not same_in_place(writer.node, reader.node):
            run.add(Kind.UNEVALUATED_PROPERTIES_NARROWED, path.to(reader.rest.keyword))
    elif not writer.rest_is_whole:
        run.add(Kind.ADDITIONAL_PROPERTIES_NARROWED, path.to(reader.rest.keyword))


def _compare_declared(run: Run, writer: ObjectModel, reader: ObjectModel, path: Path) -> None:
    for name in {**reader.declared, **writer.declared}:
        at = path.to("properties", name)
        ours, theirs = writer.declared.get(name), reader.declared.get(name)
        if ours is not None and theirs is not None:
            run.later(ours, theirs, at)
        elif theirs is not None:
            _compare_added(run, writer, reader, name, at)
        elif ours is not None:
            run.add(_removed(run, ours, reader.demanded(name)), at)


def _compare_added(run: Run, writer: ObjectModel, reader: ObjectModel, name: str, at: Path) -> None:
    added = reader.declared[name]
    required = name in _names(reader.node.get("required")) and name not in _names(
        writer.node.get("required")
    )
    promised = writer.promised(name)
    where = "UNOPEN" if promised else "OPEN"
    if not promised and added.accepts_all and not (required and not added.has_default):
        run.add(Kind.PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL, at)
        return
    covered = any(run.reads(schema, added) for schema in promised)
    if promised and not any(schema.never for schema in promised):
        fits = "IS_COVERED" if covered else "NOT_COVERED"
        run.add(Kind[f"PROPERTY_ADDED_{fits}_BY_PARTIALLY_OPEN_CONTENT_MODEL"], at)
        if not required:
            return
    if required:
        with_default = "_WITH_DEFAULT" if added.has_default else ""
        run.add(Kind[f"REQUIRED_PROPERTY{with_default}_ADDED_TO_{where}_CONTENT_MODEL"], at)
    else:
        run.add(Kind[f"OPTIONAL_PROPERTY_ADDED_TO_{where}_CONTENT_MODEL"], at)


def _removed(run: Run, removed: Node, demanded: list[Node]) -> Kind:
    """The kind of a removal, by what the reader demands of the property now."""
    if not demanded:
        return Kind.PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL
    if any(schema.never for schema in demanded):
        if removed.never:
            return Kind.PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
        return Kind.PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL
    if all(run.reads(removed, schema) for schema in demanded):
        return Kind.PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    return Kind.PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL


def _compare_patterns(run: Run, writer: ObjectModel, reader: ObjectModel, path: Path) -> None:
    for pattern in {**reader.by_pattern, **writer.by_pattern}:
        at = path.to(pattern)
        ours, theirs = writer.by_pattern.get(pattern), reader.by_pattern.get(pattern)
        if ours is not None and theirs is not None:
            run.later(ours, theirs, at)
        elif theirs is not None:
            run.add(_added_pattern(run, writer, pattern, theirs), at)
        elif ours is not None:
            demanded = list(reader.by_pattern.values())
            if reader.rest.schema is not None:
                demanded.append(reader.rest.schema)
            demanded = [schema for schema in demanded if not schema.accepts_all]
            run.add(_removed(run, ours, demanded), at)


def _added_pattern(run: Run, writer: ObjectModel, pattern: str, added: Node) -> Kind:
    """The kind of a new pattern: what the writer may put under the names that it matches."""
    if added.accepts_all:
        return Kind.PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL
    may_be_there = [
        schema
        for name, schema in writer.declared.items()
        if patterns.matches(pattern, name) is not False
    ]
    may_be_there += writer.by_pattern.values()
    if writer.rest.schema is None or not writer.rest_is_whole:
        return Kind.OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
    may_be_there.append(writer.rest.schema)
    if not all(run.reads(schema, added) for schema in may_be_there):
        return Kind.PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
    if writer.rest.closed and len(may_be_there) == 1:
        return Kind.OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL
    return Kind.PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL


def _compare_dependencies(run: Run, writer: Node, reader: Node, path: Path) -> None:
    ours, theirs = _required_by(writer), _required_by(reader)
    for name in {**theirs, **ours}:
        at = path.to("dependencies", name)
        had, has = set(ours.get(name, ())), set(theirs.get(name, ()))
        if name not in ours:
            run.add(Kind.DEPENDENCY_ARRAY_ADDED, at, reader=sorted(has))
        elif name not in theirs:
            run.add(Kind.DEPENDENCY_ARRAY_REMOVED, at)
        elif had < has:
            run.add(Kind.DEPENDENCY_ARRAY_EXTENDED, at, reader=sorted(has - had))
        elif has < had:
            run.add(Kind.DEPENDENCY_ARRAY_NARROWED, at)
        elif had != has:
            run.add(Kind.DEPENDENCY_ARRAY_CHANGED, at, reader=sorted(has - had))
    old, new = _schemas_by(writer), _schemas_by(reader)
    for name in {**new, **old}:
        at = path.to("dependencies", name)
        if name in old and name in new:
            run.later(old[name], new[name], at)
        elif name in new:
            run.add(Kind.DEPENDENCY_SCHEMA_ADDED, at, reader=new[name].value)
        else:
            run.add(Kind.DEPENDENCY_SCHEMA_REMOVED, at)


def _required_by(node: Node) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for keyword in ("dependencies", "dependentRequired"):
        value = node.get(keyword)
        for name, listed in value.items() if isinstance(value, dict) else ():
            if isinstance(listed, list):
                found[name] = _names(listed)
    return found


def _schemas_by(node: Node) -> dict[str, Node]:
    return node.schemas("dependencies") | node.schemas("dependentSchemas")


def _names(value: Json) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
