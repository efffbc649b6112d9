"""An event loop whose time is a number: one thread, one order, no clock, no sockets.

    ready (first in, first out)  <-- call_soon, due timers, what a paused node had waiting
    timers (by time, then by the order in which they were set)

    run: take the next handle, move time on by what a handle costs, run it. Nothing ready? Time
         jumps to the first timer. No timer either? Nothing will ever happen again: `Stalled`.

Every handle belongs to the process whose context it was made in (`PROCESS`, processes.py). A dead
process's handles are dropped, a paused one's wait, a slow one's come late: that is all it takes to
kill, stop or slow down code that knows nothing of it.

Within a process, `time()` and timers go by that process's own clock, which may run fast or slow.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sim.processes import DEAD, PAUSED, PROCESS, RUNNING, Job, Killed, Process, SimExecutor
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.network import Network

_T = TypeVar("_T")

HANDLE_COST_S = 1e-6
"""Virtual time that running one handle takes, so that a loop that only yields makes time pass."""
HANDLES_MAX = 50_000_000
"""A run that takes more is stuck in a circle."""
_HANDLES_A_FOLD = 4_096


class Stalled(Exception):
    """The coroutine that is run waits for something that can never happen."""


class Overrun(Exception):
    """More handles, or more virtual time, than a run may take."""


class Handle:
    """What `call_soon` gives back; asyncio.Handle without its debugging."""

    __slots__ = ("args", "callback", "context", "is_late", "process")

    def __init__(
        self,
        callback: Callable[..., object] | None,
        args: tuple[Any, ...],
        context: Context,
        process: Process | None,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = process
        self.is_late = False

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None


class TimerHandle(Handle):
    """What `call_later` and `call_at` give back."""

    __slots__ = ("_when",)

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
        process: Process | None,
    ) -> None:
        super().__init__(callback, args, context, process)
        self._when = when

    def when(self) -> float:
        """On the clock of the process that set it."""
        return self._when


class SimTask(asyncio.Task[_T]):
    """A task whose place in a set does not depend on its address: task groups cancel in the
    order of a set."""

    number = 0
    process: Process | None = None

    def __hash__(self) -> int:
        return self.number


class SimLoop(asyncio.AbstractEventLoop):
    """See the module.

    Args:
        rng: delays of executor jobs.
        trace: where every handle that runs is noted.
    """

    network: Network

    def __init__(self, rng: Random, trace: Trace) -> None:
        self.now = 0.0
        self.handles_run = 0
        self.failures: list[dict[str, Any]] = []
        self.is_ending = False
        self._rng = rng
        self._trace = trace
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._sequence = 0
        self._task_count = 0
        self._tasks: list[SimTask[Any]] = []
        self._purge_at = 256
        self._is_running = False
        self._is_closed = False
        self._stopping = False
        self._world_executor = SimExecutor(self, rng)

    # --- running --------------------------------------------------------------------------------

    def run_until_complete(self, future: Awaitable[_T] | Generator[Any, None, _T]) -> _T:
        """Run until the future is done.

        Raises:
            Stalled: nothing is left that could complete it.
            Overrun: it took more handles than any run should.
        """
        is_ours = not asyncio.isfuture(future)
        main: asyncio.Future[_T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        main.add_done_callback(self._main_done)
        try:
            self._run()
        except BaseException:
            if is_ours and main.done() and not main.cancelled():
                main.exception()
            raise
        main.remove_done_callback(self._main_done)
        if not main.done():
            if is_ours:
                main.cancel()
                self.is_ending = True
            raise Stalled("no handle is ready and no timer is set")
        return main.result()

    def run_forever(self) -> None:
        self._run()

    def run_for(self, seconds: float) -> None:
        """Run so long, or until nothing is left to do."""
        self.after(seconds, self.stop)
        self._run()

    def _main_done(self, future: asyncio.Future[Any]) -> None:
        self._stopping = True

    def _run(self) -> None:
        self._is_running = True
        self._stopping = False
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            self._run_handles()
        finally:
            self._is_running = False
            asyncio._set_running_loop(before)

    def _run_handles(self) -> None:
        ready = self._ready
        timers = self._timers
        note = self._trace.handles.append
        count = 0
        try:
            while not self._stopping:
                now = self.now
                while timers and timers[0][0] <= now:
                    ready.append(heappop(timers)[2])
                if not ready:
                    while timers and timers[0][2].callback is None:
                        heappop(timers)
                    if not timers:
                        return
                    self.now = timers[0][0]
                    continue
                handle = ready.popleft()
                callback = handle.callback
                if callback is None:
                    continue
                process = handle.process
                if process is not None:
                    if process.state != RUNNING and not self._may_run(handle, process):
                        continue
                    note(now)
                    note(process.number)
                else:
                    note(now)
                    note(0)
                self.now = now + HANDLE_COST_S
                count += 1
                if not count % _HANDLES_A_FOLD:
                    self._trace.fold()
                    if count > HANDLES_MAX:
                        raise Overrun(f"more than {HANDLES_MAX} handles")
                try:
                    handle.context.run(callback, *handle.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except Killed:
                    pass
                except BaseException as failure:  # noqa: BLE001 reported below
                    self.call_exception_handler(
                        {
                            "message": f"a callback failed: {callback!r}",
                            "exception": failure,
                            "process": process,
                        }
                    )
        finally:
            self.handles_run += count

    def _may_run(self, handle: Handle, process: Process) -> bool:
        """Whether a handle of a process that is not simply running goes ahead now."""
        if self.is_ending:
            return True
        if process.state == DEAD:
            process.grave.append(handle)
            return False
        if process.state == PAUSED:
            process.held.append(handle)
            return False
        if handle.is_late:
            return True
        handle.is_late = True
        process.busy_until = max(process.busy_until, self.now) + process.handle_delay_s
        self._set_timer(process.busy_until, handle)
        return False

    def release(self, process: Process) -> None:
        """Let what a paused process had waiting run, in order."""
        self._ready.extend(process.held)
        process.held.clear()

    def revive(self, process: Process) -> None:
        """Let what a dead process was about to do run after all; the world has ended."""
        handles = [each for each in process.grave if isinstance(each, Handle)]
        self._ready.extend(handles)

    # --- callbacks ------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        if context is None:
            context = copy_context()
        handle = Handle(callback, args, context, context.get(PROCESS))
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> TimerHandle:
        if context is None:
            context = copy_context()
        process = context.get(PROCESS)
        handle = TimerHandle(when, callback, args, context, process)
        at = when if process is None else process.clock.world_time(when)
        self._set_timer(at, handle)
        return handle

    def after(self, delay_s: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Have the world itself, no process, do something later."""
        handle = Handle(callback, args, _NOBODY, None)
        self._set_timer(self.now + delay_s, handle)
        return handle

    def at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        """The same at a time of the world's clock."""
        handle = Handle(callback, args, _NOBODY, None)
        self._set_timer(when, handle)
        return handle

    def in_context(self, context: Context, callback: Callable[..., object], *args: Any) -> Handle:
        """call_soon, for the network, which keeps the context of each protocol."""
        handle = Handle(callback, args, context, context.get(PROCESS))
        self._ready.append(handle)
        return handle

    def _set_timer(self, when: float, handle: Handle) -> None:
        self._sequence += 1
        if when <= self.now:
            self._ready.append(handle)
        else:
            heappush(self._timers, (when, self._sequence, handle))

    def time(self) -> float:
        process = PROCESS.get()
        return self.now if process is None else process.clock.local_time(self.now)

    # --- tasks and futures ----------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> SimTask[_T]:
        task: SimTask[_T] = SimTask.__new__(SimTask)
        self._task_count += 1
        task.number = self._task_count
        if context is None:
            context = copy_context()
        task.process = context.get(PROCESS)
        task.__init__(coro, loop=self, name=name, context=context)  # type: ignore[misc]
        self._keep(task)
        return task

    def _keep(self, task: SimTask[Any]) -> None:
        """Hold every pending task: one that belongs to a dead process must not be collected while
        the world goes on, because its `finally` blocks would run."""
        self._tasks.append(task)
        if len(self._tasks) > self._purge_at:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._purge_at = 2 * len(self._tasks) + 256

    def pending_tasks(self) -> list[SimTask[Any]]:
        """Tasks that are not done, oldest first; those of dead processes too."""
        self._tasks = [task for task in self._tasks if not task.done()]
        return list(self._tasks)

    def run_in_executor(  # type: ignore[override]
        self, executor: SimExecutor | None, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        process = PROCESS.get()
        if executor is None:
            executor = self._world_executor if process is None else process.executor
        future: asyncio.Future[_T] = self.create_future()
        executor.start(Job(lambda: func(*args), future), process)
        return future

    # --- failures -------------------------------------------------------------------------------

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Collect what nobody retrieved; the world's end asserts that there is nothing."""
        if self.is_ending:
            return
        process = context.get("process")
        if process is None:
            task = context.get("task") or context.get("future")
            if isinstance(task, SimTask):
                process = task.process
        if process is not None and process.state == DEAD:
            return
        self.failures.append(context | {"process": process})

    def set_exception_handler(self, handler: object) -> None:
        raise NotImplementedError("failures end the run")

    def get_exception_handler(self) -> None:
        return None

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    # --- the network ----------------------------------------------------------------------------

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> asyncio.AbstractServer:
        return self.network.create_server(protocol_factory, host, port, **options)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        assert host is not None
        assert port is not None
        return await self.network.create_connection(protocol_factory, host, port)

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        **options: Any,
    ) -> tuple[asyncio.DatagramTransport, asyncio.BaseProtocol]:
        return self.network.create_datagram_endpoint(
            protocol_factory, local_addr, remote_addr, **options
        )

    async def getaddrinfo(  # type: ignore[override]
        self, host: str, port: int | None, **options: Any
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        """Names are known at once, and to everybody."""
        place = (self.network.resolve(host).address, port or 0)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", place)]

    # --- the rest of an event loop --------------------------------------------------------------

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()

    async def shutdown_asyncgens(self) -> None:
        """None are tracked."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There are no threads."""

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """There is no debug mode."""

    def get_task_factory(self) -> None:
        return None

    def set_task_factory(self, factory: object) -> NoReturn:
        raise NotImplementedError


_NOBODY: Context = contextvars.Context()
