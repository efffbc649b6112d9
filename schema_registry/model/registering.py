"""Registering a schema, changing its contracts, and comparing one without registering it.

The order of the steps is what clients can tell by, and is the anchor registry's:

    1  the rules are checked, and the subject's name
    2  a schema that the subject has already is answered at once, whatever the mode
    3  the mode
    4  the next version is one more than the highest, soft-deleted ones counted
    5  metadata and rules: the config's, those of the version before; not with ids from elsewhere
    6  parsed, canonical, normalized
    7  the same content has the same id in its context; active under the subject, it is the answer
    8  compatible with the versions before; not asked with ids from elsewhere, nor if forced
    9  a version of the client's own must be the next one; any will do with ids from elsewhere
    10 the id: the client's own, that of the content, or the next one
    11 records: the context, tombstones of soft-deleted versions with this id, the version itself
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sprawl.schema_registry.model import faults
from sprawl.schema_registry.model.compatibility import incompatibilities
from sprawl.schema_registry.model.contracts import (
    Metadata,
    RuleSet,
    check_rule_set,
    merge_rule_sets,
)
from sprawl.schema_registry.model.entities import Config, StoredSchema
from sprawl.schema_registry.model.faults import FaultCode, RegistryFault
from sprawl.schema_registry.model.lookups import (
    find_by_digest,
    find_equal,
    find_schema,
    find_version,
    get_version,
    with_contracts,
)
from sprawl.schema_registry.model.parsing import (
    Canonical,
    NewSchema,
    canonical,
    normalizes,
    validates_new,
)
from sprawl.schema_registry.model.records import (
    ContextKey,
    LogRecord,
    Present,
    SchemaKey,
)
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.scopes import (
    check_writable,
    config_in_scope,
    context_shown,
    mode_in_scope,
)
from sprawl.schema_registry.model.subjects import (
    DEFAULT_CONTEXT,
    LATEST,
    VERSION_MAX,
    check_subject,
    context_of,
    normal,
)


class Comparison(NamedTuple):
    """Answer of a compatibility check. Args: messages: shown when the client asks for them."""

    is_compatible: bool
    messages: tuple[str, ...]


def register(
    registry: Registry,
    subject: str,
    new: NewSchema,
    *,
    normalize: bool = False,
    force: bool = False,
) -> Judged[StoredSchema]:
    """`POST /subjects/{subject}/versions`.

    Args:
        force: without asking whether it is compatible.

    Returns: nothing to append when the subject has the schema already.

    Raises:
        RegistryFault: 42210, 42208, 42205, 42201, 409, 42209.
    """
    check_rule_set(new.rule_set)
    check_subject(subject, allow_empty=not registry.settings.reject_empty_subject)
    subject = normal(subject)
    normalize = normalizes(registry, subject, asked=normalize)
    there = _already_there(registry, subject, new, normalize=normalize)
    if there is not None:
        return judged((), there)
    return _register(registry, subject, new, normalize=normalize, force=force)


def change_contracts(
    registry: Registry,
    subject: str,
    version: int,
    *,
    new_version: int = 0,
    metadata: Metadata | None = None,
    rule_set: RuleSet | None = None,
    rules_to_merge: RuleSet | None = None,
    rules_to_remove: Sequence[str] | None = None,
) -> Judged[StoredSchema]:
    """`POST /subjects/{subject}/versions/{version}/tags`: the schema of a version once more, with
    other metadata or rules.

    Args:
        new_version: what the next version has to be; 0 for whichever it is.
        rules_to_merge, rules_to_remove: changes to the rules of the version before the new one.

    Raises:
        RegistryFault: 42208, 40401, 40402, 42210, and those of `register`.
    """
    check_subject(subject)
    subject = normal(subject)
    base = get_version(registry, subject, version)
    merges = rules_to_merge is not None or rules_to_remove is not None
    if merges and rule_set is not None:
        raise faults.invalid_rule_set(
            "ruleSet should be omitted if specifying rulesToMerge or rulesToRemove"
        )
    check_rule_set(rules_to_merge)
    check_rule_set(rule_set)
    if merges:
        before = find_version(
            registry, subject, new_version - 1 if new_version else LATEST, deleted=False
        )
        rule_set = merge_rule_sets(None if before is None else before.rule_set, rules_to_merge)
        if rule_set is not None:
            rule_set = rule_set.without(rules_to_remove or ())
    kept = metadata or base.metadata or Metadata()
    new = NewSchema(
        schema=base.schema,
        schema_type=base.schema_type,
        references=base.references,
        metadata=kept.with_confluent_version(new_version),
        rule_set=rule_set,
        version=new_version,
    )
    return _register(registry, subject, new, normalize=False, force=False)


def compare_with_version(
    registry: Registry,
    subject: str,
    version: int,
    new: NewSchema,
    *,
    normalize: bool = False,
    verbose: bool = False,
) -> Comparison:
    """`POST /compatibility/subjects/{subject}/versions/{version}`: by the subject's level.

    A subject without a latest version takes everything.

    Raises:
        RegistryFault: 40402; 42201 unless `verbose`, which tells it as a message.
    """
    subject = normal(subject)
    older = find_version(registry, subject, version, deleted=False)
    if older is None and version != LATEST:
        raise faults.version_not_found(version)
    return _compare(
        registry,
        subject,
        new,
        [] if older is None else [older],
        normalize=normalize,
        verbose=verbose,
    )


def compare_with_all(
    registry: Registry,
    subject: str,
    new: NewSchema,
    *,
    normalize: bool = False,
    verbose: bool = False,
) -> Comparison:
    """`POST /compatibility/subjects/{subject}/versions`: as registering would compare.

    Raises:
        RegistryFault: 42201 unless `verbose`.
    """
    subject = normal(subject)
    older = registry.state.versions(subject)
    return _compare(registry, subject, new, older, normalize=normalize, verbose=verbose)


def _compare(
    registry: Registry,
    subject: str,
    new: NewSchema,
    older: Sequence[StoredSchema],
    *,
    normalize: bool,
    verbose: bool,
) -> Comparison:
    config = config_in_scope(registry, subject)
    try:
        if new.is_blank:
            raise faults.invalid_schema("Empty schema")
        wanted = canonical(
            registry,
            subject,
            new,
            normalize=normalizes(registry, subject, asked=normalize),
            deleted_references=not validates_new(registry, config),
        )
        messages = incompatibilities(registry, config, wanted, older)
    except RegistryFault as fault:
        if not (verbose and fault.code is FaultCode.INVALID_SCHEMA):
            raise
        messages = [fault.message]
    return Comparison(not messages, tuple(messages))


def _already_there(
    registry: Registry, subject: str, new: NewSchema, *, normalize: bool
) -> StoredSchema | None:
    """Step 2."""
    if config_in_scope(registry, subject).changes_contracts:
        return None
    wants_latest = new.version == LATEST
    found = find_schema(
        registry, subject, new, normalize=normalize, deleted=False, latest_only=wants_latest
    )
    if found is None:
        return None
    if new.version == 0 or wants_latest:
        return found if new.id in (-1, found.id) else None
    if found.id != new.id:
        return None
    asked = find_version(registry, subject, new.version, deleted=False)
    same = asked is not None and (asked.id, asked.digest) == (found.id, found.digest)
    return asked if same else None


def _register(
    registry: Registry, subject: str, new: NewSchema, *, normalize: bool, force: bool
) -> Judged[StoredSchema]:
    """Steps 3 to 11."""
    _check_mode(registry, subject, new)
    takes_ids = mode_in_scope(registry, subject).takes_ids
    config = config_in_scope(registry, subject)
    versions = registry.state.versions(subject, deleted=True)
    alive = [schema for schema in versions if not schema.deleted]
    next_version = versions[-1].version + 1 if versions else 1
    if not takes_ids:
        new = _completed(config, new, alive[-1] if alive else None, next_version)
    elif new.is_blank:
        raise faults.invalid_schema("Empty schema")
    wanted = canonical(
        registry,
        subject,
        new,
        normalize=normalize,
        deleted_references=new.id >= 0 or not validates_new(registry, config),
    )
    schema_id, there = _known(registry, subject, new, wanted, alive)
    if there is not None:
        return judged((), there)
    if not takes_ids and not force:
        messages = incompatibilities(registry, config, wanted, alive)
        if messages:
            raise faults.incompatible_schema(subject, messages)
    version = new.version if new.version > 0 else next_version
    if version > VERSION_MAX or (version != next_version and not takes_ids):
        raise faults.invalid_schema("Version is not one more than previous version")
    schema = StoredSchema(
        subject=subject,
        version=version,
        id=_id_for(registry, subject, wanted, schema_id),
        schema_type=wanted.schema_type,
        references=wanted.references,
        metadata=wanted.metadata,
        rule_set=wanted.rule_set,
        schema=wanted.schema,
        deleted=False,
        digest=wanted.digest,
    )
    return judged(_records_for(registry, schema, versions), schema)


def _check_mode(registry: Registry, subject: str, new: NewSchema) -> None:
    check_writable(registry, subject)
    mode = mode_in_scope(registry, subject)
    if new.id >= 0 and not mode.takes_ids:
        raise faults.wrong_mode(subject, context_shown(subject), "not in import mode")
    if new.id < 0 and mode.takes_ids:
        raise faults.wrong_mode(subject, context_shown(subject), "not in read-write mode")


def _completed(
    config: Config, new: NewSchema, previous: StoredSchema | None, next_version: int
) -> NewSchema:
    if new.is_blank:
        if previous is None:
            raise faults.invalid_schema("Empty schema")
        new = new._replace(
            schema=previous.schema,
            schema_type=previous.schema_type,
            references=previous.references,
        )
    return with_contracts(config, new, previous, next_version)


def _known(
    registry: Registry,
    subject: str,
    new: NewSchema,
    wanted: Canonical,
    alive: Sequence[StoredSchema],
) -> tuple[int, StoredSchema | None]:
    """Step 7: the id that the schema has to have (-1: any), and the version that it is."""
    schema_id = new.id
    known_id = registry.state.id_of_digest(context_of(subject), wanted.digest)
    if known_id is not None and schema_id in (-1, known_id):
        there = find_by_digest(registry, subject, wanted, deleted=False)
        if new.version == 0 and there is not None:
            return known_id, there
        schema_id = known_id
    if new.version != 0:
        return schema_id, None
    candidates = [schema for schema in alive if schema_id in (-1, schema.id)]
    return schema_id, find_equal(registry, wanted, candidates)


def _id_for(registry: Registry, subject: str, wanted: Canonical, schema_id: int) -> int:
    state, context = registry.state, context_of(subject)
    if schema_id < 0:
        schema_id = state.highest_id(context) + 1
        if schema_id > VERSION_MAX:
            raise RegistryFault(
                FaultCode.STORE_ERROR, f"All ids of context {context} have been given out"
            )
        return schema_id
    holder = next(iter(state.holders(context, schema_id)), None)
    if holder is not None:
        other = state.version(holder.subject, holder.version)
        if other is not None and other.content != _content_of(wanted):
            raise faults.not_permitted(
                f"Overwrite new schema with id {schema_id} in context "
                f"{context_shown(subject)} is not permitted."
            )
    return schema_id


def _content_of(wanted: Canonical) -> tuple[object, ...]:
    return (
        wanted.schema_type,
        wanted.schema,
        wanted.references,
        wanted.metadata,
        wanted.rule_set,
    )


def _records_for(
    registry: Registry, schema: StoredSchema, versions: Sequence[StoredSchema]
) -> list[LogRecord]:
    """Step 11."""
    state = registry.state
    key = SchemaKey(schema.subject, schema.version)
    leaving = [
        SchemaKey(old.subject, old.version)
        for old in versions
        if old.deleted
        and old.id == schema.id
        and old.version < schema.version
        and not state.referrers(old.subject, old.version, deleted=True)
    ]
    records: list[LogRecord] = []
    context = context_of(schema.subject)
    if context not in (DEFAULT_CONTEXT, *state.contexts):
        records += state.records_of(ContextKey(context), Present())
    records += state.id_marks([*leaving, key], schema.id)
    for old in leaving:
        records += state.records_of(old, None)
    stored = state.records_of(key, schema)
    if any(len(name) + len(value or b"") > registry.settings.record_bytes_max
           for name, value in stored):  # fmt: skip
        raise faults.schema_too_large()
    return records + stored
