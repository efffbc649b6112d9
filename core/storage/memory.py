"""Storage that is gone with the process: `storage = memory`.

Files are `Blocks`; reads hand out views of what was appended. Nothing ever waits, so `try_read`
always answers and `sync` has nothing to do. A store that is closed and used again has what it had,
so that a log can be closed and opened within a process.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from sprawl.core.storage.blocks import Blocks
from sprawl.core.storage.port import Buffer, FileInfo

_FREE_BYTES = 2**62


class MemoryFile:
    """A segment file that is a list of blocks."""

    __slots__ = ("_blocks", "_directory", "_name")

    def __init__(self, directory: MemoryDirectory, name: str) -> None:
        self._directory = directory
        self._name = name
        self._blocks = Blocks()

    @property
    def name(self) -> str:
        return self._name

    @property
    def size_bytes(self) -> int:
        return self._blocks.end

    def append(self, bufs: Sequence[Buffer]) -> int:
        blocks = self._blocks
        position = blocks.end
        for buf in bufs:
            blocks.append(buf)
        return position

    def read(self, position: int, size_bytes: int) -> Buffer:
        views = self._blocks.views(position, size_bytes)
        return views[0] if len(views) == 1 else b"".join(views)

    def try_read(self, position: int, size_bytes: int) -> Sequence[Buffer] | None:
        return self._blocks.views(position, size_bytes)

    def truncate(self, size_bytes: int) -> None:
        self._blocks.truncate(size_bytes)

    def sync(self) -> None:
        """Memory has nothing behind it."""

    def rename(self, name: str) -> None:
        files = self._directory.files
        files[name] = files.pop(self._name)
        self._name = name

    def discard(self, delay_ms: int) -> None:
        """Readers hold the file itself, so that its name can go at once."""
        self._directory.files.pop(self._name, None)

    def close(self) -> None:
        """Nothing is held open."""


class MemoryDirectory:
    """A dict of files."""

    __slots__ = ("_name", "_store", "files")

    def __init__(self, store: MemoryStore, name: str) -> None:
        self._store = store
        self._name = name
        self.files: dict[str, MemoryFile] = {}

    @property
    def name(self) -> str:
        return self._name

    def create(self, name: str, *, keep_tail: bool = True) -> MemoryFile:
        if name in self.files:
            raise FileExistsError(f"{self._name}/{name} exists")
        file = self.files[name] = MemoryFile(self, name)
        return file

    def open(self, name: str) -> MemoryFile:
        try:
            return self.files[name]
        except KeyError:
            raise FileNotFoundError(f"{self._name}/{name} is not there") from None

    def list(self) -> list[FileInfo]:
        return [FileInfo(name, file.size_bytes) for name, file in self.files.items()]

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    def sync(self) -> None:
        """Memory has nothing behind it."""

    def discard(self, delay_ms: int) -> None:
        """Readers hold the files themselves, so that the names can go at once."""
        self._store.forget(self)

    def set_aside(self, suffix: str) -> None:
        self.files = {}

    def free_bytes(self) -> int:
        return _FREE_BYTES


class MemoryStore:
    """A node's partitions in memory."""

    __slots__ = ("_directories",)

    def __init__(self) -> None:
        self._directories: dict[str, MemoryDirectory] = {}

    def directory(self, name: str) -> MemoryDirectory:
        directory = self._directories.get(name)
        if directory is None:
            directory = self._directories[name] = MemoryDirectory(self, name)
        return directory

    def names(self) -> list[str]:
        return list(self._directories)

    def forget(self, directory: MemoryDirectory) -> None:
        """Drop a directory, unless its name belongs to another one by now."""
        if self._directories.get(directory.name) is directory:
            del self._directories[directory.name]

    def close(self) -> None:
        """Nothing is held open."""


class MemoryKeyValueStore:
    """A sorted list of keys beside a dict; writes are rare, scans by prefix are rarer."""

    __slots__ = ("_keys", "_values")

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None:
        if key not in self._values:
            self._keys.insert(bisect_left(self._keys, key), key)
        self._values[key] = value

    def delete(self, key: bytes, *, sync: bool = False) -> None:
        if self._values.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        for key in deletes:
            self.delete(key)
        for key, value in puts:
            self.put(key, value)

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        first = bisect_left(self._keys, prefix)
        for key in self._keys[first:]:
            if not key.startswith(prefix):
                return
            value = self._values.get(key)
            if value is not None:
                yield key, value

    def close(self) -> None:
        """Nothing is held open."""
