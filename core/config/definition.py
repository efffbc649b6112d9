"""What one configuration is: name, type, default, the values it takes, and its words.

Values travel as text, as Kafka's protocol and files have them; `parse` turns text into a value or
says why it is none. Messages follow Kafka's own wording, which users search for.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

ConfigValue = bool | int | float | str | frozenset[str] | None
Check = Callable[[ConfigValue], str | None]
"""Returns why a parsed value is refused, or None."""


class ConfigType(enum.IntEnum):
    """DescribeConfigs' types (KIP-569)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigSource(enum.IntEnum):
    """Where a value comes from, as DescribeConfigs tells it (KIP-226)."""

    DYNAMIC_TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5


class Synonym(NamedTuple):
    """One place that gives a value, the strongest first in any list of them."""

    name: str
    value: str | None
    source: ConfigSource


_BOUNDS = {
    ConfigType.INT: (-(2**31), 2**31 - 1),
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.LONG: (-(2**63), 2**63 - 1),
}


class ConfigFault(ValueError):
    """A name or value that cannot be used, in Kafka's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigKey:
    """One configuration.

    Args:
        default: as text; None where Kafka has null.
        check: refuses values that the type alone would take.
        dynamic: may be changed while the broker runs (KIP-226).
        sensitive: never shown.
    """

    name: str
    type: ConfigType
    default: str | None
    doc: str
    unit: str = ""
    check: Check | None = None
    dynamic: bool = False
    sensitive: bool = False

    def parse(self, text: str | None) -> ConfigValue:
        """The value of a text; None stands for null, which only a null default allows.

        Raises:
            ConfigFault: why it cannot be used.
        """
        if text is None:
            if self.default is None:
                return None
            raise ConfigFault(f"Null value not supported for config {self.name}")
        value = self._typed(text.strip())
        refused = self.check(value) if self.check is not None else None
        if refused is not None:
            raise ConfigFault(f"Invalid value {text} for configuration {self.name}: {refused}")
        return value

    def _typed(self, text: str) -> ConfigValue:
        match self.type:
            case ConfigType.BOOLEAN:
                if text.lower() not in ("true", "false"):
                    raise self._not("Expected value to be either true or false", text)
                return text.lower() == "true"
            case ConfigType.INT | ConfigType.SHORT | ConfigType.LONG:
                return self._whole(text)
            case ConfigType.DOUBLE:
                try:
                    return float(text)
                except ValueError:
                    raise self._not("Not a number of type DOUBLE", text) from None
            case ConfigType.LIST:
                return frozenset(part.strip() for part in text.split(",") if part.strip())
            case _:
                return text

    def _whole(self, text: str) -> int:
        low, high = _BOUNDS[self.type]
        try:
            number = int(text)
        except ValueError:
            number = high + 1
        if not low <= number <= high:
            raise self._not(f"Not a number of type {self.type.name}", text)
        return number

    def _not(self, why: str, text: str) -> ConfigFault:
        return ConfigFault(f"Invalid value {text} for configuration {self.name}: {why}")


def table(*keys: ConfigKey) -> Mapping[str, ConfigKey]:
    """The keys by name."""
    return {key.name: key for key in keys}


def between(low: float | None, high: float | None = None) -> Check:
    """Numbers in [low, high]; None leaves a side open."""

    def check(value: ConfigValue) -> str | None:
        assert isinstance(value, int | float)
        if low is not None and value < low:
            return f"Value must be at least {low}"
        if high is not None and value > high:
            return f"Value must be no more than {high}"
        return None

    return check


def one_of(*choices: str) -> Check:
    """One of these texts."""

    def check(value: ConfigValue) -> str | None:
        return None if value in choices else f"String must be one of: {', '.join(choices)}"

    return check


def list_of(*choices: str) -> Check:
    """A list of some of these, at least one."""

    def check(value: ConfigValue) -> str | None:
        assert isinstance(value, frozenset)
        if not value:
            return "Configuration must not be empty"
        unknown = sorted(value - set(choices))
        return f"String must be one of: {', '.join(choices)}" if unknown else None

    return check


def only(value: ConfigValue, why: str) -> Check:
    """A config whose other values this broker does not honour, and so refuses."""

    def check(given: ConfigValue) -> str | None:
        return None if given == value else why

    return check
