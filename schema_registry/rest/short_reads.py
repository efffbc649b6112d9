"""Which look-ups are so short that a hop to a thread would take longer than they do. Pure.

Each rule says, for one route, whether the answer is found and spelled by going through at most
`SHORT_READ_ENTRIES_MAX` entries: versions of one subject, holders of one id, references, metadata
and rules of one schema. What is not found at once (it may be in another context), what has to be
parsed (`format=`) and what lists across subjects is not short. A rule says only where a query may
run, and costs as little as the query itself.

The text of a schema does not count: one call of the interpreter spells it as JSON, and gives its
turn to nobody meanwhile, in whichever thread it runs.
"""

from __future__ import annotations

from sprawl.schema_registry.model.contracts import Metadata, RuleSet
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.lookups import find_version
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.scopes import config_in_scope, resolve_alias
from sprawl.schema_registry.model.subjects import normal, parse_subject
from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.rest.parameters import (
    FORMAT,
    ID,
    SCOPE,
    SUBJECT,
    VERSION,
    WHERE,
    Ask,
)


def always(_registry: Registry, _ask: Ask) -> bool:
    """A few look-ups, whatever is stored."""
    return True


def is_id_short(registry: Registry, ask: Ask) -> bool:
    """A schema by its id."""
    if ask[FORMAT].strip():
        return False
    return _is_light(_with_id(registry, ask[ID], ask[WHERE]))


def are_holders_short(registry: Registry, ask: Ask) -> bool:
    """The versions that have an id."""
    where = parse_subject(ask[WHERE])
    count = len(registry.state.holders(where.context, ask[ID]))
    return not where.subject and 0 < count <= limits.SHORT_READ_ENTRIES_MAX


def is_version_short(registry: Registry, ask: Ask) -> bool:
    """A version of a subject."""
    if ask[FORMAT].strip():
        return False
    name = _small_subject(registry, ask[SUBJECT])
    return name is not None and _is_light(find_version(registry, name, ask[VERSION], deleted=True))


def are_versions_short(registry: Registry, ask: Ask) -> bool:
    """The numbers of the versions of a subject."""
    return _small_subject(registry, ask[SUBJECT]) is not None


def is_config_short(registry: Registry, ask: Ask) -> bool:
    """What holds for a scope; contracts may be long."""
    return not config_in_scope(registry, ask.get(SCOPE)).changes_contracts


def _small_subject(registry: Registry, subject: str) -> str | None:
    """The normal name of a subject that is there and has few versions."""
    name = normal(resolve_alias(registry, subject))
    count = registry.state.versions_count(name)
    return name if 0 < count <= limits.SHORT_READ_ENTRIES_MAX else None


def _with_id(registry: Registry, schema_id: int, where: str) -> StoredSchema | None:
    """The version that answers for an id, if it takes few steps to find it."""
    state = registry.state
    wanted = parse_subject(where)
    if not wanted.subject:
        key = next(iter(state.holders(wanted.context, schema_id)), None)
        return None if key is None else state.version(key.subject, key.version)
    name = _small_subject(registry, where)
    versions = [] if name is None else state.versions(name, deleted=True)
    return next((schema for schema in reversed(versions) if schema.id == schema_id), None)


def _is_light(schema: StoredSchema | None) -> bool:
    if schema is None:
        return False
    entries = len(schema.references)
    entries += _contracts_count(schema.metadata, schema.rule_set)
    return entries <= limits.SHORT_READ_ENTRIES_MAX


def _contracts_count(metadata: Metadata | None, rule_set: RuleSet | None) -> int:
    count = 0 if rule_set is None else len(rule_set.rules)
    if metadata is not None:
        count += len(metadata.properties) + len(metadata.sensitive)
        count += sum(len(tags) for _, tags in metadata.tags)
    return count
