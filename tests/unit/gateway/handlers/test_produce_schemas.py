"""Produce to topics that want registered schemas: what waits for the registry, and in which order
batches are appended then."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest
from data_world import START_MS, World

from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.records.record import encode_batch
from sprawl.core.records.schema_ids import FITS, SchemaUse, Verdict
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from sprawl.gateway.handlers import k00_produce


class Book:
    """Knows what it is told, and answers questions when a test lets it."""

    def __init__(self) -> None:
        self.known: dict[SchemaUse, Verdict] = {}
        self.asked: list[set[int]] = []
        self.fault: KafkaFault | None = None
        self.answers = asyncio.Event()

    def find(self, use: SchemaUse) -> Verdict | None:
        return self.known.get(use)

    async def learn(self, uses: Collection[SchemaUse]) -> Mapping[SchemaUse, Verdict]:
        self.asked.append({int(use.schema) for use in uses})
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault
        learned = {use: FITS if use.schema != 99 else Verdict("names schema 99") for use in uses}
        self.known |= {use: verdict for use, verdict in learned.items() if verdict == FITS}
        return learned


@pytest.fixture
async def book(world: World) -> Book:
    made = Book()
    world.broker.schemas = made
    world.topic(confluent_value_schema_validation=True)
    world.topic("free", partitions=2)
    return made


def value(schema: int, text: str = "") -> bytes:
    return b"\x00" + schema.to_bytes(4, "big") + text.encode()


def request(*schemas: int, acks: int = -1, topic: str = "t", **batch: int) -> ProduceRequest:
    records = [(START_MS, None, value(each), []) for each in schemas]
    data = PartitionProduceData(index=0, records=bytes(encode_batch(records, **batch)))
    return ProduceRequest(
        acks=acks,
        timeout_ms=1_000,
        topic_data=[TopicProduceData(name=topic, partition_data=[data])],
    )


def schemas_of(world: World) -> list[int]:
    return [int.from_bytes((record.value or b"")[1:5], "big") for record in world.records()]


def code(response: object) -> int:
    found: int = response.responses[0].partition_responses[0].error_code  # type: ignore[attr-defined]
    return found


async def test_what_is_known_is_appended_at_once(world: World, book: Book) -> None:
    book.answers.set()
    await world.call(k00_produce, request(1), 12)
    assert not world.must_wait(k00_produce, request(1, 1), 12)
    assert book.asked == [{1}]


async def test_what_comes_later_on_the_connection_is_appended_later(
    world: World, book: Book
) -> None:
    book.answers.set()
    await world.call(k00_produce, request(1), 12)
    book.answers.clear()
    producer = {"producer_id": 5, "producer_epoch": 0}
    first = world.start_call(k00_produce, request(2, **producer, base_sequence=0), 12)
    second = world.start_call(k00_produce, request(1, **producer, base_sequence=1), 12)
    third = world.start_call(k00_produce, request(3, **producer, base_sequence=2), 12)
    await asyncio.sleep(0)
    assert schemas_of(world) == [1]
    book.answers.set()
    assert [code(await each) for each in (first, second, third)] == [0, 0, 0]
    assert schemas_of(world) == [1, 2, 1, 3]
    assert book.asked == [{1}, {2}, {3}]
    assert not world.must_wait(k00_produce, request(3), 12)


async def test_a_refusal_names_the_records_and_is_counted(world: World, book: Book) -> None:
    book.answers.set()
    response = await world.call(k00_produce, request(1, 99, 99), 12)
    answer = response.responses[0].partition_responses[0]  # type: ignore[union-attr]
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert answer.base_offset == -1
    assert [
        (each.batch_index, each.batch_index_error_message) for each in answer.record_errors
    ] == [
        (1, "Its value names schema 99."),
        (2, "Its value names schema 99."),
    ]
    assert world.metrics.schema_refusals == 2
    assert schemas_of(world) == []


async def test_without_an_answer_nothing_is_appended_and_what_follows_is_refused_alike(
    world: World, book: Book
) -> None:
    book.answers.set()
    producer = {"producer_id": 5, "producer_epoch": 0}
    await world.call(k00_produce, request(1, **producer, base_sequence=0), 12)
    book.fault = KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS, "nobody to ask")
    first = await world.call(k00_produce, request(2, **producer, base_sequence=1), 12)
    second = await world.call(k00_produce, request(1, **producer, base_sequence=2), 12)
    assert [code(first), code(second)] == [ErrorCode.NOT_ENOUGH_REPLICAS] * 2
    book.fault = None
    for sequence, schema in ((1, 2), (2, 1)):
        again = request(schema, **producer, base_sequence=sequence)
        assert code(await world.call(k00_produce, again, 12)) == 0
    assert schemas_of(world) == [1, 2, 1]


async def test_a_batch_that_was_appended_is_answered_whatever_became_of_its_schema(
    world: World, book: Book
) -> None:
    book.answers.set()
    sent = request(1, producer_id=5, producer_epoch=0, base_sequence=0)
    await world.call(k00_produce, sent, 12)
    book.known.clear()
    book.answers.clear()
    assert not world.must_wait(k00_produce, sent, 12)


async def test_a_partition_that_is_lost_meanwhile_is_told_so(world: World, book: Book) -> None:
    waiting = world.start_call(k00_produce, request(1), 12)
    await asyncio.sleep(0)
    world.delete(world.partition().topic_id)
    book.answers.set()
    assert code(await waiting) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_acks_0_is_refused_as_any_other_is(world: World, book: Book) -> None:
    book.answers.set()
    assert await world.call(k00_produce, request(1, acks=0), 12) is None
    assert schemas_of(world) == [1]
    with pytest.raises(PeerFault, match="names schema 99"):
        await world.call(k00_produce, request(99, acks=0), 12)


async def test_one_who_leaves_holds_nobody_up(world: World, book: Book) -> None:
    gone = world.start_call(k00_produce, request(1), 12)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    book.answers.set()
    assert code(await world.call(k00_produce, request(2), 12)) == 0
    assert world.connection.held_produce is None


async def test_other_topics_ask_for_nothing(world: World, book: Book) -> None:
    assert not world.must_wait(k00_produce, request(99, topic="free"), 12)


async def test_without_a_registry_such_topics_take_nothing(world: World, book: Book) -> None:
    world.broker.schemas = None
    response = await world.call(k00_produce, request(1), 12)
    assert code(response) == ErrorCode.INVALID_RECORD
