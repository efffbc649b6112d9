"""A world: machines, the network between them, their disks and clocks, and one seed for all chance.

    world = World(seed)
    world.run(story(world))            # story starts nodes and clients, and breaks things
    world.end()                        # raises when something failed that nobody saw
    print(world.trace.digest())

Machines are named n1, n2, ... for nodes and c1, c2, ... for clients. Whatever runs, runs in a
`Process` (processes.py); the story itself runs in none, and nothing can hurt it.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from sim.disk import SimData, SimDisk
from sim.loop import SimLoop, SimTask
from sim.network import LinkQuality, Network
from sim.processes import DEAD, PAUSED, PROCESS, RUNNING, SLOW, NodeClock, Process, SimExecutor
from sim.trace import Trace

from sprawl.assembly import Assembly
from sprawl.config import Settings, broker_keys, resolve
from sprawl.platform import Data, MemoryData

if TYPE_CHECKING:
    import socket

_T = TypeVar("_T")

WALL_MS = 1_790_000_000_000
"""What right clocks show when a world begins."""
KAFKA_PORT = 9092
_END_ROUNDS = 20


class NodeCrashed(Exception):
    """The node died before it was ready."""


class SimPlatform:
    """What a simulated node stands on: see sprawl.platform.Platform."""

    def __init__(self, world: World, node: SimNode, process: Process) -> None:
        self._world = world
        self._node = node
        self._process = process
        self.clock = process.clock
        self.rng = world.rng(f"platform {process.name}")

    def monotonic(self) -> float:
        return self.clock.local_time(self._world.loop.now)

    def hostname(self) -> str:
        return self._node.host

    def bind(self, host: str, port: int) -> list[socket.socket]:
        return [cast("socket.socket", self._world.network.bind(host, port))]

    def bind_datagrams(self, host: str, port: int) -> list[socket.socket]:
        return [cast("socket.socket", self._world.network.bind_datagrams(host, port))]

    def busy_s(self) -> float:
        return 0.0  # what runs takes no time in this world

    def executor(self, threads: int) -> Executor:
        return SimExecutor(self._world.loop, self.rng, lambda: self._node.disk.delay_s)

    def data(self, settings: Settings) -> Data:
        if settings.storage == "memory":
            return MemoryData(settings, self.rng)
        return SimData(self._node.disk, self._process, settings, self.rng)


class SimNode:
    """A machine that runs a node: what outlives the node's incarnations."""

    def __init__(self, number: int, host: str, disk: SimDisk, clock: NodeClock) -> None:
        self.number = number
        self.host = host
        self.disk = disk
        self.clock = clock
        self.settings: dict[str, str] = {}
        self.incarnations = 0
        self.process: Process | None = None
        self.assembly: Assembly | None = None

    @property
    def is_up(self) -> bool:
        """Whether an incarnation lives; it may be paused."""
        return self.process is not None and not self.process.is_dead

    @property
    def address(self) -> str:
        return f"{self.host}:{KAFKA_PORT}"


class World:
    """See the module.

    Args:
        seed: decides everything that is left to chance.
        quality: of the network's links.
    """

    def __init__(self, seed: int, *, quality: LinkQuality | None = None) -> None:
        self.seed = seed
        self.trace = Trace()
        self.loop = SimLoop(self.rng("executors"), self.trace)  # type: ignore[abstract]
        self.network = Network(self.loop, self.rng("network"), self.trace, quality)
        self.nodes: dict[int, SimNode] = {}
        self.reached: dict[str, int] = {}
        """How often each rare state was reached: see `sometimes`."""
        self._process_count = 0
        self._dead: list[Process] = []
        self._died: dict[Process, asyncio.Future[None]] = {}
        self._global_random = random.getstate()
        random.seed(seed)
        # When garbage is found depends on all that ran before, and streams that are found so
        # close themselves: it is found at the end.
        self._collects_garbage = gc.isenabled()
        gc.disable()

    # --- chance and time ------------------------------------------------------------------------

    def rng(self, purpose: str) -> Random:
        """A source of chance of its own, so that a draw more for one purpose shifts no other."""
        return Random(f"{self.seed}/{purpose}")

    @property
    def now_us(self) -> int:
        """Virtual microseconds since the world began."""
        return round(self.loop.now * 1e6)

    def sometimes(self, what: str, *, when: bool = True) -> None:
        """Count that a rare state was reached."""
        self.reached[what] = self.reached.get(what, 0) + when

    def note(self, kind: str, what: object = "") -> None:
        """Write into the trace."""
        self.trace.note(self.loop.now, 0, kind, what)

    # --- running --------------------------------------------------------------------------------

    def run(self, story: Coroutine[Any, Any, _T], *, limit_s: float | None = None) -> _T:
        """Run a coroutine to its end.

        Args:
            limit_s: virtual seconds it may take.

        Raises:
            TimeoutError: it took longer.
            loop.Stalled: it can never end.
        """
        return self.loop.run_until_complete(_limited(story, limit_s))

    def end(self) -> None:
        """End everything; the world is of no use afterwards.

        Raises:
            ExceptionGroup: what failed in live processes without anybody being told.
        """
        loop = self.loop
        loop.pending_tasks()  # lets go of the others, so that their failures come to light
        gc.collect()
        failures = [_failure_of(context) for context in loop.failures]
        loop.is_ending = True
        self._unwind()
        loop.close()
        random.setstate(self._global_random)
        if self._collects_garbage:
            gc.enable()
        if failures:
            told = "; ".join(f"{' '.join(each.__notes__)}: {each!r}" for each in failures)
            raise ExceptionGroup(f"nobody saw these in seed {self.seed}: {told}", failures)

    def _unwind(self) -> None:
        """Let every task end by cancellation, so that nothing runs when its memory is freed."""
        loop = self.loop
        for process in self._dead:
            # A task whose next step was dropped could not even be cancelled.
            loop.revive(process)
        for _ in range(_END_ROUNDS):
            pending = loop.pending_tasks()
            if not pending:
                break
            for task in pending:
                task.cancel()
            loop.run_for(10.0)
        for task in loop.pending_tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.end()
        except ExceptionGroup as unseen:
            if error is None:
                raise
            error.add_note(str(unseen))

    # --- processes ------------------------------------------------------------------------------

    def process(self, name: str, host: str, clock: NodeClock | None = None) -> Process:
        """A new process on a machine, which is set up if need be."""
        if host not in self.network.hosts:
            self.network.add_host(host)
        self._process_count += 1
        clock = clock or NodeClock(self.loop, wall_ms=WALL_MS)
        number = self._process_count
        process = Process(number, name, host, clock, self.loop, self.rng(f"executor {name}"))
        self._died[process] = self.loop.create_future()
        self.note("process", (number, name, host))
        return process

    def spawn(self, process: Process, coro: Coroutine[Any, Any, _T]) -> SimTask[_T]:
        """Run a coroutine in a process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        return self.loop.create_task(coro, context=context, name=process.name)

    def call_in(self, process: Process, function: Callable[..., _T], *args: Any) -> _T:
        """Call a function as if the process did."""
        context = copy_context()
        context.run(PROCESS.set, process)
        return context.run(function, *args)

    async def outcome(self, process: Process, task: SimTask[_T]) -> _T:
        """Wait for a process's task.

        Raises:
            NodeCrashed: the process died first.
        """
        died = self._died[process]
        either: list[asyncio.Future[Any]] = [task, died]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not process.is_dead:
            return task.result()
        raise NodeCrashed(process.name)

    def kill(self, process: Process) -> None:
        """kill -9: the process is gone; its machine's kernel and page cache live on."""
        self.bury(process, "kill")
        self.network.process_died(process)

    def bury(self, process: Process, how: str) -> None:
        """End a process, of which not even its kernel takes notice."""
        assert not process.is_dead, f"{process} is dead"
        self.note(how, process.name)
        process.state = DEAD
        process.grave.extend(process.held)
        process.held.clear()
        self._dead.append(process)
        died = self._died[process]
        if not died.done():
            died.set_result(None)

    def pause(self, process: Process) -> None:
        """SIGSTOP: nothing of it runs; its kernel goes on receiving."""
        if process.state in (RUNNING, SLOW):
            self.note("pause", process.name)
            process.state = PAUSED

    def resume(self, process: Process) -> None:
        """SIGCONT."""
        if process.state == PAUSED:
            self.note("resume", process.name)
            process.state = SLOW if process.handle_delay_s else RUNNING
            self.loop.release(process)

    def slow(self, process: Process, handle_delay_s: float) -> None:
        """Make every step of a process take time; 0 ends it."""
        self.note("slow", (process.name, handle_delay_s))
        process.handle_delay_s = handle_delay_s
        if process.state in (RUNNING, SLOW):
            process.state = SLOW if handle_delay_s else RUNNING

    # --- nodes ----------------------------------------------------------------------------------

    def node(self, number: int) -> SimNode:
        """A machine for a node; the same one for the same number."""
        found = self.nodes.get(number)
        if found is None:
            host = f"n{number}"
            self.network.add_host(host)
            disk = SimDisk(host, self.loop, self.rng(f"disk {host}"), self.trace)
            clock = NodeClock(self.loop, wall_ms=WALL_MS)
            found = self.nodes[number] = SimNode(number, host, disk, clock)
        return found

    async def start_node(
        self, number: int, settings: Mapping[str, object] | None = None
    ) -> Assembly:
        """Start a node, with the settings of its last start unless others are given; returns when
        it serves.

        Raises:
            NodeCrashed: it died meanwhile.
            SettingFault, StartFault: as Assembly.start.
        """
        node = self.node(number)
        assert not node.is_up, f"{node.host} runs"
        if not self.network.hosts[node.host].is_up:
            self.network.power_on(node.host)
        if settings is not None:
            node.settings = {name: _text(value) for name, value in settings.items()}
        node.incarnations += 1
        process = self.process(f"{node.host}.{node.incarnations}", node.host, node.clock)
        platform = SimPlatform(self, node, process)
        node.process = process
        assembly = self.call_in(process, Assembly, _settled(node), platform)
        node.assembly = assembly
        try:
            await self.outcome(process, self.spawn(process, assembly.start()))
        except NodeCrashed:
            raise
        except BaseException:
            if not process.is_dead:
                self.kill(process)
            raise
        return assembly

    async def stop_node(self, number: int) -> None:
        """Stop a node in an orderly way.

        Raises:
            NodeCrashed: it died meanwhile.
        """
        node = self.nodes[number]
        assert node.process is not None
        assert node.assembly is not None
        await self.outcome(node.process, self.spawn(node.process, node.assembly.stop()))
        self.kill(node.process)

    def crash(self, number: int) -> None:
        """kill -9 of a node."""
        self.kill(self._running(number))

    def power_loss(self, number: int) -> None:
        """The machine loses power; it is up again with the node's next start."""
        node = self.nodes[number]
        process = self._running(number)
        self.bury(process, "power")
        process.grave.extend(e for e in self.network.connections if e.process is process)
        self.network.power_off(node.host)
        node.disk.lose_power()

    def crash_at_step(self, number: int, steps: int, *, power: bool) -> None:
        """Have a node die at the disk change that follows `steps` more of them."""
        node = self.nodes[number]
        process = self._running(number)

        def burn() -> None:
            if process.is_dead:
                return
            self.sometimes("died inside a handler")
            if power:
                self.power_loss(number)
            else:
                self.crash(number)

        node.disk.burn_after(steps, burn)

    async def restart(self, number: int) -> Assembly:
        """Start a node that is down; one that is up is killed first."""
        if self.nodes[number].is_up:
            self.crash(number)
        return await self.start_node(number)

    def pause_node(self, number: int) -> None:
        self.pause(self._running(number))

    def resume_node(self, number: int) -> None:
        node = self.nodes[number]
        if node.process is not None:
            self.resume(node.process)

    def _running(self, number: int) -> Process:
        process = self.nodes[number].process
        assert process is not None, f"node {number} was never started"
        assert not process.is_dead, f"node {number} is down"
        return process


async def _limited(story: Coroutine[Any, Any, _T], limit_s: float | None) -> _T:
    async with asyncio.timeout(limit_s):
        return await story


def _settled(node: SimNode) -> Settings:
    flags = {
        "storage": "disk",
        "data": f"/{node.host}",
        "node.id": str(node.number),
        "listeners": f"PLAINTEXT://{node.host}:{KAFKA_PORT}",
        "http.port": "off",
        "schema.registry.port": "off",
        "group_initial_rebalance_delay_ms": "0",
    }
    flags |= node.settings
    return resolve(flags=flags, environment={}, file={}, file_name="", broker_keys=broker_keys())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _failure_of(context: dict[str, Any]) -> Exception:
    failure = context.get("exception")
    if not isinstance(failure, Exception):
        failure = RuntimeError(repr(failure))
    failure.add_note(f"{context['process'] or 'the story'}: {context.get('message')}")
    return failure
