"""Nodes of the DHT whose transport is this process: all arrives in the next turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from data_world import FakeClock

from sprawl.core.broker import Endpoint
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.cluster.hints import LeaderHint, LeaderHints
from sprawl.core.cluster.overlay import Overlay
from sprawl.core.cluster.overlay_identity import DirectoryPlaces, Places
from sprawl.core.cluster.peers import PeerIdentity, PeerUnreachable
from sprawl.core.cluster.routing import WHO_LEADS, Routing
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.topics import TopicInfo
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId, TopicName
from sprawl.core.raft.configuration import Configuration
from sprawl.core.storage.memory import MemoryKeyValueStore
from sprawl.core.storage.port import Buffer

CLUSTER_ID = "cluster"


def info_of(number: int) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(number),
        directory_id=UUID(int=number),
        endpoints={},
        peer=Endpoint("host", number),
    )


def identity_of(number: int) -> PeerIdentity:
    return PeerIdentity(node_id=BrokerId(number), directory_id=UUID(int=number), incarnation=1)


class FakeGroups:
    """The Raft groups of a node: whom each takes for the leader, and in which term."""

    def __init__(self, number: int) -> None:
        self.replica_id = ReplicaId(number)
        self.leaders: dict[LogKey, tuple[int, int]] = {}

    def group(self, key: LogKey) -> SimpleNamespace | None:
        found = self.leaders.get(key)
        if found is None:
            return None
        leader, term = found
        is_serving = leader == self.replica_id
        return SimpleNamespace(
            node=SimpleNamespace(leader=ReplicaId(leader), term=Term(term), is_serving=is_serving)
        )


class FakeController:
    """Topics, and whether anybody answers for them."""

    def __init__(self) -> None:
        self.by_id: dict[UUID, TopicInfo] = {}
        self.news: dict[UUID, TopicInfo] = {}
        self.is_away = False

    async def barrier(self) -> None:
        if self.is_away:
            raise KafkaFault(ErrorCode.REQUEST_TIMED_OUT)
        self.by_id |= self.news


class OverlayNode:
    """One node: the transport's part of it, and its parts that find routes."""

    def __init__(self, world: OverlayWorld, number: int, places: Places | None) -> None:
        self.number = number
        self.tls = None
        self.world = world
        self.receivers: dict[int, Callable[[PeerIdentity, memoryview], None]] = {}
        self.frames: list[tuple[int, int, bytes]] = []
        """Sent: to whom, of which kind, what."""
        self.questions: list[int] = []
        self.is_full = False
        self.book = AddressBook(MemoryKeyValueStore())
        self.book.update(world.infos, ReplicaId(len(world.infos) + 1))
        self.hints = LeaderHints()
        self.groups = FakeGroups(number)
        self.controller = FakeController()
        self.news: list[LogKey] = []
        self.overlay = Overlay(
            node_id=BrokerId(number),
            cluster_id=CLUSTER_ID,
            places=places or DirectoryPlaces(CLUSTER_ID, UUID(int=number)),
            transport=cast("Any", self),
            book=self.book,
            hints=self.hints,
            is_alive=self.is_alive,
            on_news=self.news.append,
            clock=world.clock,
            rng=Random(number),
        )
        self.routing = Routing(
            node_id=BrokerId(number),
            overlay=self.overlay,
            hints=self.hints,
            book=self.book,
            controller=cast("Any", self.controller),
            host=cast("Any", self.groups),
            calls=cast("Any", self),
            is_alive=self.is_alive,
            clock=world.clock,
        )

    def is_alive(self, node: BrokerId) -> bool:
        return node not in self.world.dead

    def on_message(self, kind: int, receive: Callable[[PeerIdentity, memoryview], None]) -> None:
        self.receivers[kind] = receive

    def send(self, to: BrokerId, kind: int, body: Sequence[Buffer]) -> bool:
        if self.is_full:
            return False
        frame = b"".join(body)
        self.frames.append((to, kind, frame))
        self.world.deliver(self.number, to, kind, frame)
        return True

    async def call(self, to: BrokerId, method: str, body: bytes, *, timeout_ms: int) -> bytes:
        assert method == WHO_LEADS
        self.questions.append(to)
        if to in self.world.dead:
            raise PeerUnreachable(to, "it is dead", was_sent=False)
        answer: Awaitable[bytes] = self.world.nodes[to].routing.answer(
            identity_of(self.number), memoryview(body)
        )
        return await answer


class OverlayWorld:
    """Nodes 1 to `count`.

    Args:
        places: how a node comes to its id; by its directory unless told.
    """

    def __init__(self, count: int, places: Callable[[int], Places] | None = None) -> None:
        self.clock = FakeClock()
        self.dead: set[int] = set()
        self.infos = [info_of(number) for number in range(1, count + 1)]
        self.nodes: dict[int, OverlayNode] = {}
        for number in range(1, count + 1):
            self.nodes[number] = OverlayNode(self, number, places and places(number))

    def __enter__(self) -> OverlayWorld:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.nodes.values():
            each.overlay.close()

    def deliver(self, sender: int, to: int, kind: int, frame: bytes) -> None:
        def arrive() -> None:
            if to not in self.dead and sender not in self.dead:
                node = self.nodes[to]
                node.receivers[kind](identity_of(sender), memoryview(frame))

        asyncio.get_running_loop().call_soon(arrive)

    def topic(self, partitions: int, number: int = 1) -> TopicInfo:
        """A topic with three replicas a partition, on one node after the other."""
        count = len(self.nodes)
        replicas = tuple(
            tuple(ReplicaId(1 + (index + place) % count) for place in range(3))
            for index in range(partitions)
        )
        topic = TopicInfo(
            name=TopicName(f"t{number}"),
            id=TopicId(UUID(int=1_000 + number)),
            replicas=replicas,
            founding=replicas,
            configs={},
        )
        for node in self.nodes.values():
            node.controller.by_id[topic.id] = topic
        return topic

    def lead(self, topic: TopicInfo, index: int, leader: int, term: int = 1) -> None:
        """A replica is elected, and says so."""
        hint = self.elect(topic, index, leader, term)
        configuration = Configuration.of(topic.replicas[index])
        key = LogKey(topic.id, index)
        self.nodes[leader].overlay.lead(key, hint, configuration, LogIndex(1))

    def elect(self, topic: TopicInfo, index: int, leader: int, term: int) -> LeaderHint:
        """A replica is elected; its group knows."""
        key = LogKey(topic.id, index)
        replicas = topic.replicas[index]
        for each in replicas:
            self.nodes[each].groups.leaders[key] = (leader, term)
            if each != leader:
                self.nodes[each].overlay.resign(key)
        hint = LeaderHint(Term(term), 1, ReplicaId(leader), replicas)
        self.nodes[leader].hints.lead(key, hint)
        return hint

    async def settle(self, turns: int = 200) -> None:
        """Let everything arrive."""
        for _ in range(turns):
            await asyncio.sleep(0)

    def outsider(self, topic: TopicInfo, index: int) -> OverlayNode:
        """A node that is not told of a partition."""
        key = LogKey(topic.id, index)
        return next(
            each
            for each in self.nodes.values()
            if each.groups.replica_id not in topic.replicas[index]
            and not each.overlay.is_settled(key)
        )
