"""The controller's state machine: records applied in order. Pure.

A command is judged against the state (planning.py), which gives records or a KafkaFault. Records
are made durable by the shell and then applied; replaying them rebuilds the state. README.md has the
rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sprawl.core.config.broker_keys import CORDON
from sprawl.core.controller.features import FEATURE, FIRST
from sprawl.core.controller.nodes import FIRST_REPLICA, NodeInfo
from sprawl.core.controller.topics import Replicas, TopicInfo
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ProducerId, ReplicaId, TopicId, TopicName

PRODUCER_ID_BLOCK: Final = 1_000
VERSION: Final = 1
UNKNOWN_OFFSET: Final = -1
"""Of what was asked for by a program that did not say where the metadata log stood."""

Record = dict[str, Any]


class ControllerState:
    """Nodes, topics, dynamic broker configs, the producer id counter and the feature level of a
    cluster."""

    def __init__(self) -> None:
        self.is_new = True
        """Whether nothing was ever decided: the cluster is being founded."""
        self.level = FIRST
        """The finalized level of `sprawl.version`: what every node knows (features.py)."""
        self.level_epoch = 0
        """Grows with each change of the level: where the metadata log stood at it. 0 for data from
        before levels."""
        self.nodes: dict[BrokerId, NodeInfo] = {}
        self.by_replica: dict[ReplicaId, NodeInfo] = {}
        self.topics: dict[str, TopicInfo] = {}
        self.by_id: dict[UUID, TopicInfo] = {}
        self.broker_configs: dict[str, dict[str, str]] = {}
        self.next_producer_id = ProducerId(0)
        self.next_replica_id = FIRST_REPLICA
        self.collisions: dict[str, str] = {}
        """Topic names by their name with dots made underscores, as metrics write them."""

    def copy(self) -> ControllerState:
        """One that does not change with this one."""
        made = ControllerState()
        made.become(self)
        return made

    def become(self, other: ControllerState) -> None:
        """Hold what another one holds, in the same dicts: many parts of a node look at them."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, dict):
                mine.clear()
                mine.update(value)
            else:
                setattr(self, name, value)

    def topic(self, name: str) -> TopicInfo:
        """A topic by name. Raises: KafkaFault UNKNOWN_TOPIC_OR_PARTITION."""
        found = self.topics.get(name)
        if found is None:
            raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return found

    def brokers_of(self, replicas: Iterable[ReplicaId]) -> list[BrokerId]:
        """Kafka's broker ids of replicas; -1 where the node is not registered any more."""
        nodes = self.by_replica
        return [nodes[each].node_id if each in nodes else BrokerId(-1) for each in replicas]

    def is_leaving(self, node: BrokerId) -> bool:
        """Whether a node gets no new replicas, and no voice in the controller's group."""
        known = self.nodes.get(node)
        cordoned = self.broker_configs.get(str(node), {}).get(CORDON, "").strip()
        return bool(cordoned) or (known is not None and known.is_leaving)

    # --- records --------------------------------------------------------------------------------

    def apply(self, record: Record) -> None:
        """Follow one durable record.

        Raises:
            ValueError: a record of a type that this version does not know.
        """
        self.is_new = False
        match record["type"]:
            case "topic":
                self._put(_parse_topic(record))
            case "partitions":
                self._grow(record)
            case "remove":
                topic = self.by_id.pop(UUID(record["id"]))
                del self.topics[topic.name]
                del self.collisions[topic.name.replace(".", "_")]
            case "topic configs":
                topic = self.by_id[UUID(record["id"])]
                self._put(replace(topic, configs=record["configs"]))
            case "broker configs":
                self.broker_configs[record["name"]] = record["configs"]
            case "producer ids":
                self.next_producer_id = ProducerId(record["next"])
            case "replica ids":
                self.next_replica_id = ReplicaId(record["next"])
            case "node":
                self._register(NodeInfo.from_json(record))
            case "node removed":
                del self.by_replica[self.nodes.pop(BrokerId(record["node"])).replica_id]
                self.broker_configs.pop(str(record["node"]), None)
            case "move":
                self._move(record)
            case "feature level":
                self._finalize(record)
            case unknown:
                raise ValueError(f"the metadata log has a record of the unknown type {unknown!r}")

    def _finalize(self, record: Record) -> None:
        if record["feature"] != FEATURE:
            raise ValueError(f"the metadata log has the unknown feature {record['feature']!r}")
        self.level, self.level_epoch = record["level"], record["epoch"]

    def _register(self, node: NodeInfo) -> None:
        known = self.nodes.get(node.node_id)
        if known is not None:
            del self.by_replica[known.replica_id]
        self.nodes[node.node_id] = self.by_replica[node.replica_id] = node
        self.next_replica_id = ReplicaId(max(self.next_replica_id, node.replica_id + 1))

    def _grow(self, record: Record) -> None:
        topic = self.by_id[UUID(record["id"])]
        added = record["count"] - topic.partition_count
        replicas = _parse_replicas(record, added)
        self._put(
            replace(topic, replicas=topic.replicas + replicas, founding=topic.founding + replicas)
        )

    def _move(self, record: Record) -> None:
        """A partition is to move to `replicas`, or has arrived there, or stays (no `replicas`).

        The target before this one is given up, and its replicas linger until the partition has
        arrived: at this target, or, stopped, where it was.
        """
        topic = self.by_id[UUID(record["id"])]
        index = record["partition"]
        moving, lingering = dict(topic.moving), dict(topic.lingering)
        asked_at = dict(topic.asked_at)
        given_up = (*lingering.pop(index, ()), *moving.pop(index, ()))
        asked_at.pop(index, None)
        replicas = topic.replicas
        target = record["replicas"]
        if target is not None and record["arrived"]:
            arrived_at = tuple(map(ReplicaId, target))
            replicas = (*replicas[:index], arrived_at, *replicas[index + 1 :])
        else:
            if target is not None:
                moving[index] = tuple(map(ReplicaId, target))
            left = tuple(each for each in dict.fromkeys(given_up) if each not in replicas[index])
            if left:
                lingering[index] = left
            if target is not None or left:
                asked_at[index] = record.get("asked_at", UNKNOWN_OFFSET)
        self._put(
            replace(topic, replicas=replicas, moving=moving, lingering=lingering, asked_at=asked_at)
        )

    def snapshot(self) -> list[Record]:
        """Records that rebuild this state."""
        records: list[Record] = []
        if self.level_epoch or self.level != FIRST:  # programs from before levels do not know it
            records.append(level_record(self.level, self.level_epoch))
        records += [node_record(node) for node in self.nodes.values()]
        for topic in self.topics.values():
            records.append(topic_record(topic))
            for index in sorted({*topic.moving, *topic.lingering}):
                records += _moves_again(topic, index)
        records += [
            {"type": "broker configs", "version": VERSION, "name": name, "configs": configs}
            for name, configs in self.broker_configs.items()
        ]
        records += [
            {"type": "producer ids", "version": VERSION, "next": self.next_producer_id},
            {"type": "replica ids", "version": VERSION, "next": self.next_replica_id},
        ]
        return records

    def _put(self, topic: TopicInfo) -> None:
        self.topics[topic.name] = topic
        self.by_id[topic.id] = topic
        self.collisions[topic.name.replace(".", "_")] = topic.name


def node_record(node: NodeInfo) -> Record:
    """Registers a node, in place of what its node id stood for."""
    return {"type": "node", "version": VERSION, **node.to_json()}


def level_record(level: int, epoch: int) -> Record:
    """Finalizes a level: every node knows it, and may use it from here on."""
    return {
        "type": "feature level",
        "version": VERSION,
        "feature": FEATURE,
        "level": level,
        "epoch": epoch,
    }


def topic_record(topic: TopicInfo) -> Record:
    """Creates a topic."""
    return {
        "type": "topic",
        "version": VERSION,
        "name": topic.name,
        "id": str(topic.id),
        "partitions": topic.partition_count,
        "replicas": [list(each) for each in topic.replicas],
        "founding": [list(each) for each in topic.founding],
        "configs": dict(topic.configs),
    }


def move_record(
    topic: TopicInfo, index: int, replicas: Replicas | None, *, asked_at: int
) -> Record:
    """Moves a partition, or (None) lets it stay where it is.

    Args:
        asked_at: where the metadata log stands. Programs that do not know it ignore it.
    """
    return _move_record(topic, index, replicas, arrived=False) | {"asked_at": asked_at}


def arrival_record(topic: TopicInfo, index: int, replicas: Replicas) -> Record:
    """Says that a partition's replicas are these, and no others."""
    return _move_record(topic, index, replicas, arrived=True)


def _move_record(
    topic: TopicInfo, index: int, replicas: Replicas | None, *, arrived: bool
) -> Record:
    return {
        "type": "move",
        "version": VERSION,
        "id": str(topic.id),
        "partition": index,
        "replicas": None if replicas is None else list(replicas),
        "arrived": arrived,
    }


def _moves_again(topic: TopicInfo, index: int) -> Iterator[Record]:
    """What leads to a partition's target, and to what lingers there: as if all of that had been
    one target. Programs that know of nothing that lingers read it too."""
    asked_at = topic.asked_at[index]
    if index in topic.lingering:
        yield move_record(topic, index, topic.lingering[index], asked_at=asked_at)
    yield move_record(topic, index, topic.moving.get(index), asked_at=asked_at)


def encode_record(record: Record) -> bytes:
    """A record as it stands in the metadata log."""
    return json.dumps(record, separators=(",", ":")).encode()


def decode_record(data: bytes | memoryview) -> Record:
    """Raises: ValueError for bytes that are no record of a version we know."""
    record = json.loads(bytes(data))
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise ValueError("the metadata log has a record of an unknown version")
    return record


def _parse_topic(record: Record) -> TopicInfo:
    replicas = _parse_replicas(record, record["partitions"])
    founding = record.get("founding")
    return TopicInfo(
        name=TopicName(record["name"]),
        id=TopicId(UUID(record["id"])),
        replicas=replicas,
        founding=replicas if founding is None else _parse_listed(founding),
        configs=record["configs"],
    )


def _parse_replicas(record: Record, count: int) -> tuple[Replicas, ...]:
    """Records from before nodes registered have no replicas: the first node has all."""
    listed = record.get("replicas")
    if listed is None:
        return ((FIRST_REPLICA,),) * count
    return _parse_listed(listed)


def _parse_listed(listed: list[list[int]]) -> tuple[Replicas, ...]:
    return tuple(tuple(map(ReplicaId, each)) for each in listed)
