"""Reading across subjects: by id, by GUID, by prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from sprawl.schema_registry.model import faults, limits
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.lookups import Shown, page
from sprawl.schema_registry.model.records import SchemaKey
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.subjects import (
    ANY_CONTEXT,
    DEFAULT_CONTEXT,
    QualifiedSubject,
    has_prefix,
    parse_subject,
    qualified_by_parent,
)


class Listed(NamedTuple):
    """A version in a list. Args: aliases: the subjects whose alias is this one's."""

    schema: StoredSchema
    aliases: tuple[str, ...] = ()


def get_by_id(registry: Registry, schema_id: int, subject: str | None = None) -> StoredSchema:
    """`GET /schemas/ids/{id}`: of soft-deleted versions too.

    Args:
        subject: where to look: a subject, or a context. None is the default context.

    Raises:
        RegistryFault: 40403.
    """
    key = _find_id(registry, schema_id, subject)
    schema = None if key is None else registry.state.version(key.subject, key.version)
    if schema is None:
        raise faults.schema_not_found(schema_id)
    return schema


def list_versions_of_id(
    registry: Registry,
    schema_id: int,
    subject: str | None = None,
    *,
    deleted: bool = False,
    offset: int = 0,
    limit: int = -1,
) -> list[SchemaKey]:
    """`GET /schemas/ids/{id}/versions`, by subject and version.

    Raises:
        RegistryFault: 40403.
    """
    keys = _keys_of_id(registry, schema_id, subject, deleted=deleted)
    return page(keys, offset, limit, limits.PAGE_MAX)


def list_subjects_of_id(
    registry: Registry,
    schema_id: int,
    subject: str | None = None,
    *,
    deleted: bool = False,
    offset: int = 0,
    limit: int = -1,
) -> list[str]:
    """`GET /schemas/ids/{id}/subjects`, sorted.

    Raises:
        RegistryFault: 40403.
    """
    keys = _keys_of_id(registry, schema_id, subject, deleted=deleted)
    return page(list(dict.fromkeys(key.subject for key in keys)), offset, limit, limits.PAGE_MAX)


def get_by_guid(registry: Registry, guid: str) -> StoredSchema:
    """`GET /schemas/guids/{guid}`: from the first context that has it.

    Raises:
        RegistryFault: 40403.
    """
    for context, schema_id in _ids_of_guid(registry, guid):
        return get_by_id(registry, schema_id, QualifiedSubject(context, "").name)
    raise faults.schema_not_found(guid)


def list_ids_of_guid(registry: Registry, guid: str) -> list[tuple[str, int]]:
    """`GET /schemas/guids/{guid}/ids`: contexts and ids, sorted; none is no fault."""
    return sorted(_ids_of_guid(registry, guid))


def list_subjects(
    registry: Registry,
    prefix: str = ANY_CONTEXT,
    shown: Shown = Shown.ALIVE,
    *,
    offset: int = 0,
    limit: int = -1,
) -> list[str]:
    """`GET /subjects`, sorted. A subject is deleted when all of its versions are."""
    state = registry.state
    names = sorted(
        name
        for name in state.subjects
        if has_prefix(name, prefix) and shown.shows(deleted=not state.has(name))
    )
    return page(names, offset, limit, limits.PAGE_MAX)


def list_schemas(
    registry: Registry,
    prefix: str = ANY_CONTEXT,
    *,
    aliases: bool = False,
    deleted: bool = False,
    latest_only: bool = False,
    rule_type: str | None = None,
    offset: int = 0,
    limit: int = -1,
) -> list[Listed]:
    """`GET /schemas`, by subject and version.

    Args:
        prefix: of the subject; with `aliases` also of a subject that has an alias.
        rule_type: only those with a rule of this type.
    """
    named = _aliases_of(registry, prefix) if aliases else {}
    names = {name for name in registry.state.subjects if has_prefix(name, prefix)}
    found: list[Listed] = []
    for name in sorted(names.union(named)):
        versions = registry.state.versions(name, deleted=deleted)
        found += (
            Listed(schema, named.get(name, ()))
            for schema in (versions[-1:] if latest_only else versions)
            if not rule_type or _has_rule_type(schema, rule_type)
        )
    return page(found, offset, limit, limits.SCHEMAS_PAGE_MAX)


def list_contexts(
    registry: Registry, prefix: str = "", *, offset: int = 0, limit: int = -1
) -> list[str]:
    """`GET /contexts`: the default one first, then the others, sorted."""
    names = [DEFAULT_CONTEXT, *registry.state.contexts]
    return page([name for name in names if name.startswith(prefix)], offset, limit, limits.PAGE_MAX)


def _find_id(registry: Registry, schema_id: int, subject: str | None) -> SchemaKey | None:
    """The version that answers for an id: the subject's own, if it has one."""
    state = registry.state
    wanted = parse_subject(subject or "")
    contexts = [wanted.context]
    if wanted.subject and wanted.context == DEFAULT_CONTEXT:
        contexts += state.contexts
    for context in contexts:
        holders = state.holders(context, schema_id)
        if not wanted.subject:
            return next(iter(holders), None)
        name = QualifiedSubject(context, wanted.subject).name
        versions = state.versions(name, deleted=True) if holders else []
        own = [schema.version for schema in versions if schema.id == schema_id]
        if own:
            return SchemaKey(name, own[-1])
    if wanted.context != DEFAULT_CONTEXT:
        return None
    return next(iter(state.holders(DEFAULT_CONTEXT, schema_id)), None)


def _keys_of_id(
    registry: Registry, schema_id: int, subject: str | None, *, deleted: bool
) -> list[SchemaKey]:
    key = _find_id(registry, schema_id, subject)
    if key is None:
        raise faults.schema_not_found()
    state = registry.state
    keys = sorted(state.holders(parse_subject(key.subject).context, schema_id))
    schemas = ((key, state.version(key.subject, key.version)) for key in keys)
    return [key for key, schema in schemas if schema and (deleted or not schema.deleted)]


def _ids_of_guid(registry: Registry, guid: str) -> Iterator[tuple[str, int]]:
    try:
        digest = UUID(guid).bytes
    except ValueError:
        return
    for context in (DEFAULT_CONTEXT, *registry.state.contexts):
        schema_id = registry.state.id_of_digest(context, digest)
        if schema_id is not None:
            yield context, schema_id


def _aliases_of(registry: Registry, prefix: str) -> dict[str, tuple[str, ...]]:
    """Subjects that an alias names, with the subjects that have it."""
    named: dict[str, tuple[str, ...]] = {}
    for subject, config in registry.state.configs.items():
        if subject is not None and config.alias and has_prefix(subject, prefix):
            target = qualified_by_parent(config.alias, subject)
            named[target] = tuple(sorted((*named.get(target, ()), subject)))
    return named


def _has_rule_type(schema: StoredSchema, rule_type: str) -> bool:
    rules = () if schema.rule_set is None else schema.rule_set.rules
    return any(rule.type == rule_type for rule in rules)
