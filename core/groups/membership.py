"""What a member may ask of its group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

Each method takes one request, decides whether it is allowed in the group's state, and leaves the
rebalance itself to core/groups/rebalance.py. Requests that must wait are parked in the group under
their token; all others are answered in the same turn.

JoinGroup, by state, for a member that is already known:
  PreparingRebalance   parked until the join phase ends.
  CompletingRebalance  unchanged metadata: the current generation again (the first answer may have
                       been lost); changed: a new rebalance.
  Stable               the leader, or changed metadata: a new rebalance (a leader rejoins to have
                       partitions assigned anew); a follower without change: the generation again.

Source: Kafka's GroupMetadataManager; KIP-345, KIP-394, KIP-559, KIP-814.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from sprawl.core.errors import ErrorCode
from sprawl.core.groups.classic import ClassicGroup, GroupState, Member
from sprawl.core.groups.model import (
    NO_MEMBER,
    HeartbeatRequest,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    MemberOutcome,
    SyncRequest,
    SyncResult,
    Token,
)
from sprawl.core.groups.rebalance import SESSION, Rebalance, joined
from sprawl.core.groups.turn import Turn

logger = logging.getLogger(__name__)


class Membership:
    """Decides requests of members; holds no state of its own."""

    __slots__ = ("_rebalance",)

    def __init__(self, rebalance: Rebalance) -> None:
        self._rebalance = rebalance

    # --- JoinGroup -------------------------------------------------------------------------------

    def join(self, turn: Turn, group: ClassicGroup, request: JoinRequest, token: Token) -> None:
        member_id = request.member_id
        if not self._has_room(group, member_id):
            self._rebalance.remove_member(turn, group, member_id)
            turn.reply(token, JoinResult(error=ErrorCode.GROUP_MAX_SIZE_REACHED))
            self._rebalance.maybe_complete_join(turn, group)
        elif not group.supports_protocols(
            request.protocol_type, (name for name, _ in request.protocols)
        ):
            turn.reply(
                token,
                JoinResult(error=ErrorCode.INCONSISTENT_GROUP_PROTOCOL, member_id=member_id),
            )
        elif member_id == NO_MEMBER:
            self._join_unknown(turn, group, request, token)
        elif member_id in group.pending_join and request.group_instance_id is None:
            self._rebalance.add_member(turn, group, member_id, request, token)
        else:
            self._rejoin(turn, group, request, token)

    def _has_room(self, group: ClassicGroup, member_id: str) -> bool:
        """group.max.size. While the group rebalances the members that wait are counted, not those
        on the list, so that the last to rejoin an oversized group are the ones turned away."""
        limit = self._rebalance.config.group_max_size
        member = group.members.get(member_id)
        if group.state is GroupState.PREPARING_REBALANCE:
            waits = member is not None and member.join_token is not None
            return waits or group.awaiting_join_count < limit
        return group.state is GroupState.EMPTY or member is not None or len(group.members) < limit

    def _join_unknown(
        self, turn: Turn, group: ClassicGroup, request: JoinRequest, token: Token
    ) -> None:
        instance_id = request.group_instance_id
        new_id = turn.new_member_id(request.client_id if instance_id is None else instance_id)
        if instance_id is not None:
            old_id = group.static_members.get(instance_id)
            if old_id is None:
                self._rebalance.add_member(turn, group, new_id, request, token)
            else:
                self._replace_static(turn, group, request, token, old_id=old_id, new_id=new_id)
        elif request.requires_known_member_id:
            self._rebalance.add_pending(turn, group, new_id, request.session_timeout_ms)
            turn.reply(token, JoinResult(error=ErrorCode.MEMBER_ID_REQUIRED, member_id=new_id))
        else:
            self._rebalance.add_member(turn, group, new_id, request, token)

    def _rejoin(self, turn: Turn, group: ClassicGroup, request: JoinRequest, token: Token) -> None:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error:
            turn.reply(token, JoinResult(error=error, member_id=request.member_id))
            return
        member = group.members[request.member_id]
        member.id_confirmed = True
        changed = member.protocols != request.protocols
        leads = group.leader_id == member.member_id
        if (
            group.state is GroupState.PREPARING_REBALANCE
            or changed
            or (leads and group.state is GroupState.STABLE)
        ):
            self._rebalance.update_member(turn, group, member, request, token)
        else:
            turn.reply(token, joined(group, member.member_id))

    def _replace_static(
        self,
        turn: Turn,
        group: ClassicGroup,
        request: JoinRequest,
        token: Token,
        *,
        old_id: str,
        new_id: str,
    ) -> None:
        """A static member came back without its member id: it gets a new one, the old is fenced.

        In a Stable group whose protocol stays the same this costs no rebalance: the member list
        with the new id is persisted and the member fetches its old assignment.
        """
        leader_before = group.leader_id or NO_MEMBER
        old = group.members[old_id]
        self._rebalance.timers.cancel((SESSION, group.group_id, old_id))
        self._rebalance.dismiss(turn, group, old, ErrorCode.FENCED_INSTANCE_ID)
        member = group.replace_static(old_id, new_id, request.client_id, request.client_host)
        self._rebalance.park_rejoin(turn, group, member, request, token)
        self._rebalance.touch_session(turn, group, member)
        instance_id = request.group_instance_id
        if group.state is GroupState.PREPARING_REBALANCE:
            self._rebalance.maybe_complete_join(turn, group)
        elif group.state is GroupState.STABLE and group.select_protocol() == group.protocol_name:
            self._persist_replacement(
                turn, group, old, member, request, leader_before=leader_before
            )
        else:
            self._rebalance.prepare(
                turn, group, f"static member {instance_id} comes back as {new_id}"
            )

    def _persist_replacement(
        self,
        turn: Turn,
        group: ClassicGroup,
        old: Member,
        member: Member,
        request: JoinRequest,
        *,
        leader_before: str,
    ) -> None:
        generation_id = group.generation_id

        def stored(later: Turn, error: ErrorCode) -> None:
            token = member.join_token
            if token is None or group.members.get(member.member_id) is not member:
                return  # it left or was replaced meanwhile, and has been answered
            if group.state is not GroupState.STABLE or group.generation_id != generation_id:
                return  # a rebalance began: it waits in its join phase
            group.park_join(member, None)
            if error:
                self._revert_replacement(later, group, old, member)
                later.reply(token, JoinResult(error=error))
                return
            self._rebalance.touch_session(later, group, member)
            result = joined(group, member.member_id)
            if not request.supports_skipping_assignment:
                # An old client that hears it is the leader would assign anew, so it is told that
                # the member id it had before leads.
                result = replace(result, leader=leader_before, members=())
            elif group.leader_id == member.member_id:
                result = replace(result, skip_assignment=True)
            later.reply(token, result)

        self._rebalance.append_group(turn, group, None, stored)

    def _revert_replacement(
        self, turn: Turn, group: ClassicGroup, old: Member, member: Member
    ) -> None:
        """The new id was not persisted: the old member id is the valid one again."""
        self._rebalance.timers.cancel((SESSION, group.group_id, member.member_id))
        group.update(
            member,
            protocols=old.protocols,
            rebalance_timeout_ms=old.rebalance_timeout_ms,
            session_timeout_ms=old.session_timeout_ms,
        )
        restored = group.replace_static(
            member.member_id, old.member_id, old.client_id, old.client_host
        )
        self._rebalance.touch_session(turn, group, restored)

    # --- SyncGroup, Heartbeat, LeaveGroup --------------------------------------------------------

    def sync(self, turn: Turn, group: ClassicGroup, request: SyncRequest, token: Token) -> None:
        error = _check_sync(group, request)
        if error:
            turn.reply(token, SyncResult(error=error))
            return
        member = group.members[request.member_id]
        if group.state is GroupState.COMPLETING_REBALANCE:
            self._rebalance.park_sync(turn, group, member, request, token)
            return
        self._rebalance.received_sync(group, member.member_id)
        turn.reply(
            token,
            SyncResult(
                protocol_type=group.protocol_type,
                protocol_name=group.protocol_name,
                assignment=member.assignment,
            ),
        )

    def heartbeat(self, turn: Turn, group: ClassicGroup, request: HeartbeatRequest) -> ErrorCode:
        """REBALANCE_IN_PROGRESS tells the member to join again; its session is renewed all the
        same, so that it has the time to."""
        error = group.check_member(request.member_id, request.group_instance_id)
        if error:
            return error
        if request.generation_id != group.generation_id:
            return ErrorCode.ILLEGAL_GENERATION
        self._rebalance.touch_session(turn, group, group.members[request.member_id])
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(
        self, turn: Turn, group: ClassicGroup, members: tuple[LeavingMember, ...]
    ) -> LeaveResult:
        """Remove members; the group rebalances once for the whole batch."""
        member_count = len(group.members)
        outcomes = tuple(self._leave_one(turn, group, member) for member in members)
        if group.state is GroupState.PREPARING_REBALANCE:
            self._rebalance.maybe_complete_join(turn, group)
        elif len(group.members) < member_count:
            self._rebalance.prepare(
                turn, group, f"{member_count - len(group.members)} members left"
            )
        return LeaveResult(members=outcomes)

    def _leave_one(self, turn: Turn, group: ClassicGroup, leaving: LeavingMember) -> MemberOutcome:
        member_id, instance_id = leaving.member_id, leaving.group_instance_id
        error = ErrorCode.NONE
        removed = member_id
        if member_id == NO_MEMBER:  # an administrator names the instance only
            removed = group.static_members.get(instance_id or "", NO_MEMBER)
            if instance_id is None or removed == NO_MEMBER:
                error = ErrorCode.UNKNOWN_MEMBER_ID
        elif member_id not in group.pending_join:
            error = group.check_member(member_id, instance_id)
        if not error:
            logger.info(
                "group %s: member %s left; client reason: %s",
                group.group_id,
                removed,
                leaving.reason,
            )
            self._rebalance.remove_member(turn, group, removed)
        return MemberOutcome(member_id, instance_id, error)

    # --- the client is gone ----------------------------------------------------------------------

    def abandon(self, turn: Turn, group: ClassicGroup, token: Token) -> None:
        """The connection that carried a parked request is closed; nobody reads the answer.

        The member keeps its place for one session timeout, in which its client may come back under
        its member or instance id. A member whose client was never told its id is removed at once:
        nobody can come back as it, and waiting for it would only delay the others.
        """
        for member in group.members.values():
            if token in (member.join_token, member.sync_token):
                break
        else:
            return
        member_id = member.member_id
        if member.sync_token == token:
            member.sync_token = None
        else:
            group.park_join(member, None)
        if member.is_new and not member.id_confirmed and member.group_instance_id is None:
            self._rebalance.remove_member(turn, group, member_id)
            self._rebalance.prepare_or_complete(turn, group, f"client of {member_id} disconnected")
        else:
            self._rebalance.touch_session(turn, group, member)


def _check_sync(group: ClassicGroup, request: SyncRequest) -> ErrorCode:
    if group.state is GroupState.EMPTY:
        return ErrorCode.UNKNOWN_MEMBER_ID
    error = group.check_member(request.member_id, request.group_instance_id)
    if error:
        return error
    if request.generation_id != group.generation_id:
        return ErrorCode.ILLEGAL_GENERATION
    if _differs(request.protocol_type, group.protocol_type) or _differs(
        request.protocol_name, group.protocol_name
    ):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _differs(stated: str | None, actual: str | None) -> bool:
    return stated is not None and actual is not None and stated != actual
