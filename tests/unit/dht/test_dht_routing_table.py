"""The k-buckets, against the paper's text and against looking at all ids."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.ids import ID_BITS, NodeId
from sprawl.core.dht.routing_table import RoutingTable
from sprawl.core.ids import BrokerId
from sprawl.core.limits import DHT_FULL_VIEW_NODES_MAX, DHT_REPLACEMENTS_MAX

K = 20
TOP = 1 << (ID_BITS - 1)


def contact(node_id: int) -> Contact:
    return Contact(NodeId(node_id), BrokerId(node_id % 1000))


def far(number: int) -> Contact:
    """One of many nodes in the farthest bucket of node 0."""
    return contact(TOP + number)


def table(k: int = K, own: int = 0) -> RoutingTable:
    return RoutingTable(NodeId(own), k=k, now_ms=0)


ids_anywhere = st.integers(0, (1 << ID_BITS) - 1)
ids_crowded = st.one_of(ids_anywhere, st.integers(0, 63), st.integers(TOP, TOP + 63))


@given(own=ids_crowded, known=st.sets(ids_crowded, max_size=60), target=ids_crowded)
@settings(max_examples=300, deadline=None)
def test_closest_is_what_looking_at_all_contacts_finds(
    own: int, known: set[int], target: int
) -> None:
    found = table(k=64, own=own)
    for each in known - {own}:
        assert found.add(contact(each))
    by_distance = sorted(known - {own}, key=lambda each: each ^ target)
    for count in (1, 8, K, 64):
        assert [each.id for each in found.closest(target, count)] == by_distance[:count]


def test_a_thousand_random_nodes_and_a_thousand_targets() -> None:
    rng = Random(1)
    found = table()
    for _ in range(1_000):
        found.heard(contact(rng.getrandbits(ID_BITS)))
    for _ in range(1_000):
        target = rng.getrandbits(ID_BITS)
        expected = sorted(found, key=lambda each: each.id ^ target)[:K]
        assert found.closest(target, K) == expected


def test_each_bucket_is_kept_sorted_by_time_last_seen() -> None:
    # Section 2.2: "Each k-bucket is kept sorted by time last seen--least-recently seen node at
    # the head, most-recently seen at the tail." A sender that is known "moves it to the tail".
    found = table()
    for number in range(3):
        found.heard(far(number))
    found.heard(far(0))
    assert list(found) == [far(1), far(2), far(0)]


def test_a_full_bucket_keeps_its_oldest_contact_while_it_lives() -> None:
    # Section 2.2: "If the appropriate k-bucket is full, however, then the recipient pings the
    # k-bucket's least-recently seen node to decide what to do. [...] if the least-recently seen
    # node responds, it is moved to the tail of the list, and the new sender's contact is
    # discarded."
    found = table()
    for number in range(K):
        found.heard(far(number))
    found.heard(far(K))
    assert found.to_ping() == [far(0)]
    found.heard(far(0))
    assert list(found) == [*map(far, range(1, K)), far(0)]


def test_a_dead_oldest_contact_is_replaced_by_the_newcomer_heard_of_last() -> None:
    # Section 4.1: of those that wait in the replacement cache the one seen last is preferred.
    found = table()
    for number in range(K + 3):
        found.heard(far(number))
    found.failed(far(0))
    assert found.is_failing(far(0).id)
    assert found.get(far(0).id) == far(0), "one message may be lost"
    found.failed(far(0))
    assert found.get(far(0).id) is None
    assert found.get(far(K + 2).id) == far(K + 2)
    assert len(found) == K


def test_contacts_that_fail_are_out_of_use_until_they_are_heard_of() -> None:
    found = table()
    for number in range(3):
        found.heard(far(number))
    found.failed(far(0))
    assert found.closest(TOP, 2) == [far(1), far(2)]
    assert found.to_ping() == [far(0)]
    found.heard(far(0))
    assert found.closest(TOP, 2) == [far(0), far(1)]
    assert found.to_ping() == []


def test_a_node_whose_own_network_is_down_forgets_nobody() -> None:
    # Section 4.1: "If a k-bucket is not full or its replacement cache is empty, Kademlia merely
    # flags stale contacts rather than remove them. This ensures, among other things, that if a
    # node's own network connection goes down temporarily, the node won't completely void all of
    # its k-buckets."
    found = table()
    for number in range(K):
        found.heard(far(number))
    for _ in range(30):
        for number in range(K):
            found.failed(far(number))
    assert len(found) == K
    assert found.closest(TOP, 3) == [far(0), far(1), far(2)], "rather these than nobody"
    found.heard(far(K))
    assert found.get(far(K).id) == far(K), "a newcomer takes the place of one that is flagged"
    assert len(found) == K


def test_silence_at_a_place_that_liars_named_says_nothing_about_a_node() -> None:
    found = table()
    found.heard(far(0))
    for _ in range(100):
        found.failed(far(0)._replace(node=BrokerId(77)))
    assert not found.is_failing(far(0).id)


def test_a_contact_that_is_silent_for_an_hour_of_pings_is_forgotten() -> None:
    found = table()
    found.heard(far(0))
    for _ in range(60):
        assert found.to_ping() in ([], [far(0)])
        found.failed(far(0))
    assert len(found) == 0


def test_an_answer_clears_what_failed_before() -> None:
    found = table()
    found.heard(far(0))
    for _ in range(10):
        found.failed(far(0))
        found.heard(far(0))
    assert found.get(far(0).id) == far(0)


def test_a_flood_of_new_nodes_moves_nobody_who_lives() -> None:
    # Section 2.2: "One cannot flush nodes' routing state by flooding the system with new nodes."
    found = table()
    old = [far(number) for number in range(K)]
    for each in old:
        found.heard(each)
    for number in range(K, 2_000):
        found.heard(far(number))
        for each in found.to_ping():
            found.heard(each)
    assert sorted(found) == old
    assert found.to_ping() == []


def test_the_replacement_cache_is_bounded_and_keeps_the_latest() -> None:
    found = table()
    for number in range(1_000):
        found.heard(far(number))
    for number in range(K):
        found.remove(far(number).id)
    kept = {each.id for each in found}
    assert kept == {far(number).id for number in range(1_000 - DHT_REPLACEMENTS_MAX, 1_000)}


def test_a_newcomer_known_already_makes_no_second_ping() -> None:
    found = table()
    for number in range(K + 1):
        found.heard(far(number))
    assert found.to_ping()
    for _ in range(10):
        found.heard(far(K))
    assert found.to_ping() == []


def test_members_of_a_small_cluster_are_all_known() -> None:
    found = table()
    members = [far(number) for number in range(DHT_FULL_VIEW_NODES_MAX)]
    found.seed(members)
    assert len(found) == DHT_FULL_VIEW_NODES_MAX


def test_members_of_a_large_cluster_fill_buckets_to_k() -> None:
    found = table()
    found.seed([far(number) for number in range(DHT_FULL_VIEW_NODES_MAX + 1)])
    assert len(found) == K


def test_a_node_does_not_know_itself() -> None:
    found = table(own=5)
    found.heard(contact(5))
    found.seed([contact(5), contact(6)])
    assert list(found) == [contact(6)]


@given(own=ids_anywhere, bucket=st.integers(0, ID_BITS - 1), seed=st.integers(0, 100))
@settings(deadline=None)
def test_a_refreshed_id_falls_into_its_bucket(own: int, bucket: int, seed: int) -> None:
    found = table(own=own).random_id(bucket, Random(seed))
    assert (own ^ found).bit_length() == ID_BITS - bucket


def test_buckets_that_no_lookup_went_through_are_stale() -> None:
    # Section 2.3: "each node refreshes a bucket in whose range it has not performed a node lookup
    # within an hour".
    found = table()
    found.heard(far(1))
    found.heard(contact(1 << 254))
    found.looked_up(TOP + 99, 10)
    assert list(found.stale(9)) == [1]
    assert list(found.stale(10)) == [0, 1]
