"""Files of a partition, in memory and on disk: the same promises for both."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sprawl.core.storage.disk import DiskStore
from sprawl.core.storage.memory import MemoryStore
from sprawl.core.storage.port import LogDirectory, LogStore


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogStore]:
    made: LogStore = MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "logs")
    yield made
    made.close()


@pytest.fixture
def directory(store: LogStore) -> LogDirectory:
    return store.directory("t-0")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskStore]:
    made = DiskStore(tmp_path / "disk")
    yield made
    made.close()


def test_appends_follow_each_other_and_are_read_from_any_position(directory: LogDirectory) -> None:
    file = directory.create("a")
    assert file.append((b"one", bytearray(b"two"))) == 0
    assert file.append((memoryview(b"three"),)) == 6
    assert file.size_bytes == 11
    assert bytes(file.read(0, 100)) == b"onetwothree"
    assert bytes(file.read(4, 3)) == b"wot"
    assert bytes(file.read(11, 3)) == b""


def test_what_was_appended_last_is_read_without_blocking(directory: LogDirectory) -> None:
    file = directory.create("a")
    file.append((b"x" * 5_000,))
    file.append((b"y" * 100_000,))
    got = file.try_read(4_998, 6)
    assert got is not None
    assert b"".join(got) == b"xxyyyy"


def test_a_file_that_is_opened_again_has_its_bytes(directory: LogDirectory) -> None:
    file = directory.create("a")
    file.append((b"bytes",))
    file.close()
    again = directory.open("a")
    assert again.size_bytes == 5
    assert bytes(again.read(0, 5)) == b"bytes"
    assert again.append((b"more",)) == 5
    assert bytes(again.read(0, 9)) == b"bytesmore"


def test_a_closed_file_opens_itself_when_it_is_used(directory: LogDirectory) -> None:
    file = directory.create("a")
    file.append((b"1",))
    file.close()
    file.append((b"2",))
    assert bytes(file.read(0, 2)) == b"12"


def test_truncated_bytes_are_gone_and_the_next_append_takes_their_place(
    directory: LogDirectory,
) -> None:
    file = directory.create("a")
    file.append((b"keepgone",))
    file.truncate(4)
    assert file.size_bytes == 4
    assert b"".join(file.try_read(0, 8) or ()) == b"keep"
    file.append((b"new",))
    assert bytes(file.read(0, 8)) == b"keepnew"
    assert bytes(directory.open("a").read(0, 8)) == b"keepnew"


def test_a_name_is_created_once(directory: LogDirectory) -> None:
    directory.create("a")
    with pytest.raises(FileExistsError):
        directory.create("a")


def test_a_missing_file_cannot_be_opened(directory: LogDirectory) -> None:
    with pytest.raises(FileNotFoundError):
        directory.open("a")


def test_the_list_shows_names_and_sizes(directory: LogDirectory) -> None:
    directory.create("a").append((b"123",))
    directory.create("b")
    directory.create("c")
    directory.delete("c")
    assert sorted(directory.list()) == [("a", 3), ("b", 0)]


def test_rename_replaces_and_the_open_file_goes_on(directory: LogDirectory) -> None:
    directory.create("old").append((b"old",))
    file = directory.create("new")
    file.append((b"new",))
    file.rename("old")
    file.append((b"er",))
    assert file.name == "old"
    assert directory.list() == [("old", 5)]
    assert bytes(directory.open("old").read(0, 9)) == b"newer"


def test_a_discarded_file_leaves_its_name_at_once_and_stays_readable(
    directory: LogDirectory,
) -> None:
    file = directory.create("a")
    file.append((b"still here",))
    file.discard(60_000)
    assert "a" not in [info.name for info in directory.list()]
    assert bytes(file.read(0, 10)) == b"still here"
    directory.create("a")


def test_a_discarded_directory_leaves_its_name_at_once(store: LogStore) -> None:
    directory = store.directory("t-0")
    directory.create("a").append((b"1",))
    directory.discard(60_000)
    assert store.names() == []
    assert store.directory("t-0").list() == []


def test_a_directory_that_was_set_aside_is_empty_and_goes_on(store: LogStore) -> None:
    directory = store.directory("t-0")
    directory.create("a").append((b"1",))
    directory.set_aside("other")
    assert directory.list() == []
    directory.create("a")
    assert store.names() == ["t-0"]


# --- disk only ------------------------------------------------------------------------------------


def test_whoever_still_reads_what_was_set_aside_reads_that(store: LogStore) -> None:
    """A log that is damaged is opened anew while a consumer's read of it is under way."""
    old = store.directory("t-0")
    file = old.create("a")
    file.append((b"before",))
    file.close()
    new = store.directory("t-0")
    new.set_aside("damaged-1")
    new.create("a").append((b"after, another one",))
    assert bytes(file.read(0, 6)) == b"before"
    file.close()
    new.set_aside("damaged-2")
    new.create("a").append((b"after that",))
    assert bytes(file.read(0, 6)) == b"before"
    if isinstance(store, DiskStore):
        old.discard(60_000)
        assert bytes(new.open("a").read(0, 10)) == b"after that"


def test_a_second_process_cannot_use_the_directory(disk: DiskStore) -> None:
    with pytest.raises(BlockingIOError):
        DiskStore(disk.path)


def test_an_append_that_fails_half_way_leaves_the_file_as_it_was(
    disk: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = disk.directory("t-0").create("a")
    file.append((b"before",))
    write = os.pwritev

    def torn(fd: int, bufs: Sequence[bytes], position: int) -> int:
        return write(fd, [b"".join(bufs)[:3]], position)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", torn)
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            file.append((b"never written",))
    assert file.size_bytes == 6
    assert disk.directory("t-0").list() == [("a", 6)]
    file.append((b" after",))
    assert bytes(file.read(0, 99)) == b"before after"


def test_short_writes_are_completed(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = disk.directory("t-0").create("a")
    write = os.pwritev

    def short(fd: int, bufs: Sequence[bytes], position: int) -> int:
        return write(fd, [b"".join(bufs)[:2]], position)

    monkeypatch.setattr(os, "pwritev", short)
    file.append((b"abc", b"def"))
    assert bytes(file.read(0, 9)) == b"abcdef"


def test_no_more_files_are_open_than_allowed(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "few", open_files_max=3)
    files = [store.directory("t-0").create(str(n)) for n in range(10)]
    for n, file in enumerate(files):
        file.append((b"%d" % n,))
    assert len(store.descriptors) == 3
    assert [bytes(file.read(0, 1)) for file in files] == [b"%d" % n for n in range(10)]
    assert len(store.descriptors) == 3
    store.close()


def test_data_that_left_memory_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path / "cold", tail_bytes_max=0)
    file = store.directory("t-0").create("a")
    file.append((b"cold",))

    def blocks(*_: Any) -> int:
        raise BlockingIOError(errno.EAGAIN, "would block")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", blocks)
        assert file.try_read(0, 4) is None
    assert bytes(file.read(0, 4)) == b"cold"
    store.close()


def test_a_system_that_cannot_tell_makes_every_uncached_read_a_blocking_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DiskStore(tmp_path / "old", tail_bytes_max=0)
    file = store.directory("t-0").create("a")
    file.append((b"data",))

    def unknown(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "preadv", unknown)
    assert file.try_read(0, 4) is None
    assert not store.can_read_nowait
    assert bytes(file.read(0, 4)) == b"data"
    store.close()


def test_the_tails_of_all_files_share_one_bound(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "tails", tail_bytes_max=300_000)
    directory = store.directory("t-0")
    first, second = directory.create("a"), directory.create("b")
    first.append((b"a" * 200_000,))
    assert store.tails.used_bytes == 200_000
    second.append((b"b" * 200_000,))
    assert store.tails.used_bytes <= 300_000
    assert first.tail is None
    assert bytes(first.read(0, 3)) == b"aaa"
    assert second.tail is not None
    store.close()


def test_closing_the_store_removes_what_was_discarded(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "logs")
    directory = store.directory("t-0")
    file = directory.create("a")
    file.append((b"1",))
    file.discard(60_000)
    store.directory("u-0").discard(60_000)
    store.close()
    assert list((tmp_path / "logs" / "t-0").iterdir()) == []
    assert sorted(each.name for each in (tmp_path / "logs").iterdir()) == [".lock", "t-0"]


def test_what_a_killed_process_discarded_goes_at_the_next_start(tmp_path: Path) -> None:
    leftover = tmp_path / "logs" / ".t-0.1-0-delete"
    leftover.mkdir(parents=True)
    (leftover / "a").write_bytes(b"1")
    store = DiskStore(tmp_path / "logs")
    assert store.names() == []
    store.close()
    assert not leftover.exists()


def test_a_topic_may_be_named_like_a_removed_directory(disk: DiskStore) -> None:
    disk.directory("my-delete-0")
    assert disk.names() == ["my-delete-0"]
