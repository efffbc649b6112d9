"""Three nodes beside three Apache Kafka brokers: `python -m tests.bench.cluster`.

Replication 3, acks=all, min.insync.replicas=2, 6 partitions, all on this machine with their client.
Each cluster is started in turn, in rounds; medians. CPU and memory are sums over the nodes. A run
in which a record fails, is missing or stands out of order ends without figures. `--many N` starts
each once more and measures N idle partitions, `--only sprawl` leaves the peer out. The peer needs
Java and Maven.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.bench.cluster.brokers import NODES, KafkaCluster, MeasuredCluster, SprawlCluster
from tests.bench.peer.samples import Figures, Sample, markdown
from tests.bench.workloads import CpuMeter, Throughput, consume, create_topic, produce
from tests.compat.brokers import KAFKA_VERSION
from tests.compat.workshop import MissingToolError

ROUNDS = 3
FAILOVERS = 3
"""Leaders killed in a round."""
LOADS = (("1 kB", 1_000, 150), ("10 kB", 10_000, 200))
"""Name, bytes of a record, megabytes."""
WARM_RECORDS = 50_000
TOPIC_PARTITIONS = 500
IDLE_S = 20.0
"""Longer than a group needs until it hibernates."""
RATE_S = 0.01
FAILOVER_LIMIT_S = 90.0
CLUSTERS: dict[str, Callable[[Path], MeasuredCluster]] = {
    each.name: each for each in (SprawlCluster, KafkaCluster)
}


def one_round(cluster: MeasuredCluster, scale: float) -> Iterator[Sample]:
    """What is done to a cluster that has just started."""
    yield Sample("Start and memory", "start of three nodes", "s", cluster.start_s, False)
    create_topic(cluster.bootstrap, "warm", replicas=len(NODES))
    for _ in range(2):
        meter = CpuMeter(cluster.cpu_s)
        _sound(produce(cluster.bootstrap, "warm", int(WARM_RECORDS * scale), 1_000, meter))
    for name, size, megabytes in LOADS:
        topic = f"load-{size}"
        count = int(megabytes * 1_000_000 * scale / size)
        create_topic(cluster.bootstrap, topic, replicas=len(NODES))
        meter = CpuMeter(cluster.cpu_s)
        yield from _both("Produce", name, produce(cluster.bootstrap, topic, count, size, meter))
        meter = CpuMeter(cluster.cpu_s)
        yield from _both("Consume", name, consume(cluster.bootstrap, topic, count, size, meter))
    resident = cluster.resident_mib()
    yield Sample("Start and memory", "after the load", "MiB resident", resident, False)
    create_topic(cluster.bootstrap, "failover", partitions=1, replicas=len(NODES))
    for _ in range(FAILOVERS):
        seconds = _failover(cluster, "failover")
        row = "kill -9 of a leader until the next acknowledged write"
        yield Sample("Failover", row, "s", seconds, False)


def many(cluster: MeasuredCluster, count: int) -> Iterator[Sample]:
    """Replicated partitions that nobody writes to."""
    began = time.perf_counter()
    for number in range(count // TOPIC_PARTITIONS):
        create_topic(cluster.bootstrap, f"many-{number}", TOPIC_PARTITIONS, replicas=len(NODES))
    row = f"{count:,} idle partitions"
    yield Sample(
        "Many partitions", f"{row}: until created", "s", time.perf_counter() - began, False
    )
    time.sleep(IDLE_S)
    meter, began = CpuMeter(cluster.cpu_s), time.perf_counter()
    time.sleep(IDLE_S)
    used = meter.spent() / (time.perf_counter() - began)
    yield Sample("Many partitions", row, "cores used by all nodes", used, False)
    yield Sample("Many partitions", row, "MiB resident", cluster.resident_mib(), False)


def _both(group: str, row: str, result: Throughput) -> Iterator[Sample]:
    facts = _sound(result).row()
    yield Sample(group, row, "MB/s", facts["mb_per_s"], True)
    yield Sample(group, row, "CPU-s/GB of all nodes", facts["broker_cpu_s_per_gb"], False)


def _sound(result: Throughput) -> Throughput:
    if result.failures:
        raise RuntimeError(f"{result.failures} of {result.records} records failed: {result}")
    return result


def _failover(cluster: MeasuredCluster, topic: str) -> float:
    """A record every RATE_S; the leader is killed among them.

    Returns: seconds until one was acknowledged that was sent after that.
    """
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    leader = _until_in_sync(admin, topic)
    failed: list[object] = []
    after: list[float] = []
    killed_at = float("inf")

    def on_delivery(sent_at: float) -> Callable[[object, object], None]:
        def told(error: object, _: object) -> None:
            if error is not None:
                failed.append(error)
            elif sent_at > killed_at:
                after.append(time.perf_counter())

        return told

    settings: dict[str, Any] = {"bootstrap.servers": cluster.bootstrap, "log_level": 0}
    producer = Producer(settings | {"enable.idempotence": True})
    began = time.perf_counter()
    while not after:
        now = time.perf_counter()
        if now - began > FAILOVER_LIMIT_S:
            raise RuntimeError(f"no write was acknowledged {FAILOVER_LIMIT_S} s after a kill")
        if killed_at > now and now - began > 1.0:
            cluster.kill(leader)
            killed_at = time.perf_counter()
        producer.produce(topic, b"x" * 100, on_delivery=on_delivery(time.perf_counter()))
        producer.poll(RATE_S)
    if producer.flush(30) or failed:
        raise RuntimeError(f"records failed beside a failover: {failed[:3]}")
    cluster.restart(leader)
    _until_in_sync(admin, topic)
    return after[0] - killed_at


def _until_in_sync(admin: AdminClient, topic: str) -> int:
    """Wait until every replica is in sync; the leader."""
    deadline = time.monotonic() + FAILOVER_LIMIT_S
    while time.monotonic() < deadline:
        partition = admin.list_topics(topic, timeout=10).topics[topic].partitions[0]
        if partition.leader > 0 and len(partition.isrs) == len(NODES):
            return int(partition.leader)
        time.sleep(0.2)
    raise RuntimeError(f"the replicas of {topic} are not in sync")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds (default %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the records")
    parser.add_argument("--many", type=int, metavar="N", help="measure N idle partitions too")
    parser.add_argument("--only", choices=sorted(CLUSTERS), help="measure one of the two")
    parser.add_argument("--json", type=Path, help="write every value to this file")
    given = parser.parse_args()
    clusters = [start for name, start in CLUSTERS.items() if given.only in (None, name)]
    figures = Figures(machine={"apache-kafka": KAFKA_VERSION, "rounds": str(given.rounds)})
    try:
        for number in range(given.rounds):
            for start in clusters if number % 2 == 0 else reversed(clusters):
                _turn(figures, start, lambda cluster: one_round(cluster, given.scale))
                if given.json is not None:
                    figures.write(given.json)
        if given.many:
            for start in clusters:
                _turn(figures, start, lambda cluster: many(cluster, given.many))
    except MissingToolError as error:
        print(f"could not run: {error}", file=sys.stderr)
        return 2
    print(markdown(figures))
    return 0


def _turn(
    figures: Figures,
    start: Callable[[Path], MeasuredCluster],
    scenario: Callable[[MeasuredCluster], Iterator[Sample]],
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="sprawl-cluster-") as folder,
        start(Path(folder)) as cluster,
    ):
        for sample in scenario(cluster):
            figures.add(cluster.name, sample)
            told = f"{cluster.name}: {sample.group}: {sample.row}: {sample.value:,.2f}"
            print(f"{told} {sample.unit}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
