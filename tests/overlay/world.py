"""Many memberships, one event heap and a lossy network: light enough for a thousand nodes.

Packets are the real bytes. Time is in whole milliseconds and starts at 0. Everything follows from
the seed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.gossip import wire
from sprawl.core.gossip.digest import HotGroup, LoadDigest
from sprawl.core.gossip.keyring import Keyring
from sprawl.core.gossip.membership import Membership
from sprawl.core.gossip.model import (
    AnswerState,
    Departed,
    Effect,
    Event,
    MemberId,
    MemberState,
    Send,
    SendState,
)
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.ids import BrokerId, LogKey, TopicId

LATENCY_MS = (1, 3)
"""Of a packet: a data centre, and the time slice of a busy host."""
STREAM_MS = (2, 8)
"""Of each half of an exchange over the reliable channel: connection included."""


@dataclass(slots=True, kw_only=True)
class Node:
    """A member of the world: what runs on one machine."""

    index: int
    id: MemberId
    address: PeerAddress
    membership: Membership | None = None
    side: int = 0
    """Of a partition: nodes of different sides do not reach each other."""
    wake_ms: int = -1
    is_stopped: bool = False
    """Stands still: neither packets nor timers."""
    is_mute: bool = False
    """Timers run, but packets wait before they are sent and after they were received: the anomaly
    of the Lifeguard paper, section V.C."""
    held: list[Callable[[], None]] = field(default_factory=list)
    epochs: int = 0


class World:
    """See the module.

    Args:
        loss: share of the packets that are lost, each way.
        told: is called with (now_ms, observer, event) for every event of every node.
    """

    def __init__(
        self,
        *,
        nodes: int,
        seed: int,
        loss: float = 0.0,
        settings: GossipSettings | None = None,
        told: Callable[[int, Node, Event], None] | None = None,
        keys: Iterable[bytes] = (),
    ) -> None:
        self.now_ms = 0
        self.loss = loss
        self.settings = settings or GossipSettings()
        self.rng = random.Random(f"network {seed}")
        self.packets_lost = 0
        self._seed = seed
        self._told = told
        self._keys = tuple(keys)
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self.nodes = [self._node(index) for index in range(nodes)]
        self._by_address = {node.address: node for node in self.nodes}

    def _node(self, index: int) -> Node:
        directory = random.Random(f"directory {self._seed} {index}").randbytes(16)
        return Node(
            index=index,
            id=MemberId(BrokerId(index), UUID(bytes=directory)),
            address=PeerAddress(f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}", 7946),
        )

    # --- what happens to nodes ----------------------------------------------------------------

    def start(self, node: Node, seeds: Iterable[Node] = ()) -> None:
        """A process starts, with a larger epoch than the one before, and joins."""
        self._make(node)
        assert node.membership is not None
        self._take(node, node.membership.join([s.address for s in seeds], self.now_ms))

    def start_settled(self) -> None:
        """All nodes start and know each other, as if they had been up for long."""
        for node in self.nodes:
            self._make(node)
        entries = []
        for node in self.nodes:
            assert node.membership is not None
            me = node.membership.me
            alive = wire.Alive(me.id, me.epoch, me.incarnation, me.address)
            entries.append(wire.StateEntry(MemberState.ALIVE, alive, 0, b""))
        for node in self.nodes:
            membership = node.membership
            assert membership is not None
            for entry in entries:
                membership._roster.hear_entry(entry, node.id, 0)
                membership._news.discard(entry.alive.id)
            membership._taken(0)
            self._schedule(node)

    def _make(self, node: Node) -> None:
        node.epochs += 1
        rng = random.Random(f"node {self._seed} {node.index} {node.epochs}")
        epoch = self.now_ms + 1_000 * node.epochs
        keyring = Keyring(node.id, self._keys, rng.randbytes(4)) if self._keys else None
        node.membership = Membership(
            settings=self.settings,
            me=node.id,
            address=node.address,
            epoch=epoch,
            rng=rng,
            now_ms=self.now_ms,
            keyring=keyring,
        )
        node.is_stopped = node.is_mute = False
        node.held.clear()
        node.wake_ms = -1

    def crash(self, node: Node) -> None:
        node.membership = None

    def leave(self, node: Node) -> None:
        assert node.membership is not None
        self._take(node, node.membership.leave(self.now_ms))

    def stop(self, node: Node) -> None:
        node.is_stopped = True

    def mute(self, node: Node) -> None:
        node.is_mute = True

    def resume(self, node: Node) -> None:
        """What was held up goes on, in order."""
        was_stopped, node.is_stopped, node.is_mute = node.is_stopped, False, False
        if was_stopped and node.membership is not None:
            node.wake_ms = self.now_ms
            self._wake(node, node.membership)
        held, node.held = node.held, []
        for go_on in held:
            go_on()

    def update_digest(self, node: Node) -> None:
        """A load as the node could measure it."""
        if node.membership is None:
            return
        rng = self.rng
        hot = tuple(
            HotGroup(LogKey(TopicId(UUID(int=rng.getrandbits(128))), 3), rng.getrandbits(24))
            for _ in range(3)
        )
        digest = LoadDigest(rng.randrange(10_000), 300, 1_000, 300, 10**6, 10**6, 4_000, hot)
        node.membership.update_digest(digest, self.now_ms)
        self._schedule(node)

    # --- time ---------------------------------------------------------------------------------

    def at(self, when_ms: int, what: Callable[..., None], *args: Any) -> None:
        """Have something happen."""
        self._sequence += 1
        heapq.heappush(self._heap, (when_ms, self._sequence, what, args))

    def run_until(self, when_ms: int) -> None:
        """Let everything happen that is due up to this time."""
        heap = self._heap
        while heap and heap[0][0] <= when_ms:
            self.now_ms, _, what, args = heapq.heappop(heap)
            what(*args)
        self.now_ms = when_ms

    def _schedule(self, node: Node) -> None:
        membership = node.membership
        if membership is None or node.is_stopped:
            return
        due_ms = max(membership.deadline_ms, self.now_ms)
        if node.wake_ms < 0 or due_ms < node.wake_ms:
            node.wake_ms = due_ms
            self.at(due_ms, self._wake, node, membership)

    def _wake(self, node: Node, membership: Membership) -> None:
        if node.membership is not membership or node.wake_ms != self.now_ms or node.is_stopped:
            return
        node.wake_ms = -1
        if membership.deadline_ms <= self.now_ms:
            self._take(node, membership.tick(self.now_ms))
        else:
            self._schedule(node)

    # --- the network --------------------------------------------------------------------------

    def _take(self, node: Node, effects: list[Effect], asker: Node | None = None) -> None:
        for effect in effects:
            match effect:
                case Send(address, data):
                    self._hold_or(node, lambda a=address, d=data: self._send(node, a, d))
                case Event():
                    if self._told is not None:
                        self._told(self.now_ms, node, effect)
                case SendState(address, data):
                    self._hold_or(node, lambda a=address, d=data: self._stream(node, a, d))
                case AnswerState(data):
                    assert asker is not None
                    self._hold_or(node, lambda d=data: self._stream(node, asker.address, d))
                case Departed():
                    node.membership = None
        self._schedule(node)

    def _hold_or(self, node: Node, act: Callable[[], None]) -> None:
        if node.is_mute or node.is_stopped:
            node.held.append(act)
        else:
            act()

    def _send(self, node: Node, address: PeerAddress, data: bytes) -> None:
        target = self._by_address.get(address)
        if target is None or target.side != node.side or self.rng.random() < self.loss:
            self.packets_lost += 1
            return
        low, high = LATENCY_MS
        delay_ms = low + int(self.rng.random() * (high - low + 1))
        self.at(self.now_ms + delay_ms, self._deliver, target, node.address, data)

    def _deliver(self, target: Node, sender: PeerAddress, data: bytes) -> None:
        membership = target.membership
        if membership is None:
            return
        if target.is_mute or target.is_stopped:
            target.held.append(lambda: self._deliver(target, sender, data))
            return
        self._take(target, membership.receive(data, sender, self.now_ms))

    def _stream(self, node: Node, address: PeerAddress, data: bytes) -> None:
        target = self._by_address.get(address)
        if target is None or target.side != node.side:
            return
        self.at(self.now_ms + self.rng.randint(*STREAM_MS), self._deliver_state, target, node, data)

    def _deliver_state(self, target: Node, sender: Node, data: bytes) -> None:
        membership = target.membership
        if membership is None or target.side != sender.side:
            return
        if target.is_mute or target.is_stopped:
            target.held.append(lambda: self._deliver_state(target, sender, data))
            return
        self._take(target, membership.receive_state(data, self.now_ms), sender)

    # --- looking ------------------------------------------------------------------------------

    def running(self) -> list[tuple[Node, Membership]]:
        return [(node, node.membership) for node in self.nodes if node.membership is not None]

    def agrees(self) -> bool:
        """Does every running node see exactly the running ones as alive?"""
        running = self.running()
        wanted = {node.id for node, _ in running}
        return all(
            membership.present_count == len(wanted)
            and all(m.state is MemberState.ALIVE for m in membership.members() if m.id in wanted)
            for _, membership in running
        )
