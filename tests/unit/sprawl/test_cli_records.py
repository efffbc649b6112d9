"""The client's produce and fetch sides, against a broker that answers from a script."""

from __future__ import annotations

import pytest
from crc32c import crc32c
from fake_broker import Answer, FakeBroker

from sprawl.client.cluster import Cluster
from sprawl.client.faults import Refused
from sprawl.client.fetching import EARLIEST, Reader, list_offsets
from sprawl.client.partitioner import partition_for
from sprawl.client.producing import NewRecord, Producer
from sprawl.core.errors import ErrorCode
from sprawl.core.records.record import Record, decode_records, encode_batch
from sprawl.gateway.codec import RequestHeader
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from sprawl.gateway.codec._generated.k02_list_offsets import (
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from sprawl.gateway.codec._generated.k03_metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from sprawl.gateway.codec.message import Struct


class Topic:
    """The topic `t` on broker 1, which is the scripted broker itself."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.port = 0

    def __call__(self, header: RequestHeader, body: Struct) -> MetadataResponse:
        return MetadataResponse(
            brokers=[MetadataResponseBroker(node_id=1, host="127.0.0.1", port=self.port)],
            topics=[
                MetadataResponseTopic(
                    name="t",
                    partitions=[
                        MetadataResponsePartition(partition_index=number, leader_id=1)
                        for number in range(self.partitions)
                    ],
                )
            ],
        )


def broker_with(answers: dict[int, Answer], topic: Topic) -> FakeBroker:
    return FakeBroker({3: topic} | answers)


def record(key: bytes | None, value: bytes) -> NewRecord:
    return NewRecord(timestamp_ms=1, key=key, value=value)


class Appended:
    """Answers Produce: each batch gets the offset 10 and the codes of a script, then 0."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.batches: list[tuple[int, list[Record]]] = []

    def __call__(self, header: RequestHeader, body: Struct) -> ProduceResponse | None:
        assert isinstance(body, ProduceRequest)
        (data,) = body.topic_data[0].partition_data
        assert isinstance(data.records, memoryview)
        self.batches.append((data.index, list(decode_records(data.records))))
        if body.acks == 0:
            return None
        answer = PartitionProduceResponse(
            index=data.index, error_code=self.codes.pop(0) if self.codes else 0, base_offset=10
        )
        return ProduceResponse(
            responses=[TopicProduceResponse(name="t", partition_responses=[answer])]
        )


async def produce(
    appended: Appended, *records: NewRecord, partition: int | None = None, acks: int = -1
) -> list[tuple[int, int, int]]:
    topic = Topic(partitions=4)
    async with broker_with({0: appended}, topic) as broker:
        topic.port = broker.port
        async with Cluster(broker.address) as cluster:
            producer = Producer(cluster, await cluster.topic("t"), partition=partition, acks=acks)
            written = await producer.send(records)
            if acks == 0:
                await cluster.metadata()
    return sorted((w.partition, w.base_offset, w.record_count) for w in written)


async def test_keys_decide_the_partition_and_records_of_one_share_a_batch() -> None:
    appended = Appended()
    records = [record(b"a", b"1"), record(b"c", b"2"), record(b"a", b"3")]
    written = await produce(appended, *records)
    places = {partition_for(b"a", 4): [b"1", b"3"], partition_for(b"c", 4): [b"2"]}
    assert len(places) == 2
    assert {p: [r.value for r in batch] for p, batch in appended.batches} == places
    assert written == sorted((p, 10, len(values)) for p, values in places.items())


async def test_records_without_key_stay_together() -> None:
    appended = Appended()
    await produce(appended, record(None, b"1"), record(None, b"2"))
    assert len(appended.batches) == 1


async def test_a_leader_that_moved_is_asked_again() -> None:
    appended = Appended(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    assert await produce(appended, record(None, b"1"), partition=3) == [(3, 10, 1)]
    assert len(appended.batches) == 2


async def test_an_append_that_may_have_happened_is_not_sent_again() -> None:
    appended = Appended(ErrorCode.REQUEST_TIMED_OUT)
    with pytest.raises(Refused) as caught:
        await produce(appended, record(None, b"1"), partition=0)
    assert caught.value.code is ErrorCode.REQUEST_TIMED_OUT
    assert len(appended.batches) == 1


async def test_without_acks_nothing_is_waited_for() -> None:
    appended = Appended()
    assert await produce(appended, record(None, b"1"), partition=0, acks=0) == [(0, -1, 1)]
    assert len(appended.batches) == 1


async def test_a_partition_that_is_not_there_is_refused_before_sending() -> None:
    appended = Appended()
    with pytest.raises(Refused, match="no partition 4"):
        await produce(appended, record(None, b"1"), partition=4)
    assert appended.batches == []


def fetched(records: bytes, *, code: int = 0) -> FetchResponse:
    return FetchResponse(
        responses=[
            FetchableTopicResponse(
                topic="t",
                partitions=[PartitionData(partition_index=0, error_code=code, records=records)],
            )
        ]
    )


def batch(base_offset: int, *values: bytes, offsets: list[int] | None = None) -> bytes:
    return bytes(
        encode_batch(
            [(1, None, value, []) for value in values], base_offset=base_offset, offsets=offsets
        )
    )


async def poll(answer: FetchResponse, position: int) -> tuple[list[tuple[int, bytes | None]], int]:
    topic = Topic(partitions=1)
    async with broker_with({1: lambda header, body: answer}, topic) as broker:
        topic.port = broker.port
        async with Cluster(broker.address) as cluster:
            reader = Reader(cluster, await cluster.topic("t"), {0: position})
            found = await reader.poll()
    return [(f.record.offset, f.record.value) for f in found], reader.positions[0]


async def test_what_one_partition_refuses_takes_no_records_of_another() -> None:
    good = PartitionData(partition_index=0, records=batch(0, b"a"))
    bad = PartitionData(partition_index=1, error_code=ErrorCode.OFFSET_OUT_OF_RANGE)
    answers = [[good, bad], [good]]

    def answer(header: RequestHeader, body: Struct) -> FetchResponse:
        partitions = answers.pop(0)
        return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])

    topic = Topic(partitions=2)
    async with broker_with({1: answer}, topic) as broker:
        topic.port = broker.port
        async with Cluster(broker.address) as cluster:
            reader = Reader(cluster, await cluster.topic("t"), {0: 0, 1: 5})
            with pytest.raises(Refused, match="t-1"):
                await reader.poll()
            assert [each.record.value for each in await reader.poll()] == [b"a"]


async def test_records_before_the_position_are_left_out() -> None:
    answer = fetched(batch(0, b"a", b"b") + batch(2, b"c"))
    assert await poll(answer, 1) == ([(1, b"b"), (2, b"c")], 3)


async def test_reading_goes_on_behind_what_compaction_removed() -> None:
    whole = bytearray(batch(0, b"a"))
    whole[23:27] = (5).to_bytes(4, "big")  # last offset delta: five later records are gone
    whole[17:21] = crc32c(whole[21:]).to_bytes(4, "big")
    assert await poll(fetched(bytes(whole)), 0) == ([(0, b"a")], 6)


async def test_broken_records_are_reported_with_their_offset() -> None:
    with pytest.raises(Refused, match="t-0 at offset 0"):
        await poll(fetched(batch(0, b"a")[:-1] + b"\xff"), 0)


async def test_an_error_of_the_partition_is_a_refusal() -> None:
    with pytest.raises(Refused) as caught:
        await poll(fetched(b"", code=ErrorCode.OFFSET_OUT_OF_RANGE), 5)
    assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_reader_at_its_end_asks_for_nothing_more() -> None:
    asked: list[FetchRequest] = []

    def count(header: RequestHeader, body: Struct) -> FetchResponse:
        assert isinstance(body, FetchRequest)
        asked.append(body)
        return fetched(b"")

    topic = Topic(partitions=2)
    async with broker_with({1: count}, topic) as broker:
        topic.port = broker.port
        async with Cluster(broker.address) as cluster:
            reader = Reader(cluster, await cluster.topic("t"), {0: 3, 1: 0})
            await reader.poll(wanted={0: 3, 1: 1})
    assert [p.partition for request in asked for p in request.topics[0].partitions] == [1]


async def test_offsets_are_asked_of_the_leader_for_the_given_partitions() -> None:
    def answer(header: RequestHeader, body: Struct) -> ListOffsetsResponse:
        assert isinstance(body, ListOffsetsRequest)
        return ListOffsetsResponse(
            topics=[
                ListOffsetsTopicResponse(
                    name="t",
                    partitions=[
                        ListOffsetsPartitionResponse(
                            partition_index=entry.partition_index, timestamp=-1, offset=7
                        )
                        for entry in body.topics[0].partitions
                    ],
                )
            ]
        )

    topic = Topic(partitions=3)
    async with broker_with({2: answer}, topic) as broker:
        topic.port = broker.port
        async with Cluster(broker.address) as cluster:
            found = await list_offsets(cluster, await cluster.topic("t"), {1: EARLIEST})
    assert {partition: entry.offset for partition, entry in found.items()} == {1: 7}
