"""The registry on `_schemas`: the one task that owns the state, and the calls of whoever asks.

    write ──> queue ──> owner: take in ─> judge ─> append ─> committed ─> take in ─> answer
    read  ──> on what the owner has published: at once when it is short, else in a thread

Rules:

1. `course.py` says what comes next; the owner does one step at a time, and nothing else changes the
   state. A command is judged once everything in the log was applied, and appended only if the log
   still ends there; otherwise what came is taken in, and the command judged again. So two commands
   never see the same state, whoever else writes the topic.
2. What a command wrote is applied as it stands in the log, like the records of others, and the
   client hears of it after that. While a batch is on its way nothing is judged.
3. An append whose fate is not known is `StoreTimeout`. The next command waits until the log is
   settled.
4. A write that was not appended is told so: `StoreFault`, or `NotTheLeader` with the way to the one
   who leads. One that finds no leader waits for one.
5. A command that changes nothing is answered by whoever takes itself for the leader. A leader that
   was cut off and has not noticed may so refuse, or answer, by what was true a second ago; it can
   write nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, cast

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.schema_registry.model.contracts import MalformedContract
from sprawl.schema_registry.model.faults import RegistryFault
from sprawl.schema_registry.model.records import barrier
from sprawl.schema_registry.model.registry import Judged, Registry, Settings
from sprawl.schema_registry.service import NotTheLeader, StoreFault, StoreTimeout
from sprawl.schema_registry.serving import limits
from sprawl.schema_registry.serving.counts import Counts
from sprawl.schema_registry.serving.course import Course, Step
from sprawl.schema_registry.serving.shared_state import Formats, SharedState
from sprawl.schema_registry.serving.topic import (
    SCHEMAS_TOPIC,
    Overtaken,
    Place,
    SchemasTopic,
    Standing,
)
from sprawl.schema_registry.serving.writes import Write, Writes

_log = logging.getLogger(__name__)
T = TypeVar("T")

_SOMEBODY_ELSE_LEADS = (
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
)
"""Codes of a replica that does not lead, or was deposed while a barrier was on its way."""
_STOPPED = "the registry of this node is stopping"


class TopicRegistry:
    """A `RegistryService`. See the module.

    Args:
        topic: where the records are.
        formats: makes the schema types, once for each thread.
        executor: makes an executor of so many threads; `stop` shuts it down.
    """

    def __init__(
        self,
        topic: SchemasTopic,
        formats: Formats,
        settings: Settings | None = None,
        *,
        executor: Callable[[int], Executor],
    ) -> None:
        self._topic = topic
        self._executors = (executor(1), executor(limits.READ_THREADS))
        judging, reading = self._executors
        self._state = SharedState(formats, settings or Settings(), judging=judging, reading=reading)
        self._course = Course()
        self._standing = Standing(Place.OPENING)
        self._writes = Writes()
        self._owner: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._has_caught_up = asyncio.Event()
        self._progress = asyncio.Event()
        """Set, and replaced by another one, when there is more to see for readers."""
        self._last_trouble: str | None = None
        self._replays = self._reads = 0
        self._written = self._refusals = self._misdirected = self._faults = self._timeouts = 0

    # --- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read the topic; `is_ready` says when reads are answered."""
        self._owner = asyncio.get_running_loop().create_task(self._own())

    async def stop(self) -> None:
        """Finish the write that is under way, if that does not take long, and refuse the others."""
        self._is_stopping = True
        self._topic.wake()
        owner = self._owner
        if owner is not None:
            await asyncio.wait([owner], timeout=limits.CLOSING_S)
            owner.cancel()
            await asyncio.wait([owner])
        self._fail_waiting(_STOPPED)
        for executor in self._executors:
            await asyncio.to_thread(executor.shutdown)

    async def caught_up(self) -> None:
        """Returns when reads are answered, or sent on to another node, or after `CATCH_UP_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.CATCH_UP_S):
                await self._has_caught_up.wait()

    def wake(self) -> None:
        """Who leads `_schemas`, or where it is, may have changed: look at once."""
        self._topic.wake()

    # --- RegistryService -------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        return self._state.published is not None

    async def write(self, command: Callable[[Registry], Judged[T]]) -> T:
        """See `RegistryService`."""
        if self._owner is None or self._is_stopping:
            raise StoreFault(_STOPPED)
        write = self._writes.add(cast("Callable[[Registry], Judged[object]]", command))
        self._topic.wake()
        return cast("T", await write.answer)

    async def read(
        self,
        query: Callable[[Registry], T],
        *,
        is_short: Callable[[Registry], bool] | None = None,
    ) -> T:
        """See `RegistryService`."""
        if self._is_stopping:
            raise StoreFault(_STOPPED)
        if self._standing.place is Place.ELSEWHERE:
            raise NotTheLeader(self._standing.leader_url, self._standing.advice)
        answer = await self._state.read(query, is_short)
        self._reads += 1
        return answer

    async def current(self) -> None:
        """Returns when reads see everything that was written before the call, by any node.

        Raises:
            NotTheLeader: only the node that leads can tell.
            StoreFault: it cannot be told now.
        """
        try:
            async with asyncio.timeout(limits.COMMIT_S):
                end_offset = await self._topic.confirm()
                while not (self._course.is_read and self._position >= end_offset):
                    self._topic.wake()
                    await self._progress.wait()
        except TimeoutError:
            raise StoreFault(str(_too_slow())) from None
        except KafkaFault as fault:
            if fault.code in _SOMEBODY_ELSE_LEADS:
                standing = self._topic.standing()
                raise NotTheLeader(standing.leader_url, standing.advice) from None
            raise StoreFault(str(fault)) from None

    def counts(self) -> Counts:
        """One look; nothing is counted for it."""
        state = self._state.published
        return Counts(
            is_ready=self.is_ready,
            is_leader=self._standing.place is Place.LEADS,
            subjects=0 if state is None else state.subjects_count,
            schemas=0 if state is None else state.schemas_count,
            contexts=0 if state is None else state.contexts_count,
            position=self._course.position or 0,
            applied=self._state.applied,
            skipped=self._state.skipped,
            replays=self._replays,
            reads=self._reads,
            reads_here=self._state.reads_here,
            reads_again=self._state.reads_again,
            writes_waiting=len(self._writes),
            writes=self._written,
            refusals=self._refusals,
            misdirected=self._misdirected,
            faults=self._faults,
            timeouts=self._timeouts,
        )

    # --- the owner -------------------------------------------------------------------------------

    async def _own(self) -> None:
        while not self._is_stopping:
            try:
                await self._go_on()
            except KafkaFault as fault:
                await self._stumble(fault)
            except Exception:  # noqa: BLE001 an owner that ended would leave every write waiting
                # What is known may be half changed: only the log can tell what is true.
                _log.exception("the registry reads %s again: report this", SCHEMAS_TOPIC)
                self._begin()
                self._fail_waiting("an error of the registry, see the log of its node")
                await asyncio.sleep(limits.RETRY_S)

    async def _go_on(self) -> None:
        """Do the next step."""
        standing = self._standing = self._topic.standing()
        if standing.place is Place.ELSEWHERE:
            self._has_caught_up.set()
        if self._course.look(standing):
            self._begin()
            if standing.place is Place.ELSEWHERE:
                self._state.withdraw()
        write = self._next_write(standing)
        match self._course.next_step(standing, has_write=write is not None):
            case Step.TAKE_IN:
                await self._take_in()
            case Step.PUBLISH:
                self._state.publish()
                self._course.published()
                self._has_caught_up.set()
                self._progressed()
            case Step.CREATE:
                await self._topic.prepare()
            case Step.FENCE:
                await self._fence(standing.term)
            case Step.JUDGE:
                assert write is not None
                await self._judge(write, standing)
            case Step.SEND_ON:
                assert write is not None
                self._misdirected += 1
                write.fail(NotTheLeader(standing.leader_url, standing.advice))
            case Step.WAIT:
                idle_s = limits.LOOK_S if write is None else limits.LOOK_WHILE_WAITED_FOR_S
                await self._topic.wait(self._course.position, idle_s)
                self._course.may_go_on()

    def _begin(self) -> None:
        """Read the topic from its start."""
        self._replays += 1
        self._course.begin()
        self._state.begin()

    def _next_write(self, standing: Standing) -> Write | None:
        """The one whose turn it is. Those that waited too long are told why."""
        now = asyncio.get_running_loop().time()
        while (write := self._writes.first()) is not None and write.deadline <= now:
            if standing.place is Place.LEADS:
                self._faults += 1
                write.fail(StoreFault(f"no turn within {limits.WRITE_WAIT_S:.0f} s"))
            else:
                self._misdirected += 1
                write.fail(NotTheLeader(None, standing.advice))
        return write

    async def _take_in(self) -> None:
        try:
            piece = await self._topic.read(self._course.position)
        except KafkaFault as fault:
            if fault.code is not ErrorCode.OFFSET_OUT_OF_RANGE:
                raise
            _log.warning("%s-0 is read again from its start: %s", SCHEMAS_TOPIC, fault)
            self._begin()
            return
        await self._state.apply(piece.records)
        self._course.took(piece)
        self._progressed()
        self._last_trouble = None
        await asyncio.sleep(0)  # pieces that are in memory are read without waiting

    def _progressed(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def _fence(self, term: int) -> None:
        await self._topic.prepare()
        try:
            async with asyncio.timeout(limits.COMMIT_S):
                await self._topic.append([barrier()], at=self._position)
        except Overtaken:
            await self._settle()
        except TimeoutError:
            raise _too_slow() from None
        else:
            self._course.fenced(term)

    async def _settle(self) -> None:
        """Somebody's records stand behind what was read: wait until they can be."""
        try:
            async with asyncio.timeout(limits.COMMIT_S):
                await self._topic.settle()
        except TimeoutError:
            raise _too_slow() from None
        self._course.may_go_on()

    async def _judge(self, write: Write, standing: Standing) -> None:
        try:
            judged = await self._state.judge(write.command)
        except (RegistryFault, MalformedContract) as refusal:
            self._refusals += 1
            write.fail(refusal)
            return
        except Exception as error:  # noqa: BLE001 whatever a command does is its caller's
            write.fail(error)
            return
        if not judged.records:
            now = self._topic.standing()
            if (now.place, now.term) == (Place.LEADS, standing.term):
                self._written += 1
                write.succeed(judged.answer)
            return
        try:
            commit = self._topic.append(judged.records, at=self._position)
        except Overtaken:
            write.overtaken += 1
            if write.overtaken < limits.OVERTAKEN_MAX:
                await self._settle()
                return
            self._faults += 1
            write.fail(StoreFault(f"others fill {SCHEMAS_TOPIC} too fast to write between them"))
            return
        write.is_appended = True
        try:
            async with asyncio.timeout(limits.COMMIT_S):
                end_offset = await commit
        except (KafkaFault, TimeoutError) as fault:
            self._timeouts += 1
            write.fail(StoreTimeout(str(fault) or f"no commit within {limits.COMMIT_S:.0f} s"))
            self._course.may_go_on()
            return
        try:
            await self._take_in_up_to(end_offset)
        finally:
            # Committed is committed, whether or not it can be read here now.
            self._written += 1
            write.succeed(judged.answer)

    async def _take_in_up_to(self, end_offset: int) -> None:
        """Apply what was committed here, and what came before it."""
        before = None
        while before != self._position < end_offset:
            before = self._position
            await self._take_in()

    @property
    def _position(self) -> int:
        return self._course.position or 0

    async def _stumble(self, fault: KafkaFault) -> None:
        """The topic could not be read or written: tell, and pause."""
        trouble = f"{fault.code.name}: {fault.message}"
        if trouble != self._last_trouble:
            self._last_trouble = trouble
            _log.warning(
                "%s-0 cannot be used; tried again every %.0f s: %s",
                SCHEMAS_TOPIC,
                limits.RETRY_S,
                trouble,
            )
        if fault.code in _SOMEBODY_ELSE_LEADS:
            # Another look tells who leads now, and what waits has the time for it.
            await asyncio.sleep(limits.LOOK_WHILE_WAITED_FOR_S)
        else:
            self._fail_waiting(trouble)
            await asyncio.sleep(limits.RETRY_S)
        self._course.may_go_on()

    def _fail_waiting(self, why: str) -> None:
        """Tell all writes that wait that they are not written, or that nobody knows."""
        write = self._writes.first()
        if write is not None and write.is_appended:
            self._timeouts += 1
            write.fail(StoreTimeout(why))
        self._faults += self._writes.fail_all(lambda: StoreFault(why))


def _too_slow() -> KafkaFault:
    return KafkaFault(ErrorCode.REQUEST_TIMED_OUT, f"no commit within {limits.COMMIT_S:.0f} s")
