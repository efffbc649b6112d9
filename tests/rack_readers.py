"""Real consumers of one partition from its beginning, each in a rack (KIP-392)."""

from __future__ import annotations

from typing import Protocol
from uuid import uuid4

import confluent_kafka
import kafka


class RackReader(Protocol):
    """A library's consumer."""

    def poll(self) -> list[str]:
        """The values that came within a tenth of a second."""
        ...

    def close(self) -> None: ...


class ConfluentReader:
    """librdkafka's."""

    def __init__(
        self, bootstrap: str, rack: str, *, topic: str, metadata_ms: int | None = None
    ) -> None:
        settings: dict[str, str | int | bool] = {
            "bootstrap.servers": bootstrap,
            "client.rack": rack,
            "group.id": uuid4().hex,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        if metadata_ms is not None:
            settings["topic.metadata.refresh.interval.ms"] = metadata_ms
        self._consumer = confluent_kafka.Consumer(settings)
        self._consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])

    def poll(self) -> list[str]:
        message = self._consumer.poll(0.1)
        value = None if message is None or message.error() is not None else message.value()
        return [] if value is None else [value.decode()]

    def close(self) -> None:
        self._consumer.close()


class KafkaPythonReader:
    """kafka-python's. It stays with a replica that refuses for `metadata_ms`."""

    def __init__(self, bootstrap: str, rack: str, *, topic: str, metadata_ms: int) -> None:
        self._consumer = kafka.KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            client_rack=rack,
            auto_offset_reset="earliest",
            metadata_max_age_ms=metadata_ms,
        )
        self._consumer.assign([kafka.TopicPartition(topic, 0)])

    def poll(self) -> list[str]:
        found = self._consumer.poll(timeout_ms=100)
        return [record.value.decode() for records in found.values() for record in records]

    def close(self) -> None:
        self._consumer.close()
