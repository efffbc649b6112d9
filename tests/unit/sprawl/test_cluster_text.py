"""`sprawl cluster`: what `status` prints, and where `drain` and `repair` move replicas to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sprawl.cli import run
from sprawl.cli.cluster import status_text
from sprawl.client.cluster import ClusterView, PartitionView, TopicView
from sprawl.client.clusters import ClusterStatus, NodeStatus, PartitionStatus
from sprawl.client.moves import LOST, Candidate, Plan, left_on, plan, stuck_fault
from sprawl.client.nodes import State
from sprawl.faults import EXIT_USAGE


def view(*replicas: Sequence[int], leader: int | None = None) -> ClusterView:
    """A topic `t` with these replicas by partition, led by the first one unless told."""
    partitions = tuple(
        PartitionView(
            partition=number,
            leader=each[0] if leader is None else leader,
            leader_epoch=1,
            replicas=tuple(each),
            isr=tuple(each),
        )
        for number, each in enumerate(replicas)
    )
    topic = TopicView(name="t", topic_id="", internal=False, partitions=partitions)
    return ClusterView(cluster_id="c", controller_id=1, nodes=(), topics={"t": topic})


def nodes(*ids: int, racks: str = "") -> list[Candidate]:
    return [Candidate(node, racks[at] if racks else None) for at, node in enumerate(ids)]


def planned(found: Plan) -> list[list[int]]:
    return [found.moves[place] for place in sorted(found.moves)]


def test_what_a_node_has_goes_to_who_holds_least() -> None:
    found = plan(view([3, 1, 2], [1, 2, 3], [4, 1, 2]), {}, {3}, nodes(1, 2, 4))
    assert [sorted(each) for each in planned(found)] == [[1, 2, 4], [1, 2, 4]]
    assert not found.short
    assert len(found.moves) == 2


def test_a_lost_preferred_leader_is_followed_by_who_leads_least() -> None:
    found = plan(view([3, 1, 2], [1, 2, 4], [1, 4, 2]), {}, {3}, nodes(1, 2, 4))
    [target] = planned(found)
    assert target[0] in (2, 4)


def test_a_preferred_leader_that_stays_stays_first() -> None:
    [target] = planned(plan(view([2, 3, 1]), {}, {3}, nodes(1, 2, 4)))
    assert target == [2, 1, 4]


def test_racks_are_kept_apart() -> None:
    [target] = planned(plan(view([1, 3]), {}, {3}, nodes(1, 2, 4, racks="aab")))
    assert target == [1, 4]


def test_a_move_that_is_under_way_to_elsewhere_is_left_alone() -> None:
    assert not plan(view([1, 3, 2]), {("t", 0): (1, 2)}, {3}, nodes(1, 2)).moves


def test_a_move_towards_the_node_is_turned_away() -> None:
    found = plan(view([1, 2, 3]), {("t", 0): (1, 3)}, {3}, nodes(1, 2))
    assert planned(found) == [[1, 2]]


def test_too_few_other_nodes_are_told_unless_fewer_replicas_will_do() -> None:
    before = view([1, 2, 3], [3, 2, 1])
    found = plan(before, {}, {3}, nodes(1, 2))
    assert not found.moves
    assert "t/0: it has 3 replicas, and only 2 other nodes may take them" in str(stuck_fault(found))
    assert "1 more partition" in str(stuck_fault(found))
    shrunk = plan(before, {}, {3}, nodes(1, 2), may_shrink=True)
    assert [sorted(each) for each in planned(shrunk)] == [[1, 2], [1, 2]]


def test_nothing_moves_without_a_leader() -> None:
    found = plan(view([3], leader=-1), {}, {3}, nodes(1, 2))
    assert found.leaderless == [("t", 0)]
    assert "topic delete t" in stuck_fault(found).next_step


def test_lost_replicas_are_replaced() -> None:
    before = view([1, LOST, 2])
    assert left_on(before, {LOST}) == 1
    assert planned(plan(before, {}, {LOST}, nodes(1, 2, 3))) == [[1, 2, 3]]


def status(*partitions: PartitionStatus, state: State = State.ALIVE) -> ClusterStatus:
    node = NodeStatus(
        node_id=1,
        host="a",
        port=9092,
        rack=None,
        state=state,
        controller="leader",
        replicas=3,
        leaders=1,
    )
    return ClusterStatus(
        cluster_id="c",
        controller=1,
        voters=(1,),
        observers=(),
        nodes=(node,),
        partitions=partitions,
    )


def partition(
    number: int, leader: int, *in_sync: int, to: tuple[int, ...] | None = None
) -> PartitionStatus:
    return PartitionStatus(
        name=f"t/{number}",
        leader=leader,
        replicas=(1, 2, LOST),
        in_sync=in_sync,
        moves_to=to,
        trouble="trouble" if leader < 0 or len(in_sync) < 3 or to else "",
    )


def test_a_healthy_cluster_is_told_in_one_look() -> None:
    text = status_text(status(partition(0, 1, 1, 2, LOST)), shown_max=5)
    assert text.splitlines()[0] == "cluster c: 1 of 1 nodes alive, controller 1, voters 1"
    assert text.splitlines()[-1] == "1 partition: all led and in sync"


def test_an_upgrade_that_is_possible_is_told() -> None:
    found = replace(status(), level=1, upgrade_to=2)
    told = "level 1, and every node knows 2: sprawl cluster upgrade"
    assert status_text(found, shown_max=5).splitlines()[1] == told
    assert "level" not in status_text(replace(found, upgrade_to=None), shown_max=5)


def test_trouble_is_counted_and_named() -> None:
    found = status(
        partition(0, -1),
        partition(1, 1, 1),
        partition(2, 1, 1, 2, LOST, to=(1, 3)),
        state=State.UNREACHABLE,
    )
    assert not found.is_healthy
    text = status_text(found, shown_max=2)
    assert "0 of 1 nodes alive" in text
    assert "3 partitions: 1 without leader, 1 under-replicated, 1 moving" in text
    assert "1,2,lost" in text
    assert text.endswith("and 1 more: --all names them")


@pytest.mark.parametrize("words", [["t", "--to", "1"], ["t/0"], ["t/0", "--to", "1", "--cancel"]])
def test_a_move_wants_a_partition_and_a_target(words: list[str]) -> None:
    assert run(["cluster", "move", *words]) == EXIT_USAGE
