"""The registry's state: what the records of `_schemas` say, applied in their order.

Everything here follows from the last record of each key and from their order, so a log that was
compacted gives the same state as the whole one. The one thing that would be lost, the highest id
that was ever given out, is written down before the last record that shows it goes (`id_marks`).

    subjects    name -> version -> schema        soft-deleted ones too
    ids         context -> id -> who has it      and digest -> ids: same content, same id
    referrers   version -> who refers to it
    configs, modes    scope -> value             None: the global scope
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sprawl.schema_registry.model.entities import Config, Mode, StoredSchema
from sprawl.schema_registry.model.records import (
    ClearSubjectKey,
    ConfigKey,
    ContextKey,
    DeleteSubjectKey,
    Key,
    LogRecord,
    MaxId,
    ModeKey,
    NoopKey,
    Record,
    RecordFault,
    SchemaKey,
    UpTo,
    Value,
    decode,
    encode_key,
    encode_value,
)
from sprawl.schema_registry.model.subjects import (
    DEFAULT_CONTEXT,
    context_of,
    in_context,
    parse_subject,
    qualified_by_parent,
)

T = TypeVar("T")


@dataclass(slots=True)
class _Ids:
    """The ids of one context."""

    highest: int = 0
    mark: int = 0
    holders: dict[int, dict[SchemaKey, None]] = field(default_factory=dict)
    by_digest: dict[bytes, dict[int, int]] = field(default_factory=dict)
    """How many versions have this digest under an id."""


class State:
    """What the registry knows. Only `apply` changes it."""

    def __init__(self) -> None:
        self._subjects: dict[str, dict[int, StoredSchema]] = {}
        self._ids: dict[str, _Ids] = {}
        self._referrers: dict[SchemaKey, set[SchemaKey]] = {}
        self._configs: dict[str | None, Config] = {}
        self._modes: dict[str | None, Mode] = {}
        self._contexts: set[str] = set()
        self._spellings: dict[Key, tuple[bytes, ...]] = {}
        self._schemas_count = 0

    # --- reading ---------------------------------------------------------------------------------

    @property
    def subjects(self) -> Iterable[str]:
        """All of them, those with only soft-deleted versions too."""
        return self._subjects.keys()

    @property
    def subjects_count(self) -> int:
        return len(self._subjects)

    @property
    def schemas_count(self) -> int:
        """Versions of all subjects, soft-deleted ones too."""
        return self._schemas_count

    @property
    def contexts_count(self) -> int:
        """As `contexts`."""
        return len(self._contexts)

    @property
    def contexts(self) -> list[str]:
        """Those with a record, sorted; the default context has none."""
        return sorted(self._contexts)

    @property
    def configs(self) -> Mapping[str | None, Config]:
        return self._configs

    @property
    def modes(self) -> Mapping[str | None, Mode]:
        return self._modes

    def versions(self, subject: str, *, deleted: bool = False) -> list[StoredSchema]:
        """Those of a subject, lowest first. Args: deleted: the soft-deleted ones too."""
        versions = self._subjects.get(subject, {})
        return [
            versions[version]
            for version in sorted(versions)
            if deleted or not versions[version].deleted
        ]

    def versions_count(self, subject: str) -> int:
        """Of a subject, soft-deleted ones too."""
        return len(self._subjects.get(subject, ()))

    def version(self, subject: str, version: int) -> StoredSchema | None:
        """One version, soft-deleted or not."""
        return self._subjects.get(subject, {}).get(version)

    def latest(self, subject: str) -> StoredSchema | None:
        """The highest version that is not deleted."""
        alive = [
            schema for schema in self._subjects.get(subject, {}).values() if not schema.deleted
        ]
        return max(alive, key=lambda schema: schema.version, default=None)

    def has(self, scope: str | None, *, deleted: bool = False) -> bool:
        """Whether there are versions in a scope. Args: deleted: the soft-deleted ones count too."""
        names: Iterable[str]
        if scope is not None and scope in self._subjects:
            names = (scope,)
        elif scope is not None and parse_subject(scope).subject:
            names = ()
        else:
            names = self.subjects_in(scope)
        return any(
            deleted or not schema.deleted
            for name in names
            for schema in self._subjects[name].values()
        )

    def subjects_in(self, scope: str | None) -> Iterator[str]:
        return (name for name in self._subjects if in_context(name, scope))

    def holders(self, context: str, schema_id: int) -> Collection[SchemaKey]:
        """The versions with an id, the first one registered first."""
        ids = self._ids.get(context)
        return () if ids is None else ids.holders.get(schema_id, {}).keys()

    def id_of_digest(self, context: str, digest: bytes) -> int | None:
        """The id of a content; the lowest, should an import have given it several."""
        ids = self._ids.get(context)
        found = None if ids is None else ids.by_digest.get(digest)
        return min(found) if found else None

    def highest_id(self, context: str) -> int:
        """The highest id that was ever given out in a context; 0 for none."""
        ids = self._ids.get(context)
        return 0 if ids is None else ids.highest

    def referrers(self, subject: str, version: int, *, deleted: bool) -> list[StoredSchema]:
        """The versions that refer to one. Args: deleted: the soft-deleted ones too."""
        keys = self._referrers.get(SchemaKey(subject, version), ())
        schemas = (self._subjects[key.subject][key.version] for key in keys)
        return [schema for schema in schemas if deleted or not schema.deleted]

    # --- writing: what a command has to append ---------------------------------------------------

    def records_of(self, key: Key, value: Value | None) -> list[LogRecord]:
        """The records that set or take away a key, under the spelling that the log has for it.

        Should the log have several spellings of one key, the other ones are taken away first:
        compaction would keep each.
        """
        *others, spelling = self._spellings.get(key) or (encode_key(key),)
        gone: list[LogRecord] = [(other, None) for other in others]
        return [*gone, (spelling, encode_value(key, value))]

    def id_marks(self, leaving: Collection[SchemaKey], new_id: int = 0) -> list[LogRecord]:
        """The records that keep ids from being given out twice, to append before others.

        A record with the highest id of its context that goes, or is replaced, takes the knowledge
        of it along once the log is compacted.

        Args:
            leaving: versions that are about to be taken away or replaced.
            new_id: of the version that replaces them.
        """
        leaving = frozenset(leaving)
        records: list[LogRecord] = []
        for context in sorted({context_of(key.subject) for key in leaving}):
            ids = self._ids.get(context)
            if ids is None or max(ids.mark, new_id) >= ids.highest:
                continue
            if leaving.issuperset(ids.holders.get(ids.highest, ())):
                records += self.records_of(NoopKey(context), MaxId(ids.highest))
        return records

    # --- applying --------------------------------------------------------------------------------

    def apply(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int | None = None
    ) -> None:
        """Take in the next record of the log.

        Args:
            timestamp_ms: the record's; None: it has none.

        Raises:
            RecordFault: it cannot be used, and changed nothing: go on with the next one.
        """
        record = decode(key, value)
        was_there = self._is_there(record.key)
        match record:
            case Record(SchemaKey() as schema_key, None):
                self._remove(schema_key)
            case Record(SchemaKey() as schema_key, StoredSchema() as schema):
                self._put(schema_key, replace(schema, timestamp_ms=timestamp_ms))
            case Record(ConfigKey(subject), Config() | None as config):
                _set(self._configs, subject, config)
            case Record(ModeKey(subject), Mode() | None as mode):
                _set(self._modes, subject, mode)
            case Record(ContextKey(context), context_value):
                if context_value is None:
                    self._contexts.discard(context)
                elif context != DEFAULT_CONTEXT:
                    self._contexts.add(context)
            case Record(DeleteSubjectKey(subject), UpTo(version)):
                self._soft_delete(subject, version)
            case Record(ClearSubjectKey(subject), cleared):
                if cleared is not None:
                    self._clear(subject)
            case Record(NoopKey(str(context)), MaxId(highest)):
                ids = self._ids.setdefault(context, _Ids())
                ids.mark = highest
                ids.highest = max(ids.highest, highest)
            case _:
                return
        self._note_spelling(record, key, was_there=was_there)

    def _put(self, key: SchemaKey, schema: StoredSchema) -> None:
        ids = self._ids.setdefault(context_of(key.subject), _Ids())
        holder = next(iter(ids.holders.get(schema.id, ())), None)
        if holder is not None and self._schema(holder).schema != schema.schema:
            raise RecordFault(f"id {schema.id} of {key} belongs to another schema")
        self._remove(key)
        self._subjects.setdefault(key.subject, {})[key.version] = schema
        self._schemas_count += 1
        ids.highest = max(ids.highest, schema.id)
        ids.holders.setdefault(schema.id, {})[key] = None
        counts = ids.by_digest.setdefault(schema.digest, {})
        counts[schema.id] = counts.get(schema.id, 0) + 1
        for target in _targets(schema):
            self._referrers.setdefault(target, set()).add(key)

    def _remove(self, key: SchemaKey) -> None:
        schema = self.version(key.subject, key.version)
        if schema is None:
            return
        versions = self._subjects[key.subject]
        del versions[key.version]
        self._schemas_count -= 1
        if not versions:
            del self._subjects[key.subject]
        ids = self._ids[context_of(key.subject)]
        del ids.holders[schema.id][key]
        if not ids.holders[schema.id]:
            del ids.holders[schema.id]
        counts = ids.by_digest[schema.digest]
        counts[schema.id] -= 1
        if not counts[schema.id]:
            del counts[schema.id]
        if not counts:
            del ids.by_digest[schema.digest]
        for target in _targets(schema):
            self._referrers[target].discard(key)
            if not self._referrers[target]:
                del self._referrers[target]

    def _soft_delete(self, subject: str, up_to: int) -> None:
        versions = self._subjects.get(subject, {})
        for version, schema in versions.items():
            if version <= up_to and not schema.deleted:
                versions[version] = replace(schema, deleted=True)

    def _clear(self, scope: str | None) -> None:
        gone = [
            SchemaKey(name, version)
            for name in self.subjects_in(scope)
            for version, schema in self._subjects[name].items()
            if schema.deleted
        ]
        for key in gone:
            self._remove(key)

    def _schema(self, key: SchemaKey) -> StoredSchema:
        return self._subjects[key.subject][key.version]

    def _is_there(self, key: Key) -> bool:
        match key:
            case SchemaKey():
                return self.version(key.subject, key.version) is not None
            case ConfigKey():
                return key.subject in self._configs
            case ModeKey():
                return key.subject in self._modes
            case ContextKey():
                return key.context in self._contexts
            case _:
                return False

    def _note_spelling(self, record: Record, key: bytes | None, *, was_there: bool) -> None:
        """Remember which bytes the log has for a key, the latest ones last: only where they are
        not just the usual ones."""
        known = self._spellings.get(record.key)
        if key is None or (record.spelling is None and known is None):
            return
        usual = encode_key(record.key)
        if known is None:
            known = (usual,) if was_there else ()
        spellings = [spelling for spelling in known if spelling != key]
        if record.value is not None:
            spellings.append(key)
        if spellings in ([], [usual]):
            self._spellings.pop(record.key, None)
        else:
            self._spellings[record.key] = tuple(spellings)


def _set(values: dict[str | None, T], subject: str | None, value: T | None) -> None:
    if value is None:
        values.pop(subject, None)
    else:
        values[subject] = value


def _targets(schema: StoredSchema) -> set[SchemaKey]:
    return {
        SchemaKey(qualified_by_parent(reference.subject, schema.subject), reference.version)
        for reference in schema.references
    }
