"""Three processes: they see each other, and tell a crash from a stop."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sprawl.gateway.sockets import free_ports
from tests.cluster.local_command import run_sprawl
from tests.harness.processes import wait_until
from tests.node_process import NodeProcess

PATIENCE_S = 60.0


def node(folder: Path, number: int, peer_ports: list[int], keys: Path) -> NodeProcess:
    words = ["--node-id", str(number), "--peer-port", str(peer_ports[number - 1])]
    words += ["--gossip-keys", str(keys), "--set", "broker.rack=r" + str(number)]
    if number > 1:
        words += ["--join", f"127.0.0.1:{peer_ports[0]}"]
    return NodeProcess(folder / str(number), *words, log=folder / f"{number}.log")


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: bytes = answer.read()
    return found


def states(asked: NodeProcess) -> dict[int, str]:
    """What a node says of all."""
    document: dict[str, Any] = json.loads(read(f"{asked.http}/members"))
    return {each["node_id"]: each["state"] for each in document["members"]}


def told(asked: NodeProcess, name: str) -> int:
    """How often something happened, by a node's metrics."""
    for line in read(f"{asked.http}/metrics").decode().splitlines():
        if line.startswith(f"sprawl_member_{name}_total "):
            return int(float(line.split()[1]))
    raise AssertionError(f"no metric of {name}")


def all_say(nodes: list[NodeProcess], expected: dict[int, str]) -> Callable[[], bool]:
    return lambda: all(states(each) == expected for each in nodes)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_crash_is_dead_a_stop_has_left_and_both_come_back(tmp_path: Path) -> None:
    keys = tmp_path / "gossip.keys"
    keys.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    ports = free_ports("127.0.0.1", 3)
    first, second, third = nodes = [node(tmp_path, each, ports, keys) for each in (1, 2, 3)]
    try:
        for each in nodes:
            each.start()
        assert wait_until(all_say(nodes, {1: "alive", 2: "alive", 3: "alive"}), PATIENCE_S)

        third.kill()
        assert wait_until(all_say([first, second], {1: "alive", 2: "alive", 3: "dead"}), PATIENCE_S)
        assert [told(each, "leaves") for each in (first, second)] == [0, 0]
        assert "node 3 at 127.0.0.1" in (tmp_path / "1.log").read_text()

        third.start()
        assert wait_until(all_say(nodes, {1: "alive", 2: "alive", 3: "alive"}), PATIENCE_S)
        assert [told(each, "returns") for each in (first, second)] == [1, 1]
        deaths = [told(each, "deaths") for each in (first, third)]

        assert second.stop() == 0
        others = [first, third]
        assert wait_until(all_say(others, {1: "alive", 2: "left", 3: "alive"}), PATIENCE_S)
        assert [told(each, "deaths") for each in others] == deaths
        second.start()
        assert wait_until(all_say(nodes, {1: "alive", 2: "alive", 3: "alive"}), PATIENCE_S)
        assert [told(each, "deaths") for each in others] == deaths

        listed = run_sprawl(
            "cluster", "members", "--json", "--http", first.http[7:], bootstrap=first.bootstrap
        )
        members = json.loads(listed.stdout)
        assert [each["membership"]["state"] for each in members] == ["alive"] * 3
        assert [each["membership"]["rack"] for each in members] == ["r1", "r2", "r3"]
        shown = run_sprawl(
            "cluster", "members", "--http", first.http[7:], bootstrap=first.bootstrap
        )
        assert "leads" in shown.stdout
        assert shown.returncode == 0
    finally:
        for each in nodes:
            each.stop()


@pytest.mark.timeout(60)
def test_members_without_the_http_port_says_how_to_see_more(tmp_path: Path) -> None:
    [closed] = free_ports("127.0.0.1", 1)
    with NodeProcess(None) as alone:
        for place, reason in ((f"127.0.0.1:{closed}", "refused"), (alone.http[7:], "no peer port")):
            found = run_sprawl("cluster", "members", "--http", place, bootstrap=alone.bootstrap)
            assert found.returncode == 0
            assert "alive" in found.stdout
            assert reason in found.stderr
            assert "--http HOST:PORT" in found.stderr
