"""A cluster of processes by one command: losses, restarts, exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sprawl.faults import EXIT_FAILED, EXIT_OK, EXIT_START_FAILED
from tests.cluster.local_command import PROGRAM, LocalCommand, read, run_sprawl, write

SOON = ("--set", "group.initial.rebalance.delay.ms=0")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_three_nodes_survive_one_and_a_restart(tmp_path: Path) -> None:
    with LocalCommand(tmp_path / "c", "-n", "3", "--port", "0", *SOON) as command:
        write(command.bootstrap, "orders", "a", "b")
        command.kill(2)
        told = command.await_error("start it again")
        assert "node 2 was ended by SIGKILL. The other 2 go on." in told
        write(command.bootstrap, "orders", "c")
        assert read(command.bootstrap, "orders", 3, "first") == ["a", "b", "c"]
        described = run_sprawl("topic", "describe", "orders", "--json", bootstrap=command.bootstrap)
        [topic] = json.loads(described.stdout)
        assert len(topic["partitions"][0]["replicas"]) == 3
        bootstrap = command.bootstrap
        assert command.stop() == EXIT_OK
    with LocalCommand(tmp_path / "c", *SOON) as again:
        assert again.bootstrap == bootstrap
        write(again.bootstrap, "orders", "d")
        assert read(again.bootstrap, "orders", 4, "second") == ["a", "b", "c", "d"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_in_memory_with_a_ports_file(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    options = ("-n", "2", "--storage", "memory", "--port", "0", "--ports-file", str(ports), *SOON)
    with LocalCommand(tmp_path / "c", *options) as command:
        assert json.loads(ports.read_text()) == command.facts
        assert command.facts["storage"] == "memory"
        write(command.bootstrap, "orders", "a")
        assert read(command.bootstrap, "orders", 1, "g") == ["a"]
        assert command.stop() == EXIT_OK
    assert not (tmp_path / "c" / "node-1" / "data").exists()
    assert (tmp_path / "c" / "node-1" / "node.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_command_ends_with_its_last_node(tmp_path: Path) -> None:
    with LocalCommand(tmp_path / "c", "-n", "1", "--storage", "memory", "--port", "0") as command:
        command.kill(1)
        assert command.process.wait(timeout=20) == EXIT_FAILED
        assert "No other node is left" in command.errors.read_text()


def test_a_node_that_cannot_start_ends_the_command(tmp_path: Path) -> None:
    bad = ("--data", str(tmp_path), "--set", "num.partitions=none")
    found = subprocess.run(
        [*PROGRAM, "cluster", "local", "-n", "1", "--port", "0", *bad],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == EXIT_START_FAILED, found.stderr
    assert "node 1 did not start; its last words" in found.stderr
    assert "num.partitions" in found.stderr
