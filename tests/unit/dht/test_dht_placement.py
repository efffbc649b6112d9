"""Rendezvous hashing in a cell: who gets a partition, and who does not when nodes come and go."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from random import Random

import pytest

from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.placement import (
    CELL_NODES_MAX,
    CELL_NODES_MIN,
    PlacementNode,
    candidates,
    cell,
)
from sprawl.core.ids import ReplicaId


def nodes(count: int, *, racks: int = 0, seed: int = 1) -> list[PlacementNode]:
    rng = Random(seed)
    return [
        PlacementNode(
            NodeId(rng.getrandbits(256)),
            ReplicaId(number),
            f"rack-{number % racks}" if racks else None,
        )
        for number in range(count)
    ]


def keys(count: int, seed: int = 2) -> list[Key]:
    rng = Random(seed)
    return [Key(rng.getrandbits(256)) for _ in range(count)]


def test_the_order_of_the_nodes_changes_nothing() -> None:
    found = nodes(100, racks=3)
    mixed = found[:]
    Random(3).shuffle(mixed)
    for key in keys(50):
        assert candidates(key, found, 3) == candidates(key, mixed, 3)


def test_replicas_lie_in_different_racks_as_long_as_there_are_some() -> None:
    found = nodes(90, racks=3)
    for key in keys(100):
        assert len({each.rack for each in candidates(key, found, 3)}) == 3
        assert Counter(each.rack for each in candidates(key, found, 6)).most_common(1)[0][1] == 2


def test_a_cell_grows_until_it_has_racks_enough() -> None:
    key = Key(0)
    crowd = [PlacementNode(NodeId(n + 1), ReplicaId(n), "a") for n in range(20)]
    far = [PlacementNode(NodeId((1 << 200) + n), ReplicaId(50 + n), "b") for n in range(20)]
    found = cell(key, [*crowd, *far], 2)
    assert len(found) == 21
    assert {each.rack for each in candidates(key, [*crowd, *far], 2)} == {"a", "b"}
    assert len(cell(key, crowd, 2)) == CELL_NODES_MIN, "another rack does not exist"
    assert len(cell(key, nodes(100), 3)) == CELL_NODES_MIN
    assert len(cell(key, nodes(100), 20)) == 20
    assert len(cell(key, nodes(100, racks=1), CELL_NODES_MAX)) == CELL_NODES_MAX


def test_fewer_nodes_than_replicas_give_what_there_is() -> None:
    assert len(candidates(Key(1), nodes(2), 3)) == 2
    assert candidates(Key(1), [], 3) == []
    with pytest.raises(ValueError, match="cell"):
        candidates(Key(1), nodes(100), 33)


def test_a_node_that_leaves_moves_only_what_it_had() -> None:
    found = nodes(16)
    gone = found[5]
    rest = [each for each in found if each is not gone]
    for key in keys(300):
        before, after = candidates(key, found, 3), candidates(key, rest, 3)
        if gone in before:
            assert [each for each in before if each is not gone] == after[:2]
        else:
            assert before == after


def test_a_node_that_joins_moves_at_most_one_replica_of_a_partition() -> None:
    found = nodes(200)
    joined = [*found, PlacementNode(NodeId(Random(9).getrandbits(256)), ReplicaId(999))]
    moved = 0
    for key in keys(1_000):
        before, after = set(candidates(key, found, 3)), set(candidates(key, joined, 3))
        assert len(before - after) <= 1
        moved += len(before - after)
    assert moved < 3 * 1_000 / 200 * 4, "about its share"


def test_leaders_come_in_proportion_to_the_weights() -> None:
    found = [each._replace(weight=3.0 if n == 0 else 1.0) for n, each in enumerate(nodes(10))]
    leaders = Counter(candidates(key, found, 3)[0].replica for key in keys(3_000))
    assert leaders[ReplicaId(0)] == pytest.approx(3_000 * 3 / 12, rel=0.15)
    for number in range(1, 10):
        assert leaders[ReplicaId(number)] == pytest.approx(3_000 / 12, rel=0.3)


def test_cells_bound_whom_a_node_shares_partitions_with() -> None:
    # What copysets are about: the pairs of nodes that hold a common partition.
    found = nodes(300)
    pairs = set()
    for key in keys(1_500):
        pairs.update(combinations(sorted(each.replica for each in candidates(key, found, 3)), 2))
    anywhere = set()
    rng = Random(4)
    for _ in range(1_500):
        anywhere.update(combinations(sorted(rng.sample(range(300), 3)), 2))
    assert len(pairs) < len(anywhere) * 2 / 3
