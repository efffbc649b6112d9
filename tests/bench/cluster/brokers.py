"""Three processes of each kind, as MeasuredBroker sees one, which can also be killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

from sprawl.gateway.sockets import free_ports
from tests.compat.brokers import ApacheKafka, MeasuredBroker
from tests.node_process import NodeProcess

NODES = (1, 2, 3)
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
}


class MeasuredCluster(MeasuredBroker, Protocol):
    """Several brokers; CPU and memory are their sums."""

    def kill(self, node_id: int) -> None:
        """kill -9."""
        ...

    def restart(self, node_id: int) -> None:
        """Start one that was killed, on what it had."""
        ...


class SprawlCluster:
    """Three nodes of this checkout."""

    name = "sprawl"

    def __init__(self, folder: Path) -> None:
        peer_ports = dict(zip(NODES, free_ports("127.0.0.1", len(NODES)), strict=True))
        self._nodes: dict[int, NodeProcess] = {}
        for number, peer_port in peer_ports.items():
            words = ["--node-id", str(number), "--peer-port", str(peer_port)]
            if number != 1:
                words += ["--join", f"127.0.0.1:{peer_ports[1]}"]
            for name, value in REPLICATED.items():
                words += ["--set", f"{name}={value}"]
            data, log = folder / f"node-{number}", folder / f"node-{number}.log"
            self._nodes[number] = NodeProcess(data, *words, log=log)
        self.start_s = 0.0

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self._nodes.values())

    def cpu_s(self) -> float:
        return sum(node.cpu_s() for node in self._nodes.values())

    def resident_mib(self) -> float:
        return sum(node.resident_mib() for node in self._nodes.values())

    def kill(self, node_id: int) -> None:
        self._nodes[node_id].kill()

    def restart(self, node_id: int) -> None:
        self._nodes[node_id].start()

    def __enter__(self) -> Self:
        began = time.perf_counter()
        self._nodes[1].start()
        _at_once([self._nodes[number].start for number in NODES[1:]])
        self.start_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        _at_once([node.stop for node in self._nodes.values()])


class KafkaCluster:
    """Three of Apache Kafka's brokers, each a controller too."""

    name = "apache-kafka"

    def __init__(self, folder: Path) -> None:
        ports = free_ports("127.0.0.1", 2 * len(NODES))
        controllers = dict(zip(NODES, ports[len(NODES) :], strict=True))
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in controllers.items())
        self._brokers = {
            number: ApacheKafka(
                folder / f"node-{number}",
                REPLICATED | {"node.id": str(number), "controller.quorum.voters": voters},
                (ports[number - 1], controllers[number]),
            )
            for number in NODES
        }
        self.start_s = 0.0

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self._brokers.values())

    def cpu_s(self) -> float:
        return sum(broker.cpu_s() for broker in self._brokers.values())

    def resident_mib(self) -> float:
        return sum(broker.resident_mib() for broker in self._brokers.values())

    def kill(self, node_id: int) -> None:
        process = self._brokers[node_id].process
        process.kill()
        process.wait()

    def restart(self, node_id: int) -> None:
        self._brokers[node_id].__enter__()

    def __enter__(self) -> Self:
        began = time.perf_counter()
        _at_once([broker.__enter__ for broker in self._brokers.values()])
        self.start_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        _at_once([broker.__exit__ for broker in self._brokers.values()])


def _at_once(jobs: Sequence[Callable[[], object]]) -> None:
    """Each in a thread; brokers wait for one another. Raises what the first that failed did."""
    failures: list[Exception] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except Exception as failure:  # noqa: BLE001 raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
