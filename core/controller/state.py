"""The controller's state machine: commands in, records out, records applied. Pure.

A command is judged against the state (`plan_*`), which gives records or a KafkaFault. Records are
made durable by the shell and then applied; replaying them rebuilds the state. README.md has the
rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import BrokerId, ProducerId, TopicId, TopicName

if TYPE_CHECKING:
    from random import Random

TOPIC_NAME_LENGTH_MAX: Final = 249
PARTITIONS_PER_TOPIC_MAX: Final = 10_000
PRODUCER_ID_BLOCK: Final = 1_000
INTERNAL_TOPICS: Final = frozenset({"__consumer_offsets", "__transaction_state"})
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+")
_VERSION: Final = 1

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicInfo:
    """A topic as the controller knows it.

    Args:
        partitions: partition numbers; on a single node each has this node as its only replica.
        configs: its own overrides.
    """

    name: TopicName
    id: TopicId
    partition_count: int
    configs: Mapping[str, str]

    @property
    def internal(self) -> bool:
        return self.name in INTERNAL_TOPICS

    @property
    def partitions(self) -> range:
        return range(self.partition_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic to be created; -1 stands for the broker's default.

    Args:
        assignments: replicas by partition number, chosen by hand; empty to let us choose.
    """

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, Sequence[int]] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)


class ControllerState:
    """Topics, dynamic broker configs and the producer id counter of one node."""

    def __init__(self, node_id: BrokerId) -> None:
        self.node_id = node_id
        self.topics: dict[str, TopicInfo] = {}
        self.by_id: dict[UUID, TopicInfo] = {}
        self.broker_configs: dict[str, dict[str, str]] = {}
        self.next_producer_id = ProducerId(0)
        self._collisions: dict[str, str] = {}

    # --- commands -------------------------------------------------------------------------------

    def plan_topic(
        self, spec: TopicSpec, *, default_partitions: int, default_replicas: int, rng: Random
    ) -> Record:
        """The record that creates a topic.

        Raises:
            KafkaFault: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS,
                INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_REQUEST.
        """
        self.check_name(spec.name)
        if spec.name in self.topics:
            raise KafkaFault(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{spec.name}' already exists.")
        other = self._collisions.get(spec.name.replace(".", "_"))
        if other is not None:
            raise KafkaFault(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"Topic '{spec.name}' collides with existing topic: {other}",
            )
        if spec.assignments:
            count = self._assigned_count(spec)
        else:
            count = default_partitions if spec.partition_count == -1 else spec.partition_count
            replicas = (
                default_replicas if spec.replication_factor == -1 else spec.replication_factor
            )
            _check_counts(count, replicas)
        return {
            "type": "topic",
            "version": _VERSION,
            "name": spec.name,
            "id": str(UUID(int=rng.getrandbits(128), version=4)),
            "partitions": count,
            "configs": dict(spec.configs),
        }

    def plan_partitions(
        self, name: str, count: int, assignments: Sequence[Sequence[int]] | None
    ) -> Record:
        """The record that gives a topic more partitions.

        Raises:
            KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT.
        """
        topic = self.topic(name)
        have = topic.partition_count
        if count == have:
            raise KafkaFault(
                ErrorCode.INVALID_PARTITIONS, f"Topic already has {have} partition(s)."
            )
        if count < have:
            raise KafkaFault(
                ErrorCode.INVALID_PARTITIONS,
                f"The topic {name} currently has {have} partition(s); {count} would not be an"
                " increase.",
            )
        _check_counts(count, 1)
        if assignments is not None:
            if len(assignments) != count - have:
                raise KafkaFault(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"Attempted to add {count - have} additional partition(s), but only"
                    f" {len(assignments)} assignment(s) were specified.",
                )
            for replicas in assignments:
                self._check_replicas(replicas)
        return {"type": "partitions", "version": _VERSION, "id": str(topic.id), "count": count}

    def plan_removal(self, topic: TopicInfo) -> Record:
        """The record that deletes a topic."""
        return {"type": "remove", "version": _VERSION, "id": str(topic.id)}

    def plan_topic_configs(self, name: str, configs: Mapping[str, str]) -> Record:
        """The record that replaces a topic's configs. Raises: UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self.topic(name)
        return {
            "type": "topic configs",
            "version": _VERSION,
            "id": str(topic.id),
            "configs": dict(configs),
        }

    def plan_broker_configs(self, name: str, configs: Mapping[str, str]) -> Record:
        """The record that replaces dynamic broker configs; name "" is the cluster's defaults."""
        return {
            "type": "broker configs",
            "version": _VERSION,
            "name": name,
            "configs": dict(configs),
        }

    def plan_producer_ids(self) -> Record:
        """The record that sets a block of producer ids aside."""
        return {
            "type": "producer ids",
            "version": _VERSION,
            "next": self.next_producer_id + PRODUCER_ID_BLOCK,
        }

    def topic(self, name: str) -> TopicInfo:
        """A topic by name. Raises: KafkaFault UNKNOWN_TOPIC_OR_PARTITION."""
        found = self.topics.get(name)
        if found is None:
            raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return found

    def check_reassignment(self, name: str, partition: int, replicas: Sequence[int] | None) -> None:
        """Whether a partition may move to these replicas: only to where it is. None: stop moving.

        Raises:
            KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT,
                NO_REASSIGNMENT_IN_PROGRESS.
        """
        if partition not in self.topic(name).partitions:
            raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if replicas is None:
            raise KafkaFault(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
        self._check_replicas(replicas)

    @staticmethod
    def check_name(name: str) -> None:
        """Kafka's rules for topic names. Raises: KafkaFault INVALID_TOPIC_EXCEPTION."""
        why = None
        if not name:
            why = "the empty string is not allowed"
        elif name in (".", ".."):
            why = "'.' or '..' is not allowed"
        elif len(name) > TOPIC_NAME_LENGTH_MAX:
            why = f"the length of '{name}' is longer than the max allowed length"
            why += f" {TOPIC_NAME_LENGTH_MAX}"
        elif not _NAME.fullmatch(name):
            why = f"'{name}' contains one or more characters other than ASCII alphanumerics,"
            why += " '.', '_' and '-'"
        if why is not None:
            raise KafkaFault(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {why}")

    def _assigned_count(self, spec: TopicSpec) -> int:
        if spec.partition_count != -1 or spec.replication_factor != -1:
            raise KafkaFault(
                ErrorCode.INVALID_REQUEST,
                "Both a replica assignment and a number of partitions or a replication factor were"
                " given: give one of them.",
            )
        count = len(spec.assignments)
        if sorted(spec.assignments) != list(range(count)):
            raise KafkaFault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "partitions should be a consecutive 0-based integer sequence",
            )
        for replicas in spec.assignments.values():
            self._check_replicas(replicas)
        _check_counts(count, 1)
        return count

    def _check_replicas(self, replicas: Sequence[int]) -> None:
        if not replicas:
            raise KafkaFault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "The manual partition assignment includes an empty replica list.",
            )
        if len(set(replicas)) != len(replicas):
            raise KafkaFault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "The manual partition assignment includes a broker more than once.",
            )
        for broker in replicas:
            if broker != self.node_id:
                raise KafkaFault(
                    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                    f"The manual partition assignment includes broker {broker}, but no such broker"
                    " is registered.",
                )

    # --- records --------------------------------------------------------------------------------

    def apply(self, record: Record) -> None:
        """Follow one durable record."""
        match record["type"]:
            case "topic":
                name = TopicName(record["name"])
                self._put(
                    TopicInfo(
                        name=name,
                        id=TopicId(UUID(record["id"])),
                        partition_count=record["partitions"],
                        configs=record["configs"],
                    )
                )
                self._collisions[name.replace(".", "_")] = name
            case "partitions":
                topic = self.by_id[UUID(record["id"])]
                self._put(replace(topic, partition_count=record["count"]))
            case "remove":
                topic = self.by_id.pop(UUID(record["id"]))
                del self.topics[topic.name]
                del self._collisions[topic.name.replace(".", "_")]
            case "topic configs":
                topic = self.by_id[UUID(record["id"])]
                self._put(replace(topic, configs=record["configs"]))
            case "broker configs":
                self.broker_configs[record["name"]] = record["configs"]
            case "producer ids":
                self.next_producer_id = ProducerId(record["next"])
            case unknown:
                raise ValueError(f"the metadata log has a record of the unknown type {unknown!r}")

    def snapshot(self) -> list[Record]:
        """Records that rebuild this state."""
        records: list[Record] = [
            {
                "type": "topic",
                "version": _VERSION,
                "name": topic.name,
                "id": str(topic.id),
                "partitions": topic.partition_count,
                "configs": dict(topic.configs),
            }
            for topic in self.topics.values()
        ]
        records += [
            self.plan_broker_configs(name, configs) for name, configs in self.broker_configs.items()
        ]
        records.append({"type": "producer ids", "version": _VERSION, "next": self.next_producer_id})
        return records

    def _put(self, topic: TopicInfo) -> None:
        self.topics[topic.name] = topic
        self.by_id[topic.id] = topic


def encode_record(record: Record) -> bytes:
    """A record as it stands in the metadata log."""
    return json.dumps(record, separators=(",", ":")).encode()


def decode_record(data: bytes | memoryview) -> Record:
    """Raises: ValueError for bytes that are no record of a version we know."""
    record = json.loads(bytes(data))
    if not isinstance(record, dict) or record.get("version") != _VERSION:
        raise ValueError("the metadata log has a record of an unknown version")
    return record


def _check_counts(partitions: int, replicas: int) -> None:
    if partitions < 1:
        raise KafkaFault(
            ErrorCode.INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        )
    if partitions > PARTITIONS_PER_TOPIC_MAX:
        raise KafkaFault(
            ErrorCode.INVALID_PARTITIONS,
            f"A topic can have at most {PARTITIONS_PER_TOPIC_MAX} partitions.",
        )
    if replicas < 1:
        raise KafkaFault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if replicas > 1:
        raise KafkaFault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {replicas} time(s): The target replication factor"
            f" of {replicas} cannot be reached because only 1 broker(s) are registered.",
        )
