"""The node's part in the DHT: what is told to whom, in how few messages, and who is believed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Authority
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from data_world import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from overlay_world import OverlayWorld, identity_of, info_of

from sprawl.core.cluster import overlay as module
from sprawl.core.cluster.hints import LeaderHint
from sprawl.core.cluster.overlay import batches, parse_batch
from sprawl.core.cluster.overlay_identity import CertificatePlaces, Members
from sprawl.core.dht.ids import NodeId
from sprawl.core.dht.messages import Ping, Store, StoreResult
from sprawl.core.dht.records import Record, make_record, parse_record
from sprawl.core.dht.settings import Unsigned
from sprawl.core.dht.wire import encode
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term
from sprawl.core.limits import DHT_BATCH_BYTES_MAX, DHT_BATCH_MESSAGES_MAX
from sprawl.core.raft.configuration import Configuration


async def test_among_eight_nodes_all_are_told_at_once_and_nobody_has_to_look() -> None:
    with OverlayWorld(8) as world:
        topic = world.topic(3)
        for index in range(3):
            world.lead(topic, index, leader=index + 1)
        # One turn to send, one to arrive, as a message of its own would take.
        await world.settle(turns=3)
        for node in world.nodes.values():
            found = [node.hints.get(LogKey(topic.id, index)) for index in range(3)]
            assert [each and each.leader for each in found] == [1, 2, 3]
            assert node.routing.search([(topic, topic.partitions)]) is None


async def test_the_nearest_nodes_and_the_replicas_are_told_and_no_others() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(40)
        for index in range(40):
            world.lead(topic, index, leader=topic.replicas[index][0])
        await world.settle()
        for index in range(40):
            key = LogKey(topic.id, index)
            told = {n for n, node in world.nodes.items() if node.hints.get(key) is not None}
            settled = {n for n, node in world.nodes.items() if node.overlay.is_settled(key)}
            assert len(settled) == 8
            assert told == settled | set(topic.replicas[index])


async def test_a_thousand_partitions_are_published_in_few_messages() -> None:
    with OverlayWorld(20) as world:
        topic = world.topic(1_000)
        for index in range(1_000):
            if 1 in topic.replicas[index]:
                world.lead(topic, index, leader=1)
        leader = world.nodes[1]
        count = leader.overlay.dht.published_count
        assert count == 150
        more = [world.topic(1_000, number) for number in range(2, 8)]
        for each in more:
            for index in range(1_000):
                if 1 in each.replicas[index]:
                    world.lead(each, index, leader=1)
        await world.settle(2_000)
        assert leader.overlay.dht.published_count == 7 * 150
        assert leader.overlay.counters.publications == 7 * 150
        assert leader.overlay.counters.publications_incomplete == 0
        to_one = [sum(to == number for to, _, _ in leader.frames) for number in range(2, 21)]
        assert max(to_one) <= 7 * 150 / 64 * 2


async def test_a_node_that_comes_is_told_what_it_should_hold() -> None:
    with OverlayWorld(12) as world:
        topic = world.topic(36)
        world.dead = {12}
        for number in range(1, 12):
            world.nodes[number].overlay.peer_lost(BrokerId(12))
        for index in range(36):
            alive = [each for each in topic.replicas[index] if each != 12]
            world.lead(topic, index, leader=alive[0])
        await world.settle()
        assert len(world.nodes[12].overlay.dht.records) == 0
        world.dead = set()
        for number in range(1, 12):
            world.nodes[number].overlay.peer_found(BrokerId(12))
        for _ in range(100):
            await asyncio.sleep(0.001)
        late = world.nodes[12]
        for index in range(36):
            key = LogKey(topic.id, index)
            should = late.overlay.is_settled(key) or 12 in topic.replicas[index]
            assert (late.hints.get(key) is not None) is should


async def test_what_finds_no_room_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_AGAIN_S", 0.0)
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        world.nodes[1].is_full = True
        world.lead(topic, 0, leader=1)
        await world.settle(3)
        assert world.nodes[2].hints.get(LogKey(topic.id, 0)) is None
        world.nodes[1].is_full = False
        async with asyncio.timeout(10):
            while world.nodes[2].hints.get(LogKey(topic.id, 0)) is None:
                await asyncio.sleep(0.001)


async def test_a_follower_that_comes_or_goes_is_news_within_the_term() -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        key = LogKey(topic.id, 0)
        less = LeaderHint(Term(1), 2, ReplicaId(1), (ReplicaId(1), ReplicaId(2)))
        configuration = Configuration.of(topic.replicas[0])
        world.nodes[1].overlay.lead(key, less, configuration, LogIndex(1))
        await world.settle(5)
        for node in world.nodes.values():
            found = node.hints.get(key)
            assert found is not None
            assert found.in_sync == (1, 2)


async def test_a_leader_whose_clock_is_wrong_is_heard_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(2)
        key = LogKey(topic.id, 0)
        late = FakeClock(wall_ms=world.clock.wall_ms - 86_400_000)
        world.nodes[2].overlay._clock = late
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        node = world.nodes[2]
        assert (hint := node.hints.get(key)) is not None
        assert hint.leader == 1
        assert len(node.overlay.dht.records) == 0
        assert node.overlay.refused(StoreResult.EARLY) == 1
        assert "next: set the clocks of both nodes" in caplog.text
        # Another one cannot bring it: it might be old.
        record = record_held(world, 3, key)
        node.hints.forget([key])
        give(world, 3, 2, record)
        assert node.hints.get(key) is None


async def test_a_node_that_did_not_answer_is_told_again() -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        deliver = world.deliver
        world.deliver = lambda *_: None  # type: ignore[method-assign]
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        world.deliver = deliver  # type: ignore[method-assign]
        leader = world.nodes[1].overlay
        for _ in range(3):
            world.clock.advance(2_000)
            leader._do(leader.dht.tick(leader._now()))
            await world.settle(5)
        assert leader.counters.publications_incomplete == 1
        assert all(node.hints.get(LogKey(topic.id, 0)) for node in world.nodes.values())


async def test_who_was_connected_before_it_was_known_is_told_then() -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        leader = world.nodes[1]
        leader.book.update([info_of(1), info_of(2)], ReplicaId(4))
        leader.overlay.members_changed()
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        assert world.nodes[3].hints.get(LogKey(topic.id, 0)) is None
        leader.book.update(world.infos, ReplicaId(4))
        leader.overlay.members_changed()
        async with asyncio.timeout(10):
            while world.nodes[3].hints.get(LogKey(topic.id, 0)) is None:
                await asyncio.sleep(0.001)


# --- who is believed ----------------------------------------------------------------------------


def record_held(world: OverlayWorld, number: int, key: LogKey) -> Record:
    overlay = world.nodes[number].overlay
    found = [
        held.record
        for held in overlay.dht.records._held.values()
        if held.record.claim.log_key == key
    ]
    return found[0]


def give(world: OverlayWorld, sender: int, to: int, record: Record) -> None:
    """Store a record with a node."""
    kind, receive = next(iter(world.nodes[to].receivers.items()))
    assert kind == module._MESSAGES
    [frame] = batches([encode(Store(7, record))])
    receive(identity_of(sender), memoryview(frame))


def lie(node: BrokerId, about: Record, credential: bytes) -> Record:
    """What a node would publish if it led what another one leads, in a later term."""
    return make_record(
        about.claim._replace(term=Term(9)),
        sequence=1,
        node=node,
        expires_ms=about.expires_ms,
        cluster_id="cluster",
        credential=credential,
        signer=Unsigned(),
    )


async def test_what_is_forged_stale_or_replayed_is_refused_and_counted() -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        key = LogKey(topic.id, 0)
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        old = record_held(world, 3, key)
        world.lead(topic, 0, leader=2, term=2)
        await world.settle(5)
        node = world.nodes[3]
        new = record_held(world, 3, key)
        assert new.node == 2

        give(world, 1, 3, old)
        assert node.overlay.refused(StoreResult.STALE) == 1
        give(world, 1, 3, new)
        assert node.overlay.refused(StoreResult.HELD) == 1
        # Node 1 says in the name of node 2 what node 2 never said.
        give(world, 1, 3, lie(BrokerId(2), new, old.credential))
        assert node.overlay.refused(StoreResult.FORGED) == 1
        # And in its own name that a replica of node 2 is its own.
        give(world, 1, 3, lie(BrokerId(1), new, old.credential))
        assert node.overlay.counters.records_misplaced == 1
        found = node.hints.get(key)
        assert found is not None
        assert (found.term, found.leader) == (2, 2)


async def test_with_certificates_a_record_is_believed_by_its_signature(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    tls = {number: authority.node(number) for number in (1, 2, 3)}

    class Shown:
        """A transport of which only the certificates matter."""

        def __init__(self, number: int) -> None:
            self.tls = tls[number]

        def certificate(self, node: BrokerId) -> bytes:
            pem = (tmp_path / f"node-{node}.crt").read_bytes()
            return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)

    def places(number: int) -> CertificatePlaces:
        return CertificatePlaces(Shown(number))  # type: ignore[arg-type]

    with OverlayWorld(3, places) as world:
        ids = [world.nodes[number].overlay.ids for number in (1, 2, 3)]
        assert ids[0] == ids[1] == ids[2]
        topic = world.topic(1)
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        key = LogKey(topic.id, 0)
        assert all(node.hints.get(key) is not None for node in world.nodes.values())
        record = record_held(world, 3, key)
        assert record.signature
        body = bytearray(record.encoded)
        body[24] += 1  # the lowest byte of its term
        give(world, 1, 3, parse_record(bytes(body)))
        assert world.nodes[3].overlay.refused(StoreResult.FORGED) == 1


def test_a_member_speaks_for_itself_only() -> None:
    members = Members(Unsigned())
    members.learn(BrokerId(1), NodeId(5))
    assert members.is_at(NodeId(5), BrokerId(1))
    assert not members.is_at(NodeId(5), BrokerId(2))
    members.learn(BrokerId(1), NodeId(6))
    assert not members.is_member(NodeId(5))
    members.forget(BrokerId(1))
    assert not members.is_member(NodeId(6))


async def test_a_node_that_is_removed_is_not_believed_any_more() -> None:
    with OverlayWorld(3) as world:
        topic = world.topic(1)
        world.lead(topic, 0, leader=1)
        await world.settle(5)
        record = record_held(world, 3, LogKey(topic.id, 0))
        node = world.nodes[3]
        node.book.update([info_of(2), info_of(3)], ReplicaId(4))
        node.overlay.members_changed()
        assert len(node.overlay.dht.records) == 0
        give(world, 2, 3, record)
        assert node.overlay.refused(StoreResult.FORGED) == 1


# --- frames -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_batches_carry_messages_in_their_order(numbers: list[int]) -> None:
    frames = batches([encode(Ping(number)) for number in numbers])
    assert [each for frame in frames for each in parse_batch(frame)] == list(map(Ping, numbers))


def test_batches_are_bounded() -> None:
    small = batches([encode(Ping(0))] * (DHT_BATCH_MESSAGES_MAX + 1))
    assert [len(parse_batch(each)) for each in small] == [DHT_BATCH_MESSAGES_MAX, 1]
    large = batches([bytes(20_000)] * 40)
    assert max(map(len, large)) <= DHT_BATCH_BYTES_MAX + 1
    with pytest.raises(PeerFault):
        parse_batch(b"".join([small[0], small[1][1:]]))


@given(st.binary(max_size=200))
def test_frames_from_strangers_are_parsed_or_refused(data: bytes) -> None:
    with suppress(PeerFault):
        parse_batch(data)
    with suppress(PeerFault):
        parse_batch(b"\x01" + data)


def test_two_nodes_with_one_key_are_forgotten_one_by_one() -> None:
    members = Members(Unsigned())
    place = NodeId(5)
    for node in (BrokerId(1), BrokerId(2)):
        members.learn(node, place)
    members.forget(BrokerId(1))
    assert members.is_at(place, BrokerId(2))
    members.forget(BrokerId(2))
    assert not members.is_member(place)
    assert members.ids == {}
