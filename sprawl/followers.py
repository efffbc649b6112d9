"""Carries the controller's decisions to the parts of a node that act on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sprawl.core.groups.model import GroupConfig
from sprawl.core.groups.placement import OFFSETS_TOPIC
from sprawl.core.ids import LogKey, PartitionId, TopicPartition
from sprawl.core.partition.placement import Role, placements_of
from sprawl.gateway.server import ServerLimits
from sprawl.schema_registry.serving.topic import SCHEMAS_TOPIC

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.core.cluster.cluster import Cluster
    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.partition.partition import Partition
    from sprawl.gateway.server import Server


class Followers:
    """The controller's `Listener`. It is made before the parts are, so `follow` comes later.

    Args:
        schemas_changed: told when the topic of the schema registry comes, goes, or has another
            leader.
    """

    def __init__(self, cluster: Cluster, schemas_changed: Callable[[], None]) -> None:
        self._cluster = cluster
        self._schemas_changed = schemas_changed
        self._parts: tuple[Broker, Server] | None = None

    def follow(self, broker: Broker, server: Server) -> None:
        """Act on these parts from now on."""
        self._parts = (broker, server)
        self._cluster.leaving = broker.partitions.leaving
        self._cluster.on_let_go = broker.partitions.let_go

    def topic_added(self, topic: TopicInfo) -> None:
        broker, _ = self._followed()
        cluster = self._cluster

        def has_group(key: LogKey) -> bool:
            return cluster.ran_before(key) and not broker.partitions.has_let_go(key)

        placements = placements_of(topic, cluster.replica_id, has_group)
        config = broker.controller.log_config(topic)
        broker.partitions.add_topic(topic.name, topic.id, config, placements)
        if topic.name == OFFSETS_TOPIC:
            for index, placement in enumerate(placements):
                # Replicas tell by themselves when they lead: see `led`.
                if placement.role is Role.ALONE:
                    tp = TopicPartition(topic.name, PartitionId(index))
                    broker.groups.lead(index, broker.partitions.leader_epoch(tp))
        elif topic.name == SCHEMAS_TOPIC:
            self._schemas_changed()

    def led(self, partition: Partition, is_leader: bool) -> None:
        """A replicated partition begins or ends to be served here."""
        broker, _ = self._followed()
        if partition.tp.topic == SCHEMAS_TOPIC:
            self._schemas_changed()
        if partition.tp.topic != OFFSETS_TOPIC:
            return
        if is_leader:
            broker.groups.lead(partition.tp.partition, partition.leader_epoch)
        else:
            broker.groups.resign(partition.tp.partition)

    def topic_moved(self, topic: TopicInfo) -> None:
        self.topic_added(topic)

    def nodes_changed(self) -> None:
        self._cluster.nodes_changed()

    def topic_configured(self, topic: TopicInfo) -> None:
        broker, _ = self._followed()
        broker.partitions.update_config(topic.name, broker.controller.log_config(topic))

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        broker, _ = self._followed()
        for topic in topics:
            if topic.name == OFFSETS_TOPIC:
                for index in topic.partitions:
                    broker.groups.resign(index)
            broker.partitions.remove_topic(topic.id)
            if topic.name == SCHEMAS_TOPIC:
                self._schemas_changed()
            self._cluster.forget(LogKey(topic.id, index) for index in topic.partitions)
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
