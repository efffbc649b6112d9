"""Finds out who leads partitions that this node is not told of.

    cached ──no, or old──> DHT ──no record, or of a node that is away──> a replica ──> the leader
                                                                             └── none knows ──>
                                          the controller: are the replicas somewhere else by now?

Rules:

1. Nothing is looked up that this node's leaders tell it by themselves: partitions with a replica
   here, and those near to which this node stands in the DHT. In a cluster of up to eight nodes
   these are all, so that an answer to a client never waits.
2. Of all others a route is good for ROUTE_FRESH_MS: nobody tells this node that it changed, and a
   client that was sent to the wrong node asks for metadata next, here perhaps.
3. What is looked for at once, by however many clients, is looked for once. Routes are sought
   together: one frame to each node that is asked, one call to each replica.
4. All of it ends within ROUTE_SEARCH_MS. What was not found has no leader for now, which is not to
   say that it does not exist: only the controller says that.
5. Only a leader's own word is kept: a replica names the leader, and then that one is asked.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sprawl.core.cluster.hints import LeaderHint, encode_hints, parse_hints
from sprawl.core.cluster.peers import PeerRefused, PeerUnreachable
from sprawl.core.errors import KafkaFault, PeerFault
from sprawl.core.ids import LogKey, TopicId
from sprawl.core.limits import DHT_LOOKUPS_MAX, ROUTE_QUESTION_KEYS_MAX, ROUTES_SOUGHT_MAX

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.hints import LeaderHints
    from sprawl.core.cluster.overlay import Overlay
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.controller.controller import Controller
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.ids import BrokerId, ReplicaId
    from sprawl.core.replication.copy_ports import Calls
    from sprawl.core.replication.host import RaftHost

ROUTE_FRESH_MS: Final = 1_000
"""How long a route that was looked up is not looked up again: what a client that was sent to the
wrong node may go on hearing. Apache Kafka's brokers learn of a new leader within about as long."""
ROUTE_MISSED_MS: Final = 250
"""And how long one that was not found: clients ask again after 100 ms."""
ROUTE_SEARCH_MS: Final = 1_500
"""How long a client's answer may wait for routes: a lookup past a dead node, two questions."""
DHT_SEARCH_MS: Final = 700
"""How long of it for the DHT; its lookups go around a node that does not answer in 100 ms."""
QUESTION_MS: Final = 300
"""How long one replica may take."""
WHO_LEADS: Final = "routes/leaders"
_KEY: Final = struct.Struct(">16si")


@dataclass(slots=True, kw_only=True)
class RoutingCounters:
    """Where routes came from, since the start."""

    cached: int = 0
    """Partitions of answers to clients that needed no search, where there was a choice."""
    sought: int = 0
    found_by_dht: int = 0
    found_by_replica: int = 0
    found_after_controller: int = 0
    not_found: int = 0
    questions: int = 0
    refused_full: int = 0
    """Not looked for, since ROUTES_SOUGHT_MAX were."""


class Routing:
    """See the module.

    Args:
        is_alive: whether a node can be reached.
        calls: to other nodes.
    """

    def __init__(
        self,
        *,
        node_id: BrokerId,
        overlay: Overlay,
        hints: LeaderHints,
        book: AddressBook,
        controller: Controller,
        host: RaftHost,
        calls: Calls,
        is_alive: Callable[[BrokerId], bool],
        clock: Clock,
    ) -> None:
        self.counters = RoutingCounters()
        self._node_id = node_id
        self._overlay = overlay
        self._hints = hints
        self._book = book
        self._controller = controller
        self._host = host
        self._calls = calls
        self._is_alive = is_alive
        self._clock = clock
        self._looked_up: dict[LogKey, int] = {}
        self._searches: dict[LogKey, asyncio.Task[None]] = {}

    # --- for handlers ---------------------------------------------------------------------------

    def search(self, places: Iterable[tuple[TopicInfo, Iterable[int]]]) -> Awaitable[None] | None:
        """Find out who leads these partitions, where that is not known.

        Returns:
            None when nothing is to be looked for: the answer can be given now. Otherwise what to
            wait for; cancelling that ends no search that others wait for.
        """
        if self._overlay.is_small:
            return None
        keys = [
            LogKey(topic.id, index)
            for topic, indexes in places
            for index in indexes
            if self._is_to_seek(topic, index)
        ]
        tasks = self._seek(keys)
        return _end_of(tasks) if tasks else None

    def search_behind(self, places: Iterable[tuple[TopicInfo, int]]) -> int:
        """As `search`, for who cannot wait and will ask again.

        Returns:
            Of how many it is not known yet whether anybody leads: they were never looked for.
        """
        if self._overlay.is_small:
            return 0
        keys = [
            LogKey(topic.id, index) for topic, index in places if self._is_to_seek(topic, index)
        ]
        if keys:
            self._seek(keys)
        return sum(key not in self._looked_up and not self.is_known(key) for key in keys)

    def doubt(self, key: LogKey) -> None:
        """The node that was taken for the leader said that it is not."""
        self._looked_up.pop(key, None)

    async def close(self) -> None:
        """Give up what is under way."""
        # In the order of their beginning, which the addresses of objects in a set are not.
        tasks = dict.fromkeys(self._searches.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def is_known(self, key: LogKey) -> bool:
        """Whether a node is taken for the leader that can be reached, and does not know better."""
        hint = self._hints.get(key)
        node = None if hint is None else self._book.node_of(hint.leader)
        if node is None:
            return False
        return self._is_alive(node) if node != self._node_id else self._leads(key)

    def _is_to_seek(self, topic: TopicInfo, index: int) -> bool:
        replicas = topic.replicas[index]
        if len(replicas) == 1 and topic.is_settled(index):
            return False  # it leads, or nobody does
        key = LogKey(topic.id, index)
        is_known = self.is_known(key)
        if is_known and (self._host.replica_id in replicas or self._overlay.is_settled(key)):
            return False
        since_ms = self._looked_up.get(key)
        good_ms = ROUTE_FRESH_MS if is_known else ROUTE_MISSED_MS
        if since_ms is not None and self._clock.monotonic_ms() - since_ms < good_ms:
            self.counters.cached += is_known
            return False
        return True

    def _leads(self, key: LogKey) -> bool:
        group = self._host.group(key)
        return group is not None and group.node.is_serving

    # --- searches -------------------------------------------------------------------------------

    def _seek(self, keys: list[LogKey]) -> list[asyncio.Task[None]]:
        under_way = map(self._searches.get, keys)
        tasks = list(dict.fromkeys(each for each in under_way if each is not None))
        new = [key for key in keys if key not in self._searches]
        room = ROUTES_SOUGHT_MAX - len(self._searches)
        self.counters.refused_full += max(0, len(new) - room)
        new = new[:room]
        if new:
            task = asyncio.get_running_loop().create_task(self._search(new))
            self._searches.update(dict.fromkeys(new, task))
            tasks.append(task)
        return tasks

    async def _search(self, keys: list[LogKey]) -> None:
        counters = self.counters
        counters.sought += len(keys)
        left = keys
        try:
            async with asyncio.timeout(ROUTE_SEARCH_MS / 1_000):
                await self._ask_dht(keys)
                left = self._unknown(keys)
                counters.found_by_dht += len(keys) - len(left)
                if left:
                    await self._ask_replicas(left)
                    still = self._unknown(left)
                    counters.found_by_replica += len(left) - len(still)
                    left = still
                if left:
                    await self._ask_where_they_went(left)
                    still = self._unknown(left)
                    counters.found_after_controller += len(left) - len(still)
                    left = still
        except (TimeoutError, KafkaFault):
            left = self._unknown(left)
        finally:
            counters.not_found += len(left)
            now_ms = self._clock.monotonic_ms()
            for key in keys:
                del self._searches[key]
                self._remember(key, now_ms)

    def _remember(self, key: LogKey, now_ms: int) -> None:
        # In the order of time, so that the first are those that count no more.
        self._looked_up.pop(key, None)
        self._looked_up[key] = now_ms
        while len(self._looked_up) > ROUTES_SOUGHT_MAX:
            del self._looked_up[next(iter(self._looked_up))]

    def _unknown(self, keys: list[LogKey]) -> list[LogKey]:
        return [key for key in keys if not self.is_known(key)]

    async def _ask_dht(self, keys: list[LogKey]) -> None:
        try:
            async with asyncio.timeout(DHT_SEARCH_MS / 1_000):
                for start in range(0, len(keys), DHT_LOOKUPS_MAX):
                    part = keys[start : start + DHT_LOOKUPS_MAX]
                    await asyncio.gather(*map(self._overlay.lookup, part))
        except TimeoutError:
            pass

    async def _ask_replicas(self, keys: list[LogKey]) -> None:
        """One replica of each partition, then the leader that it names."""
        named = await self._ask({key: self._replica_of(key) for key in keys})
        await self._ask(named)

    def _replica_of(self, key: LogKey, *, but: BrokerId | None = None) -> BrokerId | None:
        """A node with a replica, by what the controller says."""
        topic = self._controller.by_id.get(key.topic_id)
        if topic is None or key.partition not in topic.partitions:
            return None
        targets = (topic.moving, topic.lingering)
        may_hold = [each for target in targets for each in target.get(key.partition, ())]
        everywhere = (*may_hold, *topic.replicas[key.partition])
        nodes = [self._book.node_of(each) for each in everywhere]
        fit = [each for each in nodes if each is not None and each != but and self._can_ask(each)]
        # Spread, so that one node is not asked of all.
        return fit[key.partition % len(fit)] if fit else None

    def _can_ask(self, node: BrokerId) -> bool:
        return node != self._node_id and self._is_alive(node)

    async def _ask(self, whom: dict[LogKey, BrokerId | None]) -> dict[LogKey, BrokerId | None]:
        """Ask nodes, each of all its partitions at once.

        Returns:
            The partitions of which another node than the one asked is said to lead, and which.
        """
        by_node: dict[BrokerId, list[LogKey]] = {}
        for key, node in whom.items():
            if node is not None and self._can_ask(node):
                by_node.setdefault(node, []).append(key)
        questions = [
            self._ask_node(node, keys[start : start + ROUTE_QUESTION_KEYS_MAX])
            for node, keys in by_node.items()
            for start in range(0, len(keys), ROUTE_QUESTION_KEYS_MAX)
        ]
        named: dict[LogKey, BrokerId | None] = {}
        for found in await asyncio.gather(*questions):
            named |= found
        return named

    async def _ask_node(self, node: BrokerId, keys: list[LogKey]) -> dict[LogKey, BrokerId | None]:
        asked = set(keys)
        named: dict[LogKey, BrokerId | None] = {}
        for key, hint in await self._question(node, keys) or ():
            leader = self._book.node_of(hint.leader)
            if key not in asked or leader is None:
                continue
            if leader == node:
                self._hints.merge(key, hint)
            else:
                named[key] = leader
        return named

    async def _question(
        self, node: BrokerId, keys: list[LogKey]
    ) -> list[tuple[LogKey, LeaderHint]] | None:
        """What a node says of who leads these partitions; None when it does not answer."""
        self.counters.questions += 1
        body = b"".join(_KEY.pack(key.topic_id.bytes, key.partition) for key in keys)
        try:
            answer = await self._calls.call(node, WHO_LEADS, body, timeout_ms=QUESTION_MS)
            return parse_hints(memoryview(answer))
        except (PeerRefused, PeerUnreachable, PeerFault):
            return None

    async def _ask_where_they_went(self, keys: list[LogKey]) -> None:
        """No replica that is known here knows a leader: this node may be behind the controller."""
        before = {key: self._replicas(key) for key in keys}
        await self._controller.barrier()
        moved = [key for key in keys if self._replicas(key) != before[key]]
        if moved:
            await self._ask_replicas(moved)

    def _replicas(self, key: LogKey) -> object:
        topic = self._controller.by_id.get(key.topic_id)
        if topic is None or key.partition not in topic.partitions:
            return None
        return topic.replicas[key.partition], topic.moving.get(key.partition)

    # --- for people -----------------------------------------------------------------------------

    def cached(self, key: LogKey) -> LeaderHint | None:
        """What clients would be told now."""
        return self._hints.get(key)

    async def ask_everybody(
        self, key: LogKey, replicas: Iterable[ReplicaId]
    ) -> dict[BrokerId, LeaderHint | None]:
        """What each replica that answers says of who leads; this node's own too."""
        nodes = [node for each in replicas if (node := self._book.node_of(each)) is not None]
        answers = await asyncio.gather(
            *(self._question(node, [key]) for node in nodes if self._can_ask(node))
        )
        others = zip(filter(self._can_ask, nodes), answers, strict=True)
        words = {node: dict(found).get(key) for node, found in others if found is not None}
        if self._node_id in nodes:
            words[self._node_id] = self.own_word(key)
        return words

    # --- for others -----------------------------------------------------------------------------

    def own_word(self, key: LogKey) -> LeaderHint | None:
        """Who leads a partition of which there is a replica here, by its group."""
        group = self._host.group(key)
        if group is None:
            return None
        hint = self._hints.get(key)
        if group.node.is_serving:
            return hint if hint is not None and hint.leader == self._host.replica_id else None
        leader: ReplicaId | None = group.node.leader
        if leader is None or leader == self._host.replica_id:
            return None
        if hint is not None and hint.term == group.node.term:
            return hint
        return LeaderHint(group.node.term, 0, leader, (leader,))

    async def answer(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer routes/leaders.

        Raises:
            PeerFault: the question is none.
        """
        if len(body) % _KEY.size or len(body) > _KEY.size * ROUTE_QUESTION_KEYS_MAX:
            raise PeerFault(f"a question for routes of {len(body)} bytes")
        found = []
        for topic_id, partition in _KEY.iter_unpack(body):
            key = LogKey(TopicId(UUID(bytes=topic_id)), partition)
            hint = self.own_word(key)
            if hint is not None:
                found.append((key, hint))
        return encode_hints(found)


async def _end_of(searches: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(searches)
