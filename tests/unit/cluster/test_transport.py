"""Two or three transports over loopback."""

from __future__ import annotations

import asyncio

import pytest

from sprawl.core.cluster.transport import PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault
from tests.unit.cluster.peers_world import until, world


async def test_messages_arrive_in_order() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        sent = [b"%d" % number for number in range(5_000)]
        for body in sent:
            assert one.send(2, body)
        await until(lambda: len(two.received) == len(sent))
        assert two.bodies == sent
        assert {peer for peer, _ in two.received} == {1}


async def test_a_message_of_several_buffers_arrives_as_one() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        large = bytes(range(256)) * 32_768
        assert one.send(2, b"head", large, b"tail")
        await until(lambda: two.received)
        assert two.bodies == [b"head" + large + b"tail"]


@pytest.mark.parametrize(("dialer", "acceptor"), [(1, 2), (2, 1)])
async def test_either_side_can_ask(dialer: int, acceptor: int) -> None:
    async with world() as nodes:
        one, _ = await nodes.start(dialer), await nodes.start(acceptor)
        assert await one.call(acceptor, body=b"x") == b"%d:x" % dialer


async def test_an_error_of_kafka_comes_back() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)

        async def refuse(peer: object, body: memoryview) -> bytes:
            raise KafkaFault(ErrorCode.NOT_CONTROLLER, "ask node 3")

        two.transport.serve("refuse", refuse)
        with pytest.raises(PeerRefused, match="ask node 3") as refused:
            await one.call(2, "refuse")
        assert refused.value.code is ErrorCode.NOT_CONTROLLER


async def test_a_call_times_out_and_its_handler_is_cancelled() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        cancelled = asyncio.Event()

        async def wait(peer: object, body: memoryview) -> bytes:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return b""

        two.transport.serve("wait", wait)
        with pytest.raises(PeerUnreachable, match="no answer within 50 ms") as lost:
            await one.call(2, "wait", ms=50)
        assert lost.value.was_sent
        await asyncio.wait_for(cancelled.wait(), 5)
        assert await one.call(2) == b"1:"
