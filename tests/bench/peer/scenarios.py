"""What is done to each broker in a round, and once.

One axis at a time from one base: 1 kB records, no compression, 6 partitions, acks=all. Every
workload checks its records; a run with a failure ends the benchmark rather than give a figure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer, Producer

from tests.bench.peer.fetching import read_raw
from tests.bench.peer.samples import Sample
from tests.bench.workloads import (
    CpuMeter,
    Throughput,
    consume,
    create_topic,
    idle_connections,
    latency,
    produce,
)
from tests.compat.brokers import MeasuredBroker

WARM_RECORDS = 100_000
TAIL_RECORDS = 20_000
SMALL_RECORDS = 20_000
LATENCY_S = 5.0
RATES = (200, 2_000)
JOIN_LIMIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """One point of the matrix; `megabytes` are written and read."""

    name: str
    size: int = 1_000
    megabytes: int = 250
    codec: str = "none"
    partitions: int = 6
    acks: str = "all"


LOADS = (
    Load(name="100 B", size=100, megabytes=40),
    Load(name="1 kB"),
    Load(name="10 kB", size=10_000, megabytes=400),
    Load(name="100 kB", size=100_000, megabytes=400),
    Load(name="1 kB, lz4", codec="lz4"),
    Load(name="1 kB, zstd", codec="zstd"),
    Load(name="1 kB, 1 partition", partitions=1),
    Load(name="1 kB, 100 partitions", partitions=100),
    Load(name="1 kB, acks=1", acks="1"),
)


def one_round(broker: MeasuredBroker, scale: float, only: Sequence[str] = ()) -> Iterator[Sample]:
    """What is repeated, on a broker that has just started.

    Args:
        only: words; what has none of them in its name is left out. No words: everything.
    """
    memory = "Start and memory"
    if _is_wanted(memory, only):
        yield Sample(memory, "start until clients connect", "s", broker.start_s, False)
        time.sleep(2.0)
        yield Sample(memory, "idle", "MiB resident", broker.resident_mib(), False)
    steps = [(name, run) for name, run in _steps(broker, scale) if _is_wanted(name, only)]
    if steps:
        _warm_up(broker)
    for _, run in steps:
        yield from run()
    if not only:
        yield Sample(memory, "after the load", "MiB resident", broker.resident_mib(), False)


def _steps(
    broker: MeasuredBroker, scale: float
) -> Iterator[tuple[str, Callable[[], Iterator[Sample]]]]:
    """What can be left out, by name and in order."""
    for load in LOADS:
        yield load.name, partial(_throughput, broker, load, scale)
    for groups in (1, 10, 50):
        yield f"tail, {groups}", partial(_tail, broker, groups, int(TAIL_RECORDS * scale))
    yield "small requests", partial(_small_requests, broker, int(SMALL_RECORDS * scale))
    for rate in RATES:
        yield f"latency, {rate}", partial(_latency, broker, rate, LATENCY_S * scale)


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(word.lower() in name.lower() for word in only)


def many(broker: MeasuredBroker, partitions: int, connections: int) -> Iterator[Sample]:
    """Memory with many partitions, each written to, and connections that say nothing."""
    topic_partitions = min(partitions, 1_000)
    names = [f"many-{number}" for number in range(partitions // topic_partitions)]
    for name in names:
        create_topic(broker.bootstrap, name, topic_partitions)
        _sound(
            produce(
                broker.bootstrap,
                name,
                topic_partitions,
                100,
                CpuMeter(broker.cpu_s),
                partitions=topic_partitions,
            )
        )
    time.sleep(2.0)
    row = f"{partitions:,} partitions"
    yield Sample("Start and memory", row, "MiB resident", broker.resident_mib(), False)
    if connections:
        opened = idle_connections(broker.bootstrap, connections)
        time.sleep(2.0)
        row += f" and {connections:,} connections"
        yield Sample("Start and memory", row, "MiB resident", broker.resident_mib(), False)
        for connection in opened:
            connection.close()


def _warm_up(broker: MeasuredBroker) -> None:
    """A virtual machine compiles what it runs often: neither broker is measured cold."""
    create_topic(broker.bootstrap, "warm")
    for _ in range(2):
        produce(broker.bootstrap, "warm", WARM_RECORDS, 1_000, CpuMeter(broker.cpu_s))
    for _ in range(2):
        meter = CpuMeter(broker.cpu_s)
        read_raw(broker.bootstrap, "warm", 2 * WARM_RECORDS, 1_000, meter, partitions=6)


def _throughput(broker: MeasuredBroker, load: Load, scale: float) -> Iterator[Sample]:
    topic = "load-" + load.name.replace(" ", "-").replace(",", "").replace("=", "-")
    create_topic(broker.bootstrap, topic, load.partitions)
    count = int(load.megabytes * 1_000_000 * scale / load.size)
    written = produce(
        broker.bootstrap,
        topic,
        count,
        load.size,
        CpuMeter(broker.cpu_s),
        partitions=load.partitions,
        acks=load.acks,
        compression_type=load.codec,
    )
    yield from _both("Produce", load.name, written)
    where = (broker.bootstrap, topic, count, load.size)
    meter = CpuMeter(broker.cpu_s)
    yield from _both(
        "Consume from the start, confluent-kafka",
        load.name,
        consume(*where, meter, partitions=load.partitions),
    )
    meter = CpuMeter(broker.cpu_s)
    yield from _both(
        "Consume from the start, a client that only receives",
        load.name,
        read_raw(*where, meter, partitions=load.partitions),
    )


def _both(group: str, row: str, result: Throughput) -> Iterator[Sample]:
    facts = _sound(result).row()
    yield Sample(group, row, "MB/s", facts["mb_per_s"], True)
    yield Sample(group, row, "broker CPU-s/GB", facts["broker_cpu_s_per_gb"], False)


def _sound(result: Throughput) -> Throughput:
    if result.failures:
        raise RuntimeError(f"{result.failures} of {result.records} records failed: {result}")
    return result


def _tail(broker: MeasuredBroker, groups: int, count: int) -> Iterator[Sample]:
    """Groups of one member at the end of a topic, while 1 kB records are written."""
    topic = f"tail-{groups}"
    create_topic(broker.bootstrap, topic)
    consumers = [
        Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": f"tail-{groups}-{number}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        for number in range(groups)
    ]
    for consumer in consumers:
        consumer.subscribe([topic])
    deadline = time.monotonic() + JOIN_LIMIT_S
    seen = [0] * groups
    while not all(consumer.assignment() for consumer in consumers):
        for consumer in consumers:
            consumer.poll(0.01)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{groups} groups did not form")
    time.sleep(1.0)
    meter = CpuMeter(broker.cpu_s)
    began = time.perf_counter()
    written: list[Throughput] = []
    writer = threading.Thread(
        target=lambda: written.append(
            produce(broker.bootstrap, topic, count, 1_000, CpuMeter(broker.cpu_s))
        )
    )
    writer.start()
    deadline = time.monotonic() + JOIN_LIMIT_S
    while min(seen) < count and time.monotonic() < deadline:
        for number, consumer in enumerate(consumers):
            if seen[number] < count:
                seen[number] += len(consumer.consume(500, 0.001))
    seconds = time.perf_counter() - began
    spent = meter.spent()
    writer.join()
    for consumer in consumers:
        consumer.close()
    result = Throughput(
        records=count * groups,
        record_bytes=1_000,
        seconds=seconds,
        broker_cpu_s=spent,
        failures=sum(abs(count - each) for each in seen) + _sound(written[0]).failures,
    )
    yield from _both("Consume at the tail", f"{groups} group{'s' * (groups > 1)}", result)


def _small_requests(broker: MeasuredBroker, count: int) -> Iterator[Sample]:
    """A request for each 100-byte record."""
    create_topic(broker.bootstrap, "small")
    meter = CpuMeter(broker.cpu_s)
    result = _sound(
        produce(broker.bootstrap, "small", count, 100, meter, linger_ms=0, batch_num_messages=1)
    )
    group, row = "Small requests", "one 100 B record a request"
    yield Sample(group, row, "requests/s", count / result.seconds, True)
    yield Sample(group, row, "broker CPU-us/request", result.broker_cpu_s / count * 1e6, False)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all", "linger.ms": 0})
    began = time.perf_counter()
    meter = CpuMeter(broker.cpu_s)
    turns = count // 10
    for _ in range(turns):
        producer.produce("small", b"x" * 100, partition=0)
        producer.flush(30)
    row = "one at a time, each awaited"
    yield Sample(group, row, "requests/s", turns / (time.perf_counter() - began), True)
    yield Sample(group, row, "broker CPU-us/request", meter.spent() / turns * 1e6, False)


def _latency(broker: MeasuredBroker, rate: int, seconds: float) -> Iterator[Sample]:
    topic = f"latency-{rate}"
    create_topic(broker.bootstrap, topic)
    facts = latency(broker.bootstrap, topic, rate, seconds)
    if facts["failures"]:
        raise RuntimeError(f"{facts['failures']} records failed at {rate}/s")
    for name, label in (("ack", "acknowledged"), ("end_to_end", "end to end")):
        for part, share in (("p50", "50 %"), ("p99", "99 %"), ("p999", "99.9 %")):
            value = facts[f"{name}_{part}_ms"]
            yield Sample("Latency", f"{rate:,}/s, {label}, {share}", "ms", value, False)
