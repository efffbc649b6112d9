"""One connection a pair: who dials, what replaces what, and what comes after a loss."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sprawl.core.cluster import peer_log
from sprawl.core.cluster.peer_frames import Goaway, Goodbye, encode_frame, encode_ping, one_way_head
from sprawl.core.cluster.transport import PeerAddress, PeerUnreachable
from sprawl.core.ids import BrokerId
from tests.unit.cluster.peers_world import (
    FAST,
    KIND,
    Node,
    directory_of,
    identity,
    until,
    world,
)

NOBODY = PeerAddress("127.0.0.1", 1)


def opened(*nodes: Node) -> list[int]:
    return [node.transport.counters.connections_opened for node in nodes]


async def settled(one: Node, two: Node) -> None:
    """Wait until the pair has one connection, and stays with it."""
    for _ in range(5):
        await until(lambda: one.is_connected(2) and two.is_connected(1))
        await until(lambda: all(len(node.transport._connections) == 1 for node in (one, two)))
        await asyncio.sleep(0.02)


async def test_a_pair_has_one_connection() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        one.send(2, b"x")
        await until(lambda: two.received)
        two.send(1, b"y")
        await two.call(1)
        await settled(one, two)
        assert opened(one, two) == [1, 1]
        assert (one.ups, two.ups) == ([2], [1])


@pytest.mark.parametrize("round_", range(8))
async def test_simultaneous_dials_end_with_one_connection(round_: int) -> None:
    """Without the grace of the larger id, both dial at once; no call may suffer from it."""
    async with world() as nodes:
        settings = replace(FAST, dial_grace_ms=0)
        one = await nodes.start(1, settings=settings)
        two = await nodes.start(2, settings=settings)
        calls = [one.call(2, body=b"%d" % number) for number in range(3)]
        calls += [two.call(1, body=b"%d" % number) for number in range(3)]
        if round_ % 2:
            calls.reverse()
        answers = await asyncio.gather(*calls)
        assert sorted(answers) == sorted(b"%d:%d" % (n, i) for n in (1, 2) for i in range(3))
        await settled(one, two)
        # Once more where another connection was there first.
        assert set(one.ups) == {2}
        assert set(two.ups) == {1}
        assert not one.downs + two.downs
        (stays,) = one.transport._connections
        assert stays.is_dialer


async def test_calls_under_way_survive_a_better_connection() -> None:
    """Node 2 dialed because node 1 did not know where it is; then node 1 dials, too."""
    async with world() as nodes:
        one = await nodes.start(1)
        two = await nodes.start(2, is_registered=False)
        gate = asyncio.Event()

        async def wait(peer: object, body: memoryview) -> bytes:
            await gate.wait()
            return b"done"

        one.transport.serve("wait", wait)
        slow = asyncio.ensure_future(two.call(1, "wait"))
        await until(lambda: one.is_connected(2) and one.transport.counters.calls_served)
        (lesser,) = one.transport._connections
        link = one.transport._link(lesser.peer.node_id)
        link._dial = asyncio.ensure_future(link._run(two.address, 1))
        await until(lambda: link.current is not lesser)
        assert not lesser.is_over
        assert await one.call(2) == b"1:"
        gate.set()
        assert await slow == b"done"
        await until(lambda: lesser.is_over)
        # One-way messages may have been caught in the other connection: their sender hears of it.
        assert (one.ups, two.ups) == ([2, 2], [1, 1])
        assert not one.downs + two.downs


async def test_the_larger_id_dials_when_only_it_knows_an_address() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2, is_registered=False)
        assert not one.send(2, b"x")
        with pytest.raises(PeerUnreachable, match="address is not known") as lost:
            await one.call(2)
        assert not lost.value.was_sent
        assert await two.call(1) == b"2:"
        assert await one.call(2) == b"1:"
        assert opened(one, two) == [1, 1]


async def test_a_lost_connection_is_made_again() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        await one.call(2)
        for times in range(1, 4):
            next(iter(two.transport._connections)).abort("pulled out by the test")
            await until(lambda: len(one.downs) == len(two.downs) == times)  # noqa: B023
            await until(lambda: len(one.ups) == len(two.ups) == times + 1)  # noqa: B023
        assert await one.call(2) == b"1:"


async def test_a_peer_that_comes_up_late_is_found() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        two = await nodes.start(2)
        await two.transport.close()
        assert one.send(2, b"waits for the first attempt")
        await until(lambda: one.transport.counters.dials_failed >= 3)
        assert one.transport.counters.messages_dropped_unconnected == 1
        assert not one.send(2, b"dropped")
        again = Node(nodes.transport(2, incarnation=2))
        nodes.nodes.append(again)
        await again.transport.listen(*two.address)
        await until(lambda: one.is_connected(2))
        assert one.send(2, b"z")
        await until(lambda: again.bodies == [b"z"])


async def test_a_node_that_has_left_is_not_dialed() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        nodes.addresses[2] = NOBODY
        one.send(2, b"x")
        await until(lambda: one.transport.counters.dials_failed)
        del nodes.addresses[2]
        await asyncio.sleep(0.2)
        failed = one.transport.counters.dials_failed
        await asyncio.sleep(0.2)
        assert one.transport.counters.dials_failed == failed


async def test_a_new_start_of_a_peer_replaces_the_old_one_at_once() -> None:
    async with world() as nodes:
        one = await nodes.start(1, settings=replace(FAST, lost_after_ms=60_000))
        old = nodes.by_hand(2)
        await old.dial(one.address)
        await until(lambda: one.is_connected(2))
        again = await nodes.start(2, incarnation=78)
        assert await again.call(1) == b"2:"
        assert (one.ups, one.downs) == ([2, 2], [2])
        await old.read_until_end()


async def test_a_dead_process_replaces_nobody() -> None:
    """Its greeting lies in a socket, but it cannot answer ours."""
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        await one.call(2)
        ghost = nodes.by_hand(2)
        await ghost.greet(one.address)
        await asyncio.sleep(0.1)
        assert await one.call(2) == b"1:"
        assert not one.downs
        await ghost.close()
        assert two.ups == [1]


@pytest.mark.parametrize("facts", [{}, {"identity": identity(2, 76)}], ids=["dial", "start"])
async def test_a_last_word_that_comes_late_replaces_nobody(facts: dict[str, object]) -> None:
    """The dialer gave up while its READY was on the way, and has made another connection since; or
    it died, and its next start has."""
    async with world() as nodes:
        one = await nodes.start(1)
        late = nodes.by_hand(2, dial=1, **facts)
        await late.greet(one.address)
        await late.read()
        now = nodes.by_hand(2, dial=2)
        await now.dial(one.address)
        await until(lambda: one.is_connected(2))
        late.ready()
        assert isinstance((await late.read_until_end())[-1], Goaway)
        assert one.is_connected(2)
        assert not one.downs
        (stays,) = one.transport._connections
        assert stays.peer_dial == 2


async def test_a_dial_that_the_dialer_has_given_up_replaces_nobody() -> None:
    """Node 1 dialed, lost that, and was then dialed by node 2 before its READY came through."""
    async with world() as nodes:
        two = await nodes.start(2)
        late = nodes.by_hand(1, dial=3)
        await late.greet(two.address)
        await late.read()
        one = await nodes.start(1, incarnation=77)
        one.transport._link(BrokerId(2)).last_dial = 3
        await two.call(1)
        late.ready()
        await late.read_until_end()
        assert (two.ups, two.downs) == ([1], [])


async def test_a_silent_peer_is_lost() -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        await until(lambda: one.ups)
        await until(lambda: one.downs)


async def test_an_idle_pair_stays_connected_and_knows_its_round_trip() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        await one.call(2)
        await asyncio.sleep(0.6)
        assert not one.downs + two.downs
        for node, other in ((one, 2), (two, 1)):
            (link,) = node.transport._links
            assert link == other
            round_trip_ms = node.transport.round_trip_ms(link)
            assert round_trip_ms is not None
            assert 0 <= round_trip_ms < 400  # uvloop counts whole milliseconds


async def test_a_peer_that_does_not_read_costs_its_own_messages() -> None:
    async with world() as nodes:
        bound = 1 << 20
        settings = replace(FAST, send_queue_bytes_max=bound, lost_after_ms=60_000)
        one, three = await nodes.start(1, settings=settings), await nodes.start(3)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        await until(lambda: one.ups)
        body = bytes(65_536)
        taken = 0
        while one.send(2, body):
            taken += 1
            await asyncio.sleep(0)
            assert taken < 1_000
        assert one.transport.counters.messages_dropped_full == 1
        (connection,) = one.transport._connections
        assert connection._outbox.unsent_bytes < bound + 2 * len(body)
        assert one.send(3, b"y")
        await until(lambda: three.received)
        received = 0
        while received < taken:
            received += sum(event[0] == KIND for event in await peer.read())
        assert one.send(2, body)


async def test_a_peer_that_takes_nothing_is_lost_though_it_speaks() -> None:
    async with world() as nodes:
        settings = replace(FAST, send_queue_bytes_max=1 << 20)
        one = await nodes.start(1, settings=settings)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        await until(lambda: one.ups)
        while one.send(2, bytes(65_536)):
            await asyncio.sleep(0)
        while not one.downs:
            peer.writer.write(encode_ping(1))
            one.send(2, bytes(65_536))  # the system may have found room for what there was
            await asyncio.sleep(0.02)


async def test_one_message_larger_than_the_queue_fits_an_empty_one() -> None:
    async with world() as nodes:
        settings = replace(FAST, send_queue_bytes_max=1_000)
        one, two = await nodes.start(1, settings=settings), await nodes.start(2)
        assert one.send(2, bytes(8 << 20))
        assert not one.send(2, b"x" * 1_000)
        await until(lambda: two.received)
        with pytest.raises(ValueError, match="larger than"):
            one.send(2, bytes(FAST.frame_bytes_max))


async def test_a_malformed_frame_ends_that_connection_with_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as nodes:
        one, three = await nodes.start(1), await nodes.start(3)
        await one.call(3)
        peer = nodes.by_hand(2)
        await peer.dial(one.address)
        peer.writer.write(one_way_head(KIND, 1) + b"x" + encode_frame(99, b"") + b"more")  # type: ignore[arg-type]
        last = (await peer.read_until_end())[-1]
        assert isinstance(last, Goaway)
        assert last.why is Goodbye.FAULT
        assert one.bodies == [b"x"]
        assert len([line for line in caplog.messages if "frame of type 99" in line]) == 1
        assert await three.call(1) == b"3:"


async def test_who_was_removed_is_disconnected() -> None:
    async with world() as nodes:
        one, two = await nodes.start(1), await nodes.start(2)
        await one.call(2)
        (node,) = one.transport._links
        nodes.addresses.clear()
        one.transport.disconnect(node, "removed from the cluster")
        assert not one.is_connected(2)
        await until(lambda: two.downs)


async def test_a_node_that_is_away_for_a_moment_is_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world() as nodes:
        one = await nodes.start(1)
        nodes.addresses[2] = PeerAddress("127.0.0.1", 1)
        with pytest.raises(PeerUnreachable):
            await one.call(2)
        await until(lambda: one.transport.counters.dials_failed >= 2)
        assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70, "127.0.0.1"])
async def test_an_address_that_leads_nowhere(
    host: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_log, "LASTING_MS", 0)
    async with world() as nodes:
        one = await nodes.start(1)
        nodes.addresses[2] = PeerAddress(host, 1)
        with pytest.raises(PeerUnreachable) as lost:
            await one.call(2)
        assert not lost.value.was_sent
        await until(lambda: one.transport.counters.dials_failed >= 2)
        lines = [line for line in caplog.messages if "cannot connect to node 2" in line]
        assert len(lines) == 1
        assert "; next: " in lines[0]


async def test_a_pair_that_disagrees_on_the_cluster(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as nodes:
        one, _ = await nodes.start(1), await nodes.start(2, cluster_id="another")
        with pytest.raises(PeerUnreachable, match="belongs to cluster") as lost:
            await one.call(2)
        assert not lost.value.was_sent
        await until(lambda: one.transport.counters.dials_failed >= 3)
        lines = [line for line in caplog.messages if "belongs to cluster" in line]
        assert len(lines) == 2, "each side says it once"


async def test_a_node_that_lost_its_disk_is_not_its_former_self() -> None:
    async with world() as nodes:
        one, _ = await nodes.start(1), await nodes.start(2)
        nodes.directories[2] = directory_of(5)
        with pytest.raises(PeerUnreachable, match="data directory"):
            await one.call(2)
