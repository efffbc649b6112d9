"""Whole clusters in virtual time: what the tables of docs/overlay.md rest on, in small."""

from __future__ import annotations

from sprawl.core.gossip.model import EventKind
from sprawl.core.gossip.settings import GossipSettings
from tests.overlay.membership_runs import (
    LIFEGUARD,
    SETTLE_MS,
    Record,
    detect,
    leaves,
    settled,
    theory_s,
    until_agreed,
)
from tests.overlay.world import World

KEY = b"k" * 32


def test_a_cluster_forms_from_one_seed_with_loss_and_keys() -> None:
    world = World(nodes=20, seed=3, loss=0.2, keys=[KEY])
    for number, node in enumerate(world.nodes):
        world.at(100 * number, world.start, node, world.nodes[:1])
    world.run_until(2_500)
    assert until_agreed(world, 60_000) is not None
    assert all(not m.counters.forged and not m.counters.replayed for _, m in world.running())


def test_crashes_are_noticed_by_everybody_in_the_time_that_theory_says() -> None:
    found = detect(10, 0.0, 1, LIFEGUARD)
    assert None not in found.everyone
    longest_ms = 1_000 * (theory_s(10) + 5)
    assert all(each is not None and each < longest_ms for each in found.everyone)


def test_leaves_and_crashes_are_never_confused() -> None:
    for row in leaves(20, (0.3,), 5).rows:
        assert row[3:6] == [0, 0, 0]
        assert "never" not in f"{row[1]} {row[2]} {row[6]}"


def test_loss_alone_kills_nobody() -> None:
    world, record = settled(20, 2, 0.2, LIFEGUARD)
    world.run_until(SETTLE_MS + 120_000)
    assert not any(kind is EventKind.DEAD for kind, _, _ in record.counts)
    assert any(kind is EventKind.ALIVE for kind, _, _ in record.counts)


def test_a_network_without_datagrams_is_no_reason_to_suspect_anybody() -> None:
    world, record = settled(10, 2, 1.0, GossipSettings())
    world.run_until(SETTLE_MS + 60_000)
    assert not any(kind in (EventKind.SUSPECT, EventKind.DEAD) for kind, _, _ in record.counts)


def test_two_halves_find_each_other_again() -> None:
    for cut_ms in (5_000, 90_000):
        world, record = settled(16, 4, 0.0, LIFEGUARD)
        for node in world.nodes[:8]:
            node.side = 1
        world.run_until(SETTLE_MS + cut_ms)
        for node in world.nodes:
            node.side = 0
        assert until_agreed(world, world.now_ms + 180_000) is not None, cut_ms
        died = any(kind is EventKind.DEAD for kind, _, _ in record.counts)
        rejoined = any(kind is EventKind.REJOINED for kind, _, _ in record.counts)
        assert died == rejoined


def test_a_process_that_stops_for_long_rejoins_and_accuses_nobody() -> None:
    world, record = settled(16, 4, 0.0, LIFEGUARD)
    stopped = world.nodes[3]
    world.stop(stopped)
    world.run_until(SETTLE_MS + 120_000)
    world.resume(stopped)
    assert until_agreed(world, world.now_ms + 60_000) is not None
    dead = {subject for kind, subject, _ in record.counts if kind is EventKind.DEAD}
    assert dead == {stopped.id}
    assert (EventKind.REJOINED, stopped.id) in record.times


def test_a_seed_gives_the_same_run() -> None:
    def run() -> list[tuple[str, int, int, int]]:
        world, record = settled(12, 9, 0.1, LIFEGUARD)
        world.crash(world.nodes[5])
        world.run_until(SETTLE_MS + 30_000)
        return sorted(
            (kind.name, subject.node_id, observer, when)
            for (kind, subject), times in record.times.items()
            for observer, when in times.items()
        )

    assert run() == run() != []


def test_records_keep_the_first_time() -> None:
    world, record = settled(5, 1, 0.0, LIFEGUARD)
    world.crash(world.nodes[0])
    world.run_until(SETTLE_MS + 20_000)
    assert isinstance(record, Record)
    assert record.first(EventKind.DEAD, world.nodes[0], SETTLE_MS) is not None
