"""The table of members, and what each rumour does to it. Pure.

                 Suspect(i >= ours)                 time is up, or Dead(i >= ours)
    +-------+ ----------------------> +---------+ ---------------------------------> +------+
    | ALIVE |                         | SUSPECT |                                    | DEAD |
    +-------+ <---------------------- +---------+                                    +------+
        ^        Alive(i > ours)           |  Left                              Left    |
        |                                  v                                            |
        |  Alive(larger epoch)         +------+ <---------------------------------------+
        +------------------------------| LEFT |     Left ends every state of its epoch
                                       +------+     Alive(larger epoch) begins a life from any

Rules:
1. Rumours of one member are ordered by (epoch, incarnation); an older one changes nothing, so
   packets may come late, twice or from a former life. DEAD and LEFT are final for their epoch.
2. Only the member itself raises its incarnation (to refute) and its epoch (when it hears that its
   present one is over, or of a later one of its own).
3. LEFT is the member's own word and beats DEAD.
4. What changed something is told on; a suspicion also each time a further member that counts
   confirms it (Lifeguard, section IV.B).
5. A death learned from an exchange of everything is only a suspicion, since it may be long refuted
   (memberlist, mergeState); the suspect is told directly, so that it can begin another life.
6. Members that died or left stay known for `forget_ms`, so that late rumours do not raise them.
   Who learned of them in an exchange forgets them after half of that and tells nobody, so that
   tombstones do not go round for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sprawl.core.gossip import wire
from sprawl.core.gossip.lifeguard import Awareness, Suspicion
from sprawl.core.gossip.model import (
    EpochRaised,
    Event,
    EventKind,
    GossipCounters,
    Member,
    MemberState,
)
from sprawl.core.gossip.wire import EPOCH_MAX, INCARNATION_MAX, Alive, Dead, Left, Rumour, Suspect
from sprawl.core.groups.timers import Timers
from sprawl.core.limits import GOSSIP_MEMBERS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sprawl.core.gossip.broadcasts import Broadcasts
    from sprawl.core.gossip.model import Effect, MemberId
    from sprawl.core.gossip.settings import GossipSettings

ALIVE: Final = MemberState.ALIVE
SUSPECT: Final = MemberState.SUSPECT
DEAD: Final = MemberState.DEAD
LEFT: Final = MemberState.LEFT


class Roster:
    """See the module.

    Args:
        me: this node; its state is LEFT from the moment it leaves.
        effects: where events are put.
    """

    def __init__(
        self,
        *,
        settings: GossipSettings,
        me: Member,
        rng: Random,
        awareness: Awareness,
        counters: GossipCounters,
        effects: list[Effect],
    ) -> None:
        self.news: Broadcasts
        self._settings = settings
        self._me = me.id
        self._rng = rng
        self._awareness = awareness
        self._counters = counters
        self._effects = effects
        self._members: dict[MemberId, Member] = {me.id: me}
        self._others: list[MemberId] = []
        self._places: dict[MemberId, int] = {}
        self._tags = {wire.member_tag(me.id): me.id}
        self._present = 1
        self._suspicions: dict[MemberId, Suspicion] = {}
        self._timers: Timers[tuple[MemberId, bool]] = Timers()
        """Of a suspect (False) or of a tombstone (True)."""
        self._learned: set[MemberId] = set()
        """Tombstones from exchanges: of members of which no event told."""

    # --- looking ------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        return self._members[self._me]

    @property
    def present_count(self) -> int:
        """Members alive or suspect, this node among them."""
        return self._present

    def get(self, member: MemberId) -> Member | None:
        return self._members.get(member)

    def tagged(self, tag: bytes) -> Member | None:
        """The member that probes and answers name so."""
        member = self._tags.get(tag)
        return None if member is None else self._members[member]

    def members(self) -> list[Member]:
        """All that are known, this node among them."""
        return list(self._members.values())

    def others(self) -> list[MemberId]:
        """All that are known but this node, in no order that means anything."""
        return list(self._others)

    def told_in_state(self) -> list[Member]:
        """Those of which an exchange tells."""
        return [member for member in self._members.values() if member.id not in self._learned]

    def hears_news(self, member: Member, now_ms: int) -> bool:
        """Is it present, or dead for so short a time that it may hear of its death?"""
        recent = now_ms - member.since_ms < self._settings.gossip_to_dead_ms
        return member.is_present or (member.state is DEAD and recent)

    def tombstone_count(self, state: MemberState) -> int:
        return sum(member.state is state for member in self._members.values())

    def rumour_of(self, member: Member, source: MemberId) -> Rumour:
        """What is thought of a member, as a message."""
        match member.state:
            case MemberState.ALIVE:
                return Alive(member.id, member.epoch, member.incarnation, member.address)
            case MemberState.SUSPECT:
                return Suspect(member.id, member.epoch, member.incarnation, source)
            case MemberState.DEAD:
                return Dead(member.id, member.epoch, member.incarnation, source)
            case MemberState.LEFT:
                return Left(member.id, member.epoch)

    # --- time ---------------------------------------------------------------------------------

    def next_deadline_ms(self) -> int | None:
        return self._timers.next_deadline_ms()

    def tick(self, now_ms: int) -> tuple[list[MemberId], list[Member]]:
        """Suspects whose time is up die; old tombstones are forgotten.

        Returns: the forgotten, and the dead.
        """
        forgotten, died = [], []
        for member_id, is_tombstone in self._timers.pop_due(now_ms):
            if is_tombstone:
                self._forget(member_id)
                forgotten.append(member_id)
                continue
            member = self._members[member_id]
            dead = Dead(member_id, member.epoch, member.incarnation, self._me)
            self._end(member, dead, now_ms)
            died.append(self._members[member_id])
        return forgotten, died

    def stood_still(self, lag_ms: int) -> None:
        """This process could hear nobody for so long: suspects get the time back."""
        for member_id, suspicion in self._suspicions.items():
            suspicion.postpone(lag_ms)
            self._timers.set((member_id, False), suspicion.deadline_ms)

    # --- rumours ------------------------------------------------------------------------------

    def hear(self, rumour: Rumour, now_ms: int) -> None:
        """Somebody says so."""
        match rumour:
            case Alive():
                self._hear_alive(rumour, now_ms)
            case Suspect():
                self.hear_suspect(rumour, now_ms)
            case Dead():
                self._hear_dead(rumour, now_ms)
            case Left():
                self._hear_left(rumour, now_ms)

    def hear_entry(self, entry: wire.StateEntry, sender: MemberId, now_ms: int) -> Dead | None:
        """What the sender of a state thinks of a member.

        Returns: what to tell that member directly, if anything: rule 5.
        """
        alive = entry.alive
        known = self._members.get(alive.id)
        dead = Dead(alive.id, alive.epoch, alive.incarnation, sender)
        match entry.state:
            case MemberState.ALIVE:
                self._hear_alive(alive, now_ms)
            case MemberState.SUSPECT:
                self._hear_alive(alive, now_ms)
                self.hear_suspect(Suspect(*dead), now_ms)
            case MemberState.DEAD if known is None:
                self._learn_tombstone(alive, DEAD, now_ms)
            case MemberState.DEAD if (
                known is not None
                and known.id != self._me
                and known.is_present
                and known.epoch == alive.epoch
            ):
                latest = Suspect(known.id, known.epoch, known.incarnation, sender)
                self.hear_suspect(latest, now_ms)
                return dead
            case MemberState.DEAD:
                self._hear_dead(dead, now_ms)
            case MemberState.LEFT if known is None:
                self._learn_tombstone(alive, LEFT, now_ms)
            case MemberState.LEFT:
                self._hear_left(Left(alive.id, alive.epoch), now_ms)
        return None

    def leave(self, now_ms: int) -> Left:
        """This node leaves: from now on it refutes nothing."""
        me = self.me
        self._members[self._me] = me._replace(state=LEFT, since_ms=now_ms)
        return Left(me.id, me.epoch)

    def _hear_alive(self, alive: Alive, now_ms: int) -> None:
        known = self._members.get(alive.id)
        if known is None:
            if len(self._members) >= GOSSIP_MEMBERS_MAX:
                self._counters.members_refused += 1
                return
            self._live(alive, EventKind.JOINED, now_ms)
        elif alive.id == self._me:
            if (alive.epoch, alive.incarnation) > (known.epoch, known.incarnation):
                self._outrank(alive.epoch, now_ms)
        elif alive.epoch < known.epoch:
            self._counters.rumours_stale += 1
        elif alive.epoch > known.epoch:
            self._live(alive, EventKind.REJOINED, now_ms)
        elif known.is_present and alive.incarnation > known.incarnation:
            self._live(alive, EventKind.ALIVE if known.state is SUSPECT else None, now_ms)

    def hear_suspect(self, suspect: Suspect, now_ms: int) -> None:
        """A member did not answer `source`, which may be this node."""
        known = self._members.get(suspect.id)
        if known is None or suspect.epoch != known.epoch:
            self._counters.rumours_stale += known is not None and suspect.epoch < known.epoch
            return
        if suspect.incarnation < known.incarnation or known.is_gone:
            return
        if suspect.id == self._me:
            self._refute(suspect.incarnation, now_ms)
            return
        suspicion = self._suspicions.get(suspect.id)
        if suspicion is not None and suspect.incarnation > known.incarnation:
            # It refuted what we suspect it of, though we did not hear that: this is another one.
            suspicion = self._suspicions[suspect.id] = self._suspicion(suspect.source, now_ms)
        elif suspicion is None:
            self._counters.suspicions += 1
            suspicion = self._suspicions[suspect.id] = self._suspicion(suspect.source, now_ms)
            self._change(known, EventKind.SUSPECT, SUSPECT, now_ms)
        elif not suspicion.confirm(suspect.source):
            return
        changed = self._members[suspect.id]._replace(incarnation=suspect.incarnation)
        self._members[suspect.id] = changed
        self._timers.set((suspect.id, False), max(suspicion.deadline_ms, now_ms))
        self.news.add(suspect.id, wire.encode(suspect))

    def _suspicion(self, source: MemberId, now_ms: int) -> Suspicion:
        settings, count = self._settings, self._present
        shortest_ms = settings.suspicion_ms(count)
        is_dynamic = settings.has_dynamic_suspicion
        return Suspicion(
            source=source,
            confirmations=settings.confirmations(count) if is_dynamic else 0,
            shortest_ms=shortest_ms,
            longest_ms=settings.suspicion_max_mult * shortest_ms,
            now_ms=now_ms,
        )

    def _hear_dead(self, dead: Dead, now_ms: int) -> None:
        known = self._members.get(dead.id)
        if known is None:
            return
        if dead.epoch < known.epoch:
            self._counters.rumours_stale += 1
        elif dead.id == self._me:
            self._outrank(dead.epoch, now_ms)
        elif dead.epoch > known.epoch or (
            known.is_present and dead.incarnation >= known.incarnation
        ):
            self._end(known, dead, now_ms)

    def _hear_left(self, left: Left, now_ms: int) -> None:
        known = self._members.get(left.id)
        if known is None:
            return
        if left.epoch < known.epoch:
            self._counters.rumours_stale += 1
        elif left.id == self._me:
            self._outrank(left.epoch, now_ms)
        elif left.epoch > known.epoch or known.state is not LEFT:
            self._end(known, left, now_ms)

    # --- ourselves ----------------------------------------------------------------------------

    def _refute(self, incarnation: int, now_ms: int) -> None:
        """SWIM, section 4.2: only the suspect itself can say that it lives, with a larger
        incarnation."""
        self._counters.refutations += 1
        self._awareness.add(1)
        if incarnation >= INCARNATION_MAX:
            self._outrank(self.me.epoch, now_ms)
            return
        self._tell_self(self.me._replace(incarnation=incarnation + 1))

    def _outrank(self, epoch: int, now_ms: int) -> None:
        """The life with this epoch is over, they say, or was begun by a former start of ours."""
        if self.me.is_gone or epoch >= EPOCH_MAX:
            return
        self._counters.epochs_raised += 1
        self._awareness.add(1)
        self._tell_self(self.me._replace(epoch=epoch + 1, incarnation=0, since_ms=now_ms))
        self._effects.append(EpochRaised(epoch + 1))

    def _tell_self(self, me: Member) -> None:
        self._members[self._me] = me
        self.news.add(me.id, wire.encode(Alive(me.id, me.epoch, me.incarnation, me.address)))

    # --- changes ------------------------------------------------------------------------------

    def _live(self, alive: Alive, kind: EventKind | None, now_ms: int) -> None:
        member = Member(alive.id, alive.address, alive.epoch, alive.incarnation, ALIVE, now_ms)
        self._change(self._members.get(alive.id), kind, ALIVE, now_ms, member)
        self.news.add(alive.id, wire.encode(alive))

    def _end(self, known: Member, last_word: Dead | Left, now_ms: int) -> None:
        has_left = isinstance(last_word, Left)
        state = LEFT if has_left else DEAD
        kind = EventKind.LEFT if has_left else EventKind.DEAD
        member = known._replace(epoch=last_word.epoch, state=state, since_ms=now_ms)
        self._change(known, kind, state, now_ms, member)
        self._timers.set((known.id, True), now_ms + self._settings.forget_ms)
        self.news.add(known.id, wire.encode(last_word))

    def _learn_tombstone(self, alive: Alive, state: MemberState, now_ms: int) -> None:
        if len(self._members) >= GOSSIP_MEMBERS_MAX:
            self._counters.members_refused += 1
            return
        member = Member(alive.id, alive.address, alive.epoch, alive.incarnation, state, now_ms)
        self._change(None, None, state, now_ms, member)
        self._learned.add(alive.id)
        self._timers.set((alive.id, True), now_ms + self._settings.forget_ms // 2)

    def _change(
        self,
        known: Member | None,
        kind: EventKind | None,
        state: MemberState,
        now_ms: int,
        member: Member | None = None,
    ) -> None:
        """The one place where another member's state changes."""
        if member is None:
            assert known is not None
            member = known._replace(state=state, since_ms=now_ms)
        if known is None:
            self._places[member.id] = len(self._others)
            self._others.append(member.id)
            self._tags[wire.member_tag(member.id)] = member.id
        was_present = known is not None and known.is_present
        self._present += member.is_present - was_present
        self._members[member.id] = member
        was_learned = member.id in self._learned
        if was_learned and member.is_present:  # nobody here was told of its former life
            self._learned.remove(member.id)
            kind, was_learned = EventKind.JOINED, False
        if state is not SUSPECT:
            self._suspicions.pop(member.id, None)
            self._timers.cancel((member.id, False))
        if member.is_present:
            self._timers.cancel((member.id, True))
        if kind is not None and not was_learned:
            self._effects.append(Event(kind, member.id, member.epoch, member.address))

    def _forget(self, member_id: MemberId) -> None:
        del self._members[member_id], self._tags[wire.member_tag(member_id)]
        self._learned.discard(member_id)
        self.news.discard(member_id)
        place = self._places.pop(member_id)
        last = self._others.pop()
        if last != member_id:
            self._others[place] = last
            self._places[last] = place

    # --- chance -------------------------------------------------------------------------------

    def pick(self, count: int, is_wanted: Callable[[Member], bool]) -> list[Member]:
        """Up to `count` different members, this node not among them, at random."""
        others, members = self._others, self._members
        if len(others) <= _FEW * count:
            wanted = [m for m in map(members.__getitem__, others) if is_wanted(m)]
            return self._rng.sample(wanted, min(count, len(wanted)))
        picked: dict[MemberId, Member] = {}
        for _ in range(_FEW * count):  # as memberlist's kRandomNodes: rather too few than a search
            member = members[others[int(self._rng.random() * len(others))]]
            if is_wanted(member):
                picked[member.id] = member
                if len(picked) == count:
                    break
        return list(picked.values())


_FEW: Final = 16
