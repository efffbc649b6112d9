"""How a rebalance proceeds: the join phase, the sync phase, and the timers of both.

Join phase (PreparingRebalance). It ends when every member waits in JoinGroup and no handed-out
member id is outstanding, or at the join timer:
 - for a group that was Empty, after `group.initial.rebalance.delay.ms`, extended by another such
   delay for each one in which a member arrived, up to the first member's rebalance timeout;
 - otherwise after the longest rebalance timeout of the members. Dynamic members that have not
   rejoined by then are removed; static ones stay until their session ends. If nobody rejoined, the
   phase goes on for another rebalance timeout.
Sync phase (CompletingRebalance, and Stable for latecomers). Every member must send SyncGroup within
the rebalance timeout, or it is removed and the group rebalances. Members other than the leader wait
until the leader's assignment is committed to __consumer_offsets.
Sessions: a member is removed when its timer runs out, unless a parked request shows that it lives.

A parked request that its own client replaces, by sending the same request again, is answered with
REBALANCE_IN_PROGRESS so that no answer is owed forever.

Source: Kafka's GroupMetadataManager; KIP-62, KIP-134, KIP-345, KIP-394.
"""

from __future__ import annotations

import logging

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup, GroupState, Member
from sprawl.core.groups.model import (
    NO_MEMBER,
    GroupConfig,
    JoinRequest,
    JoinResult,
    SyncRequest,
    SyncResult,
    Token,
)
from sprawl.core.groups.records import PersistedGroup, encode_group_key, encode_group_value
from sprawl.core.groups.timers import Timers
from sprawl.core.groups.turn import Done, Turn

logger = logging.getLogger(__name__)

TimerKey = tuple[str, str, str]
"""(kind, group id, member id or ""); kinds are the constants below."""

SESSION = "session"
JOIN = "join"
SYNC = "sync"


class Rebalance:
    """The rules above, applied to one group at a time."""

    __slots__ = ("config", "timers")

    def __init__(self, config: GroupConfig, timers: Timers[TimerKey]) -> None:
        self.config = config
        self.timers = timers

    # --- join phase ------------------------------------------------------------------------------

    def add_member(
        self, turn: Turn, group: ClassicGroup, member_id: str, request: JoinRequest, token: Token
    ) -> None:
        """A new member joins; its JoinGroup is parked under `token`."""
        if group.is_in_initial_rebalance():
            group.new_member_added = True
        member = Member(
            member_id=member_id,
            group_instance_id=request.group_instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocols=request.protocols,
            is_new=True,
            id_confirmed=request.member_id == member_id,
        )
        group.add(member, protocol_type=request.protocol_type, join_token=token)
        self._set_session(turn, group, member_id, self.config.group_new_member_join_timeout_ms)
        self.prepare_or_complete(
            turn, group, f"member {member_id} joins; client reason: {request.reason}"
        )

    def update_member(
        self, turn: Turn, group: ClassicGroup, member: Member, request: JoinRequest, token: Token
    ) -> None:
        """A member rejoins; its JoinGroup is parked under `token`."""
        self.park_rejoin(turn, group, member, request, token)
        self.prepare_or_complete(
            turn, group, f"member {member.member_id} rejoins; client reason: {request.reason}"
        )

    def park_rejoin(
        self, turn: Turn, group: ClassicGroup, member: Member, request: JoinRequest, token: Token
    ) -> None:
        """Take over a rejoining member's metadata and park its JoinGroup, without a rebalance."""
        if member.join_token is not None:
            turn.reply(
                member.join_token,
                JoinResult(error=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id),
            )
        group.update(
            member,
            protocols=request.protocols,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
        )
        group.park_join(member, token)
        if member.is_new:
            self._set_session(
                turn, group, member.member_id, self.config.group_new_member_join_timeout_ms
            )

    def prepare_or_complete(self, turn: Turn, group: ClassicGroup, reason: str) -> None:
        """Start a rebalance, or see whether the running join phase can end."""
        if group.can_rebalance():
            self.prepare(turn, group, reason)
        else:
            self.maybe_complete_join(turn, group)

    def prepare(self, turn: Turn, group: ClassicGroup, reason: str) -> None:
        """Enter PreparingRebalance. Requests parked in SyncGroup are sent back to join again."""
        if group.state is GroupState.COMPLETING_REBALANCE:
            self._reset_assignments(turn, group, ErrorCode.REBALANCE_IN_PROGRESS)
        group.pending_sync.clear()
        self.timers.cancel((SYNC, group.group_id, ""))
        initial = group.state is GroupState.EMPTY
        group.transition_to(GroupState.PREPARING_REBALANCE, turn.now.wall_ms)
        logger.info(
            "group %s prepares to rebalance from generation %d: %s",
            group.group_id,
            group.generation_id,
            reason,
        )
        if initial:
            delay_ms = self.config.group_initial_rebalance_delay_ms
            group.new_member_added = False
            group.initial_delay_ms = delay_ms
            group.initial_remaining_ms = max(group.rebalance_timeout_ms() - delay_ms, 0)
            self._set_join_timer(turn, group, delay_ms)
        elif group.has_all_members_joined():
            self._complete_join(turn, group)
        else:
            self._set_join_timer(turn, group, group.rebalance_timeout_ms())

    def maybe_complete_join(self, turn: Turn, group: ClassicGroup) -> None:
        """End the join phase if all have joined; an initial one always lasts its delay."""
        if (
            group.state is GroupState.PREPARING_REBALANCE
            and group.previous_state is not GroupState.EMPTY
            and group.has_all_members_joined()
        ):
            self._complete_join(turn, group)

    def on_join_timer(self, turn: Turn, group: ClassicGroup) -> None:
        """The join phase's time is over: extend an initial one that grew, else end it."""
        if group.state is not GroupState.PREPARING_REBALANCE:
            return
        remaining_ms = group.initial_remaining_ms
        if group.is_in_initial_rebalance() and group.new_member_added and remaining_ms:
            group.new_member_added = False
            delay_ms = min(self.config.group_initial_rebalance_delay_ms, remaining_ms)
            group.initial_remaining_ms = max(remaining_ms - group.initial_delay_ms, 0)
            group.initial_delay_ms = delay_ms
            self._set_join_timer(turn, group, delay_ms)
        else:
            self._complete_join(turn, group)

    def _complete_join(self, turn: Turn, group: ClassicGroup) -> None:
        self.timers.cancel((JOIN, group.group_id, ""))
        group.initial_remaining_ms = 0
        for member in list(group.members.values()):
            if member.join_token is None and member.group_instance_id is None:
                self.remove_member(turn, group, member.member_id)
        if group.members and not group.elect_joined_leader():
            self._set_join_timer(turn, group, group.rebalance_timeout_ms())
            return
        group.init_next_generation(turn.now.wall_ms)
        logger.info(
            "group %s has generation %d with %d members",
            group.group_id,
            group.generation_id,
            len(group.members),
        )
        if group.members:
            self._answer_joins(turn, group)
        else:
            self.append_group(turn, group, None, _ignore_outcome(group.group_id))

    def _answer_joins(self, turn: Turn, group: ClassicGroup) -> None:
        for member in group.members.values():
            if member.join_token is not None:
                turn.reply(member.join_token, joined(group, member.member_id))
                group.park_join(member, None)
            self.touch_session(turn, group, member)
            member.is_new = False
            group.pending_sync[member.member_id] = None
        self.timers.set(
            (SYNC, group.group_id, ""), turn.now.monotonic_ms + group.rebalance_timeout_ms()
        )

    # --- sync phase ------------------------------------------------------------------------------

    def park_sync(
        self, turn: Turn, group: ClassicGroup, member: Member, request: SyncRequest, token: Token
    ) -> None:
        """Park a SyncGroup during CompletingRebalance; the leader's persists the generation."""
        if member.sync_token is not None:
            turn.reply(member.sync_token, SyncResult(error=ErrorCode.REBALANCE_IN_PROGRESS))
        member.sync_token = token
        self.received_sync(group, member.member_id)
        generation_id = group.generation_id
        if group.leader_id != member.member_id or group.assigned_generation_id == generation_id:
            # A leader that asks again gets what its first request said, once that is stored: the
            # log must not end with another assignment than the one in force.
            return
        group.assigned_generation_id = generation_id
        assignments = dict(request.assignments)

        def stored(later: Turn, error: ErrorCode) -> None:
            if (
                group.state is not GroupState.COMPLETING_REBALANCE
                or group.generation_id != generation_id
            ):
                return  # another rebalance began meanwhile and has answered everyone
            if error:
                self._reset_assignments(later, group, error)
                self.prepare_or_complete(
                    later, group, f"storing the assignment failed: {error.name}"
                )
            else:
                self._set_assignments(later, group, assignments)

        self.append_group(turn, group, assignments, stored)

    def received_sync(self, group: ClassicGroup, member_id: str) -> None:
        group.pending_sync.pop(member_id, None)
        if not group.pending_sync:
            self.timers.cancel((SYNC, group.group_id, ""))

    def on_sync_timer(self, turn: Turn, group: ClassicGroup) -> None:
        """Members that never fetched their assignment are removed, and the rest rebalances."""
        late = list(group.pending_sync)
        if not late or group.state not in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            return
        for member_id in late:
            self.remove_member(turn, group, member_id)
        self.prepare(turn, group, f"members {late} did not sync in time")

    def _set_assignments(
        self, turn: Turn, group: ClassicGroup, assignments: dict[str, bytes]
    ) -> None:
        for member in group.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            self._answer_sync(
                turn,
                group,
                member,
                SyncResult(
                    protocol_type=group.protocol_type,
                    protocol_name=group.protocol_name,
                    assignment=member.assignment,
                ),
            )
        group.transition_to(GroupState.STABLE, turn.now.wall_ms)

    def _reset_assignments(self, turn: Turn, group: ClassicGroup, error: ErrorCode) -> None:
        for member in group.members.values():
            member.assignment = b""
            self._answer_sync(turn, group, member, SyncResult(error=error))

    def _answer_sync(
        self, turn: Turn, group: ClassicGroup, member: Member, result: SyncResult
    ) -> None:
        if member.sync_token is not None:
            turn.reply(member.sync_token, result)
            member.sync_token = None
            self.touch_session(turn, group, member)

    # --- members ---------------------------------------------------------------------------------

    def remove_member(
        self,
        turn: Turn,
        group: ClassicGroup,
        member_id: str,
        error: ErrorCode = ErrorCode.UNKNOWN_MEMBER_ID,
    ) -> None:
        """Take a member (or a pending id) out and answer what it has parked with `error`."""
        self.timers.cancel((SESSION, group.group_id, member_id))
        member = group.members.get(member_id)
        if member is not None:
            self.dismiss(turn, group, member, error)
        group.remove(member_id)
        if not group.pending_sync:
            self.timers.cancel((SYNC, group.group_id, ""))

    def dismiss(self, turn: Turn, group: ClassicGroup, member: Member, error: ErrorCode) -> None:
        """Answer what a member has parked with `error`, before it is removed or replaced."""
        if member.join_token is not None:
            unknown = error is ErrorCode.UNKNOWN_MEMBER_ID
            turn.reply(
                member.join_token,
                JoinResult(error=error, member_id=NO_MEMBER if unknown else member.member_id),
            )
            group.park_join(member, None)
        if member.sync_token is not None:
            turn.reply(member.sync_token, SyncResult(error=error))
            member.sync_token = None

    def touch_session(self, turn: Turn, group: ClassicGroup, member: Member) -> None:
        """The member gave a sign of life: its session starts anew."""
        self._set_session(turn, group, member.member_id, member.session_timeout_ms)

    def add_pending(
        self, turn: Turn, group: ClassicGroup, member_id: str, session_timeout_ms: int
    ) -> None:
        """Hand out a member id; the client must come back with it within its session timeout."""
        group.pending_join.add(member_id)
        self._set_session(turn, group, member_id, session_timeout_ms)

    def on_session_timer(self, turn: Turn, group: ClassicGroup, member_id: str) -> None:
        member = group.members.get(member_id)
        if member is None and member_id not in group.pending_join:
            return
        if member is not None and member.satisfies_heartbeat():
            return
        logger.info("group %s: session of member %s expired", group.group_id, member_id)
        self.remove_member(turn, group, member_id)
        if group.state is GroupState.PREPARING_REBALANCE:
            if group.has_all_members_joined():
                self._complete_join(turn, group)
        elif member is not None:
            self.prepare_or_complete(turn, group, f"session of member {member_id} expired")

    def _set_session(
        self, turn: Turn, group: ClassicGroup, member_id: str, timeout_ms: int
    ) -> None:
        self.timers.set((SESSION, group.group_id, member_id), turn.now.monotonic_ms + timeout_ms)

    def _set_join_timer(self, turn: Turn, group: ClassicGroup, delay_ms: int) -> None:
        self.timers.set((JOIN, group.group_id, ""), turn.now.monotonic_ms + delay_ms)

    def append_group(
        self,
        turn: Turn,
        group: ClassicGroup,
        assignments: dict[str, bytes] | None,
        done: Done,
    ) -> None:
        """Persist the group as it is now, with `assignments` that are not in force yet."""
        value = encode_group_value(group.to_record(assignments))
        turn.append([(encode_group_key(group.group_id), value)], done)

    def append_new_group(self, turn: Turn, group: ClassicGroup) -> None:
        """Persist that the group exists, before its first generation."""
        value = encode_group_value(PersistedGroup("", 0, None, None, turn.now.wall_ms, ()))
        record = (encode_group_key(group.group_id), value)
        turn.append([record], _ignore_outcome(group.group_id))


def joined(group: ClassicGroup, member_id: str) -> JoinResult:
    """The JoinGroup answer for a member of the current generation; the leader's lists everyone."""
    return JoinResult(
        member_id=member_id,
        generation_id=group.generation_id,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        leader=group.leader_id or NO_MEMBER,
        members=group.join_members() if group.leader_id == member_id else (),
    )


def _ignore_outcome(group_id: str) -> Done:
    """A memberless state that is not stored only means that the state before it comes back after a
    restart: nothing, or a generation whose members then time out."""

    def done(_turn: Turn, error: ErrorCode) -> None:
        if error:
            logger.warning("group %s: storing it without members failed: %s", group_id, error.name)

    return done
