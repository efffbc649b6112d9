"""Storage that loses power when a test says so.

Every change is a step. What was not synced is lost from some step on, per file, for the directory's
names and for the key-value store each on its own; the append at which a file was cut may have
reached the disk in part, or as zeros (a size that was written before its data).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sprawl.core.storage.memory import MemoryKeyValueStore
from sprawl.core.storage.port import Buffer, FileInfo

Choose = Callable[[int, int], int]
"""An integer from [low, high]: how much survives is the test's choice."""


@dataclass
class Inode:
    """A file's bytes now, those that are on disk, and the steps between."""

    data: bytearray = field(default_factory=bytearray)
    synced: bytearray = field(default_factory=bytearray)
    steps: list[bytes | int] = field(default_factory=list)

    def sync(self) -> None:
        """Bring the steps to the disk, in order."""
        for step in self.steps:
            self._redo(step)
        self.steps = []

    def crash(self, choose: Choose) -> None:
        kept = choose(0, len(self.steps))
        for step in self.steps[:kept]:
            self._redo(step)
        if kept < len(self.steps) and not isinstance(torn := self.steps[kept], int):
            part = choose(0, len(torn))
            self.synced += bytes(part) if choose(0, 3) == 0 else torn[:part]
        self.data = bytearray(self.synced)
        self.steps = []

    def _redo(self, step: bytes | int) -> None:
        if isinstance(step, int):
            del self.synced[step:]
        else:
            self.synced += step


class CrashFile:
    """See port.SegmentFile. Every read may have to wait when the directory is cold."""

    def __init__(self, directory: CrashDirectory, name: str, inode: Inode) -> None:
        self._directory = directory
        self._name = name
        self._inode = inode

    @property
    def name(self) -> str:
        return self._name

    @property
    def size_bytes(self) -> int:
        return len(self._inode.data)

    def append(self, bufs: Sequence[Buffer]) -> int:
        data = b"".join(bufs)
        position = len(self._inode.data)
        if len(data) > self._directory.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._inode.data += data
        self._inode.steps.append(data)
        return position

    def read(self, position: int, size_bytes: int) -> Buffer:
        return bytes(self._inode.data[position : position + size_bytes])

    def try_read(self, position: int, size_bytes: int) -> Sequence[Buffer] | None:
        if self._directory.is_cold:
            return None
        data = self.read(position, size_bytes)
        return (data,) if data else ()

    def truncate(self, size_bytes: int) -> None:
        del self._inode.data[size_bytes:]
        self._inode.steps.append(size_bytes)

    def sync(self) -> None:
        if self._directory.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        self._inode.sync()

    def rename(self, name: str) -> None:
        old = self._name
        self._directory.change(lambda names: names.update({name: names.pop(old)}))
        self._name = name

    def discard(self, delay_ms: int) -> None:
        name = self._name
        self._directory.change(lambda names: names.pop(name, None))

    def close(self) -> None:
        pass


class CrashDirectory:
    """See port.LogDirectory."""

    file_type = CrashFile

    def __init__(self, name: str = "t-0") -> None:
        self._name = name
        self.names: dict[str, Inode] = {}
        self.room_bytes = 2**62
        self.is_cold = False
        self.sync_fails = False
        self._synced: dict[str, Inode] = {}
        self._steps: list[Callable[[dict[str, Inode]], object]] = []

    @property
    def name(self) -> str:
        return self._name

    def change(self, step: Callable[[dict[str, Inode]], object]) -> None:
        step(self.names)
        self._steps.append(step)

    def create(self, name: str, *, keep_tail: bool = True) -> CrashFile:
        if name in self.names:
            raise FileExistsError(name)
        if self.room_bytes <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        inode = Inode()
        self.change(lambda names: names.update({name: inode}))
        return self.file_type(self, name, inode)

    def open(self, name: str) -> CrashFile:
        if name not in self.names:
            raise FileNotFoundError(name)
        return self.file_type(self, name, self.names[name])

    def list(self) -> list[FileInfo]:
        return [FileInfo(name, len(inode.data)) for name, inode in self.names.items()]

    def delete(self, name: str) -> None:
        self.change(lambda names: names.pop(name, None))

    def sync(self) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, "Input/output error")
        self._synced = dict(self.names)
        self._steps = []

    def discard(self, delay_ms: int) -> None:
        self.change(lambda names: names.clear())

    def set_aside(self, suffix: str) -> None:
        self.change(lambda names: names.clear())

    def free_bytes(self) -> int:
        return self.room_bytes

    def crash(self, choose: Choose) -> None:
        """Lose power: names first, then what is in the files that are left."""
        names = dict(self._synced)
        for step in self._steps[: choose(0, len(self._steps))]:
            step(names)
        self.names = names
        self._synced = dict(names)
        self._steps = []
        for inode in names.values():
            inode.crash(choose)


class CrashKeyValueStore(MemoryKeyValueStore):
    """Writes survive in order: all up to the last synced one, then as many as the test says."""

    def __init__(self) -> None:
        super().__init__()
        # For each batch that is not synced, what its keys held before it.
        self._undo: list[list[tuple[bytes, bytes | None]]] = []

    def put(self, key: bytes, value: bytes, *, sync: bool = False) -> None:
        self.write_batch(puts=[(key, value)], sync=sync)

    def delete(self, key: bytes, *, sync: bool = False) -> None:
        self.write_batch(deletes=[key], sync=sync)

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        keys = dict.fromkeys([*deletes, *(key for key, _ in puts)])
        self._undo.append([(key, self.get(key)) for key in keys])
        for key in deletes:
            super().delete(key)
        for key, value in puts:
            super().put(key, value)
        if sync:
            self._undo.clear()

    def crash(self, choose: Choose) -> None:
        """Lose power."""
        kept = choose(0, len(self._undo))
        for batch in reversed(self._undo[kept:]):
            for key, value in batch:
                if value is None:
                    super().delete(key)
                else:
                    super().put(key, value)
        self._undo.clear()
