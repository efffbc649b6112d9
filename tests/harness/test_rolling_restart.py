"""Each node is restarted in turn, as docs/cluster.md says it: clients retry, and see no error."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.cluster.local_command import run_sprawl
from tests.harness.processes import Cluster, cluster_node, wait_until
from tests.harness.proxy import Proxy

TOPIC = "rolling"
PARTITIONS = 3
PAUSE_S = 0.01
SETTINGS = ("default.replication.factor=3", "min.insync.replicas=2")


class Load:
    """Records sent one by one while a group reads them, each on a thread of its own."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.sent = 0
        self.delivered: set[int] = set()
        self.refused: list[KafkaError] = []
        self.read: dict[int, list[int]] = {each: [] for each in range(PARTITIONS)}
        self.read_faults: list[str] = []
        self.is_over = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._produce, self._consume)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self.is_over.set()
        for thread in self._threads:
            thread.join()

    def _produce(self) -> None:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 0}
        )

        def told(fault: KafkaError | None, message: Message) -> None:
            if fault is not None:
                self.refused.append(fault)
                return
            value = message.value()
            assert value is not None
            self.delivered.add(int(value))

        while not self.is_over.wait(PAUSE_S):
            text = str(self.sent)
            producer.produce(TOPIC, text, partition=self.sent % PARTITIONS, on_delivery=told)
            self.sent += 1
            producer.poll(0)
        assert producer.flush(60) == 0

    def _consume(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": uuid4().hex,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([TOPIC])
        try:
            while not self._has_everything():
                message = consumer.poll(0.2)
                if message is None:
                    continue
                fault, value, partition = message.error(), message.value(), message.partition()
                if fault is not None:
                    self.read_faults.append(str(fault))
                elif value is not None and partition is not None:
                    self.read[partition].append(int(value))
        finally:
            consumer.close()

    def _has_everything(self) -> bool:
        producing = self._threads[0]
        count = sum(len(each) for each in self.read.values())
        return self.is_over.is_set() and not producing.is_alive() and count >= self.sent


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_rolling_restart_is_not_seen(tmp_path: Path) -> None:
    command = cluster_node(*SETTINGS)
    with Proxy() as proxy, Cluster(tmp_path, 3, command, proxy) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        for created in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 3)]).values():
            created.result(30)

        def is_whole() -> bool:
            return run_sprawl("cluster", "status", bootstrap=cluster.bootstrap).returncode == 0

        load = Load(cluster.bootstrap)
        load.start()
        try:
            for node in cluster.nodes:
                before = len(load.delivered)
                assert wait_until(lambda least=before + 50: len(load.delivered) > least, 30)
                assert node.stop() == 0
                node.start()
                assert wait_until(is_whole, 60)
        finally:
            load.join()
        assert load.refused == []
        assert load.delivered == set(range(load.sent))
        assert load.read_faults == []
        for partition, texts in load.read.items():
            # A member that joins again may read once more what it had not committed.
            assert list(dict.fromkeys(texts)) == list(range(partition, load.sent, PARTITIONS))
