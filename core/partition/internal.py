"""An internal topic as its coordinators use it: append records, read everything back at start.

`InternalTopic` over `__consumer_offsets` is the group coordinator's `OffsetsLog`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sprawl.core.errors import KafkaFault
from sprawl.core.ids import Offset, TopicName
from sprawl.core.partition.partition import Isolation
from sprawl.core.records.batch import iter_batches
from sprawl.core.records.record import decode_records, encode_batch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterator, Sequence

    from sprawl.core.clock import Clock
    from sprawl.core.partition.partition import Partition, ProduceOutcome
    from sprawl.core.partition.registry import Partitions
    from sprawl.core.records.record import Record

_READ_BYTES = 1_048_576


class InternalTopic:
    """The partitions of one internal topic hosted by this node.

    Args:
        partitions: where they are hosted.
        topic: its name, such as `__consumer_offsets`.
        clock: stamps the records.
    """

    def __init__(self, partitions: Partitions, topic: TopicName, clock: Clock) -> None:
        self._partitions = partitions
        self._topic = topic
        self._clock = clock

    def append(
        self, partition: int, records: Sequence[tuple[bytes, bytes | None]]
    ) -> Coroutine[None, None, Offset]:
        """Append (key, value) records as one batch; value None is a tombstone.

        The batch is in the log when this returns, so calls keep their order; what it returns
        completes when the batch is committed.

        Returns:
            The offset of the first record.

        Raises:
            KafkaFault: by the call UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR,
                NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS: nothing was appended. By the awaitable
                whatever the replication says: the batch may be committed yet.
        """
        now_ms = self._clock.now_ms()
        batch = encode_batch([(now_ms, key, value, []) for key, value in records])
        return _committed(self._find(partition).append_internal(batch, now_ms=now_ms))

    def is_empty(self, partition: int) -> bool:
        """Whether there is nothing to read, committed or not.

        Raises:
            KafkaFault: as `append`.
        """
        source = self._find(partition)
        return source.log_start_offset >= source.log_end_offset

    async def settle(self, partition: int) -> None:
        """Returns when everything that was in the log at the call is committed.

        Raises:
            KafkaFault: as `append`; it is not known to be.
        """
        commit = self._find(partition).wait_committed()
        fault = None if commit is None else await commit
        if fault is not None:
            raise KafkaFault(fault.code, fault.message)

    def confirm(self, partition: int) -> Awaitable[object] | None:
        """What to wait for to be sure that this node leads still, and nobody else has appended;
        None: it is sure. The wait fails with KafkaFault NOT_LEADER_OR_FOLLOWER.

        Raises:
            KafkaFault: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR.
        """
        source = self._find(partition)
        source.check_leader()
        return source.confirm()

    def read_all(self, partition: int) -> Iterator[Record]:
        """Every record from the log start to the high watermark, oldest first.

        Reads from disk as it goes: drive it in a thread when the topic may be large.

        Raises:
            KafkaFault: CORRUPT_MESSAGE: a bit flipped; KAFKA_STORAGE_ERROR.
        """
        source = self._find(partition)
        offset = source.log_start_offset
        end_offset = source.end_offset(Isolation.READ_UNCOMMITTED)
        while offset < end_offset:
            read = source.read_blocking(
                offset, _READ_BYTES, up_to_offset=end_offset, min_one=True, verify=True
            )
            if not read.buffers:
                return  # compaction left nothing between here and the end
            run = b"".join(read.buffers)
            for pos, header in iter_batches(run):
                if not header.is_control:
                    yield from (r for r in decode_records(run, pos) if r.offset >= offset)
            offset = read.next_offset

    def _find(self, partition: int) -> Partition:
        return self._partitions.find(self._topic, partition)


async def _committed(outcome: ProduceOutcome) -> Offset:
    if outcome.commit is not None:
        fault = await outcome.commit
        if fault is not None:
            raise KafkaFault(fault.code, fault.message)
    return outcome.base_offset
