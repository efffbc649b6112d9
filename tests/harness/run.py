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
from tests.harness.confluent_kit import ConfluentConsumer, ConfluentKit
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
    NoAnswer,
    Producer,
    Reader,
    Worker,
)
from tests.sim.checkers.expectations import Expectations
from tests.sim.checkers.kafka import check
from tests.sim.checkers.report import Report

FINAL = 1
KITS: tuple[ClientKit, ...] = (ConfluentKit(), KafkaPythonKit(), AiokafkaKit())
HEALING_S = 60.0
ENDING_S = 120.0


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

    def expectations(self) -> Expectations:
        return Expectations(
            final=frozenset({FINAL}),
            ordered=frozenset(worker.process for worker in self.producers),
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
        _create_topic(cluster.bootstrap, plan.replication_factor)
        workers = _make_workers(plan, cluster.bootstrap, recorder)
        for worker in workers.all:
            worker.start()
        saboteur = Saboteur(cluster, log)
        saboteur.carry_out(make_plan(plan.seed, plan.faults, plan.seconds, plan.nodes))
        cluster.heal()
        _await_progress(workers.all, recorder)
        _end(workers.producers, recorder)
        time.sleep(1.0)
        _end(workers.consumers, recorder)
        log("reading everything")
        _read_all(cluster.bootstrap, workers, recorder)
        totals = {
            "node starts": sum(node.starts for node in cluster.nodes),
            "connections": sum(link.counts.connections for link in proxy.links.values()),
        }
    history = folder / "history.jsonl"
    save_history(history, recorder.history)
    report = check(recorder.history, workers.expectations())
    return Result(
        report=report,
        problems=recorder.problems,
        faults=saboteur.done,
        seconds=time.monotonic() - started,
        history=history,
        totals=totals,
    )


def _create_topic(bootstrap: str, replication_factor: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # Nodes join one after the other; a topic needs as many as it has replicas.
    wait_until(lambda: len(admin.list_topics(timeout=10).brokers) >= replication_factor, 30.0)
    topic = NewTopic(TOPIC, PARTITION_COUNT, replication_factor)
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


def _await_progress(workers: Sequence[Worker], recorder: Recorder) -> None:
    """Liveness: once all is whole again, everybody gets answers within bounded time."""
    before = {worker: worker.progress for worker in workers}

    def stuck() -> list[Worker]:
        return [worker for worker, seen in before.items() if worker.progress == seen]

    if not wait_until(lambda: not stuck(), HEALING_S):
        for worker in stuck():
            recorder.problem(f"{worker.name} got no answer within {HEALING_S:.0f} s of healing")


def _end(workers: Sequence[Worker], recorder: Recorder) -> None:
    for worker in workers:
        worker.stopping.set()
    deadline = time.monotonic() + ENDING_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            recorder.problem(f"{worker.name} did not end within {ENDING_S:.0f} s")


def _read_all(bootstrap: str, workers: _Workers, recorder: Recorder) -> None:
    """The final phase: every partition from the start to its end, and every committed offset."""
    port = ConfluentConsumer(bootstrap, None)
    port.assign(dict.fromkeys(PLACES, 0))
    recorder.do(FINAL, "assign", PLACES)
    for place in PLACES:
        recorder.do(FINAL, "seek", (*place, 0))
    left = {place: port.end(place) for place in PLACES}
    left = {place: end for place, end in left.items() if end > 0}
    deadline = time.monotonic() + ENDING_S
    while left and time.monotonic() < deadline:
        recorder.add(FINAL, "invoke", "poll", ())
        found = [record for part in port.poll(0.5) for record in part]
        recorder.add(FINAL, "ok", "poll", tuple(found))
        for topic, partition, offset, _ in found:
            if offset + 1 >= left.get((topic, partition), offset + 2):
                del left[topic, partition]
    port.close()
    if left:
        recorder.problem(f"the final reads did not come to the end of {sorted(left)}")
    for process, group in enumerate(sorted(set(workers.groups.values())), FINAL + 1):
        workers.groups[process] = group
        _read_committed(bootstrap, process, group, recorder)


def _read_committed(bootstrap: str, process: int, group: str, recorder: Recorder) -> None:
    port = ConfluentConsumer(bootstrap, group)
    asked = tuple((*place, None) for place in PLACES)
    recorder.add(process, "invoke", "committed", asked)
    try:
        found = port.committed(PLACES)
    except NoAnswer as error:
        recorder.problem(f"the offsets of {group} cannot be read: {error!r}")
    else:
        value = tuple((*place, offset) for place, offset in found.items())
        recorder.add(process, "ok", "committed", value)
    port.close()
