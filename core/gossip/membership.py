"""Membership of one node: packets and time in, effects out. Pure.

    receive, receive_state, tick, join, leave, ...  -> effects -> shell
                                                    deadline_ms -> when to tick

The parts: roster.py (who is thought to be what), probing.py (the failure detector),
broadcasts.py (news that ride in every packet), this file (gossip, exchanges of everything, load
digests, joining, leaving). Events are hints: they rank, wake and warn, and decide nothing that a
Raft group decides.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, assert_never

from sprawl.core.gossip import wire
from sprawl.core.gossip.broadcasts import Broadcasts
from sprawl.core.gossip.digest import LoadDigest, encode_digest, parse_digest
from sprawl.core.gossip.lifeguard import Awareness
from sprawl.core.gossip.model import (
    SEALED,
    AnswerState,
    Departed,
    Effect,
    Event,
    EventKind,
    GossipCounters,
    Member,
    MemberId,
    MemberState,
    NodeLoad,
    PacketFault,
    Send,
    SendState,
)
from sprawl.core.gossip.probing import Prober
from sprawl.core.gossip.roster import Roster
from sprawl.core.gossip.wire import (
    Ack,
    Alive,
    Dead,
    Left,
    Load,
    Message,
    Nack,
    Ping,
    PingReq,
    StreamProbe,
    Suspect,
)
from sprawl.core.groups.timers import Timers
from sprawl.core.limits import GOSSIP_BROADCASTS_MAX, GOSSIP_SEEDS_ASKED_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from sprawl.core.cluster.peers import PeerAddress
    from sprawl.core.gossip.keyring import Keyring
    from sprawl.core.gossip.settings import GossipSettings


class _Task(enum.Enum):
    GOSSIP = enum.auto()
    PUSH_PULL = enum.auto()
    RECONNECT = enum.auto()
    REJOIN = enum.auto()
    DIGEST = enum.auto()
    DEPART = enum.auto()


class Membership:
    """See the module.

    Args:
        me: this node and its data directory.
        address: where others send datagrams to; the reliable channel has the same one.
        epoch: of this life; larger than that of any former one (`model.next_epoch`).
        rng: where chance comes from.
        now_ms: any clock that never goes back; all calls use the same.
        keyring: seals and opens packets; None for plain ones.
    """

    def __init__(
        self,
        *,
        settings: GossipSettings,
        me: MemberId,
        address: PeerAddress,
        epoch: int,
        rng: Random,
        now_ms: int,
        keyring: Keyring | None = None,
    ) -> None:
        self.counters = GossipCounters()
        self._settings = settings
        self._rng = rng
        self._keyring = keyring
        self._tag = wire.cluster_tag(settings.cluster_id)
        self._head = wire.encode_head(self._tag) if keyring is None else b""
        sealed_bytes = 0 if keyring is None else keyring.overhead_bytes
        self._room = settings.packet_bytes_max - sealed_bytes - len(self._head)
        self._effects: list[Effect] = []
        self._awareness = Awareness(settings)
        self._roster = Roster(
            settings=settings,
            me=Member(me, address, epoch, 0, MemberState.ALIVE, now_ms),
            rng=rng,
            awareness=self._awareness,
            counters=self.counters,
            effects=self._effects,
        )
        self._news = self._roster.news = Broadcasts(
            GOSSIP_BROADCASTS_MAX, lambda: settings.transmissions(self._roster.present_count)
        )
        self._load_news = Broadcasts(
            GOSSIP_BROADCASTS_MAX,
            lambda: settings.digest_transmissions(self._roster.present_count),
        )
        self._prober = Prober(
            settings=settings,
            roster=self._roster,
            rng=rng,
            awareness=self._awareness,
            counters=self.counters,
            send=self._send,
            send_probe=self._send_probe,
            now_ms=now_ms,
        )
        self._seeds: list[PeerAddress] = []
        self._rejoin_ms = settings.rejoin_ms_min
        self._loads: dict[MemberId, NodeLoad] = {}
        self._digest: LoadDigest | None = None
        self._digest_sequence = 0
        self._digest_due_ms = now_ms
        self._left: Left | None = None
        self._has_departed = False
        self._timers: Timers[_Task] = Timers()
        for task, interval_ms in (
            (_Task.PUSH_PULL, settings.push_pull_interval_ms),
            (_Task.RECONNECT, settings.reconnect_interval_ms),
        ):
            self._timers.set(task, now_ms + int((1 + rng.random()) * interval_ms))

    # --- looking ------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node as it tells of itself."""
        return self._roster.me

    @property
    def local_health(self) -> int:
        """Lifeguard's multiplier: 0 is well."""
        return self._awareness.score

    def members(self) -> list[Member]:
        """Everybody known, this node and those lately gone among them."""
        return self._roster.members()

    def member(self, member: MemberId) -> Member | None:
        return self._roster.get(member)

    @property
    def present_count(self) -> int:
        """Members alive or suspect, this node among them."""
        return self._roster.present_count

    def load(self, member: MemberId) -> NodeLoad | None:
        """The newest load digest of a member that was heard of."""
        return self._loads.get(member)

    @property
    def deadline_ms(self) -> int:
        """When to call `tick`; asked again after every other call."""
        deadlines = (
            self._timers.next_deadline_ms(),
            self._prober.next_deadline_ms(),
            self._roster.next_deadline_ms(),
        )
        return min((at for at in deadlines if at is not None), default=_NEVER_MS)

    # --- what the node does -------------------------------------------------------------------

    def join(self, seeds: Iterable[PeerAddress], now_ms: int) -> list[Effect]:
        """Ask these addresses for everything, a few of them when they are many; again from time to
        time while we are alone. Called again, these take the place of the former ones."""
        self._seeds = [seed for seed in seeds if seed != self.me.address]
        self._rejoin_ms = self._settings.rejoin_ms_min
        if self._seeds:
            self._rejoin(now_ms)
        return self._taken(now_ms)

    def leave(self, now_ms: int) -> list[Effect]:
        """Tell everybody that we go; `Departed` follows when that was done often enough."""
        if self._left is None:
            self._left = self._roster.leave(now_ms)
            self._prober.stop()
            for task in _Task:
                self._timers.cancel(task)
            is_alone = self.present_count == 1
            self._timers.set(_Task.DEPART, now_ms + (0 if is_alone else self._settings.leave_ms))
            self._tell_leave(self._settings.leave_fanout)
            self._timers.set(_Task.GOSSIP, now_ms + self._settings.gossip_interval_ms)
        return self._taken(now_ms)

    def update_digest(self, digest: LoadDigest, now_ms: int) -> None:
        """Our load now; told at most once in `digest_every_ms`, in the room that packets have left.

        Raises:
            ValueError: it has too many hot groups.
        """
        encode_digest(digest)
        self._digest = digest
        if self._left is None:
            self._timers.set(_Task.DIGEST, max(now_ms, self._digest_due_ms))

    def receive(self, packet: bytes, sender: PeerAddress, now_ms: int) -> list[Effect]:
        """A datagram came; any bytes will do."""
        if self._has_departed:
            return []
        self.counters.packets_in += 1
        self.counters.bytes_in += len(packet)
        try:
            opened = self._opened(packet)
            is_sealed = self._keyring is not None
            messages = (
                wire.parse_messages(opened) if is_sealed else wire.parse_packet(opened, self._tag)
            )
        except PacketFault as fault:
            self._count(fault)
            return []
        for message in messages:
            self._hear(message, sender, now_ms)
        return self._taken(now_ms)

    def receive_state(self, data: bytes, now_ms: int) -> list[Effect]:
        """What came over the reliable channel: everything that another member knows, or a probe;
        a request gets `AnswerState`."""
        if self._has_departed:
            return []
        self.counters.state_bytes_in += len(data)
        try:
            state = wire.parse_exchange(self._opened(data), self._tag)
        except PacketFault as fault:
            self._count(fault)
            return []
        if isinstance(state, StreamProbe):
            answer = self._prober.hear_stream_probe(state)
            if answer is not None:
                told = wire.encode_stream_probe(answer, self._tag)
                self._effects.append(AnswerState(self._sealed(told)))
            return self._taken(now_ms)
        for entry in state.entries:
            dead = self._roster.hear_entry(entry, state.sender, now_ms)
            if dead is not None:
                self._send(entry.alive.address, [dead], entry.alive.id)
            if entry.load:
                self._hear_load(
                    Load(entry.alive.id, entry.alive.epoch, entry.load_sequence, entry.load)
                )
        if state.is_request:
            self._effects.append(AnswerState(self._state(is_request=False)))
        return self._taken(now_ms)

    def tick(self, now_ms: int) -> list[Effect]:
        """Do what is due. A tick that comes far too late means that this process stood still and
        cannot judge others by what it did not hear meanwhile."""
        lag_ms = now_ms - self.deadline_ms
        if 0 < self._settings.stall_ms <= lag_ms:
            self.counters.stalls += 1
            self._awareness.add(1)
            self._roster.stood_still(lag_ms)
            self._prober.stood_still(now_ms)
        forgotten, died = self._roster.tick(now_ms)
        for member_id in forgotten:
            self._loads.pop(member_id, None)
            self._load_news.discard(member_id)
        for member in died:  # if it lives, others who know better do not tell it
            rumour = self._roster.rumour_of(member, self.me.id)
            self._send(member.address, [rumour], member.id)
        self._prober.tick(now_ms)
        for task in self._timers.pop_due(now_ms):
            self._do(task, now_ms)
        return self._taken(now_ms)

    def _do(self, task: _Task, now_ms: int) -> None:
        match task:
            case _Task.GOSSIP:
                self._gossip(now_ms)
            case _Task.PUSH_PULL:
                self._timers.set(task, now_ms + self._settings.push_pull_ms(self.present_count))
                self._ask(self._roster.pick(1, lambda m: m.state is MemberState.ALIVE))
            case _Task.RECONNECT:
                self._timers.set(task, now_ms + self._settings.reconnect_interval_ms)
                self._reconnect()
            case _Task.REJOIN:
                self._rejoin(now_ms)
            case _Task.DIGEST:
                self._tell_digest(now_ms)
            case _Task.DEPART:
                self._has_departed = True
                self._timers.cancel(_Task.GOSSIP)
                self._effects.append(Departed())
            case _:
                assert_never(task)

    # --- what is heard ------------------------------------------------------------------------

    def _hear(self, message: Message, sender: PeerAddress, now_ms: int) -> None:
        match message:
            case Ping():
                self._prober.hear_ping(message, sender)
            case Ack():
                self._prober.hear_ack(message)
            case Alive() | Suspect() | Dead() | Left():
                self._roster.hear(message, now_ms)
            case Load():
                self._hear_load(message)
            case PingReq():
                self._prober.hear_ping_req(message, sender, now_ms)
            case Nack():
                self._prober.hear_nack(message)
            case _:
                assert_never(message)

    def _hear_load(self, load: Load) -> None:
        """The newer sequence of the present life wins."""
        member = self._roster.get(load.id)
        if member is None or member.id == self.me.id or member.epoch != load.epoch:
            return
        known = self._loads.get(load.id)
        if known is not None and (load.epoch, load.sequence) <= (known.epoch, known.sequence):
            return
        try:
            digest = parse_digest(load.digest)
        except PacketFault as fault:
            self._count(fault)
            return
        self._loads[load.id] = NodeLoad(load.epoch, load.sequence, digest)
        self._load_news.add(load.id, wire.encode(load))

    def _opened(self, data: bytes) -> bytes:
        if self._keyring is not None:
            return self._keyring.open(data)
        if data[:1] == SEALED:
            raise PacketFault("plain", "sealed, but we have no key")
        return data

    def _count(self, fault: PacketFault) -> None:
        setattr(self.counters, fault.kind, getattr(self.counters, fault.kind) + 1)

    # --- what is sent -------------------------------------------------------------------------

    def _send(self, address: PeerAddress, messages: list[Message], to: MemberId | None) -> None:
        """One packet: these messages, and what news and digests fit beside them."""
        parts = [self._head]
        parts += map(wire.encode, messages)
        room = self._room - sum(map(len, parts)) + len(self._head)
        room = self._news.take(room, parts)
        self._load_news.take(room, parts)
        packet = self._seal(b"".join(parts))
        self.counters.packets_out += 1
        self.counters.bytes_out += len(packet)
        self._effects.append(Send(address, packet, to))

    def _send_probe(self, target: Member, probe: StreamProbe) -> None:
        data = self._sealed(wire.encode_stream_probe(probe, self._tag))
        self._effects.append(SendState(target.address, data, target.id))

    def _seal(self, data: bytes) -> bytes:
        return data if self._keyring is None else self._keyring.seal(data, self.me.epoch)

    def _sealed(self, data: bytes) -> bytes:
        """What goes over the reliable channel."""
        data = self._seal(data)
        self.counters.state_bytes_out += len(data)
        return data

    def _gossip(self, now_ms: int) -> None:
        """SWIM, section 4.1: news go to a few members at random, in packets of their own when
        there is no probe to ride on."""
        if self._has_departed:
            return
        if self._left is not None:
            self._tell_leave(self._settings.gossip_nodes)
            self._timers.set(_Task.GOSSIP, now_ms + self._settings.gossip_interval_ms)
            return
        settings = self._settings
        hearers = self._roster.pick(
            settings.gossip_nodes, lambda member: self._roster.hears_news(member, now_ms)
        )
        for member in hearers:
            if not len(self._news):
                return
            self._send(member.address, [], member.id)
        wait_ms = settings.gossip_interval_ms if hearers else settings.rejoin_ms_max
        self._timers.set(_Task.GOSSIP, now_ms + wait_ms)

    def _tell_leave(self, fanout: int) -> None:
        assert self._left is not None
        for member in self._roster.pick(fanout, lambda member: member.is_present):
            self._send(member.address, [self._left], member.id)

    def _rejoin(self, now_ms: int) -> None:
        """Ask the seeds while we are alone, less and less often."""
        self._timers.set(_Task.REJOIN, now_ms + self._rejoin_ms)
        self._rejoin_ms = min(2 * self._rejoin_ms, self._settings.rejoin_ms_max)
        if self.present_count == 1:
            seeds = self._seeds
            if len(seeds) > GOSSIP_SEEDS_ASKED_MAX:
                seeds = self._rng.sample(seeds, GOSSIP_SEEDS_ASKED_MAX)
            for seed in seeds:
                self._effects.append(SendState(seed, self._state(is_request=True)))

    def _ask(self, members: Iterable[Member]) -> None:
        for member in members:
            state = self._state(is_request=True)
            self._effects.append(SendState(member.address, state, member.id))

    def _reconnect(self) -> None:
        """Try one that died, as often for the whole cluster as if one member did so for each of
        the dead (Serf, `reconnect`)."""
        dead = self._roster.tombstone_count(MemberState.DEAD)
        if dead and self._rng.random() < dead / self.present_count:
            self._ask(self._roster.pick(1, lambda m: m.state is MemberState.DEAD))

    def _state(self, *, is_request: bool) -> bytes:
        entries = []
        for member in self._roster.told_in_state():
            load = self._loads.get(member.id)
            alive = Alive(member.id, member.epoch, member.incarnation, member.address)
            told = encode_digest(load.digest) if load and load.epoch == member.epoch else b""
            sequence = load.sequence if load and told else 0
            entries.append(wire.StateEntry(member.state, alive, sequence, told))
        return self._sealed(
            wire.encode_state(wire.State(is_request, self.me.id, entries), self._tag)
        )

    def _tell_digest(self, now_ms: int) -> None:
        digest = self._digest
        assert digest is not None
        me = self.me
        self._digest_sequence += 1
        self._digest_due_ms = now_ms + self._settings.digest_every_ms(self.present_count)
        self._loads[me.id] = NodeLoad(me.epoch, self._digest_sequence, digest)
        load = Load(me.id, me.epoch, self._digest_sequence, encode_digest(digest))
        self._load_news.add(me.id, wire.encode(load))

    def _taken(self, now_ms: int) -> list[Effect]:
        """The effects of this call; news that came up are due for gossip."""
        effects = self._effects.copy()
        self._effects.clear()
        for effect in effects:
            if isinstance(effect, Event) and effect.kind is EventKind.JOINED:
                self._prober.joined(effect.id)
        if len(self._news) and self._timers.deadline_ms(_Task.GOSSIP) is None:
            wait_ms = int(self._rng.random() * self._settings.gossip_interval_ms)
            if not self._has_departed and self._left is None:
                self._timers.set(_Task.GOSSIP, now_ms + wait_ms)
        self.counters.broadcasts_dropped = self._news.dropped
        return effects


_NEVER_MS = 2**62
