"""A cluster of whole nodes in this process, each on loopback with ports of its own."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from sprawl.core.controller.topics import TopicInfo, TopicSpec
from sprawl.core.partition.partition import Partition
from sprawl.gateway.metrics import GatewayMetrics
from sprawl.gateway.sockets import free_ports
from sprawl.node import Node

PATIENCE_S = 20.0


def rack_of(number: int) -> str:
    """Where a node stands."""
    return f"rack-{number}"


class ClusterWorld:
    """`async with ClusterWorld(3) as world`: nodes 1 to 3, each in a rack of its own; the first one
    founds the cluster.

    Args:
        folder: where data lies; None keeps it in memory.
        settings: broker configs of every node.
    """

    def __init__(self, count: int, folder: Path | None = None, **settings: object) -> None:
        self.count = count
        self.nodes: dict[int, Node] = {}
        self._folder = folder
        self._settings = settings
        # The ports that others know a node by outlive its restarts.
        ports = free_ports("127.0.0.1", 2 * count)
        self._ports = dict(enumerate(ports[:count], start=1))
        self._peer_ports = dict(enumerate(ports[count:], start=1))

    async def __aenter__(self) -> Self:
        await self.start(1)
        await asyncio.gather(*(self.start(number) for number in range(2, self.count + 1)))
        return self

    async def __aexit__(self, *_: object) -> None:
        async with AsyncExitStack() as stack:
            for number in list(self.nodes):
                stack.push_async_callback(self.stop, number)

    async def start(self, number: int) -> None:
        """Start a node, again or for the first time; one more than there were, too."""
        if number not in self._ports:
            self._ports[number], self._peer_ports[number] = free_ports("127.0.0.1", 2)
        port = self._peer_ports[number]
        settings: dict[str, Any] = {"peer_port": port, "node_id": number, **self._settings}
        settings["broker_rack"] = rack_of(number)
        if number != 1 and (self._folder is None or not (self._folder / str(number)).exists()):
            settings["join"] = f"127.0.0.1:{self._peer_ports[1]}"
        data = None if self._folder is None else self._folder / str(number)
        node = Node(data_dir=data, host="127.0.0.1", port=self._ports[number], **settings)
        await node.__aenter__()
        self.nodes[number] = node

    async def stop(self, number: int) -> None:
        """Stop a node in good order."""
        await self.nodes.pop(number).__aexit__(None, None, None)

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes.values())

    def broker(self, number: int) -> Any:
        return self.nodes[number]._running.broker

    def metrics(self, number: int) -> GatewayMetrics:
        """What a node counted."""
        found: GatewayMetrics = self.nodes[number]._running._metrics
        return found

    async def topic(
        self, name: str, *, partitions: int = 1, replicas: int = 3, **configs: str
    ) -> TopicInfo:
        """Create a topic and wait until every partition has a leader that every node knows."""
        spec = TopicSpec(
            name=name,
            partition_count=partitions,
            replication_factor=replicas,
            configs={key.replace("_", "."): value for key, value in configs.items()},
        )
        first = next(iter(self.nodes))
        topic: TopicInfo = await self.broker(first).controller.create_topic(spec)
        await self.until(lambda: all(self._is_led(name, index) for index in range(partitions)))
        return topic

    def _is_led(self, topic: str, partition: int) -> bool:
        leader = self.leader(topic, partition)
        return leader is not None and self._leaders(topic, partition) == {leader}

    def leader(self, topic: str, partition: int = 0) -> int | None:
        """The node whose replica serves a partition."""
        for number in self.nodes:
            found = self.replica(number, topic, partition)
            if found is not None and found.is_leader:
                return number
        return None

    def replica(self, number: int, topic: str, partition: int = 0) -> Partition | None:
        """A node's replica of a partition; None while it is not open."""
        for hosted in self.broker(number).partitions.topics():
            if hosted.name == topic and partition < len(hosted.partitions):
                found: Partition | None = hosted.partitions[partition]
                return found
        return None

    def _leaders(self, topic: str, partition: int) -> set[int | None]:
        """What the nodes take for the leader."""
        found = set()
        for number in self.nodes:
            broker = self.broker(number)
            info = broker.controller.topics.get(topic)
            if info is not None:
                broker.cluster.find_leaders_behind([(info, partition)])
            found.add(None if info is None else broker.cluster.leader(info, partition))
        return found

    async def until(self, condition: Any, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it does not within the time.
        """
        deadline = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster did not get there")
            await asyncio.sleep(0.02)
