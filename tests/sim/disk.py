"""One machine's disk: what was synced survives, what was not may not, and the rest of its faults.

Rules:

1. `kill -9` loses nothing: what was written is in the page cache of a machine that lives on. A loss
   of power loses what was not synced, per file, with a torn last write (crash_storage.py).
2. The disk belongs to the machine: the next incarnation opens what the last one left.
3. A change by a process that is dead does not happen: it raises `Killed` instead.
4. Every change is a step. `burn_after` ends the process, or the power, at a step of its choice,
   which is the only way to die in the middle of a handler.
5. Renaming a directory away (`discard`, `set_aside`) is durable at once, as on a real disk
   (core/storage/disk.py).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING

from crash_storage import CrashDirectory, CrashFile, CrashKeyValueStore, Inode
from sim.processes import PROCESS, Killed

from sprawl.core.broker import Volume
from sprawl.core.controller.checkpoints import COPIED_SUFFIX, PART_SUFFIX
from sprawl.core.controller.identity import (
    Identity,
    IdentityFault,
    new_cluster_id,
    new_directory_id,
)
from sprawl.core.log.copies import COPY_SUFFIX
from sprawl.core.storage.port import Buffer, KeyValueStore, LogStore

if TYPE_CHECKING:
    from sim.loop import SimLoop
    from sim.processes import Process
    from sim.trace import Trace

    from sprawl.config import Settings

DISK_BYTES = 2**40
SYNC_FAILED = f"[Errno {errno.EIO}] {os.strerror(errno.EIO)}"
DISK_FULL = f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}"
"""What the two errors of a disk that lives say, in whatever is told of them."""


class SimFile(CrashFile):
    """See port.SegmentFile."""

    _directory: SimDirectory

    def append(self, bufs: Sequence[Buffer]) -> int:
        disk = self._directory.disk
        size = sum(map(len, bufs))
        disk.change("append", self._directory.name, self.name, size)
        disk.take_room(size)
        return super().append(bufs)

    def read(self, position: int, size_bytes: int) -> Buffer:
        self._directory.disk.look()
        return super().read(position, size_bytes)

    def try_read(self, position: int, size_bytes: int) -> Sequence[Buffer] | None:
        disk = self._directory.disk
        disk.look()
        if disk.cold_odds and disk.rng.random() < disk.cold_odds:
            return None
        data = super().read(position, size_bytes)
        return (data,) if data else ()

    def truncate(self, size_bytes: int) -> None:
        self._directory.disk.change("truncate", self._directory.name, self.name, size_bytes)
        super().truncate(size_bytes)

    def sync(self) -> None:
        self._directory.disk.sync(self._directory.name, self.name)
        super().sync()

    def rename(self, name: str) -> None:
        self._directory.disk.change("rename", self._directory.name, self.name, name)
        self._directory.disk.count_rename(self.name)
        super().rename(name)

    def discard(self, delay_ms: int) -> None:
        self._directory.disk.change("discard", self._directory.name, self.name)
        self._directory.disk.give_room(self.size_bytes)
        super().discard(delay_ms)


class SimDirectory(CrashDirectory):
    """See port.LogDirectory."""

    file_type = SimFile

    def __init__(self, disk: SimDisk, name: str) -> None:
        super().__init__(name)
        self.disk = disk

    def create(self, name: str, *, keep_tail: bool = True) -> CrashFile:
        self.disk.change("create", self.name, name)
        self.disk.take_room(0)
        return super().create(name, keep_tail=keep_tail)

    def open(self, name: str) -> CrashFile:
        self.disk.look()
        return super().open(name)

    def delete(self, name: str) -> None:
        self.disk.change("delete", self.name, name)
        inode = self.names.get(name)
        if inode is not None:
            self.disk.give_room(len(inode.data))
        super().delete(name)

    def sync(self) -> None:
        self.disk.sync(self.name, "")
        super().sync()

    def discard(self, delay_ms: int) -> None:
        self.disk.change("discard", self.name, "")
        self.disk.forget(self)
        self.disk.give_room(sum(len(inode.data) for inode in self.names.values()))

    def set_aside(self, suffix: str) -> None:
        self.disk.change("aside", self.name, suffix)
        self.disk.damaged_logs += suffix.startswith("damaged")
        super().set_aside(suffix)
        super().sync()

    def free_bytes(self) -> int:
        return self.disk.room_bytes


class SimKeyValueStore(CrashKeyValueStore):
    """See port.KeyValueStore."""

    def __init__(self, disk: SimDisk) -> None:
        super().__init__()
        self._disk = disk

    def get(self, key: bytes) -> bytes | None:
        self._disk.look()
        return super().get(key)

    def write_batch(
        self,
        *,
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[bytes] = (),
        sync: bool = False,
    ) -> None:
        disk = self._disk
        if sync:
            disk.sync("kv", "")
        else:
            disk.change("kv", "", "", len(puts) + len(deletes))
        if puts:
            disk.take_room(0)
        super().write_batch(puts=puts, deletes=deletes, sync=sync)


class SimDisk:
    """One machine's disk. It is a LogStore itself.

    Args:
        host: the machine's name.
        rng: what survives a loss of power, and which reads are cold.
    """

    def __init__(self, host: str, loop: SimLoop, rng: Random, trace: Trace) -> None:
        self.host = host
        self.rng = rng
        self.kv = SimKeyValueStore(self)
        self.identity: Identity | None = None
        self.owner: Process | None = None
        self.room_bytes = DISK_BYTES
        self.cold_odds = 0.0
        """How often a read finds its bytes outside the page cache."""
        self.delay_s = 0.0005
        """Mean time a job that may touch the disk waits before and after its work."""
        self.failing_syncs = 0
        """How many of the next syncs fail."""
        self.steps = 0
        self.syncs = 0
        self.copies = 0
        """Files of copied logs that took their place."""
        self.damaged_logs = 0
        """Logs that were set aside because a synced byte was not what it had been."""
        self.flipped_logs: set[str] = set()
        """Names of directories in which a bit flipped."""
        self.checkpoints_written = 0
        self.checkpoints_copied = 0
        self.synced_files: dict[str, None] = {}
        self._directories: dict[str, SimDirectory] = {}
        self._loop = loop
        self._trace = trace
        self._fuse = -1
        self._burn: Callable[[], None] | None = None

    # --- faults ---------------------------------------------------------------------------------

    def burn_after(self, steps: int, burn: Callable[[], None]) -> None:
        """Let so many more changes happen; at the next one call `burn`, which kills the process,
        and end the code that wanted it."""
        self._fuse = steps
        self._burn = burn

    def defuse(self) -> None:
        """Take `burn_after` back."""
        self._fuse = -1
        self._burn = None

    def lose_power(self) -> None:
        """What was not synced may be gone."""
        choose = self.rng.randint
        self.kv.crash(choose)
        for directory in self._directories.values():
            directory.crash(choose)

    def flip_bit(self, topic_partition: str | None = None) -> str | None:
        """Flip one bit of one synced byte.

        Returns: `directory/file@position`, or None when nothing is synced.
        """
        found = [
            (directory, name, inode)
            for directory in self._directories.values()
            if topic_partition in (None, directory.name)
            for name, inode in directory.names.items()
            if inode.synced and len(inode.synced) <= len(inode.data)
        ]
        if not found:
            return None
        directory, name, inode = found[self.rng.randrange(len(found))]
        position = self.rng.randrange(len(inode.synced))
        return self._flip(directory, name, inode, position)

    def flip_bit_between(self, directory: str, name: str, low: int, high: int) -> str | None:
        """Flip one bit of a synced byte of a file, at a position in [low, high); None when nothing
        is synced there."""
        found = self._directories.get(directory)
        inode = None if found is None else found.names.get(name)
        if found is None or inode is None or not low < high <= len(inode.synced):
            return None
        return self._flip(found, name, inode, self.rng.randrange(low, high))

    def _flip(self, directory: SimDirectory, name: str, inode: Inode, position: int) -> str:
        bit = 1 << self.rng.randrange(8)
        inode.synced[position] ^= bit
        inode.data[position] ^= bit
        self.flipped_logs.add(directory.name)
        place = f"{directory.name}/{name}@{position}"
        self._note("flip", place)
        return place

    def count_rename(self, name: str) -> None:
        """A file gets another name than this one: it is whole, or in its place."""
        self.copies += name.endswith(COPY_SUFFIX)
        self.checkpoints_written += name.endswith(PART_SUFFIX)
        self.checkpoints_copied += name.endswith(COPIED_SUFFIX)

    # --- what files ask -------------------------------------------------------------------------

    def look(self) -> None:
        """A read. Raises: Killed when the process is dead."""
        process = PROCESS.get()
        if process is not None and process.is_dead:
            self._refuse()

    def change(self, kind: str, directory: str, name: str, what: object = "") -> None:
        """A change is about to happen. Raises: Killed when it does not."""
        self.look()
        if self._fuse == 0 and self._burn is not None:
            burn, self._burn = self._burn, None
            self._fuse = -1
            self._note("burn", (kind, directory, name))
            burn()
            raise Killed
        self._fuse -= 1
        self.steps += 1
        self._note(kind, (directory, name, what))

    def sync(self, directory: str, name: str) -> None:
        """A sync is about to happen. Raises: Killed, OSError EIO."""
        self.change("sync", directory, name)
        self.syncs += 1
        if self.failing_syncs > 0:
            self.failing_syncs -= 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def take_room(self, size_bytes: int) -> None:
        """Raises: OSError ENOSPC."""
        if self.room_bytes < max(size_bytes, 1):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room_bytes -= size_bytes

    def give_room(self, size_bytes: int) -> None:
        """Something was deleted."""
        self.room_bytes += size_bytes

    def forget(self, directory: SimDirectory) -> None:
        """A directory was renamed away."""
        if self._directories.get(directory.name) is directory:
            del self._directories[directory.name]

    def _refuse(self) -> None:
        if self._loop.is_ending:
            raise OSError(errno.EIO, "the world has ended")
        raise Killed

    def _note(self, kind: str, what: object) -> None:
        process = PROCESS.get()
        number = 0 if process is None else process.number
        self._trace.note(self._loop.now, number, f"disk {kind}", what)

    # --- port.LogStore --------------------------------------------------------------------------

    def directory(self, name: str) -> SimDirectory:
        self.look()
        directory = self._directories.get(name)
        if directory is None:
            directory = self._directories[name] = SimDirectory(self, name)
        return directory

    def names(self) -> list[str]:
        return list(self._directories)

    def close(self) -> None:
        """Nothing is held open."""


class SimData:
    """The data of one incarnation: see sprawl.platform.Data."""

    def __init__(self, disk: SimDisk, process: Process, settings: Settings, rng: Random) -> None:
        self._disk = disk
        self._process = process
        self._settings = settings
        self._rng = rng

    def identify(self) -> Identity:
        disk = self._disk
        if disk.owner is not None and not disk.owner.is_dead:
            raise IdentityFault(f"{disk.host} is in use by {disk.owner}")
        if disk.identity is None:
            cluster_id = self._settings.text("cluster.id") or new_cluster_id(self._rng)
            disk.identity = Identity(
                cluster_id, self._settings.node_id, new_directory_id(self._rng)
            )
        disk.owner = self._process
        return disk.identity

    def adopt(self, cluster_id: str) -> Identity:
        assert self._disk.identity is not None
        self._disk.identity = self._disk.identity._replace(cluster_id=cluster_id)
        return self._disk.identity

    def open(self) -> tuple[LogStore, KeyValueStore]:
        return self._disk, self._disk.kv

    def volume(self) -> Volume:
        return Volume(f"/{self._disk.host}", DISK_BYTES, self._disk.room_bytes)

    def close(self) -> None:
        if self._disk.owner is self._process:
            self._disk.owner = None
