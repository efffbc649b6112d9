"""All group coordination of a node: one coordinator for each offsets partition that it leads.

    lead() ──> UNSEEN ──looked at──┬─ empty ────> served; a coordinator is made for the first group
                                   └─ records ──> loading ──> served <──┐
    resign() <── from anywhere                       └─ append in doubt ┘ (loads again)

Rules:

1. A group belongs to one partition of __consumer_offsets by its name (placement.py), and whoever
   leads that partition coordinates it. Elsewhere its requests get NOT_COORDINATOR.
2. Each tenure has a coordinator object of its own (shell.py). What an earlier one still has under
   way ends on that one's state, never on that of its successor.
3. A tenure serves only what it read from the log after everything in the log was committed.
4. At most LOADS_MAX partitions load at a time; an empty one costs one look at its log.
5. Committed offsets are read when a majority has said that this node leads their partition still.
6. Offsets of topics that were deleted while nobody here followed are removed after a load.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from typing import TYPE_CHECKING, Final, TypeVar

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.confirming import Refusals, confirm
from sprawl.core.groups.model import (
    CommitRequest,
    CommitResult,
    FetchedOffset,
    GroupConfig,
    GroupDescription,
    GroupListing,
    HeartbeatRequest,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    SyncRequest,
    SyncResult,
)
from sprawl.core.groups.offsets_log import OffsetsLog
from sprawl.core.groups.placement import partition_for
from sprawl.core.groups.shell import Answer, GroupCoordinator

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.clock import Clock

_log = logging.getLogger(__name__)
T = TypeVar("T")

LOADS_MAX: Final = 4
"""Partitions that load at once: they share one event loop, so more would only slow each other."""
RETRY_S: Final = 1.0
"""Pause before a partition that could not be loaded is tried again."""
CLOSING_S: Final = 5.0
"""How long a stopping node waits for appends under way; who waits for them is told when the
partition closes."""


class _Tenure:
    """This node's leadership of one partition in one term.

    `coordinator` is None while the partition was not looked at, and while it is empty.
    """

    __slots__ = ("coordinator", "is_seen", "loading", "partition", "retry", "term")

    def __init__(self, partition: int, term: int) -> None:
        self.partition = partition
        self.term = term
        self.is_seen = False
        self.coordinator: GroupCoordinator | None = None
        self.loading: asyncio.Task[None] | None = None
        self.retry: asyncio.TimerHandle | None = None


class GroupCoordinators:
    """See the module.

    Args:
        log: the partitions of __consumer_offsets that this node holds.
        partition_count: how many the topic has; 0 while it does not exist.
        ensure_topic: creates __consumer_offsets if need be.
        find_deleted: which of these topics do not exist, as the controller says for sure.
        clock: wall time stamps commits, monotonic time drives sessions.
        rng: makes member ids.
    """

    def __init__(
        self,
        *,
        log: OffsetsLog,
        partition_count: Callable[[], int],
        ensure_topic: Callable[[], Awaitable[object]],
        find_deleted: Callable[[Collection[str]], Awaitable[Collection[str]]],
        config: GroupConfig,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._log = log
        self._partition_count = partition_count
        self._ensure_topic = ensure_topic
        self._find_deleted = find_deleted
        self._config = config
        self._clock = clock
        self._rng = rng
        self._led: dict[int, _Tenure] = {}
        self._has_started = False
        self._is_closed = False
        self._slots = asyncio.Semaphore(LOADS_MAX)
        self._sweep: asyncio.Task[None] | None = None
        self._loads: set[asyncio.Task[None]] = set()  # the sweep among them
        self._appends: set[asyncio.Task[None]] = set()

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve the partitions led so far and those to come; returns when the former are loaded, or
        were tried once."""
        self._has_started = True
        self._look_around()
        while self._loads:
            await asyncio.wait(self._loads)

    async def close(self) -> None:
        """Send waiting members away, then let the appends that are under way finish."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for partition in list(self._led):
            self.resign(partition)
        if self._loads:
            await asyncio.wait(self._loads)
        if self._appends:
            await asyncio.wait(self._appends, timeout=CLOSING_S)

    def is_ready(self) -> bool:
        """Whether __consumer_offsets is known to exist."""
        return self._partition_count() > 0

    async def ensure_ready(self) -> None:
        """Make sure that __consumer_offsets exists.

        Raises:
            KafkaFault: COORDINATOR_NOT_AVAILABLE when it cannot be created now.
        """
        if self.is_ready():
            return
        try:
            await self._ensure_topic()
        except KafkaFault as fault:
            raise KafkaFault(ErrorCode.COORDINATOR_NOT_AVAILABLE, fault.message) from fault
        if not self.is_ready():
            raise KafkaFault(ErrorCode.COORDINATOR_NOT_AVAILABLE)

    def update_config(self, config: GroupConfig) -> None:
        """Take new settings over; running timers keep what they were set to."""
        self._config = config
        for coordinator in self._coordinators():
            coordinator.update_config(config)

    # --- leadership ------------------------------------------------------------------------------

    def lead(self, partition: int, term: int) -> None:
        """This node serves as the leader of an offsets partition: load its groups, then coordinate
        them. A term that is not newer than the one led changes nothing."""
        tenure = self._led.get(partition)
        if self._is_closed or (tenure is not None and term <= tenure.term):
            return
        self.resign(partition)
        self._led[partition] = _Tenure(partition, term)
        self._look_around()

    def resign(self, partition: int) -> None:
        """This node does not lead an offsets partition any more: stop at once."""
        tenure = self._led.pop(partition, None)
        if tenure is None:
            return
        # First, so that a load that is cancelled finds itself overtaken.
        if tenure.coordinator is not None:
            tenure.coordinator.stop()
        if tenure.loading is not None:
            tenure.loading.cancel()
        if tenure.retry is not None:
            tenure.retry.cancel()

    def _look_around(self) -> None:
        if self._has_started and (self._sweep is None or self._sweep.done()):
            self._sweep = self._start_load(self._look_at_all())

    async def _look_at_all(self) -> None:
        """Look at every partition that nobody asked for yet, with turns for others between them."""
        while unseen := [tenure for tenure in self._led.values() if not tenure.is_seen]:
            for tenure in unseen:
                if self._is_current(tenure):
                    self._look_at(tenure)
                    await asyncio.sleep(0)

    def _is_current(self, tenure: _Tenure) -> bool:
        return self._led.get(tenure.partition) is tenure

    def _look_at(self, tenure: _Tenure) -> None:
        """Begin to load a partition, unless there is nothing in it."""
        if tenure.is_seen:
            return
        tenure.is_seen = True
        try:
            if self._log.is_empty(tenure.partition):
                return
        except Exception as failure:  # noqa: BLE001 loading meets it again, and tries until it is gone
            _log.warning("__consumer_offsets-%d: cannot be seen: %s", tenure.partition, failure)
        self._begin_load(tenure)

    def _begin_load(self, tenure: _Tenure) -> None:
        tenure.retry = None
        coordinator = tenure.coordinator = self._new_coordinator(tenure)
        tenure.loading = self._start_load(self._load(tenure, coordinator))

    def _start_load(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        return task

    async def _load(self, tenure: _Tenure, coordinator: GroupCoordinator) -> None:
        partition = tenure.partition
        try:
            await coordinator.load(self._slots)
        except Exception as failure:  # noqa: BLE001 whatever it is, the next attempt may succeed
            _log.error(
                "__consumer_offsets-%d: its groups cannot be loaded; tried again every %.0f s: %s",
                partition,
                RETRY_S,
                failure,
                exc_info=None if isinstance(failure, KafkaFault) else failure,
            )
            if self._is_current(tenure):
                loop = asyncio.get_running_loop()
                tenure.retry = loop.call_later(RETRY_S, self._begin_load, tenure)
            return
        if coordinator.availability() is not ErrorCode.NONE:
            return
        _log.debug("__consumer_offsets-%d: groups loaded in term %d", partition, tenure.term)
        try:
            deleted = await self._find_deleted(coordinator.committed_topics())
        except KafkaFault as fault:
            _log.info(
                "__consumer_offsets-%d: offsets of topics deleted meanwhile stay for now: %s",
                partition,
                fault,
            )
        else:
            coordinator.topics_deleted(deleted)

    def _load_again(self, ended: GroupCoordinator) -> None:
        """A coordinator ended itself because memory and log may differ."""
        tenure = self._led.get(ended.partition)
        if tenure is not None and tenure.coordinator is ended:
            self._begin_load(tenure)

    def _new_coordinator(self, tenure: _Tenure) -> GroupCoordinator:
        return GroupCoordinator(
            tenure.partition,
            log=self._log,
            config=self._config,
            clock=self._clock,
            rng=self._rng,
            tasks=self._appends,
            in_doubt=self._load_again,
        )

    # --- finding the coordinator -----------------------------------------------------------------

    def _coordinators(self) -> Iterator[GroupCoordinator]:
        for tenure in self._led.values():
            if tenure.coordinator is not None:
                yield tenure.coordinator

    def _find(self, group_id: str) -> GroupCoordinator | ErrorCode:
        """The coordinator of a group, which may still load; or why there is none here."""
        if self._is_closed:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        count = self._partition_count()
        tenure = self._led.get(partition_for(group_id, count)) if count else None
        if tenure is None:
            return ErrorCode.NOT_COORDINATOR
        if not self._has_started:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        self._look_at(tenure)
        if tenure.coordinator is None:
            tenure.coordinator = self._new_coordinator(tenure)
            tenure.coordinator.activate()
        return tenure.coordinator

    def _serving(self, group_id: str) -> GroupCoordinator:
        found = self._find(group_id)
        assert isinstance(found, GroupCoordinator), "ask for the availability first"
        assert found.availability() is ErrorCode.NONE, "ask for the availability first"
        return found

    def availability(self, group_id: str) -> ErrorCode:
        """NONE, or why a group cannot be read here now."""
        found = self._find(group_id)
        return found if isinstance(found, ErrorCode) else found.availability()

    def availability_of_all(self) -> ErrorCode:
        """NONE, or why the groups of this node cannot be listed now."""
        if self._is_closed:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if not self._has_started:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        for tenure in self._led.values():
            self._look_at(tenure)
        found = (coordinator.availability() for coordinator in self._coordinators())
        return next((error for error in found if error), ErrorCode.NONE)

    # --- requests --------------------------------------------------------------------------------

    def join(self, request: JoinRequest) -> Answer[JoinResult]:
        """JoinGroup: waits until the join phase ends, unless it is answered at once."""
        found = self._find(request.group_id)
        if not isinstance(found, ErrorCode):
            return found.join(request)
        refusal = JoinResult(error=found, member_id=request.member_id)
        if self._may_create(found):
            return self._when_ready(lambda: self.join(request), refusal)
        return refusal

    def sync(self, request: SyncRequest) -> Answer[SyncResult]:
        """SyncGroup: waits for the leader's assignment."""
        found = self._find(request.group_id)
        if isinstance(found, ErrorCode):
            return SyncResult(error=found)
        return found.sync(request)

    def heartbeat(self, request: HeartbeatRequest) -> ErrorCode:
        """While groups load, every heartbeat is welcome: the member may well still be one."""
        found = self._find(request.group_id)
        if found is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return ErrorCode.NONE
        return found if isinstance(found, ErrorCode) else found.heartbeat(request)

    def leave(self, group_id: str, members: tuple[LeavingMember, ...]) -> LeaveResult:
        """LeaveGroup: answered at once."""
        found = self._find(group_id)
        if isinstance(found, ErrorCode):
            return LeaveResult(error=found)
        return found.leave(group_id, members)

    def commit(self, request: CommitRequest) -> Answer[CommitResult]:
        """OffsetCommit: answered when the offsets are committed to the log."""
        found = self._find(request.group_id)
        if not isinstance(found, ErrorCode):
            return found.commit(request)
        if self._may_create(found):
            return self._when_ready(lambda: self.commit(request), CommitResult(error=found))
        return CommitResult(error=found)

    def delete_offsets(
        self, group_id: str, partitions: Sequence[tuple[str, int]]
    ) -> Answer[CommitResult]:
        """OffsetDelete: one error a partition, in order."""
        found = self._find(group_id)
        if isinstance(found, ErrorCode):
            return CommitResult(error=found)
        return found.delete_offsets(group_id, partitions)

    def delete_groups(self, group_ids: Sequence[str]) -> Answer[list[ErrorCode]]:
        """DeleteGroups: one error a group, in order."""
        errors = [ErrorCode.NONE] * len(group_ids)
        shares: dict[GroupCoordinator, list[int]] = {}
        for index, group_id in enumerate(group_ids):
            found = self._find(group_id)
            if isinstance(found, ErrorCode):
                errors[index] = found
            else:
                shares.setdefault(found, []).append(index)
        pending: list[Awaitable[None]] = []
        for coordinator, indexes in shares.items():
            answer = coordinator.delete_groups([group_ids[index] for index in indexes])
            if isinstance(answer, Awaitable):
                pending.append(_fill_later(errors, indexes, answer))
            else:
                _fill(errors, indexes, answer)
        return _when_all(pending, errors) if pending else errors

    def topics_deleted(self, topics: Collection[str]) -> None:
        """The controller removed topics: their committed offsets go too."""
        for coordinator in self._coordinators():
            coordinator.topics_deleted(topics)

    def confirm(self, group_ids: Iterable[str]) -> Answer[Refusals]:
        """Why the offsets of some of these groups cannot be read here now. Those of the others can
        from then on, as far as their `availability` says so (confirming.py)."""
        refused: Refusals = {}
        groups: dict[int, list[str]] = {}
        for group_id in group_ids:
            found = self._find(group_id)
            error = found if isinstance(found, ErrorCode) else found.availability()
            if error:
                refused[group_id] = error
            elif isinstance(found, GroupCoordinator):
                groups.setdefault(found.partition, []).append(group_id)
        return confirm(self._log, groups, refused)

    def fetch(
        self, group_id: str, topic: str, partitions: Iterable[int], *, require_stable: bool
    ) -> list[FetchedOffset]:
        """OffsetFetch of named partitions. Ask `confirm`, and then `availability`, first."""
        return self._serving(group_id).fetch(
            group_id, topic, partitions, require_stable=require_stable
        )

    def fetch_all(
        self, group_id: str, *, require_stable: bool
    ) -> list[tuple[str, list[FetchedOffset]]]:
        """OffsetFetch of whatever the group has committed. Ask as for `fetch`."""
        return self._serving(group_id).fetch_all(group_id, require_stable=require_stable)

    def describe(self, group_id: str) -> GroupDescription:
        """DescribeGroups. Ask `availability` first."""
        return self._serving(group_id).describe(group_id)

    def list_groups(
        self, states: Collection[str] = (), types: Collection[str] = ()
    ) -> list[GroupListing]:
        """ListGroups: what this node coordinates. Ask `availability_of_all` first."""
        return [
            listing
            for coordinator in self._coordinators()
            for listing in coordinator.list_groups(states, types)
        ]

    # --- the first group ever --------------------------------------------------------------------

    def _may_create(self, error: ErrorCode) -> bool:
        """Whether a request could be taken if only __consumer_offsets existed."""
        return error is ErrorCode.NOT_COORDINATOR and not self.is_ready()

    async def _when_ready(self, again: Callable[[], Answer[T]], refusal: T) -> T:
        """Create __consumer_offsets for the first group ever, then take the request again."""
        try:
            await self.ensure_ready()
        except KafkaFault:
            return refusal
        answer = again()
        return await answer if isinstance(answer, Awaitable) else answer


def _fill(errors: list[ErrorCode], indexes: list[int], answer: list[ErrorCode]) -> None:
    for index, error in zip(indexes, answer, strict=True):
        errors[index] = error


async def _fill_later(
    errors: list[ErrorCode], indexes: list[int], answer: Awaitable[list[ErrorCode]]
) -> None:
    _fill(errors, indexes, await answer)


async def _when_all(pending: list[Awaitable[None]], errors: list[ErrorCode]) -> list[ErrorCode]:
    await asyncio.gather(*pending)
    return errors
