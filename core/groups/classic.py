"""One classic consumer group: its members, their votes, and the states it may move between.

                  first member joins
        +-------+ -----------------------> +---------------------+ <-------------------+
    --> | Empty |                          | PreparingRebalance  |                     |
        +-------+ <----------------------- +---------------------+ <--+                |
            |      all members gone when     |                        | member joins,  |
            |      the join phase ends       | all joined, or         | leaves, fails, |
            |                                | rebalance timeout      | or changes     |
            |                                v                        | its metadata   |
            |                              +---------------------+    |                |
            |                              | CompletingRebalance | ---+                |
            |                              +---------------------+                     |
            | deleted or expired             | leader's assignment is                  |
            v                                v committed to the log                    |
        +-------+                          +---------------------+                     |
        | Dead  |                          | Stable              | --------------------+
        +-------+                          +---------------------+   same, or the leader rejoins

Rules kept here:
 1. The generation grows by one whenever a join phase ends, also into Empty.
 2. The first member is the leader; when the leader goes, the longest-standing member follows.
 3. A protocol is a candidate when every member supports it; each member votes for its first
    candidate, the most votes win, and a tie goes to the protocol voted for first.
 4. A static member is known by its instance id; whoever names the instance id with another member
    id is fenced.
 5. Membership facts cost O(1) a member change: counts are kept, never recounted.

No rule here answers a request or sets a timer: core/groups/rebalance.py does.

Source: Kafka's ClassicGroup; KIP-62, KIP-211, KIP-345, KIP-394.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.groups.model import (
    CommitRequest,
    JoinMember,
    Protocols,
    Token,
)
from sprawl.core.groups.records import PersistedGroup, PersistedMember
from sprawl.core.groups.subscription import CONSUMER_PROTOCOL_TYPE, subscribed_topics


class GroupState(enum.Enum):
    """The value is the name that ListGroups and DescribeGroups show."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


_PREVIOUS_STATES: dict[GroupState, frozenset[GroupState]] = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.PREPARING_REBALANCE: frozenset(
        {GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE}
    ),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.STABLE: frozenset({GroupState.COMPLETING_REBALANCE}),
    GroupState.DEAD: frozenset(GroupState),
}


class Member:
    """One member. `join_token` and `sync_token` name its parked requests, if any.

    Args:
        is_new: it has not completed a join phase yet; its timer then runs although a JoinGroup of
            it is parked, because its client may have given up and come back as another member.
        id_confirmed: its client has used the member id, so it can come back under it.
    """

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "group_instance_id",
        "id_confirmed",
        "is_new",
        "join_token",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_token",
    )

    def __init__(
        self,
        *,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
        is_new: bool = False,
        id_confirmed: bool = True,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = is_new
        self.id_confirmed = id_confirmed
        self.join_token: Token | None = None
        self.sync_token: Token | None = None

    def metadata(self, protocol_name: str | None) -> bytes:
        """What the member said under `protocol_name`; empty when it does not support it."""
        for name, metadata in self.protocols:
            if name == protocol_name:
                return metadata
        return b""

    def satisfies_heartbeat(self) -> bool:
        """A parked request shows that the member lives, except while it is new."""
        return not self.is_new and (self.join_token is not None or self.sync_token is not None)


class ClassicGroup:
    """The state of one group. Mutating methods keep the counts in step; see the rules above."""

    __slots__ = (
        "assigned_generation_id",
        "awaiting_join_count",
        "generation_id",
        "group_id",
        "initial_delay_ms",
        "initial_remaining_ms",
        "leader_id",
        "members",
        "new_member_added",
        "pending_join",
        "pending_sync",
        "previous_state",
        "protocol_name",
        "protocol_type",
        "state",
        "state_since_ms",
        "static_members",
        "subscribed_topics",
        "supported",
    )

    def __init__(self, group_id: str, *, wall_ms: int) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.previous_state = GroupState.EMPTY
        self.state_since_ms: int | None = wall_ms
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.generation_id = 0
        self.assigned_generation_id = -1
        self.leader_id: str | None = None
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        self.pending_join: set[str] = set()
        self.pending_sync: dict[str, None] = {}
        self.supported: Counter[str] = Counter()
        self.awaiting_join_count = 0
        self.subscribed_topics: frozenset[str] | None = None
        self.new_member_added = False
        self.initial_delay_ms = 0
        self.initial_remaining_ms = 0

    @classmethod
    def from_record(cls, group_id: str, record: PersistedGroup) -> ClassicGroup:
        """The group as its last GroupMetadataValue left it: Stable with members, else Empty."""
        group = cls(group_id, wall_ms=record.state_timestamp_ms)
        group.state_since_ms = None if record.state_timestamp_ms < 0 else record.state_timestamp_ms
        group.protocol_type = record.protocol_type or None
        group.generation_id = record.generation_id
        if record.members:
            group.state = GroupState.STABLE
            group.protocol_name = record.protocol_name
        for stored in record.members:
            rebalance_timeout_ms = stored.rebalance_timeout_ms
            if rebalance_timeout_ms < 0:
                rebalance_timeout_ms = stored.session_timeout_ms
            group.add(
                Member(
                    member_id=stored.member_id,
                    group_instance_id=stored.group_instance_id,
                    client_id=stored.client_id,
                    client_host=stored.client_host,
                    rebalance_timeout_ms=rebalance_timeout_ms,
                    session_timeout_ms=stored.session_timeout_ms,
                    protocols=((record.protocol_name or "", stored.subscription),),
                    assignment=stored.assignment,
                ),
                protocol_type=record.protocol_type,
            )
        group.leader_id = record.leader_id if record.leader_id in group.members else group.leader_id
        group.subscribed_topics = group._compute_subscribed_topics()
        return group

    def to_record(self, assignments: dict[str, bytes] | None = None) -> PersistedGroup:
        """What to persist; `assignments` stand in for those the members do not hold yet."""
        name = self.protocol_name
        since_ms = self.state_since_ms
        return PersistedGroup(
            protocol_type=self.protocol_type or "",
            generation_id=self.generation_id,
            protocol_name=name,
            leader_id=self.leader_id,
            state_timestamp_ms=-1 if since_ms is None else since_ms,
            members=tuple(
                PersistedMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout_ms=member.rebalance_timeout_ms,
                    session_timeout_ms=member.session_timeout_ms,
                    subscription=member.metadata(name),
                    assignment=(
                        member.assignment
                        if assignments is None
                        else assignments.get(member.member_id, b"")
                    ),
                )
                for member in self.members.values()
            ),
        )

    # --- state -----------------------------------------------------------------------------------

    def transition_to(self, state: GroupState, wall_ms: int) -> None:
        assert self.state in _PREVIOUS_STATES[state], f"{self.state} -> {state}"
        self.previous_state = self.state
        self.state = state
        self.state_since_ms = wall_ms

    def can_rebalance(self) -> bool:
        return self.state in _PREVIOUS_STATES[GroupState.PREPARING_REBALANCE]

    def is_in_initial_rebalance(self) -> bool:
        return (
            self.state is GroupState.PREPARING_REBALANCE and self.previous_state is GroupState.EMPTY
        )

    def init_next_generation(self, wall_ms: int) -> None:
        """End the join phase: into CompletingRebalance, or into Empty without members."""
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.subscribed_topics = self._compute_subscribed_topics()
        self.pending_sync.clear()
        self.transition_to(
            GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY, wall_ms
        )

    # --- members ---------------------------------------------------------------------------------

    def add(self, member: Member, *, protocol_type: str, join_token: Token | None = None) -> None:
        """Add a member that fits (see `supports_protocols`); the first one becomes the leader."""
        if member.group_instance_id is not None:
            assert member.group_instance_id not in self.static_members
            self.static_members[member.group_instance_id] = member.member_id
        if not self.members:
            self.protocol_type = protocol_type
        assert self.protocol_type == protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._count_protocols(member, 1)
        self.park_join(member, join_token)
        self.pending_join.discard(member.member_id)

    def remove(self, member_id: str) -> Member | None:
        """Remove a member or a pending one; returns the member with its parked tokens, if any."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count_protocols(member, -1)
            if member.join_token is not None:
                self.awaiting_join_count -= 1
            if member.group_instance_id is not None:
                self.static_members.pop(member.group_instance_id, None)
        if self.leader_id == member_id:
            self.leader_id = next(iter(self.members), None)
        self.pending_join.discard(member_id)
        self.pending_sync.pop(member_id, None)
        return member

    def replace_static(self, old_id: str, new_id: str, client_id: str, client_host: str) -> Member:
        """Give the static member `old_id` a new id; its leadership and assignment move along."""
        old = self.members[old_id]
        assert old.join_token is None
        assert old.group_instance_id is not None
        del self.members[old_id]
        member = Member(
            member_id=new_id,
            group_instance_id=old.group_instance_id,
            client_id=client_id,
            client_host=client_host,
            rebalance_timeout_ms=old.rebalance_timeout_ms,
            session_timeout_ms=old.session_timeout_ms,
            protocols=old.protocols,
            assignment=old.assignment,
        )
        self.members[new_id] = member
        self.static_members[old.group_instance_id] = new_id
        self.pending_sync.pop(old_id, None)
        if self.leader_id == old_id:
            self.leader_id = new_id
        return member

    def update(
        self,
        member: Member,
        *,
        protocols: Protocols,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
    ) -> None:
        self._count_protocols(member, -1)
        member.protocols = protocols
        self._count_protocols(member, 1)
        member.rebalance_timeout_ms = rebalance_timeout_ms
        member.session_timeout_ms = session_timeout_ms

    def park_join(self, member: Member, token: Token | None) -> None:
        """Set or clear the JoinGroup that waits for this member."""
        self.awaiting_join_count += (token is not None) - (member.join_token is not None)
        member.join_token = token

    def has_all_members_joined(self) -> bool:
        return len(self.members) == self.awaiting_join_count and not self.pending_join

    def elect_joined_leader(self) -> bool:
        """Keep the leader if it rejoined, else take the first member that did.

        Returns: whether any member rejoined, so that the generation can have a leader.
        """
        leader = self.members.get(self.leader_id or "")
        if leader is None:
            return False
        if leader.join_token is None:
            for member in self.members.values():
                if member.join_token is not None:
                    self.leader_id = member.member_id
                    return True
            return False
        return True

    def rebalance_timeout_ms(self) -> int:
        """The longest any member asks for; 0 without members."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def join_members(self) -> tuple[JoinMember, ...]:
        """The member list that only the leader gets."""
        name = self.protocol_name
        return tuple(
            JoinMember(member.member_id, member.group_instance_id, member.metadata(name))
            for member in self.members.values()
        )

    # --- checks ----------------------------------------------------------------------------------

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or NONE."""
        if group_instance_id is not None:
            owner = self.static_members.get(group_instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE

    def check_offset_commit(self, request: CommitRequest) -> ErrorCode:
        """Who may commit: a member of this generation, or anyone without a generation while the
        group is empty (admin clients, consumers with manual assignment)."""
        empty = self.state is GroupState.EMPTY
        if request.generation_id < 0 and empty:
            return ErrorCode.NONE
        if request.generation_id >= 0 or request.member_id or request.group_instance_id is not None:
            error = self.check_member(request.member_id, request.group_instance_id)
            if error:
                return error
            if request.generation_id != self.generation_id:
                return ErrorCode.ILLEGAL_GENERATION
        elif not empty:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if self.state is GroupState.COMPLETING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def check_offset_delete(self) -> None:
        """Raises: KafkaFault NON_EMPTY_GROUP for a live group that is not of consumers."""
        if self.members and not self.uses_consumer_protocol():
            raise KafkaFault(ErrorCode.NON_EMPTY_GROUP, "the group has members")

    def supports_protocols(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a member with these protocols may join (INCONSISTENT_GROUP_PROTOCOL if not)."""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and any(True for _ in names)
        if self.protocol_type != protocol_type:
            return False
        count = len(self.members)
        return any(self.supported[name] == count for name in names)

    def select_protocol(self) -> str:
        """Rule 3. Needs members, who share a protocol because `supports_protocols` let them in."""
        count = len(self.members)
        candidates = {name for name, supporters in self.supported.items() if supporters == count}
        votes: Counter[str] = Counter()
        for member in self.members.values():
            for name, _ in member.protocols:
                if name in candidates:
                    votes[name] += 1
                    break
        return max(votes, key=votes.__getitem__)

    def uses_consumer_protocol(self) -> bool:
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def is_subscribed_to(self, topic: str) -> bool:
        """Consumers whose subscriptions cannot be read count as subscribed to every topic."""
        if self.subscribed_topics is None:
            return self.uses_consumer_protocol()
        return topic in self.subscribed_topics

    def _compute_subscribed_topics(self) -> frozenset[str] | None:
        if not self.uses_consumer_protocol():
            return None
        topics: set[str] = set()
        for member in self.members.values():
            names = subscribed_topics(member.metadata(self.protocol_name))
            if names is None:
                return None
            topics |= names
        return frozenset(topics)

    def _count_protocols(self, member: Member, step: int) -> None:
        supported = self.supported
        for name in {name for name, _ in member.protocols}:
            supported[name] += step
            if not supported[name]:
                del supported[name]
