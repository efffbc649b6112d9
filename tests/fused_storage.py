"""Storage whose power is cut before a change of the test's choice."""

from __future__ import annotations

from collections.abc import Sequence

from crash_storage import CrashDirectory, CrashFile, CrashKeyValueStore

from sprawl.core.storage.port import Buffer


class PowerCut(BaseException):
    """Nothing that is running can catch this."""


class Fuse:
    """Lets so many changes happen, then no more."""

    def __init__(self, changes: int) -> None:
        self.left = changes
        self.burnt = 0

    def burn(self) -> None:
        if self.left <= 0:
            raise PowerCut
        self.left -= 1
        self.burnt += 1


class FusedFile(CrashFile):
    def __init__(self, file: CrashFile, fuse: Fuse) -> None:
        super().__init__(file._directory, file._name, file._inode)
        self._fuse = fuse

    def append(self, bufs: Sequence[Buffer]) -> int:
        self._fuse.burn()
        return super().append(bufs)

    def truncate(self, size_bytes: int) -> None:
        self._fuse.burn()
        super().truncate(size_bytes)

    def sync(self) -> None:
        self._fuse.burn()
        super().sync()

    def rename(self, name: str) -> None:
        self._fuse.burn()
        super().rename(name)

    def discard(self, delay_ms: int) -> None:
        self._fuse.burn()
        super().discard(delay_ms)


class FusedDirectory(CrashDirectory):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse

    def create(self, name: str, *, keep_tail: bool = True) -> CrashFile:
        self.fuse.burn()
        return FusedFile(super().create(name, keep_tail=keep_tail), self.fuse)

    def open(self, name: str) -> CrashFile:
        return FusedFile(super().open(name), self.fuse)

    def delete(self, name: str) -> None:
        self.fuse.burn()
        super().delete(name)

    def sync(self) -> None:
        self.fuse.burn()
        super().sync()


class FusedStore(CrashKeyValueStore):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        self.fuse.burn()
        super().write_batch(puts=puts, deletes=deletes, sync=sync)
