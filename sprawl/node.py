"""A node inside your own program or test, without a second process.

    with sprawl.Node() as node:              # runs in a thread of its own
        connect(node.bootstrap)

    async with sprawl.Node() as node:        # runs in your event loop
        ...

Unlike the `sprawl` command it reads no environment and no sprawl.toml: what a test gets depends on
its own arguments only. Defaults are memory storage and free ports of the loopback interface, and
groups that start at once (group.initial.rebalance.delay.ms=0) instead of waiting 3 s for members.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sprawl.config import Settings, broker_keys, resolve

if TYPE_CHECKING:
    from sprawl.assembly import Assembly


class Node:
    """One broker.

    Args:
        storage: "memory" or "disk"; disk when `data_dir` is given, memory otherwise.
        data_dir: directory for disk storage.
        host, port: address of the Kafka port; port 0 takes a free one.
        http_port: port for health and metrics; 0 takes a free one, None has none.
        schema_registry_port: port of the schema registry; 0 takes a free one, None has none.
        listeners: Kafka's listener list, instead of host and port.
        settings: any other setting or broker config, `num_partitions=3` for num.partitions.

    Raises:
        SettingFault: an unknown setting or an impossible value.
    """

    def __init__(
        self,
        *,
        storage: str | None = None,
        data_dir: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        http_port: int | None = 0,
        schema_registry_port: int | None = None,
        listeners: str | None = None,
        **settings: object,
    ) -> None:
        flags = {
            "storage": storage or ("memory" if data_dir is None else "disk"),
            "host": host,
            "port": str(port),
            "http.port": "off" if http_port is None else str(http_port),
            "schema.registry.port": "off"
            if schema_registry_port is None
            else str(schema_registry_port),
            "group_initial_rebalance_delay_ms": "0",
        }
        if data_dir is not None:
            flags["data"] = str(data_dir)
        if listeners is not None:
            flags["listeners"] = listeners
        flags |= {name: _text(value) for name, value in settings.items()}
        self._settings = _settle(flags)
        self._assembly: Assembly | None = None
        self._thread: _NodeThread | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port`, what clients call bootstrap.servers.

        Raises:
            RuntimeError: the node is not running.
        """
        return self._running.bootstrap

    @property
    def http_address(self) -> str | None:
        """Base URL of the HTTP port; None when it is off."""
        return self._running.http_address

    @property
    def http(self) -> str | None:
        """The same as `http_address`."""
        return self.http_address

    @property
    def schema_registry(self) -> str | None:
        """URL of the schema registry; None when it is off."""
        return self._running.schema_registry

    def start(self) -> Self:
        """Starts in a thread of its own and returns when clients can connect.

        Raises:
            StartFault: a port or the data directory is in use, or the data cannot be read.
            RuntimeError: the node is running already.
        """
        if self._assembly is not None:
            raise RuntimeError("the node is running already")
        self._thread = _NodeThread(self._settings)
        self._assembly = self._thread.started()
        return self

    def stop(self) -> None:
        """Finishes requests under way, closes the data cleanly and returns; does nothing when
        the node is not running."""
        if self._thread is not None:
            self._thread.stop()
        self._thread = None
        self._assembly = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        from sprawl.assembly import Assembly

        if self._assembly is not None:
            raise RuntimeError("the node is running already")
        assembly = Assembly(self._settings)
        await assembly.start()
        self._assembly = assembly
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assembly, self._assembly = self._assembly, None
        if assembly is not None:
            await assembly.stop()

    @property
    def _running(self) -> Assembly:
        if self._assembly is None:
            raise RuntimeError("the node is not running: use `with sprawl.Node() as node:`")
        return self._assembly


class _NodeThread:
    """A thread with an event loop that runs one assembly until told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ready: Future[tuple[Assembly, Callable[[], None]]] = Future()
        self._stop: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="sprawl-node", daemon=True)
        self._thread.start()

    def started(self) -> Assembly:
        """Waits until the node is ready.

        Raises:
            StartFault: what the start failed with.
        """
        try:
            assembly, self._stop = self._ready.result()
        except BaseException:
            self._thread.join()
            raise
        return assembly

    def stop(self) -> None:
        if self._stop is not None:
            self._stop()
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        from sprawl.assembly import Assembly

        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        assembly = Assembly(self._settings)
        try:
            await assembly.start()
        except Exception as error:  # noqa: BLE001 handed to the thread that waits for the start
            self._ready.set_exception(error)
            return
        self._ready.set_result((assembly, lambda: _call(loop, stop.set)))
        await stop.wait()
        await assembly.stop()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop when it is installed; asyncio's own loop otherwise."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _call(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(action)


def _settle(flags: dict[str, str]) -> Settings:
    return resolve(flags=flags, environment={}, file={}, file_name="", broker_keys=broker_keys())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
