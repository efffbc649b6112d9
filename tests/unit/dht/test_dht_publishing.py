"""Leaders publish, others look up: over a network of nodes."""

from __future__ import annotations

from random import Random

import pytest
from overlay.network import Liar, Network, claim_of, key_of_partition, partition

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.effects import AlarmKind, Send
from sprawl.core.dht.messages import FindValue, Found, Message, Store, StoreResult
from sprawl.core.dht.records import Record, parse_record
from sprawl.core.dht.settings import DhtSettings

SETTINGS = DhtSettings()
PARTITION = 3
KEY = key_of_partition(PARTITION)


def network(count: int = 100, **options: bool | float) -> Network:
    net = Network(SETTINGS, 1, **options)  # type: ignore[arg-type]
    net.add(count)
    net.fill_tables()
    return net


def publish(net: Network, leader: int, term: int = 1, number: int = PARTITION) -> None:
    net.do(leader, net.nodes[leader].store(claim_of(number, leader, term), net.now))
    net.run()


def holders(net: Network) -> dict[int, Record]:
    held = {n: node.records.get(KEY, net.now) for n, node in enumerate(net.nodes)}
    return {number: record for number, record in held.items() if record is not None}


def test_a_record_is_stored_on_the_eight_closest_and_found_by_all() -> None:
    net = network(has_codec=True)
    publish(net, leader=7)
    (done,) = net.stores
    assert (done.stored, done.asked, done.log_key) == (8, 8, partition(PARTITION))
    nearest = net.true_closest(KEY, 8)
    assert sorted(net.contacts[number].id for number in holders(net)) == sorted(nearest)
    for number in range(0, 100, 7):
        found = net.lookup(number, KEY).record
        assert found is not None
        assert (found.node, found.claim) == (7, claim_of(PARTITION, 7))


def test_a_new_leader_is_known_at_once() -> None:
    net = network()
    publish(net, leader=7, term=1)
    publish(net, leader=8, term=2)
    assert {record.node for record in holders(net).values()} == {8}


def test_one_fresh_record_wins_over_any_number_of_stale_ones() -> None:
    # PyPI's kademlia returns the value that most nodes gave.
    net = network()
    publish(net, leader=7, term=1)
    fresh = net.nodes[9].table.own_id
    signed_by_9 = _record(net, leader=9, term=2)
    (keeper, *_) = holders(net)
    net.nodes[keeper].records.put(signed_by_9, net.now)
    found = net.lookup(50, KEY).record
    assert found is not None
    assert (found.claim.term, found.publisher) == (2, fresh)


def test_what_a_node_holds_itself_counts_in_its_lookups() -> None:
    net = network()
    publish(net, leader=7, term=1)
    newer = _record(net, leader=9, term=2)
    net.nodes[50].records.put(newer, net.now)
    assert net.lookup(50, KEY).record == newer


def test_a_lookup_gives_the_record_to_holders_that_lacked_it() -> None:
    net = network()
    publish(net, leader=7, term=1)
    newer = _record(net, leader=9, term=2)
    (keeper, *_) = holders(net)
    net.nodes[keeper].records.put(newer, net.now)
    net.lookup(50, KEY)
    net.run()
    assert {record.node for record in holders(net).values()} == {9}
    assert len(holders(net)) >= 8


def _record(net: Network, leader: int, term: int) -> Record:
    """What this leader would publish, caught on its way."""
    node = net.nodes[leader]
    effects = node.store(claim_of(PARTITION, leader, term), net.now)
    while True:
        stores = [each.message for each in effects if isinstance(each, Send)]
        found = next((each.record for each in stores if isinstance(each, Store)), None)
        if found is not None:
            node.withdraw(partition(PARTITION))
            return found
        effects = [
            effect
            for each in effects
            if isinstance(each, Send)
            for answer in net.nodes[each.to.node].receive(
                each.message, net.contacts[leader], net.now
            )
            if isinstance(answer, Send)
            for effect in node.receive(answer.message, each.to, net.now)
        ]


def test_records_live_on_while_their_leader_says_so_and_no_longer() -> None:
    net = network(60)
    net.start_clocks()
    publish_at = net.now_ms
    net.do(7, net.nodes[7].store(claim_of(PARTITION, 7), net.now))
    net.run(until_ms=publish_at + 2 * SETTINGS.ttl_ms)
    assert len(holders(net)) == 8
    sequences = {record.sequence for record in holders(net).values()}
    assert sequences <= set(range(5, 9)), "six turns of about ten minutes"
    net.nodes[7].withdraw(partition(PARTITION))
    net.run(until_ms=net.now_ms + SETTINGS.ttl_ms + SETTINGS.maintenance_ms + 1)
    assert holders(net) == {}
    assert net.alarms == []


def test_nodes_that_join_near_a_key_hold_it_after_the_next_turn() -> None:
    net = network(60)
    net.start_clocks()
    net.do(7, net.nodes[7].store(claim_of(PARTITION, 7), net.now))
    net.run(until_ms=1_000)
    for number in net.add(60):
        net.nodes[number].table.add(net.contacts[number % 60])
        net.do(number, net.nodes[number].join(net.now))
    net.run(until_ms=1_000 + SETTINGS.republish_ms * 3 // 2)
    nearest = set(net.true_closest(KEY, 8))
    assert nearest <= {net.contacts[number].id for number in holders(net)}


def test_publications_are_jittered() -> None:
    net = network(10)
    node = net.nodes[0]
    for number in range(32):
        net.do(0, node.store(claim_of(number, 0), net.now))
    net.run()
    net.start_clocks()
    net.run(until_ms=SETTINGS.republish_ms)
    republished = len(net.stores) - 32
    assert 0 < republished < 32


def test_a_leader_that_changes_often_is_published_as_it_is_at_last() -> None:
    net = network()
    node = net.nodes[7]
    for term in range(1, 200):
        net.do(7, node.store(claim_of(PARTITION, 7, term), net.now))
    net.run()
    assert [done.record.claim.term for done in net.stores] == [199]
    publish(net, leader=7, number=PARTITION + 1)
    assert len(net.stores) == 2, "nothing is counted as under way any more"


def test_two_leaders_of_one_term_raise_an_alarm() -> None:
    net = network()
    publish(net, leader=7, term=4)
    publish(net, leader=8, term=4)
    assert {alarm.kind for alarm in net.alarms} == {AlarmKind.TWO_LEADERS}
    one = net.alarms[0]
    assert one.other is not None
    assert {one.record.node, one.other.node} == {7, 8}
    assert len({record.encoded for record in holders(net).values()}) == 1


def test_a_deposed_leader_hears_that_it_is_superseded() -> None:
    net = network()
    publish(net, leader=8, term=5)
    publish(net, leader=7, term=4)
    assert [(alarm.kind, alarm.record.node) for alarm in net.alarms] == [(AlarmKind.SUPERSEDED, 7)]
    assert {record.node for record in holders(net).values()} == {8}


def test_forged_stale_and_misplaced_records_in_answers_are_not_believed() -> None:
    net = network()
    publish(net, leader=7, term=2)
    true = next(iter(holders(net).values()))
    other = _record_of_other_key(net)
    stale = _record(net, leader=9, term=1)
    data = bytearray(true.encoded)
    data[24] = 9  # the lowest byte of its term
    forged = parse_record(bytes(data))
    assert forged.claim.term == 9
    lies = iter([forged, other, stale] * 3)

    class Lying(Liar):
        def lie(
            self, net: Network, number: int, message: Message, sender: Contact
        ) -> list[Send] | None:
            if not isinstance(message, FindValue):
                return None
            return [Send(sender, Found(message.request_id, (), next(lies)))]

    for number in list(holders(net))[:6]:
        net.liars[number] = Lying()
    asker = next(number for number in range(100) if number not in holders(net))
    found = net.lookup(asker, KEY).record
    assert found == true
    refused = net.nodes[asker].refused
    assert refused[StoreResult.FORGED] >= 2
    assert refused[StoreResult.STORED] == refused[StoreResult.HELD] == 0


def _record_of_other_key(net: Network) -> Record:
    publish(net, leader=9, term=9, number=PARTITION + 1)
    key = key_of_partition(PARTITION + 1)
    return next(each for node in net.nodes if (each := node.records.get(key, net.now)))


def test_answers_that_nobody_asked_for_are_counted_and_dropped() -> None:
    net = network()
    node = net.nodes[0]
    (first, *_) = [each for each in node.lookup(KEY, net.now) if isinstance(each, Send)]
    request_id = first.message.request_id
    stranger = next(each for each in net.contacts if each.id != first.to.id)
    node.receive(Found(request_id, (stranger,), None), stranger, net.now)
    node.receive(Found(request_id + 1_000, (), None), first.to, net.now)
    assert node.unasked_count == 2


def test_a_single_node_publishes_to_itself_however_many_partitions() -> None:
    net = network(1)
    node = net.nodes[0]
    node.seed([])
    for number in range(3_000):
        net.do(0, node.store(claim_of(number, 0), net.now))
    net.run()
    assert [(done.stored, done.asked) for done in net.stores] == [(1, 1)] * 3_000


def test_a_node_that_comes_to_lead_much_publishes_all_of_it() -> None:
    net = Network(SETTINGS, 2)
    for number in net.add(30):
        net.nodes[number].seed(net.contacts)
    for number in range(500):
        net.do(4, net.nodes[4].store(claim_of(number, 4), net.now))
    net.run()
    assert len(net.stores) == 500
    assert all(done.stored == 8 for done in net.stores)


@pytest.mark.parametrize("dead", [0.1, 0.3])
def test_records_survive_the_sudden_death_of_many_nodes(dead: float) -> None:
    net = network(300)
    for number in range(40):
        publish(net, leader=number, number=number)
    alive = net.kill(dead)
    rng = Random(3)
    for number in range(40):
        found = net.lookup(rng.choice(alive), key_of_partition(number)).record
        assert found is not None
        assert found.node == number


def test_three_nodes_hold_every_record_and_find_it_in_one_round_trip() -> None:
    net = Network(SETTINGS, 3, has_codec=True)
    for number in net.add(3):
        net.nodes[number].seed(net.contacts)
    publish(net, leader=0)
    assert [(done.stored, done.asked) for done in net.stores] == [(3, 3)]
    net.is_dead[0] = True
    done = net.lookup(2, KEY)
    assert done.record is not None
    assert done.record.node == 0
    assert (done.hops, done.requests) == (1, 2)
