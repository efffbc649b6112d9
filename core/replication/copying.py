"""A follower that cannot be served entry by entry copies its leader's log.

    leader                                    follower
    Ready.snapshots ── copy/offer ──────────> one copy a group, COPIES_MAX a node
    committed part  <── copy/manifest ─────── checks it
    pieces          <── copy/read, one ────── *.log.copy beside the log
                        at a time             verified, synced ──> swap ──> restored
    snapshot_sent   <── index ───────────────

The offer is one long call: when it ends, in whatever way, the leader knows that the copy has.

Why this is safe:

1. Nothing uncommitted is copied. A manifest ends at the commit index of a leader that serves, and
   committed entries never change (I5): it does not matter whether that leader still leads while its
   files are read. Segments that are compacted or dropped meanwhile stay readable for a while in the
   files that were planned; when they are gone, the read fails and so does the copy.
2. Nothing that the follower acknowledged, and that may be committed by it, is taken back. It votes
   and answers with its old log until the swap, which is made in one step of the event loop, while
   the term T and the leader are those of the offer, and only where `needs_snapshot` says that the
   log does not hold the copy's last entry X. Take an entry at i that the follower acknowledged.
   To a leader of T: then its log agreed with that leader's up to i, and held X if i >= X; so
   i < X, and the copy has it. To a leader of an earlier term: if it is committed, or ever counts
   as such, then the leader of T has it (I3). That leader serves, so that its no-op, which stands
   after all it had when it was elected, is committed: i < X, and the copy has it. Any other entry
   was promised to nobody: earlier leaders commit nothing more once a majority is in T.
3. The log never goes behind the commit index (I12): `needs_snapshot` wants X above it.
4. The swap is atomic (core/log/copies.py), and the hard state that counts with the new log, and the
   LOG_START entries that are no more open, are part of its one write. No hard state of the group
   is on its way to the disk then, which could undo that. After a stop there is the old log with the
   old hard state, or the new with the new. Term and vote are the same in both, or newer.
5. LOG_START entries up to X have been applied by the leader, or count in the manifest's log start.
   None is open in the copy; those after X come with the entries after it.
6. A log whose owner keeps elsewhere what was deleted (the controller's checkpoints) is copied with
   that: the attachment is durable under its name before the swap. It tells of committed records
   only, so that it does no harm beside the old log either.

A copy that fails is removed, and the leader offers another one after a pause that grows to
COPY_RETRY_MS_MAX. A stop leaves files that the next open of the log removes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from sprawl.core.cluster.peers import PeerRefused, PeerUnreachable
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.limits import (
    COPIES_MAX,
    COPIES_SERVED_MAX,
    COPY_BYTES_PER_S_MAX,
    COPY_PIECE_BYTES,
)
from sprawl.core.log.copies import StagedCopy, plan_copy, swap
from sprawl.core.log.frames import FrameFault
from sprawl.core.raft.checks import InvariantBroken
from sprawl.core.raft.log_port import NO_INDEX
from sprawl.core.raft.ready import Role
from sprawl.core.replication.copy_manifest import (
    Ask,
    Attachment,
    Manifest,
    Piece,
    encode_done,
    parse_done,
)
from sprawl.core.replication.log_starts import GroupLog, store_key
from sprawl.core.replication.throttle import Throttle

if TYPE_CHECKING:
    from sprawl.core.clock import Clock
    from sprawl.core.cluster.peers import PeerIdentity
    from sprawl.core.ids import BrokerId, LogIndex, LogKey, ReplicaId
    from sprawl.core.log.copies import CopyPlan
    from sprawl.core.log.partition_log import PartitionLog
    from sprawl.core.partition.replication import RunBlocking
    from sprawl.core.replication.copy_ports import Attached, Calls, Incoming
    from sprawl.core.replication.group import RaftGroup
    from sprawl.core.replication.host import RaftHost
    from sprawl.core.storage.port import Buffer, SegmentFile

    _Planned = tuple[CopyPlan, tuple[SegmentFile, ...], Attachment | None]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

OFFER: Final = "copy/offer"
MANIFEST: Final = "copy/manifest"
READ: Final = "copy/read"
OFFER_TIMEOUT_MS: Final = 86_400_000
"""A day: 5 TiB at the rate limit. That the follower is gone is seen by its connection."""
CALL_TIMEOUT_MS: Final = 30_000
"""For a manifest or a piece: both nodes may be waiting for a slow disk or their rate limits."""
SESSION_IDLE_S: Final = 120.0
"""A follower that asked for nothing so long has given up."""
COPY_RETRY_MS_MIN: Final = 500
COPY_RETRY_MS_MAX: Final = 60_000
"""A log that cannot be copied now is asked for again; each try may have cost gigabytes."""
_STORING_LOOK_S: Final = 0.005


class _Session(NamedTuple):
    """What a leader serves to one follower."""

    ask: Ask
    node: BrokerId
    log: PartitionLog
    plan_sizes: tuple[int, ...]
    files: tuple[SegmentFile, ...]


class Copies:
    """All copies of a node, those it makes and those it serves.

    Args:
        node_of: the node of a replica.
    """

    def __init__(
        self,
        *,
        host: RaftHost,
        calls: Calls,
        node_of: Callable[[ReplicaId], BrokerId | None],
        run_blocking: RunBlocking,
        clock: Clock,
    ) -> None:
        self.attached: dict[LogKey, Attached] = {}
        """By log, for those that need more than their segments. They are small, a whole node waits
        for them, and so they do not wait for other copies."""
        self._host = host
        self._calls = calls
        self._node_of = node_of
        self._run_blocking = run_blocking
        self._clock = clock
        self._offers: dict[tuple[LogKey, ReplicaId], asyncio.Task[None]] = {}
        self._failures: dict[tuple[LogKey, ReplicaId], int] = {}
        self._sessions: dict[int, _Session] = {}
        self._used_at: dict[int, float] = {}
        self._last_session = 0
        self._running: set[LogKey] = set()
        self._reading = Throttle(COPY_BYTES_PER_S_MAX)
        self._serving = Throttle(COPY_BYTES_PER_S_MAX)

    def serve(self, serve: Callable[[str, Callable[..., Awaitable[bytes]]], None]) -> None:
        """Answer calls.

        Args:
            serve: of the transport.
        """
        serve(OFFER, self.take_offer)
        serve(MANIFEST, self.give_manifest)
        serve(READ, self.give_piece)

    async def close(self) -> None:
        """Offer nothing more."""
        tasks = list(self._offers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- the leader -----------------------------------------------------------------------------

    def offer(self, key: LogKey, to: ReplicaId) -> None:
        """A follower cannot be served entry by entry."""
        place = (key, to)
        if place not in self._offers:
            loop = asyncio.get_running_loop()
            self._offers[place] = loop.create_task(self._offer(key, to))

    async def _offer(self, key: LogKey, to: ReplicaId) -> None:
        place = (key, to)
        index = None
        try:
            index = await self._have_copied(key, to)
            if index is None:
                count = self._failures[place] = self._failures.get(place, 0) + 1
                pause_ms = min(COPY_RETRY_MS_MIN << min(count - 1, 16), COPY_RETRY_MS_MAX)
                await asyncio.sleep(pause_ms / 1_000)
            else:
                self._failures.pop(place, None)
        finally:
            del self._offers[place]
            self._end_sessions(key, to)
        group = self._host.group(key)
        if group is None:
            self._failures.pop(place, None)
        else:
            group.node.snapshot_sent(to, index is not None, NO_INDEX if index is None else index)
            self._host.touch(group)

    async def _have_copied(self, key: LogKey, to: ReplicaId) -> LogIndex | None:
        """Up to where the follower has the log now; None when it has not what it needs."""
        group, node = self._host.group(key), self._node_of(to)
        if group is None or node is None or not group.node.is_leader:
            return None
        ask = Ask(key, self._host.replica_id, to, group.node.term)
        try:
            answer = await self._calls.call(node, OFFER, ask.encode(), timeout_ms=OFFER_TIMEOUT_MS)
            return parse_done(answer)
        except (PeerUnreachable, PeerRefused, ValueError) as failure:
            if isinstance(failure, PeerRefused) and failure.code is ErrorCode.CORRUPT_MESSAGE:
                group.log.suspected(None)
            _log.info("%s: replica %d has no copy yet: %s", group.log.tp, to, failure)
            return None

    async def give_manifest(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer copy/manifest.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER, THROTTLING_QUOTA_EXCEEDED, KAFKA_STORAGE_ERROR.
            PeerFault: the request is not one.
        """
        ask = _parse(Ask.parse, body)
        group = self._host.group(ask.key)
        if (
            group is None
            or group.is_over
            or self._node_of(ask.follower) != peer.node_id
            or ask.leader != self._host.replica_id
            # A leader that does not serve yet may need this very follower for it.
            or not group.node.is_leader
            or group.node.term != ask.term
            or ask.follower not in group.node.configuration.members
        ):
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        self._end_sessions(ask.key, ask.follower)
        self._end_idle_sessions()
        if len(self._sessions) >= COPIES_SERVED_MAX and ask.key not in self.attached:
            raise KafkaFault(ErrorCode.THROTTLING_QUOTA_EXCEEDED, "Too many copies are served.")
        self._last_session = number = self._last_session + 1
        node, log = group.node, group.log
        configuration, index = node.configuration, node.commit_index
        start = _group_log(group).committed_start(index)
        job = partial(_plan, log, index, 0 if start is None else start, self.attached.get(ask.key))
        try:
            planned = await self._run_blocking(job)
        except (OSError, FrameFault, ValueError) as failure:
            log.suspected(None)
            raise _failed(log, failure) from failure
        plan, files, attachment = cast("_Planned", planned)
        sizes = [each.size_bytes for each in plan.segments]
        if attachment is not None:
            sizes.append(attachment.size_bytes)
        self._sessions[number] = _Session(ask, peer.node_id, log, tuple(sizes), files)
        self._used_at[number] = asyncio.get_running_loop().time()
        return Manifest(number, configuration, plan, attachment).encode()

    async def give_piece(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer copy/read.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER: the session is over; KAFKA_STORAGE_ERROR.
            PeerFault: the request is not one, or goes beyond the manifest.
        """
        piece = _parse(Piece.parse, body)
        session = self._sessions.get(piece.session)
        if session is None or session.node != peer.node_id or session.log.is_closed:
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "This copy is over.")
        if (
            piece.segment >= len(session.files)
            or not 0 < piece.size_bytes <= COPY_PIECE_BYTES
            or piece.position + piece.size_bytes > session.plan_sizes[piece.segment]
        ):
            raise PeerFault(f"a piece that no manifest has: {piece}")
        self._used_at[piece.session] = asyncio.get_running_loop().time()
        await self._serving.take(piece.size_bytes)
        file = session.files[piece.segment]
        try:
            job = partial(file.read, piece.position, piece.size_bytes)
            found = cast("Buffer", await self._run_blocking(job))
        except OSError as failure:
            raise _failed(session.log, failure) from failure
        if len(found) != piece.size_bytes:
            raise _failed(session.log, OSError(f"{file.name} is shorter than it was"))
        return bytes(found)

    def _end_sessions(self, key: LogKey, follower: ReplicaId) -> None:
        for number, session in list(self._sessions.items()):
            if (session.ask.key, session.ask.follower) == (key, follower):
                self._end_session(number)

    def _end_idle_sessions(self) -> None:
        idle_since = asyncio.get_running_loop().time() - SESSION_IDLE_S
        for number, used_at in list(self._used_at.items()):
            if used_at < idle_since:
                self._end_session(number)

    def _end_session(self, number: int) -> None:
        del self._sessions[number], self._used_at[number]

    # --- the follower ---------------------------------------------------------------------------

    async def take_offer(self, peer: PeerIdentity, body: memoryview) -> bytes:
        """Answer copy/offer: make the copy.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER: overtaken; THROTTLING_QUOTA_EXCEEDED: busy;
                KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE: it cannot be had or kept.
            PeerFault: the request is not one.
        """
        ask = _parse(Ask.parse, body)
        group = self._host.group(ask.key)
        if (
            group is None
            or ask.follower != self._host.replica_id
            or self._node_of(ask.leader) != peer.node_id
        ):
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        is_full = len(self._running) >= COPIES_MAX and ask.key not in self.attached
        if ask.key in self._running or is_full:
            raise KafkaFault(ErrorCode.THROTTLING_QUOTA_EXCEEDED, "Other copies are under way.")
        self._running.add(ask.key)
        try:
            index = await self._copy(group, ask, peer.node_id)
        except (ValueError, FrameFault) as fault:
            _log.warning("%s: a copy is refused: %s", group.log.tp, fault)
            raise KafkaFault(ErrorCode.CORRUPT_MESSAGE, f"The copy is refused: {fault}") from fault
        except OSError as failure:
            _log.error("%s: a copy failed, another one follows: %s", group.log.tp, failure)
            raise _failed(group.log, failure) from failure
        finally:
            self._running.discard(ask.key)
        return encode_done(index)

    async def _copy(self, group: RaftGroup, ask: Ask, leader: BrokerId) -> LogIndex:
        self._check_current(group, ask)
        manifest = Manifest.parse(await self._call(leader, MANIFEST, ask.encode()))
        self._check_current(group, ask)
        plan = manifest.plan
        if not group.node.needs_snapshot(plan.index, plan.term):
            return plan.index
        log = group.log
        _log.info(
            "%s: copying %d segments, %d bytes, up to entry %d from node %d",
            log.tp,
            len(plan.segments),
            sum(each.size_bytes for each in plan.segments),
            plan.index,
            leader,
        )
        staged = StagedCopy(log, plan)
        is_in_place = False
        try:
            await self._in_thread(staged.begin)
            for piece in _pieces(manifest):
                found = await self._fetch(group, ask, leader, piece)
                await self._in_thread(partial(staged.append, piece.segment, found))
            self._check_current(group, ask)
            await self._in_thread(partial(staged.finish, self._clock.now_ms()))
            await self._fetch_attachment(group, ask, leader, manifest)
            while group.is_storing:
                self._check_current(group, ask)
                await asyncio.sleep(_STORING_LOOK_S)
            self._check_current(group, ask)
            is_in_place = self._put_in_place(group, ask.key, staged, manifest)
        finally:
            # After a failed swap the next open decides: nothing may be removed then.
            if not is_in_place and log.failure is None:
                staged.discard()
        return plan.index

    async def _fetch_attachment(
        self, group: RaftGroup, ask: Ask, leader: BrokerId, manifest: Manifest
    ) -> None:
        attached, attachment = self.attached.get(ask.key), manifest.attachment
        if attached is None:
            return
        name = None if attachment is None else attachment.name
        job = partial(attached.take, manifest.plan, name)
        incoming = cast("Incoming | None", await self._run_blocking(job))
        if incoming is None or attachment is None:
            return
        try:
            for piece in _pieces_of(manifest, len(manifest.plan.segments), attachment.size_bytes):
                found = await self._fetch(group, ask, leader, piece)
                await self._in_thread(partial(incoming.append, found))
            self._check_current(group, ask)
            await self._in_thread(incoming.finish)
        finally:
            incoming.discard()

    async def _fetch(self, group: RaftGroup, ask: Ask, leader: BrokerId, piece: Piece) -> bytes:
        await self._reading.take(piece.size_bytes)
        found = await self._call(leader, READ, piece.encode())
        if len(found) != piece.size_bytes:
            raise ValueError(f"{len(found)} bytes for {piece}")
        self._check_current(group, ask)
        return found

    def _put_in_place(
        self, group: RaftGroup, key: LogKey, staged: StagedCopy, manifest: Manifest
    ) -> bool:
        """The one step that replaces the log; False when it holds the copy's end by now."""
        node, plan = group.node, manifest.plan
        if not node.needs_snapshot(plan.index, plan.term):
            return False
        state = node.snapshot_state(plan.index, manifest.configuration)
        try:
            swap(
                group.log,
                staged,
                puts=[self._host.put_hard_state(key, state)],
                deletes=[store_key(key)],
            )
            _group_log(group).replaced()
            node.restored(plan.index, plan.term, manifest.configuration)
        except OSError as failure:
            self._host.fail(group, f"A copy could not take the place of its log: {failure}")
            raise
        except InvariantBroken as broken:
            self._host.fail(group, f"An invariant is broken: {broken}")
            raise KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, str(broken)) from broken
        self._host.touch(group)
        _log.info("%s: the copy is in place, up to entry %d", group.log.tp, plan.index)
        return True

    def _check_current(self, group: RaftGroup, ask: Ask) -> None:
        """Raises: KafkaFault NOT_LEADER_OR_FOLLOWER: the copy was overtaken."""
        node = group.node
        if (
            group.is_over
            or self._host.group(ask.key) is not group
            or group.log.is_closed
            or node.role is not Role.FOLLOWER
            or node.term != ask.term
            or node.leader != ask.leader
        ):
            raise KafkaFault(ErrorCode.NOT_LEADER_OR_FOLLOWER, "The copy was overtaken.")

    async def _call(self, node: BrokerId, method: str, body: bytes) -> bytes:
        try:
            return await self._calls.call(node, method, body, timeout_ms=CALL_TIMEOUT_MS)
        except PeerRefused as refused:
            raise KafkaFault(refused.code, refused.message) from refused
        except PeerUnreachable as failure:
            raise KafkaFault(ErrorCode.REPLICA_NOT_AVAILABLE, str(failure)) from failure

    async def _in_thread(self, job: Callable[[], None]) -> None:
        """Run a step of a copy; when cancelled, wait until it has ended all the same."""
        running = self._run_blocking(job)
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            running.exception()  # nobody else looks at it
            raise


def _plan(
    log: PartitionLog, index: LogIndex, log_start_offset: int, attached: Attached | None
) -> _Planned:
    """Runs in the thread pool."""
    plan, files = plan_copy(log, index, log_start_offset=log_start_offset)
    given = None if attached is None else attached.give(plan)
    if given is None:
        return plan, files, None
    name, file = given
    return plan, (*files, file), Attachment(name, file.size_bytes)


def _pieces(manifest: Manifest) -> Iterator[Piece]:
    for at, segment in enumerate(manifest.plan.segments):
        yield from _pieces_of(manifest, at, segment.size_bytes)


def _pieces_of(manifest: Manifest, at: int, file_bytes: int) -> Iterator[Piece]:
    for position in range(0, file_bytes, COPY_PIECE_BYTES):
        size_bytes = min(COPY_PIECE_BYTES, file_bytes - position)
        yield Piece(manifest.session, at, position, size_bytes)


def _group_log(group: RaftGroup) -> GroupLog:
    view = group.node.log
    assert isinstance(view, GroupLog)
    return view


def _failed(log: PartitionLog, failure: Exception) -> KafkaFault:
    return KafkaFault(ErrorCode.KAFKA_STORAGE_ERROR, f"The copy of {log.tp} failed: {failure}")


def _parse(parse: Callable[[memoryview], _T], body: memoryview) -> _T:
    try:
        return parse(body)
    except ValueError as fault:
        raise PeerFault(str(fault)) from None
