"""The broker's configuration: three layers of overrides over Kafka's defaults.

    dynamic for this broker > dynamic for the cluster > static (flags, environment, file) > default

Only configs that this broker honours, or that tools read to learn what it is, are known; another
name is refused, as is a value that would have no effect. `log.*` configs give topics their defaults
(core/config/topic.py).

Source: Kafka's broker configs of 4.3; KIP-226 for the layers and their precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.definition import (
    ConfigFault,
    ConfigKey,
    ConfigSource,
    ConfigValue,
    Synonym,
)

_HOUR_MS = 3_600_000
_LADDERS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "log.retention.ms": (
        ("log.retention.ms", 1),
        ("log.retention.minutes", 60_000),
        ("log.retention.hours", _HOUR_MS),
    ),
    "log.roll.ms": (("log.roll.ms", 1), ("log.roll.hours", _HOUR_MS)),
    "log.roll.jitter.ms": (("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", _HOUR_MS)),
    "log.flush.interval.ms": (
        ("log.flush.interval.ms", 1),
        ("log.flush.scheduler.interval.ms", 1),
    ),
}
"""Names that stand for the same thing in other units, the strongest first, with milliseconds a
unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """The values in force. Fields are the configs that the broker's own code reads, by Kafka's
    names with `_` for `.`; all others are texts by name."""

    static: Mapping[str, str] = field(default_factory=dict)
    dynamic_default: Mapping[str, str] = field(default_factory=dict)
    dynamic_broker: Mapping[str, str] = field(default_factory=dict)

    auto_create_topics_enable: bool
    connections_max_idle_ms: int
    default_replication_factor: int
    delete_topic_enable: bool
    fetch_max_bytes: int
    group_initial_rebalance_delay_ms: int
    group_max_session_timeout_ms: int
    group_max_size: int
    group_min_session_timeout_ms: int
    log_cleaner_backoff_ms: int
    log_cleaner_enable: bool
    log_retention_check_interval_ms: int
    log_scrub_interval_ms: int
    max_connections: int
    max_connections_per_ip: int
    metadata_log_max_record_bytes_between_snapshots: int
    num_partitions: int
    offset_metadata_max_bytes: int
    offsets_retention_check_interval_ms: int
    offsets_retention_minutes: int
    offsets_topic_num_partitions: int
    offsets_topic_replication_factor: int
    offsets_topic_segment_bytes: int
    producer_id_expiration_check_interval_ms: int
    producer_id_expiration_ms: int
    replica_selector_class: str
    socket_request_max_bytes: int

    @classmethod
    def from_overrides(cls, static: Mapping[str, str]) -> Self:
        """The configuration of a broker that starts.

        Args:
            static: text by Kafka's config name.

        Raises:
            ConfigFault: an unknown name, or a value that cannot be used.
        """
        for name, text in static.items():
            broker_key(name).parse(text)
        return cls(static=dict(static), **_values(static, {}, {}))

    def with_dynamic(
        self, dynamic_default: Mapping[str, str], dynamic_broker: Mapping[str, str]
    ) -> Self:
        """The configuration with other dynamic layers.

        Raises:
            ConfigFault: a value that cannot be used.
        """
        for name, text in (*dynamic_default.items(), *dynamic_broker.items()):
            broker_key(name).parse(text)
        return replace(
            self,
            dynamic_default=dict(dynamic_default),
            dynamic_broker=dict(dynamic_broker),
            **_values(self.static, dynamic_default, dynamic_broker),
        )

    def synonyms(self, name: str) -> list[Synonym]:
        """Every place that gives this config a value, the one in force first."""
        ladder = [alias for alias, _ in _LADDERS.get(name, ((name, 1),))]
        layers = (
            (self.dynamic_broker, ConfigSource.DYNAMIC_BROKER_CONFIG),
            (self.dynamic_default, ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
            (self.static, ConfigSource.STATIC_BROKER_CONFIG),
        )
        found = [
            Synonym(alias, layer[alias], source)
            for alias in ladder
            for layer, source in layers
            if alias in layer
        ]
        for alias in ladder:
            default = broker_key(alias).default
            if default is not None or ladder == [alias]:
                found.append(Synonym(alias, default, ConfigSource.DEFAULT_CONFIG))
        return found

    def text(self, name: str) -> str | None:
        """The text in force, in this config's own unit."""
        strongest = self.synonyms(name)[0]
        for alias, unit_ms in _LADDERS.get(name, ()):
            if alias == strongest.name and strongest.value is not None and unit_ms != 1:
                number = int(strongest.value)
                return str(number if number < 0 else number * unit_ms)
        return strongest.value

    def value(self, name: str) -> ConfigValue:
        """The value in force."""
        return broker_key(name).parse(self.text(name))


def broker_key(name: str) -> ConfigKey:
    """What is known of a broker config.

    Raises:
        ConfigFault: nothing is.
    """
    key = BROKER_CONFIGS.get(name)
    if key is None:
        raise ConfigFault(f"Unknown broker config name: {name}")
    return key


def _values(*weakest_first: Mapping[str, str]) -> dict[str, Any]:
    """The typed fields."""
    values: dict[str, Any] = {}
    for item in fields(BrokerConfig):
        if item.name in _LAYER_FIELDS:
            continue
        key = BROKER_CONFIGS[item.name.replace("_", ".")]
        text = key.default
        for layer in weakest_first:
            text = layer.get(key.name, text)
        values[item.name] = key.parse(text)
    return values


_LAYER_FIELDS = frozenset({"static", "dynamic_default", "dynamic_broker"})
