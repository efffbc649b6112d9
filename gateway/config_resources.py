"""The resources that configs belong to, as DescribeConfigs and the two alter APIs name them.

Topics and brokers have configs here. A broker resource is this node by its id, or "" for the
defaults of the whole cluster (KIP-226), or another node that is registered: that one's dynamic
configs are known here, and can be changed, though it may be gone. Kafka answers for itself only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from sprawl.core.config.broker_keys import BROKER_CONFIGS
from sprawl.core.config.definition import ConfigKey
from sprawl.core.config.topic import (
    TOPIC_CONFIGS,
    effective_value,
    topic_synonyms,
)
from sprawl.core.errors import ErrorCode, KafkaFault

if TYPE_CHECKING:
    from sprawl.core.broker import Broker


class ResourceType(enum.IntEnum):
    """Kafka's ConfigResource types."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


def topic_config_values(
    overrides: Mapping[str, str], broker: Broker
) -> Iterator[tuple[str, str, int]]:
    """(name, value in force, source) of every topic config."""
    for name in TOPIC_CONFIGS:
        source = topic_synonyms(name, overrides, broker.config)[0].source
        yield name, effective_value(name, overrides, broker.config), source


class ConfigResource:
    """One topic or broker whose configs are asked for.

    Raises:
        KafkaFault: the resource does not exist, or its kind has no configs here.
    """

    __slots__ = ("_broker", "is_elsewhere", "keys", "kind", "name", "overrides")

    def __init__(self, broker: Broker, kind: int, name: str) -> None:
        check_kind(kind)
        self._broker = broker
        self.name = name
        self.is_elsewhere = False
        """It is another broker, of which only the dynamic configs are known."""
        self.keys: Mapping[str, ConfigKey]
        self.overrides: Mapping[str, str]
        if kind == ResourceType.TOPIC:
            info = broker.controller.topics.get(name)
            if info is None:
                raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            self.keys, self.overrides = TOPIC_CONFIGS, info.configs
        else:
            self.keys = BROKER_CONFIGS
            state = broker.controller.state
            if name in ("", str(broker.node_id)):
                config = broker.config
                self.overrides = config.dynamic_broker if name else config.dynamic_default
            elif any(name == str(node) for node in state.nodes):
                self.overrides = state.broker_configs.get(name, {})
                self.is_elsewhere = True
            else:
                raise KafkaFault(
                    ErrorCode.INVALID_REQUEST,
                    f"Unexpected broker id, expected {broker.node_id} or empty string,"
                    f" but received {name}",
                )
        self.kind = ResourceType(kind)

    def in_force(self, name: str) -> str | None:
        """The text in force for one of this resource's configs."""
        if name not in self.keys:
            return None
        if self.kind is ResourceType.TOPIC:
            return effective_value(name, self.overrides, self._broker.config)
        if self.is_elsewhere:
            return self.overrides.get(name)
        return self._broker.config.text(name)


def below_overrides(broker: Broker, kind: int, names: Iterable[str]) -> dict[str, str]:
    """What is in force for a resource's configs where no override of the cluster's says otherwise,
    as this node has it."""
    if kind == ResourceType.TOPIC:
        return {
            name: effective_value(name, {}, broker.config)
            for name in names
            if name in TOPIC_CONFIGS
        }
    static = broker.config.with_dynamic({}, {})
    texts = {name: static.text(name) for name in names if name in BROKER_CONFIGS}
    return {name: text for name, text in texts.items() if text is not None}


def check_kind(kind: int) -> None:
    """Do resources of this kind have configs that can be changed?

    Raises:
        KafkaFault: INVALID_REQUEST.
    """
    if kind == ResourceType.BROKER_LOGGER:
        raise KafkaFault(
            ErrorCode.INVALID_REQUEST,
            "Log levels cannot be changed at run time; start the node with --log-level",
        )
    if kind not in (ResourceType.TOPIC, ResourceType.BROKER):
        raise KafkaFault(ErrorCode.INVALID_REQUEST, f"Unsupported config resource type {kind}")
