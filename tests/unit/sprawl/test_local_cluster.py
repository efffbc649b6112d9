"""`sprawl cluster`: the plan, and the whole command with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from sprawl.faults import SettingFault, StartFault
from sprawl.local_cluster import LocalCluster, load_plan, make_plan


def test_ports_follow_each_other() -> None:
    plan = make_plan(3, 9092, 9644)
    assert [each.port for each in plan] == [9092, 9093, 9094]
    assert [each.peer_port for each in plan] == [9192, 9193, 9194]
    assert [each.http_port for each in plan] == [9644, 9645, 9646]


def test_free_ports_are_all_different() -> None:
    plan = make_plan(5, 0, 0)
    ports = {port for each in plan for port in (each.port, each.peer_port, each.http_port)}
    assert len(ports) == 15


def test_the_plan_outlives_the_command(tmp_path: Path) -> None:
    first = load_plan(tmp_path, lambda: make_plan(3, 0, 0), 3)
    assert load_plan(tmp_path, lambda: make_plan(3, 0, 0), None) == first
    with pytest.raises(SettingFault, match="holds a cluster of 3 nodes, not of 5"):
        load_plan(tmp_path, lambda: make_plan(5, 0, 0), 5)
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(StartFault, match="cannot be read"):
        load_plan(tmp_path, lambda: make_plan(3, 0, 0), 3)


def test_only_the_first_node_does_not_join(tmp_path: Path) -> None:
    cluster = LocalCluster(make_plan(3, 9092, 9644), tmp_path, ["--set", "num.partitions=2"])
    commands = [node.command() for node in cluster.nodes]
    assert ["--join" in each for each in commands] == [False, True, True]
    assert all("min.insync.replicas=2" in each for each in commands)
    assert cluster.bootstrap == "localhost:9092,localhost:9093,localhost:9094"


class Command:
    """`sprawl cluster local` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        words = ["cluster", "local", "-n", "3", "--data", str(folder), "--port", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sprawl", *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.facts = json.loads(self._process.stdout.readline())

    @property
    def bootstrap(self) -> str:
        return str(self.facts["bootstrap"])

    def pid_of(self, node: int) -> int:
        """Of one of the nodes: the command's children."""
        mine = str(self._process.pid)
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_text().split("\0")
                parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            numbered = list(pairwise(words))
            if parent == mine and ("--node-id", str(node)) in numbered:
                return int(place.name)
        raise AssertionError(f"node {node} does not run")

    def stop(self) -> int:
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


def write(bootstrap: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for value in values:
        producer.produce("orders", value)
    assert producer.flush(30) == 0


def read(bootstrap: str, count: int, group: str) -> list[str]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["orders"])
    found: list[str] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append((message.value() or b"").decode())
    consumer.close()
    return found


@pytest.mark.timeout(240)
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the nodes in /proc")
def test_three_nodes_survive_one_and_a_restart(tmp_path: Path) -> None:
    command = Command(tmp_path)
    try:
        write(command.bootstrap, "a", "b")
        os.kill(command.pid_of(2), signal.SIGKILL)
        write(command.bootstrap, "c")
        assert sorted(read(command.bootstrap, 3, "first")) == ["a", "b", "c"]
    finally:
        assert command.stop() == 0
    again = Command(tmp_path)
    try:
        assert again.bootstrap == command.bootstrap
        write(again.bootstrap, "d")
        assert sorted(read(again.bootstrap, 4, "second")) == ["a", "b", "c", "d"]
    finally:
        assert again.stop() == 0
