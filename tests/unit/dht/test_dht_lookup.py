"""Lookups over a network of nodes: what they find, against looking at all ids."""

from __future__ import annotations

from random import Random

import pytest
from overlay.network import Network, claim_of

from sprawl.core.dht.contacts import Contact, Locality
from sprawl.core.dht.ids import Key, NodeId
from sprawl.core.dht.lookup import Lookup
from sprawl.core.dht.records import make_record
from sprawl.core.dht.settings import DhtSettings, Unsigned
from sprawl.core.ids import BrokerId


def network(count: int, seed: int = 1, **settings: int) -> Network:
    found = Network(DhtSettings(**settings), seed)
    found.add(count)
    found.fill_tables()
    return found


@pytest.mark.parametrize("dead", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("paths", [1, 3])
def test_a_lookup_finds_the_closest_living_nodes(dead: float, paths: int) -> None:
    net = network(300, disjoint_paths=paths)
    alive = net.kill(dead)
    rng = Random(2)
    for _ in range(30):
        asker = rng.choice(alive)
        target = Key(rng.getrandbits(256))
        found = [each.id for each in net.find_nodes(asker, target).closest]
        others = [each for each in net.true_closest(target, 9) if each != net.contacts[asker].id]
        assert found == others[:8]


def test_codec_and_loss_change_nothing_about_the_result() -> None:
    net = Network(DhtSettings(), 3, has_codec=True, loss=0.05)
    net.add(100)
    net.fill_tables()
    target = Key(Random(4).getrandbits(256))
    found = [each.id for each in net.find_nodes(0, target).closest]
    own = net.contacts[0].id
    nearest = [each for each in net.true_closest(target, 20) if each != own]
    assert len(found) == 8
    assert set(found) <= set(nearest)


def test_in_a_small_cluster_every_key_is_one_hop_away() -> None:
    net = Network(DhtSettings(), 5)
    for number in net.add(200):
        net.nodes[number].seed(net.contacts)
    rng = Random(6)
    for _ in range(50):
        done = net.lookup(rng.randrange(200), Key(rng.getrandbits(256)))
        assert (done.hops, done.requests) == (1, 8)


def test_a_node_joins_through_one_other() -> None:
    # Section 2.3: "To join the network, a node u must have a contact to an already participating
    # node w. u inserts w into the appropriate k-bucket. u then performs a node lookup for its own
    # node ID. Finally, u refreshes all k-buckets further away than its closest neighbor."
    net = network(200)
    (newcomer,) = net.add(1)
    node = net.nodes[newcomer]
    node.table.add(net.contacts[0])
    net.do(newcomer, node.join(net.now))
    net.run()
    nearest = net.true_closest(node.table.own_id, 9)[1:]
    known = [each.id for each in node.table.closest(node.table.own_id, 8)]
    assert known == nearest
    knowers = sum(each.table.get(node.table.own_id) is not None for each in net.nodes)
    assert knowers >= 8


def test_a_node_alone_finds_nobody_at_once() -> None:
    net = network(1)
    done = net.lookup(0, Key(1))
    assert (done.closest, done.record, done.requests) == ((), None, 0)


def test_two_calls_for_the_same_key_are_one_lookup() -> None:
    net = network(50)
    node = net.nodes[0]
    sent = node.lookup(Key(1), net.now)
    assert len(sent) == 3, "alpha"
    assert node.lookup(Key(1), net.now) == []


# --- the lookup alone ---

LOCALITY = Locality("here")


def contact(node_id: int, rack: str | None = None) -> Contact:
    return Contact(NodeId(node_id), BrokerId(node_id % 1000), rack)


def lookup(first: list[Contact], *, paths: int = 1, alpha: int = 3, width: int = 8) -> Lookup:
    return Lookup(Key(0), first, width=width, alpha=alpha, paths=paths, locality=LOCALITY)


def test_of_contacts_as_far_away_the_nearer_rack_is_asked_first() -> None:
    # All of them share the same number of leading bits with the target.
    first = [contact(1024 + n, "here" if n % 4 == 0 else "there") for n in range(1, 13)]
    asked = [each.contact for each in lookup(first, width=12).next()]
    assert [each.rack for each in asked] == ["here"] * 3


def test_a_shorter_round_trip_wins_within_a_rack() -> None:
    locality = Locality("here")
    near, far = contact(1025, "here"), contact(1026, "here")
    locality.measured(near.id, 1)
    locality.measured(far.id, 90)
    assert sorted([far, near], key=locality.rank) == [near, far]


def test_progress_goes_before_locality() -> None:
    first = [contact(1, "there"), contact(1 << 200, "here")]
    found = Lookup(Key(0), first, width=8, alpha=1, paths=1, locality=LOCALITY)
    assert [each.contact.rack for each in found.next()] == ["there"]


def test_disjoint_paths_ask_no_node_twice() -> None:
    # S/Kademlia, section 4.4: "each node is only used once during the whole lookup process to
    # ensure that the resulting paths are really disjoint".
    everybody = [contact(number) for number in range(1, 60)]
    found = lookup(everybody[30:50], paths=3)
    asked: list[int] = []
    while turn := found.next():
        for who, path in turn:
            asked.append(who.id)
            found.answered(who, path, everybody, None)
    assert len(asked) == len(set(asked))
    assert [each.id for each in found.closest()] == list(range(1, 9))


def test_a_path_ends_at_nodes_that_another_one_asked() -> None:
    first = [contact(1000 + number) for number in range(6)]
    nearest = [contact(number) for number in range(1, 9)]
    found = lookup(first, paths=3)
    asked = []
    while turn := found.next():
        for who, path in turn:
            asked.append(who.id)
            found.answered(who, path, nearest, None)
    assert len(asked) == 3 + 8, "one of the first on each path, and the nearest"


def test_a_late_answer_counts_and_makes_no_room() -> None:
    found = lookup([contact(1), contact(2), contact(3)], alpha=1)
    (one,) = found.next()
    found.slow(one.contact.id)
    (two,) = found.next()
    found.answered(one.contact, one.path, (), None)
    assert found.next() == [], "the second one is still under way"
    found.answered(two.contact, two.path, (), None)
    assert [each.contact for each in found.next()] == [contact(3)]
    assert found.closest() == [contact(1), contact(2)]


@pytest.mark.parametrize("terms", [(1, 2), (2, 1)])
def test_the_best_record_is_the_latest_whoever_answers_first(terms: tuple[int, int]) -> None:
    found = lookup([contact(1), contact(2)])
    for term, (who, path) in zip(terms, found.next(), strict=True):
        record = make_record(
            claim_of(1, 1, term),
            sequence=1,
            node=BrokerId(1),
            expires_ms=1,
            cluster_id="c",
            credential=b"",
            signer=Unsigned(),
        )
        found.answered(who, path, (), record)
    assert found.best is not None
    assert found.best.claim.term == 2
    assert [each.id for each in found.lacking()] == [1 + terms.index(1)]


def test_contacts_that_one_liar_made_up_are_passed_over() -> None:
    honest = [contact(1000 + number) for number in range(10)]
    found = lookup(honest, alpha=1)
    liar = found.next()[0]
    made_up = [contact(number) for number in range(1, 21)]
    found.answered(liar.contact, liar.path, made_up, None)
    asked_in_vain = 0
    while turn := found.next():
        for who, path in turn:
            if who.id < 100:
                asked_in_vain += 1
                found.slow(who.id)
            else:
                found.answered(who, path, (), None)
    assert asked_in_vain == 2
    assert len(found.closest()) == 8


def test_a_node_that_is_said_to_be_elsewhere_is_tried_there() -> None:
    found = lookup([contact(1000), contact(1001)], alpha=2)
    liar, honest = found.next()
    true = contact(5)
    found.answered(liar.contact, liar.path, [true._replace(node=BrokerId(77))], None)
    found.answered(honest.contact, honest.path, [true], None)
    (wrong,) = found.next()
    assert wrong.contact.node == 77
    found.slow(wrong.contact.id)
    (right,) = found.next()
    assert right.contact == true
    found.failed(wrong.contact.id)
    assert not found.is_done
    found.answered(right.contact, right.path, (), None)
    assert found.closest()[0] == true


def test_a_node_is_where_its_answer_came_from() -> None:
    found = lookup([contact(1000), contact(1001)], alpha=2)
    one, liar = found.next()
    found.answered(one.contact, one.path, [contact(5)], None)
    (slow,) = found.next()
    found.answered(liar.contact, liar.path, [contact(5)._replace(node=BrokerId(77))], None)
    found.slow(slow.contact.id)
    (wrong,) = found.next()
    assert wrong.contact.node == 77
    found.answered(slow.contact, slow.path, (), None)
    assert found.closest()[0] == contact(5)
    assert found.next() == []
    assert found.is_done


def test_a_node_under_way_whose_informant_lies_is_still_awaited() -> None:
    found = lookup([contact(1000), contact(1001)], alpha=4)
    liar, honest = found.next()
    wrong = [contact(number)._replace(node=BrokerId(77)) for number in (1, 2, 3)]
    found.answered(liar.contact, liar.path, wrong, None)
    assert len(found.next()) == 3
    found.slow(NodeId(1))
    found.slow(NodeId(2))
    found.answered(honest.contact, honest.path, [contact(3)], None)
    assert found.next() == [], "it may yet answer"
    assert not found.is_done
    found.slow(NodeId(3))
    (again,) = found.next()
    assert again.contact == contact(3)
    found.answered(again.contact, again.path, (), None)
    assert found.next() == []
    assert found.is_done


def test_contacts_named_by_two_are_asked_whatever_the_first_was_worth() -> None:
    first = [contact(1000), contact(1001)]
    found = lookup(first, alpha=1)
    one = found.next()[0]
    named = [contact(number) for number in range(1, 6)]
    found.answered(one.contact, one.path, named, None)
    other = contact(1001)
    for _ in range(2):
        asked = found.next()[0]
        found.slow(asked.contact.id)
    asked = found.next()[0]
    assert asked.contact == other, "the first one's word counts no more"
    found.answered(other, 0, named, None)
    rest = []
    while turn := found.next():
        rest.append(turn[0].contact.id)
        found.answered(turn[0].contact, turn[0].path, (), None)
    assert rest == [3, 4, 5]
