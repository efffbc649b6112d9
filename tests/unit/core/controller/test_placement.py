"""Where replicas of new partitions go: near to their keys, evenly, and over the racks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from uuid import UUID

from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace, place
from sprawl.core.dht.ids import NodeId, key_of
from sprawl.core.dht.placement import CELL_NODES
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, TopicId

CLUSTER = "cluster"
Held = dict[LogKey, tuple[ReplicaId, ...]]


def cluster(racks: Sequence[str | None]) -> list[NodeInfo]:
    return [
        NodeInfo(
            node_id=BrokerId(number),
            replica_id=ReplicaId(1_000 + number),
            directory_id=UUID(int=number),
            endpoints={},
            rack=rack,
        )
        for number, rack in enumerate(racks, start=1)
    ]


def standing(nodes: Sequence[NodeInfo], seed: int = 1) -> dict[BrokerId, NodeId]:
    rng = Random(seed)
    return {each.node_id: NodeId(rng.getrandbits(256)) for each in nodes}


def placed(
    nodes: Sequence[NodeInfo],
    places: Mapping[BrokerId, NodeId],
    count: int,
    *,
    replica_count: int = 3,
    topic: int = 1,
    held: Held | None = None,
) -> Held:
    keys = [LogKey(TopicId(UUID(int=topic)), index) for index in range(count)]
    found = place(
        nodes,
        keys,
        replica_count=replica_count,
        held=(held or {}).values(),
        space=IdSpace(CLUSTER, places),
    )
    return dict(zip(keys, found, strict=True))


def loads(nodes: Sequence[NodeInfo], held: Held) -> list[int]:
    found = Counter(each for replicas in held.values() for each in replicas)
    return [found[each.replica_id] for each in nodes]


def nearest(
    nodes: Sequence[NodeInfo], places: Mapping[BrokerId, NodeId], key: LogKey
) -> list[ReplicaId]:
    target = key_of(CLUSTER, key)
    return [
        each.replica_id for each in sorted(nodes, key=lambda node: places[node.node_id] ^ target)
    ]


def test_the_replicas_of_a_partition_are_among_the_sixteen_nearest_to_its_key() -> None:
    nodes = cluster([None] * 60)
    places = standing(nodes)
    for topic in range(50):
        [(key, replicas)] = placed(nodes, places, 1, topic=topic).items()
        assert set(replicas) <= set(nearest(nodes, places, key)[:CELL_NODES])


def test_a_node_out_of_the_cell_is_taken_when_those_in_it_hold_two_more() -> None:
    nodes = cluster([None] * 40)
    places = standing(nodes)
    [key] = placed(nodes, places, 1)
    order = nearest(nodes, places, key)
    inside, outside = order[:CELL_NODES], order[CELL_NODES:]
    free = set(outside[5:8])
    others = [each for each in outside if each not in free]

    def chosen(load: int) -> set[ReplicaId]:
        full: Held = {
            LogKey(TopicId(UUID(int=9)), index): (ReplicaId(0), node)
            for index, node in enumerate([*inside, *others] * load)
        }
        return set(placed(nodes, places, 1, held=full)[key])

    assert chosen(1) <= set(inside)
    assert chosen(2) == free


def test_racks_come_before_cells() -> None:
    # The only node of the third rack stands anywhere, and is part of every partition.
    nodes = cluster([*["a", "b"] * 30, "c"])
    places = standing(nodes)
    for key, replicas in placed(nodes, places, 200).items():
        assert {nodes[each - 1_001].rack for each in replicas} == {"a", "b", "c"}, key


def test_four_replicas_on_three_racks_are_on_all_of_them() -> None:
    nodes = cluster([f"rack-{number % 7 % 3}" for number in range(80)])
    for replicas in placed(nodes, standing(nodes), 300, replica_count=4).values():
        assert len({nodes[each - 1_001].rack for each in replicas}) == 3


def test_nodes_of_unknown_places_take_their_part_and_no_more() -> None:
    nodes = cluster([None] * 50)
    for unknown in (1, 10, 40, 49, 50):
        places = standing(nodes)
        for each in nodes[:unknown]:
            del places[each.node_id]
        held = placed(nodes, places, 500)
        found = loads(nodes, held)
        assert max(found) - min(found) <= 4, f"{unknown} of unknown places"
        leaders = Counter(each[0] for each in held.values())
        assert set(leaders.values()) == {10}


def test_new_nodes_fill_up_with_what_is_new() -> None:
    nodes = cluster([None] * 60)
    places = standing(nodes)
    held = placed(nodes[:50], places, 500)
    held |= placed(nodes, places, 500, topic=2, held=held)
    found = loads(nodes, held)
    assert max(found) - min(found) <= 4
    assert sum(found) == 3_000


def test_small_topics_do_not_all_begin_at_the_same_node() -> None:
    nodes = cluster([None] * 3)
    first = Counter(placed(nodes, {}, 1, topic=topic)[key][0] for topic, key in topics(300))
    assert len(first) == 3
    assert min(first.values()) > 60


def topics(count: int) -> list[tuple[int, LogKey]]:
    return [(number, LogKey(TopicId(UUID(int=number)), 0)) for number in range(1, count + 1)]
