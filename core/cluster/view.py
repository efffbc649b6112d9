"""The cluster as this node sees it now: what Metadata and its kin tell clients.

Which nodes, topics and replicas there are comes from the controller; who leads comes from hints,
and who is alive from this node's own connections. So an answer may be stale, as any broker's
metadata may be: a client that follows it is sent on, or retries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sprawl.core.controller.topics import TopicInfo
from sprawl.core.ids import BrokerId, LogKey, PartitionId, ReplicaId, TopicPartition

if TYPE_CHECKING:
    from sprawl.core.broker import Endpoint
    from sprawl.core.cluster.hints import LeaderHints
    from sprawl.core.cluster.routing import Routing
    from sprawl.core.controller.state import ControllerState
    from sprawl.core.partition.registry import Partitions

NO_LEADER = -1


class BrokerView(NamedTuple):
    """A broker at its address on one listener."""

    node_id: int
    host: str
    port: int
    rack: str | None


class PartitionView(NamedTuple):
    """Where a partition is, in Kafka's broker ids.

    Args:
        leader_id: -1 when none is known or the one that was is not reachable.
        leader_epoch: the newest term heard of; -1 when there is none.
        isr: the replicas that follow the leader closely.
        offline: the replicas on nodes that this node cannot reach.
    """

    leader_id: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


class QuorumMember(NamedTuple):
    """A replica of the controller's log.

    Args:
        log_end_offset: how far it is known to have the log; -1 when this node does not know.
    """

    node_id: int
    directory_id: UUID
    log_end_offset: int


class Quorum(NamedTuple):
    """The controller's Raft group, as this node knows it."""

    leader_id: int
    leader_epoch: int
    high_watermark: int
    voters: list[QuorumMember]
    observers: list[QuorumMember]


class ClusterView:
    """See the module.

    Args:
        node_id: this node.
        endpoints: its own advertised addresses by listener name.
        rack: its own.
        is_alive: whether this node has contact with another one.
        quorum: the controller's group.
        routing: finds leaders that are not known here; None for a node that is alone.
    """

    def __init__(
        self,
        *,
        node_id: BrokerId,
        state: ControllerState,
        hints: LeaderHints,
        partitions: Partitions,
        endpoints: Mapping[str, Endpoint],
        rack: str | None,
        is_alive: Callable[[BrokerId], bool],
        controller: Callable[[], BrokerId | None],
        quorum: Callable[[], Quorum],
        routing: Callable[[], Routing | None] = lambda: None,
    ) -> None:
        self._node_id = node_id
        self._state = state
        self._hints = hints
        self._partitions = partitions
        self._endpoints = endpoints
        self._rack = rack
        self._is_alive = is_alive
        self._controller = controller
        self.quorum = quorum
        self._routing = routing

    def brokers(self, listener: str) -> list[BrokerView]:
        """The brokers that can be reached, by their addresses on a listener, in order of their ids.

        A node that has no such listener is left out: its clients cannot go there.
        """
        others = (self.broker(node, listener) for node in self._state.nodes if self.is_alive(node))
        found = {each.node_id: each for each in others if each is not None}
        own = self.broker(self._node_id, listener)
        if own is not None:
            found[own.node_id] = own
        return [found[node] for node in sorted(found)]

    def unreachable_brokers(self, listener: str) -> list[BrokerView]:
        """The brokers that are registered and cannot be reached, in order of their ids."""
        away = (node for node in sorted(self._state.nodes) if not self.is_alive(node))
        return [found for node in away if (found := self.broker(node, listener)) is not None]

    def broker(self, node: int, listener: str) -> BrokerView | None:
        """One broker's address on a listener; None for an unknown one."""
        if node == self._node_id:
            own = self._endpoints.get(listener)
            return None if own is None else BrokerView(node, own.host, own.port, self._rack)
        known = self._state.nodes.get(BrokerId(node))
        place = None if known is None else known.endpoints.get(listener)
        if known is None or place is None:
            return None
        return BrokerView(node, place.host, place.port, known.rack)

    def in_rack(self, replicas: Iterable[ReplicaId], rack: str, listener: str) -> int | None:
        """The first of these replicas' brokers that is in a rack, and that clients of a listener
        can reach; None: none is."""
        for node in self._state.brokers_of(replicas):
            found = self.broker(node, listener)
            if found is not None and found.rack == rack and self.is_alive(node):
                return found.node_id
        return None

    def is_alive(self, node: BrokerId) -> bool:
        """Whether a node can be reached from here; this one can."""
        return node == self._node_id or self._is_alive(node)

    def controller_id(self) -> int:
        """A broker that takes administrative requests: every one does, the leader without a hop."""
        leader = self._controller()
        return self._node_id if leader is None or not self.is_alive(leader) else leader

    def find_leaders(
        self, places: Iterable[tuple[TopicInfo, Iterable[int]]]
    ) -> Awaitable[None] | None:
        """Find out who leads these partitions before clients are told: see Routing.search. None
        when nothing has to be waited for."""
        routing = self._routing()
        return None if routing is None else routing.search(places)

    def find_leaders_behind(self, places: Iterable[tuple[TopicInfo, int]]) -> int:
        """Find out who leads these partitions, for those who ask after this one. Of how many it is
        not known yet whether anybody does: see Routing.search_behind."""
        routing = self._routing()
        return 0 if routing is None else routing.search_behind(places)

    def partition(self, topic: TopicInfo, index: int) -> PartitionView:
        """One partition of a topic."""
        state = self._state
        replicas = topic.replicas[index]
        everywhere = list(replicas)
        if index in topic.moving:
            # As in Kafka, those of a target that was changed are there until the move has arrived.
            others = (*topic.moving[index], *topic.lingering.get(index, ()))
            everywhere = list(dict.fromkeys((*replicas, *others)))
        brokers = state.brokers_of(everywhere)
        leader, epoch, in_sync = self._leader(topic, index, replicas)
        offline = [node for node in brokers if node < 0 or not self.is_alive(node)]
        # A leader that hibernates does not notice at once that a follower is gone.
        isr = sorted(node for node in state.brokers_of(in_sync) if node not in offline)
        return PartitionView(leader, epoch, _plain(brokers), _plain(isr), _plain(offline))

    def leader(self, topic: TopicInfo, index: int) -> int:
        """The broker that leads a partition, as far as is known here; -1: none."""
        return self._leader(topic, index, topic.replicas[index])[0]

    def _leader(
        self, topic: TopicInfo, index: int, replicas: tuple[ReplicaId, ...]
    ) -> tuple[int, int, tuple[ReplicaId, ...]]:
        """(broker or -1, leader epoch or -1, replicas in sync)."""
        if len(replicas) == 1 and topic.is_settled(index):
            return self._only_replica(topic, index, replicas)
        hint = self._hints.get(LogKey(topic.id, index))
        if hint is None:
            return NO_LEADER, -1, ()
        [node] = self._state.brokers_of([hint.leader])
        if node < 0 or not self.is_alive(node):
            return NO_LEADER, hint.term, ()
        return node, hint.term, hint.in_sync

    def _only_replica(
        self, topic: TopicInfo, index: int, replicas: tuple[ReplicaId, ...]
    ) -> tuple[int, int, tuple[ReplicaId, ...]]:
        [node] = self._state.brokers_of(replicas)
        if node == self._node_id:
            tp = TopicPartition(topic.name, PartitionId(index))
            return node, self._partitions.leader_epoch(tp), replicas
        if node < 0 or not self._is_alive(node):
            return NO_LEADER, -1, ()
        hint = self._hints.get(LogKey(topic.id, index))
        return node, -1 if hint is None else hint.term, replicas


def _plain(brokers: list[BrokerId]) -> list[int]:
    return list(map(int, brokers))
