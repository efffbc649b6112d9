"""kafka-python as the workloads use it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import (  # type: ignore[import-untyped]
    ConsumerRebalanceListener,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.errors import KafkaError, KafkaTimeoutError  # type: ignore[import-untyped]

from tests.harness.workloads import (
    PATIENCE_S,
    TOPIC,
    Delivered,
    NeverSent,
    NoAnswer,
    Place,
    Record,
)

QUICK: dict[str, Any] = {
    "reconnect_backoff_ms": 50,
    "reconnect_backoff_max_ms": 500,
    "request_timeout_ms": 10_000,
}


class KafkaPythonProducer:
    """Idempotent, with a thread of its own in the library."""

    skips = False

    def __init__(self, bootstrap: str, patience_s: float) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","),
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            delivery_timeout_ms=int(patience_s * 1000),
            max_block_ms=5_000,
            **QUICK,
        )

    def send(self, place: Place, text: str, delivered: Delivered) -> None:
        """See ProducerPort."""
        topic, partition = place
        try:
            future = self._producer.send(topic, text.encode(), partition=partition)
        except KafkaTimeoutError as error:
            raise NeverSent from error
        future.add_callback(lambda metadata: delivered(int(metadata.offset), None))
        future.add_errback(lambda error: delivered(None, error))

    def serve(self, seconds: float) -> None:
        """See ProducerPort."""
        time.sleep(seconds)

    def close(self, seconds: float) -> None:
        """See ProducerPort."""
        with contextlib.suppress(KafkaTimeoutError):  # what has no answer stays without one
            self._producer.flush(timeout=seconds)
        self._producer.close(timeout=10)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        self._on_assigned = on_assigned

    def on_partitions_revoked(self, revoked: object) -> None:
        self._on_assigned([])

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._on_assigned([(part.topic, part.partition) for part in assigned])


class KafkaPythonConsumer:
    """See ConsumerPort."""

    def __init__(self, bootstrap: str, group: str | None) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none" if group is None else "earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_000,
            **QUICK,
        )

    def assign(self, starts: dict[Place, int]) -> None:
        """See ConsumerPort."""
        self._consumer.assign([TopicPartition(*place) for place in starts])
        for place, offset in starts.items():
            self._consumer.seek(TopicPartition(*place), offset)

    def subscribe(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        """See ConsumerPort."""
        self._consumer.subscribe([TOPIC], listener=_Listener(on_assigned))

    def seek(self, place: Place, offset: int) -> None:
        """See ConsumerPort."""
        self._consumer.seek(TopicPartition(*place), offset)

    def poll(self, seconds: float) -> list[list[Record]]:
        """See ConsumerPort."""
        try:
            found = self._consumer.poll(timeout_ms=int(seconds * 1000))
        except KafkaError as error:
            raise NoAnswer from error
        records = (record for part in found.values() for record in part)
        return [[(r.topic, r.partition, r.offset, r.value.decode()) for r in records]]

    def commit(self, offsets: dict[Place, int]) -> None:
        """See ConsumerPort."""
        wanted = {
            TopicPartition(*place): OffsetAndMetadata(offset, "", -1)
            for place, offset in offsets.items()
        }
        try:
            self._consumer.commit(wanted, timeout_ms=5_000)
        except KafkaError as error:
            raise NoAnswer from error

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """See ConsumerPort."""
        try:
            return {
                place: self._consumer.committed(TopicPartition(*place), timeout_ms=5_000)
                for place in places
            }
        except KafkaError as error:
            raise NoAnswer from error

    def close(self) -> None:
        """See ConsumerPort."""
        with contextlib.suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=5_000)


class KafkaPythonKit:
    """See ClientKit."""

    name = "kafka-python"

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s

    def producer(self, bootstrap: str) -> KafkaPythonProducer:
        return KafkaPythonProducer(bootstrap, self._patience_s)

    def consumer(self, bootstrap: str, group: str | None) -> KafkaPythonConsumer:
        try:
            return KafkaPythonConsumer(bootstrap, group)
        except KafkaError as error:
            raise NoAnswer from error
