"""Deleting versions, subjects and contexts: first softly, then for good.

A soft-deleted version is not listed and not compared with, but its id still gives the schema, for
consumers of old data. For good needs a soft delete before it, and takes the version away: its
number may come again when it was the highest, its id does not.

What is referred to stays: by a living version for a soft delete, by any for one for good. A whole
subject may be deleted with the references among its own versions.
"""

from __future__ import annotations

from dataclasses import replace

from sprawl.schema_registry.model import faults
from sprawl.schema_registry.model.lookups import find_version
from sprawl.schema_registry.model.records import (
    ContextKey,
    DeleteSubjectKey,
    LogRecord,
    SchemaKey,
    UpTo,
)
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.scopes import (
    check_writable,
    removal_of_config,
    removal_of_mode,
    scope_of,
)
from sprawl.schema_registry.model.subjects import normal, parse_context


def delete_version(
    registry: Registry, subject: str, version: int, *, permanent: bool = False
) -> Judged[int]:
    """`DELETE /subjects/{subject}/versions/{version}`; the answer is the version's number.

    The config and the mode of a subject go with its last version.

    Raises:
        RegistryFault: 40401, 40402, 40406, 42205, 42206, 40407.
    """
    subject = normal(subject)
    state = registry.state
    schema = find_version(registry, subject, version, deleted=True)
    if schema is None:
        if not state.has(subject, deleted=True):
            raise faults.subject_not_found(subject)
        raise faults.version_not_found(version)
    if schema.deleted and not permanent:
        raise faults.version_soft_deleted(subject, version)
    check_writable(registry, subject)
    if state.referrers(subject, schema.version, deleted=permanent):
        raise faults.reference_exists(subject, schema.version)
    key = SchemaKey(subject, schema.version)
    if not permanent:
        return judged(state.records_of(key, replace(schema, deleted=True)), schema.version)
    if not schema.deleted:
        raise faults.version_not_soft_deleted(subject, schema.version)
    records = state.id_marks([key]) + state.records_of(key, None)
    if len(state.versions(subject, deleted=True)) == 1:
        records += _removal_of_settings(registry, subject)
    return judged(records, schema.version)


def delete_subject(
    registry: Registry, subject: str, *, permanent: bool = False
) -> Judged[list[int]]:
    """`DELETE /subjects/{subject}`; the answer is the numbers of the versions, lowest first.

    Raises:
        RegistryFault: 40401, 40404, 42205, 42206, 40405.
    """
    subject = normal(subject)
    state = registry.state
    every = state.versions(subject, deleted=True)
    versions = every if permanent else state.versions(subject)
    if not every:
        raise faults.subject_not_found(subject)
    if not versions:
        raise faults.subject_soft_deleted(subject)
    check_writable(registry, subject)
    for schema in versions:
        referrers = state.referrers(subject, schema.version, deleted=permanent)
        if any(referrer.subject != subject for referrer in referrers):
            raise faults.reference_exists(subject, schema.version)
        if permanent and not schema.deleted:
            raise faults.subject_not_soft_deleted(subject)
    numbers = [schema.version for schema in versions]
    if not permanent:
        # Up to the highest version of all: a record of an earlier delete is compacted away by
        # this one, and must not take along what only it said.
        up_to = UpTo(every[-1].version)
        return judged(state.records_of(DeleteSubjectKey(subject), up_to), numbers)
    keys = [SchemaKey(subject, number) for number in numbers]
    records = state.id_marks(keys)
    for key in reversed(keys):
        records += state.records_of(key, None)
    return judged(records + _removal_of_settings(registry, subject), numbers)


def delete_context(registry: Registry, context: str) -> Judged[None]:
    """`DELETE /contexts/{context}`: of one that has no versions, soft-deleted ones either.

    Raises:
        RegistryFault: 42211.
    """
    parsed = parse_context(context)
    state = registry.state
    if state.has(parsed.name, deleted=True):
        raise faults.context_not_empty(parsed.name)
    if parsed.context not in state.contexts:
        return judged((), None)
    return judged(state.records_of(ContextKey(parsed.context), None), None)


def _removal_of_settings(registry: Registry, subject: str) -> list[LogRecord]:
    scope = scope_of(subject)
    if scope is None:
        return []
    return removal_of_mode(registry, scope) + removal_of_config(registry, scope)
