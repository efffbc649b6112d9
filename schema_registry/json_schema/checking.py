"""Whether all that a schema reaches is sound: references lead somewhere and not in a circle,
patterns are patterns. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from sprawl.schema_registry.json_schema import dialects, json_text, limits, patterns
from sprawl.schema_registry.json_schema.dialects import Draft
from sprawl.schema_registry.json_schema.documents import IN_PLACE, Documents, Place, subschemas
from sprawl.schema_registry.json_schema.json_text import Json
from sprawl.schema_registry.schemas import InvalidSchema


def check_keywords(root: Json) -> None:
    """See whether a schema and all inside it follow the metaschema; nothing is followed yet.

    Raises:
        InvalidSchema: the first that does not, with the place as a JSON pointer.
    """
    if isinstance(root, bool):
        return
    waiting: list[tuple[str, Json, Draft]] = [("#", root, dialects.draft_of(root))]
    while waiting:
        pointer, schema, draft = waiting.pop()
        dialects.check_against_metaschema(schema, draft, pointer)
        if pointer != "#":
            _check_dependencies(schema, draft, pointer)
        inside = [
            (json_text.pointer(steps, pointer), value, dialects.draft_of(value, draft))
            for steps, value in subschemas(schema, draft)
            if not isinstance(value, bool)
        ]
        waiting.extend(reversed(inside))


def _check_dependencies(schema: Json, draft: Draft, pointer: str) -> None:
    """Below the root, the library reads a schema that names its draft by its own rules: all
    `dependencies` are for it what the first one is."""
    if not isinstance(schema, dict) or "$schema" not in schema or draft > Draft.D7:
        return
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict) and len({type(each) for each in dependencies.values()}) > 1:
        place = json_text.pointer(["dependencies"], pointer)
        raise InvalidSchema(
            f"{place}: schemas and lists side by side are not supported inside a schema that has a"
            " $schema of its own; leave that $schema out"
        )


def check(documents: Documents) -> None:
    """Go through a schema and everything it refers to, once.

    Raises:
        InvalidSchema: the first thing that is wrong, with the place as a JSON pointer.
    """
    reached: dict[int, tuple[str, Place]] = {}
    waiting: list[tuple[str, Place]] = [("#", documents.root)]
    while waiting:
        pointer, place = waiting.pop()
        if not isinstance(place.value, dict) or id(place.value) in reached:
            continue
        reached[id(place.value)] = (pointer, place)
        _check_patterns(pointer, place.value)
        for keyword, says in place.references():
            target = documents.target(place, says)
            if target is None:
                raise InvalidSchema(_leads_nowhere(json_text.pointer([keyword], pointer), says))
            waiting.append((f"{pointer} ({keyword} {says})", target))
        inside = [
            (json_text.pointer(steps, pointer), place.child(value))
            for steps, value in place.subschemas()
        ]
        waiting.extend(reversed(inside))
    _check_circles(documents, reached)


def _check_patterns(pointer: str, schema: dict[str, Json]) -> None:
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and (fault := patterns.fault_in(pattern)):
        raise InvalidSchema(f"{json_text.pointer(['pattern'], pointer)}: no pattern: {fault}")
    by_name = schema.get("patternProperties")
    if isinstance(by_name, dict) and len(by_name) > limits.PATTERN_PROPERTIES_MAX:
        place = json_text.pointer(["patternProperties"], pointer)
        raise InvalidSchema(f"{place}: more than {limits.PATTERN_PROPERTIES_MAX} patterns")
    for pattern in by_name if isinstance(by_name, dict) else ():
        if fault := patterns.fault_in(pattern):
            place = json_text.pointer(["patternProperties", pattern], pointer)
            raise InvalidSchema(f"{place}: no pattern: {fault}")


def _leads_nowhere(pointer: str, says: str) -> str:
    if says.startswith("#"):
        return f"{pointer}: {json_text.shown(says)} is nowhere in this schema"
    name = says.partition("#")[0]
    return (
        f"{pointer}: {json_text.shown(says)} cannot be resolved; register that schema and name it"
        f" {json_text.shown(name)} in the references (nothing is fetched)"
    )


def _check_circles(documents: Documents, reached: dict[int, tuple[str, Place]]) -> None:
    """Refuse schemas that a value must meet before it can be seen whether it meets them."""
    done: set[int] = set()
    for _, start in reached.values():
        if id(start.value) in done:
            continue
        on_path: set[int] = {id(start.value)}
        path: list[tuple[Place, Iterator[Place]]] = [(start, _in_place(documents, start))]
        while path:
            place, steps = path[-1]
            following = next(steps, None)
            if following is None:
                path.pop()
                on_path.discard(id(place.value))
                done.add(id(place.value))
            elif id(following.value) in on_path:
                pointer, _ = reached[id(following.value)]
                raise InvalidSchema(f"{pointer}: refers to itself without end")
            elif id(following.value) not in done:
                on_path.add(id(following.value))
                path.append((following, _in_place(documents, following)))


def _in_place(documents: Documents, place: Place) -> Iterator[Place]:
    for _, says in place.references():
        target = documents.target(place, says)
        if target is not None and isinstance(target.value, dict):
            yield target
    if place.hides_siblings():
        return
    for steps, value in place.subschemas():
        if steps[0] in IN_PLACE and isinstance(value, dict):
            yield place.child(value)
