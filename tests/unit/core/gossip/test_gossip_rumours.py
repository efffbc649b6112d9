"""What rumours do: SWIM section 4.2, epochs, and the four events that must not be confused."""

from __future__ import annotations

import pytest
from gossip_bench import (
    Bench,
    address,
    alive,
    dead,
    entry,
    kinds,
    left,
    member,
    packet,
    sent,
    state,
    suspect,
    tag,
)

from sprawl.core.gossip import wire
from sprawl.core.gossip.model import (
    AnswerState,
    Departed,
    EpochRaised,
    EventKind,
    MemberState,
    Send,
    SendState,
    next_epoch,
)
from sprawl.core.gossip.wire import INCARNATION_MAX

JOINED, REJOINED = EventKind.JOINED, EventKind.REJOINED
SUSPECT, ALIVE = EventKind.SUSPECT, EventKind.ALIVE
DEAD, LEFT = EventKind.DEAD, EventKind.LEFT


def test_a_member_is_joined_once() -> None:
    bench = Bench()
    assert kinds(bench.hear(alive(1), alive(1)), 1) == [JOINED]
    assert kinds(bench.hear(alive(1, incarnation=3)), 1) == []


def test_alive_overrides_suspect_with_a_larger_incarnation_only() -> None:
    """SWIM 4.2: "{Alive M, inc=i} overrides {Suspect M, inc=j}, i > j"."""
    bench = Bench(2)
    assert kinds(bench.hear(suspect(1, 2)), 1) == [SUSPECT]
    assert kinds(bench.hear(alive(1, incarnation=0)), 1) == []
    assert kinds(bench.hear(alive(1, incarnation=1)), 1) == [ALIVE]


def test_suspect_overrides_alive_with_an_equal_incarnation() -> None:
    """SWIM 4.2: "{Suspect M, inc=i} overrides {Alive M, inc=j}, i >= j"."""
    bench = Bench(2)
    bench.hear(alive(1, incarnation=5))
    assert kinds(bench.hear(suspect(1, 2, incarnation=4)), 1) == []
    assert kinds(bench.hear(suspect(1, 2, incarnation=5)), 1) == [SUSPECT]


def test_a_suspicion_of_a_larger_incarnation_starts_anew() -> None:
    """The member refuted the former one, so it was alive since: its time begins again."""
    bench = Bench(5)
    bench.hear(suspect(1, 2), suspect(1, 3), suspect(1, 4))
    shortest_ms = bench.settings.suspicion_ms(6)
    bench.run(shortest_ms - 100)
    bench.hear(*(suspect(1, source, incarnation=1) for source in (2, 3, 4)))
    bench.run(2 * shortest_ms - 200)
    assert bench.seen(1) is MemberState.SUSPECT


def test_only_the_suspect_refutes_and_with_a_larger_incarnation() -> None:
    bench = Bench(2)
    effects = bench.hear(suspect(0, 1)) + bench.run(bench.settings.gossip_interval_ms)
    told = {message for _, message in sent(effects, wire.Alive) if message.id == member(0)}
    assert told == {alive(0, incarnation=1)}
    assert bench.membership.counters.refutations == 1


def test_an_incarnation_that_cannot_grow_gives_way_to_an_epoch() -> None:
    bench = Bench(1)
    assert EpochRaised(2) in bench.hear(suspect(0, 1, incarnation=INCARNATION_MAX))
    assert bench.membership.me.incarnation == 0


@pytest.mark.parametrize("last", [dead(1, 2), left(1)])
def test_nothing_of_an_ended_life_comes_back(last: wire.Message) -> None:
    bench = Bench(2)
    bench.hear(last)
    later = bench.hear(alive(1, incarnation=9), suspect(1, 2, incarnation=9), dead(1, 2), last)
    assert kinds(later, 1) == []
    assert kinds(bench.hear(alive(1, epoch=2)), 1) == [REJOINED]


def test_stale_packets_of_a_former_life_do_nothing_and_are_counted() -> None:
    bench = Bench(2)
    bench.hear(alive(1, epoch=7))
    stale = bench.hear(alive(1, epoch=6, incarnation=9), dead(1, 2, epoch=6), left(1, epoch=6))
    assert kinds(stale, 1) == []
    assert kinds(bench.hear(suspect(1, 2, epoch=6)), 1) == []
    assert bench.membership.counters.rumours_stale == 4
    assert bench.seen(1) is MemberState.ALIVE


def test_a_restart_that_nobody_noticed_is_a_rejoin() -> None:
    bench = Bench(1)
    assert kinds(bench.hear(alive(1, epoch=2)), 1) == [REJOINED]


def test_a_leave_is_never_a_death() -> None:
    """memberlist calls NotifyLeave for both; here a consumer can tell them apart."""
    bench = Bench(3)
    assert kinds(bench.hear(left(1)), 1) == [LEFT]
    assert kinds(bench.hear(suspect(2, 3), left(2)), 2) == [SUSPECT, LEFT]
    assert kinds(bench.hear(dead(3, 1), left(3)), 3) == [DEAD, LEFT]
    assert kinds(bench.run(120_000), 2) == []


def test_a_node_that_hears_of_its_death_begins_another_life() -> None:
    bench = Bench(2)
    effects = bench.hear(dead(0, 1))
    assert EpochRaised(2) in effects
    told = sent(effects + bench.run(200), wire.Alive)
    assert alive(0, epoch=2) in [message for _, message in told]


def test_a_node_whose_clock_was_set_back_outranks_its_former_life() -> None:
    bench = Bench(1, epoch=5)
    assert EpochRaised(91) in bench.hear(alive(0, epoch=90))
    assert next_epoch(stored=90, wall_ms=5) == 91
    assert next_epoch(stored=None, wall_ms=5) == 5


def test_the_longest_epoch_cannot_be_forged_into_a_crash() -> None:
    bench = Bench(1)
    bench.hear(dead(0, 1, epoch=wire.EPOCH_MAX))
    bench.hear(dead(0, 1, epoch=wire.EPOCH_MAX + 1))
    assert bench.membership.counters.malformed == 1


def test_deaths_in_an_exchange_are_suspicions_and_told_to_the_suspect() -> None:
    """memberlist, mergeState: a death may be long refuted."""
    bench = Bench(2)
    effects = bench.hear_state(state(2, entry(MemberState.DEAD, alive(1))))
    assert kinds(effects, 1) == [SUSPECT]
    assert sent(effects, wire.Dead) == [(address(1), dead(1, 2))]


def test_a_member_thought_dead_hears_so_when_it_probes() -> None:
    bench = Bench(2)
    bench.hear(dead(1, 2))
    effects = bench.hear(wire.Ping(5, tag(0), tag(1)))
    assert sent(effects, wire.Ack) == [(address(1), wire.Ack(5, tag(0)))]
    assert sent(effects, wire.Dead)[0] == (address(1), dead(1, 0))


def test_tombstones_are_learned_without_events_and_do_not_go_round_for_ever() -> None:
    bench = Bench(1)
    told = state(1, entry(MemberState.DEAD, alive(7, epoch=3)), is_request=True)
    effects = bench.hear_state(told)
    assert kinds(effects, 7) == []
    (answer,) = (effect for effect in effects if isinstance(effect, AnswerState))
    passed_on = wire.parse_state(answer.data, wire.cluster_tag("")).entries
    assert member(7) not in [each.alive.id for each in passed_on]
    assert kinds(bench.hear(alive(7, epoch=3)), 7) == []
    assert kinds(bench.hear(alive(7, epoch=4)), 7) == [JOINED]


def test_the_dead_are_forgotten_in_time() -> None:
    bench = Bench(2, forget_ms=60_000)
    bench.hear(dead(1, 2))
    bench.run(59_999)
    assert bench.membership.member(member(1)) is not None
    bench.run(60_000)
    assert bench.membership.member(member(1)) is None


def test_leaving_is_told_at_once_again_and_then_over() -> None:
    bench = Bench(20)
    at_once = sent(bench.membership.leave(0), wire.Left)
    assert len({to for to, message in at_once if message == left(0)}) == 20
    later = bench.run(bench.settings.leave_ms)
    assert left(0) in [message for _, message in sent(later, wire.Left)]
    assert later[-1] == Departed()
    assert bench.hear(wire.Ping(1, tag(0), tag(1))) == []
    assert bench.run(60_000) == []


def test_a_leaving_node_refutes_nothing() -> None:
    bench = Bench(3)
    bench.membership.leave(0)
    effects = bench.hear(suspect(0, 1), dead(0, 2))
    assert sent(effects, wire.Alive) == []
    assert bench.membership.me.state is MemberState.LEFT


def test_joining_is_tried_again_while_alone() -> None:
    bench = Bench()
    first = bench.membership.join([address(8), address(0)], 0)
    assert [effect.address for effect in first if isinstance(effect, SendState)] == [address(8)]
    again = bench.run(bench.settings.rejoin_ms_min)
    assert [effect.address for effect in again if isinstance(effect, SendState)] == [address(8)]
    again = bench.run(10_000)
    assert [e.address for e in again if isinstance(e, SendState)] == 3 * [address(8)]
    bench.run(15_000)
    bench.hear(alive(1))
    later = bench.run(18_000)
    assert address(8) not in [e.address for e in later if isinstance(e, SendState)]
    later = bench.run(40_000)  # node 1 never answered
    assert address(8) in [e.address for e in later if isinstance(e, SendState)]


def test_a_request_is_answered_with_everything() -> None:
    bench = Bench(2)
    effects = bench.hear_state(state(9, entry(MemberState.ALIVE, alive(9)), is_request=True))
    (answer,) = (effect for effect in effects if isinstance(effect, AnswerState))
    told = wire.parse_state(answer.data, wire.cluster_tag(""))
    assert not told.is_request
    assert {each.alive for each in told.entries} == {alive(n) for n in (0, 1, 2, 9)}


def test_packets_of_another_cluster_are_counted_and_dropped() -> None:
    bench = Bench(1)
    other = wire.encode_head(wire.cluster_tag("other")) + wire.encode(alive(5))
    assert bench.membership.receive(other, address(5), 0) == []
    assert bench.membership.counters.other_cluster == 1


def test_packets_never_exceed_their_size() -> None:
    bench = Bench(200, packet_bytes_max=600)
    for effect in bench.run(5_000):
        if isinstance(effect, Send):
            assert len(effect.data) <= 600
            assert packet() <= effect.data
