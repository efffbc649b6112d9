"""What a node stands on: clocks, chance, the network, threads and the disk, as one object.

`SystemPlatform` is the machine it runs on. Another implementation makes the very same node run
elsewhere, in a simulated world for example, so nothing in the node reaches past it: whatever tells
the time, throws dice, binds an address, starts a thread or opens storage comes from here, and what
waits or connects goes through the running event loop.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Protocol

from sprawl.core.broker import Volume
from sprawl.core.clock import Clock, SystemClock
from sprawl.core.controller.identity import (
    DataDirectory,
    Identity,
    new_cluster_id,
    new_directory_id,
)
from sprawl.core.storage.memory import MemoryKeyValueStore, MemoryStore
from sprawl.gateway import sockets

if TYPE_CHECKING:
    from sprawl.config import Settings
    from sprawl.core.storage.port import KeyValueStore, LogStore

LOGS = "logs"
"""Folder of the partitions' logs in the data directory."""
STORE = "store"
"""Folder of the embedded key-value store in the data directory."""


class Data(Protocol):
    """A node's data, from `identify` to `close`."""

    def identify(self) -> Identity:
        """Take the data for this node alone, and tell whose it is.

        Raises:
            IdentityFault: another process uses it, or it belongs to another node.
            OSError: it cannot be used.
        """
        ...

    def adopt(self, cluster_id: str) -> Identity:
        """The data belongs to another cluster from now on, which this node has joined.

        Raises:
            OSError: that cannot be written down.
        """
        ...

    def open(self) -> tuple[LogStore, KeyValueStore]:
        """The storage, once; `close` closes it.

        Raises:
            OSError: it cannot be opened.
        """
        ...

    def volume(self) -> Volume:
        """Where it lies and how much room there is."""
        ...

    def close(self) -> None:
        """Give everything back; nothing happens when nothing was taken."""
        ...


class Platform(Protocol):
    """One machine as a node sees it."""

    @property
    def clock(self) -> Clock:
        """Wall time, and milliseconds that never go back."""
        ...

    @property
    def rng(self) -> Random:
        """Where ids and jitter come from."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, as fine as there are: for latencies and idle times."""
        ...

    def hostname(self) -> str:
        """What this machine is called."""
        ...

    def bind(self, host: str, port: int) -> list[socket.socket]:
        """See gateway.sockets.bind."""
        ...

    def bind_datagrams(self, host: str, port: int) -> list[socket.socket]:
        """See gateway.sockets.bind_datagrams."""
        ...

    def busy_s(self) -> float:
        """Seconds that this process has kept all of the machine's cores busy, from any origin."""
        ...

    def executor(self, threads: int) -> Executor:
        """Where work runs that may block on the disk; whoever asked shuts it down."""
        ...

    def data(self, settings: Settings) -> Data:
        """The data that the settings name."""
        ...


class SystemPlatform:
    """The operating system."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.rng = SystemRandom()

    def monotonic(self) -> float:
        return time.monotonic()

    def hostname(self) -> str:
        return socket.gethostname()

    def bind(self, host: str, port: int) -> list[socket.socket]:
        return sockets.bind(host, port)

    def bind_datagrams(self, host: str, port: int) -> list[socket.socket]:
        return sockets.bind_datagrams(host, port)

    def busy_s(self) -> float:
        return time.process_time() / (os.cpu_count() or 1)

    def executor(self, threads: int) -> Executor:
        return ThreadPoolExecutor(threads, thread_name_prefix="sprawl-io")

    def data(self, settings: Settings) -> Data:
        if settings.storage == "memory":
            return MemoryData(settings, self.rng)
        return DiskData(settings, self.rng)


class MemoryData:
    """Nothing that outlives the process."""

    def __init__(self, settings: Settings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng

    def identify(self) -> Identity:
        settings = self._settings
        cluster_id = settings.text("cluster.id") or new_cluster_id(self._rng)
        self._identity = Identity(cluster_id, settings.node_id, new_directory_id(self._rng))
        return self._identity

    def adopt(self, cluster_id: str) -> Identity:
        self._identity = self._identity._replace(cluster_id=cluster_id)
        return self._identity

    def open(self) -> tuple[LogStore, KeyValueStore]:
        return MemoryStore(), MemoryKeyValueStore()

    def volume(self) -> Volume:
        return Volume("memory", -1, -1)

    def close(self) -> None:
        """Nothing is held open."""


class DiskData:
    """A data directory."""

    def __init__(self, settings: Settings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._opened = ExitStack()

    def identify(self) -> Identity:
        settings = self._settings
        directory = DataDirectory(settings.data)
        identity = directory.open(settings.node_id, settings.text("cluster.id"), self._rng)
        self._opened.callback(directory.close)
        self._directory = directory
        return identity

    def adopt(self, cluster_id: str) -> Identity:
        return self._directory.adopt(cluster_id)

    def open(self) -> tuple[LogStore, KeyValueStore]:
        from sprawl.core.storage.disk import DiskStore
        from sprawl.core.storage.rocksdb import RocksKeyValueStore

        path = self._settings.data
        store = DiskStore(path / LOGS)
        self._opened.callback(store.close)
        kv = RocksKeyValueStore(path / STORE)
        self._opened.callback(kv.close)
        return store, kv

    def volume(self) -> Volume:
        path = self._settings.data
        usage = shutil.disk_usage(path)
        return Volume(str(path.resolve()), usage.total, usage.free)

    def close(self) -> None:
        self._opened.close()
