"""Consumers in racks (KIP-392) while nodes are killed or cut off: they read on and miss nothing."""

from __future__ import annotations

import gc
import logging
import threading
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from sprawl.core.config.broker_keys import RACK_AWARE
from tests.harness.processes import Cluster, ClusterNode, NodePlace, cluster_node, wait_until
from tests.harness.proxy import Proxy
from tests.rack_readers import ConfluentReader, KafkaPythonReader, RackReader

TOPIC = "near"
PAUSE_S = 0.01
PATIENCE_S = 60.0
SETTINGS = (
    "default.replication.factor=3",
    "min.insync.replicas=2",
    f"replica.selector.class={RACK_AWARE}",
)


def node_in_a_rack(place: NodePlace) -> Sequence[str]:
    """The command of a node with a rack of its own."""
    return [*cluster_node(*SETTINGS)(place), "--set", f"broker.rack={rack_of(place.number)}"]


def rack_of(number: int) -> str:
    return f"rack-{number}"


MAKE_READERS: list[Callable[[str, str], RackReader]] = [
    partial(ConfluentReader, topic=TOPIC),
    partial(KafkaPythonReader, topic=TOPIC, metadata_ms=2_000),
]


class Reader(threading.Thread):
    """Reads in a rack until it is told to end."""

    def __init__(self, make: Callable[[str, str], RackReader], bootstrap: str, rack: str) -> None:
        super().__init__()
        self.read: list[int] = []
        self.is_over = threading.Event()
        self._make = lambda: make(bootstrap, rack)

    def run(self) -> None:
        consumer = self._make()
        while not self.is_over.is_set():
            self.read += map(int, consumer.poll())
        consumer.close()


class Writer(threading.Thread):
    """Counts upwards, a record a number, with acks=all."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self.delivered = 0
        self.is_over = threading.Event()
        self._producer = confluent_kafka.Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0}
        )

    def run(self) -> None:
        number = 0
        while not self.is_over.wait(PAUSE_S):
            self._producer.produce(TOPIC, str(number), partition=0, on_delivery=self._told)
            self._producer.poll(0)
            number += 1
        assert self._producer.flush(PATIENCE_S) == 0

    def _told(self, fault: object, _: object) -> None:
        assert fault is None
        self.delivered += 1


def leader_of(admin: AdminClient) -> int:
    return int(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions[0].leader)


def follower_bytes(node: ClusterNode) -> float:
    """What consumers have read from followers of a node."""
    with urllib.request.urlopen(f"{node.http}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    [value] = [each.split()[1] for each in lines if each.startswith("sprawl_fetch_follower_bytes_")]
    return float(value)


@pytest.mark.slow
@pytest.mark.timeout(400)
# Clients that lost their node leave sockets behind, which `gc.collect` finds.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_consumers_in_racks_read_on_whoever_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Log records that are kept would keep the sockets too.
    caplog.set_level(logging.CRITICAL, logger="kafka")
    with Proxy() as proxy, Cluster(tmp_path, 3, node_in_a_rack, proxy) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        assert wait_until(lambda: len(admin.list_topics(timeout=10).brokers) == 3, PATIENCE_S)
        for created in admin.create_topics([NewTopic(TOPIC, 1, 3)]).values():
            created.result(30)
        near = next(node for node in cluster.nodes if node.place.number != leader_of(admin))
        rack = rack_of(near.place.number)
        writer = Writer(cluster.bootstrap)
        readers = [Reader(make, cluster.bootstrap, rack) for make in MAKE_READERS]

        def go_on() -> None:
            """Every reader gets what is written from now on."""
            least = writer.delivered + 100
            assert wait_until(lambda: writer.delivered >= least, PATIENCE_S)
            assert wait_until(
                lambda: all(len(reader.read) >= least for reader in readers), PATIENCE_S
            ), [(writer.delivered, len(reader.read)) for reader in readers]

        for thread in (writer, *readers):
            thread.start()
        try:
            go_on()
            assert follower_bytes(near) > 0

            near.kill()
            go_on()
            near.start()
            assert wait_until(lambda: follower_bytes(near) > 0, PATIENCE_S), "nobody came back"

            for link in cluster.ways_to(near) + cluster.ways_from(near):
                link.cut()
            go_on()
            for link in cluster.ways_to(near) + cluster.ways_from(near):
                link.heal()
            go_on()

            leader = cluster.nodes[leader_of(admin) - 1]
            leader.kill()
            go_on()
            leader.start()
            go_on()
        finally:
            for thread in (writer, *readers):
                thread.is_over.set()
                thread.join()
            gc.collect()
        for reader in readers:
            assert reader.read == list(range(len(reader.read)))
            assert len(reader.read) >= writer.delivered - 200
