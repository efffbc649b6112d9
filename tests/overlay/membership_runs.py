"""What membership is measured by, in virtual time: each function plays a scenario for a table.

Sizes, losses and seeds are the caller's. Times are from the fault, in seconds: median (largest).
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sprawl.core.gossip.model import Event, EventKind, MemberId
from sprawl.core.gossip.settings import GossipSettings
from tests.overlay.tables import Table, seconds
from tests.overlay.world import Node, World

LIFEGUARD = GossipSettings(has_stream_probes=False)
"""Datagrams alone, as in the papers: streams lose nothing in a `World`, and would hide what loss
does."""
SWIM = replace(LIFEGUARD, has_local_health=False, has_dynamic_suspicion=False, has_buddies=False)
CONFIGURATIONS = (
    ("SWIM", SWIM),
    ("+ local health", replace(SWIM, has_local_health=True)),
    ("+ dynamic suspicion", replace(SWIM, has_dynamic_suspicion=True)),
    ("+ buddy system", replace(SWIM, has_buddies=True)),
    ("Lifeguard", LIFEGUARD),
)
CRASHES = {10: (12, 1), 100: (4, 4), 1_000: (1, 10)}
"""By size: worlds, and crashes in each."""
MINUTE_MS = 60_000
SETTLE_MS = 3_000
ANOMALIES = tuple(
    (length_ms, pause_ms) for length_ms in (2_048, 8_192, 32_768) for pause_ms in (64, 4_096)
)
"""How long members are slow, and how long they run between: from the grid of the paper, section
V."""
ANOMALY_NODES = 128
ANOMALOUS = 16


class Record:
    """All events of a world, by what happened to whom."""

    def __init__(self) -> None:
        self.times: dict[tuple[EventKind, MemberId], dict[int, int]] = defaultdict(dict)
        """(kind, subject) -> observer -> when first."""
        self.counts: Counter[tuple[EventKind, MemberId, int]] = Counter()
        """(kind, subject, observer)."""

    def __call__(self, now_ms: int, observer: Node, event: Event) -> None:
        self.times[event.kind, event.id].setdefault(observer.index, now_ms)
        self.counts[event.kind, event.id, observer.index] += 1

    def first(self, kind: EventKind, subject: Node, since_ms: int) -> float | None:
        times = self.times.get((kind, subject.id))
        return min(times.values()) - since_ms if times else None

    def everyone(
        self, kind: EventKind, subject: Node, since_ms: int, observers: Sequence[Node]
    ) -> float | None:
        times = self.times.get((kind, subject.id), {})
        if any(node.index not in times for node in observers):
            return None
        return max(times[node.index] for node in observers) - since_ms


def settled(
    nodes: int, seed: int, loss: float, settings: GossipSettings, keys: tuple[bytes, ...] = ()
) -> tuple[World, Record]:
    """A world in which everybody has known everybody for a while."""
    record = Record()
    world = World(nodes=nodes, seed=seed, loss=loss, settings=settings, told=record, keys=keys)
    world.start_settled()
    world.run_until(SETTLE_MS)
    return world, record


# --- detection --------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Detection:
    """When crashes were noticed, one entry a crash."""

    suspected: list[float | None]
    first: list[float | None]
    everyone: list[float | None]


def detect(nodes: int, loss: float, seed: int, settings: GossipSettings) -> Detection:
    """Crash some nodes, and wait until the last one knows."""
    worlds, crashes = CRASHES.get(nodes, (4, max(1, nodes // 25)))
    found = Detection(suspected=[], first=[], everyone=[])
    longest_ms = settings.suspicion_max_mult * settings.suspicion_ms(nodes) + 20_000
    for number in range(worlds):
        world, record = settled(nodes, seed + number, loss, settings)
        begun_ms = world.now_ms
        crashed = world.rng.sample(world.nodes, crashes)
        for node in crashed:
            world.crash(node)
        living = [node for node, _ in world.running()]

        def is_known(crashed: list[Node], record: Record, living: list[Node]) -> bool:
            return all(
                len(record.times.get((EventKind.DEAD, node.id), ())) >= len(living)
                for node in crashed
            )

        while world.now_ms < begun_ms + longest_ms and not is_known(crashed, record, living):
            world.run_until(world.now_ms + 500)
        for node in crashed:
            found.suspected.append(record.first(EventKind.SUSPECT, node, begun_ms))
            found.first.append(record.first(EventKind.DEAD, node, begun_ms))
            found.everyone.append(record.everyone(EventKind.DEAD, node, begun_ms, living))
    return found


def theory_s(nodes: int, settings: GossipSettings = LIFEGUARD) -> float:
    """From crash until everyone knows, without loss.

    A member is probed by somebody after one interval in the mean (each of N - 1 members probes one
    of N - 1), the probe takes an interval, the confirmed suspicion its shortest time, and the news
    log4(N) rounds of gossip to three others (SWIM, section 5; memberlist's defaults).
    """
    gossip_ms = settings.gossip_interval_ms * math.log(nodes, 1 + settings.gossip_nodes)
    probe_ms = 2 * settings.probe_interval_ms
    return (probe_ms + settings.suspicion_ms(nodes) + gossip_ms) / 1_000


def detection(
    sizes: Sequence[int], losses: Sequence[float], seed: int, *, has_streams: bool = False
) -> Table:
    """Crash to SUSPECT and DEAD, with datagrams alone or also with probes over streams."""
    settings = replace(LIFEGUARD, has_stream_probes=has_streams)
    table = Table(
        "detection-streams" if has_streams else "detection",
        f"Detection of a crash{', probes over streams too' if has_streams else ''}, seconds:"
        " median (largest)",
        ("nodes", "lost", "first SUSPECT", "first DEAD", "DEAD everywhere", "theory"),
    )
    for nodes in sizes:
        for loss in losses:
            found = detect(nodes, loss, seed, settings)
            known = [each for each in found.everyone if each is not None]
            if known:
                table.points.append(
                    {
                        "nodes": nodes,
                        "loss": loss,
                        "everyone_s": statistics.median(known) / 1_000,
                        "theory_s": theory_s(nodes),
                    }
                )
            columns = (found.suspected, found.first, found.everyone)
            table.rows.append(
                [nodes, f"{loss:.0%}", *map(seconds, columns), f"{theory_s(nodes):.1f}"]
            )
    return table


# --- false positives --------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Wrongs:
    """Events about members that were there all the time."""

    suspects: int = 0
    deaths: int = 0
    """DEAD events of any observer."""
    deaths_at_healthy: int = 0
    subjects: int = 0
    """Members that were thought dead by anybody."""


def wrongs(record: Record, subjects: Sequence[Node], healthy: set[int]) -> Wrongs:
    """Count what was wrongly said of `subjects`."""
    found = Wrongs()
    ids = {node.id for node in subjects}
    wronged = set()
    for (kind, subject, observer), count in record.counts.items():
        if subject not in ids:
            continue
        if kind is EventKind.SUSPECT:
            found.suspects += count
        elif kind is EventKind.DEAD:
            found.deaths += count
            found.deaths_at_healthy += count if observer in healthy else 0
            wronged.add(subject)
    found.subjects = len(wronged)
    return found


def false_positives(nodes: int, losses: Sequence[float], minutes: int, seed: int) -> Table:
    """Nothing fails but packets."""
    table = Table(
        "false-positives",
        f"Loss alone: {nodes} nodes, {minutes} minutes, per node and hour",
        ("lost", "detector", "SUSPECT events", "DEAD events (all false)", "members wronged"),
    )
    for loss in losses:
        for name, settings in (CONFIGURATIONS[0], CONFIGURATIONS[-1]):
            world, record = settled(nodes, seed, loss, settings)
            world.run_until(world.now_ms + minutes * MINUTE_MS)
            found = wrongs(record, world.nodes, set(range(nodes)))
            hours = nodes * minutes / 60
            table.rows.append(
                [
                    f"{loss:.0%}",
                    name,
                    found.suspects / hours,
                    found.deaths / hours,
                    found.subjects,
                ]
            )
    return table


def anomalies(minutes: int, seed: int, fault: str) -> Table:
    """Some members are slow again and again; what is said of the others?"""
    act = World.mute if fault == "mute" else World.stop
    detectors = CONFIGURATIONS if fault == "mute" else (CONFIGURATIONS[0], CONFIGURATIONS[-1])
    if fault == "stop":
        without = [(f"{name}, stall guard off", replace(s, stall_ms=0)) for name, s in detectors]
        detectors = tuple(pair for both in zip(without, detectors, strict=True) for pair in both)
    table = Table(
        f"anomalies-{fault}",
        f"{ANOMALOUS} of {ANOMALY_NODES} members {fault} for 2, 8 and 33 s again and again with"
        f" 64 ms and 4 s between, {len(ANOMALIES)} x {minutes} minutes",
        (
            "detector",
            "DEAD of healthy members",
            "the same, at healthy observers",
            "gain",
            "gain at healthy",
            "DEAD of slow members",
        ),
    )
    base: Wrongs | None = None
    for name, settings in detectors:
        about_healthy, about_slow = Wrongs(), Wrongs()
        for number, (length_ms, pause_ms) in enumerate(ANOMALIES):
            world, record = settled(ANOMALY_NODES, seed + number, 0.0, settings)
            slow = world.rng.sample(world.nodes, ANOMALOUS)
            _repeat(world, slow, act, length_ms, pause_ms, minutes * MINUTE_MS)
            world.run_until(world.now_ms + minutes * MINUTE_MS)
            indices = {node.index for node in slow}
            others = [node for node in world.nodes if node.index not in indices]
            healthy = {node.index for node in others}
            found = wrongs(record, others, healthy)
            about_healthy.deaths += found.deaths
            about_healthy.deaths_at_healthy += found.deaths_at_healthy
            about_slow.deaths += wrongs(record, slow, healthy).deaths_at_healthy
        base = base or about_healthy
        table.rows.append(
            [
                name,
                about_healthy.deaths,
                about_healthy.deaths_at_healthy,
                _gain(base.deaths, about_healthy.deaths),
                _gain(base.deaths_at_healthy, about_healthy.deaths_at_healthy),
                about_slow.deaths,
            ]
        )
    return table


def _gain(before: int, after: int) -> str:
    if not before:
        return "-"
    return f"{before / after:.1f}x" if after else f"all {before:,}"


def _repeat(
    world: World,
    slow: Sequence[Node],
    act: Callable[[World, Node], None],
    length_ms: int,
    pause_ms: int,
    for_ms: int,
) -> None:
    end_ms = world.now_ms + for_ms
    begun_ms = world.now_ms
    while begun_ms < end_ms:
        for node in slow:
            world.at(begun_ms, act, world, node)
            world.at(begun_ms + length_ms, world.resume, node)
        begun_ms += length_ms + pause_ms


# --- partitions -------------------------------------------------------------------------------


def partitions(sizes: Sequence[int], seed: int) -> Table:
    """Two sides that do not reach each other, then do again."""
    table = Table(
        "partitions",
        "Partition and healing, seconds",
        (
            "nodes",
            "sides",
            "cut for",
            "DEAD events",
            "healed until all agree",
            "REJOINED events",
        ),
    )
    for nodes in sizes:
        for share in (0.5, 0.1):
            for cut_ms in (10_000, 60_000, 300_000):
                world, record = settled(nodes, seed, 0.0, LIFEGUARD)
                small = int(share * nodes)
                for node in world.nodes[:small]:
                    node.side = 1
                world.run_until(world.now_ms + cut_ms)
                healed_ms = world.now_ms
                for node in world.nodes:
                    node.side = 0
                deaths = _count(record, EventKind.DEAD)
                agreed_ms = until_agreed(world, healed_ms + 10 * MINUTE_MS)
                table.rows.append(
                    [
                        nodes,
                        f"{nodes - small} + {small}",
                        cut_ms // 1_000,
                        deaths,
                        None if agreed_ms is None else (agreed_ms - healed_ms) / 1_000,
                        _count(record, EventKind.REJOINED),
                    ]
                )
    return table


def until_agreed(world: World, end_ms: int) -> int | None:
    """Run until every node sees exactly the running ones; when that was."""
    while world.now_ms < end_ms:
        if world.agrees():
            return world.now_ms
        world.run_until(world.now_ms + 200)
    return None


def _count(record: Record, kind: EventKind) -> int:
    return sum(count for (what, _, _), count in record.counts.items() if what is kind)


# --- leaving and coming back ------------------------------------------------------------------


def leaves(nodes: int, losses: Sequence[float], seed: int) -> Table:
    """A tenth leaves while a tenth crashes; all of them come back."""
    table = Table(
        "leaves",
        f"{nodes} nodes, a tenth leaves, a tenth crashes, all come back",
        (
            "lost",
            "LEFT everywhere, s",
            "DEAD everywhere, s",
            "leaves called DEAD",
            "crashes called LEFT",
            "REJOINED events missing",
            "back everywhere, s",
        ),
    )
    for loss in losses:
        world, record = settled(nodes, seed, loss, LIFEGUARD)
        chosen = world.rng.sample(world.nodes, nodes // 5)
        leaving, crashing = chosen[::2], chosen[1::2]
        begun: dict[int, int] = {}

        for number, node in enumerate(chosen):
            act = world.leave if node in leaving else world.crash
            begun[node.index] = world.now_ms + 500 * number
            world.at(begun[node.index], act, node)
        world.run_until(world.now_ms + 120_000)
        staying = [node for node, _ in world.running()]
        left = [
            record.everyone(EventKind.LEFT, node, begun[node.index], staying) for node in leaving
        ]
        dead = [
            record.everyone(EventKind.DEAD, node, begun[node.index], staying) for node in crashing
        ]
        ids = {node.id for node in leaving}
        confused = sum(
            count
            for (kind, subject, _), count in record.counts.items()
            if kind is EventKind.DEAD and subject in ids
        )
        ids = {node.id for node in crashing}
        wrong = sum(
            count
            for (kind, subject, _), count in record.counts.items()
            if kind is EventKind.LEFT and subject in ids
        )
        back_ms = world.now_ms
        for node in chosen:
            world.start(node, staying[:3])
        world.run_until(world.now_ms + 60_000)
        back = [record.everyone(EventKind.REJOINED, node, back_ms, staying) for node in chosen]
        missing = sum(
            not record.counts[EventKind.REJOINED, node.id, observer.index]
            for node in chosen
            for observer in staying
        )
        columns = (seconds(left), seconds(dead), confused, wrong, missing, seconds(back))
        table.rows.append([f"{loss:.0%}", *columns])
    return table


# --- traffic ----------------------------------------------------------------------------------


def traffic(sizes: Sequence[int], seed: int) -> Table:
    """Nothing happens but load digests."""
    table = Table(
        "traffic",
        "Traffic of a quiet node that measures its load every 10 s, sent a second",
        (
            "nodes",
            "sealed",
            "packets",
            "packet bytes",
            "exchange bytes",
            "age of the digests known, s",
        ),
    )
    for nodes in sizes:
        for keys in ((), (b"k" * 32,)):
            if keys and nodes > 100:
                continue
            settle_ms, for_ms = 60_000, 180_000
            world, _ = settled(nodes, seed, 0.0, LIFEGUARD, keys)
            told = _digests(world, settle_ms + for_ms)
            world.run_until(world.now_ms + settle_ms)
            before = _sums(world)
            world.run_until(world.now_ms + for_ms)
            rates = [
                (after - once) / nodes / (for_ms / 1_000)
                for once, after in zip(before, _sums(world), strict=True)
            ]
            table.rows.append([nodes, "yes" if keys else "no", *rates, _age_s(world, told)])
    return table


def _digests(world: World, for_ms: int) -> dict[MemberId, list[tuple[int, int]]]:
    """Every node measures itself; who told which sequence when."""
    told: dict[MemberId, list[tuple[int, int]]] = defaultdict(list)

    def measure(node: Node) -> None:
        world.update_digest(node)
        assert node.membership is not None
        mine = node.membership.load(node.id)
        sequence = 0 if mine is None else mine.sequence
        if not told[node.id] or told[node.id][-1][0] != sequence:
            told[node.id].append((sequence, world.now_ms))

    for node in world.nodes:
        begun_ms = world.now_ms + world.rng.randrange(10_000)
        for when_ms in range(begun_ms, world.now_ms + for_ms, 10_000):
            world.at(when_ms, measure, node)
            world.at(when_ms + 1, measure, node)  # the timer has told it by now
    return told


def _sums(world: World) -> tuple[int, int, int]:
    counters = [membership.counters for _, membership in world.running()]
    return (
        sum(each.packets_out for each in counters),
        sum(each.bytes_out for each in counters),
        sum(each.state_bytes_out for each in counters),
    )


def _age_s(world: World, told: dict[MemberId, list[tuple[int, int]]]) -> str:
    ages: list[float | None] = []
    for _, membership in world.running():
        for other in world.nodes:
            load = membership.load(other.id)
            when = dict(told[other.id])
            ages.append(
                world.now_ms - when[load.sequence]
                if load is not None and load.sequence in when
                else None
            )
    return seconds(ages)
