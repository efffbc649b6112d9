"""What the log asks of a storage: files that grow at their end, a key-value store, an object store.

Rules of every implementation:

1. A `SegmentFile` has one writer. `read`, `try_read` and `sync` may run in other threads meanwhile.
2. What `append` returned from can be read at once; what `sync` returned from survives a power loss,
   provided that the file's directory was synced after the file was created or renamed.
3. An `append` that raises leaves the file as it was: a part that was written is cut off again, or
   written over by the next append.
4. A `KeyValueStore` applies writes in order: after a crash, when a write is there, every earlier
   one is. A synced write survives a power loss.

Faults are `OSError`s, whatever the implementation is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview


class FileInfo(NamedTuple):
    """One file of a directory."""

    name: str
    size_bytes: int


class SegmentFile(Protocol):
    """A file that is appended to, read at any position, and cut at its end."""

    @property
    def name(self) -> str:
        """Its name within the directory."""
        ...

    @property
    def size_bytes(self) -> int: ...

    def append(self, bufs: Sequence[Buffer]) -> int:
        """Write the buffers one after the other at the end, all or nothing.

        A large buffer may be kept instead of copied: its bytes must not change afterwards.

        Returns:
            The position of the first byte.

        Raises:
            OSError: disk full or broken; the file is as it was.
        """
        ...

    def read(self, position: int, size_bytes: int) -> Buffer:
        """The bytes from `position`, fewer at the end of the file; may block on the disk."""
        ...

    def try_read(self, position: int, size_bytes: int) -> Sequence[Buffer] | None:
        """The same without blocking.

        Returns:
            Consecutive buffers of at most `size_bytes` in total: fewer when the rest is not in
            memory. None when the first byte is not.
        """
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file to this size, at most what it has."""
        ...

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        ...

    def rename(self, name: str) -> None:
        """Give the file another name in its directory, in place of a file that may have it."""
        ...

    def discard(self, delay_ms: int) -> None:
        """Rename the file to what the next open of the log removes, and remove it after a while.

        Readers that have the file may go on until then.
        """
        ...

    def close(self) -> None:
        """Give back what the file holds open; using the file opens it again."""
        ...


class LogDirectory(Protocol):
    """The files of one partition."""

    @property
    def name(self) -> str: ...

    def create(self, name: str, *, keep_tail: bool = True) -> SegmentFile:
        """A new empty file.

        Args:
            keep_tail: whether what is appended is likely to be read soon, and worth memory.

        Raises:
            OSError: FileExistsError, or as `append`.
        """
        ...

    def open(self, name: str) -> SegmentFile:
        """An existing file.

        Raises:
            OSError: FileNotFoundError, or it cannot be looked at.
        """
        ...

    def list(self) -> list[FileInfo]:
        """Its files in no particular order."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file now."""
        ...

    def sync(self) -> None:
        """Make created, renamed and removed names survive a power loss."""
        ...

    def discard(self, delay_ms: int) -> None:
        """Remove the directory with all its files, under another name at once."""
        ...

    def set_aside(self, suffix: str) -> None:
        """Give the directory, with its files, a name that no log has; go on with an empty one."""
        ...

    def free_bytes(self) -> int:
        """Room left on the disk."""
        ...


class LogStore(Protocol):
    """All partitions' directories of a node."""

    def directory(self, name: str) -> LogDirectory:
        """The directory of a partition, `topic-0`; created when it is not there."""
        ...

    def names(self) -> list[str]:
        """Names of the directories there are."""
        ...

    def close(self) -> None:
        """Give everything back; removals that wait for their time happen now."""
        ...


class KeyValueStore(Protocol):
    """Small facts by key, in key order."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None: ...

    def delete(self, key: bytes, *, sync: bool = False) -> None: ...

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        """All of it or nothing; deletes come first."""
        ...

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every key with the prefix and its value, ascending."""
        ...

    def close(self) -> None: ...


class ObjectInfo(NamedTuple):
    """One object of a listing."""

    key: str
    size_bytes: int
    etag: str


class ObjectStore(Protocol):
    """Whole objects by name: what S3 and its likes have in common. Calls block; use threads.

    Tiered storage writes one object for each sealed segment, under a name that holds topic id,
    partition, term and base offset, and then a manifest entry into the partition's log. An object
    is never changed.
    """

    def put(
        self,
        key: str,
        bufs: Sequence[Buffer],
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Store an object.

        Args:
            if_absent: fail when there is one (`If-None-Match: *`), so that a deposed leader cannot
                replace what its successor wrote.

        Returns:
            Its etag.

        Raises:
            FileExistsError: `if_absent`, and there is one. After a time-out the one that is there
                may be ours: compare the etag.
            OSError: anything else; whether the object was stored is not known.
        """
        ...

    def get_range(self, key: str, position: int, size_bytes: int) -> bytes:
        """A part of an object, fewer bytes at its end.

        Raises:
            OSError: FileNotFoundError when there is none.
        """
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is not there does not matter."""
        ...

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """Objects by ascending key."""
        ...
