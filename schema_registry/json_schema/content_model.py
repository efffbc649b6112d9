"""Which schema holds for what an object or an array has beyond what is declared. Pure.

Open: anything may come. Closed: nothing. Partially open: what fits a schema. For objects the answer
is one for each name, since `patternProperties` come before `additionalProperties`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from sprawl.schema_registry.json_schema import json_text, limits, patterns
from sprawl.schema_registry.json_schema.kinds import Kind
from sprawl.schema_registry.json_schema.model import Node
from sprawl.schema_registry.json_schema.runs import Path, Run


class Rest(NamedTuple):
    """What holds for everything that nothing else speaks of.

    Args:
        keyword: the one that says so; of an open model the one that could.
        schema: None where the model is open.
        unevaluated: it speaks of what no schema for the same value has spoken of.
    """

    keyword: str
    schema: Node | None
    unevaluated: bool

    @property
    def open(self) -> bool:
        return self.schema is None

    @property
    def closed(self) -> bool:
        return self.schema is not None and self.schema.never


def rest_of(node: Node, keyword: str, unevaluated: str) -> Rest:
    """What holds for the rest: `unevaluated*` speaks only where the other keyword does not."""
    for name in (keyword, unevaluated):
        schema = node.schema(name)
        if schema is not None:
            return Rest(name, None if schema.accepts_all else schema, name == unevaluated)
    return Rest(keyword, None, False)


def rests_differ(run: Run, writer: Rest, reader: Rest, path: Path, kinds: str) -> None:
    """Compare two rests; the kinds of difference begin with `ADDITIONAL_` or `UNEVALUATED_`."""
    speaks = reader if not reader.open else writer
    name = ("UNEVALUATED_" if speaks.unevaluated else "ADDITIONAL_") + kinds
    at = path.to(speaks.keyword)
    if reader.schema is None:
        if writer.schema is not None:
            run.add(Kind[f"{name}_{'ADDED' if writer.closed else 'EXTENDED'}"], at)
    elif writer.schema is None:
        run.add(
            Kind[f"{name}_{'REMOVED' if reader.closed else 'NARROWED'}"],
            at,
            reader=reader.schema.value,
        )
    elif writer.closed != reader.closed:
        run.add(Kind[f"{name}_{'ADDED' if writer.closed else 'REMOVED'}"], at)
    else:
        run.later(writer.schema, reader.schema, at)


def same_in_place(writer: Node, reader: Node) -> bool:
    """Whether the schemas for the same value, behind references too, say the same: then they speak
    of the same names."""
    ours, theirs = writer.judges_in_place(), reader.judges_in_place()
    if json_text.identity(dict(ours)) != json_text.identity(dict(theirs)):
        return False
    return all(
        left.settled.digest == right.settled.digest
        for left, right in zip(_reached(writer), _reached(reader), strict=True)
    )


def _reached(node: Node) -> list[Node]:
    """All schemas for the same value, also those inside and behind references, each once."""
    found: dict[tuple[int, str], Node] = {}
    waiting = list(node.in_place())
    while waiting:
        inside = waiting.pop()
        if inside.key not in found:
            found[inside.key] = inside
            waiting.extend(inside.in_place())
    return list(found.values())


class ObjectModel:
    """The properties of an object: declared, by pattern, and the rest."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.declared = node.schemas("properties")
        self.by_pattern = node.schemas("patternProperties")
        self.rest = rest_of(node, "additionalProperties", "unevaluatedProperties")
        self.judged_in_place = bool(node.judges_in_place())

    def promised(self, name: str) -> list[Node]:
        """Schemas that surely hold for an undeclared property; none: it may have any value."""
        verdicts = self._matching(name)
        sure = [schema for schema, verdict in verdicts if verdict]
        if not sure and not verdicts and self.rest.schema is not None and self._reaches(name):
            return [self.rest.schema]
        return sure

    def demanded(self, name: str) -> list[Node]:
        """Schemas that may have to hold for an undeclared property; none: any value is taken."""
        verdicts = self._matching(name)
        found = [schema for schema, _ in verdicts]
        if self.rest.schema is not None and not any(verdict for _, verdict in verdicts):
            found.append(self.rest.schema)
        return [schema for schema in found if not schema.accepts_all]

    @property
    def rest_is_whole(self) -> bool:
        """Whether the rest is all that nothing in this schema's own keywords speaks of."""
        return not (self.rest.unevaluated and self.judged_in_place)

    def _matching(self, name: str) -> list[tuple[Node, bool | None]]:
        found = [
            (schema, patterns.matches(pattern, name)) for pattern, schema in self.by_pattern.items()
        ]
        return [(schema, verdict) for schema, verdict in found if verdict is not False]

    def _reaches(self, name: str) -> bool:
        """Whether the rest speaks of a name: `unevaluated*` not of what others spoke of before."""
        return self.rest_is_whole or not self._in_place.may_speak_of(name)

    @cached_property
    def _in_place(self) -> _Spoken:
        found = _Spoken(set(), set(), False)
        for node in _reached(self.node):
            found.names.update(node.schemas("properties"))
            found.patterns.update(node.schemas("patternProperties"))
            if node.has("additionalProperties") or node.has("unevaluatedProperties"):
                return found._replace(all=True)
        return found


class _Spoken(NamedTuple):
    """The names that schemas for the same value may speak of."""

    names: set[str]
    patterns: set[str]
    all: bool

    def may_speak_of(self, name: str) -> bool:
        if self.all or name in self.names:
            return True
        if len(self.patterns) > limits.PATTERN_PROPERTIES_MAX:
            return True
        return any(patterns.matches(pattern, name) is not False for pattern in self.patterns)


class ArrayModel(NamedTuple):
    """The items of an array: the first ones one by one, and the rest."""

    node: Node
    first: tuple[Node, ...]
    rest: Rest
    first_keyword: str

    @staticmethod
    def of(node: Node) -> ArrayModel:
        """Up to draft 2019-09 a list in `items` holds the first ones, since then `prefixItems`."""
        if node.has("prefixItems"):
            return ArrayModel(
                node,
                node.listed("prefixItems"),
                rest_of(node, "items", "unevaluatedItems"),
                "prefixItems",
            )
        if isinstance(node.get("items"), list):
            return ArrayModel(
                node,
                node.listed("items"),
                rest_of(node, "additionalItems", "unevaluatedItems"),
                "items",
            )
        return ArrayModel(node, (), rest_of(node, "items", "unevaluatedItems"), "items")

    def places(self, other: ArrayModel) -> Iterator[tuple[int, Node | None, Node | None]]:
        """Every place that one of two models describes."""
        for index in range(max(len(self.first), len(other.first))):
            yield (
                index,
                self.first[index] if index < len(self.first) else None,
                other.first[index] if index < len(other.first) else None,
            )
