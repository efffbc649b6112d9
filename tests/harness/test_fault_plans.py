"""Plans of faults: what they hold, and that each fault undoes what it did and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from tests.harness.faults import (
    BETWEEN_NODES,
    CLUSTER_WEIGHTS,
    WEIGHTS,
    Fault,
    Saboteur,
    make_plan,
)
from tests.harness.processes import Cluster


def all_of(plan: list[Fault]) -> list[Fault]:
    """Those beside others too."""
    return [each for fault in plan for each in (fault, fault.beside) if each is not None]


def test_a_plan_comes_from_its_seed_and_keeps_to_its_time() -> None:
    plan = make_plan(3, 300, 600.0, 3)
    assert plan == make_plan(3, 300, 600.0, 3)
    assert plan != make_plan(4, 300, 600.0, 3)
    assert sum(fault.wait_s + fault.hold_s for fault in plan) == pytest.approx(600)
    assert len(all_of(plan)) == 300
    assert {fault.kind for fault in plan} == set(CLUSTER_WEIGHTS)
    assert {fault.kind for fault in make_plan(3, 200, 600.0, 1)} == set(WEIGHTS)
    assert {fault.place for fault in plan} == {0, 1, 2}


def test_any_two_nodes_may_not_reach_each_other() -> None:
    pairs = [each for each in all_of(make_plan(3, 2_000, 600.0, 4)) if each.kind == "pair"]
    cut = {(each.place, each.other) for each in pairs}
    assert cut == {(one, other) for one in range(4) for other in range(4) if one != other}


@pytest.mark.parametrize("nodes", [3, 5])
def test_two_faults_at_once_are_of_different_nodes_and_one_of_them_between_nodes(
    nodes: int,
) -> None:
    together = [each for each in make_plan(5, 1_000, 600.0, nodes) if each.beside is not None]
    assert 80 < len(together) < 250
    for fault in together:
        beside = fault.beside
        assert beside is not None
        assert beside.beside is None
        assert beside.place != fault.place
        assert not {fault.kind, beside.kind} <= BETWEEN_NODES
        assert 0 < beside.wait_s + beside.hold_s < fault.hold_s


@pytest.mark.parametrize("nodes", [1, 2])
def test_nothing_is_beside_a_fault_where_no_majority_would_be_left(nodes: int) -> None:
    assert all(each.beside is None for each in make_plan(5, 200, 600.0, nodes))


class Way:
    """A link that knows what is wrong with it."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def cut(self, *ways: str) -> None:
        self.wrong.append(f"cut {' '.join(ways)}")

    def delay(self, seconds: float, jitter_s: float) -> None:
        self.wrong.append("delay")

    def throttle(self, bytes_per_s: float) -> None:
        self.wrong.append("throttle")

    def reset(self) -> None:
        """It is over at once."""

    def heal(self) -> None:
        self.wrong.clear()


class Node:
    """A process that runs, stands still or is dead."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.is_running = True
        self.is_paused = False

    def kill(self) -> None:
        self.is_running = False

    stop = kill

    def start(self) -> None:
        assert not self.is_running
        self.is_running = True

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class Nodes:
    """A cluster of these."""

    def __init__(self, count: int) -> None:
        self.nodes = [Node(place) for place in range(count)]
        self.clients = [Way() for _ in self.nodes]
        places = range(count)
        self.ways = {(a, b): Way() for a in places for b in places if a != b}

    def link_of(self, node: Node) -> Way:
        return self.clients[node.place]

    def ways_to(self, node: Node) -> list[Way]:
        return [way for (_, end), way in self.ways.items() if end == node.place]

    def ways_from(self, node: Node) -> list[Way]:
        return [way for (start, _), way in self.ways.items() if start == node.place]

    def ways_between(self, one: Node, other: Node) -> list[Way]:
        return [self.ways[one.place, other.place], self.ways[other.place, one.place]]

    def wrongs(self) -> list[str]:
        """Everything that is wrong now."""
        wrong = [f"node {node.place} is down" for node in self.nodes if not node.is_running]
        wrong += [f"node {node.place} is paused" for node in self.nodes if node.is_paused]
        wrong += [f"client {at}: {way.wrong}" for at, way in enumerate(self.clients) if way.wrong]
        return wrong + [f"{at}: {way.wrong}" for at, way in self.ways.items() if way.wrong]


def played(plan: list[Fault], count: int) -> tuple[Nodes, list[list[str]], Counter[str]]:
    """What was wrong in each of the times between two steps."""
    nodes = Nodes(count)
    seen: list[list[str]] = []
    saboteur = Saboteur(
        cast("Cluster", cast("Any", nodes)), lambda _: None, lambda _: seen.append(nodes.wrongs())
    )
    saboteur.carry_out(plan)
    return nodes, seen, saboteur.done


@pytest.mark.parametrize("seed", range(5))
def test_every_fault_ends_by_itself(seed: int) -> None:
    nodes, seen, done = played(make_plan(seed, 500, 600.0, 3), 3)
    assert nodes.wrongs() == []
    assert done.total() == 500
    assert max(map(len, seen)) > 4  # a node that nobody reaches, and something else


def test_a_pair_and_a_killed_node_at_once() -> None:
    beside = Fault(kind="kill", wait_s=1.0, hold_s=1.0, place=0)
    pair = Fault(kind="pair", wait_s=1.0, hold_s=4.0, place=2, other=1, beside=beside)
    nodes, seen, _ = played([pair], 3)
    cut = ["(1, 2): ['cut ']", "(2, 1): ['cut ']"]
    assert seen == [[], cut, ["node 0 is down", *cut], cut]
    assert nodes.wrongs() == []
