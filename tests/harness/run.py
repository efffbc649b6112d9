"""One run: load, faults, healing, final reads, verdict.

chaos     workers of every library, faults one after the other
healing   no more faults: every worker must get answers again
final     producers end, consumers end, everything is read from the start
verdict   tests/sim/checkers on the history
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.harness.aiokafka_kit import AiokafkaKit
from tests.harness.confluent_kit import ConfluentKit
from tests.harness.endings import FINAL, await_progress, end, read_all
from tests.harness.faults import Saboteur, make_plan
from tests.harness.kafka_python_kit import KafkaPythonKit
from tests.harness.processes import Cluster, CommandLine, wait_until
from tests.harness.proxy import Proxy
from tests.harness.recorder import Recorder, save_history
from tests.harness.workloads import (
    PARTITION_COUNT,
    PLACES,
    TOPIC,
    ClientKit,
    Member,
    Producer,
    Reader,
    Worker,
)
from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.kafka import check
from tests.sim.checkers.report import Report

KITS: tuple[ClientKit, ...] = (ConfluentKit(), KafkaPythonKit(), AiokafkaKit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run does.

    Args:
        rate: texts per second and producer.
        replication_factor: of the topic.
    """

    nodes: int = 1
    faults: int = 20
    seconds: float = 60.0
    seed: int = 0
    rate: float = 100.0
    replication_factor: int = 1
    kits: Sequence[ClientKit] = KITS


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a run."""

    report: Report
    problems: list[str]
    faults: Counter[str]
    seconds: float
    history: Path
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return self.report.is_good and not self.problems and not self.report.unknown

    def text(self) -> str:
        """For people."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        lines = [f"{self.faults.total()} faults in {self.seconds:.0f} s: {kinds}"]
        lines += [", ".join(f"{count} {name}" for name, count in self.totals.items())]
        lines += [self.report.text(), *(f"problem: {what}" for what in self.problems)]
        return "\n".join(lines)


@dataclass(slots=True)
class _Workers:
    """Everybody who works, and the rules by which their history is judged."""

    producers: list[Worker] = field(default_factory=list)
    consumers: list[Worker] = field(default_factory=list)
    groups: dict[int, str] = field(default_factory=dict)

    @property
    def all(self) -> list[Worker]:
        return self.producers + self.consumers

    def expectations(self, recorder: Recorder) -> Expectations:
        return Expectations(
            final=frozenset({FINAL}),
            at_least_once=frozenset(recorder.skipping),
            ordered=frozenset(worker.process for worker in self.producers),
            judge_subscribers=True,
            groups=self.groups,
            commits_follow_reads=True,
        )


def run(
    plan: Plan, folder: Path, command: CommandLine, log: Callable[[str], None] = print
) -> Result:
    """Carry a plan out.

    Args:
        folder: where the nodes' data, their logs and the history go.
        command: what starts a node.
    """
    started = time.monotonic()
    recorder = Recorder()
    with Proxy() as proxy, Cluster(folder, plan.nodes, command, proxy) as cluster:
        create_topic(cluster.bootstrap, PARTITION_COUNT, plan.replication_factor)
        workers = _make_workers(plan, cluster.bootstrap, recorder)
        for worker in workers.all:
            worker.start()
        saboteur = Saboteur(cluster, log)
        saboteur.carry_out(make_plan(plan.seed, plan.faults, plan.seconds, plan.nodes))
        cluster.heal()
        await_progress(workers.all, recorder)
        end(workers.producers, recorder)
        time.sleep(1.0)
        end(workers.consumers, recorder)
        log("reading everything")
        read_all(cluster.bootstrap, PLACES, workers.groups, recorder)
        totals = {
            "node starts": sum(node.starts for node in cluster.nodes),
            "connections": sum(link.counts.connections for link in proxy.links.values()),
        }
    history = folder / "history.jsonl"
    save_history(history, recorder.history)
    report = check(recorder.history, workers.expectations(recorder))
    return Result(
        report=report,
        problems=recorder.problems,
        faults=saboteur.done,
        seconds=time.monotonic() - started,
        history=history,
        totals=totals,
    )


def create_topic(bootstrap: str, partition_count: int, replication_factor: int) -> None:
    """The topic of all workloads, once there are as many nodes as it has replicas."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # Nodes join one after the other.
    wait_until(lambda: len(admin.list_topics(timeout=10).brokers) >= replication_factor, 30.0)
    topic = NewTopic(TOPIC, partition_count, replication_factor)
    for created in admin.create_topics([topic]).values():
        created.result(30)


def _make_workers(plan: Plan, bootstrap: str, recorder: Recorder) -> _Workers:
    """For each library a producer, a reader and a group of two."""
    workers = _Workers()
    for place, kit in enumerate(plan.kits):
        first = 10 * (place + 1)
        producer = Producer("producer", first, kit, bootstrap, recorder, plan.seed)
        producer.rate = plan.rate
        workers.producers.append(producer)
        reader = Reader("reader", first + 1, kit, bootstrap, recorder, plan.seed)
        workers.consumers.append(reader)
        group = f"group-{kit.name}"
        for process in (first + 2, first + 3):
            member = Member(
                f"member {process}", process, kit, bootstrap, recorder, plan.seed, group=group
            )
            workers.consumers.append(member)
            workers.groups[process] = group
    return workers
