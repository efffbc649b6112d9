"""The shell of the DHT: it carries its messages, keeps its time, and hears its news.

    replica leads ──lead──> Dht ──STORE──> batches ──one frame a node and turn──> Transport
    other nodes ──frame──> Dht ──news──> LeaderHints <──get── view, elections, ...
    routing ──lookup──> Dht

Rules:

1. Messages for one node go out together at the end of the loop's turn, one way: requests of the DHT
   have numbers and timeouts of their own, so that a call of the transport for each would only add a
   task and a timer on both sides.
2. Who is alive is what `is_alive` says; a node that comes into sight is told what it should hold,
   and one that takes nothing more now, a little later. So a record is missing where it should be
   only as long as its leader cannot reach that node.
3. A node is believed to lead when its record is signed by it, and names a replica of its own.
4. Nodes are `settled` about a partition when its leader tells them by itself: those nearest to its
   key. Among as many nodes as that, all are, and nobody ever has to look anything up.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from sprawl.core.clock import Instant
from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.cluster.overlay_identity import Members
from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.dht import Dht
from sprawl.core.dht.effects import (
    Alarm,
    AlarmKind,
    Effect,
    LookupDone,
    News,
    Send,
    StoreDone,
)
from sprawl.core.dht.ids import Key, NodeId, key_of, node_id_of
from sprawl.core.dht.messages import Store, StoreResult
from sprawl.core.dht.records import Claim
from sprawl.core.dht.settings import DhtSettings, Identity
from sprawl.core.dht.wire import encode, parse
from sprawl.core.errors import PeerFault
from sprawl.core.limits import (
    DHT_BATCH_BYTES_MAX,
    DHT_BATCH_MESSAGES_MAX,
    DHT_RECORD_REPLICAS_MAX,
    DHT_SETTLED_KEYS_MAX,
)
from sprawl.core.log_limit import LogLimit

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.clock import Clock
    from sprawl.core.cluster.address_book import AddressBook
    from sprawl.core.cluster.hints import LeaderHints
    from sprawl.core.cluster.overlay_identity import Places
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.cluster.transport import Transport
    from sprawl.core.dht.messages import Message
    from sprawl.core.dht.records import Record
    from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId
    from sprawl.core.raft.configuration import Configuration

_log = logging.getLogger(__name__)

TELL_AGAIN_S: Final = 1.0
"""After messages found no room in a node's queue."""
RECORDS_ENOUGH: Final = 3
"""Nodes with a record that end a lookup: its leader told eight of them, and a stale route costs a
hop."""
_MESSAGES: Final = 4
"""The kind of the transport's messages that carry ours."""
_VERSION: Final = b"\x01"
_LENGTH: Final = struct.Struct(">I")


@dataclass(slots=True, kw_only=True)
class OverlayCounters:
    """What this node's part of the DHT has done since it started."""

    lookups: int = 0
    lookups_found: int = 0
    lookup_hops: int = 0
    lookup_requests: int = 0
    lookup_ms: int = 0
    publications: int = 0
    publications_incomplete: int = 0
    """Some of the nodes that should hold the record did not say that they do."""
    records_sent: int = 0
    frames_sent: int = 0
    frames_dropped: int = 0
    messages_received: int = 0
    records_misplaced: int = 0
    """Records that name a replica of another node than the one that signed them."""
    alarms: int = 0


class Overlay:
    """See the module.

    Args:
        is_alive: whether a node can be reached: this node's own connections, or membership.
        on_news: told of each partition of which a later word was heard.
        rack: where this node is.
    """

    def __init__(
        self,
        *,
        node_id: BrokerId,
        cluster_id: str,
        places: Places,
        transport: Transport,
        book: AddressBook,
        hints: LeaderHints,
        is_alive: Callable[[BrokerId], bool],
        on_news: Callable[[LogKey], None],
        clock: Clock,
        rng: Random,
        rack: str | None = None,
        settings: DhtSettings | None = None,
    ) -> None:
        self.counters = OverlayCounters()
        self.settings = settings or DhtSettings(records_enough=RECORDS_ENOUGH)
        self.cluster_id = cluster_id
        self.node_id = node_id
        self._places = places
        self._transport = transport
        self._book = book
        self._hints = hints
        self.is_alive = is_alive
        self._on_news = on_news
        self._clock = clock
        self._members = Members(places.proof)
        own = Contact(node_id_of(places.credential), node_id, rack)
        self._members.learn(node_id, own.id)
        self.dht = Dht(
            self.settings,
            Identity(
                contact=own,
                cluster_id=cluster_id,
                credential=places.credential,
                signer=places.signer,
                trust=self._members,
            ),
            rng,
            self._now(),
            place=self._contact_of,
        )
        self._contacts: dict[BrokerId, Contact] = {}
        self.unplaced = 0
        """Registered nodes of which it is not known where they stand."""
        self._settled: dict[LogKey, bool] = {}
        self._outbox: dict[BrokerId, list[bytes]] = {}
        self._lookups: dict[Key, list[asyncio.Future[LookupDone]]] = {}
        self._untold: set[BrokerId] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._is_closed = False
        self._limit = LogLimit()
        transport.on_message(_MESSAGES, self._receive)
        self.members_changed()

    def close(self) -> None:
        """Say and hear nothing more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for futures in self._lookups.values():
            for future in futures:
                future.cancel()

    # --- members --------------------------------------------------------------------------------

    @property
    def own_id(self) -> NodeId:
        """Where this node stands."""
        return self.dht.table.own_id

    @property
    def ids(self) -> dict[BrokerId, NodeId]:
        """Where the registered nodes stand, as far as that is known; this one too."""
        return self._members.ids

    def members_changed(self) -> None:
        """The controller knows other nodes now."""
        known = [each.node_id for each in self._book.nodes]
        for node in [each for each in self._contacts if each not in known]:
            gone = self._contacts.pop(node)
            self._members.forget(node)
            self.dht.forget(gone.id)
            self.dht.records.drop_publisher(gone.id)
        before = set(self._contacts)
        for each in known:
            self._place(each)
        self._seed()
        for node, contact in self._contacts.items():
            # It may have been connected before it was known here who it is.
            if node not in before and self.is_alive(node):
                self._introduce(contact)

    def peer_found(self, node: BrokerId) -> None:
        """A node came into sight, and may have missed something."""
        self._place(node)
        self._seed()
        contact = self._contacts.get(node)
        if contact is not None:
            self._introduce(contact)

    def peer_lost(self, node: BrokerId) -> None:
        """A node is out of reach, and what was sent last perhaps lost."""
        contact = self._contacts.get(node)
        if contact is not None:
            self.dht.forget(contact.id)

    def _place(self, node: BrokerId) -> None:
        info = self._book.node(node)
        if info is None or node == self.node_id:
            return
        before = self._contacts.get(node)
        place = self._places.find(info) or (None if before is None else before.id)
        if place is None or (before is not None and (before.id, before.rack) == (place, info.rack)):
            return
        if before is not None and before.id != place:
            self.dht.forget(before.id)
        self._contacts[node] = Contact(place, node, info.rack)
        self._members.learn(node, place)

    def _seed(self) -> None:
        self._settled.clear()
        registered = sum(each.node_id != self.node_id for each in self._book.nodes)
        self.unplaced = registered - len(self._contacts)
        alive = [each for each in self._contacts.values() if self.is_alive(each.node)]
        self.dht.seed(alive)

    def _contact_of(self, replica: ReplicaId) -> Contact | None:
        node = self._book.node_of(replica)
        return self._contacts.get(node) if node is not None and self.is_alive(node) else None

    @property
    def is_small(self) -> bool:
        """Whether every node is told of every partition."""
        return len(self._contacts) + self.unplaced < self.settings.holders

    def is_settled(self, key: LogKey) -> bool:
        """Whether the leader of a partition tells this node by itself: it is one of the nodes
        nearest to its key, whichever others are away."""
        found = self._settled.get(key)
        if found is None:
            if len(self._settled) >= DHT_SETTLED_KEYS_MAX:
                self._settled.clear()
            target = key_of(self.cluster_id, key)
            own = self.own_id ^ target
            nearer = sum(each.id ^ target < own for each in self._contacts.values())
            # A node of which it is not known where it stands may be nearer.
            found = self._settled[key] = nearer + self.unplaced < self.settings.holders
        return found

    # --- what this node leads -------------------------------------------------------------------

    def lead(
        self, key: LogKey, hint: LeaderHint, configuration: Configuration, index: LogIndex
    ) -> None:
        """This node leads a partition, or its followers came or went.

        Args:
            configuration: in force, at `index` of the partition's log.
        """
        voters = (*configuration.voters, *configuration.outgoing)
        everybody = dict.fromkeys((hint.leader, *hint.in_sync, *voters, *configuration.members))
        replicas = tuple(everybody)[:DHT_RECORD_REPLICAS_MAX]
        in_sync = tuple(each for each in hint.in_sync if each in replicas)
        claim = Claim(key, hint.term, index, hint.leader, replicas, in_sync)
        effects = self.dht.store(claim, self._now())
        sequence = self.dht.sequence(key)
        if sequence is not None:
            hint = hint._replace(sequence=sequence)
        self._hints.lead(key, hint)
        self._do(effects)

    def resign(self, key: LogKey) -> None:
        """This node leads a partition no more."""
        self.dht.withdraw(key)
        self._hints.resign(key)

    def _introduce(self, contact: Contact) -> None:
        self._untold.discard(contact.node)
        self.dht.introduce(contact)
        self._schedule()

    # --- lookups --------------------------------------------------------------------------------

    async def lookup(self, key: LogKey) -> LookupDone:
        """Look a partition's record up; its news is in the hints by then. Equal lookups are one."""
        target = key_of(self.cluster_id, key)
        future: asyncio.Future[LookupDone] = asyncio.get_running_loop().create_future()
        self._lookups.setdefault(target, []).append(future)
        self._do(self.dht.lookup(target, self._now()))
        return await future

    def _looked_up(self, done: LookupDone) -> None:
        counters = self.counters
        counters.lookups += 1
        counters.lookups_found += done.record is not None
        counters.lookup_hops += done.hops
        counters.lookup_requests += done.requests
        counters.lookup_ms += done.took_ms
        if done.record is not None:
            self._learn(done.record)
        for future in self._lookups.pop(done.key, ()):
            if not future.done():
                future.set_result(done)

    # --- effects --------------------------------------------------------------------------------

    def _now(self) -> Instant:
        return Instant(self._clock.now_ms(), self._clock.monotonic_ms())

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self._post(effect.to, effect.message)
                case News(record):
                    self._learn(record)
                case LookupDone():
                    self._looked_up(effect)
                case StoreDone():
                    self.counters.publications += 1
                    self.counters.publications_incomplete += effect.stored < effect.asked
                case Alarm():
                    self._sound(effect)
                case _:
                    assert_never(effect)
        self._schedule()

    def _learn(self, record: Record) -> None:
        claim = record.claim
        if self._book.node_of(claim.leader) != record.node:
            self.counters.records_misplaced += 1
            return
        hint = LeaderHint(claim.term, record.sequence, claim.leader, claim.in_sync)
        if self._hints.merge(claim.log_key, hint):
            self._on_news(claim.log_key)

    def _sound(self, alarm: Alarm) -> None:
        self.counters.alarms += 1
        claim = alarm.record.claim
        is_of_node = alarm.kind is AlarmKind.CLOCKS
        about = alarm.record.node if is_of_node else claim.log_key
        if self._limit.admit((alarm.kind, about), self._clock.monotonic_ms()) is None:
            return
        if alarm.kind is AlarmKind.CLOCKS:
            _log.warning(
                "what node %d publishes is out of its time by the clock here, and not kept for"
                " others, who have to ask for its partitions; next: set the clocks of both nodes",
                alarm.record.node,
            )
            return
        if alarm.kind is AlarmKind.SUPERSEDED:
            _log.info(
                "%s-%d: others know of a later leader than this node in term %d; it hears of that"
                " by its group. Next, should it last: sprawl cluster lookup",
                *claim.log_key,
                claim.term,
            )
            return
        other = alarm.other
        _log.error(
            "%s-%d: nodes %d and %s both published that they lead in term %d: a bug, or a node that"
            " lies. Next: keep the logs of both and report it",
            *claim.log_key,
            alarm.record.node,
            None if other is None else other.node,
            claim.term,
        )

    def _schedule(self) -> None:
        deadline_ms = self.dht.next_deadline_ms
        timer = self._timer
        if self._is_closed or (timer is not None and self._timer_ms <= deadline_ms):
            return
        if timer is not None:
            timer.cancel()
        self._timer_ms = deadline_ms
        left_ms = max(0, deadline_ms - self._clock.monotonic_ms())
        self._timer = asyncio.get_running_loop().call_later(left_ms / 1_000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self.dht.tick(self._now()))

    # --- the wire -------------------------------------------------------------------------------

    def _post(self, to: Contact, message: Message) -> None:
        # A contact is somebody's word: nobody is dialed but the nodes of the cluster.
        if to.node not in self._contacts or self._is_closed:
            return
        self.counters.records_sent += isinstance(message, Store)
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.setdefault(to.node, []).append(encode(message))

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, {}
        if self._is_closed:
            return
        for node, messages in outbox.items():
            for frame in batches(messages):
                self._send(node, frame)

    def _send(self, node: BrokerId, frame: bytes) -> None:
        self.counters.frames_sent += 1
        if self._transport.send(node, _MESSAGES, [frame]):
            return
        self.counters.frames_dropped += 1
        # One that is not connected is told of everything when it is again.
        if self.is_alive(node) and node not in self._untold:
            self._untold.add(node)
            asyncio.get_running_loop().call_later(TELL_AGAIN_S, self._tell_again, node)

    def _tell_again(self, node: BrokerId) -> None:
        contact = self._contacts.get(node)
        if contact is not None and not self._is_closed:
            self._introduce(contact)

    def greet(self) -> None:
        """Say something to every node: it makes the connections, and so tells who is alive."""
        for each in self._book.nodes:
            if each.node_id != self.node_id and each.peer is not None:
                self._transport.send(each.node_id, _MESSAGES, [_VERSION])

    def _receive(self, peer: PeerIdentity, body: memoryview) -> None:
        sender = self._contacts.get(peer.node_id)
        if sender is None or self._is_closed:
            return
        now = self._now()
        effects: list[Effect] = []
        for message in parse_batch(bytes(body)):
            self.counters.messages_received += 1
            effects += self.dht.receive(message, sender, now)
        self._do(effects)

    # --- for metrics ----------------------------------------------------------------------------

    def refused(self, result: StoreResult) -> int:
        """Records that were not believed for one reason, stored here or brought by an answer."""
        return self.dht.records.counts[result] + self.dht.refused[result]


def batches(messages: list[bytes]) -> list[bytes]:
    """Messages for one node as few frames: u8 version, then each after its u32 length."""
    frames: list[bytes] = []
    parts = [_VERSION]
    size = count = 0
    for message in messages:
        if count == DHT_BATCH_MESSAGES_MAX or (
            count and size + _LENGTH.size + len(message) > DHT_BATCH_BYTES_MAX
        ):
            frames.append(b"".join(parts))
            parts, size, count = [_VERSION], 0, 0
        parts += [_LENGTH.pack(len(message)), message]
        size += _LENGTH.size + len(message)
        count += 1
    frames.append(b"".join(parts))
    return frames


def parse_batch(frame: bytes) -> list[Message]:
    """The messages of a frame.

    Raises:
        PeerFault: it is none, or has too many.
    """
    if not frame.startswith(_VERSION):
        raise PeerFault(f"a batch of DHT messages of version {frame[:1]!r}")
    found: list[Message] = []
    at = len(_VERSION)
    while at < len(frame):
        if len(found) == DHT_BATCH_MESSAGES_MAX:
            raise PeerFault(f"more than {DHT_BATCH_MESSAGES_MAX} DHT messages at once")
        if at + _LENGTH.size > len(frame):
            raise PeerFault("a batch of DHT messages ends in a length")
        (length,) = _LENGTH.unpack_from(frame, at)
        at += _LENGTH.size
        if length > len(frame) - at:
            raise PeerFault(f"a DHT message of {length} bytes where {len(frame) - at} are left")
        found.append(parse(frame[at : at + length]))
        at += length
    return found
