"""The group coordinator as a pure state machine: events in, effects out.

Every public method is one event; it takes the instant and returns the effects to carry out, in
order. Groups change in memory at once; whatever others may read (offsets, a generation's
assignment) takes force when its record is committed, which the shell reports with `appended`.

  request --> join/sync/heartbeat/leave/commit/delete --> [Append ...] --> appended --> [Reply ...]
  time    --> tick  (no later than next_deadline_ms)
  lead    --> replay(record) ... loaded         resign --> unload

Source: Kafka's GroupMetadataManager, OffsetMetadataManager and GroupCoordinatorShard.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sprawl.core.clock import Instant
from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup, GroupState
from sprawl.core.groups.membership import Membership
from sprawl.core.groups.model import (
    NO_MEMBER,
    CommitRequest,
    Effect,
    GroupConfig,
    GroupDescription,
    GroupListing,
    HeartbeatRequest,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    MemberDescription,
    MemberOutcome,
    OpId,
    SyncRequest,
    SyncResult,
    Token,
)
from sprawl.core.groups.offset_events import OffsetEvents
from sprawl.core.groups.offsets import GroupOffsets
from sprawl.core.groups.rebalance import JOIN, SESSION, SYNC, Rebalance, TimerKey
from sprawl.core.groups.records import (
    GroupKey,
    OffsetKey,
    encode_group_key,
    parse_group_value,
    parse_key,
    parse_offset_value,
)
from sprawl.core.groups.timers import Timers
from sprawl.core.groups.turn import AppendLedger, Done, Turn

if TYPE_CHECKING:
    from random import Random

logger = logging.getLogger(__name__)

_EXPIRY: TimerKey = ("expiry", "", "")


class CoordinatorState:
    """The groups of one partition of __consumer_offsets.

    Args:
        rng: makes member ids.
    """

    def __init__(self, config: GroupConfig, *, rng: Random) -> None:
        self.config = config
        self.groups: dict[str, ClassicGroup] = {}
        self.offsets: dict[str, GroupOffsets] = {}
        self.offset_events = OffsetEvents(self.offsets)
        self._rng = rng
        self._timers: Timers[TimerKey] = Timers()
        self._ledger = AppendLedger()
        self._rebalance = Rebalance(config, self._timers)
        self._membership = Membership(self._rebalance)

    def update_config(self, config: GroupConfig) -> None:
        """Take new settings over; running timers keep what they were set to."""
        self.config = self._rebalance.config = config

    # --- members ---------------------------------------------------------------------------------

    def join(self, token: Token, request: JoinRequest, now: Instant) -> list[Effect]:
        """Answered with a JoinResult, at once or when the join phase ends."""
        config = self.config
        turn = self._turn(now)
        error = ErrorCode.NONE
        if not request.group_id:
            error = ErrorCode.INVALID_GROUP_ID
        elif not (
            config.group_min_session_timeout_ms
            <= request.session_timeout_ms
            <= config.group_max_session_timeout_ms
        ):
            error = ErrorCode.INVALID_SESSION_TIMEOUT
        group = self.groups.get(request.group_id)
        if not error and group is None and request.member_id != NO_MEMBER:
            error = ErrorCode.UNKNOWN_MEMBER_ID
        if error:
            turn.reply(token, JoinResult(error=error, member_id=request.member_id))
            return turn.effects
        if group is not None:
            self._membership.join(turn, group, request, token)
        else:
            group = self._new_group(request.group_id, now.wall_ms)
            self._membership.join(turn, group, request, token)
            if group.state is GroupState.EMPTY and not group.pending_join:
                del self.groups[group.group_id]  # refused: leave no trace of it
            else:
                self._rebalance.append_new_group(turn, group)
        return turn.effects

    def sync(self, token: Token, request: SyncRequest, now: Instant) -> list[Effect]:
        """Answered with a SyncResult, at once or when the leader's assignment is committed."""
        turn = self._turn(now)
        group = self.groups.get(request.group_id)
        if not request.group_id:
            turn.reply(token, SyncResult(error=ErrorCode.INVALID_GROUP_ID))
        elif group is None:
            turn.reply(token, SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        else:
            self._membership.sync(turn, group, request, token)
        return turn.effects

    def heartbeat(self, token: Token, request: HeartbeatRequest, now: Instant) -> list[Effect]:
        """Answered at once with an ErrorCode."""
        turn = self._turn(now)
        group = self.groups.get(request.group_id)
        if not request.group_id:
            error = ErrorCode.INVALID_GROUP_ID
        elif group is None:
            error = ErrorCode.UNKNOWN_MEMBER_ID
        else:
            error = self._membership.heartbeat(turn, group, request)
        turn.reply(token, error)
        return turn.effects

    def leave(
        self, token: Token, group_id: str, members: tuple[LeavingMember, ...], now: Instant
    ) -> list[Effect]:
        """Answered at once with a LeaveResult."""
        turn = self._turn(now)
        group = self.groups.get(group_id)
        if not group_id:
            result = LeaveResult(error=ErrorCode.INVALID_GROUP_ID)
        elif group is None:
            result = LeaveResult(
                members=tuple(
                    MemberOutcome(
                        member.member_id, member.group_instance_id, ErrorCode.UNKNOWN_MEMBER_ID
                    )
                    for member in members
                )
            )
        else:
            result = self._membership.leave(turn, group, members)
        turn.reply(token, result)
        return turn.effects

    def abandon(self, token: Token, group_id: str, now: Instant) -> list[Effect]:
        """The client of a JoinGroup or SyncGroup that waits under `token` has disconnected."""
        turn = self._turn(now)
        group = self.groups.get(group_id)
        if group is not None:
            self._membership.abandon(turn, group, token)
        return turn.effects

    # --- offsets ---------------------------------------------------------------------------------

    def commit(self, token: Token, request: CommitRequest, now: Instant) -> list[Effect]:
        """Answered with a CommitResult once the offsets are committed to the log."""
        turn = self._turn(now)
        group = self.groups.get(request.group_id)
        if group is None:
            if request.generation_id >= 0:
                missing = ErrorCode.ILLEGAL_GENERATION
                if request.reports_missing_group:
                    missing = ErrorCode.GROUP_ID_NOT_FOUND
                self.offset_events.refuse(turn, token, missing)
                return turn.effects
            group = self._new_group(request.group_id, now.wall_ms)
        error = group.check_offset_commit(request)
        if error:
            self.offset_events.refuse(turn, token, error)
            return turn.effects
        member = group.members.get(request.member_id)
        if member is not None:  # the state is Stable or PreparingRebalance: a sign of life
            self._rebalance.touch_session(turn, group, member)
        self.offset_events.commit(
            turn, group, request, token, metadata_max=self.config.offset_metadata_max_bytes
        )
        return turn.effects

    def delete_offsets(
        self,
        token: Token,
        group_id: str,
        partitions: Sequence[tuple[str, int]],
        now: Instant,
    ) -> list[Effect]:
        """OffsetDelete (KIP-496). Answered with a CommitResult, one error a partition."""
        turn = self._turn(now)
        group = self.groups.get(group_id)
        if not group_id:
            self.offset_events.refuse(turn, token, ErrorCode.INVALID_GROUP_ID)
        elif group is None:
            self.offset_events.refuse(turn, token, ErrorCode.GROUP_ID_NOT_FOUND)
        elif group.state is not GroupState.EMPTY and not group.uses_consumer_protocol():
            self.offset_events.refuse(turn, token, ErrorCode.NON_EMPTY_GROUP)
        else:
            self.offset_events.delete(turn, group, partitions, token)
        return turn.effects

    def topics_deleted(self, topics: Collection[str], now: Instant) -> list[Effect]:
        """Every group forgets its offsets of topics that are gone."""
        turn = self._turn(now)
        names = frozenset(topics)
        for group in self.groups.values():
            offsets = self.offsets.get(group.group_id)
            if offsets is not None:
                gone = [key for key in offsets.partitions() if key[0] in names]
                self.offset_events.append_tombstones(turn, group, gone)
        return turn.effects

    def committed_topics(self) -> set[str]:
        """Names of all topics that some group has committed offsets of."""
        return {topic for offsets in self.offsets.values() for topic, _ in offsets.partitions()}

    # --- administration --------------------------------------------------------------------------

    def delete_groups(self, token: Token, group_ids: Sequence[str], now: Instant) -> list[Effect]:
        """DeleteGroups. Answered with one ErrorCode a group, once all tombstones are committed."""
        turn = self._turn(now)
        errors = [ErrorCode.NONE] * len(group_ids)
        open_count = 1  # the turn itself holds one, so that the answer comes after the loop

        def finish(later: Turn, index: int, error: ErrorCode) -> None:
            nonlocal open_count
            open_count -= 1
            if error:
                errors[index] = error
            if not open_count:
                later.reply(token, errors)

        for index, group_id in enumerate(group_ids):
            group = self.groups.get(group_id)
            if group is None:
                errors[index] = ErrorCode.GROUP_ID_NOT_FOUND
            elif group.state is not GroupState.EMPTY:
                errors[index] = ErrorCode.NON_EMPTY_GROUP
            else:
                open_count += 1

                def done(later: Turn, error: ErrorCode, index: int = index) -> None:
                    finish(later, index, error)

                self._delete(turn, group, done)
        finish(turn, 0, ErrorCode.NONE)
        return turn.effects

    def describe(self, group_id: str) -> GroupDescription:
        """DescribeGroups; metadata and assignments are shown while the group is Stable."""
        group = self.groups.get(group_id)
        if group is None:
            return GroupDescription(
                group_id, GroupState.DEAD.value, error=ErrorCode.GROUP_ID_NOT_FOUND
            )
        stable = group.state is GroupState.STABLE
        return GroupDescription(
            group_id,
            group.state.value,
            protocol_type=group.protocol_type or "",
            protocol_name=(group.protocol_name or "") if stable else "",
            members=tuple(
                MemberDescription(
                    member.member_id,
                    member.group_instance_id,
                    member.client_id,
                    member.client_host,
                    member.metadata(group.protocol_name) if stable else b"",
                    member.assignment if stable else b"",
                )
                for member in group.members.values()
            ),
        )

    def list_groups(
        self, states: Collection[str] = (), types: Collection[str] = ()
    ) -> list[GroupListing]:
        """ListGroups (KIP-518, KIP-848): names are compared without regard to case; an empty
        filter lets everything through."""
        wanted_states = {state.lower() for state in states}
        wanted_types = {kind.lower() for kind in types}
        listings = (
            GroupListing(group.group_id, group.protocol_type or "", group.state.value)
            for group in self.groups.values()
        )
        return [
            listing
            for listing in listings
            if (not wanted_states or listing.state.lower() in wanted_states)
            and (not wanted_types or listing.group_type in wanted_types)
        ]

    # --- log and time ----------------------------------------------------------------------------

    def appended(self, op: OpId, error: ErrorCode, now: Instant) -> list[Effect]:
        """The append `op` is committed (NONE) or has failed (what members are to be told)."""
        turn = self._turn(now)
        self._ledger.settle(op)(turn, error)
        return turn.effects

    def next_deadline_ms(self) -> int | None:
        """Monotonic time at which `tick` should be called, at the latest."""
        return self._timers.next_deadline_ms()

    def tick(self, now: Instant) -> list[Effect]:
        """Fire what is due: sessions, join and sync phases, the expiry of offsets."""
        turn = self._turn(now)
        for key in self._timers.pop_due(now.monotonic_ms):
            kind, group_id, member_id = key
            if key == _EXPIRY:
                self._expire(turn)
                continue
            group = self.groups.get(group_id)
            if group is None:
                continue
            if kind == SESSION:
                self._rebalance.on_session_timer(turn, group, member_id)
            elif kind == JOIN:
                self._rebalance.on_join_timer(turn, group)
            else:
                assert kind == SYNC
                self._rebalance.on_sync_timer(turn, group)
        return turn.effects

    def replay(self, key: bytes, value: bytes | None) -> None:
        """Apply one record of __consumer_offsets while loading; records must come in log order.

        Raises: MalformedGroupRecord.
        """
        parsed = parse_key(key)
        if isinstance(parsed, OffsetKey):
            offsets = self.offsets.setdefault(parsed.group_id, GroupOffsets())
            if value is None:
                offsets.remove(parsed.topic, parsed.partition)
            else:
                offsets.put(parsed.topic, parsed.partition, parse_offset_value(value))
        elif isinstance(parsed, GroupKey):
            if value is None:
                self.groups.pop(parsed.group_id, None)
            else:
                self.groups[parsed.group_id] = ClassicGroup.from_record(
                    parsed.group_id, parse_group_value(value)
                )

    def loaded(self, now: Instant) -> list[Effect]:
        """All records are replayed: sessions start anew, and time begins to count.

        Offsets without group metadata belong to a consumer that manages its own partitions: they
        get an empty group. A group that exceeds a lowered `group.max.size` rebalances.
        """
        turn = self._turn(now)
        for group_id in [gid for gid, offsets in self.offsets.items() if offsets.is_idle()]:
            del self.offsets[group_id]
        for group_id in self.offsets:
            if group_id not in self.groups:
                self._new_group(group_id, now.wall_ms)
        for group in self.groups.values():
            for member in group.members.values():
                self._rebalance.touch_session(turn, group, member)
            if len(group.members) > self.config.group_max_size:
                self._rebalance.prepare(turn, group, "it is larger than group.max.size")
        self._schedule_expiry(now)
        return turn.effects

    def unload(self, now: Instant) -> list[Effect]:
        """This node stops coordinating: whoever waits is told to look for another coordinator."""
        turn = self._turn(now)
        for group in self.groups.values():
            for member in group.members.values():
                self._rebalance.dismiss(turn, group, member, ErrorCode.NOT_COORDINATOR)
        return turn.effects

    # --- inside ----------------------------------------------------------------------------------

    def _turn(self, now: Instant) -> Turn:
        return Turn(self._ledger, now, self._rng)

    def _new_group(self, group_id: str, wall_ms: int) -> ClassicGroup:
        group = ClassicGroup(group_id, wall_ms=wall_ms)
        self.groups[group_id] = group
        return group

    def _delete(self, turn: Turn, group: ClassicGroup, done: Done) -> None:
        """Remove a group from memory and, by tombstones, from the log; undone if they fail."""
        for member_id in list(group.pending_join):
            self._rebalance.remove_member(turn, group, member_id)
        previous = group.state
        group.transition_to(GroupState.DEAD, turn.now.wall_ms)
        del self.groups[group.group_id]

        def stored(later: Turn, error: ErrorCode) -> None:
            if error and group.group_id not in self.groups:
                group.state = previous
                self.groups[group.group_id] = group
            done(later, error)

        offsets = self.offsets.get(group.group_id)
        keys = [] if offsets is None else list(offsets.partitions())
        tombstone = (encode_group_key(group.group_id), None)
        self.offset_events.append_tombstones(turn, group, keys, extra=[tombstone], done=stored)

    def _expire(self, turn: Turn) -> None:
        """KIP-211: forget offsets past their retention, and empty groups without offsets."""
        for group in list(self.groups.values()):
            keys, nothing_else = self.offset_events.expired(
                group,
                wall_ms=turn.now.wall_ms,
                retention_ms=self.config.offsets_retention_ms,
            )
            if keys:
                logger.info("group %s: %d offsets expired", group.group_id, len(keys))
            if nothing_else and group.state is GroupState.EMPTY and not group.pending_join:
                self._delete(turn, group, _log_failed_expiry)
            else:
                self.offset_events.append_tombstones(turn, group, keys)
        self._schedule_expiry(turn.now)

    def _schedule_expiry(self, now: Instant) -> None:
        self._timers.set(
            _EXPIRY, now.monotonic_ms + self.config.offsets_retention_check_interval_ms
        )


def _log_failed_expiry(_turn: Turn, error: ErrorCode) -> None:
    if error:
        logger.warning(
            "forgetting an expired group failed, the next pass tries again: %s", error.name
        )
