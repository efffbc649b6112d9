"""Kills a node under load, again and again, then compares what it holds with what it promised."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from node_process import NodeProcess

TOPIC = "crash"
PARTITION_COUNT = 3
PRODUCER_COUNT = 2
GROUP = "crash-group"


@dataclass
class Findings:
    """What one run saw; empty `problems` is success."""

    kills: int = 0
    acknowledged: int = 0
    read: int = 0
    commits: int = 0
    problems: list[str] = field(default_factory=list)


class Writer(threading.Thread):
    """One idempotent producer that numbers its records by partition."""

    def __init__(self, name: str, bootstrap: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._stop_event = stop
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 120_000,
                "linger.ms": 2,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.max.ms": 200,
            }
        )
        self.acknowledged: dict[tuple[int, int], bytes] = {}
        self.failures: list[str] = []

    def run(self) -> None:
        number = 0
        while not self._stop_event.is_set():
            part = number % PARTITION_COUNT
            value = f"{self.name}/{number}".encode()
            try:
                self._producer.produce(TOPIC, value, partition=part, on_delivery=self._delivered)
                number += 1
            except BufferError:
                self._producer.poll(0.1)
            self._producer.poll(0.001 if number % 20 == 0 else 0)
        unsent = self._producer.flush(120)
        if unsent:
            self.failures.append(f"{self.name}: {unsent} records were never answered")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failures.append(f"{self.name}: {error}")
            return
        place = (message.partition() or 0, message.offset() or 0)
        self.acknowledged[place] = message.value() or b""


class Committer(threading.Thread):
    """Commits ascending offsets for a group and remembers those that were acknowledged."""

    def __init__(self, bootstrap: str, stop: threading.Event) -> None:
        super().__init__(name="committer", daemon=True)
        self._stop_event = stop
        self._address = bootstrap
        self.committed = 0

    def run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._address,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 200,
            }
        )
        offset = 0
        while not self._stop_event.is_set():
            offset += 1
            try:
                consumer.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
                self.committed = offset
            except Exception:  # noqa: BLE001 the node is down: the next commit is tried
                time.sleep(0.05)
        consumer.close()


def run(data: Path, kills: int, seed: int, log: Path) -> Findings:
    """Kill a node `kills` times under load, then check what it kept."""
    rng = random.Random(seed)
    findings = Findings()
    node = NodeProcess(data, "--set", "log.segment.bytes=1048576", log=log).start()
    try:
        admin = AdminClient({"bootstrap.servers": node.bootstrap})
        for created in admin.create_topics([NewTopic(TOPIC, PARTITION_COUNT, 1)]).values():
            created.result(30)
        stop = threading.Event()
        writers = [Writer(f"w{n}", node.bootstrap, stop) for n in range(PRODUCER_COUNT)]
        committer = Committer(node.bootstrap, stop)
        threads = [*writers, committer]
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                time.sleep(rng.uniform(0.2, 1.5))
                node.kill()
                findings.kills += 1
                node.start()
            time.sleep(1.0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        findings.commits = committer.committed
        _check(node, writers, committer, findings)
    finally:
        node.stop()
    return findings


def _check(
    node: NodeProcess, writers: list[Writer], committer: Committer, findings: Findings
) -> None:
    for writer in writers:
        findings.problems += writer.failures
    held = _read_all(node, findings)
    for writer in writers:
        findings.acknowledged += len(writer.acknowledged)
        for place, value in writer.acknowledged.items():
            if held.get(place) != value:
                findings.problems.append(
                    f"{place}: acknowledged {value!r}, holds {held.get(place)!r}"
                )
    twice = [value for value, count in Counter(held.values()).items() if count > 1]
    findings.problems += [f"{value!r} is there twice" for value in twice]
    last: dict[tuple[int, bytes], int] = {}
    for (part, _), value in sorted(held.items()):
        name, _, number = value.partition(b"/")
        if int(number) <= last.get((part, name), -1):
            findings.problems.append(f"partition {part}: {value!r} is out of order")
        last[part, name] = int(number)
    consumer = Consumer({"bootstrap.servers": node.bootstrap, "group.id": GROUP})
    [found] = consumer.committed([TopicPartition(TOPIC, 0)], timeout=30)
    consumer.close()
    if found.offset < committer.committed:
        findings.problems.append(
            f"the group's offset is {found.offset}, {committer.committed} was acknowledged"
        )


def _read_all(node: NodeProcess, findings: Findings) -> dict[tuple[int, int], bytes]:
    consumer = Consumer(
        {"bootstrap.servers": node.bootstrap, "group.id": "checker", "enable.auto.commit": False}
    )
    held: dict[tuple[int, int], bytes] = {}
    for part in range(PARTITION_COUNT):
        _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, part), timeout=30)
        consumer.assign([TopicPartition(TOPIC, part, 0)])
        expected = 0
        deadline = time.monotonic() + 60
        while expected < end and time.monotonic() < deadline:
            for message in consumer.consume(5_000, 0.5):
                if message.error() is not None:
                    findings.problems.append(f"partition {part}: {message.error()}")
                    continue
                if message.offset() != expected:
                    findings.problems.append(
                        f"partition {part}: offset {message.offset()} where {expected} was due"
                    )
                expected = (message.offset() or 0) + 1
                held[part, message.offset() or 0] = message.value() or b""
        if expected != end:
            findings.problems.append(f"partition {part}: read up to {expected} of {end}")
    consumer.close()
    findings.read = len(held)
    return held
