"""Marks of replicas that were let go: there before the first file goes, until one comes back."""

from __future__ import annotations

from uuid import UUID

from sprawl.core.ids import LogKey, TopicId
from sprawl.core.partition.departures import Departures
from sprawl.core.storage.memory import MemoryKeyValueStore

KEY = LogKey(TopicId(UUID(int=7)), 3)


def test_a_mark_outlives_the_process_until_it_is_cleared() -> None:
    kv = MemoryKeyValueStore()
    departures = Departures(kv)
    departures.add(KEY)
    assert KEY in departures
    assert KEY not in Departures(kv)
    departures.mark(KEY)
    assert KEY in Departures(kv)
    departures.clear(KEY)
    assert KEY not in departures
    assert KEY not in Departures(kv)


def test_a_deleted_topic_leaves_no_mark() -> None:
    kv = MemoryKeyValueStore()
    departures = Departures(kv)
    departures.add(KEY)
    departures.mark(KEY)
    departures.forget([KEY])
    assert KEY not in departures
    assert list(kv.iterate(b"gone/")) == []
