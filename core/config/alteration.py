"""What a change of configs leaves: pure rules of IncrementalAlterConfigs and AlterConfigs.

Source: KIP-339 (operations), KIP-226 (which broker configs may change at run time).
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from sprawl.core.config.definition import ConfigFault, ConfigKey, ConfigType
from sprawl.core.errors import ErrorCode, KafkaFault


class Operation(enum.IntEnum):
    """What to do with one config."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Change(NamedTuple):
    """One operation on one config."""

    name: str
    operation: int
    value: str | None


def replaced(values: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The overrides after AlterConfigs, which names all of them.

    Raises:
        KafkaFault: INVALID_REQUEST for a name that stands there twice or a null value.
    """
    pairs = list(values)
    _refuse_duplicates(name for name, _ in pairs)
    _refuse_nulls(name for name, value in pairs if value is None)
    return {name: value for name, value in pairs if value is not None}


def altered(
    overrides: Mapping[str, str],
    changes: Iterable[Change],
    *,
    keys: Mapping[str, ConfigKey],
    in_force: Callable[[str], str | None],
) -> dict[str, str]:
    """The overrides after IncrementalAlterConfigs.

    Args:
        overrides: those before.
        keys: the configs that a resource of this kind has.
        in_force: the text in force, onto which a list operation builds.

    Raises:
        KafkaFault: INVALID_REQUEST, INVALID_CONFIG.
    """
    wanted = list(changes)
    _refuse_duplicates(change.name for change in wanted)
    _refuse_nulls(
        change.name
        for change in wanted
        if change.value is None and change.operation != Operation.DELETE
    )
    result = dict(overrides)
    for change in wanted:
        match change.operation:
            case Operation.SET:
                result[change.name] = change.value or ""
            case Operation.DELETE:
                result.pop(change.name, None)
            case Operation.APPEND | Operation.SUBTRACT:
                result[change.name] = _list_change(change, keys, in_force)
            case _:
                raise KafkaFault(
                    ErrorCode.INVALID_REQUEST, f"Unknown operation type {change.operation}"
                )
    return result


def check_dynamic(changed: Iterable[str], keys: Mapping[str, ConfigKey]) -> None:
    """Broker configs may change at run time only where they take effect then.

    Raises:
        KafkaFault: INVALID_CONFIG for an unknown name, INVALID_REQUEST for a fixed one.
    """
    names = list(changed)
    for name in names:
        if name not in keys:
            raise KafkaFault(ErrorCode.INVALID_CONFIG, f"Unknown broker config name: {name}")
    fixed = sorted(name for name in names if not keys[name].dynamic)
    if fixed:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST,
            f"Cannot update these configs dynamically: {', '.join(fixed)}",
        )


def _list_change(
    change: Change, keys: Mapping[str, ConfigKey], in_force: Callable[[str], str | None]
) -> str:
    key = keys.get(change.name)
    if key is None:
        raise KafkaFault(ErrorCode.INVALID_CONFIG, f"Unknown config name: {change.name}")
    verb = Operation(change.operation).name
    if key.type is not ConfigType.LIST:
        raise KafkaFault(
            ErrorCode.INVALID_CONFIG,
            f"Config value {verb.lower()} is not allowed for config key: {change.name}",
        )
    present = _items(in_force(change.name))
    given = _items(change.value)
    if change.operation == Operation.APPEND:
        present += [item for item in given if item not in present]
    else:
        present = [item for item in present if item not in given]
    return ",".join(present)


def _items(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _refuse_duplicates(names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST, f"Error due to duplicate config keys: {', '.join(twice)}"
        )


def _refuse_nulls(names: Iterable[str]) -> None:
    null = sorted(names)
    if null:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST, f"Null value not supported for: {', '.join(null)}"
        )


def parse_all(values: Mapping[str, str], keys: Mapping[str, ConfigKey]) -> None:
    """Check each value by its own key.

    Raises:
        KafkaFault: INVALID_CONFIG.
    """
    try:
        for name, text in values.items():
            keys[name].parse(text)
    except ConfigFault as fault:
        raise KafkaFault(ErrorCode.INVALID_CONFIG, str(fault)) from None
