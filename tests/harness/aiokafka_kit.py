"""aiokafka as the workloads use it: each client has a loop of its own in its worker's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    OffsetAndMetadata,
    TopicPartition,
)
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
)

from tests.harness.workloads import TOPIC, Delivered, NeverSent, NoAnswer, Place, Record

T = TypeVar("T")

QUICK: dict[str, Any] = {"request_timeout_ms": 10_000, "retry_backoff_ms": 100}
START_TRIES = 100


class _Loop:
    """Runs the library's coroutines in a thread that has no loop otherwise."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def start(self, make: Callable[[], Any]) -> Any:
        """Make a client and start it, again and again while no node answers."""
        return self.run(_start(make))

    def close(self) -> None:
        self._runner.close()


async def _start(make: Callable[[], Any]) -> Any:
    for attempt in range(START_TRIES):
        client = make()
        try:
            await client.start()
        except (KafkaConnectionError, KafkaTimeoutError):
            await client.stop()
            if attempt == START_TRIES - 1:
                raise
            await asyncio.sleep(0.2)
        else:
            return client
    raise AssertionError("not reached")


class AiokafkaProducer:
    """See ProducerPort. Callbacks run while `serve` does."""

    skips = False

    def __init__(self, bootstrap: str, request_timeout_ms: int) -> None:
        self._loop = _Loop()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._producer = self._loop.start(
            lambda: AIOKafkaProducer(
                bootstrap_servers=bootstrap.split(","),
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                **(QUICK | {"request_timeout_ms": request_timeout_ms}),
            )
        )

    def send(self, place: Place, text: str, delivered: Delivered) -> None:
        """See ProducerPort."""
        self._loop.run(self._send(place, text, delivered))

    async def _send(self, place: Place, text: str, delivered: Delivered) -> None:
        topic, partition = place
        try:
            future = await self._producer.send(topic, text.encode(), partition=partition)
        except KafkaError as error:
            # No room for the record in time, or what took the room was given up.
            raise NeverSent from error
        self._under_way.add(future)

        def done(ended: asyncio.Future[Any]) -> None:
            self._under_way.discard(ended)
            if ended.cancelled():
                delivered(None, NoAnswer("given up"))
            elif (error := ended.exception()) is not None:
                delivered(None, NoAnswer(repr(error)))
            else:
                delivered(int(ended.result().offset), None)

        future.add_done_callback(done)

    def serve(self, seconds: float) -> None:
        """See ProducerPort."""
        self._loop.run(asyncio.sleep(seconds))

    def close(self, seconds: float) -> None:
        """See ProducerPort."""
        self._loop.run(self._close(seconds))
        self._loop.close()

    async def _close(self, seconds: float) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)
        await asyncio.wait([asyncio.ensure_future(self._producer.stop())], timeout=10)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        self._on_assigned = on_assigned

    def on_partitions_revoked(self, revoked: object) -> None:
        self._on_assigned([])

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._on_assigned([(part.topic, part.partition) for part in assigned])


class AiokafkaConsumer:
    """See ConsumerPort."""

    def __init__(self, bootstrap: str, group: str | None) -> None:
        self._loop = _Loop()
        self._consumer = self._loop.start(
            lambda: AIOKafkaConsumer(
                bootstrap_servers=bootstrap.split(","),
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="none" if group is None else "earliest",
                session_timeout_ms=6_000,
                heartbeat_interval_ms=1_000,
                **QUICK,
            )
        )

    def assign(self, starts: dict[Place, int]) -> None:
        """See ConsumerPort."""

        async def assign() -> None:
            self._consumer.assign([TopicPartition(*place) for place in starts])
            for place, offset in starts.items():
                self._consumer.seek(TopicPartition(*place), offset)

        self._loop.run(assign())

    def subscribe(self, on_assigned: Callable[[Sequence[Place]], None]) -> None:
        """See ConsumerPort."""

        async def subscribe() -> None:
            self._consumer.subscribe([TOPIC], listener=_Listener(on_assigned))

        self._loop.run(subscribe())

    def seek(self, place: Place, offset: int) -> None:
        """See ConsumerPort."""

        async def seek() -> None:
            self._consumer.seek(TopicPartition(*place), offset)

        self._loop.run(seek())

    def poll(self, seconds: float) -> list[list[Record]]:
        """See ConsumerPort."""
        try:
            found = self._loop.run(
                self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=500)
            )
        except KafkaError as error:
            raise NoAnswer from error
        records = (record for part in found.values() for record in part)
        return [[(r.topic, r.partition, r.offset, r.value.decode()) for r in records]]

    def commit(self, offsets: dict[Place, int]) -> None:
        """See ConsumerPort."""
        wanted = {
            TopicPartition(*place): OffsetAndMetadata(offset, "")
            for place, offset in offsets.items()
        }
        self._ask(self._consumer.commit(wanted))

    def committed(self, places: Sequence[Place]) -> dict[Place, int | None]:
        """See ConsumerPort."""
        return {
            place: self._ask(self._consumer.committed(TopicPartition(*place))) for place in places
        }

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run(asyncio.wait_for(work, 10))
        except (KafkaError, TimeoutError) as error:
            raise NoAnswer from error

    def close(self) -> None:
        """See ConsumerPort."""
        self._loop.run(self._close())
        self._loop.close()

    async def _close(self) -> None:
        await asyncio.wait([asyncio.ensure_future(self._consumer.stop())], timeout=10)


class AiokafkaKit:
    """See ClientKit."""

    name = "aiokafka"

    def __init__(self, patience_s: float = QUICK["request_timeout_ms"] / 1000) -> None:
        # The library has one time for both: how long a request takes, and a batch waits.
        self._request_timeout_ms = int(patience_s * 1000)

    def producer(self, bootstrap: str) -> AiokafkaProducer:
        return AiokafkaProducer(bootstrap, self._request_timeout_ms)

    def consumer(self, bootstrap: str, group: str | None) -> AiokafkaConsumer:
        try:
            return AiokafkaConsumer(bootstrap, group)
        except KafkaError as error:
            raise NoAnswer from error
