"""Processes of the simulated world: what a kill, a stop or a slow machine acts upon.

A `Process` is one incarnation of a node or a client, from its start to its end. The context
variable `PROCESS` says which one is acting; tasks, callbacks, timers, connections and executor jobs
inherit it from the context they were made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from sim.loop import Handle, SimLoop

_T = TypeVar("_T")
_P = ParamSpec("_P")

RUNNING: Final = 0
PAUSED: Final = 1
SLOW: Final = 2
DEAD: Final = 3


class Killed(BaseException):
    """Ends the code of a process that was killed in the middle of a step."""


class NodeClock:
    """A machine's clocks: they may be wrong, and run at their own rate.

    Args:
        rate: local seconds for each second of the world.
        wall_ms: what the wall clock shows at world time 0.
    """

    __slots__ = ("_base_local", "_base_world", "loop", "rate", "wall_ms")

    def __init__(self, loop: SimLoop, *, rate: float = 1.0, wall_ms: int = 0) -> None:
        self.loop = loop
        self.rate = rate
        self.wall_ms = wall_ms
        self._base_world = 0.0
        self._base_local = 0.0

    def local_time(self, world_time: float) -> float:
        """The machine's monotonic seconds at a time of the world."""
        if self.rate == 1.0:
            return world_time - self._base_world + self._base_local
        return (world_time - self._base_world) * self.rate + self._base_local

    def world_time(self, local_time: float) -> float:
        """The world's seconds when the machine's monotonic clock shows this."""
        return (local_time - self._base_local) / self.rate + self._base_world

    def set_rate(self, rate: float) -> None:
        """Run faster or slower from now on. Timers that are set keep their times."""
        now = self.loop.now
        self._base_local = self.local_time(now)
        self._base_world = now
        self.rate = rate

    def jump(self, milliseconds: int) -> None:
        """Put the wall clock forward, or back."""
        self.wall_ms += milliseconds

    # sprawl.core.clock.Clock

    def now_ms(self) -> int:
        return self.wall_ms + int(self.local_time(self.loop.now) * 1_000)

    def monotonic_ms(self) -> int:
        return int(self.local_time(self.loop.now) * 1_000)


class Process:
    """One incarnation.

    Args:
        number: unique in the world; 0 is the world itself.
        name: for people, `n1.2` for the second incarnation of node 1.
        host: the machine it runs on.
    """

    def __init__(
        self, number: int, name: str, host: str, clock: NodeClock, loop: SimLoop, rng: Random
    ) -> None:
        self.number = number
        self.name = name
        self.host = host
        self.clock = clock
        self.state = RUNNING
        self.held: list[Handle] = []
        self.grave: list[object] = []
        """Keeps alive what a dead process was made of, so that none of it is collected."""
        self.busy_until = 0.0
        self.handle_delay_s = 0.0
        self.executor = SimExecutor(loop, rng)

    @property
    def is_dead(self) -> bool:
        return self.state == DEAD

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class Job(Generic[_T]):
    """A function on its way through an executor, and the future of its result."""

    __slots__ = ("_function", "failure", "future", "has_run", "result")

    def __init__(self, function: Callable[[], _T], future: asyncio.Future[_T] | Future[_T]) -> None:
        self._function = function
        self.future = future
        self.has_run = False
        self.result: _T | None = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Do it, unless that has happened."""
        if self.has_run:
            return
        self.has_run = True
        try:
            self.result = self._function()
        except Killed:
            raise
        except BaseException as failure:  # noqa: BLE001 it is handed to whoever waits
            self.failure = failure

    def report(self) -> None:
        """Complete the future, unless nobody waits for it any more."""
        future: Any = self.future
        if future.done():
            return
        if self.failure is not None:
            future.set_exception(self.failure)
        else:
            future.set_result(self.result)


class _JobFuture(Future[_T]):
    """What `submit` gives back; waiting for it does the job at once, as nobody else could."""

    job: Job[_T]

    def result(self, timeout: float | None = None) -> _T:
        self.job.run()
        self.job.report()
        return super().result(timeout)


class SimExecutor(Executor):
    """A thread pool without threads: each job runs in one piece after a while, and its result is
    reported after another while, so that jobs overtake each other and a crash finds work that is
    done but was never reported.

    Args:
        rng: the delays.
        mean_s: mean time until a job runs, and again until it is reported; a slow disk raises it.
    """

    def __init__(
        self, loop: SimLoop, rng: Random, mean_s: Callable[[], float] = lambda: 0.0005
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._mean_s = mean_s
        self._waiting: dict[Job[Any], None] = {}

    def start(self, job: Job[Any], process: Process | None) -> None:
        """Have a job run."""
        self._waiting[job] = None
        self._loop.call_later(self._delay_s(), self._run, job)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future = _JobFuture[_T]()
        future.job = Job(lambda: fn(*args, **kwargs), future)
        self.start(future.job, PROCESS.get())
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do everything that waits."""
        for job in list(self._waiting):
            self._run(job)

    def _run(self, job: Job[Any]) -> None:
        if job not in self._waiting:
            return  # done already by a shutdown
        del self._waiting[job]
        job.run()
        self._loop.call_later(self._delay_s(), job.report)

    def _delay_s(self) -> float:
        return self._rng.random() * 2 * self._mean_s()
