"""A set of clients in a world: started, crashed, asked to end, and the log they are judged by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from sim.clients import Client
from sim.history import History
from sim.loop import SimTask
from sim.processes import Process
from sim.world import WALL_MS, World

from sprawl.client.cluster import Cluster
from sprawl.client.faults import Refused
from sprawl.client.fetching import EARLIEST, LATEST, Reader, list_offsets
from sprawl.client.groups import committed_offsets
from sprawl.client.producing import NewRecord, Producer
from sprawl.client.topics import create_topic
from sprawl.core.errors import ErrorCode
from sprawl.faults import CommandFault

_PATIENCE_MS = 60_000

C = TypeVar("C", bound=Client)
LogText = dict[tuple[str, int], list[tuple[int, str]]]
"""(offset, text) of every record of a partition, in order, by (topic, partition)."""


class Workload:
    """The clients of a world. Each has a machine of its own.

    Args:
        bootstrap: the nodes' addresses.
    """

    def __init__(self, world: World, bootstrap: str) -> None:
        self.world = world
        self.history = History(lambda: world.now_us)
        self.bootstrap = bootstrap
        self.clients: dict[int, Client] = {}
        self.final_readers: list[int] = []
        """Processes that read everything, for the verdict."""
        self._processes: dict[int, Process] = {}
        self._tasks: dict[int, SimTask[None]] = {}
        self._makers: dict[int, Callable[[int], Client]] = {}
        self._count = 0

    @property
    def hosts(self) -> list[str]:
        """Machines of the clients that live."""
        return [self._processes[number].host for number in self.clients]

    def start(self, kind: Callable[..., C], **options: object) -> int:
        """A client of a kind in a process of its own.

        Returns: its number in the history.
        """

        def make(number: int) -> Client:
            rng = self.world.rng(f"client {number}")
            return kind(number, self.bootstrap, self.history, rng, **options)

        return self._start(make)

    def _start(self, make: Callable[[int], Client]) -> int:
        self._count += 1
        number = self._count
        process = self.world.process(f"c{number}", f"c{number}")
        client = self.world.call_in(process, make, number)
        self.clients[number] = client
        self._processes[number] = process
        self._makers[number] = make
        self._tasks[number] = self.world.spawn(process, client.run())
        return number

    def crash(self, number: int) -> int:
        """Kill a client; one of its kind takes its place.

        Returns: the number of the new one.
        """
        self.world.kill(self._processes[number])
        self.history.add(number, "info", "crash", None)
        self._forget(number)
        return self._start(self._makers[number])

    async def pause(self, number: int, seconds: float) -> None:
        """Let a client stand still, as one does whose machine sleeps."""
        process = self._processes[number]
        self.world.pause(process)
        await asyncio.sleep(seconds)
        self.world.resume(process)

    async def stop(self, numbers: Iterable[int], *, limit_s: float) -> None:
        """Ask clients to end after what they do now, and wait for them.

        Raises:
            TimeoutError: one of them hangs.
        """
        wanted = list(numbers)
        for number in wanted:
            self.clients[number].is_wanted = False
        async with asyncio.timeout(limit_s):
            for number in wanted:
                await self._tasks[number]
                self.world.kill(self._processes[number])
                self._forget(number)

    def check_alive(self) -> None:
        """Raises whatever a client's task ended with."""
        for task in self._tasks.values():
            if task.done():
                task.result()

    def _forget(self, number: int) -> None:
        del self.clients[number], self._tasks[number]

    async def inside(self, work: Callable[[Cluster], object], *, name: str = "admin") -> object:
        """Do something with a cluster, as a client that nothing goes wrong with.

        Args:
            work: an async function.
        """
        process = self.world.process(name, name)

        async def connected() -> object:
            async with Cluster(self.bootstrap, timeout_ms=_PATIENCE_MS) as cluster:
                return await work(cluster)  # type: ignore[misc]

        try:
            return await self.world.spawn(process, connected())
        finally:
            self.world.kill(process)

    async def create_topic(
        self, name: str, partitions: int, configs: Mapping[str, str], *, limit_s: float = 60.0
    ) -> None:
        """Create a topic, however often it takes."""

        async def create(cluster: Cluster) -> None:
            try:
                await create_topic(cluster, name, partitions=partitions, configs=configs)
            except Refused as fault:
                if fault.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
                    raise

        await self.insist(create, limit_s=limit_s)

    async def write(self, topic: str, partition: int, text: str, *, limit_s: float = 120.0) -> None:
        """Append a record with acks=all, however often it takes."""

        async def send(cluster: Cluster) -> None:
            view = await cluster.topic(topic)
            record = NewRecord(timestamp_ms=WALL_MS, key=None, value=text.encode())
            await Producer(cluster, view, acks=-1, partition=partition).send([record])

        await self.insist(send, limit_s=limit_s)

    async def read_finally(self, topics: Mapping[str, int], *, limit_s: float = 120.0) -> LogText:
        """`read_all`, written down: each attempt as a process of its own."""

        async def read(cluster: Cluster) -> LogText:
            self._count += 1
            reader = _FinalReader(self._count, self.history)
            found = await reader.read(cluster, topics)
            self.final_readers.append(reader.number)
            return found

        text: LogText = await self.insist(read, limit_s=limit_s)  # type: ignore[assignment]
        return text

    async def read_all(self, topics: Mapping[str, int], *, limit_s: float = 120.0) -> LogText:
        """Read every partition from its start to its end, as a client that was never there."""

        async def read(cluster: Cluster) -> LogText:
            found: LogText = {}
            for topic, count in topics.items():
                for partition in range(count):
                    found[topic, partition] = await _read_partition(cluster, topic, partition)
            return found

        text: LogText = await self.insist(read, limit_s=limit_s)  # type: ignore[assignment]
        return text

    async def read_committed(
        self, group: str, places: Sequence[tuple[str, int]], *, limit_s: float = 120.0
    ) -> dict[tuple[str, int], int | None]:
        """What a group has committed, as the observer (process 0) reads and writes it down."""
        asked = tuple((topic, partition, None) for topic, partition in places)

        async def read(cluster: Cluster) -> dict[tuple[str, int], int | None]:
            self.history.add(0, "invoke", "committed", asked)
            try:
                found = await committed_offsets(cluster, group)
            except CommandFault:
                self.history.add(0, "fail", "committed", asked)
                raise
            offsets = {place: found[place].offset if place in found else None for place in places}
            seen = tuple((*place, offset) for place, offset in offsets.items())
            self.history.add(0, "ok", "committed", seen)
            return offsets

        offsets = await self.insist(read, limit_s=limit_s)
        assert isinstance(offsets, dict)
        return offsets

    async def insist(self, work: Callable[[Cluster], object], *, limit_s: float) -> object:
        """`inside`, until it succeeds.

        Raises:
            TimeoutError: it did not in time.
        """
        async with asyncio.timeout(limit_s):
            while True:
                try:
                    return await self.inside(work)
                except CommandFault as fault:
                    self.world.note("admin", str(fault))
                    await asyncio.sleep(0.5)


class _FinalReader:
    """A process that reads everything once, and writes down what it sees."""

    def __init__(self, number: int, history: History) -> None:
        self.number = number
        self._history = history

    async def read(self, cluster: Cluster, topics: Mapping[str, int]) -> LogText:
        places = tuple((topic, index) for topic, count in topics.items() for index in range(count))
        self._do("assign", places)
        found: LogText = {}
        for place in places:
            self._do("seek", (*place, 0))
            self._history.add(self.number, "invoke", "poll", ())
            found[place] = await _read_partition(cluster, *place)
            polled = tuple((*place, offset, text) for offset, text in found[place])
            self._history.add(self.number, "ok", "poll", polled)
        return found

    def _do(self, op: str, value: object) -> None:
        self._history.add(self.number, "invoke", op, value)
        self._history.add(self.number, "ok", op, value)


async def _read_partition(cluster: Cluster, topic: str, partition: int) -> list[tuple[int, str]]:
    view = await cluster.topic(topic)
    start = (await list_offsets(cluster, view, {partition: EARLIEST}))[partition].offset
    end = (await list_offsets(cluster, view, {partition: LATEST}))[partition].offset
    reader = Reader(cluster, view, {partition: start})
    found: list[tuple[int, str]] = []
    while reader.positions[partition] < end:
        for each in await reader.poll(wanted={partition: end}):
            found.append((each.record.offset, (each.record.value or b"").decode()))
    return found
