"""The route cache of a gateway."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from sprawl.core.dht.routes import Route, RouteCache
from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId, Term, TopicId


def key(number: int) -> LogKey:
    return LogKey(TopicId(UUID(int=number)), 0)


def route(term: int = 1, node: int = 1) -> Route:
    return Route(Term(term), LogIndex(1), 1, ReplicaId(node), BrokerId(node), ())


def test_a_later_route_replaces_an_earlier_one_and_never_the_other_way_round() -> None:
    cache = RouteCache()
    assert cache.learn(key(1), route(term=2))
    assert not cache.learn(key(1), route(term=1))
    assert cache.learn(key(1), route(term=3, node=7))
    assert cache.get(key(1)) == route(term=3, node=7)


def test_a_route_to_the_wrong_node_is_forgotten() -> None:
    cache = RouteCache(4)
    for number in range(4):
        cache.learn(key(number), route(node=number % 2))
    cache.forget(key(0))
    assert cache.get(key(0)) is None
    cache.forget_node(BrokerId(1))
    assert [cache.get(key(number)) for number in (1, 3)] == [None, None]
    assert cache.get(key(2)) is not None


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    cache = RouteCache(10)
    cache.learn(key(0), route())
    for number in range(1, 1_000):
        cache.learn(key(number), route())
        assert cache.get(key(0)) is not None
    assert cache.get(key(1)) is None


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=80))
@settings(deadline=None)
def test_it_is_bounded_and_never_goes_back(steps: list[tuple[int, int]]) -> None:
    cache = RouteCache(6)
    for number, term in steps:
        before = cache.get(key(number))
        cache.learn(key(number), route(term=term))
        after = cache.get(key(number))
        assert after is not None
        assert after.term == max(term, before.term if before else 0)
        assert len(cache) <= 6
