"""Whether a new schema may follow the older ones of its subject, and why not.

Compared is with the latest version, or with all of them if the level is transitive, from the
latest down to the first one that does not fit. With a `compatibilityGroup` only versions count
whose metadata has the same value of that property: a breaking change begins a new line of versions.
Soft-deleted versions never count. Another schema type is incompatible with everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from sprawl.schema_registry.model import limits
from sprawl.schema_registry.model.contracts import Metadata
from sprawl.schema_registry.model.entities import Config, Level, StoredSchema
from sprawl.schema_registry.model.parsing import Canonical, parse_stored
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.schemas import Incompatibility, Policy

_OTHER_TYPE = "Incompatible because of different schema type"


def incompatibilities(
    registry: Registry, config: Config, new: Canonical, older: Sequence[StoredSchema]
) -> list[str]:
    """The messages for the client; none when the new schema fits.

    Args:
        config: what holds for the subject; its level is set.
        older: the versions to compare with, lowest first.

    Raises:
        RegistryFault: 42201: one of the older ones cannot be read.
    """
    level = config.compatibility_level or registry.settings.compatibility_level
    if level is Level.NONE:
        return []
    if config.compatibility_group:
        group = _group(new.metadata, config.compatibility_group)
        older = [
            schema
            for schema in older
            if _group(schema.metadata, config.compatibility_group) == group
        ]
    policy = Policy.LENIENT if config.compatibility_policy == Policy.LENIENT.name else Policy.STRICT
    for schema in reversed(older if level.is_transitive else older[-1:]):
        messages = _compare(registry, level, policy, new, schema)
        if messages:
            validates = config.validate_fields
            validates = registry.settings.validate_fields if validates is None else validates
            return [*messages, _ending(level, validates_fields=validates)]
    return []


def _compare(
    registry: Registry, level: Level, policy: Policy, new: Canonical, older: StoredSchema
) -> list[str]:
    if new.schema_type != older.schema_type:
        return [_OTHER_TYPE]
    schema_format = registry.schemas.format_of(new.schema_type)
    parsed = parse_stored(registry, older)
    found: list[Incompatibility] = []
    if level.old_reads_new:
        found += schema_format.incompatibilities(parsed, new.parsed, policy)
    if level.new_reads_old:
        found += schema_format.incompatibilities(new.parsed, parsed, policy)
    if not found:
        return []
    shown = f"{{oldSchema: '{older.schema}'}}"
    if len(older.schema) > limits.SHOWN_SCHEMA_CHARS_MAX:
        shown = f"{{oldSchema: <truncated> '{older.schema[: limits.SHOWN_SCHEMA_CHARS_MAX]}...'}}"
    return [
        *(_line(problem) for problem in found),
        f"{{oldSchemaVersion: {older.version}}}",
        shown,
    ]


def _line(problem: Incompatibility) -> str:
    return (
        f"{{errorType:'{problem.kind}', description:'{problem.message}', "
        f"additionalInfo:'{problem.path}'}}"
    )


def _ending(level: Level, *, validates_fields: bool) -> str:
    validates = "true" if validates_fields else "false"
    return f"{{validateFields: '{validates}', compatibility: '{level.value}'}}"


def _group(metadata: Metadata | None, name: str) -> str | None:
    return None if metadata is None else metadata.value_of(name)
