"""The controller's shell: judges a command, makes its records durable, applies them, tells others.

    command -> ControllerState.plan_* -> MetadataLog.append (synced) -> apply -> Listener

One command at a time, in the order of their calls; what was applied is durable, so no reader ever
sees a topic that a crash could take back. Reads need no lock: they happen between two steps of the
event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sprawl.core.config.topic import topic_config, validate_topic_configs
from sprawl.core.controller.state import (
    ControllerState,
    Record,
    TopicInfo,
    TopicSpec,
    decode_record,
    encode_record,
)
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import ProducerId

if TYPE_CHECKING:
    from random import Random
    from uuid import UUID

    from sprawl.core.config.broker import BrokerConfig
    from sprawl.core.log.config import LogConfig

_log = logging.getLogger(__name__)

_BROKER = 4
_SNAPSHOT_AFTER_RECORDS = 10_000
"""Records since the last snapshot after which a new one pays: about 2 MiB to replay."""


class MetadataLog(Protocol):
    """Where the controller's records live."""

    @property
    def end_offset(self) -> int:
        """Offset of the next record; never goes back, snapshots or not."""
        ...

    def append(self, records: Sequence[bytes]) -> Awaitable[None]:
        """Completes when they survive a loss of power.

        Raises:
            KafkaFault: KAFKA_STORAGE_ERROR; they may or may not be there after a restart.
        """
        ...

    def read_all(self) -> Iterator[bytes]:
        """Every record since the last snapshot, that included."""
        ...

    def replace_all(self, records: Sequence[bytes]) -> Awaitable[None]:
        """Put a snapshot in place of everything before it."""
        ...


class Listener(Protocol):
    """Who follows the controller's decisions."""

    def topic_added(self, topic: TopicInfo) -> None:
        """A topic is new, or has more partitions now."""
        ...

    def topic_configured(self, topic: TopicInfo) -> None:
        """A topic's configs changed."""
        ...

    def topics_removed(self, topics: Sequence[TopicInfo]) -> None:
        """Topics are gone."""
        ...

    def broker_configured(self, dynamic_default: Mapping[str, str], own: Mapping[str, str]) -> None:
        """The dynamic broker configs changed."""
        ...


@dataclass(slots=True)
class _ProducerIds:
    """The block of producer ids in use: [next, end)."""

    next: int = 0
    end: int = 0


class Controller:
    """The one authority for topics, configs and producer ids.

    Args:
        broker_config: gives the configuration in force, for defaults.
    """

    def __init__(
        self,
        state: ControllerState,
        log: MetadataLog,
        *,
        broker_config: Callable[[], BrokerConfig],
        rng: Random,
        listener: Listener,
    ) -> None:
        self._state = state
        self._log = log
        self._broker_config = broker_config
        self._rng = rng
        self._listener = listener
        self._turn = asyncio.Lock()
        self._ids = _ProducerIds()
        self._records_since_snapshot = 0

    def load(self) -> None:
        """Rebuild the state from the log, and tell the listener all of it.

        Raises:
            ValueError: a record that this version cannot read.
        """
        state = self._state
        for data in self._log.read_all():
            state.apply(decode_record(data))
            self._records_since_snapshot += 1
        self._configure_broker()
        for topic in state.topics.values():
            self._listener.topic_added(topic)

    # --- reading --------------------------------------------------------------------------------

    @property
    def topics(self) -> Mapping[str, TopicInfo]:
        return self._state.topics

    @property
    def by_id(self) -> Mapping[UUID, TopicInfo]:
        return self._state.by_id

    @property
    def end_offset(self) -> int:
        """How far the metadata log goes; all of it is durable and applied."""
        return self._log.end_offset

    def check_reassignment(self, name: str, partition: int, replicas: Sequence[int] | None) -> None:
        """Raises: KafkaFault as ControllerState.check_reassignment."""
        self._state.check_reassignment(name, partition, replicas)

    def log_config(self, topic: TopicInfo) -> LogConfig:
        """What a topic's logs go by."""
        return topic_config(topic.configs, self._broker_config())

    # --- changing -------------------------------------------------------------------------------

    async def create_topic(self, spec: TopicSpec, *, validate_only: bool = False) -> TopicInfo:
        """Create one topic.

        Returns: the topic, which exists unless `validate_only`.
        Raises: KafkaFault as ControllerState.plan_topic; INVALID_CONFIG; KAFKA_STORAGE_ERROR.
        """
        config = self._broker_config()
        async with self._turn:
            record = self._state.plan_topic(
                spec,
                default_partitions=config.num_partitions,
                default_replicas=config.default_replication_factor,
                rng=self._rng,
            )
            validate_topic_configs(spec.configs, config)
            if validate_only:
                probe = ControllerState(self._state.node_id)
                probe.apply(record)
                return probe.topics[spec.name]
            await self._commit([record])
            topic = self._state.topics[spec.name]
            self._listener.topic_added(topic)
            return topic

    async def delete_topic(self, topic: TopicInfo) -> None:
        """Delete a topic. Raises: KafkaFault TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_ID."""
        if not self._broker_config().delete_topic_enable:
            raise KafkaFault(ErrorCode.TOPIC_DELETION_DISABLED)
        async with self._turn:
            if topic.id not in self._state.by_id:
                raise KafkaFault(ErrorCode.UNKNOWN_TOPIC_ID)
            await self._commit([self._state.plan_removal(topic)])
            self._listener.topics_removed([topic])

    async def create_partitions(
        self,
        name: str,
        count: int,
        assignments: Sequence[Sequence[int]] | None,
        *,
        validate_only: bool,
    ) -> None:
        """Give a topic more partitions. Raises: KafkaFault as ControllerState.plan_partitions."""
        async with self._turn:
            record = self._state.plan_partitions(name, count, assignments)
            if validate_only:
                return
            await self._commit([record])
            self._listener.topic_added(self._state.topic(name))

    async def alter_configs(self, kind: int, name: str, overrides: dict[str, str]) -> None:
        """Replace the overrides of a topic, or of the broker (`kind` is Kafka's resource type).

        Raises: KafkaFault UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR.
        """
        async with self._turn:
            if kind == _BROKER:
                await self._commit([self._state.plan_broker_configs(name, overrides)])
                self._configure_broker()
                for topic in self._state.topics.values():
                    self._listener.topic_configured(topic)
            else:
                await self._commit([self._state.plan_topic_configs(name, overrides)])
                self._listener.topic_configured(self._state.topic(name))

    async def ensure_topic(self, spec: TopicSpec) -> TopicInfo:
        """A topic that should exist: the one there is, or a new one."""
        found = self._state.topics.get(spec.name)
        if found is not None:
            return found
        try:
            return await self.create_topic(spec)
        except KafkaFault as fault:
            if fault.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                raise
            return self._state.topic(spec.name)

    async def next_producer_id(self) -> ProducerId:
        """A producer id that was never given before, on this node or after any crash of it."""
        if self._ids.next == self._ids.end:
            async with self._turn:
                if self._ids.next == self._ids.end:
                    start = self._state.next_producer_id
                    await self._commit([self._state.plan_producer_ids()])
                    self._ids = _ProducerIds(start, self._state.next_producer_id)
        self._ids.next += 1
        return ProducerId(self._ids.next - 1)

    async def _commit(self, records: list[Record]) -> None:
        await self._log.append([encode_record(record) for record in records])
        for record in records:
            self._state.apply(record)
        self._records_since_snapshot += len(records)
        if self._records_since_snapshot > _SNAPSHOT_AFTER_RECORDS + 2 * len(self._state.topics):
            await self._log.replace_all([encode_record(each) for each in self._state.snapshot()])
            self._records_since_snapshot = 0

    def _configure_broker(self) -> None:
        configs = self._state.broker_configs
        self._listener.broker_configured(
            configs.get("", {}), configs.get(str(self._state.node_id), {})
        )
