"""The client's connections and routing, against a broker that answers from a script."""

from __future__ import annotations

import asyncio

import pytest
from fake_broker import FakeBroker

from sprawl.client.cluster import Cluster, NodeView
from sprawl.client.connection import Connection
from sprawl.client.faults import Refused, Unreachable
from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec import RequestHeader
from sprawl.gateway.codec._generated.k03_metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from sprawl.gateway.codec._generated.k10_find_coordinator import (
    Coordinator,
    FindCoordinatorResponse,
)
from sprawl.gateway.codec._generated.k18_api_versions import ApiVersion, ApiVersionsResponse
from sprawl.gateway.codec.message import Struct


def one_topic(header: RequestHeader, body: Struct) -> MetadataResponse:
    assert isinstance(body, MetadataRequest)
    return MetadataResponse(
        cluster_id="c",
        topics=[
            MetadataResponseTopic(
                name="t",
                partitions=[
                    MetadataResponsePartition(
                        partition_index=number, leader_id=1, replica_nodes=[1], isr_nodes=[1]
                    )
                    for number in (1, 0)
                ],
            )
        ],
    )


async def open_connection(broker: FakeBroker, timeout_ms: int = 5_000) -> Connection:
    connection = Connection("127.0.0.1", broker.port, client_id="test", timeout_ms=timeout_ms)
    await connection.open()
    return connection


async def test_the_highest_common_version_is_used() -> None:
    async with FakeBroker({3: one_topic}, versions={3: (0, 10)}) as broker:
        connection = await open_connection(broker)
        await connection.request(3, MetadataRequest(topics=None), MetadataResponse)
        await connection.close()
    assert [(header.api_key, header.api_version) for header, _ in broker.seen] == [
        (18, 3),
        (3, 10),
    ]
    assert broker.seen[1][0].client_id == "test"


@pytest.mark.parametrize("offered", [(0, 8), (13, 20)])
async def test_no_common_version_is_a_refusal(offered: tuple[int, int]) -> None:
    async with FakeBroker({3: one_topic}, versions={3: offered}) as broker:
        connection = await open_connection(broker)
        with pytest.raises(Refused) as caught:
            await connection.request(3, MetadataRequest(topics=None), MetadataResponse)
        await connection.close()
    assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION


async def test_a_broker_that_is_too_old_for_api_versions_3_is_asked_again() -> None:
    def old(header: RequestHeader, body: Struct) -> ApiVersionsResponse:
        code = 0 if header.api_version == 0 else ErrorCode.UNSUPPORTED_VERSION
        return ApiVersionsResponse(
            error_code=code,
            api_keys=[ApiVersion(api_key=3, min_version=0, max_version=9)],
        )

    async with FakeBroker({18: old}) as broker:
        connection = await open_connection(broker)
        assert connection.versions == {3: (0, 9)}
        await connection.close()


async def test_nobody_there_is_unreachable() -> None:
    connection = Connection("127.0.0.1", 1, client_id="test", timeout_ms=1_000)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        await connection.open()


async def test_what_speaks_another_protocol_is_named() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection("127.0.0.1", port, client_id="test", timeout_ms=5_000)
    with pytest.raises(Unreachable, match="does not speak the Kafka protocol"):
        await connection.open()
    await connection.close()
    server.close()


async def test_waiting_requests_fail_when_the_broker_goes() -> None:
    async with FakeBroker({3: lambda header, body: None}) as broker:
        connection = await open_connection(broker)
        waiting = asyncio.create_task(
            connection.request(3, MetadataRequest(topics=None), MetadataResponse)
        )
        while len(broker.seen) < 2:
            await asyncio.sleep(0)
        broker.drop_connections()
        with pytest.raises(Unreachable, match="closed the connection"):
            await waiting
        await connection.close()


async def test_an_answer_that_does_not_come_is_unreachable() -> None:
    async with FakeBroker({3: lambda header, body: None}) as broker:
        connection = await open_connection(broker, timeout_ms=50)
        with pytest.raises(Unreachable, match="no answer to API 3"):
            await connection.request(3, MetadataRequest(topics=None), MetadataResponse)
        assert not connection.usable, "the other end may be gone without a word"
        await connection.close()


async def test_partitions_come_in_order() -> None:
    async with FakeBroker({3: one_topic}) as broker, Cluster(broker.address) as cluster:
        view = await cluster.topic("t")
    assert [partition.partition for partition in view.partitions] == [0, 1]


async def test_a_bootstrap_list_survives_its_first_address() -> None:
    async with (
        FakeBroker({3: one_topic}) as broker,
        Cluster(f"127.0.0.1:1,{broker.address}") as cluster,
    ):
        assert (await cluster.metadata()).cluster_id == "c"


async def test_a_missing_topic_is_refused_with_the_next_command() -> None:
    def missing(header: RequestHeader, body: Struct) -> MetadataResponse:
        return MetadataResponse(topics=[MetadataResponseTopic(error_code=3, name="t")])

    async with FakeBroker({3: missing}) as broker, Cluster(broker.address) as cluster:
        with pytest.raises(Refused, match="topic t") as caught:
            await cluster.topic("t")
    assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert caught.value.next_step == "sprawl topic list"


async def test_a_topic_being_created_is_waited_for() -> None:
    answers = [5, 3, 0]

    def created_later(header: RequestHeader, body: Struct) -> MetadataResponse:
        code = answers.pop(0)
        if code:
            return MetadataResponse(topics=[MetadataResponseTopic(error_code=code, name="t")])
        return one_topic(header, body)

    async with FakeBroker({3: created_later}) as broker, Cluster(broker.address) as cluster:
        assert (await cluster.topic("t", create=True)).name == "t"
    assert answers == []


async def test_the_coordinator_is_waited_for_and_connected_to() -> None:
    async with FakeBroker({3: one_topic}) as coordinator:
        codes = [15, 0]

        def find(header: RequestHeader, body: Struct) -> FindCoordinatorResponse:
            return FindCoordinatorResponse(
                coordinators=[
                    Coordinator(
                        key="g",
                        node_id=7,
                        host="127.0.0.1",
                        port=coordinator.port,
                        error_code=codes.pop(0),
                    )
                ]
            )

        async with FakeBroker({10: find}) as broker, Cluster(broker.address) as cluster:
            connection = await cluster.coordinator("g")
            assert connection.port == coordinator.port


async def test_a_leader_that_cannot_be_reached_is_named() -> None:
    def elsewhere(header: RequestHeader, body: Struct) -> MetadataResponse:
        return MetadataResponse(
            brokers=[MetadataResponseBroker(node_id=1, host="127.0.0.1", port=1)]
        )

    async with FakeBroker({3: elsewhere}) as broker, Cluster(broker.address) as cluster:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
            await cluster.node(1)


async def test_a_connection_that_could_not_be_opened_is_not_used_again() -> None:
    asked = 0

    def versions(header: RequestHeader, body: Struct) -> ApiVersionsResponse | None:
        nonlocal asked
        asked += 1
        if asked == 2:
            return None
        keys = [ApiVersion(api_key=key, min_version=0, max_version=99) for key in (3, 18)]
        return ApiVersionsResponse(api_keys=keys)

    broker = FakeBroker({3: one_topic, 18: versions})
    async with broker, Cluster(broker.address, timeout_ms=200) as cluster:
        cluster.nodes[1] = NodeView(node_id=1, host="127.0.0.1", port=broker.port, rack=None)
        with pytest.raises(Unreachable):
            await cluster.node(1)
        assert (await cluster.node(1)).version_for(3) == 12
