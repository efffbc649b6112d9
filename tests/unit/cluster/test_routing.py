"""Finding leaders that this node is not told of: in which order, how often, how many at once."""

from __future__ import annotations

import asyncio

import pytest
from overlay_world import OverlayNode, OverlayWorld

from sprawl.core.cluster import routing as module
from sprawl.core.cluster.routing import ROUTE_FRESH_MS, ROUTE_MISSED_MS
from sprawl.core.controller.topics import TopicInfo
from sprawl.core.errors import PeerFault
from sprawl.core.ids import LogKey, ReplicaId


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """All nodes share one processor here, which may be busy."""
    monkeypatch.setattr(module, "ROUTE_SEARCH_MS", 60_000)
    monkeypatch.setattr(module, "DHT_SEARCH_MS", 60_000)


async def find(node: OverlayNode, topic: TopicInfo) -> bool:
    """Search for all leaders of a topic; whether there was anything to do."""
    search = node.routing.search([(topic, topic.partitions)])
    if search is not None:
        await search
    return search is not None


def leader(node: OverlayNode, topic: TopicInfo, index: int = 0) -> int | None:
    hint = node.hints.get(LogKey(topic.id, index))
    return None if hint is None else hint.leader


async def led_elsewhere(world: OverlayWorld) -> tuple[TopicInfo, OverlayNode]:
    """A partition that node 1 leads, and a node that nobody tells of it."""
    topic = world.topic(1)
    world.lead(topic, 0, leader=1)
    await world.settle()
    return topic, world.outsider(topic, 0)


def forget_records(world: OverlayWorld) -> None:
    for node in world.nodes.values():
        node.overlay.dht.records._held.clear()


async def test_what_is_not_told_is_found_in_the_dht_and_good_for_a_while() -> None:
    with OverlayWorld(20) as world:
        topic, node = await led_elsewhere(world)
        assert await find(node, topic)
        assert leader(node, topic) == 1
        assert node.routing.counters.found_by_dht == 1
        assert node.questions == []
        world.clock.advance(ROUTE_FRESH_MS - 1)
        assert not await find(node, topic)
        world.lead(topic, 0, leader=2, term=2)
        await world.settle()
        assert leader(node, topic) == 1, "nobody tells it"
        world.clock.advance(1)
        assert await find(node, topic)
        assert leader(node, topic) == 2


async def test_who_is_told_that_a_node_does_not_lead_looks_again() -> None:
    with OverlayWorld(20) as world:
        topic, node = await led_elsewhere(world)
        await find(node, topic)
        assert not await find(node, topic)
        node.routing.doubt(LogKey(topic.id, 0))
        assert await find(node, topic)


async def test_a_thousand_partitions_are_found_in_one_step() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1_000)
        for index in range(1_000):
            world.lead(topic, index, leader=topic.replicas[index][0])
        await world.settle(3_000)
        node = world.nodes[1]
        before = len(node.frames)
        assert await find(node, topic)
        assert [leader(node, topic, index) for index in range(1_000)] == [
            topic.replicas[index][0] for index in range(1_000)
        ]
        counters = node.routing.counters
        assert counters.sought == counters.found_by_dht > 400
        assert node.questions == []
        # A question and, for some, a second one; and the record for who lacked it.
        assert len(node.frames) - before <= 3 * 19
        assert not await find(node, topic)


async def test_without_records_replicas_are_asked_once_each() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1_000)
        for index in range(1_000):
            world.lead(topic, index, leader=topic.replicas[index][2])
        await world.settle(3_000)
        forget_records(world)
        node = world.nodes[1]
        assert await find(node, topic)
        assert all(leader(node, topic, index) == topic.replicas[index][2] for index in range(1_000))
        assert node.routing.counters.found_by_replica > 400
        # Each node once for its partitions, and once more for those it was named the leader of.
        assert len(node.questions) <= 2 * 19


async def test_a_leader_that_died_is_found_through_a_replica() -> None:
    with OverlayWorld(20) as world:
        topic, node = await led_elsewhere(world)
        await find(node, topic)
        world.dead = {1}
        for each in world.nodes.values():
            each.overlay.peer_lost(each.book.nodes[0].node_id)
        world.elect(topic, 0, leader=2, term=2)  # and has told nobody yet
        world.clock.advance(ROUTE_MISSED_MS)
        assert await find(node, topic)
        assert leader(node, topic) == 2
        assert node.routing.counters.found_by_replica == 1


async def test_replicas_that_moved_are_heard_of_from_the_controller() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1)
        node = world.outsider(topic, 0)
        elsewhere = tuple(
            ReplicaId(each) for each in world.nodes if each not in (*topic.replicas[0], node.number)
        )[-3:]
        moved = TopicInfo(
            name=topic.name,
            id=topic.id,
            replicas=(elsewhere,),
            founding=topic.founding,
            configs={},
        )
        node.controller.news[topic.id] = moved
        world.lead(moved, 0, leader=elsewhere[0])
        await world.settle()
        forget_records(world)
        await find(node, topic)
        assert leader(node, topic) == elsewhere[0]
        assert node.routing.counters.found_after_controller == 1


async def test_what_is_not_found_is_looked_for_again_a_little_later() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1)
        node = world.outsider(topic, 0)
        node.controller.is_away = True
        assert await find(node, topic)
        assert leader(node, topic) is None
        assert node.routing.counters.not_found == 1
        assert not await find(node, topic), "clients that ask at once hear the same"
        world.lead(topic, 0, leader=1)
        await world.settle()
        world.clock.advance(ROUTE_MISSED_MS)
        assert await find(node, topic)
        assert leader(node, topic) == 1


async def test_searches_end_within_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUTE_SEARCH_MS", 500)
    monkeypatch.setattr(module, "DHT_SEARCH_MS", 1)
    with OverlayWorld(20) as world:
        topic = world.topic(1)
        node = world.outsider(topic, 0)
        # Nobody answers, and this node has not noticed.
        world.deliver = lambda *_: None  # type: ignore[method-assign]
        asked = asyncio.Event()

        async def silent(*_: object, **__: object) -> bytes:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        node.call = silent  # type: ignore[method-assign, assignment]
        async with asyncio.timeout(10):
            assert await find(node, topic)
        assert asked.is_set()
        assert node.routing.counters.not_found == 1


async def test_a_client_that_goes_ends_no_search_of_others() -> None:
    with OverlayWorld(20) as world:
        topic, node = await led_elsewhere(world)
        one = asyncio.ensure_future(find(node, topic))
        other = asyncio.ensure_future(find(node, topic))
        await asyncio.sleep(0)
        one.cancel()
        assert await other
        assert node.routing.counters.sought == 1
        assert leader(node, topic) == 1


async def test_no_more_is_sought_at_once_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROUTES_SOUGHT_MAX", 10)
    with OverlayWorld(20) as world:
        topic = world.topic(40)
        node = world.nodes[1]
        assert await find(node, topic)
        assert node.routing.counters.sought == 10
        assert node.routing.counters.refused_full > 0


async def test_a_partition_of_one_replica_is_never_looked_up() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(4)
        alone = TopicInfo(
            name=topic.name,
            id=topic.id,
            replicas=tuple(each[:1] for each in topic.replicas),
            founding=topic.founding,
            configs={},
        )
        assert not await find(world.nodes[20], alone)


async def test_who_cannot_wait_is_told_what_is_not_known_yet() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1)
        node = world.outsider(topic, 0)
        assert node.routing.search_behind([(topic, 0)]) == 1
        await find(node, topic)
        world.clock.advance(ROUTE_MISSED_MS)
        assert node.routing.search_behind([(topic, 0)]) == 0, "it is known to have no leader"
        world.lead(topic, 0, leader=1)
        await find(node, topic)
        assert node.routing.search_behind([(topic, 0)]) == 0


async def test_a_replica_answers_by_its_group_and_only_for_itself() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1)
        key = LogKey(topic.id, 0)
        world.lead(topic, 0, leader=1)
        await world.settle()
        follower = world.nodes[2]
        assert (word := follower.routing.own_word(key)) is not None
        assert (word.leader, word.term) == (1, 1)
        follower.groups.leaders[key] = (3, 7)
        assert (word := follower.routing.own_word(key)) is not None
        assert (word.leader, word.term, word.in_sync) == (3, 7, (3,))
        assert world.nodes[9].routing.own_word(key) is None


async def test_what_is_no_question_is_a_fault_of_the_peer() -> None:
    with OverlayWorld(2) as world:
        for body in (b"short", bytes(20 * 1_025)):
            with pytest.raises(PeerFault):
                await world.nodes[1].routing.answer(None, memoryview(body))  # type: ignore[arg-type]
