"""The failure detector: whom to probe, what an answer or its absence means. Pure.

    us                  target            helpers (k = 3)
    |-- PING ------------>|                  |
    |   timeout, no ACK   |                  |
    |-- the same over the reliable channel    |
    |-- PING_REQ ---------------------------->|
    |                     |<------- PING -----|
    |                     |-------- ACK ----->|
    |<--------------------------------- ACK --|      or, after 0.8 timeouts, NACK
    |   interval over, no ACK: we suspect the target

Rules:
1. One member an interval, round robin in a random order that changes with every round: the time
   until everybody was probed once is bounded (SWIM, section 4.3).
2. Interval and timeout are longer the less healthy we are ourselves (Lifeguard, section IV.A).
3. A helper that says nothing, not even NACK, counts against ourselves: it is likelier that we do
   not hear than that several others are gone. With all NACKs the target alone is to blame.
4. A probe of a suspect carries the suspicion, so that it can refute at once (Lifeguard, section
   IV.C, "buddy system").
5. A member that answers over the reliable channel alone lives: its network loses datagrams, or lets
   none through (memberlist's fallback ping).
6. Only the member that is named answers: another one at its address, such as a former owner of the
   port, stays silent.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.gossip import wire
from sprawl.core.gossip.model import Member, MemberId, MemberState
from sprawl.core.gossip.settings import NACK_SHARE
from sprawl.core.gossip.wire import Ack, Message, Nack, Ping, PingReq, StreamProbe, Suspect
from sprawl.core.groups.timers import Timers
from sprawl.core.limits import GOSSIP_HELPS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sprawl.core.cluster.peers import PeerAddress
    from sprawl.core.gossip.lifeguard import Awareness
    from sprawl.core.gossip.model import GossipCounters
    from sprawl.core.gossip.roster import Roster
    from sprawl.core.gossip.settings import GossipSettings


class _Step(enum.Enum):
    NEXT = enum.auto()
    """The interval is over."""
    TIMEOUT = enum.auto()
    """The direct probe has no answer."""


class _Probe:
    __slots__ = ("helpers", "is_answered", "nacks", "sequence", "target")

    def __init__(self, sequence: int, target: MemberId) -> None:
        self.sequence = sequence
        self.target = target
        self.is_answered = False
        self.helpers = 0
        self.nacks = 0


class _Help(NamedTuple):
    sequence: int
    asked_by: PeerAddress
    target: MemberId


class Prober:
    """See the module.

    Args:
        send: puts messages into one packet, with what news fit, for an address and the member
            that it belongs to; None for whoever asked from there.
        send_probe: asks a member over the reliable channel.
    """

    def __init__(
        self,
        *,
        settings: GossipSettings,
        roster: Roster,
        rng: Random,
        awareness: Awareness,
        counters: GossipCounters,
        send: Callable[[PeerAddress, list[Message], MemberId | None], None],
        send_probe: Callable[[Member, StreamProbe], None],
        now_ms: int,
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._rng = rng
        self._awareness = awareness
        self._counters = counters
        self._send = send
        self._send_probe = send_probe
        self._me = roster.me.id
        self._tag = wire.member_tag(self._me)
        self._round: list[MemberId] = []
        self._probe: _Probe | None = None
        self._sequence = rng.getrandbits(32)
        self._helps: dict[int, _Help] = {}
        self._timers: Timers[_Step | int] = Timers()
        """Of the probe's steps, and of helps by their sequence."""
        self._timers.set(_Step.NEXT, now_ms + int(rng.random() * settings.probe_interval_ms))

    def next_deadline_ms(self) -> int | None:
        return self._timers.next_deadline_ms()

    def stop(self) -> None:
        """Probe nobody any more; others are still helped."""
        self._probe = None
        self._timers.cancel(_Step.NEXT)
        self._timers.cancel(_Step.TIMEOUT)

    def stood_still(self, now_ms: int) -> None:
        """This process could hear nobody: the probe under way says nothing about its target."""
        if self._probe is not None:
            self._probe = None
            self._timers.cancel(_Step.TIMEOUT)
            self._timers.set(_Step.NEXT, now_ms)

    def tick(self, now_ms: int) -> None:
        for due in self._timers.pop_due(now_ms):
            if due is _Step.NEXT:
                self._finish(now_ms)
                self._begin(now_ms)
            elif due is _Step.TIMEOUT:
                self._ask_others()
            else:
                help_ = self._helps.pop(due)
                self._send(help_.asked_by, [Nack(help_.sequence)], None)

    # --- our probes ---------------------------------------------------------------------------

    def _begin(self, now_ms: int) -> None:
        awareness, settings = self._awareness, self._settings
        self._timers.set(_Step.NEXT, now_ms + awareness.scale(settings.probe_interval_ms))
        target = self._next_target()
        if target is None:
            return
        self._counters.probes += 1
        probe = self._probe = _Probe(self._next_sequence(), target.id)
        self._timers.set(_Step.TIMEOUT, now_ms + awareness.scale(settings.probe_timeout_ms))
        self._ping(probe.sequence, target.id, target.address)

    def _ping(self, sequence: int, target: MemberId, address: PeerAddress) -> None:
        messages: list[Message] = [Ping(sequence, wire.member_tag(target), self._tag)]
        known = self._roster.get(target)
        if self._settings.has_buddies and known is not None and known.state is MemberState.SUSPECT:
            messages.append(self._roster.rumour_of(known, self._me))
        self._send(address, messages, target)

    def _next_target(self) -> Member | None:
        for _ in range(2):
            while self._round:
                known = self._roster.get(self._round.pop())
                if known is not None and known.is_present:
                    return known
            self._round = self._roster.others()
            self._rng.shuffle(self._round)
        return None

    def joined(self, member: MemberId) -> None:
        """A member comes into the present round at a random place (SWIM, section 4.3)."""
        self._round.insert(int(self._rng.random() * (len(self._round) + 1)), member)

    def _ask_others(self) -> None:
        probe = self._probe
        assert probe is not None
        target = self._roster.get(probe.target)
        if probe.is_answered or target is None:
            return
        if self._settings.has_stream_probes:
            tag = wire.member_tag(target.id)
            self._send_probe(target, StreamProbe(True, probe.sequence, tag))
        asked = PingReq(probe.sequence, target.id, target.address)
        helpers = self._roster.pick(
            self._settings.indirect_probes,
            lambda member: member.state is MemberState.ALIVE and member.id != target.id,
        )
        self._counters.probes_indirect += len(helpers)
        probe.helpers = len(helpers)
        for helper in helpers:
            self._send(helper.address, [asked], helper.id)

    def _finish(self, now_ms: int) -> None:
        probe, self._probe = self._probe, None
        if probe is None or probe.is_answered:
            return
        target = self._roster.get(probe.target)
        if target is None or target.is_gone:
            return
        self._counters.probes_failed += 1
        self._awareness.add(probe.helpers - probe.nacks if probe.helpers else 1)
        self._roster.hear_suspect(
            Suspect(target.id, target.epoch, target.incarnation, self._me), now_ms
        )

    # --- messages -----------------------------------------------------------------------------

    def hear_ping(self, ping: Ping, sender: PeerAddress) -> None:
        """Answer, if it is us who are meant. A source that is thought to be suspect or gone is
        told so with the answer: it may refute, or begin another life."""
        if ping.target != self._tag:
            return
        messages: list[Message] = [Ack(ping.sequence, self._tag)]
        source = self._roster.tagged(ping.source)
        if source is not None and (
            source.is_gone or (source.state is MemberState.SUSPECT and self._settings.has_buddies)
        ):
            messages.append(self._roster.rumour_of(source, self._me))
        self._send(sender, messages, None)

    def hear_stream_probe(self, probe: StreamProbe) -> StreamProbe | None:
        """A probe over the reliable channel, or the answer to ours.

        Returns: what to answer.
        """
        if not probe.is_request:
            self.hear_ack(Ack(probe.sequence, probe.member))
        elif probe.member == self._tag:
            return probe._replace(is_request=False)
        return None

    def hear_ping_req(self, asked: PingReq, sender: PeerAddress, now_ms: int) -> None:
        """Probe somebody for another member; or tell it that this one died or left, which gossip
        may have failed to."""
        if len(self._helps) >= GOSSIP_HELPS_MAX:
            self._counters.helps_refused += 1
            return
        known = self._roster.get(asked.target)
        if known is not None and known.is_gone:
            messages: list[Message] = [
                Nack(asked.sequence),
                self._roster.rumour_of(known, self._me),
            ]
            self._send(sender, messages, None)
            return
        sequence = self._next_sequence()
        self._helps[sequence] = _Help(asked.sequence, sender, asked.target)
        self._timers.set(sequence, now_ms + int(NACK_SHARE * self._settings.probe_timeout_ms))
        self._ping(sequence, asked.target, asked.address)

    def hear_ack(self, ack: Ack) -> None:
        """Somebody answers: us, or whom we help."""
        probe = self._probe
        if probe is not None and (probe.sequence, wire.member_tag(probe.target)) == ack:
            if not probe.is_answered:
                probe.is_answered = True
                self._awareness.add(-1)
                self._timers.cancel(_Step.TIMEOUT)
            return
        help_ = self._helps.get(ack.sequence)
        if help_ is not None and wire.member_tag(help_.target) == ack.member:
            del self._helps[ack.sequence]
            self._timers.cancel(ack.sequence)
            self._send(help_.asked_by, [Ack(help_.sequence, ack.member)], None)

    def hear_nack(self, nack: Nack) -> None:
        """A helper is there, but got no answer."""
        probe = self._probe
        if probe is not None and probe.sequence == nack.sequence and probe.nacks < probe.helpers:
            probe.nacks += 1

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF_FFFF
        return self._sequence
