"""Batches of idempotent producers that were refused for now: what follows is refused alike.

A producer sends up to five batches without waiting. When the first is refused, because this replica
does not lead yet or too few are in sync, and the next comes a moment later when all is well again,
its sequence is out of order through no fault of the producer. Told so, it begins a new epoch and
sends again everything that was not answered, on every partition, also what is in a log already:
duplicates that idempotence is meant to prevent. Told what the first was told, it sends both again
in order.

    refused(batch)  ──> noted, unless an earlier one of the producer is
    out of order    ──> the noted refusal, when the batch comes after the noted one
    appended(batch) ──> forgotten, once it is not before the noted one

What is not noted any more is answered with OUT_OF_ORDER_SEQUENCE_NUMBER, as Apache Kafka does: it
is certain in either case that nothing was appended.

Source: KIP-98, KIP-360; librdkafka's handling of skipped sequence numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.batch import SEQUENCE_MAX, parse_header

if TYPE_CHECKING:
    from sprawl.core.records.batch import BatchHeader
    from sprawl.core.records.crc import Readable
    from sprawl.core.records.producers import Duplicate, ProducerTable

REFUSED_PRODUCERS_MAX: Final = 1_000
"""Producers of one partition; the one that was refused first is forgotten first."""


class _Refusal(NamedTuple):
    producer_epoch: int
    base_sequence: int
    code: ErrorCode
    message: str | None

    def is_before(self, header: BatchHeader) -> bool:
        """Whether a batch is this one or follows it. Sequences begin again after the largest."""
        distance = (header.base_sequence - self.base_sequence) & SEQUENCE_MAX
        return header.producer_epoch == self.producer_epoch and distance <= SEQUENCE_MAX // 2

    def comes_after(self, header: BatchHeader) -> bool:
        """Whether a batch of the same epoch ends before this one."""
        distance = (self.base_sequence - header.last_sequence) & SEQUENCE_MAX
        return header.producer_epoch == self.producer_epoch and 0 < distance <= SEQUENCE_MAX // 2


class Refusals:
    """Those of one partition."""

    __slots__ = ("_refused",)

    def __init__(self) -> None:
        self._refused: dict[int, _Refusal] | None = None  # most partitions never refuse anything

    def note(self, buf: Readable, fault: KafkaFault) -> None:
        """A batch was refused that would be taken at another time; it was not validated."""
        try:
            header = parse_header(buf)
        except KafkaFault:
            return
        producer_id = header.producer_id
        if producer_id < 0 or header.base_sequence < 0:
            return
        if self._refused is None:
            self._refused = {}
        known = self._refused.get(producer_id)
        if known is None and len(self._refused) >= REFUSED_PRODUCERS_MAX:
            del self._refused[next(iter(self._refused))]
        if known is None or not known.is_before(header):
            self._refused[producer_id] = _Refusal(
                header.producer_epoch, header.base_sequence, fault.code, fault.message
            )

    def check(self, producers: ProducerTable, header: BatchHeader) -> Duplicate | None:
        """See ProducerTable.check. A batch that is out of order because of a refusal is refused
        for the same reason."""
        try:
            return producers.check(header)
        except KafkaFault as fault:
            if self._refused and fault.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
                known = self._refused.get(header.producer_id)
                if known is not None and known.is_before(header):
                    raise KafkaFault(known.code, known.message) from fault
            raise

    def appended(self, header: BatchHeader) -> None:
        """A batch is in the log."""
        if self._refused:
            known = self._refused.get(header.producer_id)
            if known is not None and not known.comes_after(header):
                del self._refused[header.producer_id]
