"""`python -m tests.harness.twenty --seed 7`: nodes that join, leave, crash and are cut in two.

join    17 nodes form a cluster, 3 more join under load and take replicas
idle    no load: what a node costs that nobody asks for anything
leave   two stop in good order and come back, one is drained and goes for good
crash   three are killed one after the other and come back, one of them without its data
cut     8 nodes are cut off from 12 and from clients for half a minute
rest    everything is read back and judged, as in `run.py`
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sprawl.client.faults import Unreachable
from tests.harness.acts import Island, crash, cut, join, leave
from tests.harness.aiokafka_kit import AiokafkaKit
from tests.harness.confluent_kit import ConfluentKit
from tests.harness.endings import FINAL, read_all
from tests.harness.kafka_python_kit import KafkaPythonKit
from tests.harness.load import Load
from tests.harness.processes import Cluster, cluster_node
from tests.harness.proxy import Proxy
from tests.harness.recorder import Recorder, save_history
from tests.harness.routes import CONVERGED_S_MAX
from tests.harness.run import create_topic
from tests.harness.silence import Silence, longest_silence
from tests.harness.stage import Act, Stage
from tests.harness.workloads import TOPIC
from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.kafka import check
from tests.sim.checkers.report import Report

REPLICAS = 3
PATIENCE_S = 120.0
"""Kafka's own `delivery.timeout.ms`, and longer than a cut and what comes after it: a producer that
gives up what it has sent begins a new epoch, and what it sent behind that may be stored twice."""
KITS = (ConfluentKit(PATIENCE_S), KafkaPythonKit(PATIENCE_S), AiokafkaKit(PATIENCE_S))
SILENCE_S_MAX = 30.0
"""A client gives a request 10 s here; after three of them it should have found its way. While nodes
are cut off from clients, so is what these lead, for as long as that lasts."""
REST_S = 30.0
"""Before the nodes are idle: groups of replicas fall asleep, and clients' sessions end."""
SETTINGS = (f"default.replication.factor={REPLICAS}", "min.insync.replicas=2")
ACTS = ("join", "leave", "crash", "cut")
LOST = ("lost_write", "unseen", "vanished_read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """How large the play is.

    Args:
        first: the nodes that form the cluster; the others join.
        acts: those that are played; without "join" all nodes form the cluster.
        island: how many are cut off.
        rate: texts a second and producer.
    """

    seed: int
    nodes: int = 20
    first: int = 17
    island: int = 8
    partitions: int = 24
    rate: float = 20.0
    cut_s: float = 30.0
    idle_s: float = 60.0
    acts: Collection[str] = ACTS


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it.

    Args:
        idle_percent: CPU of each idle node, percent of one core, by number.
        cpu_s: CPU-seconds of each node in all its lives.
        resident_mib: the most that each node had at the end of an act.
        silences: for each act, the longest of a producer and of a consumer.
        standstill_s: the longest time for which the proxy between all of them stood still.
    """

    cast: Cast
    report: Report
    acts: list[Act]
    problems: list[str]
    island: Island | None
    idle_percent: dict[int, float]
    cpu_s: dict[int, float]
    resident_mib: dict[int, float]
    silences: dict[str, tuple[Silence | None, Silence | None]]
    seconds: float
    standstill_s: float
    history: Path

    @property
    def is_good(self) -> bool:
        return self.report.is_good and not self.problems and not self.report.unknown

    @property
    def lost(self) -> int:
        """Acknowledged records that are not there, or not any more."""
        return sum(self.report.counts.get(name, 0) for name in LOST)

    def text(self) -> str:
        """For people."""
        figures = self.report.figures
        lines = [f"{self.seconds:.0f} s, seed {self.cast.seed}"]
        lines += [f"acknowledged {figures['acknowledged']:,.0f}, lost {self.lost}"]
        anomalies = {n: c for n, c in self.report.counts.items() if "(allowed)" not in n}
        lines += [f"anomalies: {anomalies or 'none'}"]
        lines += [f"routes right after, seconds (bound {CONVERGED_S_MAX:.0f}):"]
        for act in self.acts:
            lines += [self._act_text(act)]
        if self.island is not None:
            lines += [", ".join(f"{name} {value}" for name, value in self.island.items())]
        for name, unit, values in (
            ("idle", "% of a core", self.idle_percent),
            ("CPU", "s", self.cpu_s),
            ("resident", "MiB", self.resident_mib),
        ):
            if values:
                middle, most = statistics.median(values.values()), max(values.values())
                lines += [f"{name} of a node: median {middle:.2f}, most {most:.2f} {unit}"]
        lines += [f"longest standstill of the proxy: {self.standstill_s:.1f} s"]
        lines += [self.report.text(), *(f"problem: {what}" for what in self.problems)]
        return "\n".join(lines)

    def _act_text(self, act: Act) -> str:
        routes = act.routes()
        right = "never" if routes is None else f"median {routes[0]:.1f}, largest {routes[1]:.1f}"
        quiet = [
            f"{who} {'-' if each is None else f'{each.seconds:.1f} s'}"
            for who, each in zip(("producers", "consumers"), self.silences[act.name], strict=True)
        ]
        return (
            f"  {act.name:6} {right} of {len(act.convergences)}; longest silence of"
            f" {', of '.join(quiet)}; {act.seconds:.0f} s in all"
        )

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "seed": self.cast.seed,
            "nodes": self.cast.nodes,
            "good": self.is_good,
            "seconds": self.seconds,
            "acknowledged": self.report.figures["acknowledged"],
            "lost": self.lost,
            "anomalies": dict(self.report.counts),
            "figures": dict(self.report.figures),
            "problems": self.problems,
            "converged_s_max": CONVERGED_S_MAX,
            "acts": [self._act_json(act) for act in self.acts],
            "island": self.island,
            "idle_percent": self.idle_percent,
            "cpu_s": self.cpu_s,
            "resident_mib": self.resident_mib,
            "standstill_s": self.standstill_s,
        }

    def _act_json(self, act: Act) -> dict[str, Any]:
        routes = act.routes()
        producers, consumers = self.silences[act.name]
        return {
            "name": act.name,
            "seconds": act.seconds,
            "routes_median_s": None if routes is None else routes[0],
            "routes_largest_s": None if routes is None else routes[1],
            "routes": [
                {"after": each.what, "seconds": each.seconds, "last": each.last_difference}
                for each in act.convergences
            ],
            "whole_s": act.whole_s,
            "producers_silence_s": None if producers is None else producers.seconds,
            "consumers_silence_s": None if consumers is None else consumers.seconds,
        }


@dataclass(slots=True)
class _Play:
    """What is gathered while it goes on."""

    loads: list[Load] = field(default_factory=list)
    island: Island | None = None
    idle_percent: dict[int, float] = field(default_factory=dict)

    def groups(self) -> dict[int, str]:
        return {process: group for load in self.loads for process, group in load.groups.items()}


def play(cast: Cast, folder: Path, log: Callable[[str], None] = print) -> Outcome:
    """All acts.

    Args:
        folder: where the nodes' data, their logs and the history go.
    """
    started = time.monotonic()
    recorder = Recorder()
    playing = _Play()
    places = [(TOPIC, partition) for partition in range(cast.partitions)]
    command = cluster_node(*SETTINGS)
    with Proxy() as proxy, Cluster(folder, cast.nodes, command, proxy, first=1) as cluster:
        stage = Stage(cluster, recorder, cast.seed, log)
        try:
            _perform(cast, stage, playing)
        except (RuntimeError, Unreachable, subprocess.TimeoutExpired) as error:
            stage.problem(f"the play ended early: {error!r}")
        proxy.heal()
        for load in playing.loads[-1:]:
            load.end()
        stage.say("everything is read")
        groups = playing.groups()
        read_all(stage.bootstrap, places, groups, recorder)
        cpu_s = {node.place.number: node.spent_cpu_s for node in cluster.nodes}
    history = folder / "history.jsonl"
    save_history(history, recorder.history)
    outcome = Outcome(
        cast=cast,
        report=check(recorder.history, _expectations(playing, groups, recorder)),
        acts=stage.acts,
        problems=recorder.problems,
        island=playing.island,
        idle_percent=playing.idle_percent,
        cpu_s=cpu_s,
        resident_mib=stage.resident_mib,
        silences={act.name: _silences(recorder, playing, act) for act in stage.acts},
        seconds=time.monotonic() - started,
        standstill_s=proxy.standstill_s,
        history=history,
    )
    _judge_silences(outcome)
    return outcome


def _perform(cast: Cast, stage: Stage, playing: _Play) -> None:
    nodes = stage.cluster.nodes
    places = [(TOPIC, partition) for partition in range(cast.partitions)]

    def begin_load() -> Load:
        load = Load(
            kits=KITS,
            bootstrap=stage.bootstrap,
            recorder=stage.recorder,
            seed=cast.seed,
            rate=cast.rate,
            first_process=100 * (len(playing.loads) + 1),
            places=places,
            group="twenty",
        )
        playing.loads.append(load)
        load.start()
        return load

    first = cast.first if "join" in cast.acts else cast.nodes
    stage.start(nodes[1:first])
    stage.say(f"{first} nodes run")
    create_topic(stage.bootstrap, cast.partitions, REPLICAS)
    if "join" in cast.acts:
        load = begin_load()
        join(stage, nodes[first:])
        load.end()
        playing.idle_percent = stage.idle_percent(REST_S, cast.idle_s)
    begin_load()
    if "leave" in cast.acts:
        leave(stage)
    if "crash" in cast.acts:
        crash(stage)
    if "cut" in cast.acts:
        playing.island = cut(stage, places, cast.island, cast.cut_s)


def _expectations(playing: _Play, groups: dict[int, str], recorder: Recorder) -> Expectations:
    return Expectations(
        final=frozenset({FINAL}),
        at_least_once=frozenset(recorder.skipping),
        ordered=frozenset(w.process for load in playing.loads for w in load.producers),
        judge_subscribers=True,
        groups=groups,
        commits_follow_reads=True,
    )


def _silences(
    recorder: Recorder, playing: _Play, act: Act
) -> tuple[Silence | None, Silence | None]:
    """The longest of a producer, and of a consumer."""
    producers = {w.process for load in playing.loads for w in load.producers}
    consumers = {w.process for load in playing.loads for w in load.consumers}
    producing, consuming = (
        longest_silence(recorder.history, who, act.began_us, act.ended_us)
        for who in (producers, consumers)
    )
    return producing, consuming


def _judge_silences(outcome: Outcome) -> None:
    for act in outcome.acts:
        bound = SILENCE_S_MAX + (outcome.cast.cut_s if act.name == "cut" else 0.0)
        for silence in outcome.silences[act.name]:
            if silence is not None and silence.seconds > bound:
                outcome.problems.append(
                    f"{act.name}: client {silence.process} heard nothing for"
                    f" {silence.seconds:.1f} s; {bound:.0f} s are allowed"
                )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.harness.twenty",
        description="Nodes that join, leave, crash and are cut in two, under load; 10 minutes.",
    )
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--first", type=int, help="nodes that form the cluster; all but 3")
    parser.add_argument("--island", type=int, help="nodes that are cut off; two of five")
    parser.add_argument("--partitions", type=int, default=24)
    parser.add_argument("--rate", type=float, default=20.0, help="texts a second and producer")
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--act", action="append", choices=ACTS, help="all of them by default")
    parser.add_argument("--out", type=Path, help="folder for figures, logs and history")
    given = parser.parse_args()
    # So that no node outlives a run that is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {given.seed}")
    folder = given.out or Path(tempfile.mkdtemp(prefix="sprawl-twenty-"))
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=folder / "clients.log", level=logging.WARNING)
    cast = Cast(
        seed=given.seed,
        nodes=given.nodes,
        first=given.first or given.nodes - 3,
        island=given.island or given.nodes * 2 // 5,
        partitions=given.partitions,
        rate=given.rate,
        idle_s=given.idle_seconds,
        acts=given.act or ACTS,
    )
    outcome = play(cast, folder)
    print(outcome.text())
    figures = folder / "twenty.json"
    figures.write_text(json.dumps(outcome.to_json(), indent=2) + "\n")
    print(f"figures: {figures}; history: {outcome.history}")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
