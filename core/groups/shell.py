"""The group coordinator with its awaits: futures for waiting clients, the log, one timer.

A request that can be answered at once is answered without touching the event loop's queue: an
offset commit to a log that commits on append runs to its answer in one call. Everything runs in
the event loop's thread; the state has no other owner.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import deque
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from functools import partial
from random import Random
from types import coroutine
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from sprawl.core.clock import Clock
from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.coordinator import CoordinatorState
from sprawl.core.groups.model import (
    Append,
    CommitRequest,
    CommitResult,
    Effect,
    FetchedOffset,
    GroupConfig,
    GroupDescription,
    GroupListing,
    HeartbeatRequest,
    Instant,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    LogRecord,
    OpId,
    SyncRequest,
    SyncResult,
    Token,
)
from sprawl.core.groups.records import MalformedGroupRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")
Answer: TypeAlias = T | Awaitable[T]
"""A result that is there already, or one to wait for."""

_REPLAY_SLICE = 1_000
"""Records replayed before other work of the event loop gets a turn."""


class OffsetRecord(Protocol):
    """What loading needs of a record."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class OffsetsLog(Protocol):
    """The port to the partitions of __consumer_offsets."""

    @property
    def partition_count(self) -> int:
        """How many partitions the topic has; 0 while it does not exist."""
        ...

    def append(self, partition: int, records: Sequence[LogRecord]) -> Coroutine[Any, Any, int]:
        """Append records as one batch. It is in the log by the first suspension, and returns its
        offset when committed. Raises KafkaFault."""
        ...

    def read_all(self, partition: int) -> Iterator[OffsetRecord]:
        """Every committed record from the start, in log order."""
        ...


class Phase(enum.Enum):
    LOADING = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    ACTIVE = ErrorCode.NONE
    CLOSED = ErrorCode.COORDINATOR_NOT_AVAILABLE


class _OpenAppend:
    """An append on its way; `error` is None until its outcome is known."""

    __slots__ = ("error", "op")

    def __init__(self, op: OpId) -> None:
        self.op = op
        self.error: ErrorCode | None = None


class GroupCoordinator:
    """All consumer groups of this node.

    Args:
        log: where group state is kept.
        ensure_topic: creates __consumer_offsets if need be; done when it can be written.
        clock: wall time stamps commits, monotonic time drives sessions.
        rng: makes member ids.
    """

    def __init__(
        self,
        *,
        log: OffsetsLog,
        ensure_topic: Callable[[], Awaitable[object]],
        config: GroupConfig,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._log = log
        self._ensure_topic = ensure_topic
        self._clock = clock
        self._state = CoordinatorState(config, partition_count=log.partition_count, rng=rng)
        self._phase = Phase.LOADING
        self._last_token = 0
        self._asking: Token | None = None
        self._answer: object = None
        self._waiting: dict[Token, asyncio.Future[object]] = {}
        self._appends: dict[int, deque[_OpenAppend]] = {}
        self._append_tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = 0

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Rebuild all groups from the log, if there is one; then serve."""
        self._state.partition_count = self._log.partition_count
        for partition in range(self._log.partition_count):
            await self._replay(partition)
        self._phase = Phase.ACTIVE
        self._perform(self._state.loaded(self._now()))

    async def close(self) -> None:
        """Send waiting members away, then let the appends that are under way finish."""
        self._phase = Phase.CLOSED
        self._perform(self._state.unload(self._now()))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._append_tasks:
            await asyncio.wait(self._append_tasks)

    def is_ready(self) -> bool:
        """Whether __consumer_offsets is known to exist."""
        return self._state.partition_count > 0

    async def ensure_ready(self) -> None:
        """Make sure that __consumer_offsets exists.

        Raises: KafkaFault COORDINATOR_NOT_AVAILABLE when it cannot be created now.
        """
        if self._log.partition_count == 0:
            await self._ensure_topic()
            if self._log.partition_count == 0:
                raise KafkaFault(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        self._state.partition_count = self._log.partition_count

    def update_config(self, config: GroupConfig) -> None:
        self._state.update_config(config)

    async def _replay(self, partition: int) -> None:
        unreadable = 0
        for count, record in enumerate(self._log.read_all(partition), start=1):
            try:
                if record.key is not None:
                    self._state.replay(partition, record.key, record.value)
            except MalformedGroupRecord as error:
                unreadable += 1
                logger.warning(
                    "__consumer_offsets-%d: record at offset %d is skipped: %s",
                    partition,
                    record.offset,
                    error,
                )
            if count % _REPLAY_SLICE == 0:
                await asyncio.sleep(0)
        if unreadable:
            logger.error(
                "__consumer_offsets-%d: %d records could not be read; the groups they belong to"
                " may start from older positions",
                partition,
                unreadable,
            )

    # --- requests --------------------------------------------------------------------------------

    def join(self, request: JoinRequest) -> Answer[JoinResult]:
        """JoinGroup: waits until the join phase ends, unless it is answered at once."""
        if self._phase is not Phase.ACTIVE:
            return JoinResult(error=self.availability(), member_id=request.member_id)
        if not self.is_ready():
            return self._when_ready(
                lambda: self.join(request),
                lambda error: JoinResult(error=error, member_id=request.member_id),
            )
        token = self._ask()
        return cast(
            "Answer[JoinResult]",
            self._submit(token, self._state.join(token, request, self._now()), request.group_id),
        )

    def sync(self, request: SyncRequest) -> Answer[SyncResult]:
        """SyncGroup: waits for the leader's assignment."""
        if self._phase is not Phase.ACTIVE:
            return SyncResult(error=self.availability())
        token = self._ask()
        return cast(
            "Answer[SyncResult]",
            self._submit(token, self._state.sync(token, request, self._now()), request.group_id),
        )

    def heartbeat(self, request: HeartbeatRequest) -> ErrorCode:
        """While groups load, every heartbeat is welcome: the member may well still be one."""
        if self._phase is Phase.LOADING:
            return ErrorCode.NONE
        if self._phase is not Phase.ACTIVE:
            return self.availability()
        token = self._ask()
        error = self._submit(token, self._state.heartbeat(token, request, self._now()))
        return ErrorCode(cast("int", error))

    def leave(self, group_id: str, members: tuple[LeavingMember, ...]) -> LeaveResult:
        if self._phase is not Phase.ACTIVE:
            return LeaveResult(error=self.availability())
        token = self._ask()
        return cast(
            "LeaveResult",
            self._submit(token, self._state.leave(token, group_id, members, self._now())),
        )

    def commit(self, request: CommitRequest) -> Answer[CommitResult]:
        """OffsetCommit: answered when the offsets are committed to the log."""
        if self._phase is not Phase.ACTIVE:
            return CommitResult(error=self.availability())
        if not self.is_ready():
            return self._when_ready(
                lambda: self.commit(request), lambda error: CommitResult(error=error)
            )
        token = self._ask()
        return cast(
            "Answer[CommitResult]",
            self._submit(token, self._state.commit(token, request, self._now())),
        )

    def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> Answer[CommitResult]:
        """OffsetDelete: one error a partition, in order."""
        if self._phase is not Phase.ACTIVE:
            return CommitResult(error=self.availability())
        token = self._ask()
        return cast(
            "Answer[CommitResult]",
            self._submit(
                token, self._state.delete_offsets(token, group_id, partitions, self._now())
            ),
        )

    def delete_groups(self, group_ids: Sequence[str]) -> Answer[list[ErrorCode]]:
        """DeleteGroups: one error a group, in order."""
        if self._phase is not Phase.ACTIVE:
            return [self.availability()] * len(group_ids)
        token = self._ask()
        return cast(
            "Answer[list[ErrorCode]]",
            self._submit(token, self._state.delete_groups(token, group_ids, self._now())),
        )

    def topics_deleted(self, topics: Collection[str]) -> None:
        """The controller removed topics: their committed offsets go too."""
        if self._phase is Phase.ACTIVE:
            self._perform(self._state.topics_deleted(topics, self._now()))

    def committed_topics(self) -> set[str]:
        """Names of all topics that some group has committed offsets of."""
        return self._state.committed_topics()

    def fetch(
        self, group_id: str, topic: str, partitions: Iterable[int], *, require_stable: bool
    ) -> list[FetchedOffset]:
        """OffsetFetch of named partitions. Ask `availability` first."""
        return self._state.offset_events.fetch(
            group_id, topic, partitions, require_stable=require_stable
        )

    def fetch_all(
        self, group_id: str, *, require_stable: bool
    ) -> list[tuple[str, list[FetchedOffset]]]:
        """OffsetFetch of whatever the group has committed. Ask `availability` first."""
        return self._state.offset_events.fetch_all(group_id, require_stable=require_stable)

    def describe(self, group_id: str) -> GroupDescription:
        """DescribeGroups. Ask `availability` first."""
        return self._state.describe(group_id)

    def list_groups(
        self, states: Collection[str] = (), types: Collection[str] = ()
    ) -> list[GroupListing]:
        """ListGroups. Ask `availability` first."""
        return self._state.list_groups(states, types)

    def availability(self) -> ErrorCode:
        """NONE, or why groups cannot be read now."""
        return self._phase.value

    # --- effects ---------------------------------------------------------------------------------

    def _now(self) -> Instant:
        return Instant(self._clock.now_ms(), self._clock.monotonic_ms())

    async def _when_ready(
        self, again: Callable[[], Answer[T]], refuse: Callable[[ErrorCode], T]
    ) -> T:
        """Create __consumer_offsets for the first group ever, then take the request again."""
        try:
            await self.ensure_ready()
        except KafkaFault as fault:
            return refuse(_told_to_clients(fault.code))
        answer = again()
        return await answer if isinstance(answer, Awaitable) else answer

    def _ask(self) -> Token:
        self._last_token += 1
        self._asking = Token(self._last_token)
        self._answer = None
        return self._asking

    def _submit(self, token: Token, effects: list[Effect], group_id: str | None = None) -> object:
        """Carry the effects out; the answer, or an awaitable of it if it was not among them.

        `group_id` is given for requests that are parked in a group.
        """
        self._perform(effects)
        if self._asking is None:
            return self._answer
        self._asking = None
        waiting: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[token] = waiting
        return self._wait(token, waiting, group_id)

    async def _wait(
        self, token: Token, waiting: asyncio.Future[object], group_id: str | None
    ) -> object:
        try:
            return await waiting
        except asyncio.CancelledError:
            if self._waiting.pop(token, None) is not None and group_id is not None:
                self._perform(self._state.abandon(token, group_id, self._now()))
            raise

    def _perform(self, effects: Iterable[Effect]) -> None:
        queue = deque(effects)
        while queue:
            effect = queue.popleft()
            if isinstance(effect, Append):
                queue.extend(self._append(effect))
            else:
                self._deliver(effect.token, effect.result)
        self._arm_timer()

    def _deliver(self, token: Token, result: object) -> None:
        if token == self._asking:
            self._answer = result
            self._asking = None
            return
        waiting = self._waiting.pop(token, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _append(self, effect: Append) -> list[Effect]:
        """Start an append; the effects that follow it when it is committed at once."""
        entry = _OpenAppend(effect.op)
        partition = effect.partition
        self._appends.setdefault(partition, deque()).append(entry)
        running = self._run_append(entry, partition, effect.records)
        try:
            first_wait = running.send(None)
        except StopIteration:
            return self._settle(partition)
        task = asyncio.get_running_loop().create_task(
            self._finish_append(_resume(running, first_wait), partition)
        )
        self._append_tasks.add(task)
        task.add_done_callback(self._append_tasks.discard)
        return []

    async def _run_append(
        self, entry: _OpenAppend, partition: int, records: Sequence[LogRecord]
    ) -> None:
        try:
            await self._log.append(partition, records)
        except KafkaFault as fault:
            logger.warning("append to __consumer_offsets-%d failed: %s", partition, fault)
            entry.error = _told_to_clients(fault.code)
        except Exception:
            logger.exception("append to __consumer_offsets-%d failed unexpectedly", partition)
            entry.error = ErrorCode.UNKNOWN_SERVER_ERROR
        else:
            entry.error = ErrorCode.NONE

    async def _finish_append(self, running: Awaitable[None], partition: int) -> None:
        await running
        self._perform(self._settle(partition))

    def _settle(self, partition: int) -> list[Effect]:
        """Report outcomes in the order of the appends, as far as they are known."""
        pending = self._appends[partition]
        effects: list[Effect] = []
        while pending and pending[0].error is not None:
            entry = pending.popleft()
            effects += self._state.appended(entry.op, entry.error or ErrorCode.NONE, self._now())
        if not pending:
            del self._appends[partition]
        return effects

    # --- time ------------------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        deadline_ms = self._state.next_deadline_ms()
        if deadline_ms is None or self._phase is not Phase.ACTIVE:
            return
        if self._timer is not None:
            if self._timer_at_ms <= deadline_ms:
                return
            self._timer.cancel()
        delay_ms = max(deadline_ms - self._clock.monotonic_ms(), 1)
        self._timer_at_ms = deadline_ms
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._perform(self._state.tick(self._now()))


@coroutine
def _resume(running: Coroutine[Any, Any, T], first_wait: object) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was started by hand and waits for `first_wait`."""
    waits_for = first_wait
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 a cancellation is the coroutine's to handle
            step = partial(running.throw, error)
        else:
            step = partial(running.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            result: T = stop.value
            return result


def _told_to_clients(code: ErrorCode) -> ErrorCode:
    """What a member hears when __consumer_offsets cannot be written: codes that make it look for
    its coordinator again, not those of a topic it never named."""
    if code in (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ):
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR):
        return ErrorCode.NOT_COORDINATOR
    return ErrorCode.UNKNOWN_SERVER_ERROR
