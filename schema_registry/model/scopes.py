"""Config and mode of a subject, of a context, or of all: reading, setting, taking away.

What holds for a subject is looked up in this order, and the first one that is set counts:

    :.ctx:subject -> :.ctx:  -> :.__GLOBAL: -> settings
          subject -> global  -> :.__GLOBAL: -> settings

The global scope is that of the default context: `:.:` and no subject at all mean it. A subject's
own config leaves open what it does not say (`normalize`, `compatibilityGroup`, ...): there the
global one counts, but for the contracts and the alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sprawl.schema_registry.model import faults
from sprawl.schema_registry.model.contracts import (
    MalformedContract,
    check_rule_set,
    is_unicode,
    parse_metadata,
    parse_rule_set,
)
from sprawl.schema_registry.model.entities import Config, Level, Mode
from sprawl.schema_registry.model.records import (
    ClearSubjectKey,
    ConfigKey,
    LogRecord,
    ModeKey,
    Present,
    SchemaKey,
)
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.subjects import (
    GLOBAL_CONTEXT,
    check_subject,
    parse_subject,
    qualified_by_parent,
)

T = TypeVar("T")

_GLOBAL_SCOPE = f":{GLOBAL_CONTEXT}:"
_POLICIES = ("STRICT", "LENIENT")
_FIELDS = {
    "alias": "alias",
    "aliasForDeks": "alias_for_deks",
    "normalize": "normalize",
    "validateFields": "validate_fields",
    "validateNewSchemas": "validate_new_schemas",
    "validateRules": "validate_rules",
    "compatibility": "compatibility_level",
    "compatibilityPolicy": "compatibility_policy",
    "compatibilityGroup": "compatibility_group",
    "defaultMetadata": "default_metadata",
    "overrideMetadata": "override_metadata",
    "defaultRuleSet": "default_rule_set",
    "overrideRuleSet": "override_rule_set",
}


def scope_of(subject: str | None) -> str | None:
    """The scope that a path or a parameter means: None for the global one."""
    if subject is None:
        return None
    parsed = parse_subject(subject)
    return None if parsed.is_default_context else parsed.name


def resolve_alias(registry: Registry, subject: str) -> str:
    """The subject that a request under `subjects/` works on: what its config's alias names."""
    config = registry.state.configs.get(scope_of(subject))
    if config is None or not config.alias:
        return subject
    return qualified_by_parent(config.alias, subject)


# --- config --------------------------------------------------------------------------------------


def config_in_scope(registry: Registry, subject: str | None) -> Config:
    """What holds for a subject; its level is always set."""
    configs = registry.state.configs
    scope = scope_of(subject)
    own = _own_config(registry, scope)
    if own is None:
        wider = next((configs[name] for name in _wider(scope) if name in configs), None)
        return _with_level(registry, wider)
    if scope is None:
        wider = configs.get(None) or configs.get(_GLOBAL_SCOPE)
        return _with_level(registry, wider)
    outer = configs.get(None) or Config()
    return own._replace(
        normalize=_first(own.normalize, outer.normalize),
        validate_fields=_first(own.validate_fields, outer.validate_fields),
        validate_new_schemas=_first(own.validate_new_schemas, outer.validate_new_schemas),
        validate_rules=_first(own.validate_rules, outer.validate_rules),
        compatibility_policy=_first(own.compatibility_policy, outer.compatibility_policy),
        compatibility_group=_first(own.compatibility_group, outer.compatibility_group),
    )


def get_config(registry: Registry, subject: str | None, *, default_to_global: bool) -> Config:
    """`GET /config` and `GET /config/{subject}`.

    Raises:
        RegistryFault: 40408.
    """
    scope = scope_of(subject)
    if default_to_global:
        return config_in_scope(registry, scope)
    config = _own_config(registry, scope)
    if config is None:
        raise faults.compatibility_not_configured(faults.shown(scope))
    return config


def put_config(
    registry: Registry, subject: str | None, body: Mapping[str, object]
) -> Judged[Config]:
    """`PUT /config` and `PUT /config/{subject}`: fields that are there replace, null takes away.

    Args:
        body: the request's JSON; the level is `compatibility` in it.

    Raises:
        MalformedContract: a field has a value of another kind.
        RegistryFault: 42203, 42210, 42208, 42205.
    """
    changes = _parse_changes(body)
    scope = scope_of(subject)
    if scope is not None:
        check_subject(scope, for_scope=True)
    check_writable(registry, scope)
    old = registry.state.configs.get(scope, Config())
    new = old._replace(**changes)
    return judged(registry.state.records_of(ConfigKey(scope), new), new)


def delete_config(registry: Registry, subject: str | None) -> Judged[Config]:
    """`DELETE /config` and `DELETE /config/{subject}`; the answer is what was set.

    Raises:
        RegistryFault: 40401 when the subject has none, 42205.
    """
    scope = scope_of(subject)
    config = _own_config(registry, scope)
    if config is None:
        raise faults.subject_not_found(scope)
    check_writable(registry, scope)
    return judged(removal_of_config(registry, scope), config)


def removal_of_config(registry: Registry, scope: str | None) -> list[LogRecord]:
    if scope not in registry.state.configs:
        return []
    return registry.state.records_of(ConfigKey(scope), None)


def _own_config(registry: Registry, scope: str | None) -> Config | None:
    """The config of a scope; the outermost ones always have one, from the settings."""
    config = registry.state.configs.get(scope)
    if config is None and not (scope is None or parse_subject(scope).is_global_context):
        return None
    return _with_level(registry, config)


def _with_level(registry: Registry, config: Config | None) -> Config:
    config = config or Config()
    if config.compatibility_level is not None:
        return config
    return config._replace(compatibility_level=registry.settings.compatibility_level)


def _parse_changes(body: Mapping[str, object]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name in body:
            changes[field] = _parse_field(name, body[name])
            if not is_unicode(changes[field]):
                raise MalformedContract(f"{name} is no Unicode text")
    check_rule_set(changes.get("default_rule_set"))
    check_rule_set(changes.get("override_rule_set"))
    return changes


def _parse_field(name: str, value: object) -> object:
    if name.endswith("Metadata"):
        return parse_metadata(value)
    if name.endswith("RuleSet"):
        return parse_rule_set(value)
    if name == "normalize" or name.startswith("validate"):
        if value is None or isinstance(value, bool):
            return value
        raise MalformedContract(f"{name} is neither true nor false")
    if value is not None and not isinstance(value, str):
        raise MalformedContract(f"{name} is no text")
    if name == "compatibility":
        return _parse_level(value)
    if name == "compatibilityPolicy":
        return _parse_policy(value)
    return value


def _parse_level(name: str | None) -> Level | None:
    if name is None:
        return None
    try:
        return Level(name.upper())
    except ValueError:
        raise faults.invalid_compatibility_level() from None


def _parse_policy(name: str | None) -> str | None:
    if name is not None and name.upper() not in _POLICIES:
        raise faults.invalid_compatibility_policy()
    return name and name.upper()


# --- mode ----------------------------------------------------------------------------------------


def mode_in_scope(registry: Registry, subject: str | None) -> Mode:
    """What holds for a subject."""
    modes = registry.state.modes
    scope = scope_of(subject)
    named = next((modes[name] for name in (scope, *_wider(scope)) if name in modes), None)
    return named or registry.settings.mode


def check_writable(registry: Registry, subject: str | None) -> None:
    """Raises: RegistryFault: 42205 in a scope that is only read."""
    if mode_in_scope(registry, subject).is_read_only:
        raise faults.wrong_mode(subject, context_shown(subject), "in read-only mode")


def context_shown(subject: str | None) -> str:
    """The context of a subject as messages spell it: nothing for the default one."""
    return "" if subject is None else parse_subject(subject).qualified_context


def get_mode(registry: Registry, subject: str | None, *, default_to_global: bool) -> Mode:
    """`GET /mode` and `GET /mode/{subject}`.

    Raises:
        RegistryFault: 40409.
    """
    scope = scope_of(subject)
    mode = mode_in_scope(registry, scope) if default_to_global else _own_mode(registry, scope)
    if mode is None:
        raise faults.mode_not_configured(faults.shown(scope))
    return mode


def put_mode(
    registry: Registry, subject: str | None, name: str | None, *, force: bool = False
) -> Judged[Mode | None]:
    """`PUT /mode` and `PUT /mode/{subject}`.

    A scope that is to take ids from elsewhere must have no schemas of its own, unless `force`:
    soft-deleted ones are taken away for good.

    Args:
        name: of the mode, in any case; None takes it away.

    Raises:
        RegistryFault: 42208, 42204, 42205, 42206.
    """
    if subject is not None:
        check_subject(subject, for_scope=True)
    scope = scope_of(subject)
    mode = None if name is None else _parse_mode(name)
    if mode is Mode.FORWARD and scope != _GLOBAL_SCOPE:
        raise faults.invalid_mode("Forward mode only supported on global level")
    if not registry.settings.mode_mutability:
        raise faults.not_permitted("Mode changes are not allowed")
    records: list[LogRecord] = []
    if mode is Mode.IMPORT and mode_in_scope(registry, scope) is not Mode.IMPORT and not force:
        records += _emptying(registry, scope)
    if mode is not None or scope in registry.state.modes:
        records += registry.state.records_of(ModeKey(scope), mode)
    return judged(records, mode)


def delete_mode(
    registry: Registry, subject: str | None, *, recursive: bool = False
) -> Judged[Mode | None]:
    """`DELETE /mode` and `DELETE /mode/{subject}`; the answer is the mode that was set.

    Args:
        recursive: of a context: take away the modes of its subjects as well.

    Raises:
        RegistryFault: 40401 when the subject has none (not if `recursive`), 42205.
    """
    scope = scope_of(subject)
    mode = _own_mode(registry, scope)
    if mode is None and not recursive:
        raise faults.subject_not_found(scope)
    if not registry.settings.mode_mutability:
        raise faults.not_permitted("Mode changes are not allowed")
    records = removal_of_mode(registry, scope)
    context = parse_subject(scope or "")
    if recursive and not context.subject:
        for name in sorted(name for name in registry.state.modes if name is not None):
            inner = parse_subject(name)
            if inner.context == context.context and inner.subject:
                records += removal_of_mode(registry, name)
    return judged(records, mode)


def removal_of_mode(registry: Registry, scope: str | None) -> list[LogRecord]:
    if scope not in registry.state.modes:
        return []
    return registry.state.records_of(ModeKey(scope), None)


def _own_mode(registry: Registry, scope: str | None) -> Mode | None:
    mode = registry.state.modes.get(scope)
    if mode is None and (scope is None or parse_subject(scope).is_global_context):
        return registry.settings.mode
    return mode


def _parse_mode(name: str) -> Mode:
    try:
        return Mode(name.upper())
    except ValueError:
        raise faults.invalid_mode() from None


def _emptying(registry: Registry, scope: str | None) -> list[LogRecord]:
    """The records that take away what is soft-deleted in a scope that has nothing else."""
    state = registry.state
    if state.has(scope):
        raise faults.not_permitted("Cannot import since found existing subjects")
    leaving: list[SchemaKey] = []
    for name in sorted(state.subjects_in(scope)):
        for schema in state.versions(name, deleted=True):
            if state.referrers(name, schema.version, deleted=True):
                raise faults.reference_exists(name, schema.version)
            leaving.append(SchemaKey(name, schema.version))
    records = state.id_marks(leaving)
    for key in leaving:
        records += state.records_of(key, None)
    return records + state.records_of(ClearSubjectKey(scope), Present())


def _wider(scope: str | None) -> tuple[str | None, str]:
    """The scopes around one, the nearest first."""
    return (scope_of(context_shown(scope)), _GLOBAL_SCOPE)


def _first(inner: T | None, outer: T | None) -> T | None:
    return outer if inner is None else inner
