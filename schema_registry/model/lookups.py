"""Reading the versions of subjects. A subject without a context that has no such version or schema
is looked for in all contexts, as clients of several contexts expect."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from sprawl.schema_registry.model import faults, limits
from sprawl.schema_registry.model.contracts import (
    CONFLUENT_VERSION,
    Metadata,
    merge_metadata,
    merge_rule_sets,
)
from sprawl.schema_registry.model.entities import Config, StoredSchema
from sprawl.schema_registry.model.parsing import (
    Canonical,
    NewSchema,
    canonical,
    normalizes,
    parse_stored,
    prints_as,
)
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.scopes import config_in_scope
from sprawl.schema_registry.model.subjects import (
    DEFAULT_CONTEXT,
    LATEST,
    QualifiedSubject,
    context_of,
    normal,
    parse_subject,
    qualified_by_parent,
)
from sprawl.schema_registry.schemas import Reference, SchemaType

T = TypeVar("T")

_TYPES_WITH_INLINE_REFERENCES = (SchemaType.AVRO.value, SchemaType.JSON.value)


class Shown(enum.Enum):
    """What a list says of soft-deleted versions; of several parameters the last one counts."""

    ALIVE = "neither parameter"
    ALL = "deleted=true"
    ONLY_DELETED = "deletedOnly=true"
    DELETED_AS_NEGATIVE = "deletedAsNegative=true"

    def shows(self, *, deleted: bool) -> bool:
        if self is Shown.ALIVE:
            return not deleted
        return deleted or self is not Shown.ONLY_DELETED


def page(items: Sequence[T], offset: int, limit: int, limit_max: int) -> list[T]:
    """`offset` and `limit` of a list. Args: limit: below 1 or above `limit_max` means that."""
    start = max(offset, 0)
    count = limit if 0 < limit <= limit_max else limit_max
    return list(items[start : start + count])


def get_version(
    registry: Registry, subject: str, version: int, *, deleted: bool = False
) -> StoredSchema:
    """`GET /subjects/{subject}/versions/{version}`. Args: version: 1 and up, or `LATEST`.

    Raises:
        RegistryFault: 40401, 40402.
    """
    subject = normal(subject)
    for name in _in_known_contexts(registry, subject):
        schema = find_version(registry, name, version, deleted=deleted)
        if schema is not None:
            return schema
    if not registry.state.has(subject, deleted=deleted):
        raise faults.subject_not_found(subject)
    raise faults.version_not_found(version)


def find_version(
    registry: Registry, subject: str, version: int, *, deleted: bool
) -> StoredSchema | None:
    """A version under exactly this name. The latest is one that is not deleted in any case."""
    if version == LATEST:
        return registry.state.latest(subject)
    schema = registry.state.version(subject, version)
    return None if schema is None or (schema.deleted and not deleted) else schema


def list_versions(
    registry: Registry,
    subject: str,
    shown: Shown = Shown.ALIVE,
    *,
    offset: int = 0,
    limit: int = -1,
) -> list[int]:
    """`GET /subjects/{subject}/versions`, lowest first.

    Raises:
        RegistryFault: 40401.
    """
    subject = normal(subject)
    counts_deleted = shown in (Shown.ALL, Shown.ONLY_DELETED)
    if not registry.state.has(subject, deleted=counts_deleted):
        raise faults.subject_not_found(subject)
    negative = shown is Shown.DELETED_AS_NEGATIVE
    versions = [
        -schema.version if negative and schema.deleted else schema.version
        for schema in registry.state.versions(subject, deleted=True)
        if shown.shows(deleted=schema.deleted)
    ]
    return page(versions, offset, limit, limits.PAGE_MAX)


def get_referrers(
    registry: Registry,
    subject: str,
    version: int,
    *,
    deleted: bool = False,
    offset: int = 0,
    limit: int = -1,
) -> list[int]:
    """`GET /subjects/{subject}/versions/{version}/referencedby`: ids, by context.

    Raises:
        RegistryFault: 40401, 40402.
    """
    schema = get_version(registry, subject, version, deleted=True)
    found = registry.state.referrers(schema.subject, schema.version, deleted=deleted)
    ids = sorted({(context_of(referrer.subject), referrer.id) for referrer in found})
    return [schema_id for _, schema_id in page(ids, offset, limit, limits.SCHEMAS_PAGE_MAX)]


def get_latest_with_metadata(
    registry: Registry, subject: str, properties: Mapping[str, str], *, deleted: bool = False
) -> StoredSchema:
    """`GET /subjects/{subject}/metadata`: the highest version that has all these properties.

    Raises:
        RegistryFault: 40401, 40403.
    """
    subject = normal(subject)
    for schema in reversed(registry.state.versions(subject, deleted=deleted)):
        if schema.metadata is not None and properties.items() <= set(schema.metadata.properties):
            return schema
    if not registry.state.has(subject, deleted=deleted):
        raise faults.subject_not_found(subject)
    raise faults.schema_not_found()


def qualified_references(schema: StoredSchema) -> tuple[Reference, ...]:
    """The references as `referenceFormat=qualified` gives them: with their context."""
    return tuple(
        reference._replace(subject=qualified_by_parent(reference.subject, schema.subject))
        for reference in schema.references
    )


def look_up(
    registry: Registry,
    subject: str,
    new: NewSchema,
    *,
    normalize: bool = False,
    deleted: bool = False,
) -> StoredSchema:
    """`POST /subjects/{subject}`: the version that is this schema.

    Raises:
        RegistryFault: 40401, 40403, 42201.
    """
    subject = normal(subject)
    normalize = normalizes(registry, subject, asked=normalize)
    for name in _in_known_contexts(registry, subject):
        try:
            found = _look_up_with_contracts(
                registry, name, new, normalize=normalize, deleted=deleted
            )
        except faults.RegistryFault:
            if name == subject:
                raise
            continue
        if found is not None:
            return found
    if not registry.state.has(subject, deleted=deleted):
        raise faults.subject_not_found(subject)
    raise faults.schema_not_found()


def find_schema(
    registry: Registry,
    subject: str,
    new: NewSchema,
    *,
    normalize: bool,
    deleted: bool,
    latest_only: bool = False,
) -> StoredSchema | None:
    """The version of a subject that is a schema, by content; None for a blank one.

    Raises:
        RegistryFault: 42201.
    """
    if new.is_blank:
        return None
    wanted = canonical(registry, subject, new, normalize=normalize, deleted_references=True)
    latest = registry.state.latest(subject)
    if latest_only:
        return latest if latest is not None and is_same(registry, wanted, latest) else None
    return find_by_digest(registry, subject, wanted, deleted=deleted) or find_equal(
        registry, wanted, registry.state.versions(subject, deleted=deleted)
    )


def find_by_digest(
    registry: Registry, subject: str, wanted: Canonical, *, deleted: bool
) -> StoredSchema | None:
    """The version of a subject with the id that a content has in its context."""
    schema_id = registry.state.id_of_digest(context_of(subject), wanted.digest)
    if schema_id is None:
        return None
    return _last_with_id(registry.state.versions(subject, deleted=deleted), schema_id)


def find_equal(
    registry: Registry, wanted: Canonical, versions: Sequence[StoredSchema]
) -> StoredSchema | None:
    """The highest of the versions that `is_same`."""
    return next(
        (schema for schema in reversed(versions) if is_same(registry, wanted, schema)), None
    )


def is_same(registry: Registry, wanted: Canonical, stored: StoredSchema) -> bool:
    """Whether a new schema stands for a stored one although their digests differ.

    It does when only `confluent:version` differs, when it has in its text what the stored one
    refers to, and when the stored text is not canonical: other registries print otherwise.
    """
    if wanted.schema_type != stored.schema_type:
        return False
    if not _same_but_for_version(wanted.metadata, stored.metadata, stored.version):
        return False
    if wanted.rule_set != stored.rule_set:
        return False
    if wanted.references == stored.references:
        return wanted.schema == stored.schema or prints_as(registry, stored, wanted.schema)
    inlines = not wanted.references and wanted.schema_type in _TYPES_WITH_INLINE_REFERENCES
    return inlines and wanted.schema == _resolved_text(registry, stored)


def with_contracts(
    config: Config, new: NewSchema, previous: StoredSchema | None, next_version: int | None
) -> NewSchema:
    """A schema with the metadata and rules that it is registered with.

    What it does not say itself comes from the version before; the config's defaults stand behind
    that, and its overrides before it.

    Args:
        next_version: None when nothing is registered.
    """
    metadata, rule_set = new.metadata, new.rule_set
    if previous is not None:
        metadata = previous.metadata if metadata is None else metadata
        rule_set = previous.rule_set if rule_set is None else rule_set
    metadata = merge_metadata(
        merge_metadata(config.default_metadata, metadata), config.override_metadata
    )
    rule_set = merge_rule_sets(
        merge_rule_sets(config.default_rule_set, rule_set), config.override_rule_set
    )
    numbered = metadata is not None and metadata.value_of(CONFLUENT_VERSION) is not None
    if next_version is not None and (new.version != 0 or numbered):
        metadata = (metadata or Metadata()).with_confluent_version(next_version)
    return new._replace(metadata=metadata, rule_set=rule_set)


def _look_up_with_contracts(
    registry: Registry, subject: str, new: NewSchema, *, normalize: bool, deleted: bool
) -> StoredSchema | None:
    found = find_schema(registry, subject, new, normalize=normalize, deleted=deleted)
    latest = registry.state.latest(subject)
    if found is not None or latest is None:
        return found
    completed = with_contracts(config_in_scope(registry, subject), new, latest, None)
    if completed == new:
        return None
    return find_schema(registry, subject, completed, normalize=normalize, deleted=deleted)


def _in_known_contexts(registry: Registry, subject: str) -> Iterator[str]:
    yield subject
    parsed = parse_subject(subject)
    if parsed.context == DEFAULT_CONTEXT:
        for context in registry.state.contexts:
            yield QualifiedSubject(context, parsed.subject).name


def _last_with_id(versions: Sequence[StoredSchema], schema_id: int) -> StoredSchema | None:
    alive_last = sorted(versions, key=lambda schema: (not schema.deleted, schema.version))
    return next((schema for schema in reversed(alive_last) if schema.id == schema_id), None)


def _same_but_for_version(
    wanted: Metadata | None, stored: Metadata | None, stored_version: int
) -> bool:
    wanted_number = None if wanted is None else wanted.confluent_version
    stored_number = None if stored is None else stored.confluent_version
    if (wanted_number is None) == (stored_number is None):
        return wanted == stored
    wanted, stored = wanted or Metadata(), stored or Metadata()
    if wanted_number is None:
        return wanted == stored.with_confluent_version(None)
    return wanted_number == stored_version and wanted.with_confluent_version(None) == stored


def _resolved_text(registry: Registry, stored: StoredSchema) -> str | None:
    """A stored schema with what it refers to in its text; None when this node cannot read it."""
    try:
        return parse_stored(registry, stored).formatted("resolved")
    except faults.RegistryFault:
        return None
