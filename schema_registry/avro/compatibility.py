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

from collections import deque
from collections.abc import Iterator, Sequence, Set
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

PAIRS_MAX = 200_000
"""Pairs of types in one comparison, some 100 MiB: schemas of a megabyte have a tenth. More come up
only between unions of thousands of types that have one name in different namespaces."""
CAUSES_FOLLOWED_MAX = 16
"""How far below a union its message looks for what is wrong: with thousands of types in a chain,
each union would look through all below it."""
BRANCHES_SHOWN_MAX = 8
"""Branches of a union that a message names."""

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


class _TooManyPairs(Exception):
    """See PAIRS_MAX."""


class _Visit(NamedTuple):
    """Tell the reasons of a pair."""

    pair: Pair
    path: str


class _Leave(NamedTuple):
    """All reasons of a pair were told."""

    key: PairKey


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
        self._causes: dict[PairKey, Fault | Need] = {}  # of pairs that fail
        self._branches: dict[int, _Branches] = {}
        self._fields: dict[int, dict[str, Field]] = {}
        self._pairs_count = 0

    def incompatibilities(self, reader: Node, writer: Node) -> list[Incompatibility]:
        """Why the writer's data cannot be read, in the order of the reader's schema."""
        root = followed(reader, self._readers), followed(writer, self._writers)
        try:
            self._look_at_all(root)
        except _TooManyPairs:
            message = f"more than {PAIRS_MAX} pairs of types would have to be compared"
            return [Incompatibility("TYPE_MISMATCH", "/", message)]
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
        """Breadth first, so that what is kept as the cause of a failure is near, and causes never
        lead back."""
        standing_on: dict[PairKey, list[PairKey]] = {}
        for key, demands in self._demands.items():
            for demand in demands:
                if isinstance(demand, Need):
                    for pair in demand.pairs:
                        standing_on.setdefault(_key(pair), []).append(key)
        suspects = deque(self._demands)
        while suspects:
            key = suspects.popleft()
            if key in self._causes:
                continue
            cause = next(filter(self._is_unmet, self._demands[key]), None)
            if cause is not None:
                self._causes[key] = cause
                suspects += standing_on.get(key, ())

    def _is_unmet(self, demand: Fault | Need) -> bool:
        return isinstance(demand, Fault) or all(_key(pair) in self._causes for pair in demand.pairs)

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
        by_name = self._fields_of(writer)
        names = dict.fromkeys((field.name, *field.aliases)) if field.aliases else (field.name,)
        written = [by_name[name] for name in names if name in by_name]
        if len(written) > 1:
            both = " and ".join([each.name for each in writer.fields if each.name in names])
            yield Fault(
                "NAME_MISMATCH",
                below,
                f"field {field.name} of {spoken(reader)} stands for {both} of the writer by its"
                " aliases; it can read only one of them",
            )
        elif written:
            if not _is_plainly_read(field.type, written[0].type):
                yield self._need_of_nodes(field.type, written[0].type, f"{below}/type")
        elif field.default is NO_DEFAULT:
            yield self._missing_default(field, below, reader)

    def _fields_of(self, record: Record) -> dict[str, Field]:
        found = self._fields.get(id(record))
        if found is None:
            found = self._fields[id(record)] = {each.name: each for each in record.fields}
        return found

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
            self._count_pairs(1)
            return Need([(reader, writer)], below, None, writer)
        branches = self._branches.get(id(reader))
        if branches is None:
            branches = self._branches[id(reader)] = _Branches(reader, self._readers)
        candidates = branches.of(writer)
        self._count_pairs(len(candidates))
        return Need([(branch, writer) for branch in candidates], below, reader, writer)

    def _count_pairs(self, count: int) -> None:
        self._pairs_count += count
        if self._pairs_count > PAIRS_MAX:
            raise _TooManyPairs

    # --- why a pair fails ------------------------------------------------------------------------

    def _reasons(self, root: Pair) -> Iterator[Incompatibility]:
        told: set[PairKey] = set()
        above: set[PairKey] = set()  # pairs whose reasons are being told
        todo: list[_Visit | _Leave | tuple[Fault | Need, str]] = [_Visit(root, "")]
        while todo:
            match todo.pop():
                case _Leave(key):
                    above.remove(key)
                case _Visit(pair, path):
                    key = _key(pair)
                    if key in self._causes and key not in told:
                        if isinstance(pair[0], Record | Enumeration | Fixed):
                            told.add(key)
                        above.add(key)
                        todo.append(_Leave(key))
                        todo += [(demand, path) for demand in reversed(self._demands[key])]
                case Fault(kind, below, message), path:
                    yield Incompatibility(kind, path + below or "/", message)
                case Need(pairs, below, union) as need, path:
                    if union is None:
                        todo.append(_Visit(pairs[0], path + below))
                    elif self._is_unmet(need) and not self._stands_on(need, above):
                        message = self._branch_message(need, union)
                        yield Incompatibility("MISSING_UNION_BRANCH", path + below or "/", message)

    def _causes_below(self, need: Need) -> Iterator[tuple[PairKey, Fault | Need]]:
        """What fails for what, down from the first branch that could have been the one."""
        demand: Fault | Need = need
        for _ in range(CAUSES_FOLLOWED_MAX):
            if isinstance(demand, Fault) or not demand.pairs:
                return
            key = _key(demand.pairs[0])
            demand = self._causes[key]
            yield key, demand

    def _stands_on(self, need: Need, above: Set[PairKey]) -> bool:
        """It fails only because a pair does that is told anyway: an echo of it."""
        return any(key in above for key, _ in self._causes_below(need))

    def _branch_message(self, need: Need, union: Union) -> str:
        branches = [*map(spoken, union.branches[:BRANCHES_SHOWN_MAX])]
        if len(union.branches) > BRANCHES_SHOWN_MAX:
            branches.append("...")
        shown = ", ".join(branches) or "nothing"
        message = f"no branch of the reader's union ({shown}) reads {spoken(need.writer)}"
        if not need.pairs:
            return f"{message}; add one"
        below = [demand for _, demand in self._causes_below(need)]
        path = "".join([demand.below for demand in below]) or "/"
        match below[-1]:
            case Fault(message=reason):
                return f"{message}: at {path} in it, {reason}"
            case Need(pairs=[], writer=writer):
                return f"{message}: at {path} in it, no branch reads {spoken(writer)}; add one"
            case _:
                return f"{message}: at {path} in it, what is written cannot be read"


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


def _is_plainly_read(reader: Node, writer: Node) -> bool:
    """Whether both are the same primitive type, or the same union of such: most fields of most
    versions, and nothing stands on them."""
    match reader, writer:
        case Primitive(kind=kind), Primitive(kind=written):
            return kind == written
        case Union(branches=branches), Union(branches=written_branches):
            return len(branches) == len(written_branches) and all(
                isinstance(one, Primitive)
                and isinstance(other, Primitive)
                and one.kind == other.kind
                for one, other in zip(branches, written_branches, strict=True)
            )
    return False


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
