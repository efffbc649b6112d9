"""Where the controller puts replicas, with cells of the DHT's id space and without:
`python -m tests.overlay placement`.

Partitions of three replicas, in topics of 1 to 100, one after the other into an empty cluster.
Without cells is what is done when it is not known where any node stands.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

from overlay.tables import Table, command, write_page
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.controller.placement import IdSpace, place
from sprawl.core.dht.ids import NodeId, directory_credential, key_of, node_id_of
from sprawl.core.dht.placement import CELL_NODES
from sprawl.core.dht.settings import DhtSettings
from sprawl.core.ids import BrokerId, LogKey, ReplicaId, TopicId

CLUSTER = "placement"
SIZES = (20, 50, 100)
RACKS = (0, 3)
PARTITIONS = 1_000
REPLICAS = 3
TOPIC_SIZES = (1, 3, 6, 12, 50, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of the partitions.

    Args:
        replicas, leaders: of each node.
        racks: how many each partition is on.
        peers: of each node, the others that hold a partition with it.
        sets: different sets of nodes that hold a partition.
        inside: of all replicas, the share among the 16 nodes nearest to the key.
        told: nodes that hear of a new leader in the mean: those that keep the record, and replicas.
    """

    replicas: Sequence[int]
    leaders: Sequence[int]
    racks: Sequence[int]
    peers: Sequence[int]
    sets: int
    inside: float
    told: float


def cluster(count: int, racks: int, seed: int) -> list[NodeInfo]:
    """Nodes on racks by turns; each of a rack of no name when there are none."""
    rng = Random(seed)
    return [
        NodeInfo(
            node_id=BrokerId(number),
            replica_id=ReplicaId(number),
            directory_id=UUID(int=rng.getrandbits(128), version=4),
            endpoints={},
            rack=f"rack-{number % racks}" if racks else None,
        )
        for number in range(1, count + 1)
    ]


def places_of(nodes: Sequence[NodeInfo]) -> dict[BrokerId, NodeId]:
    """Where nodes without certificates stand."""
    return {
        each.node_id: node_id_of(directory_credential(CLUSTER, each.directory_id)) for each in nodes
    }


def placed(
    nodes: Sequence[NodeInfo],
    known: Mapping[BrokerId, NodeId],
    seed: int,
    partitions: int = PARTITIONS,
) -> Placed:
    """Place so many partitions.

    Args:
        known: what the controller knows of where nodes stand.
    """
    rng = Random(seed)
    held: dict[LogKey, tuple[ReplicaId, ...]] = {}
    while len(held) < partitions:
        count = min(rng.choice(TOPIC_SIZES), partitions - len(held))
        topic = TopicId(UUID(int=rng.getrandbits(128), version=4))
        keys = [LogKey(topic, index) for index in range(count)]
        found = place(
            nodes,
            keys,
            replica_count=REPLICAS,
            held=held.values(),
            space=IdSpace(CLUSTER, known),
        )
        held |= dict(zip(keys, found, strict=True))
    return _judge(nodes, held)


def _judge(nodes: Sequence[NodeInfo], held: Mapping[LogKey, tuple[ReplicaId, ...]]) -> Placed:
    by_replica = {each.replica_id: each for each in nodes}
    places = places_of(nodes)
    holders = DhtSettings().holders
    replicas = Counter(each for found in held.values() for each in found)
    leaders = Counter(found[0] for found in held.values())
    peers: dict[ReplicaId, set[ReplicaId]] = {each: set() for each in by_replica}
    inside = told = 0
    for key, found in held.items():
        target = key_of(CLUSTER, key)
        nearest = sorted(by_replica, key=lambda each: places[by_replica[each].node_id] ^ target)
        inside += len(set(nearest[:CELL_NODES]) & set(found))
        told += len({*nearest[:holders], *found} - {found[0]})
        for each in found:
            peers[each].update(set(found) - {each})
    return Placed(
        replicas=[replicas[each] for each in by_replica],
        leaders=[leaders[each] for each in by_replica],
        racks=[len({by_replica[each].rack for each in found}) for found in held.values()],
        peers=[len(found) for found in peers.values()],
        sets=len({frozenset(found) for found in held.values()}),
        inside=inside / len(held) / REPLICAS,
        told=told / len(held),
    )


def table(sizes: Sequence[int], seed: int, partitions: int) -> Table:
    """A row for each size, with racks and without, with cells and without."""
    made = Table(
        "placement",
        f"{partitions:,} partitions of {REPLICAS} replicas",
        [
            "nodes",
            "racks",
            "by cells",
            "replicas a node",
            "leaders a node",
            "sets of nodes",
            "peers of a node",
            f"within the {CELL_NODES} nearest",
            "told of a new leader",
        ],
    )
    for count in sizes:
        for racks in RACKS:
            nodes = cluster(count, racks, seed)
            for known in ({}, places_of(nodes)):
                found = placed(nodes, known, seed, partitions)
                made.rows.append(
                    [
                        count,
                        racks or "none",
                        "yes" if known else "no",
                        _range(found.replicas),
                        _range(found.leaders),
                        found.sets,
                        f"{sum(found.peers) / count:.0f}, at most {max(found.peers)}",
                        f"{found.inside:.0%}",
                        f"{found.told:.1f}",
                    ]
                )
    return made


def _range(values: Sequence[int]) -> str:
    return f"{min(values)} to {max(values)}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.overlay placement", description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, metavar="MD")
    given = parser.parse_args(arguments)
    made = table(given.nodes, given.seed, given.partitions)
    made.command = command(parser, given)
    print(made.markdown())
    if given.page is not None:
        write_page([made], given.page)
    return 0
