"""Calls: what comes back, what does not, and what a stranger may ask."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from sprawl.core.cluster.peer_frames import (
    Failure,
    encode_error,
    one_way_head,
    request_head,
    response_head,
)
from sprawl.core.cluster.transport import PeerAddress, PeerIdentity, PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId
from tests.unit.cluster.peers_world import CLUSTER, FAST, KIND, Node, identity, until, world


class Gate:
    """A handler that waits until the test lets it go on."""

    def __init__(self, node: Node, method: str = "wait") -> None:
        self.opened = asyncio.Event()
        self.under_way = 0
        node.transport.serve(method, self._wait)

    async def _wait(self, peer: PeerIdentity, body: memoryview) -> bytes:
        self.under_way += 1
        try:
            await self.opened.wait()
        finally:
            self.under_way -= 1
        return bytes(body)


async def test_answers_do_not_wait_for_one_another() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        gate = Gate(two)
        slow = asyncio.ensure_future(one.call(2, "wait", b"slow"))
        assert await one.call(2, body=b"quick") == b"1:quick"
        assert not slow.done()
        gate.opened.set()
        assert await slow == b"slow"


async def test_large_bodies_pass_both_ways() -> None:
    async with world() as nodes:
        one, _ = await nodes.start(1), await nodes.start(2)
        body = bytes(range(256)) * 32_768
        assert await one.call(2, body=body) == b"1:" + body


async def test_a_handler_that_fails_is_a_fault_of_its_node(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)

        async def fail(peer: PeerIdentity, body: memoryview) -> bytes:
            raise TimeoutError("of the handler's own")

        async def too_much(peer: PeerIdentity, body: memoryview) -> bytes:
            return bytes(FAST.frame_bytes_max)

        two.transport.serve("fail", fail)
        two.transport.serve("too-much", too_much)
        for method in ("fail", "too-much"):
            with pytest.raises(PeerRefused) as refused:
                await one.call(2, method)
            assert refused.value.code is ErrorCode.UNKNOWN_SERVER_ERROR
        assert "please report the trace" in caplog.text
        assert two.transport.counters.handler_failures == 2
        assert await one.call(2) == b"1:"


async def test_a_method_that_nobody_serves() -> None:
    async with world() as nodes:
        one, _ = await nodes.start(1), await nodes.start(2)
        with pytest.raises(PeerRefused, match="'nothing' is not served") as refused:
            await one.call(2, "nothing")
        assert refused.value.code is ErrorCode.UNSUPPORTED_VERSION
        assert refused.value.peer == 2


async def test_a_body_that_no_correct_peer_sends_ends_the_connection() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)

        async def refuse(peer: PeerIdentity, body: memoryview) -> bytes:
            raise PeerFault("a body of nonsense")

        two.transport.serve("strict", refuse)
        with pytest.raises(PeerUnreachable, match="a body of nonsense") as lost:
            await one.call(2, "strict")
        assert lost.value.was_sent
        assert two.transport.counters.faults == 1


async def test_a_message_that_no_correct_peer_sends_ends_the_connection() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)

        def refuse(peer: PeerIdentity, body: memoryview) -> None:
            raise PeerFault("a message of nonsense")

        def fail(peer: PeerIdentity, body: memoryview) -> None:
            raise LookupError

        two.transport.on_message(8, fail)
        two.transport.on_message(9, refuse)
        one.transport.send(BrokerId(2), 8, (b"x",))
        one.transport.send(BrokerId(2), 10, (b"of a later version",))
        one.send(2, b"x")
        await until(lambda: two.received)
        assert two.transport.counters.handler_failures == 1
        assert two.transport.counters.messages_unknown == 1
        one.transport.send(BrokerId(2), 9, (b"x",))
        await until(lambda: one.downs)


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        gate = Gate(two)
        call = asyncio.ensure_future(one.call(2, "wait"))
        await until(lambda: gate.under_way)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.opened.set()
        assert await one.call(2) == b"1:"
        (connection,) = one.transport._connections
        assert not connection._made


async def test_a_cancelled_call_does_not_end_the_dial_of_another() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        for target in (BrokerId(2), two.address):
            calls = [
                asyncio.ensure_future(one.transport.call(target, "echo", b"", timeout_ms=5_000))
                for _ in range(2)
            ]
            await asyncio.sleep(0)
            calls[0].cancel()
            assert await calls[1] == b"1:"


async def test_too_many_calls_are_not_sent() -> None:
    async with world() as nodes:
        one = await nodes.start(1, settings=replace(FAST, calls_max=2))
        two = await nodes.start(2)
        gate = Gate(two)
        calls = [asyncio.ensure_future(one.call(2, "wait")) for _ in range(2)]
        await until(lambda: gate.under_way == 2)
        with pytest.raises(PeerUnreachable, match="2 calls to it are under way") as lost:
            await one.call(2)
        assert not lost.value.was_sent
        gate.opened.set()
        await asyncio.gather(*calls)


async def test_too_many_calls_are_not_served() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        two = await nodes.start(2, settings=replace(FAST, served_calls_max=2))
        gate = Gate(two)
        calls = [asyncio.ensure_future(one.call(2, "wait")) for _ in range(2)]
        await until(lambda: gate.under_way == 2)
        with pytest.raises(PeerRefused) as refused:
            await one.call(2)
        assert refused.value.code is ErrorCode.THROTTLING_QUOTA_EXCEEDED
        gate.opened.set()
        await asyncio.gather(*calls)


async def test_a_lost_connection_fails_its_calls_and_cancels_what_it_serves() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        gate = Gate(two)
        call = asyncio.ensure_future(one.call(2, "wait"))
        await until(lambda: gate.under_way)
        next(iter(one.transport._connections)).abort("pulled out by the test")
        with pytest.raises(PeerUnreachable, match="pulled out") as lost:
            await call
        assert lost.value.was_sent
        await until(lambda: not gate.under_way)


async def test_closing_ends_calls_on_both_sides() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        gates = Gate(one), Gate(two)
        calls = [asyncio.ensure_future(one.call(2, "wait")),
                 asyncio.ensure_future(two.call(1, "wait"))]  # fmt: skip
        await until(lambda: all(gate.under_way for gate in gates))
        await two.transport.close()
        assert not gates[1].under_way
        for call in calls:
            with pytest.raises(PeerUnreachable, match="the node stops"):
                await call
        await until(lambda: not gates[0].under_way)
        assert not two.transport._connections
        with pytest.raises(PeerUnreachable):
            await two.call(1)
        with pytest.raises(PeerUnreachable):
            await two.transport.call(one.address, "echo", b"", timeout_ms=1_000)
        assert not two.send(1, b"x")


async def test_closing_does_not_wait_for_a_dial() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        silent = socket.create_server(("127.0.0.1", 0))  # which accepts nobody
        nodes.addresses[2] = PeerAddress("127.0.0.1", silent.getsockname()[1])
        call = asyncio.ensure_future(one.call(2))
        await until(lambda: len(one.transport._connections))
        await one.transport.close()
        with pytest.raises(PeerUnreachable):
            await call
        silent.close()


async def test_a_peer_that_never_answers_the_greeting() -> None:
    async with world() as nodes:
        one = await nodes.start(1, settings=replace(FAST, dial_ms_max=100))
        reader, writer = await asyncio.open_connection(*one.address)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()
        assert not one.transport._strangers


# --- strangers ------------------------------------------------------------------------------------


async def join(peer: PeerIdentity, body: memoryview) -> bytes:
    return f"{peer.node_id} may join {CLUSTER}".encode()


async def test_a_node_joins() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        one.transport.serve("join", join, before_joining=True)
        two = await nodes.start(2, cluster_id=None)
        visit = two.transport.call(one.address, "join", b"", timeout_ms=5_000)
        assert await visit == f"2 may join {CLUSTER}".encode()
        with pytest.raises(PeerRefused, match="join first") as refused:
            await two.transport.call(one.address, "echo", b"", timeout_ms=5_000)
        assert refused.value.code is ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        with pytest.raises(PeerUnreachable, match="has not joined"):
            await two.call(1)
        assert not one.ups
        two.transport.joined(CLUSTER)
        assert await two.call(1) == b"2:"
        assert await two.transport.call(one.address, "echo", b"", timeout_ms=5_000) == b"2:"
        await until(lambda: (one.ups, two.ups) == ([2], [1]))


async def test_a_member_can_visit_one_that_has_not_joined() -> None:
    async with world() as nodes:
        one = await nodes.start(1, cluster_id=None)
        one.transport.serve("who", join, before_joining=True)
        two = await nodes.start(2)
        assert await two.transport.call(one.address, "who", b"", timeout_ms=5_000)
        with pytest.raises(PeerRefused):
            await two.transport.call(one.address, "echo", b"", timeout_ms=5_000)


async def test_a_visit_ends_when_idle() -> None:
    async with world() as nodes:
        settings = replace(FAST, visit_idle_ms=100)
        one, two = await nodes.start(1), await nodes.start(2, settings=settings)
        for _ in range(2):
            await two.transport.call(one.address, "echo", b"", timeout_ms=5_000)
            await until(lambda: not one.transport._connections | two.transport._connections)
            assert not two.transport._dialer._visits


async def test_a_node_visits_itself() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        for _ in range(2):
            with pytest.raises(PeerUnreachable, match="its own address"):
                await one.transport.call(one.address, "echo", b"", timeout_ms=5_000)


async def test_an_address_where_nobody_is() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        await two.transport.close()
        for _ in range(2):
            with pytest.raises(PeerUnreachable) as lost:
                await one.transport.call(two.address, "echo", b"", timeout_ms=5_000)
            assert not lost.value.was_sent
            assert lost.value.peer == two.address


@pytest.mark.parametrize(
    "data",
    [
        response_head(1, 0),
        encode_error(0, ErrorCode.NONE, ""),
    ],
)
async def test_an_answer_to_no_call_is_a_fault(data: bytes) -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        peer.writer.write(data)
        await peer.read_until_end()
        assert one.transport.counters.faults == 1


async def test_a_stranger_sends_no_messages() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        peer = nodes.by_hand(2, cluster_id="", is_visit=True)
        await peer.dial(one.address)
        peer.writer.write(one_way_head(KIND, 1) + b"x")
        await peer.read_until_end()
        assert not one.received
        assert one.transport.counters.faults == 1


async def test_a_stranger_cannot_make_its_visit_a_link() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        peer = nodes.by_hand(2, cluster_id="", identity=identity(2, 5))
        await peer.dial(one.address)
        await peer.read_until_end()
        assert not one.ups


async def test_an_error_of_a_forwarded_call_passes_through() -> None:
    async with world() as nodes:
        one, two, three = await nodes.start(1), await nodes.start(2), await nodes.start(3)

        async def forward(peer: PeerIdentity, body: memoryview) -> bytes:
            return await two.call(3, "refuse")

        async def refuse(peer: PeerIdentity, body: memoryview) -> bytes:
            raise KafkaFault(ErrorCode.INVALID_CONFIG, "of node 3")

        two.transport.serve("forward", forward)
        three.transport.serve("refuse", refuse)
        with pytest.raises(PeerRefused, match="of node 3"):
            await one.call(2, "forward")


async def test_a_request_by_hand_is_refused_by_name() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        peer.writer.write(request_head(1, 1_000, b"no\nsuch", 0))
        events = await peer.read()
        while not any(isinstance(event, Failure) for event in events):
            events += await peer.read()
        (failure,) = (event for event in events if isinstance(event, Failure))
        assert "'no\\nsuch'" in failure.text
