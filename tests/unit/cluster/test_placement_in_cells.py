"""A topic that a client creates in a cluster of many nodes lies among those near to its keys."""

from __future__ import annotations

from random import Random
from uuid import UUID

from cluster_world import ClusterWorld

from sprawl.client.cluster import Cluster
from sprawl.client.topics import create_topic
from sprawl.core.controller.features import SUPPORTED
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.dht.ids import directory_credential, key_of, node_id_of
from sprawl.core.dht.placement import CELL_NODES
from sprawl.core.ids import BrokerId, LogKey, ReplicaId

NODES = 50
PARTITIONS = 10


async def test_replicas_are_within_the_cells_of_their_partitions() -> None:
    rng = Random(1)
    async with ClusterWorld(2) as world:
        broker = world.broker(1)
        # Those that are away count for placement like those that are there.
        for number in range(3, NODES + 1):
            directory = UUID(int=rng.getrandbits(128), version=4)
            node = NodeInfo(
                node_id=BrokerId(number),
                replica_id=ReplicaId(0),
                directory_id=directory,
                endpoints={},
                levels=SUPPORTED,
            )
            await broker.controller.register(node)
        async with Cluster(world.nodes[2].bootstrap, timeout_ms=30_000) as cluster:
            await create_topic(cluster, "t", partitions=PARTITIONS, replication=3)
        nodes = broker.controller.nodes.values()
        assert len(nodes) == NODES
        topic = broker.controller.topics["t"]
        for index, replicas in enumerate(topic.replicas):
            key = key_of(broker.cluster_id, LogKey(topic.id, index))

            def distance(node: NodeInfo, key: int = key) -> int:
                credential = directory_credential(broker.cluster_id, node.directory_id)
                return node_id_of(credential) ^ key

            nearest = sorted(nodes, key=distance)[:CELL_NODES]
            assert len(replicas) == 3
            assert set(replicas) <= {each.replica_id for each in nearest}
