"""Connections over real sockets, on both event loops: order, limits, the end."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import Any

import pytest
from server_world import (
    FETCH,
    HEARTBEAT,
    HEARTBEAT_VERSION,
    HEARTBEATS,
    PRODUCE,
    Gates,
    World,
    api_versions,
    frame_of,
    heartbeat,
    produce,
    produced,
    serving,
    until,
)

from sprawl.core import limits
from sprawl.core.broker import Endpoint
from sprawl.gateway import listeners
from sprawl.gateway.codec._generated.k01_fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.dispatch import ConnectionInfo, HandlerSpec, RequestContext
from sprawl.gateway.listeners import parse_listeners
from sprawl.gateway.server import ServerLimits

LARGE = bytes(range(256)) * 4_096  # 1 MiB


def fetch(correlation_id: int) -> bytes:
    body = FetchRequest(max_wait_ms=0, min_bytes=1, max_bytes=1 << 30)
    return frame_of(FETCH, 11, correlation_id, body)


def fetches(records: Any) -> HandlerSpec:
    """A Fetch handler that always returns these records."""

    def handle(ctx: RequestContext, request: FetchRequest) -> FetchResponse:
        data = PartitionData(
            partition_index=0, high_watermark=1, aborted_transactions=None, records=records
        )
        return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[data])])

    return HandlerSpec(FETCH, 4, 18, handle)


# --- requests and their order --------------------------------------------------------------------


async def test_a_request_is_answered_with_its_correlation_id() -> None:
    with serving(HEARTBEATS):
        async with World() as world:
            peer = await world.connect()
            peer.send(heartbeat(7, generation_id=33))
            body = await peer.response(HEARTBEAT, HEARTBEAT_VERSION)
            assert body.throttle_time_ms == 33
            peer.send(heartbeat(8))
            assert await peer.correlation_ids(1) == [8]


async def test_pipelined_requests_of_one_write_are_all_answered_in_order() -> None:
    count = 3 * limits.REQUESTS_PER_TURN_MAX + 1
    with serving(HEARTBEATS):
        async with World() as world:
            peer = await world.connect()
            peer.send(b"".join(heartbeat(number) for number in range(count)))
            assert await peer.correlation_ids(count) == list(range(count))


async def test_one_connection_with_many_requests_does_not_hold_up_another() -> None:
    turns: list[str] = []

    def handle(ctx: RequestContext, request: Any) -> Struct:
        turns.append(str(ctx.connection.id))
        return HEARTBEATS.handle(ctx, request)

    with serving(HandlerSpec(HEARTBEAT, 0, 4, handle)):
        async with World() as world:
            greedy, modest = await world.connect(), await world.connect()
            many = 20 * limits.REQUESTS_PER_TURN_MAX
            greedy.send(b"".join(heartbeat(number) for number in range(many)))
            modest.send(heartbeat(1))
            await modest.correlation_ids(1)
            await greedy.correlation_ids(many)
            assert turns[-1] == "1"  # the modest one did not have to wait for the greedy one's end


async def test_answers_of_overlapping_produces_keep_the_order_of_the_requests() -> None:
    gates = Gates()
    with serving(gates.spec()):
        async with World() as world:
            peer = await world.connect()
            peer.send(produce(1) + produce(2) + produce(3))
            await until(lambda: gates.started == [1, 2, 3])
            gates.open(3)
            gates.open(2)
            await until(lambda: len(world.server.tasks) == 1)
            gates.open(1)
            assert await peer.correlation_ids(3) == [1, 2, 3]


async def test_a_request_of_another_api_waits_until_the_produces_before_it_are_answered() -> None:
    gates = Gates()
    with serving(gates.spec(), HEARTBEATS):
        async with World() as world:
            peer = await world.connect()
            peer.send(produce(1) + heartbeat(2) + produce(3))
            await until(lambda: gates.started == [1])
            assert world.metrics.api(HEARTBEAT).request_count == 0
            gates.open(1)
            assert await peer.correlation_ids(2) == [1, 2]
            await until(lambda: gates.started == [1, 3])
            gates.open(3)
            assert await peer.correlation_ids(1) == [3]


async def test_no_more_than_the_limit_of_produces_is_under_way() -> None:
    gates = Gates()
    count = limits.IN_FLIGHT_REQUESTS_MAX + 5
    with serving(gates.spec()):
        async with World() as world:
            peer = await world.connect()
            peer.send(b"".join(produce(number) for number in range(count)))
            await until(lambda: len(gates.started) == limits.IN_FLIGHT_REQUESTS_MAX)
            gates.open(0)
            await until(lambda: len(gates.started) == limits.IN_FLIGHT_REQUESTS_MAX + 1)
            for number in range(count):
                gates.open(number)
            assert await peer.correlation_ids(count) == list(range(count))


async def test_a_connection_whose_requests_wait_is_not_read_without_end() -> None:
    gates = Gates()
    with serving(gates.spec()):
        async with World() as world:
            peer = await world.connect()
            flood = asyncio.create_task(_flood(peer.writer, produce(1, bytes(65_536)), 2_000))
            await until(lambda: len(gates.started) == limits.IN_FLIGHT_REQUESTS_MAX)
            taken = -1
            while taken != world.metrics.bytes_in:
                taken = world.metrics.bytes_in
                for _ in range(100):
                    await asyncio.sleep(0)
            in_flight_bytes = limits.IN_FLIGHT_REQUESTS_MAX * 70_000
            assert taken < in_flight_bytes + limits.WAITING_REQUEST_BYTES_MAX + 300_000
            flood.cancel()


async def _flood(writer: asyncio.StreamWriter, frame: bytes, count: int) -> None:
    for _ in range(count):
        writer.write(frame)
        await writer.drain()


async def test_a_produce_without_acks_gets_no_answer() -> None:
    def handle(ctx: RequestContext, request: Any) -> Struct | None:
        return None if request.acks == 0 else produced(request)

    with serving(HandlerSpec(PRODUCE, 3, 13, handle, pipelined=True)):
        async with World() as world:
            peer = await world.connect()
            peer.send(produce(1, acks=0) + produce(2) + produce(3, acks=0) + produce(4))
            assert await peer.correlation_ids(2) == [2, 4]
            assert world.metrics.api(PRODUCE).request_count == 4


async def test_what_was_sent_before_the_client_left_is_still_handled() -> None:
    handled: list[int] = []
    gates = Gates()

    async def handle(ctx: RequestContext, request: Any) -> Struct | None:
        handled.append(ctx.correlation_id)
        return None

    with serving(HandlerSpec(PRODUCE, 3, 13, handle), gates.spec(HEARTBEAT)):
        async with World() as world:
            peer = await world.connect()
            peer.send(heartbeat(1) + produce(2, acks=0) + produce(3, acks=0))
            await until(lambda: gates.started == [1])
            peer.writer.write_eof()
            await until(lambda: world.server.connections_open == 1)
            gates.open(1)
            await until(lambda: handled == [2, 3])
            assert int.from_bytes((await peer.rest())[4:8], "big") == 1
            await until(lambda: world.server.connections_open == 0)


# --- large frames --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 65_536, limits.SCRATCH_BYTES, 3_000_000])
async def test_records_arrive_whole_and_stay_as_they_are(size: int) -> None:
    kept: list[memoryview] = []

    def handle(ctx: RequestContext, request: Any) -> Struct:
        kept.append(request.topic_data[0].partition_data[0].records)
        return produced(request)

    records = (LARGE * 3)[:size]
    with serving(HandlerSpec(PRODUCE, 3, 13, handle, pipelined=True)):
        async with World() as world:
            peer = await world.connect()
            for number in range(3):
                peer.send(produce(number, records))
            assert await peer.correlation_ids(3) == [0, 1, 2]
    assert [bytes(view) == records for view in kept] == [True] * 3
    assert not any(view.readonly for view in kept)


async def test_a_large_answer_of_several_buffers_arrives_whole() -> None:
    with serving(fetches([memoryview(LARGE), LARGE, memoryview(bytearray(LARGE))])):
        async with World() as world:
            peer = await world.connect()
            peer.send(fetch(1) + fetch(2))
            for _ in range(2):
                body = await peer.response(FETCH, 11)
                assert bytes(body.responses[0].partitions[0].records) == LARGE * 3


async def test_nothing_is_started_for_a_client_that_does_not_read() -> None:
    answer_bytes = 2 * limits.WRITE_BUFFER_BYTES_MAX
    with serving(fetches(bytes(answer_bytes))):
        async with World() as world:
            peer = await world.connect(limit=65_536)
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for number in range(10):
                peer.send(fetch(number))
            await until(lambda: world.server.stuck)
            for _ in range(200):
                await asyncio.sleep(0)
            started = world.metrics.api(FETCH).request_count
            assert started < 5
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await peer.correlation_ids(10) == list(range(10))
            await until(lambda: not world.server.stuck)


# --- the end of a connection ---------------------------------------------------------------------


async def test_a_connection_that_is_reset_takes_its_waiting_handlers_along() -> None:
    gates = Gates()
    with serving(gates.spec()):
        async with World() as world:
            peer = await world.connect()
            peer.send(produce(1) + produce(2))
            await until(lambda: gates.started == [1, 2])
            peer.reset()
            await until(lambda: sorted(gates.cancelled) == [1, 2])
            await until(lambda: not world.server.tasks)
            assert world.server.connections_open == 0


async def test_a_long_poll_ends_when_its_client_leaves() -> None:
    gates = Gates()
    with serving(gates.spec(FETCH, pipelined=False)):
        async with World() as world:
            peer = await world.connect()
            peer.send(fetch(1))
            await until(lambda: gates.started == [1])
            await peer.close()
            await until(lambda: gates.cancelled == [1])
            await until(lambda: world.server.connections_open == 0)


async def test_stopping_answers_what_is_under_way_and_ends_long_polls() -> None:
    gates = Gates()
    with serving(gates.spec(), gates.spec(FETCH, pipelined=False)):
        async with World() as world:
            idle = await world.connect()
            producer, consumer = await world.connect(), await world.connect()
            producer.send(produce(1))
            consumer.send(fetch(2))
            await until(lambda: sorted(gates.started) == [1, 2])
            stopping = asyncio.create_task(world.server.stop(drain_s=10))
            assert await idle.rest() == b""
            assert await consumer.rest() == b""
            assert gates.cancelled == [2]
            with pytest.raises(OSError):
                await world.connect()
            assert not stopping.done()
            gates.open(1)
            assert await producer.correlation_ids(1) == [1]
            assert await producer.rest() == b""
            await stopping


async def test_stopping_does_not_wait_longer_than_it_was_told_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gates = Gates()
    with serving(gates.spec()):
        async with World() as world:
            peer = await world.connect()
            peer.send(produce(1))
            await until(lambda: gates.started == [1])
            await world.server.stop(drain_s=0.01)
            assert gates.cancelled == [1]
            assert not world.server.tasks
            assert await peer.rest() == b""
    assert "stopped before every request was answered" in caplog.text


async def test_an_idle_connection_is_closed_and_a_waiting_one_is_not() -> None:
    gates = Gates()
    with serving(gates.spec(), HEARTBEATS):
        async with World(ServerLimits(idle_ms_max=60_000)) as world:
            idle, busy = await world.connect(), await world.connect()
            busy.send(produce(1))
            idle.send(heartbeat(1))
            await idle.correlation_ids(1)
            await until(lambda: gates.started == [1])
            world.server.sweep(time.monotonic() + 59)
            assert world.server.connections_open == 2
            world.server.sweep(time.monotonic() + 61)
            assert await idle.rest() == b""
            gates.open(1)
            assert await busy.correlation_ids(1) == [1]


async def test_half_a_request_does_not_keep_a_connection_open() -> None:
    async with World(ServerLimits(idle_ms_max=60_000)) as world:
        peer = await world.connect()
        peer.send(b"\0\0\1")
        await until(lambda: world.metrics.bytes_in == 3)
        world.server.sweep(time.monotonic() + 61)
        assert await peer.rest() == b""


async def _stuck_peer(world: World) -> Any:
    peer = await world.connect(limit=65_536)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    peer.send(fetch(1))
    return peer


async def test_a_client_that_never_reads_is_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    with serving(fetches(bytes(4 * limits.WRITE_BUFFER_BYTES_MAX))):
        async with World() as world:
            await _stuck_peer(world)
            await until(lambda: world.server.stuck)
            patience_s = limits.STUCK_WRITE_MS_MAX / 1_000
            world.server.sweep(time.monotonic() + patience_s - 5)
            assert world.server.connections_open == 1
            world.server.sweep(time.monotonic() + 2 * patience_s)
            await until(lambda: world.server.connections_open == 0)
            assert not world.server.stuck
    assert "has not read" in caplog.text


async def test_when_unread_answers_are_too_many_the_slowest_clients_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_bytes = 4 * limits.WRITE_BUFFER_BYTES_MAX
    monkeypatch.setattr("sprawl.gateway.server.UNSENT_BYTES_MAX", answer_bytes * 3 // 2)
    with serving(fetches(bytes(answer_bytes))):
        async with World() as world:
            for count in (1, 2):
                await _stuck_peer(world)
                await until(lambda count=count: len(world.server.stuck) == count)
            [_, second] = sorted(world.server.stuck, key=lambda stuck: stuck.progress_at)
            world.server.sweep(time.monotonic())
            await until(lambda: world.server.connections_open == 1)
            assert world.server.stuck == {second}


async def test_a_closing_connection_whose_peer_does_not_read_goes_in_the_end() -> None:
    with serving(fetches(bytes(4 * limits.WRITE_BUFFER_BYTES_MAX))):
        async with World() as world:
            await _stuck_peer(world)
            await until(lambda: world.server.stuck)
            [closing] = world.server.stuck
            closing.drain()
            world.server.sweep(time.monotonic() + 1)
            assert world.server.connections_open == 1
            world.server.sweep(time.monotonic() + 2 + limits.CLOSING_MS_MAX / 1_000)
            await until(lambda: world.server.connections_open == 0)


# --- who may connect -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (ServerLimits(connections_max=2), "max.connections=2"),
        (ServerLimits(connections_per_ip_max=2), "max.connections.per.ip=2"),
    ],
)
async def test_connections_beyond_a_limit_are_refused_until_one_closes(
    given: ServerLimits, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(HEARTBEATS):
        async with World(given) as world:
            first = await world.connect()
            second = await world.connect()
            for peer in (first, second):
                peer.send(heartbeat(1))
                await peer.correlation_ids(1)
            third = await world.connect()
            assert await third.rest() == b""
            assert world.metrics.connections_refused == 1
            assert name in caplog.text
            await first.close()
            await until(lambda: world.server.connections_open == 1)
            fourth = await world.connect()
            fourth.send(heartbeat(4))
            assert await fourth.correlation_ids(1) == [4]


async def test_the_software_a_client_names_is_kept_for_its_connection() -> None:
    seen: list[ConnectionInfo] = []

    def handle(ctx: RequestContext, request: Any) -> Struct:
        seen.append(ctx.connection)
        return HEARTBEATS.handle(ctx, request)

    with serving(HandlerSpec(HEARTBEAT, 0, 4, handle)):
        async with World() as world:
            peer = await world.connect()
            peer.send(api_versions(1) + heartbeat(2))
            await peer.correlation_ids(2)
            local = peer.writer.get_extra_info("sockname")
    [info] = seen
    assert (info.client_software_name, info.client_software_version) == ("test", "1.0")
    assert (info.peer_host, info.peer_port) == (local[0], local[1])
    assert (info.local_host, info.local_port) == ("127.0.0.1", world.port)
    assert info.listener_name == "PLAINTEXT"


async def test_clients_that_cannot_come_back_are_reported_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, Endpoint, Endpoint]] = []

    def judge(peer_host: str, local: Endpoint, advertised: Endpoint) -> Any:
        told.append((peer_host, local, advertised))
        return listeners.judge("172.17.0.2", Endpoint("172.17.0.1", local.port), advertised)

    monkeypatch.setattr("sprawl.gateway.server.judge", judge)
    async with World(advertised=Endpoint("localhost", 9092)) as world:
        for _ in range(3):
            await world.connect()
        await until(lambda: world.metrics.unreachable_clients == 3)
        assert told[0] == (
            "127.0.0.1",
            Endpoint("127.0.0.1", world.port),
            Endpoint("localhost", 9092),
        )
        assert len(world.server.advices()) == 1
    [line] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "localhost:9092" in line.getMessage()


async def test_settings_that_shut_clients_out_are_reported_without_any_client() -> None:
    server = World().server
    [listener] = parse_listeners("PLAINTEXT://127.0.0.1:0", "PLAINTEXT://far.example:1", "machine")
    server.bind(listener)
    [advice] = server.advices()
    assert "far.example" in advice.cause
    await server.stop()


async def test_a_sound_address_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    async with World(advertised=Endpoint("localhost", 9092)) as world:
        await world.connect()
        await until(lambda: world.metrics.connections_accepted == 1)
        assert world.server.advices() == []
    assert not caplog.records


async def test_clients_are_not_accepted_before_the_start() -> None:
    world = World()
    [listener] = parse_listeners("PLAINTEXT://127.0.0.1:0", None, "machine")
    port = world.server.bind(listener)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    await world.server.stop()
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))
