"""Carries the controller's decisions to the parts of a node that act on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sprawl.core.groups.model import GroupConfig
from sprawl.gateway.server import ServerLimits

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.gateway.server import Server


class Followers:
    """The controller's `Listener`. It is made before the parts are, so `follow` comes later."""

    def __init__(self) -> None:
        self._parts: tuple[Broker, Server] | None = None

    def follow(self, broker: Broker, server: Server) -> None:
        """Act on these parts from now on."""
        self._parts = (broker, server)

    def topic_added(self, topic: TopicInfo) -> None:
        broker, _ = self._followed()
        broker.partitions.add_topic(
            topic.name, topic.id, topic.partition_count, broker.controller.log_config(topic)
        )

    def topic_moved(self, topic: TopicInfo) -> None:
        """Nothing moves on a node that is alone."""

    def nodes_changed(self) -> None:
        """A node that is alone knows itself."""

    def topic_configured(self, topic: TopicInfo) -> None:
        broker, _ = self._followed()
        broker.partitions.update_config(topic.name, broker.controller.log_config(topic))

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        broker, _ = self._followed()
        for topic in topics:
            broker.partitions.remove_topic(topic.id)
        broker.groups.topics_deleted([topic.name for topic in topics])

    def broker_configured(self, dynamic_default: Mapping[str, str], own: Mapping[str, str]) -> None:
        broker, server = self._followed()
        broker.config = broker.config.with_dynamic(dynamic_default, own)
        broker.groups.update_config(GroupConfig.from_broker(broker.config))
        server.limits = limits_of(broker.config)

    def _followed(self) -> tuple[Broker, Server]:
        assert self._parts is not None, "follow() comes before the controller loads"
        return self._parts


def limits_of(config: BrokerConfig) -> ServerLimits:
    """What the listeners take from the broker's configuration."""
    return ServerLimits(
        connections_max=config.max_connections,
        connections_per_ip_max=config.max_connections_per_ip,
        idle_ms_max=config.connections_max_idle_ms,
        request_bytes_max=config.socket_request_max_bytes,
    )
