"""Whether a reader's schema takes in all that a writer's schema can write. Pure.

A pair of types stands on its own faults and on the pairs below it, and pairs may lead back to
themselves. So all pairs that can be reached are looked at once, each by itself; then what stands on
a pair that fails, fails too. What is left can be read. Nothing recurses, however long a chain of
types.

Where a union is the reader's, one branch suffices, and if none does the union is blamed
(MISSING_UNION_BRANCH); else the path leads to what is wrong. A pair of named types is told once,
where it is met first.

Source: Apache Avro 1.12 specification, "Schema Resolution"; kinds and paths of the Java library's
`SchemaCompatibility`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from sprawl.schema_registry.avro.nodes import (
    NO_DEFAULT,
    Array,
    Definition,
    Definitions,
    Enumeration,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
    followed,
    spoken,
)
from sprawl.schema_registry.schemas import Incompatibility

_PROMOTED = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""Reader's primitive types, and what else each reads."""

Pair: TypeAlias = tuple[Definition, Definition]
"""A reader's type and a writer's."""
PairKey: TypeAlias = tuple[int, int]


class Fault(NamedTuple):
    """A pair fails by itself."""

    kind: str
    below: str
    message: str


class Need(NamedTuple):
    """A pair fails unless one of these does not.

    Args:
        pairs: what could read the writer's type.
        union: the reader's union that they are the branches of, or None: then there is one pair,
            and the reasons are its own.
    """

    pairs: Sequence[Pair]
    below: str
    union: Union | None
    writer: Definition


class Resolution:
    """One comparison.

    Args:
        readers: the named types of the reader's schema.
        writers: those of the writer's.
    """

    def __init__(self, readers: Definitions, writers: Definitions) -> None:
        self._readers = readers
        self._writers = writers
        self._demands: dict[PairKey, list[Fault | Need]] = {}
        self._failed: set[PairKey] = set()
        self._branches: dict[int, _Branches] = {}

    def incompatibilities(self, reader: Node, writer: Node) -> list[Incompatibility]:
        """Why the writer's data cannot be read, in the order of the reader's schema."""
        root = followed(reader, self._readers), followed(writer, self._writers)
        self._look_at_all(root)
        self._spread_failures()
        return [*self._reasons(root)]

    # --- which pairs fail ------------------------------------------------------------------------

    def _look_at_all(self, root: Pair) -> None:
        open_pairs = [root]
        while open_pairs:
            pair = open_pairs.pop()
            key = _key(pair)
            if key in self._demands:
                continue
            demands = [*self._demands_of(*pair)]
            self._demands[key] = demands
            for demand in demands:
                if isinstance(demand, Need):
                    open_pairs += demand.pairs

    def _spread_failures(self) -> None:
        standing_on: dict[PairKey, list[PairKey]] = {}
        suspects: list[PairKey] = []
        for key, demands in self._demands.items():
            suspects.append(key)
            for demand in demands:
                if isinstance(demand, Need):
                    for pair in demand.pairs:
                        standing_on.setdefault(_key(pair), []).append(key)
        while suspects:
            key = suspects.pop()
            if key not in self._failed and any(map(self._is_unmet, self._demands[key])):
                self._failed.add(key)
                suspects += standing_on.get(key, ())

    def _is_unmet(self, demand: Fault | Need) -> bool:
        return isinstance(demand, Fault) or all(_key(pair) in self._failed for pair in demand.pairs)

    # --- what a pair demands ---------------------------------------------------------------------

    def _demands_of(self, reader: Definition, writer: Definition) -> Iterator[Fault | Need]:
        match reader, writer:
            case _, Union(branches=branches):
                for index, branch in enumerate(branches):
                    yield self._need(reader, followed(branch, self._writers), f"/{index}")
            case Union(), _:
                yield self._need(reader, writer, "")
            case Array(items=items), Array(items=written_items):
                yield self._need_of_nodes(items, written_items, "/items")
            case Map(values=values), Map(values=written_values):
                yield self._need_of_nodes(values, written_values, "/values")
            case Fixed(), Fixed():
                yield from _name_faults(reader, writer)
                yield from _size_faults(reader, writer)
            case Enumeration(), Enumeration():
                yield from _name_faults(reader, writer)
                yield from _symbol_faults(reader, writer)
            case Record(fields=fields), Record():
                yield from _name_faults(reader, writer)
                for index, field in enumerate(fields):
                    yield from self._field_demands(field, f"/fields/{index}", reader, writer)
            case _:
                yield from _type_faults(reader, writer)

    def _field_demands(
        self, field: Field, below: str, reader: Record, writer: Record
    ) -> Iterator[Fault | Need]:
        names = dict.fromkeys((field.name, *field.aliases))
        written = [candidate for candidate in writer.fields if candidate.name in names]
        if len(written) > 1:
            both = " and ".join([candidate.name for candidate in written])
            yield Fault(
                "NAME_MISMATCH",
                below,
                f"field {field.name} of {spoken(reader)} stands for {both} of the writer by its"
                " aliases; it can read only one of them",
            )
        elif written:
            yield self._need_of_nodes(field.type, written[0].type, f"{below}/type")
        elif field.default is NO_DEFAULT:
            yield self._missing_default(field, below, reader)

    def _missing_default(self, field: Field, below: str, reader: Record) -> Fault:
        type_ = followed(field.type, self._readers)
        if isinstance(type_, Enumeration) and type_.default is not None:
            return Fault(
                "TYPE_MISMATCH",
                f"{below}/type",
                f"field {field.name} of {spoken(reader)} is not written and has no default; that of"
                " its enum is for symbols only, so give the field one too",
            )
        return Fault(
            "READER_FIELD_MISSING_DEFAULT_VALUE",
            below,
            f"field {field.name} of {spoken(reader)} is not written and has no default; give it"
            " one",
        )

    def _need_of_nodes(self, reader: Node, writer: Node, below: str) -> Need:
        return self._need(followed(reader, self._readers), followed(writer, self._writers), below)

    def _need(self, reader: Definition, writer: Definition, below: str) -> Need:
        if not isinstance(reader, Union) or isinstance(writer, Union):
            return Need([(reader, writer)], below, None, writer)
        branches = self._branches.get(id(reader))
        if branches is None:
            branches = self._branches[id(reader)] = _Branches(reader, self._readers)
        return Need([(branch, writer) for branch in branches.of(writer)], below, reader, writer)

    # --- why a pair fails ------------------------------------------------------------------------

    def _reasons(self, root: Pair) -> Iterator[Incompatibility]:
        told: set[PairKey] = set()
        open_items: list[tuple[Pair, str] | Incompatibility] = [(root, "")]
        while open_items:
            item = open_items.pop()
            if isinstance(item, Incompatibility):
                yield item
                continue
            pair, path = item
            key = _key(pair)
            if key not in self._failed or key in told:
                continue
            told.add(key)
            below: list[tuple[Pair, str] | Incompatibility] = []
            for demand in self._demands[key]:
                where = path + demand.below
                if isinstance(demand, Fault):
                    below.append(Incompatibility(demand.kind, where or "/", demand.message))
                elif demand.union is None:
                    below.append((demand.pairs[0], where))
                elif self._is_unmet(demand):
                    message = self._branch_message(demand)
                    below.append(Incompatibility("MISSING_UNION_BRANCH", where or "/", message))
            open_items += reversed(below)

    def _branch_message(self, need: Need) -> str:
        assert need.union is not None
        union = ", ".join(map(spoken, need.union.branches)) or "nothing"
        message = f"no branch of the reader's union ({union}) reads {spoken(need.writer)}"
        if not need.pairs:
            return f"{message}; add one"
        return f"{message}: {self._first_reason(need.pairs[0])}"

    def _first_reason(self, pair: Pair) -> str:
        """Down the first unmet demands to one that says why; a chain of types may lead back."""
        path = ""
        seen: set[PairKey] = set()
        while _key(pair) not in seen:
            seen.add(_key(pair))
            demand = next(filter(self._is_unmet, self._demands[_key(pair)]))
            path += demand.below
            if isinstance(demand, Fault):
                return f"{demand.message} (at {path or '/'} below it)"
            if not demand.pairs:
                return f"nothing there reads {spoken(demand.writer)} (at {path or '/'} below it)"
            pair = demand.pairs[0]
        return f"its parts cannot be read (at {path} below it)"


class _Branches:
    """The branches of a reader's union by what they could read: unions may be long."""

    def __init__(self, union: Union, types: Definitions) -> None:
        self._unnamed: list[Definition] = []
        self._named: dict[tuple[str, str], list[Named]] = {}
        for branch in union.branches:
            definition = followed(branch, types)
            if not isinstance(definition, Record | Enumeration | Fixed):
                self._unnamed.append(definition)
                continue
            names = (definition.name.simple, *[f".{alias.full}" for alias in definition.aliases])
            for name in dict.fromkeys(names):
                self._named.setdefault((definition.kind, name), []).append(definition)

    def of(self, writer: Definition) -> Sequence[Definition]:
        """Those that are not ruled out by their kind or their name."""
        if isinstance(writer, Record | Enumeration | Fixed):
            by_name = self._named.get((writer.kind, writer.name.simple), [])
            by_alias = self._named.get((writer.kind, f".{writer.name.full}"), [])
            return [*by_name, *(branch for branch in by_alias if branch not in by_name)]
        return [
            branch
            for branch in self._unnamed
            if branch.kind == writer.kind or _reads_primitive(branch, writer)
        ]


def _key(pair: Pair) -> PairKey:
    """Definitions are one object each for as long as the schemas are there."""
    return id(pair[0]), id(pair[1])


def _reads_primitive(reader: Definition, writer: Definition) -> bool:
    return (
        isinstance(reader, Primitive)
        and isinstance(writer, Primitive)
        and (reader.kind == writer.kind or writer.kind in _PROMOTED.get(reader.kind, ()))
    )


def _type_faults(reader: Definition, writer: Definition) -> Iterator[Fault]:
    if not _reads_primitive(reader, writer):
        yield Fault("TYPE_MISMATCH", "", f"{spoken(reader)} cannot read {spoken(writer)}")


def _size_faults(reader: Fixed, writer: Fixed) -> Iterator[Fault]:
    if reader.size != writer.size:
        yield Fault(
            "FIXED_SIZE_MISMATCH",
            "/size",
            f"{spoken(reader)} has {reader.size} bytes, but {writer.size} are written; the size of"
            " a fixed cannot change",
        )


def _name_faults(reader: Named, writer: Named) -> Iterator[Fault]:
    """The namespace may change, as in Java; another name needs an alias of the reader."""
    if reader.name.simple != writer.name.simple and writer.name not in reader.aliases:
        yield Fault(
            "NAME_MISMATCH",
            "/name",
            f"{spoken(reader)} cannot read {spoken(writer)}; give the reader's the alias"
            f" {writer.name.full}",
        )


def _symbol_faults(reader: Enumeration, writer: Enumeration) -> Iterator[Fault]:
    missing = sorted(set(writer.symbols) - set(reader.symbols))
    if missing and reader.default is None:
        yield Fault(
            "MISSING_ENUM_SYMBOLS",
            "/symbols",
            f"{spoken(reader)} lacks symbols that may be written: {', '.join(missing)}; keep them,"
            " or give it a default",
        )
