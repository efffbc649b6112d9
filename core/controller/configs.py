"""Changes of configs judged against the controller's state, in its turn: two that come at once both
count, because the second one builds on what the first one left. Pure.

Source: KIP-226 (dynamic broker configs), KIP-339 (incremental changes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from sprawl.core.config.alteration import Change, altered, check_dynamic, parse_all
from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.topic import TOPIC_CONFIGS, validate_topic_configs
from sprawl.core.controller.state import VERSION, ControllerState, Record
from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from sprawl.core.config.broker import BrokerConfig

BROKER: Final = 4
"""Kafka's resource type of a broker; any other kind that comes here is a topic."""


def plan_replacement(
    state: ControllerState,
    kind: int,
    name: str,
    configs: Mapping[str, str],
    *,
    defaults: BrokerConfig,
) -> Record:
    """The record that replaces all overrides of a topic or a broker; broker "" is the cluster's
    defaults.

    Args:
        defaults: what topics go by where they say nothing.

    Raises:
        KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, INVALID_CONFIG, INVALID_REQUEST.
    """
    if kind != BROKER:
        topic = state.topic(name)
        validate_topic_configs(configs, defaults)
        return {
            "type": "topic configs",
            "version": VERSION,
            "id": str(topic.id),
            "configs": dict(configs),
        }
    before = _overrides(state, kind, name)
    check_dynamic(
        [key for key in {**before, **configs} if before.get(key) != configs.get(key)],
        BROKER_CONFIGS,
    )
    parse_all(configs, BROKER_CONFIGS)
    return {"type": "broker configs", "version": VERSION, "name": name, "configs": dict(configs)}


def plan_alteration(
    state: ControllerState,
    kind: int,
    name: str,
    changes: Iterable[Change],
    *,
    below: Mapping[str, str],
    defaults: BrokerConfig,
) -> Record:
    """The record that changes some overrides.

    Args:
        below: what is in force where nothing overrides it, by config: list operations build on it.

    Raises:
        KafkaFault: as plan_replacement.
    """
    overrides = _overrides(state, kind, name)
    weaker = state.broker_configs.get("", {}) if kind == BROKER else {}

    def in_force(key: str) -> str | None:
        return next((layer[key] for layer in (overrides, weaker, below) if key in layer), None)

    keys = BROKER_CONFIGS if kind == BROKER else TOPIC_CONFIGS
    configs = altered(overrides, changes, keys=keys, in_force=in_force)
    return plan_replacement(state, kind, name, configs, defaults=defaults)


def _overrides(state: ControllerState, kind: int, name: str) -> Mapping[str, str]:
    if kind != BROKER:
        return state.topic(name).configs
    if name and not any(name == str(node) for node in state.nodes):
        raise KafkaFault(ErrorCode.INVALID_REQUEST, f"No broker {name!r} is registered.")
    return state.broker_configs.get(name, {})
