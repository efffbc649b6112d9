"""A network of DHT nodes in virtual time: messages take a while, may come to nobody, or to a liar.

Node numbers are places in lists; a node's contact carries its number as broker id, so that sending
is one list access. The nodes are the shipped `Dht`, unchanged; only signing is cheap here, since
10,000 nodes of Ed25519 would measure OpenSSL.
"""

from __future__ import annotations

import heapq
import resource
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from random import Random
from uuid import UUID

from sprawl.core.clock import Instant
from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.dht import Dht
from sprawl.core.dht.effects import Alarm, Effect, LookupDone, Send, StoreDone
from sprawl.core.dht.ids import ID_BITS, Key, NodeId, directory_credential, key_of, node_id_of
from sprawl.core.dht.messages import Message
from sprawl.core.dht.records import Claim
from sprawl.core.dht.settings import DhtSettings, Identity
from sprawl.core.dht.wire import encode, parse
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId

CLUSTER = "overlay-simulation"
RACKS = 3
WALL_MS = 1_800_000_000_000
"""Wall time is virtual time plus this."""


class Liar:
    """How a lying node deals with messages. `answers`: does it answer lookups at all?"""

    answers = True

    def lie(
        self, net: Network, number: int, message: Message, sender: Contact
    ) -> Iterable[Send] | None:
        """What it sends instead of the truth, or None to be honest about this message."""
        raise NotImplementedError


class CheapSigner:
    """Signs with a keyed hash. All nodes share the secret, which forgers do not know: that costs a
    hundredth of a real signature, and is as good while nobody but a forger forges."""

    def __init__(self, credential: bytes, secret: bytes) -> None:
        self._credential = credential
        self._secret = secret

    def sign(self, data: bytes) -> bytes:
        return _mark(self._credential, data, self._secret)


class CheapTrust:
    """Verifies what `CheapSigner` made. `members` is None for an open door."""

    def __init__(self, secret: bytes, members: set[NodeId] | None) -> None:
        self._secret = secret
        self.members = members

    def verifies(self, credential: bytes, data: bytes, signature: bytes) -> bool:
        return signature == _mark(credential, data, self._secret)

    def is_member(self, node: NodeId) -> bool:
        return self.members is None or node in self.members

    def is_at(self, node: NodeId, broker: BrokerId) -> bool:
        return True


def _mark(credential: bytes, data: bytes, secret: bytes) -> bytes:
    return blake2b(credential + data, digest_size=8, key=secret).digest()


class Network:
    """All nodes and what is on its way between them.

    Args:
        settings: of every node.
        seed: of everything random.
        has_codec: messages travel as bytes; off, they are handed over, which measures the nodes.
        has_registry: every node knows all ids that exist, as one that follows the controller does.
        loss: share of messages that vanish.
    """

    def __init__(
        self,
        settings: DhtSettings,
        seed: int,
        *,
        has_codec: bool = False,
        has_registry: bool = False,
        loss: float = 0.0,
    ) -> None:
        self.settings = settings
        self.rng = Random(seed)
        self.now_ms = 0
        self.nodes: list[Dht] = []
        self.contacts: list[Contact] = []
        self.is_dead: list[bool] = []
        self.liars: dict[int, Liar] = {}
        self.lookups: dict[tuple[int, Key], LookupDone] = {}
        """By the node that asked, until somebody takes them out."""
        self.stores: list[StoreDone] = []
        self.alarms: list[Alarm] = []
        self.messages = 0
        self.bytes = 0
        self._has_codec = has_codec
        self._loss = loss
        self._secret = self.rng.randbytes(16)
        self._trust = CheapTrust(self._secret, set() if has_registry else None)
        self._events: list[tuple[int, int, int, Message | None, Contact | None]] = []
        self._event_number = 0
        self._ticks: list[int] = []
        self.runs_maintenance = False

    # --- nodes ---

    def add(self, count: int) -> range:
        """Nodes that know nobody yet; their numbers."""
        first = len(self.nodes)
        for number in range(first, first + count):
            directory = UUID(int=self.rng.getrandbits(128))
            credential = directory_credential(CLUSTER, directory)
            rack = f"rack-{number % RACKS}"
            contact = Contact(node_id_of(credential), BrokerId(number), rack)
            identity = Identity(
                contact=contact,
                cluster_id=CLUSTER,
                credential=credential,
                signer=CheapSigner(credential, self._secret),
                trust=self._trust,
            )
            if self._trust.members is not None:
                self._trust.members.add(contact.id)
            self.nodes.append(Dht(self.settings, identity, self.rng, self.now))
            self.contacts.append(contact)
            self.is_dead.append(False)
            self._ticks.append(1 << 62)
        return range(first, first + count)

    def fill_tables(self) -> None:
        """Give every node the table that a long life would: up to k of each subtree, by chance."""
        order = sorted(self.contacts)
        ids = [each.id for each in order]
        for node in self.nodes:
            table = node.table
            own = table.own_id
            low, high = 0, len(order)
            for bit in range(ID_BITS - 1, -1, -1):
                if high - low <= 1:
                    break
                # [low, high) share all higher bits with `own`; the middle divides them by this one.
                border = (own >> bit | 1) << bit
                middle = bisect_left(ids, border, low, high)
                if own >> bit & 1:
                    far, (low, high) = (low, middle), (middle, high)
                else:
                    far, (low, high) = (middle, high), (low, middle)
                self._fill_bucket(node, order, *far)

    def _fill_bucket(self, node: Dht, order: list[Contact], low: int, high: int) -> None:
        k = self.settings.k
        if high - low <= k:
            picked: Iterable[int] = range(low, high)
        else:
            picked = self.rng.sample(range(low, high), k)
        for place in picked:
            node.table.add(order[place])

    def kill(self, share: float) -> list[int]:
        """Silence a share of the nodes at once; nobody is told. Returns those alive."""
        for number in self.rng.sample(range(len(self.nodes)), round(share * len(self.nodes))):
            self.is_dead[number] = True
        return self.alive()

    def alive(self) -> list[int]:
        return [number for number, is_dead in enumerate(self.is_dead) if not is_dead]

    def true_closest(self, target: int, count: int) -> list[NodeId]:
        """The nodes nearest to an id of those that answer, by looking at all of them."""
        liars = self.liars
        living = [
            each.id
            for number, each in enumerate(self.contacts)
            if not self.is_dead[number] and (number not in liars or liars[number].answers)
        ]
        return heapq.nsmallest(count, living, key=lambda each: each ^ target)

    # --- time ---

    @property
    def now(self) -> Instant:
        return Instant(WALL_MS + self.now_ms, self.now_ms)

    def do(self, number: int, effects: Iterable[Effect]) -> None:
        """Carry out what a node wants."""
        sender = self.contacts[number]
        for effect in effects:
            match effect:
                case Send(to, message):
                    self._send(sender, to, message)
                case LookupDone():
                    self.lookups[number, effect.key] = effect
                case StoreDone():
                    self.stores.append(effect)
                case Alarm():
                    self.alarms.append(effect)
        deadline_ms = max(self.now_ms, self.nodes[number].next_deadline_ms)
        if deadline_ms < self._ticks[number] and (
            self.runs_maintenance
            or deadline_ms < self.now_ms + self.settings.request_timeout_ms + 1
        ):
            self._ticks[number] = deadline_ms
            self._push(deadline_ms, number, None, None)

    def _send(self, sender: Contact, to: Contact, message: Message) -> None:
        self.messages += 1
        if self._has_codec:
            data = encode(message)
            self.bytes += len(data)
            message = parse(data)
        # A contact that a liar made up has a number that nobody has.
        if to.node >= len(self.nodes) or (self._loss and self.rng.random() < self._loss):
            return
        delay_ms = 1 if to.rack == sender.rack else 3 + int(self.rng.random() * 3)
        self._push(self.now_ms + delay_ms, to.node, message, sender)

    def _push(
        self, at_ms: int, number: int, message: Message | None, sender: Contact | None
    ) -> None:
        self._event_number += 1
        heapq.heappush(self._events, (at_ms, self._event_number, number, message, sender))

    def start_clocks(self) -> None:
        """From here on nodes look after their tables, records and publications as well."""
        self.runs_maintenance = True
        for number, is_dead in enumerate(self.is_dead):
            if not is_dead:
                self.do(number, ())

    def run(self, until_ms: int | None = None) -> None:
        """Until nothing is under way, or until then."""
        events = self._events
        while events and (until_ms is None or events[0][0] <= until_ms):
            self.now_ms, _, number, message, sender = heapq.heappop(events)
            if message is None:
                self._tick(number)
                continue
            if self.is_dead[number]:
                continue
            assert sender is not None
            liar = self.liars.get(number)
            if liar is not None:
                lies = liar.lie(self, number, message, sender)
                if lies is not None:
                    self.do(number, lies)
                    continue
            self.do(number, self.nodes[number].receive(message, sender, self.now))
        if until_ms is not None:
            self.now_ms = until_ms

    def _tick(self, number: int) -> None:
        if self.is_dead[number] or self._ticks[number] > self.now_ms:
            return
        self._ticks[number] = 1 << 62
        node = self.nodes[number]
        if node.next_deadline_ms <= self.now_ms:
            self.do(number, node.tick(self.now))
        else:
            self.do(number, ())

    # --- calls ---

    def find_nodes(self, number: int, target: Key) -> LookupDone:
        self.do(number, self.nodes[number].find_nodes(target, self.now))
        return self._await_lookup(number, target)

    def lookup(self, number: int, key: Key) -> LookupDone:
        self.do(number, self.nodes[number].lookup(key, self.now))
        return self._await_lookup(number, key)

    def _await_lookup(self, number: int, key: Key) -> LookupDone:
        while (number, key) not in self.lookups:
            assert self._events, "a lookup never ended"
            self.run(self._events[0][0])
        return self.lookups.pop((number, key))


def partition(number: int) -> LogKey:
    """One of the partitions that simulations speak of."""
    return LogKey(TopicId(UUID(int=number >> 4)), number & 15)


def key_of_partition(number: int) -> Key:
    return key_of(CLUSTER, partition(number))


def claim_of(number: int, leader: int, term: int = 1) -> Claim:
    """What the leader of such a partition says."""
    replicas = tuple(ReplicaId(leader + place + 1) for place in range(3))
    return Claim(partition(number), Term(term), LogIndex(1), replicas[0], replicas)


def resident_mib() -> float:
    """Memory of this process now."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize() / (1 << 20)
