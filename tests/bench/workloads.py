"""What the benchmark does to a node, with confluent-kafka (librdkafka) as the client.

Every workload checks itself: a record that failed, is missing or stands out of order is counted and
reported, never dropped from the figures.
"""

from __future__ import annotations

import os
import socket
import statistics
import struct
import threading
import time
from dataclasses import asdict, dataclass

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITION_COUNT = 6
SETTLE_S = 0.5
"""Apache Kafka names a leader a moment before that leader takes records."""
_STAMP = struct.Struct("<Qd")
_DIGITS = 4 << 20
_STRIDE = 997
"""Records take their contents from so many characters, each record so much further on."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """One direction of one record size."""

    records: int
    record_bytes: int
    seconds: float
    broker_cpu_s: float
    failures: int

    @property
    def gigabytes(self) -> float:
        return self.records * self.record_bytes / 1e9

    def row(self) -> dict[str, float]:
        return asdict(self) | {
            "records_per_s": self.records / self.seconds,
            "mb_per_s": self.gigabytes * 1e3 / self.seconds,
            "broker_cpu_s_per_gb": self.broker_cpu_s / self.gigabytes,
        }


def create_topic(
    bootstrap: str, name: str, partitions: int = PARTITION_COUNT, replicas: int = 1
) -> None:
    """Returns when the topic can be written to: a producer that is not idempotent and meets a
    partition without its leader sends again, and out of order."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, partitions, replicas)]).values():
        future.result(30)
    deadline = time.monotonic() + 30
    while not _is_led(admin, name, partitions):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name}: a partition has no leader")
        time.sleep(0.05)
    time.sleep(SETTLE_S)


def _is_led(admin: AdminClient, name: str, partitions: int) -> bool:
    found = admin.list_topics(name, timeout=10).topics[name]
    led = [part.leader >= 0 and part.error is None for part in found.partitions.values()]
    return len(led) == partitions and all(led)


class CpuMeter:
    """Broker CPU between two points; `read` gives the broker's CPU-seconds so far."""

    def __init__(self, read: object) -> None:
        assert callable(read)
        self._read = read
        self._start = float(read())

    def spent(self) -> float:
        return float(self._read()) - self._start


def produce(
    bootstrap: str,
    topic: str,
    count: int,
    size: int,
    cpu: CpuMeter,
    *,
    partitions: int = PARTITION_COUNT,
    **settings: object,
) -> Throughput:
    """`count` records of `size` bytes, acks=all, librdkafka's defaults otherwise.

    Their contents are random hexadecimal digits: half of it can be compressed away.

    Args:
        settings: the client's, with `_` for the dots of their names.
    """
    failed = 0

    def on_delivery(error: object, _: object) -> None:
        nonlocal failed
        failed += error is not None

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "delivery.report.only.error": True,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 262_144,
        }
        | {name.replace("_", "."): value for name, value in settings.items()}
    )
    digits = os.urandom(_DIGITS // 2).hex().encode()
    began = time.perf_counter()
    for number in range(count):
        place = number * _STRIDE % (_DIGITS // 2)
        value = _STAMP.pack(number, 0.0) + digits[place : place + size - _STAMP.size]
        while True:
            try:
                producer.produce(
                    topic, value, partition=number % partitions, on_delivery=on_delivery
                )
                break
            except BufferError:
                producer.poll(0.05)
        if not number & 1023:
            producer.poll(0)
    unsent = producer.flush(120)
    seconds = time.perf_counter() - began
    return Throughput(
        records=count,
        record_bytes=size,
        seconds=seconds,
        broker_cpu_s=cpu.spent(),
        failures=failed + unsent,
    )


def consume(
    bootstrap: str,
    topic: str,
    count: int,
    size: int,
    cpu: CpuMeter,
    *,
    partitions: int = PARTITION_COUNT,
) -> Throughput:
    """Read the same records from the start; missing or reordered ones are failures."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 65_536,
            # By default a client whose queue was full waits 1 s, which measures no broker: the
            # faster one fills the queue sooner (docs/performance.md).
            "fetch.queue.backoff.ms": 5,
        }
    )
    began = time.perf_counter()
    consumer.assign([TopicPartition(topic, part, 0) for part in range(partitions)])
    last = [part - partitions for part in range(partitions)]
    seen = disorder = 0
    deadline = time.monotonic() + 120
    while seen < count and time.monotonic() < deadline:
        for message in consumer.consume(10_000, 0.05):
            if message.error() is not None:
                continue
            part = message.partition()
            number = _STAMP.unpack_from(message.value())[0]
            disorder += number != last[part] + partitions
            last[part] = number
            seen += 1
    seconds = time.perf_counter() - began
    spent = cpu.spent()
    consumer.close()
    return Throughput(
        records=seen,
        record_bytes=size,
        seconds=seconds,
        broker_cpu_s=spent,
        failures=disorder + (count - seen),
    )


def latency(bootstrap: str, topic: str, rate: int, seconds: float) -> dict[str, float]:
    """Records of 100 bytes at a fixed rate: time to the acknowledgement and to the consumer."""
    count = int(rate * seconds)
    acknowledged: list[float] = []
    arrived: list[float] = []
    failures = 0
    ready = threading.Event()

    def read() -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"latency-{rate}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        consumer.assign([TopicPartition(topic, part, 0) for part in range(PARTITION_COUNT)])
        ready.set()
        deadline = time.monotonic() + seconds + 20
        while len(arrived) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                arrived.append(time.perf_counter() - _STAMP.unpack_from(message.value())[1])
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    ready.wait()
    time.sleep(1.0)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})

    def on_delivery(error: object, message: object) -> None:
        nonlocal failures
        failures += error is not None
        sent = _STAMP.unpack_from(message.value())[1]  # type: ignore[attr-defined]
        acknowledged.append(time.perf_counter() - sent)

    filler = bytes(100 - _STAMP.size)
    began = time.perf_counter()
    for number in range(count):
        due = began + number / rate
        while (wait := due - time.perf_counter()) > 0:
            producer.poll(min(wait, 0.001))
        value = _STAMP.pack(number, time.perf_counter()) + filler
        producer.produce(topic, value, partition=number % PARTITION_COUNT, on_delivery=on_delivery)
        producer.poll(0)
    producer.flush(30)
    reader.join()
    row = {"rate": float(rate), "failures": float(failures + count - len(arrived))}
    for name, times in (("ack", acknowledged), ("end_to_end", arrived)):
        steps = statistics.quantiles(times, n=1000)
        for label, place in (("p50", 499), ("p99", 989), ("p999", 998)):
            row[f"{name}_{label}_ms"] = steps[place] * 1e3
    return row


def idle_connections(bootstrap: str, count: int) -> list[socket.socket]:
    """Open connections that say nothing."""
    host, _, port = bootstrap.rpartition(":")
    return [socket.create_connection((host, int(port))) for _ in range(count)]
