"""A node of the DHT: a state machine without I/O, clock or chance of its own.

Whoever owns one gives it messages, calls and the time, and does what the returned effects say:

1.  `receive(message, sender, now)` for each message, with the sender that the transport proved.
2.  `tick(now)` at `next_deadline_ms` at the latest; any call may bring that nearer. Ticking earlier
    does no harm.
3.  `seed` with what membership knows, whenever that changes; `forget` for who left or died;
    `introduce` who came. A node that knows few of many members calls `join`.
4.  `store(claim)` when a partition's leader is here or something about it changed, `withdraw` when
    it is not any more.
5.  `lookup(key)` for a route. What comes out is a hint.

`now.monotonic_ms` drives all timing; `now.wall_ms` only says whether a record has expired.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sprawl.core.clock import Instant
from sprawl.core.dht.contacts import Contact, Locality
from sprawl.core.dht.effects import (
    Alarm,
    AlarmKind,
    Effect,
    LookupDone,
    News,
    Send,
    StoreDone,
)
from sprawl.core.dht.ids import Key, NodeId, key_of
from sprawl.core.dht.lookup import Lookup
from sprawl.core.dht.messages import (
    FindNode,
    FindValue,
    Found,
    Message,
    Ping,
    Pong,
    Store,
    Stored,
    StoreResult,
)
from sprawl.core.dht.publications import Publications
from sprawl.core.dht.record_store import RecordStore, refusal
from sprawl.core.dht.records import Claim, Record, is_genuine, make_record
from sprawl.core.dht.requests import Publication, Request, Requests, Search
from sprawl.core.dht.routing_table import RoutingTable
from sprawl.core.dht.settings import DhtSettings, Identity
from sprawl.core.ids import LogKey, ReplicaId
from sprawl.core.limits import (
    DHT_FULL_VIEW_NODES_MAX,
    DHT_INTRODUCED_AT_ONCE_MAX,
    DHT_LOOKUPS_MAX,
    DHT_PUBLICATIONS_MAX,
    DHT_PUBLISHED_AT_ONCE_MAX,
)

if TYPE_CHECKING:
    from random import Random


class Dht:
    """One node.

    Args:
        settings: shared by the nodes of a process.
        identity: who this is.
        rng: jitter and refreshed ids.
        now: when it starts.
        place: the node that has a replica, if it is known: replicas are told of their leader even
            where they are not near to the key, since those who find no record ask them.
    """

    __slots__ = (
        "_has_full_view",
        "_identity",
        "_introductions",
        "_locality",
        "_maintenance_ms",
        "_place",
        "_publications",
        "_publishing",
        "_requests",
        "_rng",
        "_searches",
        "_settings",
        "records",
        "refused",
        "table",
        "unasked_count",
    )

    def __init__(
        self,
        settings: DhtSettings,
        identity: Identity,
        rng: Random,
        now: Instant,
        place: Callable[[ReplicaId], Contact | None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._rng = rng
        self.table = RoutingTable(identity.contact.id, k=settings.k, now_ms=now.monotonic_ms)
        self.records = RecordStore(settings, identity)
        self.refused = [0] * len(StoreResult)
        """Records in answers that were not believed, by `StoreResult`; those that others wanted to
        store here are counted in `records.counts`."""
        self.unasked_count = 0
        """Answers that nobody asked for, or too late."""
        self._locality = Locality(identity.contact.rack)
        self._place = place
        self._introductions: deque[tuple[Contact, list[LogKey]]] = deque()
        self._publications = Publications(settings, rng)
        self._publishing = 0
        self._requests = Requests(settings, rng)
        self._searches: dict[tuple[Key, bool], Search] = {}
        # Spread, so that nodes of one process do not all look through their records at once.
        self._maintenance_ms = now.monotonic_ms + rng.randint(1, settings.maintenance_ms)
        self._has_full_view = False

    # --- membership ---

    def seed(self, members: Iterable[Contact]) -> None:
        """Nodes that membership vouches for, all of them that it knows."""
        found = list(members)
        self._has_full_view = len(found) <= DHT_FULL_VIEW_NODES_MAX
        self.table.seed(found)

    def forget(self, node: NodeId) -> None:
        """A node left the cluster or is known to be dead."""
        self.table.remove(node)
        self._locality.forget(node)

    def introduce(self, node: Contact) -> None:
        """A node came, or came back, and may lack what it should hold: it is told what is led here,
        a part with each tick."""
        if len(self._publications):
            self._introductions.append((node, self._publications.keys()))

    def join(self, now: Instant) -> list[Effect]:
        """Find the way in from a few known nodes (section 2.3): look up the own id, then an id in
        each bucket farther away than the nearest neighbour."""
        effects: list[Effect] = []
        own = Key(self._identity.contact.id)
        self._go_on(self._search(own, now, wants_value=False), now, effects)
        for bucket in self.table.refresh_order():
            self._refresh(bucket, now, effects)
        return effects

    # --- calls ---

    def lookup(self, key: Key, now: Instant) -> list[Effect]:
        """Find the record of a partition. Ends with `LookupDone` of this key; a second call while
        the first is under way joins it.

        Returns:
            Effects; with `LookupDone` without a record among them when too many are under way.
        """
        return self._start(key, now, wants_value=True)

    def find_nodes(self, target: Key, now: Instant) -> list[Effect]:
        """Find the nodes nearest to an id. Ends with `LookupDone`."""
        return self._start(target, now, wants_value=False)

    def store(self, claim: Claim, now: Instant) -> list[Effect]:
        """This node leads a partition, or something about that changed: tell the nodes nearest to
        its key at once and every `republish_ms`, each time ending with `StoreDone`. Beyond
        `DHT_PUBLISHED_MAX` partitions nothing is published: they are found by asking a replica."""
        effects: list[Effect] = []
        if self._publications.claim(claim, now.monotonic_ms):
            self._publish_due(now, effects)
        return effects

    def withdraw(self, log_key: LogKey) -> None:
        """This node does not lead the partition any more."""
        self._publications.withdraw(log_key)

    # --- time ---

    @property
    def published_count(self) -> int:
        """Partitions that this node says it leads."""
        return len(self._publications)

    def sequence(self, log_key: LogKey) -> int | None:
        """The number that goes with what this node says of a partition now; None: it says
        nothing."""
        return self._publications.sequence(log_key)

    @property
    def next_deadline_ms(self) -> int:
        """When `tick` has something to do, on the monotonic clock."""
        if self._introductions:
            return 0
        deadline_ms = self._requests.next_deadline_ms(self._maintenance_ms)
        if len(self._publications) and self._publishing < DHT_PUBLICATIONS_MAX:
            due_ms = self._publications.next_due_ms()
            if due_ms is not None and due_ms < deadline_ms:
                return due_ms
        return deadline_ms

    def tick(self, now: Instant) -> list[Effect]:
        """Give up requests without an answer, publish again, drop what expired, refresh."""
        effects: list[Effect] = []
        for request in self._requests.take_slow(now.monotonic_ms):
            if isinstance(request.purpose, Search):
                request.purpose.lookup.slow(request.to.id)
                self._go_on(request.purpose, now, effects)
            elif isinstance(request.purpose, Publication) and not request.purpose.is_late:
                request.purpose.is_late = True
                self._publishing -= 1
        for request in self._requests.take_unanswered(now.monotonic_ms):
            self._unanswered(request, now, effects)
        self._publish_due(now, effects)
        self._go_on_introducing(now, effects)
        if now.monotonic_ms >= self._maintenance_ms:
            self._maintenance_ms = now.monotonic_ms + self._settings.maintenance_ms
            self.records.expire(now)
            oldest = self.table.to_ping()
            effects += [
                Send(each, Ping(self._requests.open(each, now.monotonic_ms, None)))
                for each in oldest
            ]
            stale_ms = now.monotonic_ms - self._settings.refresh_ms
            for bucket in list(self.table.stale(stale_ms)):
                self._refresh(bucket, now, effects)
        return effects

    # --- messages ---

    def receive(self, message: Message, sender: Contact, now: Instant) -> list[Effect]:
        """A message of a node that proved to be `sender`."""
        effects: list[Effect] = []
        match message:
            case FindNode(request_id, target):
                contacts = self._contacts_for(target, sender)
                effects.append(Send(sender, Found(request_id, contacts, None)))
            case FindValue(request_id, key):
                record = self.records.get(key, now)
                # Where all know all, who asks has no use for them.
                is_enough = record is not None and self._has_full_view
                contacts = () if is_enough else self._contacts_for(key, sender)
                effects.append(Send(sender, Found(request_id, contacts, record)))
            case Store(request_id, record):
                result = self._take_in(record, now, effects)
                if result in (StoreResult.EXPIRED, StoreResult.EARLY):
                    self._hear_out_of_time(record, sender, effects)
                effects.append(Send(sender, Stored(request_id, result)))
            case Ping(request_id):
                effects.append(Send(sender, Pong(request_id)))
            case Found() | Stored() | Pong():
                self._receive_answer(message, sender, now, effects)
        self.table.heard(sender)
        return effects

    def _receive_answer(
        self, message: Found | Stored | Pong, sender: Contact, now: Instant, effects: list[Effect]
    ) -> None:
        request = self._requests.get(message.request_id, sender)
        if request is None:
            self.unasked_count += 1
            return
        match request.purpose:
            case Search() as search if isinstance(message, Found):
                self._found(search, request._replace(to=sender), message, now, effects)
            case Publication() as publication if isinstance(message, Stored):
                self._stored(publication, message.result, now, effects)
            case None:
                pass
            case _:
                # An answer of the wrong kind is as good as none.
                self.unasked_count += 1
                return
        self._requests.close(message.request_id)
        self._locality.measured(sender.id, now.monotonic_ms - request.sent_ms)

    def _found(
        self,
        search: Search,
        request: Request,
        message: Found,
        now: Instant,
        effects: list[Effect],
    ) -> None:
        record = message.record
        if record is not None:
            result = self._judge(record, search, now, effects)
            if result not in (StoreResult.STORED, StoreResult.HELD):
                self.refused[result] += 1
                record = None
        own = self._identity.contact.id
        is_member = self._identity.trust.is_member
        contacts = [
            each
            for each in message.contacts[: self._settings.k]
            if each.id != own and is_member(each.id)
        ]
        search.lookup.answered(request.to, request.path, contacts, record)
        self._go_on(search, now, effects)

    def _judge(
        self, record: Record, search: Search, now: Instant, effects: list[Effect]
    ) -> StoreResult:
        """Is a record that came with an answer what was asked for, and news? STORED if so."""
        identity = self._identity
        best = search.lookup.best
        if best is not None and record.encoded == best.encoded:
            return StoreResult.HELD
        key = key_of(identity.cluster_id, record.claim.log_key)
        if not search.wants_value or key != search.lookup.target:
            return StoreResult.FORGED
        if (refused := refusal(record, self._settings, now)) is not None:
            return refused
        is_news = best is None or record.is_after(best)
        is_contradiction = best is not None and record.contradicts(best)
        if not is_news and not is_contradiction:
            return StoreResult.STALE
        if not is_genuine(record, identity.cluster_id, identity.trust):
            return StoreResult.FORGED
        if is_contradiction:
            effects.append(Alarm(AlarmKind.TWO_LEADERS, record, best))
        return StoreResult.STORED if is_news else StoreResult.STALE

    def _take_in(self, record: Record, now: Instant, effects: list[Effect]) -> StoreResult:
        result, contradicted = self.records.put(record, now)
        if result is StoreResult.STORED and record.node != self._identity.contact.node:
            effects.append(News(record))
        if contradicted is not None:
            effects.append(Alarm(AlarmKind.TWO_LEADERS, record, contradicted))
        return result

    def _hear_out_of_time(self, record: Record, sender: Contact, effects: list[Effect]) -> None:
        """A leader says so itself, and clocks differ: not kept for others, but true all the same.
        Nobody else can bring such a record, so that it may not be old."""
        identity = self._identity
        if sender.id == record.publisher and is_genuine(
            record, identity.cluster_id, identity.trust
        ):
            effects += [News(record), Alarm(AlarmKind.CLOCKS, record, None)]

    def _contacts_for(self, target: Key, sender: Contact) -> tuple[Contact, ...]:
        """The k nearest; who asks knows itself."""
        found = self.table.closest(target, self._settings.k)
        return tuple([each for each in found if each[0] != sender[0]])

    # --- searches ---

    def _start(self, key: Key, now: Instant, *, wants_value: bool) -> list[Effect]:
        effects: list[Effect] = []
        if (key, wants_value) in self._searches or len(self._searches) < DHT_LOOKUPS_MAX:
            search = self._search(key, now, wants_value=wants_value)
            search.is_told = True
            self._go_on(search, now, effects)
        else:
            effects.append(LookupDone(key, None, (), 0, 0, 0))
        return effects

    def _search(self, target: Key, now: Instant, *, wants_value: bool) -> Search:
        """The search for a target, which may be under way already; `_go_on` makes it move."""
        search = self._searches.get((target, wants_value))
        if search is not None:
            return search
        settings = self._settings
        lookup = Lookup(
            target,
            self.table.closest(target, settings.k),
            width=settings.holders,
            alpha=settings.alpha,
            paths=settings.disjoint_paths,
            locality=self._locality,
            has_full_view=self._has_full_view,
            records_enough=settings.records_enough if wants_value else None,
        )
        if wants_value:
            lookup.best = self.records.get(target, now)
        search = Search(lookup, now.monotonic_ms, wants_value=wants_value)
        self._searches[target, wants_value] = search
        self.table.looked_up(target, now.monotonic_ms)
        return search

    def _go_on(self, search: Search, now: Instant, effects: list[Effect]) -> None:
        lookup = search.lookup
        target = lookup.target
        if self._searches.get((target, search.wants_value)) is not search:
            return
        for contact, path in lookup.next():
            request_id = self._requests.open(contact, now.monotonic_ms, search, path)
            message = (
                FindValue(request_id, target)
                if search.wants_value
                else FindNode(request_id, target)
            )
            effects.append(Send(contact, message))
        if not lookup.is_done:
            return
        del self._searches[target, search.wants_value]
        if search.wants_value and self._settings.repairs and lookup.best is not None:
            self._send_record(lookup.best, lookup.lacking(), now, None, effects)
        if search.publishes is not None:
            self._publish_to(lookup.closest(), search.publishes, now, effects)
        if search.is_told:
            closest = tuple(lookup.closest())
            took_ms = now.monotonic_ms - search.started_ms
            effects.append(
                LookupDone(target, lookup.best, closest, lookup.hops, lookup.requests, took_ms)
            )

    def _refresh(self, bucket: int, now: Instant, effects: list[Effect]) -> None:
        target = self.table.random_id(bucket, self._rng)
        if len(self._searches) < DHT_LOOKUPS_MAX:
            self._go_on(self._search(target, now, wants_value=False), now, effects)

    # --- publications ---

    def _publish_due(self, now: Instant, effects: list[Effect]) -> None:
        # Not more in one turn either, for a node without others to wait for.
        room = DHT_PUBLICATIONS_MAX - self._publishing
        for _ in range(min(room, DHT_PUBLISHED_AT_ONCE_MAX)):
            due = self._publications.take_due(now.monotonic_ms)
            if due is None:
                return
            self._publishing += 1
            record = self._sign(*due, now)
            self._publications.said(record)
            effects.append(News(record))
            key = key_of(self._identity.cluster_id, record.claim.log_key)
            if self._has_full_view:
                closest = self.table.closest(key, self._settings.holders)
                self._publish_to(closest, record, now, effects)
                continue
            search = self._search(key, now, wants_value=False)
            if search.publishes is not None:
                # The leader changed again before the first word of it went out.
                self._publishing -= 1
            search.publishes = record
            self._go_on(search, now, effects)

    def _sign(self, claim: Claim, sequence: int, now: Instant) -> Record:
        identity = self._identity
        return make_record(
            claim,
            sequence=sequence,
            node=identity.contact.node,
            expires_ms=now.wall_ms + self._settings.ttl_ms,
            cluster_id=identity.cluster_id,
            credential=identity.credential,
            signer=identity.signer,
        )

    def _publish_to(
        self, closest: list[Contact], record: Record, now: Instant, effects: list[Effect]
    ) -> None:
        """Store on the nearest nodes, this one being one of them if it is that near."""
        key = key_of(self._identity.cluster_id, record.claim.log_key)
        own = self._identity.contact
        ranked = sorted([own, *closest], key=lambda each: each.id ^ key)[: self._settings.holders]
        addressed = {each.id for each in ranked}
        for replica in record.claim.replicas:
            found = self._place(replica)
            if found is not None and found.id not in addressed and found.id != own.id:
                addressed.add(found.id)
                ranked.append(found)
        publication = Publication(record, len(ranked))
        others = [each for each in ranked if each is not own]
        self._send_record(record, others, now, publication, effects)
        if len(others) < len(ranked):
            self._stored(publication, self._take_in(record, now, effects), now, effects)

    def _stored(
        self,
        publication: Publication,
        result: StoreResult | None,
        now: Instant,
        effects: list[Effect],
    ) -> None:
        """One of the holders answered, or did not."""
        publication.left -= 1
        if result in (StoreResult.STORED, StoreResult.HELD):
            publication.stored += 1
        elif result is StoreResult.STALE:
            publication.stale += 1
        elif result is None:
            publication.unanswered += 1
        if publication.left:
            return
        record = publication.record
        asked = publication.asked
        if publication.stale * 2 > asked:
            effects.append(Alarm(AlarmKind.SUPERSEDED, record, None))
        elif publication.unanswered:
            self._publications.say_again(record, now.monotonic_ms)
        effects.append(StoreDone(record.claim.log_key, record, publication.stored, asked))
        self._publishing -= not publication.is_late

    def _go_on_introducing(self, now: Instant, effects: list[Effect]) -> None:
        if not self._introductions:
            return
        node, keys = self._introductions[0]
        for log_key in keys[-DHT_INTRODUCED_AT_ONCE_MAX:]:
            record = self._publications.last(log_key)
            if record is not None and self._should_hold(node, record.claim):
                self._send_record(record, [node], now, None, effects)
        del keys[-DHT_INTRODUCED_AT_ONCE_MAX:]
        if not keys:
            self._introductions.popleft()

    def _should_hold(self, node: Contact, claim: Claim) -> bool:
        """Is a node one of those that are told of a partition?"""
        key = key_of(self._identity.cluster_id, claim.log_key)
        closest = self.table.closest(key, self._settings.holders)
        if len(closest) < self._settings.holders or node.id ^ key <= closest[-1].id ^ key:
            return True
        return any(
            place is not None and place.id == node.id for place in map(self._place, claim.replicas)
        )

    # --- requests ---

    def _send_record(
        self,
        record: Record,
        to: list[Contact],
        now: Instant,
        publication: Publication | None,
        effects: list[Effect],
    ) -> None:
        for contact in to:
            message = Store(self._requests.open(contact, now.monotonic_ms, publication), record)
            effects.append(Send(contact, message))

    def _unanswered(self, request: Request, now: Instant, effects: list[Effect]) -> None:
        self.table.failed(request.to)
        match request.purpose:
            case Search() as search:
                search.lookup.failed(request.to.id)
            case Publication() as publication:
                self._stored(publication, None, now, effects)
            case None:
                pass
