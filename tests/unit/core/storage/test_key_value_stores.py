"""The node's small facts by key: in memory and in RocksDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sprawl.core.storage.memory import MemoryKeyValueStore
from sprawl.core.storage.port import KeyValueStore
from sprawl.core.storage.rocksdb import RocksKeyValueStore


@pytest.fixture(params=["memory", "rocksdb"])
def kv(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    makers: dict[str, Callable[[], KeyValueStore]] = {
        "memory": MemoryKeyValueStore,
        "rocksdb": lambda: RocksKeyValueStore(tmp_path / "kv"),
    }
    made = makers[request.param]()
    yield made
    made.close()


def test_a_value_is_found_until_it_is_deleted(kv: KeyValueStore) -> None:
    assert kv.get(b"k") is None
    kv.put(b"k", b"v")
    kv.put(b"k", b"w", sync=True)
    assert kv.get(b"k") == b"w"
    kv.delete(b"k")
    kv.delete(b"k", sync=True)
    assert kv.get(b"k") is None


def test_any_bytes_are_keys_and_values(kv: KeyValueStore) -> None:
    kv.put(b"\x00\xff", b"")
    assert kv.get(b"\x00\xff") == b""
    assert kv.get(b"\x00") is None


def test_a_prefix_is_walked_in_key_order(kv: KeyValueStore) -> None:
    for key in (b"a/3", b"a/1", b"b/1", b"a/\xff", b"a", b"a/2"):
        kv.put(key, key.upper())
    assert list(kv.iterate(b"a/")) == [
        (b"a/1", b"A/1"),
        (b"a/2", b"A/2"),
        (b"a/3", b"A/3"),
        (b"a/\xff", b"A/\xff"),
    ]
    assert list(kv.iterate(b"c")) == []


def test_a_batch_deletes_before_it_puts(kv: KeyValueStore) -> None:
    kv.put(b"x", b"old")
    kv.put(b"y", b"old")
    kv.write_batch(puts=[(b"x", b"new"), (b"z", b"new")], deletes=[b"x", b"y"], sync=True)
    assert [kv.get(key) for key in (b"x", b"y", b"z")] == [b"new", None, b"new"]


def test_large_values_come_back_whole(kv: KeyValueStore) -> None:
    value = bytes(range(256)) * 20_000
    kv.put(b"index", value)
    assert kv.get(b"index") == value


def test_rocksdb_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    first = RocksKeyValueStore(tmp_path / "kv")
    first.put(b"a", b"1")
    first.write_batch(puts=[(b"b", b"2")], deletes=[b"a"])
    first.close()
    again = RocksKeyValueStore(tmp_path / "kv")
    assert list(again.iterate(b"")) == [(b"b", b"2")]
    again.close()


def test_a_store_that_another_one_has_open_is_refused(tmp_path: Path) -> None:
    first = RocksKeyValueStore(tmp_path / "kv")
    with pytest.raises(OSError, match="cannot open"):
        RocksKeyValueStore(tmp_path / "kv")
    first.close()
