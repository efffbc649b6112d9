"""The failure detector: SWIM sections 3.1 and 4.3, Lifeguard section IV."""

from __future__ import annotations

import math

from gossip_bench import TAG, Bench, address, alive, dead, kinds, member, sent, suspect, tag

from sprawl.core.gossip import wire
from sprawl.core.gossip.lifeguard import Awareness, Suspicion
from sprawl.core.gossip.model import AnswerState, EventKind, MemberState, SendState
from sprawl.core.gossip.settings import GossipSettings
from sprawl.core.gossip.wire import Ack, Nack, Ping, PingReq

NUMBERS = {tag(number): number for number in range(10)}


def first_ping(bench: Bench) -> tuple[int, Ping]:
    """Runs to the next probe; the number of its target and the message."""
    while True:
        effects = bench.run(bench.membership.deadline_ms)
        for _, message in sent(effects, Ping):
            assert isinstance(message, Ping)
            return NUMBERS[message.target], message


def test_every_member_is_probed_once_a_round() -> None:
    """SWIM 4.3: "selects ping targets in a round-robin fashion", in an order that is shuffled."""
    bench = Bench(6)
    rounds = []
    for _ in range(4):
        numbers = []
        for _ in range(6):
            number, ping = first_ping(bench)
            bench.hear(Ack(ping.sequence, ping.target), sender=number)
            numbers.append(number)
        rounds.append(tuple(numbers))
    assert all(sorted(each) == [1, 2, 3, 4, 5, 6] for each in rounds)
    assert len(set(rounds)) > 1


def test_a_silent_member_is_probed_through_k_others_then_suspected() -> None:
    """SWIM 3.1: "selects k members at random and sends each a ping-req(Mj)"."""
    bench = Bench(6)
    number, ping = first_ping(bench)
    begun_ms = bench.now_ms
    asked = sent(bench.run(begun_ms + bench.settings.probe_timeout_ms), PingReq)
    assert len({to for to, _ in asked}) == 3
    assert address(number) not in [to for to, _ in asked]
    assert {message for _, message in asked} == {
        PingReq(ping.sequence, member(number), address(number))
    }
    effects = bench.run(begun_ms + bench.settings.probe_interval_ms)
    assert kinds(effects, number) == [EventKind.SUSPECT]


def test_an_answer_through_a_helper_is_an_answer() -> None:
    bench = Bench(6)
    number, ping = first_ping(bench)
    bench.run(bench.now_ms + bench.settings.probe_timeout_ms)
    bench.hear(Ack(ping.sequence, ping.target), sender=number % 6 + 1)
    bench.run(bench.now_ms + bench.settings.probe_timeout_ms)
    assert bench.seen(number) is MemberState.ALIVE


def test_a_member_that_answers_over_the_reliable_channel_alone_lives() -> None:
    """memberlist's fallback ping: the network loses datagrams, or lets none through."""
    bench, other = Bench(6), Bench(0)
    number, ping = first_ping(bench)
    effects = bench.run(bench.now_ms + bench.settings.probe_timeout_ms)
    (asked,) = (effect for effect in effects if isinstance(effect, SendState))
    assert asked.address == address(number)
    assert other.hear_state(asked.data) == []  # it is not the member that is meant

    probe = wire.encode_stream_probe(wire.StreamProbe(True, ping.sequence, tag(0)), TAG)
    (answer,) = other.hear_state(probe)
    assert isinstance(answer, AnswerState)
    told = wire.parse_exchange(answer.data, TAG)
    assert told == wire.StreamProbe(False, ping.sequence, tag(0))

    bench.hear_state(
        wire.encode_stream_probe(wire.StreamProbe(False, ping.sequence, tag(number)), TAG)
    )
    bench.run(bench.now_ms + bench.settings.probe_timeout_ms)
    assert bench.seen(number) is MemberState.ALIVE


def test_an_answer_of_somebody_else_is_none() -> None:
    bench = Bench(6)
    number, ping = first_ping(bench)
    bench.hear(Ack(ping.sequence, tag(number % 6 + 1)), sender=number)
    bench.run(bench.now_ms + bench.settings.probe_interval_ms)
    assert bench.seen(number) is MemberState.SUSPECT


def test_a_ping_for_another_member_is_not_answered() -> None:
    bench = Bench(2)
    assert sent(bench.hear(Ping(1, tag(9), tag(1))), Ack) == []


def test_a_helper_passes_the_answer_on_or_says_that_there_is_none() -> None:
    """Lifeguard IV.A: the nack comes after 80 % of the timeout."""
    bench = Bench(3)
    effects = bench.hear(PingReq(77, member(2), address(2)), sender=1)
    ((to, ping),) = sent(effects, Ping)
    assert to == address(2)
    assert isinstance(ping, Ping)
    answered = bench.hear(Ack(ping.sequence, tag(2)), sender=2)
    assert sent(answered, Ack) == [(address(1), Ack(77, tag(2)))]

    bench.hear(PingReq(78, member(2), address(2)), sender=1)
    asked_ms = bench.now_ms
    assert (address(1), Nack(78)) not in sent(bench.run(asked_ms + 399), Nack)
    assert (address(1), Nack(78)) in sent(bench.run(asked_ms + 400), Nack)


def test_a_helper_that_knows_of_the_end_says_so() -> None:
    """Gossip reaches everybody with a probability only."""
    bench = Bench(3)
    bench.hear(wire.Left(member(2), 1))
    effects = bench.hear(PingReq(77, member(2), address(2)), sender=1)
    assert sent(effects, Ping) == []
    assert sent(effects, Nack) == [(address(1), Nack(77))]
    assert (address(1), wire.Left(member(2), 1)) in sent(effects, wire.Left)


def test_missed_nacks_count_against_ourselves_and_nacks_do_not() -> None:
    """Lifeguard IV.A: who is not even told "no" should doubt itself."""
    silent = Bench(6)
    first_ping(silent)
    silent.run(silent.now_ms + 1_000)
    assert silent.membership.local_health == 3

    heard = Bench(6)
    _, ping = first_ping(heard)
    heard.run(heard.now_ms + 500)
    for _ in range(3):
        heard.hear(Nack(ping.sequence))
    heard.run(heard.now_ms + 500)
    assert heard.membership.local_health == 0


def test_a_refutation_counts_against_ourselves_and_an_answer_for_us() -> None:
    bench = Bench(6)
    bench.hear(suspect(0, 1))
    assert bench.membership.local_health == 1
    number, ping = first_ping(bench)
    bench.hear(Ack(ping.sequence, ping.target), sender=number)
    assert bench.membership.local_health == 0


def test_an_unhealthy_node_probes_less_often_and_waits_longer() -> None:
    """Lifeguard IV.A: "ProbeInterval = BaseProbeInterval * (LHM + 1)"."""
    awareness = Awareness(GossipSettings())
    assert awareness.scale(500) == 500
    awareness.add(100)
    assert awareness.score == 7  # S = 8 values, from 0
    assert awareness.scale(500) == 4_000
    awareness.add(-100)
    assert awareness.score == 0
    ill = Awareness(GossipSettings(has_local_health=False))
    ill.add(3)
    assert ill.scale(500) == 500


def test_suspicion_shrinks_with_the_logarithm_of_its_confirmations() -> None:
    """Lifeguard IV.B: "max(Min, Max - (Max - Min) * log(C + 1) / log(K + 1))"."""
    suspicion = Suspicion(
        source=member(1), confirmations=3, shortest_ms=5_000, longest_ms=30_000, now_ms=100
    )
    deadlines = [suspicion.deadline_ms]
    assert not suspicion.confirm(member(1))
    for number in (2, 3, 4):
        assert suspicion.confirm(member(number))
        deadlines.append(suspicion.deadline_ms)
    assert not suspicion.confirm(member(5))
    expected = [int(30_000 - 25_000 * math.log(c + 1) / math.log(4)) for c in range(4)]
    assert deadlines == [100 + each for each in expected]
    assert deadlines[-1] == 5_100


def test_the_timeouts_follow_the_size_of_the_cluster() -> None:
    settings = GossipSettings()
    assert settings.suspicion_ms(2) == 4_000
    assert settings.suspicion_ms(99) == 8_000
    assert settings.suspicion_ms(9_999) == 16_000
    assert settings.confirmations(3) == 0
    assert settings.confirmations(4) == 2
    assert settings.transmissions(9) == 4
    assert settings.transmissions(10) == 8
    assert settings.push_pull_ms(32) == 30_000
    assert settings.push_pull_ms(33) == 60_000
    assert settings.push_pull_ms(1_000) == 180_000


def test_confirmed_suspicions_end_sooner_than_lonely_ones() -> None:
    lonely, confirmed = Bench(9), Bench(9)
    lonely.hear(suspect(1, 2))
    confirmed.hear(suspect(1, 2), suspect(1, 3), suspect(1, 4))
    shortest_ms = confirmed.settings.suspicion_ms(10)
    confirmed.run(shortest_ms)
    lonely.run(shortest_ms)
    assert confirmed.seen(1) is MemberState.DEAD
    assert lonely.seen(1) is MemberState.SUSPECT


def test_a_new_confirmation_is_told_on_and_a_surplus_one_is_not() -> None:
    """Lifeguard IV.B: up to K independent suspicions are gossiped again."""
    bench = Bench(9)
    for source in (2, 3, 4, 5):
        bench.hear(suspect(1, source))
    told = {message for _, message in sent(bench.run(200), wire.Suspect)}
    assert told == {suspect(1, 4)}


def test_a_probe_tells_the_suspect_and_so_does_an_answer() -> None:
    """Lifeguard IV.C: the buddy system."""
    bench = Bench(1)
    bench.hear(suspect(1, 9))
    for _ in range(50):  # until gossip has told it often enough
        effects = bench.run(bench.membership.deadline_ms)
        if sent(effects, Ping):
            break
    assert suspect(1, 0) in [message for _, message in sent(effects, wire.Suspect)]
    answer = bench.hear(Ping(4, tag(0), tag(1)))
    assert suspect(1, 0) in [message for _, message in sent(answer, wire.Suspect)]


def test_a_suspect_that_is_not_heard_dies_and_its_death_is_told() -> None:
    bench = Bench(3)
    bench.hear(suspect(1, 2))
    effects = bench.run(60_000)
    assert kinds(effects, 1) == [EventKind.DEAD]
    assert (address(1), dead(1, 0)) in sent(effects, wire.Dead)
    assert dead(1, 0) in [message for _, message in sent(effects, wire.Dead)]


def test_a_process_that_stood_still_does_not_blame_others() -> None:
    bench = Bench(4)
    bench.hear(suspect(1, 2), suspect(1, 3), suspect(1, 4))
    first_ping(bench)
    bench.now_ms += 60_000  # nothing was heard and no timer fired for a minute
    effects = bench.membership.tick(bench.now_ms)
    assert [kinds(effects, number) for number in (1, 2, 3, 4)] == [[], [], [], []]
    assert bench.membership.counters.stalls == 1
    bench.hear(alive(1, incarnation=1))
    assert bench.seen(1) is MemberState.ALIVE


def test_the_dead_hear_of_their_death_for_a_while_and_those_that_left_do_not() -> None:
    bench = Bench(2)
    bench.hear(dead(1, 2), wire.Left(member(2), 1))
    told = {to for to, _ in sent(bench.run(2_000), wire.Dead)}
    assert told == {address(1)}
