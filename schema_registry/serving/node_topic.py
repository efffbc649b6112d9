"""`_schemas` over the partitions of a node: implements `SchemasTopic`.

The core takes appends and reads by partition, so this is mostly translation. What it adds:

* Whether a replica is current. A replica that follows does not know how far its leader has
  committed. It is current once the leader counts it as in sync and all that its own log holds is
  committed: it then lacks at most what a follower in sync may lack at any time.
* The incarnation. Another partition object (another topic of this name, a replica that moved away
  and back, a log that was opened again), or a replica that was without a leader for long, is read
  from the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sprawl.core.controller.topics import TopicSpec
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import Offset
from sprawl.core.partition.internal import InternalTopic
from sprawl.core.partition.partition import Isolation
from sprawl.core.partition.waiters import FetchWaiter
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.topic import (
    SCHEMAS_TOPIC,
    Overtaken,
    Piece,
    Place,
    Standing,
    TopicRecord,
)

if TYPE_CHECKING:
    from sprawl.core.broker import Broker
    from sprawl.core.controller.topics import TopicInfo
    from sprawl.core.log.reading import LogRead
    from sprawl.core.partition.partition import Partition

_log = logging.getLogger(__name__)

_PARTITION: Final = 0
_ADVICE: Final = (
    "Node {leader} leads " + SCHEMAS_TOPIC + " and has no schema registry: start it with"
    " schema.registry.port (--schema-registry-port), or have a node that has one lead it"
    " (kafka-leader-election --election-type preferred)."
)
_FIT_POLICY: Final = frozenset({"compact"})


class NodeTopic:
    """See the module.

    Args:
        broker: the node's parts, once its controller has loaded.
        url_of: where the registry of a node is reached, by its broker id; None when it has none.
        replication_factor: of the topic, when this node creates it; -1 for the cluster's default.
    """

    def __init__(
        self,
        broker: Broker,
        url_of: Callable[[int], str | None],
        *,
        replication_factor: Callable[[], int] = lambda: -1,
    ) -> None:
        self._broker = broker
        self._url_of = url_of
        self._replication_factor = replication_factor
        self._topic = InternalTopic(broker.partitions, SCHEMAS_TOPIC, broker.clock)
        self._source: Partition | None = None
        self._incarnation = 0
        self._led_ms = broker.clock.monotonic_ms()
        self._waiter: FetchWaiter | None = None
        self._is_woken = False

    def standing(self) -> Standing:
        """See `SchemasTopic`."""
        broker = self._broker
        info = broker.controller.topics.get(SCHEMAS_TOPIC)
        if info is None:
            self._goes_on_from(None)
            return Standing(Place.MISSING, self._incarnation)
        url, advice = self._way_to_leader(info)
        try:
            partition = broker.partitions.find(info.id, _PARTITION)
        except KafkaFault:
            replicas = [*info.replicas[_PARTITION], *info.moving.get(_PARTITION, ())]
            is_here = broker.node_id in broker.controller.state.brokers_of(replicas)
            return Standing(
                Place.OPENING if is_here else Place.ELSEWHERE, leader_url=url, advice=advice
            )
        self._goes_on_from(partition)
        return Standing(
            Place.LEADS if partition.is_leader else Place.FOLLOWS,
            self._incarnation,
            partition.term,
            partition.is_leader or self._is_in_sync(info, partition),
            url,
            advice,
        )

    def _way_to_leader(self, info: TopicInfo) -> tuple[str | None, str]:
        """Where the leader's registry is, and what to do when it has none."""
        self._broker.cluster.find_leaders_behind([(info, _PARTITION)])
        leader = self._broker.cluster.leader(info, _PARTITION)
        if leader in (-1, self._broker.node_id):
            return None, ""
        url = self._url_of(leader)
        return url, "" if url is not None else _ADVICE.format(leader=leader)

    def _is_in_sync(self, info: TopicInfo, partition: Partition) -> bool:
        in_sync = self._broker.cluster.partition(info, _PARTITION).isr
        is_committed = partition.high_watermark >= partition.log_end_offset
        return is_committed and self._broker.node_id in in_sync

    def _goes_on_from(self, source: Partition | None) -> None:
        """Count another incarnation if what is here does not go on from what was."""
        now_ms = self._broker.clock.monotonic_ms()
        was_lost = now_ms - self._led_ms > limits.LEADERLESS_MS_MAX
        if source is not self._source or not self._incarnation:
            self._source = source
            self._incarnation += 1
            self._led_ms = now_ms
            return
        try:
            if source is not None:
                source.check_leader_epoch(-1, may_follow=True)
        except KafkaFault:
            return
        self._led_ms = now_ms
        self._incarnation += was_lost

    async def prepare(self) -> None:
        """See `SchemasTopic`."""
        controller = self._broker.controller
        info = await controller.ensure_topic(
            TopicSpec(
                name=SCHEMAS_TOPIC,
                partition_count=1,
                replication_factor=self._replication_factor(),
                configs={"cleanup.policy": "compact"},
            )
        )
        if info.partition_count != 1:
            raise KafkaFault(
                ErrorCode.INVALID_CONFIG,
                f"{SCHEMAS_TOPIC} has {info.partition_count} partitions; schemas need the order of"
                " a topic with one. Copy its records into a new topic of this name.",
            )
        policy = controller.log_config(info).cleanup_policy
        if policy != _FIT_POLICY:
            raise KafkaFault(
                ErrorCode.INVALID_CONFIG,
                f"cleanup.policy of {SCHEMAS_TOPIC} is {','.join(sorted(policy))}, which loses"
                " schemas. Set it to compact.",
            )

    def append(self, records: Sequence[LogRecord], *, at: int) -> Coroutine[Any, Any, int]:
        """See `SchemasTopic`."""
        partition = self._find()
        partition.check_leader()
        if partition.log_end_offset != at:
            raise Overtaken
        return _end_of(self._topic.append(_PARTITION, records), len(records))

    async def settle(self) -> None:
        """See `SchemasTopic`."""
        await self._topic.settle(_PARTITION)

    async def confirm(self) -> int:
        """See `SchemasTopic`."""
        controller = self._broker.controller
        if SCHEMAS_TOPIC not in controller.topics:
            await controller.barrier()
            if SCHEMAS_TOPIC not in controller.topics:
                return 0
        partition = self._find()
        partition.check_leader()
        confirmed = partition.confirm()
        if confirmed is not None:
            await confirmed
        return partition.high_watermark

    async def read(self, offset: int | None) -> Piece:
        """See `SchemasTopic`."""
        partition = self._find()
        start_offset = partition.log_start_offset
        if offset is None:
            offset = start_offset
        elif offset < start_offset:
            raise KafkaFault(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Offset {offset} is below {start_offset}."
            )
        end_offset = partition.end_offset(Isolation.READ_UNCOMMITTED)
        if offset >= end_offset:
            return Piece((), offset)
        found = partition.read(
            Offset(offset), limits.PIECE_BYTES, up_to_offset=end_offset, min_one=True, verify=True
        )
        if found is not None:
            return _decode(found, offset, end_offset)
        return await self._broker.partitions.run_blocking(
            partial(_read_blocking, partition, offset, end_offset)
        )

    async def wait(self, offset: int | None, timeout_s: float) -> None:
        """See `SchemasTopic`."""
        try:
            sources = [self._find()]
        except KafkaFault:
            sources = []
        if any(source.high_watermark > (offset or 0) for source in sources):
            return
        if not self._is_woken:
            self._waiter = FetchWaiter(1)
            await self._waiter.wait(sources, asyncio.get_running_loop().time() + timeout_s)
            self._waiter = None
        self._is_woken = False

    def wake(self) -> None:
        """See `SchemasTopic`."""
        self._is_woken = True
        if self._waiter is not None:
            self._waiter.wake()

    def _find(self) -> Partition:
        return self._broker.partitions.find(SCHEMAS_TOPIC, _PARTITION)


async def _end_of(append: Coroutine[None, None, Offset], count: int) -> int:
    return await append + count


def _read_blocking(partition: Partition, offset: int, end_offset: Offset) -> Piece:
    """Runs in a thread, decoding too."""
    found = partition.read_blocking(
        Offset(offset), limits.PIECE_BYTES, up_to_offset=end_offset, min_one=True, verify=True
    )
    return _decode(found, offset, end_offset)


def _decode(found: LogRead, offset: int, end_offset: int) -> Piece:
    if not found.buffers:
        return Piece((), end_offset)  # compaction left nothing between here and the end
    run = b"".join(found.buffers)
    records: list[TopicRecord] = []
    for pos, header in iter_batches(run):
        if header.is_control:
            continue
        try:
            records += [
                TopicRecord(
                    record.offset,
                    record.key,
                    record.value,
                    record.timestamp_ms if record.timestamp_ms >= 0 else None,
                )
                for record in decode_records(run, pos)
                if record.offset >= offset
            ]
        except KafkaFault as fault:
            _log.warning(
                "%s-0: the batch at offset %d is left out: %s",
                SCHEMAS_TOPIC,
                header.base_offset,
                fault,
            )
    return Piece(records, found.next_offset)
