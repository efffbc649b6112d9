"""confluent-kafka (librdkafka) as the workloads use it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.harness.workloads import (
    PATIENCE_S,
    TOPIC,
    Delivered,
    NeverSent,
    NoAnswer,
    Place,
    Record,
)

QUICK = {
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    "socket.timeout.ms": 10_000,
    "logger": logging.getLogger("harness.confluent"),
}


class _Skips(logging.Filter):
    """Finds out that librdkafka sent a batch before an earlier one: it does so, among others, when
    it gives up the connections of a broker that is not in the metadata any more. It says so to who
    debugs it; of that nothing else is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.were_seen = False

    def filter(self, record: logging.LogRecord) -> bool:
        self.were_seen |= "skipped sequence numbers" in record.getMessage()
        return record.levelno >= logging.WARNING


class ConfluentProducer:
    """Idempotent; records that have no answer after its patience are given up."""

    def __init__(self, bootstrap: str, patience_s: float) -> None:
        self._skips = _Skips()
        logger = logging.Logger("harness.confluent.producer", logging.DEBUG)
        logger.parent = logging.getLogger("harness.confluent")
        logger.addFilter(self._skips)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": int(patience_s * 1000),
                "linger.ms": 5,
                "retry.backoff.max.ms": 500,
                **QUICK,
                "debug": "eos",
                "logger": logger,
            }
        )

    @property
    def skips(self) -> bool:
        """See ProducerPort."""
        return self._skips.were_seen

    def send(self, place: Place, text: str, delivered: Delivered) -> None:
        """See ProducerPort."""

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            failure = None if error is None else KafkaException(error)
            delivered(message.offset() if error is None else None, failure)

        topic, partition = place
        try:
            self._producer.produce(
                topic, text.encode(), partition=partition, on_delivery=on_delivery
            )
        except BufferError as error:
            raise NeverSent from error

    def serve(self, seconds: float) -> None:
        """See ProducerPort."""
        self._producer.poll(seconds)

    def close(self, seconds: float) -> None:
        """See ProducerPort."""
        self._producer.flush(seconds)


class ConfluentConsumer:
    """A consumer whose `consume` may hand out records from before and after a rebalance."""

    def __init__(self, bootstrap: str, group: str | None) -> None:
        self._changes = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group or "harness-without-group",
                "enable.auto.commit": False,
                "auto.offset.reset": "error" if group is None else "earliest",
                "session.timeout.ms": 6_000,
                **QUICK,
            }
        )

    def assign(self, starts: dict[Place, int]) -> None:
        """See ConsumerPort."""
        self._consumer.assign([TopicPartition(*place, at) for place, at in starts.items()])

    def subscribe(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        """See ConsumerPort."""

        def assigned(_: object, parts: list[TopicPartition]) -> None:
            self._changes += 1
            on_assigned([(part.topic, part.partition) for part in parts])

        def revoked(_: object, __: object) -> None:
            self._changes += 1
            on_assigned([])

        self._consumer.subscribe([TOPIC], on_assign=assigned, on_revoke=revoked, on_lost=revoked)

    def seek(self, place: Place, offset: int) -> None:
        """See ConsumerPort."""
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException as error:
            raise NoAnswer from error

    def poll(self, seconds: float) -> list[list[Record]]:
        """See ConsumerPort."""
        before = self._changes
        found: list[Record] = []
        for message in self._consumer.consume(200, seconds):
            if message.error() is None:
                place = (message.topic() or "", message.partition() or 0)
                found.append((*place, message.offset() or 0, (message.value() or b"").decode()))
        if before != self._changes:
            return [[record] for record in found]
        return [found]

    def commit(self, offsets: dict[Place, int]) -> None:
        """See ConsumerPort."""
        wanted = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        try:
            done: Any = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise NoAnswer from error
        if any(part.error is not None for part in done or ()):
            raise NoAnswer(str(done))

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """See ConsumerPort."""
        try:
            found = self._consumer.committed([TopicPartition(*p) for p in places], timeout=5)
        except KafkaException as error:
            raise NoAnswer from error
        if any(part.error is not None for part in found):
            raise NoAnswer(str(found))
        return {
            (part.topic, part.partition): None if part.offset < 0 else part.offset for part in found
        }

    def end(self, place: Place) -> int:
        """The high watermark. Raises: NoAnswer."""
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=30)
        except KafkaException as error:
            raise NoAnswer from error
        if found is None:
            raise NoAnswer(f"the end of {place} was not told in time")
        return int(found[1])

    def close(self) -> None:
        """See ConsumerPort."""
        self._consumer.close()


class ConfluentKit:
    """See ClientKit."""

    name = "confluent-kafka"

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s

    def producer(self, bootstrap: str) -> ConfluentProducer:
        return ConfluentProducer(bootstrap, self._patience_s)

    def consumer(self, bootstrap: str, group: str | None) -> ConfluentConsumer:
        return ConfluentConsumer(bootstrap, group)
