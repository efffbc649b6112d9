"""The brokers of a cluster as a client sees them: bootstrap, metadata, coordinators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sprawl.client.connection import Connection, ResponseType
from sprawl.client.faults import Refused, Unreachable, raise_for
from sprawl.core.errors import ErrorCode
from sprawl.faults import EXIT_USAGE, CommandFault
from sprawl.gateway.codec._generated.k03_metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from sprawl.gateway.codec._generated.k10_find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from sprawl.gateway.codec.message import Struct

METADATA = 3
FIND_COORDINATOR = 10
RETRY_WAIT_S = 0.1
"""Pause before the next attempt while a coordinator or a leader is not there yet."""
RETRIES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    partition: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView:
    name: str
    topic_id: str
    internal: bool
    partitions: tuple[PartitionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    node_id: int
    host: str
    port: int
    rack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """One Metadata answer."""

    cluster_id: str
    controller_id: int
    nodes: tuple[NodeView, ...]
    topics: Mapping[str, TopicView]


def parse_addresses(text: str) -> list[tuple[str, int]]:
    """Splits `host:port,host:port`.

    Raises:
        CommandFault: an entry has no port or one out of range (exit code 2).
    """
    addresses = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise CommandFault(
                f"bootstrap address {entry!r} is not host:port",
                next_step="--bootstrap localhost:9092",
                exit_code=EXIT_USAGE,
            )
        addresses.append((host.strip("[]"), int(port)))
    if not addresses:
        raise CommandFault(
            "no bootstrap address", next_step="--bootstrap localhost:9092", exit_code=EXIT_USAGE
        )
    return addresses


class Cluster:
    """Connections to a cluster's brokers, opened when needed, closed on exit.

    Args:
        bootstrap: `host:port`, several separated by commas.
        timeout_ms: the longest wait for one answer.
    """

    def __init__(
        self, bootstrap: str, *, client_id: str = "sprawl-cli", timeout_ms: int = 30_000
    ) -> None:
        self.bootstrap = bootstrap
        self._addresses = parse_addresses(bootstrap)
        self._client_id = client_id
        self._timeout_ms = timeout_ms
        self._first: Connection | None = None
        self._by_node: dict[int, Connection] = {}
        self._opening = asyncio.Lock()
        self._starting = asyncio.Lock()
        self.nodes: dict[int, NodeView] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._bootstrap_connection()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for connection in (self._first, *self._by_node.values()):
            if connection is not None:
                await connection.close()
        self._by_node.clear()
        self._first = None

    async def request(
        self, api_key: int, body: Struct, response: type[ResponseType]
    ) -> ResponseType:
        """Asks any broker."""
        connection = await self._bootstrap_connection()
        return await connection.request(api_key, body, response)

    async def version_for(self, api_key: int) -> int:
        """The version in which `request` asks. Raises: Refused when there is none in common."""
        return (await self._bootstrap_connection()).version_for(api_key)

    async def node(self, node_id: int) -> Connection:
        """The connection to one broker.

        Raises:
            Unreachable: its advertised address does not answer; the message says which one.
        """
        async with self._opening:
            connection = self._by_node.get(node_id)
            if connection is not None and connection.usable:
                return connection
            if node_id not in self.nodes:
                await self.metadata([])
            view = self.nodes.get(node_id)
            if view is None:
                raise Unreachable(self.bootstrap, f"the cluster names no broker {node_id}")
            if connection is not None:
                await connection.close()
            self._by_node[node_id] = await self._connect(view.host, view.port)
            return self._by_node[node_id]

    async def metadata(
        self, topics: Sequence[str] | None = None, *, create: bool = False
    ) -> ClusterView:
        """Asks for topics by name, all of them for None.

        Args:
            create: lets the broker create topics that are not there, if it is set up to.

        Raises:
            Refused: a named topic has an error, UNKNOWN_TOPIC_OR_PARTITION for example.
        """
        answer = await self.request(
            METADATA,
            MetadataRequest(
                topics=None if topics is None else [MetadataRequestTopic(name=t) for t in topics],
                allow_auto_topic_creation=create,
            ),
            MetadataResponse,
        )
        self.nodes = {
            node.node_id: NodeView(
                node_id=node.node_id, host=node.host, port=node.port, rack=node.rack
            )
            for node in answer.brokers
        }
        for topic in answer.topics:
            raise_for(topic.error_code, f"topic {topic.name}")
        return ClusterView(
            cluster_id=answer.cluster_id or "",
            controller_id=answer.controller_id,
            nodes=tuple(self.nodes.values()),
            topics={topic.name: _topic_view(topic) for topic in answer.topics if topic.name},
        )

    async def topic(self, name: str, *, create: bool = False) -> TopicView:
        """One topic with leaders, waiting a moment while it is being created.

        Raises:
            Refused: there is no such topic, or its leaders did not appear.
        """
        attempt = 0
        while True:
            try:
                view = (await self.metadata([name], create=create)).topics[name]
                if all(partition.leader >= 0 for partition in view.partitions):
                    return view
                fault = Refused(ErrorCode.LEADER_NOT_AVAILABLE, f"topic {name}")
            except Refused as error:
                waited_for = {ErrorCode.LEADER_NOT_AVAILABLE}
                if create:
                    waited_for.add(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                if error.code not in waited_for:
                    raise
                fault = error
            attempt += 1
            if attempt == RETRIES_MAX:
                raise fault
            await asyncio.sleep(RETRY_WAIT_S)

    async def coordinator(self, group: str) -> Connection:
        """The connection to the broker that owns a group, waiting while it loads.

        Raises:
            Refused: there is no coordinator after all attempts.
        """
        attempt = 0
        while True:
            answer = await self.request(
                FIND_COORDINATOR,
                FindCoordinatorRequest(key_type=0, coordinator_keys=[group]),
                FindCoordinatorResponse,
            )
            found = answer.coordinators[0]
            if found.error_code == 0:
                self.nodes.setdefault(
                    found.node_id,
                    NodeView(node_id=found.node_id, host=found.host, port=found.port, rack=None),
                )
                return await self.node(found.node_id)
            attempt += 1
            fault = Refused(found.error_code, f"group {group}", found.error_message)
            if fault.code is not ErrorCode.COORDINATOR_NOT_AVAILABLE or attempt == RETRIES_MAX:
                raise fault
            await asyncio.sleep(RETRY_WAIT_S)

    async def _bootstrap_connection(self) -> Connection:
        async with self._starting:
            if self._first is not None:
                if self._first.usable:
                    return self._first
                await self._first.close()
            fault: Unreachable | None = None
            for host, port in self._addresses:
                try:
                    self._first = await self._connect(host, port)
                except Unreachable as error:
                    fault = error
                    continue
                return self._first
            raise fault or Unreachable(self.bootstrap, "no address")

    async def _connect(self, host: str, port: int) -> Connection:
        """A connection that can be used: the broker has told its versions."""
        connection = Connection(host, port, client_id=self._client_id, timeout_ms=self._timeout_ms)
        try:
            await connection.open()
        except BaseException:
            await connection.close()
            raise
        return connection


def _topic_view(topic: MetadataResponseTopic) -> TopicView:
    partitions = [
        PartitionView(
            partition=entry.partition_index,
            leader=entry.leader_id,
            leader_epoch=entry.leader_epoch,
            replicas=tuple(entry.replica_nodes),
            isr=tuple(entry.isr_nodes),
        )
        for entry in topic.partitions
    ]
    return TopicView(
        name=topic.name or "",
        topic_id=str(topic.topic_id),
        internal=topic.is_internal,
        partitions=tuple(sorted(partitions, key=lambda view: view.partition)),
    )
