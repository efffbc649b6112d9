"""Batches of idempotent producers that were refused for now: what follows is refused alike.

A producer sends up to five batches without waiting. When the first is refused, because this replica
does not lead yet or too few are in sync, and the next comes a moment later when all is well again,
its sequence is out of order through no fault of the producer. Told so, it begins a new epoch and
sends again everything that was not answered, on every partition, also what is in a log already:
duplicates that idempotence is meant to prevent. Told what the first was told, it sends both again
in order.

    refused(batch)  ──> noted, unless an earlier one of the producer is
    out of order    ──> the noted refusal, when the batch comes after the noted one
    producer is new ──> likewise: it may begin anywhere, but not behind what it sent before
    appended(batch) ──> forgotten, once it is not before the noted one
    REFUSED_MS      ──> forgotten

The second rule is no courtesy: librdkafka takes all batches before an acknowledged one for
acknowledged, so that a batch that overtook others would lose them.

What is not noted any more is answered as Apache Kafka does, with OUT_OF_ORDER_SEQUENCE_NUMBER, or
if the producer is new, by appending it.

Source: KIP-98, KIP-360; librdkafka's handling of skipped sequence numbers and implicit
acknowledgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.ids import TopicPartition
from sprawl.core.records.batch import SEQUENCE_MAX, parse_header

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.records.batch import BatchHeader
    from sprawl.core.records.crc import Readable
    from sprawl.core.records.producers import Duplicate, ProducerTable

REFUSALS_MAX: Final = 10_000
"""Producers and partitions, some 3 MB; the one that was refused first is forgotten first."""
REFUSED_MS: Final = 60_000
"""What overtakes a refused batch was sent before its producer heard of that, so it comes within the
30 s that producers wait for an answer. Who does not send the refused batch again is not held up
for longer."""


class _Refusal(NamedTuple):
    producer_epoch: int
    base_sequence: int
    code: ErrorCode
    message: str | None
    until_ms: int

    def is_before(self, header: BatchHeader) -> bool:
        """Whether a batch is this one or follows it. Sequences begin again after the largest."""
        distance = (header.base_sequence - self.base_sequence) & SEQUENCE_MAX
        return header.producer_epoch == self.producer_epoch and distance <= SEQUENCE_MAX // 2

    def comes_after(self, header: BatchHeader) -> bool:
        """Whether a batch of the same epoch ends before this one."""
        distance = (self.base_sequence - header.last_sequence) & SEQUENCE_MAX
        return header.producer_epoch == self.producer_epoch and 0 < distance <= SEQUENCE_MAX // 2


class Refusals:
    """Those of one node, also of partitions that it does not have, or not yet.

    Args:
        clock: of which the monotonic one counts: a wall clock that jumps would forget them all.
    """

    __slots__ = ("_clock", "_refused")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order of time.
        self._refused: dict[tuple[TopicPartition, int], _Refusal] = {}

    def note(self, tp: TopicPartition, buf: Readable, fault: KafkaFault) -> None:
        """A batch was refused that would be taken at another time; it was not validated."""
        try:
            header = parse_header(buf)
        except KafkaFault:
            return
        if header.producer_id < 0 or header.base_sequence < 0:
            return
        key = tp, header.producer_id
        known = self._known(key)
        if known is not None and known.is_before(header):
            return
        self._refused.pop(key, None)
        if len(self._refused) >= REFUSALS_MAX:
            del self._refused[next(iter(self._refused))]
        self._refused[key] = _Refusal(
            header.producer_epoch,
            header.base_sequence,
            fault.code,
            fault.message,
            self._clock.monotonic_ms() + REFUSED_MS,
        )

    def check(
        self, tp: TopicPartition, producers: ProducerTable, header: BatchHeader
    ) -> Duplicate | None:
        """See ProducerTable.check. A batch that overtook a refused one is refused for the same
        reason."""
        try:
            duplicate = producers.check(header)
        except KafkaFault as fault:
            if fault.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
                self._refuse_after_refused(tp, header)
            raise
        if self._refused and not producers.knows(header.producer_id):
            self._refuse_after_refused(tp, header)
        return duplicate

    def appended(self, tp: TopicPartition, header: BatchHeader) -> None:
        """A batch is in the log."""
        if self._refused:
            key = tp, header.producer_id
            known = self._refused.get(key)
            if known is not None and not known.comes_after(header):
                del self._refused[key]

    def _refuse_after_refused(self, tp: TopicPartition, header: BatchHeader) -> None:
        known = self._known((tp, header.producer_id))
        if (
            known is not None
            and known.is_before(header)
            and known.base_sequence != header.base_sequence
        ):
            raise KafkaFault(known.code, known.message)

    def _known(self, key: tuple[TopicPartition, int]) -> _Refusal | None:
        known = self._refused.get(key)
        if known is not None and known.until_ms < self._clock.monotonic_ms():
            del self._refused[key]
            return None
        return known
