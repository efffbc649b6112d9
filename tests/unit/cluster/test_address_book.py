"""Which word about the nodes is the newer one."""

from __future__ import annotations

from uuid import UUID

from sprawl.core.broker import Endpoint
from sprawl.core.cluster.address_book import AddressBook
from sprawl.core.controller.nodes import NodeInfo
from sprawl.core.ids import BrokerId, ReplicaId
from sprawl.core.storage.memory import MemoryKeyValueStore


def node(number: int, replica: int | None = None, port: int = 1) -> NodeInfo:
    return NodeInfo(
        node_id=BrokerId(number),
        replica_id=ReplicaId(replica or number),
        directory_id=UUID(int=replica or number),
        endpoints={},
        peer=Endpoint("host", port),
    )


def test_a_log_that_is_followed_from_long_ago_takes_nothing_away() -> None:
    book = AddressBook(MemoryKeyValueStore())
    now = [node(1), node(2, replica=5), node(3, port=7), node(4)]
    book.update(now, ReplicaId(6))
    for last in (1, 2, 3, 4):
        # The state as each node registered for the first time: node 2 is its former self, and
        # node 3 where it was.
        assert (
            book.update([node(number) for number in range(1, last + 1)], ReplicaId(last + 1)) == []
        )
        assert book.nodes == now
    assert book.node_of(ReplicaId(4)) == 4
    assert book.node_of(ReplicaId(2)) is None


def test_who_is_gone_for_good_is_told_and_forgotten() -> None:
    kv = MemoryKeyValueStore()
    book = AddressBook(kv)
    book.update([node(1), node(2), node(3)], ReplicaId(4))
    gone = book.update([node(1), node(2, replica=4)], ReplicaId(5))
    assert gone == [node(2), node(3)]
    assert book.nodes == AddressBook(kv).nodes == [node(1), node(2, replica=4)]


def test_the_newest_node_may_go_too() -> None:
    book = AddressBook(MemoryKeyValueStore())
    book.update([node(1), node(2)], ReplicaId(3))
    assert book.update([node(1)], ReplicaId(3)) == [node(2)]


def test_an_address_that_changed_is_the_new_one() -> None:
    book = AddressBook(MemoryKeyValueStore())
    book.update([node(1), node(2)], ReplicaId(3))
    assert book.update([node(1), node(2, port=9)], ReplicaId(3)) == []
    assert book.address(BrokerId(2)) == ("host", 9)
