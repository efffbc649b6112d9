"""What Sprawl catches and survives ends a seed: each place that catches everything is made to, and
is found within a few seeds."""

from __future__ import annotations

import contextlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from sim.own_faults import OwnFault, OwnFaults
from sim.scenario import Scenario, run_seed
from sim.scenarios.single_node import SingleNode
from sim.scenarios.three_nodes import ThreeNodes

from sprawl.core.cluster.cluster import Cluster
from sprawl.core.controller.controller import Controller
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.shell import GroupCoordinator
from sprawl.core.log.frames import FrameFault
from sprawl.core.log.reading import DamagedSegment
from sprawl.core.partition.housekeeping import Housekeeping
from sprawl.core.partition.internal import InternalTopic
from sprawl.core.partition.partition import Partition
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.node import RaftNode
from sprawl.core.replication.host import RaftHost
from sprawl.core.replication.replica import RaftReplica

SEEDS_MAX = 5
BUG = TypeError("a bug")


def goes_wrong(
    patch: pytest.MonkeyPatch, owner: Any, name: str, failure: Exception, *, every: int
) -> None:
    """Have each so-many-th call of a function raise."""
    function = getattr(owner, name)
    calls = 0

    def wrong(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % every == 0:
            raise failure
        return function(*args, **options)

    patch.setattr(owner, name, wrong)


def find(scenario: type[Scenario]) -> OwnFault:
    """The first own fault that a seed finds."""
    for seed in range(SEEDS_MAX):
        report = run_seed(scenario, seed)
        if isinstance(report.failure, OwnFault):
            return report.failure
    pytest.fail(f"{SEEDS_MAX} seeds did not find it")


@pytest.mark.parametrize(
    ("owner", "name", "failure", "every", "place"),
    [
        pytest.param(Partition, "append_produced", BUG, 40, "Produce", id="produce"),
        pytest.param(Partition, "check_fetch", BUG, 40, "Fetch", id="another handler"),
        pytest.param(
            *(RaftNode, "step", InvariantBroken("I1", "a bug"), 300, "replication.host"),
            id="an invariant",
        ),
        pytest.param(RaftReplica, "raft_advanced", BUG, 100, "replication.host", id="a replica"),
        pytest.param(RaftHost, "receive", BUG, 100, "cluster.peer_log", id="a message of a peer"),
        pytest.param(Cluster, "_peer_found", BUG, 3, "cluster.peer_log", id="a peer in sight"),
        pytest.param(Controller, "execute", BUG, 5, "cluster.peer_calls", id="a call of a peer"),
        pytest.param(Housekeeping, "_scrub_one", BUG, 3, "partition.housekeeping", id="upkeep"),
        pytest.param(GroupCoordinator, "load", BUG, 1, "groups.coordinators", id="groups' load"),
        pytest.param(InternalTopic, "is_empty", BUG, 2, "groups.coordinators", id="a look first"),
        pytest.param(InternalTopic, "append", BUG, 5, "groups.shell", id="groups' log"),
    ],
)
def test_a_bug_that_a_node_survives_is_found(
    owner: Any, name: str, failure: Exception, every: int, place: str, monkeypatch: Any
) -> None:
    goes_wrong(monkeypatch, owner, name, failure, every=every)
    found = find(ThreeNodes)
    print(found)
    assert place in str(found)
    assert repr(failure) in str(found)
    assert found.__cause__ is failure


def test_a_bug_of_a_node_that_is_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_wrong(monkeypatch, Partition, "append_produced", BUG, every=40)
    assert "n1." in str(find(SingleNode))


def test_a_client_that_is_told_unknown_server_error_ends_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = KafkaFault(ErrorCode.UNKNOWN_SERVER_ERROR)
    goes_wrong(monkeypatch, Partition, "append_produced", unknown, every=40)
    assert ":9092 answers Produce with UNKNOWN_SERVER_ERROR" in str(find(SingleNode))


@pytest.mark.parametrize("flipped", [(), ("t-0",)])
def test_damage_may_be_told_of_where_a_bit_flipped(flipped: tuple[str, ...]) -> None:
    """By whoever meets it in a segment; anywhere else it is Sprawl that wrote nonsense."""
    node = SimpleNamespace(disk=SimpleNamespace(flipped_logs=flipped), host=None)
    loop = SimpleNamespace(is_ending=False, stop=lambda: None)
    world: Any = SimpleNamespace(nodes={1: node}, loop=loop, note=lambda *_: None)
    segment: Any = SimpleNamespace(file=SimpleNamespace(name="0.log"))
    damage = DamagedSegment(segment, FrameFault(64, "the checksum of an entry is wrong"))
    faults = OwnFaults(world)
    with contextlib.suppress(OwnFault), faults:
        logging.getLogger("sprawl.core.replication.replica").error("it stays: %s", damage)
    assert (faults.first is None) is bool(flipped)


def test_what_a_world_changes_is_as_it_was_afterwards() -> None:
    log, disabled = logging.getLogger("sprawl"), logging.root.manager.disable
    before = (list(log.handlers), log.level, log.propagate, disabled)
    run_seed(SingleNode, 0)
    assert before == (list(log.handlers), log.level, log.propagate, logging.root.manager.disable)
