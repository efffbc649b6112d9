"""The small parts: subscriptions, placement, timers."""

from __future__ import annotations

import warnings

import pytest

from sprawl.core.groups.placement import partition_for
from sprawl.core.groups.subscription import subscribed_topics
from sprawl.core.groups.timers import Timers


@pytest.mark.parametrize(
    ("metadata", "topics"),
    [
        (b"\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff", frozenset()),
        (b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff", {"t"}),
        (b"\x00\x09\x00\x00\x00\x01\x00\x01t what later versions add", {"t"}),
        (b"", None),
        (b"\x00\x00\x00\x00\x00\x01\x00\x05t", None),
        (b"\x00\x00\x00\x00\x00\x01", None),
        (b"\x00\x00\x00\x00\x00\x01\x00\x01\xff", None),
        (b"\xff\xff\x00\x00\x00\x00", None),
    ],
)
def test_subscribed_topics(metadata: bytes, topics: set[str] | None) -> None:
    assert subscribed_topics(metadata) == topics


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_subscription_as_kafka_python_writes_it(version: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its schemas so
        from kafka.coordinator.assignors.abstract import ConsumerProtocolSubscription
    theirs = ConsumerProtocolSubscription(
        topics=["t", "u"], user_data=b"x", owned_partitions=[], generation_id=3, rack_id="r"
    )
    assert subscribed_topics(theirs.encode(version=version)) == {"t", "u"}


@pytest.mark.parametrize(
    ("group_id", "partition"),
    [
        # Java: Math.abs("...".hashCode()) % 50
        ("", 0),
        ("a", 97 % 50),
        ("test", 3556498 % 50),
        ("console-consumer", 648006740 % 50),  # the hash code is negative
        ("polygenelubricants", 0),  # the hash code is Integer.MIN_VALUE
        ("ü", 252 % 50),
        ("😀", (0xD83D * 31 + 0xDE00) % 50),
    ],
)
def test_placement_is_javas(group_id: str, partition: int) -> None:
    assert partition_for(group_id, 50) == partition


def test_timers_fire_in_order_and_once() -> None:
    timers: Timers[str] = Timers()
    for key, deadline in (("b", 20), ("a", 10), ("c", 30)):
        timers.set(key, deadline)
    assert timers.next_deadline_ms() == 10
    assert timers.pop_due(25) == ["a", "b"]
    assert timers.pop_due(25) == []
    assert timers.next_deadline_ms() == 30


def test_timers_can_be_postponed_brought_forward_and_cancelled() -> None:
    timers: Timers[str] = Timers()
    timers.set("late", 10)
    timers.set("late", 50)
    timers.set("early", 50)
    timers.set("early", 5)
    timers.set("never", 1)
    timers.cancel("never")
    timers.cancel("unknown")
    assert timers.next_deadline_ms() == 5
    assert timers.pop_due(40) == ["early"]
    assert timers.pop_due(50) == ["late"]
    assert timers.next_deadline_ms() is None
    assert len(timers) == 0


def test_cancelled_timer_can_be_set_again() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10)
    timers.cancel("a")
    timers.set("a", 30)
    assert timers.pop_due(29) == []
    assert timers.pop_due(30) == ["a"]


def test_postponing_does_not_grow_the_heap() -> None:
    timers: Timers[str] = Timers()
    for now in range(10_000):
        timers.set("a", now + 100)
    assert len(timers._heap) == 1
