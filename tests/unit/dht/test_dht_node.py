"""One node: its bounds, its deadlines, and that nothing others send upsets it."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from dht_strategies import CLUSTER, contacts, ids, messages
from hypothesis import given, settings
from hypothesis import strategies as st
from overlay.network import Network, claim_of, key_of_partition

from sprawl.core.clock import Instant
from sprawl.core.dht.contacts import Contact
from sprawl.core.dht.dht import Dht
from sprawl.core.dht.effects import Effect, LookupDone, Send, StoreDone
from sprawl.core.dht.ids import Key, NodeId, directory_credential, node_id_of
from sprawl.core.dht.messages import (
    FindNode,
    FindValue,
    Found,
    Message,
    Ping,
    Pong,
    Store,
    Stored,
    StoreResult,
)
from sprawl.core.dht.settings import DhtSettings, Identity, Unsigned
from sprawl.core.ids import BrokerId
from sprawl.core.limits import DHT_LOOKUPS_MAX

WALL = 1_000_000_000


def at(ms: int) -> Instant:
    return Instant(WALL + ms, ms)


def node(rack: str | None = None, **changed: int | None) -> Dht:
    credential = directory_credential(CLUSTER, UUID(int=1))
    identity = Identity(
        contact=Contact(node_id_of(credential), BrokerId(1), rack),
        cluster_id=CLUSTER,
        credential=credential,
        signer=Unsigned(),
        trust=Unsigned(),
    )
    return Dht(DhtSettings(**changed), identity, Random(1), at(0))  # type: ignore[arg-type]


def peers(count: int, rack: str | None = None) -> list[Contact]:
    rng = Random(5)
    return [Contact(NodeId(rng.getrandbits(256)), BrokerId(n + 2), rack) for n in range(count)]


def sent(effects: list[Effect]) -> list[Send]:
    return [each for each in effects if isinstance(each, Send)]


few = st.builds(
    Contact, st.integers(0, 9).map(NodeId), st.integers(0, 3).map(BrokerId), st.just("rack")
)
"""So few that answers name the same nodes at different places."""
events = st.one_of(
    st.tuples(st.just("receive"), messages, contacts | few),
    st.tuples(st.just("answer"), st.integers(0, 5), st.lists(few | contacts, max_size=5)),
    st.tuples(st.just("lookup"), st.integers(0, 3) | ids, st.none()),
    st.tuples(st.just("store"), st.integers(0, 5), st.integers(1, 5)),
    st.tuples(st.just("tick"), st.sampled_from((1, 60, 100, 1_000, 100_000)), st.none()),
)


@given(st.lists(events, max_size=60), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_in_whichever_order_is_answered_and_upsets_nothing(
    given_events: list[tuple[object, ...]], paths: int
) -> None:
    found = node(disjoint_paths=paths)
    found.table.seed([Contact(NodeId(number), BrokerId(0), "rack") for number in (2, 5, 8)])
    now_ms = 0
    open_requests: list[Send] = []
    asked: list[Key] = []
    ended: list[Key] = []
    for kind, one, two in given_events:
        effects: list[Effect] = []
        if kind == "receive":
            assert isinstance(two, Contact)
            effects = found.receive(one, two, at(now_ms))  # type: ignore[arg-type]
            is_request = isinstance(one, Ping | FindNode | FindValue | Store)
            answers = [
                each for each in sent(effects) if isinstance(each.message, Pong | Found | Stored)
            ]
            assert len(answers) == is_request
        elif kind == "answer" and open_requests:
            assert isinstance(one, int)
            request = open_requests.pop(one % len(open_requests))
            answer = _answer(request.message, two)  # type: ignore[arg-type]
            effects = found.receive(answer, request.to, at(now_ms))
        elif kind == "lookup":
            asked.append(one)  # type: ignore[arg-type]
            effects = found.lookup(one, at(now_ms))  # type: ignore[arg-type]
        elif kind == "store":
            effects = found.store(claim_of(one, 1, two), at(now_ms))  # type: ignore[arg-type]
        elif kind == "tick":
            now_ms += one  # type: ignore[operator]
            effects = found.tick(at(now_ms))
            assert found.next_deadline_ms > now_ms
        ended += [each.key for each in effects if isinstance(each, LookupDone)]
        open_requests += [
            each for each in sent(effects) if isinstance(each.message, Ping | FindNode | FindValue)
        ]
    while found.next_deadline_ms < now_ms + 60_000 and set(asked) - set(ended):
        now_ms = max(now_ms, found.next_deadline_ms)
        ended += [each.key for each in found.tick(at(now_ms)) if isinstance(each, LookupDone)]
    assert set(ended) == set(asked), "every lookup ends"


def _answer(message: Message, named: list[Contact]) -> Message:
    if isinstance(message, Ping):
        return Pong(message.request_id)
    return Found(message.request_id, tuple(named), None)


def test_a_node_that_does_not_answer_quickly_is_replaced_in_a_lookup() -> None:
    # Section 2.3: "Nodes that fail to respond quickly are removed from consideration until and
    # unless they do respond."
    found = node()
    found.seed(peers(20))
    first = sent(found.lookup(Key(0), at(0)))
    assert len(first) == 3
    assert sent(found.tick(at(99))) == []
    second = sent(found.tick(at(100)))
    assert len(second) == 3
    for request in first:
        found.receive(Found(request.message.request_id, (), None), request.to, at(150))
    assert found.unasked_count == 0, "late is not too late"


def test_an_answer_after_the_timeout_is_too_late() -> None:
    found = node()
    found.seed(peers(3))
    first = sent(found.lookup(Key(0), at(0)))
    done: list[LookupDone] = []
    for ms in (100, 1_000):
        done += [each for each in found.tick(at(ms)) if isinstance(each, LookupDone)]
    assert [(each.closest, each.took_ms) for each in done] == [((), 100)]
    found.receive(Found(first[0].message.request_id, (), None), first[0].to, at(1_001))
    assert found.unasked_count == 1


def test_an_answer_of_the_wrong_kind_is_none() -> None:
    found = node()
    found.seed(peers(3))
    (first, *_) = sent(found.lookup(Key(0), at(0)))
    request_id = first.message.request_id
    assert found.receive(Pong(request_id), first.to, at(1)) == []
    assert found.receive(Stored(request_id, StoreResult.STORED), first.to, at(1)) == []
    assert found.unasked_count == 2
    found.receive(Found(request_id, (), None), first.to, at(2))
    assert found.unasked_count == 2


def test_lookups_beyond_the_limit_are_refused_at_once() -> None:
    found = node()
    found.seed(peers(3))
    for key in range(DHT_LOOKUPS_MAX):
        assert not any(isinstance(each, LookupDone) for each in found.lookup(Key(key), at(0)))
    (refused,) = found.lookup(Key(DHT_LOOKUPS_MAX), at(0))
    assert isinstance(refused, LookupDone)
    assert refused.record is None


def test_a_small_cluster_asks_the_holders_in_the_own_rack_first() -> None:
    net = Network(DhtSettings(records_enough=2), 1)
    for number in net.add(100):
        net.nodes[number].seed(net.contacts)
    net.do(3, net.nodes[3].store(claim_of(1, 3), net.now))
    net.run()
    asker = next(
        number
        for number, each in enumerate(net.nodes)
        if each.records.get(key_of_partition(1), net.now) is None
    )
    asked = sent(net.nodes[asker].lookup(key_of_partition(1), net.now))
    rack = net.contacts[asker].rack
    holders = [net.contacts[n] for n, each in enumerate(net.nodes) if len(each.records)]
    near = sum(each.rack == rack for each in holders)
    assert [each.to.rack == rack for each in asked] == [n < near for n in range(3)]
    net.do(asker, asked)
    net.run()
    done = net.lookups[asker, key_of_partition(1)]
    assert done.record is not None
    assert done.requests < 8


def test_who_left_is_not_asked() -> None:
    found = node()
    members = peers(4)
    found.seed(members)
    found.forget(members[0].id)
    assert members[0] not in [each.to for each in sent(found.lookup(Key(0), at(0)))]


def test_buckets_are_refreshed_after_an_hour() -> None:
    found = node()
    found.seed(peers(5))
    hour = DhtSettings().refresh_ms
    assert sent(found.tick(at(hour - 1))) == []
    refreshing = sent(found.tick(at(hour + 60_000)))
    assert refreshing
    assert all(isinstance(each.message, FindNode) for each in refreshing)


def test_answers_do_not_name_who_asks_nor_more_than_k() -> None:
    found = node()
    members = peers(60)
    found.seed(members)
    (answer,) = sent(found.receive(FindNode(1, Key(members[0].id)), members[0], at(0)))
    assert isinstance(answer.message, Found)
    assert members[0] not in answer.message.contacts
    assert len(answer.message.contacts) in (19, 20)


def test_a_term_that_goes_back_is_not_published() -> None:
    found = node()
    found.seed([])
    newer = found.store(claim_of(1, 1, term=3), at(0))
    assert any(isinstance(each, StoreDone) for each in newer)
    assert found.store(claim_of(1, 1, term=2), at(1)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"holders": 21},
        {"k": 65},
        {"alpha": 0},
        {"disjoint_paths": 0},
        {"records_enough": 0},
        {"republish_ms": 1_800_000},
        {"slow_request_ms": 1_001},
        {"refresh_ms": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"ha(s|ve) to be|does not hold"):
        DhtSettings(**wrong)  # type: ignore[arg-type]
