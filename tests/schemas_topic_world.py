"""`_schemas` in memory for several nodes, with leaders that come and go, and services on it.

Commits are made at once, or when a test says so (`hold`, `commit`). Nothing here waits for time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from registry_world import FieldsFormat, World, new

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.model.registering import register
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.state import State
from sprawl.schema_registry.schemas import SchemaType
from sprawl.schema_registry.serving.service import TopicRegistry
from sprawl.schema_registry.serving.topic import (
    Overtaken,
    Piece,
    Place,
    Standing,
    TopicRecord,
)

T = TypeVar("T")
TURNS_MAX = 10_000


class Inline(Executor):
    """Runs a job in the call that hands it over."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 the caller's
            future.set_exception(error)
        return future


class Log:
    """The one log that all nodes have; what is not committed is the leader's.

    Attributes:
        refusal: what appends are refused with, as by a full disk.
        unfit: what `prepare` is refused with.
    """

    def __init__(self, records: Sequence[LogRecord] = (), *, exists: bool = True) -> None:
        self.batches: list[tuple[int, list[LogRecord]]] = []
        self.end_offset = 0
        self.committed = 0
        self.start_offset = 0
        self.exists = exists
        self.incarnation = 1
        self.leader: str | None = None
        self.term = 0
        self.refusal: KafkaFault | None = None
        self.unfit: KafkaFault | None = None
        self.topics: list[MemoryTopic] = []
        self._is_held = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        for record in records:
            self.add([record])
        self.committed = self.end_offset

    def add(self, records: Sequence[LogRecord]) -> None:
        self.batches.append((self.end_offset, list(records)))
        self.end_offset += len(records)

    def skip(self, count: int = 1) -> None:
        """Offsets that compaction left nothing of."""
        self.end_offset += count
        self.committed = self.end_offset

    def produce(self, *records: LogRecord) -> None:
        """Somebody who writes the topic directly; committed at once, unless commits are held."""
        self.add(records)
        if not self._is_held:
            self.commit()

    @property
    def records(self) -> list[LogRecord]:
        return [record for _, batch in self.batches for record in batch]

    def state(self) -> State:
        """What a replay of all that is committed gives."""
        state = State()
        for base, batch in self.batches:
            if base < self.committed:
                for record in batch:
                    state.apply(*record)
        return state

    def hold(self) -> None:
        """Commit nothing until `commit`."""
        self._is_held = True

    def commit(self) -> None:
        """Commit what there is, and from now on at once."""
        self._is_held = False
        self.committed = self.end_offset
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                future.set_result(None)
        self.wake()

    def committed_to(self, end_offset: int) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._is_held:
            self.commit()
        if end_offset <= self.committed:
            future.set_result(None)
        else:
            self._waiting.append((end_offset, future))
        return future

    async def confirmed(self) -> None:
        """As a quorum's answers to a leader; they come with the commits."""
        if self._is_held:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((self.end_offset, future))
            await future

    def elect(self, leader: str | None, *, keep: bool = True) -> None:
        """Another leader. Args: keep: whether it has what was not committed, and commits it."""
        self.leader = leader
        self.term += 1
        waiting, self._waiting = self._waiting, []
        for _, future in waiting:
            if not future.done():
                fault = KafkaFault(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
                future.set_exception(fault)
        if not keep:
            self.batches = [each for each in self.batches if each[0] < self.committed]
            self.end_offset = self.committed
        if leader is not None:
            self.commit()
        self.wake()

    def wake(self) -> None:
        for topic in self.topics:
            topic.wake()


class MemoryTopic:
    """What one node has of the log. A `SchemasTopic`.

    Attributes:
        place: None for what follows from the log.
        before_append: called with the records, before the log is looked at.
    """

    def __init__(self, log: Log, node: str) -> None:
        self.log = log
        self.node = node
        self.place: Place | None = None
        self.is_current = True
        self.before_append: Callable[[Sequence[LogRecord]], None] = lambda records: None
        self._woken = asyncio.Event()
        log.topics.append(self)

    def standing(self) -> Standing:
        log = self.log
        leads = log.leader == self.node
        place = self.place or (Place.LEADS if leads else Place.FOLLOWS)
        if not log.exists:
            place = Place.MISSING
        url = None if leads or log.leader is None else f"http://{log.leader}:8081"
        return Standing(place, log.incarnation, log.term, self.is_current, url)

    async def prepare(self) -> None:
        if self.log.unfit is not None:
            raise self.log.unfit
        if not self.log.exists:
            self.log.exists = True
            self.log.incarnation += 1

    def append(self, records: Sequence[LogRecord], *, at: int) -> Coroutine[Any, Any, int]:
        log = self.log
        self.before_append(records)
        if log.leader != self.node:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if log.refusal is not None:
            raise log.refusal
        if log.end_offset != at:
            raise Overtaken
        log.add(records)
        return self._commit(log.end_offset, log.committed_to(log.end_offset))

    async def _commit(self, end_offset: int, committed: asyncio.Future[None]) -> int:
        await committed
        return end_offset

    async def settle(self) -> None:
        if self.log.leader != self.node:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        await self.log.committed_to(self.log.end_offset)

    async def confirm(self) -> int:
        log = self.log
        if log.leader != self.node:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        await log.confirmed()
        return log.committed

    async def read(self, offset: int | None) -> Piece:
        log = self.log
        if offset is None:
            offset = log.start_offset
        if offset < log.start_offset:
            raise KafkaFault(ErrorCode.OFFSET_OUT_OF_RANGE)
        for base, batch in log.batches:
            end_offset = base + len(batch)
            if offset < end_offset <= log.committed:
                numbered = enumerate(batch, start=base)
                found = [TopicRecord(at, key, value) for at, (key, value) in numbered]
                return Piece([each for each in found if each.offset >= offset], end_offset)
        return Piece((), max(offset, log.committed))

    async def wait(self, offset: int | None, timeout_s: float) -> None:
        await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()


class Nodes:
    """Services over one log: `async with Nodes(log) as nodes`; the first one asked for leads.

    Args:
        threads: whether commands and queries run in threads, as on a node, or in the call.
    """

    def __init__(self, log: Log | None = None, *, threads: bool = False) -> None:
        self.log = log or Log()
        self._executor: Callable[[int], Executor] = ThreadPoolExecutor if threads else _inline
        self.topics: dict[str, MemoryTopic] = {}
        self._running: list[TopicRegistry] = []

    async def __aenter__(self) -> Nodes:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.log.commit()
        for service in self._running:
            await service.stop()

    async def start(self, node: str = "a", *, leads: bool = True, ready: bool = True) -> Any:
        """A service on a node, which has read the topic."""
        topic = self.topics[node] = MemoryTopic(self.log, node)
        if leads:
            self.log.elect(node)
        service = TopicRegistry(
            topic,
            lambda: dict.fromkeys(SchemaType, FieldsFormat()),
            executor=self._executor,
        )
        service.start()
        self._running.append(service)
        if ready:
            await until(lambda: service.is_ready)
        return service

    async def kill(self, service: TopicRegistry) -> None:
        """End a service as a crash of its process would: nothing it has under way is finished."""
        self._running.remove(service)
        owner = service._owner
        assert owner is not None
        owner.cancel()
        await asyncio.wait([owner])
        self.log.topics = [each for each in self.log.topics if each is not service._topic]


def _inline(_threads: int) -> Executor:
    return Inline()


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something is so."""
    for _ in range(TURNS_MAX):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come")


async def turns(count: int = 50) -> None:
    """Let others run for a while."""
    for _ in range(count):
        await asyncio.sleep(0)


def registering(subject: str, text: str) -> Callable[[Registry], Any]:
    """The command that registers a schema; its answer is the stored one."""
    return lambda registry: register(registry, subject, new(text))


def versions(subject: str) -> Callable[[Registry], list[StoredSchema]]:
    return lambda registry: registry.state.versions(subject)


def records_of(subject: str, text: str, log: Log) -> tuple[LogRecord, ...]:
    """What another registry would append to register a schema after all that is in a log."""
    world = World()
    for record in log.records:
        world.take(*record)
    return register(world.registry, subject, new(text)).records
