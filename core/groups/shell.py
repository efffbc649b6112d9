"""The coordinator of one offsets partition with its awaits: futures, the log, one timer.

    LOADING --replayed--> ACTIVE --stop(), or an append in doubt--> ENDED
        \\--cannot be read--> FAILED

Rules:

1. A request that can be answered at once is answered without touching the event loop's queue: an
   offset commit to a log that commits on append runs to its answer in one call. Everything runs in
   the event loop's thread; the state has no other owner.
2. One object is one tenure: it loads once, and once ended it never serves again. Whoever owns it
   (coordinators.py) makes another when the partition is led again.
3. Memory never runs ahead of the log or behind it. An append that was refused is reported to the
   state, which undoes it. An append whose outcome is unknown ends the tenure: it may be in the log
   yet, so only the log can tell what is true.
4. An ended coordinator appends nothing. Members that wait are sent away; commits that were on their
   way are answered when their outcome is known, truthfully.
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
    Sequence,
)
from functools import partial
from random import Random
from types import coroutine
from typing import Any, TypeAlias, TypeVar, cast

from sprawl.core.clock import Clock, Instant
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
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    OpId,
    SyncRequest,
    SyncResult,
    Token,
)
from sprawl.core.groups.offsets_log import OffsetsLog
from sprawl.core.groups.records import MalformedGroupRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")
Answer: TypeAlias = T | Awaitable[T]
"""A result that is there already, or one to wait for."""

_REPLAY_SLICE = 1_000
"""Records replayed before other work of the event loop gets a turn."""


class Phase(enum.Enum):
    """The value is what clients are told."""

    LOADING = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    ACTIVE = ErrorCode.NONE
    FAILED = ErrorCode.COORDINATOR_NOT_AVAILABLE
    ENDED = ErrorCode.NOT_COORDINATOR


class _OpenAppend:
    """An append on its way; `error` is None until its outcome is known."""

    __slots__ = ("error", "op")

    def __init__(self, op: OpId) -> None:
        self.op = op
        self.error: ErrorCode | None = None


class GroupCoordinator:
    """The groups of one partition of __consumer_offsets, for one tenure.

    Args:
        log: where group state is kept.
        clock: wall time stamps commits, monotonic time drives sessions.
        rng: makes member ids.
        tasks: where appends under way are kept, so that they can be waited for after the end.
        in_doubt: called when the tenure ended because memory and log may differ.
    """

    def __init__(
        self,
        partition: int,
        *,
        log: OffsetsLog,
        config: GroupConfig,
        clock: Clock,
        rng: Random,
        tasks: set[asyncio.Task[None]],
        in_doubt: Callable[[GroupCoordinator], None],
    ) -> None:
        self.partition = partition
        self._log = log
        self._clock = clock
        self._state = CoordinatorState(config, rng=rng)
        self._phase = Phase.LOADING
        self._last_token = 0
        self._asking: Token | None = None
        self._answer: object = None
        self._waiting: dict[Token, asyncio.Future[object]] = {}
        self._appends: deque[_OpenAppend] = deque()
        self._tasks = tasks
        self._in_doubt = in_doubt
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = 0

    # --- life ------------------------------------------------------------------------------------

    async def load(self, slots: asyncio.Semaphore) -> None:
        """Rebuild the groups from the log; then serve, unless `stop` came first.

        Args:
            slots: bounds how many coordinators replay at a time.

        Raises:
            KafkaFault: the log cannot be read; the phase is FAILED then.
        """
        try:
            await self._log.settle(self.partition)
            async with slots:
                await self._replay()
        except BaseException:
            if self._phase is Phase.LOADING:
                self._phase = Phase.FAILED
            raise
        if self._phase is Phase.LOADING:
            self.activate()

    def activate(self) -> None:
        """Serve what was replayed; without `load` when there is nothing to replay."""
        self._phase = Phase.ACTIVE
        self._perform(self._state.loaded(self._now()))

    def stop(self) -> None:
        """End the tenure at once, whatever is under way; waiting members are sent away."""
        if self._phase is Phase.ENDED:
            return
        self._phase = Phase.ENDED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._perform(self._state.unload(self._now()))

    def availability(self) -> ErrorCode:
        """NONE, or why nothing is served now."""
        return self._phase.value

    def update_config(self, config: GroupConfig) -> None:
        self._state.update_config(config)

    async def _replay(self) -> None:
        unreadable = 0
        for count, record in enumerate(self._log.read_all(self.partition), start=1):
            try:
                if record.key is not None:
                    self._state.replay(record.key, record.value)
            except MalformedGroupRecord as error:
                unreadable += 1
                logger.warning(
                    "__consumer_offsets-%d: record at offset %d is skipped: %s",
                    self.partition,
                    record.offset,
                    error,
                )
            if count % _REPLAY_SLICE == 0:
                await asyncio.sleep(0)
                if self._phase is not Phase.LOADING:
                    return
        if unreadable:
            logger.error(
                "__consumer_offsets-%d: %d records could not be read; the groups they belong to"
                " may start from older positions",
                self.partition,
                unreadable,
            )

    # --- requests --------------------------------------------------------------------------------

    def join(self, request: JoinRequest) -> Answer[JoinResult]:
        """JoinGroup: waits until the join phase ends, unless it is answered at once."""
        if self._phase is not Phase.ACTIVE:
            return JoinResult(error=self.availability(), member_id=request.member_id)
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

    # --- effects ---------------------------------------------------------------------------------

    def _now(self) -> Instant:
        return Instant(self._clock.now_ms(), self._clock.monotonic_ms())

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
        """Start an append; the effects that follow it when its outcome is known at once."""
        entry = _OpenAppend(effect.op)
        self._appends.append(entry)
        if self._phase is not Phase.ACTIVE:
            entry.error = ErrorCode.NOT_COORDINATOR
            return self._settle()
        try:
            committing = self._log.append(self.partition, effect.records)
        except KafkaFault as fault:
            logger.warning("append to __consumer_offsets-%d was refused: %s", self.partition, fault)
            entry.error = told_to_clients(fault.code)
            return self._settle()
        except Exception as failure:  # noqa: BLE001 whatever it is, the log may have taken the batch
            self._doubt(entry, failure)
            return self._settle()
        running = self._commit(entry, committing)
        try:
            first_wait = running.send(None)
        except StopIteration:
            return self._settle()
        task = asyncio.get_running_loop().create_task(
            self._finish_append(_resume(running, first_wait))
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return []

    async def _commit(self, entry: _OpenAppend, committing: Awaitable[object]) -> None:
        try:
            await committing
        except Exception as failure:  # noqa: BLE001 whatever it is, the outcome is unknown
            self._doubt(entry, failure)
        else:
            entry.error = ErrorCode.NONE

    async def _finish_append(self, running: Awaitable[None]) -> None:
        await running
        self._perform(self._settle())

    def _doubt(self, entry: _OpenAppend, failure: Exception) -> None:
        """What was appended may become part of the log or not: memory cannot say any more."""
        if isinstance(failure, KafkaFault):
            logger.warning("append to __consumer_offsets-%d failed: %s", self.partition, failure)
            entry.error = told_to_clients(failure.code)
        else:
            logger.error(
                "append to __consumer_offsets-%d failed unexpectedly",
                self.partition,
                exc_info=failure,
            )
            entry.error = ErrorCode.COORDINATOR_NOT_AVAILABLE
        if self._phase is Phase.ACTIVE:
            self.stop()
            self._in_doubt(self)

    def _settle(self) -> list[Effect]:
        """Report outcomes in the order of the appends, as far as they are known."""
        pending = self._appends
        effects: list[Effect] = []
        while pending and pending[0].error is not None:
            entry = pending.popleft()
            effects += self._state.appended(entry.op, entry.error or ErrorCode.NONE, self._now())
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


def told_to_clients(code: ErrorCode) -> ErrorCode:
    """What a member hears when __consumer_offsets cannot be written: codes that make it look for
    its coordinator again, not those of a topic it never named."""
    if code in (
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
    ):
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.KAFKA_STORAGE_ERROR):
        return ErrorCode.NOT_COORDINATOR
    return ErrorCode.UNKNOWN_SERVER_ERROR
