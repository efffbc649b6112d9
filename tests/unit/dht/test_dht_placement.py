"""The cell of a partition: who is in it, in which order, and what becomes of it as nodes change."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.placement import CELL_NODES, cell_of
from sprawl.core.ids import ReplicaId


def places(count: int, seed: int = 1) -> dict[ReplicaId, NodeId | None]:
    rng = Random(seed)
    return {ReplicaId(number): NodeId(rng.getrandbits(256)) for number in range(1, count + 1)}


def keys(count: int, seed: int = 2) -> list[Key]:
    rng = Random(seed)
    return [Key(rng.getrandbits(256)) for _ in range(count)]


def test_the_cell_are_the_nearest_and_the_others_follow_by_distance() -> None:
    found = {ReplicaId(number): NodeId(number << 8) for number in range(1, 41)}
    cell = cell_of(Key(0), found)
    assert sorted(cell.nodes) == list(range(1, CELL_NODES + 1))
    assert cell.others == list(range(CELL_NODES + 1, 41))
    cell = cell_of(Key(40 << 8), found)
    assert cell.others[-1] == 23, "40 and 23 differ in each of six bits"


def test_the_order_of_the_nodes_changes_nothing() -> None:
    found = places(100) | {ReplicaId(200): None}
    mixed = list(found.items())
    Random(3).shuffle(mixed)
    for key in keys(50):
        assert cell_of(key, found) == cell_of(key, dict(mixed))


def test_a_small_cluster_is_one_cell() -> None:
    found = places(CELL_NODES)
    for key in keys(20):
        cell = cell_of(key, found)
        assert (set(cell.nodes), cell.others) == (set(found), [])


def test_each_node_has_the_highest_score_as_often() -> None:
    found = places(10)
    first = Counter(cell_of(key, found).nodes[0] for key in keys(3_000))
    assert all(first[each] == pytest.approx(300, rel=0.25) for each in found)


def test_nodes_of_unknown_places_are_in_every_cell_beside_the_sixteen() -> None:
    found = places(60)
    known = dict(found)
    lost = [ReplicaId(number) for number in range(1, 31)]
    for each in lost:
        found[each] = None
        del known[each]
    for key in keys(20):
        cell, without = cell_of(key, found), cell_of(key, known)
        assert set(cell.nodes) == {*lost, *without.nodes}
        assert cell.others == without.others


def test_two_nodes_at_one_place_are_both_there() -> None:
    found = places(30)
    found[ReplicaId(2)] = found[ReplicaId(1)]
    cell = cell_of(Key(5), found)
    assert sorted([*cell.nodes, *cell.others]) == sorted(found)


def test_a_node_that_comes_pushes_at_most_one_out_of_a_cell() -> None:
    found = places(200)
    joined = found | {ReplicaId(999): NodeId(Random(9).getrandbits(256))}
    for key in keys(300):
        before, after = cell_of(key, found).nodes, cell_of(key, joined).nodes
        staying = [each for each in before if each in after]
        assert len(staying) >= CELL_NODES - 1
        assert staying == [each for each in after if each in before], "scores do not change"
