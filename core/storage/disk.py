"""Storage in a directory: one folder for each partition, one file for each segment.

Rules:

1. Files are written with `pwrite` at the size we know, so that a torn write is written over.
2. Descriptors are opened when needed and closed when the node has too many: least recently used
   first, never one that is in use.
3. `try_read` answers from the recent tail that is kept in memory, else from the page cache
   (`preadv2` with RWF_NOWAIT); where the system cannot tell, it answers None.
4. What is discarded gets another name at once (`*.deleted`, `.*-delete`) and is removed by a
   thread after its delay, or when the store is closed, or when it is opened the next time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import shutil
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary, ref

from sprawl.core.limits import MEMORY_TAIL_BYTES_MAX
from sprawl.core.storage.port import Buffer, FileInfo
from sprawl.core.storage.read_buffers import ReadBuffers
from sprawl.core.storage.reaper import Reaper
from sprawl.core.storage.tail import TailCache

if TYPE_CHECKING:
    from sprawl.core.storage.blocks import Blocks

DELETED_SUFFIX: Final = ".deleted"
DELETED_DIRECTORY_SUFFIX: Final = "-delete"
STRAY_SUFFIX: Final = "-stray"
_LOCK_NAME: Final = ".lock"
_NOWAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)
_CANNOT_TELL: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_OPEN_FILES_MIN: Final = 64
_OPEN_FILES_MAX: Final = 4_096


class Descriptors:
    """The open files of a store, least recently used first."""

    __slots__ = ("_max", "_open", "lock")

    def __init__(self, open_files_max: int) -> None:
        self.lock = threading.Lock()
        self._max = open_files_max
        self._open: OrderedDict[DiskFile, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def used(self, file: DiskFile) -> None:
        """Note a use. The caller holds the lock."""
        self._open.move_to_end(file)

    def opened(self, file: DiskFile) -> None:
        """Add a file and close others when there are too many. The caller holds the lock."""
        self._open[file] = None
        if len(self._open) <= self._max:
            return
        for old in list(self._open):
            if old.close_if_idle():
                del self._open[old]
                if len(self._open) <= self._max:
                    return

    def forget(self, file: DiskFile) -> None:
        """Drop a file that was closed. The caller holds the lock."""
        self._open.pop(file, None)


class DiskFile:
    """A file of a partition's folder. See port.SegmentFile."""

    __slots__ = ("_directory", "_fd", "_keep_tail", "_name", "_pins", "_size", "tail")

    def __init__(
        self, directory: DiskDirectory, name: str, size_bytes: int, *, keep_tail: bool
    ) -> None:
        self._directory = directory
        self._name = name
        self._size = size_bytes
        self._fd = -1
        self._pins = 0
        self._keep_tail = keep_tail
        self.tail: Blocks | None = None
        """What of the end is in memory; owned by the store's TailCache."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def size_bytes(self) -> int:
        return self._size

    # --- port.SegmentFile -----------------------------------------------------------------------

    def append(self, bufs: Sequence[Buffer]) -> int:
        position = self._size
        size = sum(map(len, bufs))
        fd = self._pin()
        try:
            written = os.pwritev(fd, bufs, position)
            if written != size:
                _write_rest(fd, bufs, position, written)
        except OSError:
            _cut_back(fd, position)
            raise
        finally:
            self._unpin()
        self._size = position + size
        if self._keep_tail:
            self._directory.store.tails.appended(self, position, bufs)
        return position

    def read(self, position: int, size_bytes: int) -> Buffer:
        fd = self._pin()
        try:
            found = os.pread(fd, size_bytes, position)
            if len(found) == size_bytes or not found:
                return found
            parts = [found]
            got = len(found)
            while got < size_bytes and (found := os.pread(fd, size_bytes - got, position + got)):
                parts.append(found)
                got += len(found)
            return b"".join(parts)
        finally:
            self._unpin()

    def try_read(self, position: int, size_bytes: int) -> Sequence[Buffer] | None:
        tail = self.tail
        if tail is not None:
            views = tail.views(position, size_bytes)
            if views:
                return views
        size_bytes = min(size_bytes, self._size - position)
        if size_bytes <= 0:
            return ()
        store = self._directory.store
        if _NOWAIT is None or not store.can_read_nowait:
            return None
        buf = store.read_buffers.take(size_bytes)
        fd = self._pin()
        try:
            got = os.preadv(fd, [buf], position, _NOWAIT)
        except BlockingIOError:
            return None
        except OSError as failure:
            if failure.errno not in _CANNOT_TELL:
                raise
            store.can_read_nowait = False
            return None
        finally:
            self._unpin()
        return (buf[:got],) if got else None

    def truncate(self, size_bytes: int) -> None:
        fd = self._pin()
        try:
            os.ftruncate(fd, size_bytes)
        finally:
            self._unpin()
        self._size = size_bytes
        if self.tail is not None:
            self.tail.truncate(size_bytes)

    def sync(self) -> None:
        fd = self._pin()
        try:
            os.fdatasync(fd)
        finally:
            self._unpin()

    def rename(self, name: str) -> None:
        with self._directory.store.descriptors.lock:
            # Whoever opens the file from now on must use the new name.
            os.rename(self._directory.path / self._name, self._directory.path / name)
            self._name = name

    def discard(self, delay_ms: int) -> None:
        store = self._directory.store
        self.rename(f"{self._name}.{next(store.discarded)}{DELETED_SUFFIX}")
        self.tail = None
        store.reaper.add(self._directory.path / self._name, delay_ms, self.close)

    def close(self) -> None:
        descriptors = self._directory.store.descriptors
        with descriptors.lock:
            if self.close_if_idle():
                descriptors.forget(self)

    # --- descriptors ----------------------------------------------------------------------------

    def close_if_idle(self) -> bool:
        """Close the descriptor unless it is in use. The caller holds the lock."""
        if self._pins:
            return False
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        return True

    def _pin(self) -> int:
        descriptors = self._directory.store.descriptors
        with descriptors.lock:
            if self._fd < 0:
                self._fd = os.open(self._directory.path / self._name, os.O_RDWR | os.O_CLOEXEC)
                self._pins += 1
                descriptors.opened(self)
            else:
                self._pins += 1
                descriptors.used(self)
            return self._fd

    def _unpin(self) -> None:
        with self._directory.store.descriptors.lock:
            self._pins -= 1


class DiskDirectory:
    """A partition's folder. See port.LogDirectory.

    Args:
        former: what had the name before, if it is still used: its files go with it when it is set
            aside.
    """

    __slots__ = ("__weakref__", "_former", "_name", "path", "store")

    def __init__(self, store: DiskStore, name: str, former: DiskDirectory | None = None) -> None:
        self.store = store
        self._name = name
        self._former = None if former is None else ref(former)
        self.path = store.path / name

    @property
    def name(self) -> str:
        return self._name

    def create(self, name: str, *, keep_tail: bool = True) -> DiskFile:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        os.close(os.open(self.path / name, flags, 0o644))
        return DiskFile(self, name, 0, keep_tail=keep_tail)

    def open(self, name: str) -> DiskFile:
        return DiskFile(self, name, (self.path / name).stat().st_size, keep_tail=True)

    def list(self) -> list[FileInfo]:
        found: list[FileInfo] = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                # The reaper may have removed the file since its name was read.
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file():
                        found.append(FileInfo(entry.name, entry.stat().st_size))
        return found

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def sync(self) -> None:
        _sync_directory(self.path)
        _sync_directory(self.store.path)

    def discard(self, delay_ms: int) -> None:
        store = self.store
        name = f".{self._name[:200]}.{next(store.discarded)}{DELETED_DIRECTORY_SUFFIX}"
        with store.descriptors.lock:
            os.rename(self.path, store.path / name)
            self.path = store.path / name
        _sync_directory(store.path)
        store.reaper.add(self.path, delay_ms, None)

    def set_aside(self, suffix: str) -> None:
        aside = self.store.path / f".{self._name[:180]}.{suffix}{STRAY_SUFFIX}"
        former = None if self._former is None else self._former()
        with self.store.descriptors.lock:
            os.rename(self.path, aside)
            if former is not None and former.path == self.path:
                # A reader may open its files again: they have the names that new ones get.
                former.path = aside
        self.path.mkdir()
        _sync_directory(self.store.path)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.store.path).free


class DiskStore:
    """A node's partitions below one directory, which is locked against a second process.

    Args:
        path: the directory; created when it is not there.
        open_files_max: bound of open segment files; by default a quarter of the process's limit.
        tail_bytes_max: bound of the memory that keeps what was appended last, over all files.

    Raises:
        OSError: BlockingIOError when another process has the directory; or it cannot be used.
    """

    def __init__(
        self,
        path: Path,
        *,
        open_files_max: int | None = None,
        tail_bytes_max: int = MEMORY_TAIL_BYTES_MAX,
    ) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock_fd = _lock(path / _LOCK_NAME)
        self.descriptors = Descriptors(open_files_max or _open_files_bound())
        self.tails = TailCache(tail_bytes_max)
        self.read_buffers = ReadBuffers()
        self.reaper = Reaper()
        self.can_read_nowait = True
        self._latest: WeakValueDictionary[str, DiskDirectory] = WeakValueDictionary()
        # The process id keeps names apart from those that an earlier process left.
        self.discarded = map(f"{os.getpid()}-{{}}".format, count())
        for leftover in path.glob(f".*{DELETED_DIRECTORY_SUFFIX}"):
            self.reaper.add(leftover, 0, None)

    def directory(self, name: str) -> DiskDirectory:
        with self.descriptors.lock:
            former = self._latest.get(name)
            directory = self._latest[name] = DiskDirectory(self, name, former)
        directory.path.mkdir(exist_ok=True)
        return directory

    def names(self) -> list[str]:
        return [
            each.name
            for each in self.path.iterdir()
            if each.is_dir() and not each.name.endswith((DELETED_DIRECTORY_SUFFIX, STRAY_SUFFIX))
        ]

    def close(self) -> None:
        self.reaper.close()
        os.close(self._lock_fd)


def _open_files_bound() -> int:
    """A quarter of the descriptors this process may have: connections need the others."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _OPEN_FILES_MAX
    return max(_OPEN_FILES_MIN, min(soft // 4, _OPEN_FILES_MAX))


def _write_rest(fd: int, bufs: Sequence[Buffer], position: int, written: int) -> None:
    rest = memoryview(b"".join(bufs))
    while written < len(rest):
        added = os.pwrite(fd, rest[written:], position + written)
        if added == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += added


def _cut_back(fd: int, size_bytes: int) -> None:
    try:
        os.ftruncate(fd, size_bytes)
    except OSError:
        # The next append writes over the remains, and recovery cuts them off.
        return


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
