"""A member of a classic consumer group, for `sprawl consume --group`.

    join -> (leader assigns by range) -> sync -> read and heartbeat -> rebalance: join again
                                                                     -> leave

Subscription and assignment bytes are Kafka's consumer protocol, version 0: int16 version, then
int32-counted arrays of int16-counted strings (and int32 partitions), then int32-counted user data.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence

from sprawl.client.cluster import RETRY_WAIT_S, Cluster, TopicView
from sprawl.client.connection import Connection
from sprawl.client.faults import Refused, raise_for
from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.faults import CommandFault
from sprawl.gateway.codec._generated.k08_offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from sprawl.gateway.codec._generated.k09_offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from sprawl.gateway.codec._generated.k11_join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from sprawl.gateway.codec._generated.k12_heartbeat import HeartbeatRequest, HeartbeatResponse
from sprawl.gateway.codec._generated.k13_leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
)
from sprawl.gateway.codec._generated.k14_sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)

OFFSET_COMMIT = 8
OFFSET_FETCH = 9
JOIN_GROUP = 11
HEARTBEAT = 12
LEAVE_GROUP = 13
SYNC_GROUP = 14

SESSION_TIMEOUT_MS = 45_000
REBALANCE_TIMEOUT_MS = 60_000
HEARTBEAT_INTERVAL_MS = 3_000

_REJOIN = frozenset(
    {
        ErrorCode.REBALANCE_IN_PROGRESS,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.MEMBER_ID_REQUIRED,
    }
)


def encode_subscription(topics: Sequence[str]) -> bytes:
    """The metadata a member joins with."""
    names = b"".join(_encode_string(topic) for topic in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


def parse_subscription(data: bytes) -> list[str]:
    """The topics that a member subscribes to; what newer versions append is not needed here.

    Raises:
        PeerFault: the bytes are no subscription.
    """
    try:
        _, count = struct.unpack_from(">hi", data)
        at = 6
        topics = []
        for _ in range(count):
            (length,) = struct.unpack_from(">h", data, at)
            topics.append(data[at + 2 : at + 2 + length].decode())
            at += 2 + length
    except (struct.error, UnicodeDecodeError) as error:
        raise PeerFault(f"not a consumer subscription: {error}") from error
    return topics


def encode_assignment(assigned: Mapping[str, Sequence[int]]) -> bytes:
    """What the leader hands to one member."""
    parts = [struct.pack(">hi", 0, len(assigned))]
    for topic, partitions in assigned.items():
        parts.append(_encode_string(topic))
        parts.append(struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
    parts.append(struct.pack(">i", -1))
    return b"".join(parts)


def parse_assignment(data: bytes) -> dict[str, list[int]]:
    """Partitions by topic; {} for the empty assignment of a rebalancing member.

    Raises:
        PeerFault: the bytes are no assignment.
    """
    if not data:
        return {}
    assigned: dict[str, list[int]] = {}
    try:
        _, count = struct.unpack_from(">hi", data)
        at = 6
        for _ in range(count):
            (length,) = struct.unpack_from(">h", data, at)
            topic = data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            (partition_count,) = struct.unpack_from(">i", data, at)
            if partition_count > len(data):
                raise PeerFault("an assignment longer than its bytes")
            assigned[topic] = list(struct.unpack_from(f">{partition_count}i", data, at + 4))
            at += 4 + 4 * partition_count
    except (struct.error, UnicodeDecodeError) as error:
        raise PeerFault(f"not a consumer assignment: {error}") from error
    return assigned


def assign_by_range(members: Sequence[str], partitions: Sequence[int]) -> dict[str, list[int]]:
    """Kafka's range assignor for one topic: contiguous runs in member order, the first members
    get one more when the count does not divide."""
    ordered = sorted(members)
    share, extra = divmod(len(partitions), len(ordered))
    assigned: dict[str, list[int]] = {}
    start = 0
    for place, member in enumerate(ordered):
        end = start + share + (1 if place < extra else 0)
        assigned[member] = list(partitions[start:end])
        start = end
    return assigned


class Member:
    """One member reading one topic.

    `rebalance` is set when the group wants its members to join again.

    Args:
        session_timeout_ms: after which the group gives a silent member up.
        rebalance_timeout_ms: how long the group waits for its members to join again.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topic: TopicView,
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        rebalance_timeout_ms: int = REBALANCE_TIMEOUT_MS,
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._topic = topic
        self._session_timeout_ms = session_timeout_ms
        self._rebalance_timeout_ms = rebalance_timeout_ms
        self._member_id = ""
        self._generation = -1
        self._heartbeats: asyncio.Task[None] | None = None
        self.rebalance = asyncio.Event()

    async def join(self) -> list[int]:
        """Joins or rejoins until the group is stable.

        Returns: the partitions assigned to this member.

        Raises:
            Refused: an error that joining again cannot mend.
        """
        await self._stop_heartbeats()
        while True:
            try:
                assigned = await self._join_once()
            except Refused as error:
                if error.code not in _REJOIN:
                    raise
                if error.code is ErrorCode.UNKNOWN_MEMBER_ID:
                    self._member_id = ""
                if error.code is not ErrorCode.MEMBER_ID_REQUIRED:
                    await asyncio.sleep(RETRY_WAIT_S)
                continue
            self.rebalance.clear()
            self._heartbeats = asyncio.create_task(self._beat())
            return assigned.get(self._topic.name, [])

    async def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """The group's committed offset of each partition that has one."""
        connection = await self._connection()
        answer = await connection.request(
            OFFSET_FETCH,
            OffsetFetchRequest(
                groups=[
                    OffsetFetchRequestGroup(
                        group_id=self._group,
                        topics=[
                            OffsetFetchRequestTopics(
                                name=self._topic.name, partition_indexes=list(partitions)
                            )
                        ],
                    )
                ]
            ),
            OffsetFetchResponse,
        )
        found = answer.groups[0]
        raise_for(found.error_code, f"group {self._group}")
        return {
            entry.partition_index: entry.committed_offset
            for topic in found.topics
            for entry in topic.partitions
            if entry.committed_offset >= 0
        }

    async def commit(self, positions: Mapping[int, int]) -> None:
        """Commits the next offset to read of each partition; a rebalance under way is no error."""
        if not positions:
            return
        connection = await self._connection()
        answer = await connection.request(
            OFFSET_COMMIT,
            OffsetCommitRequest(
                group_id=self._group,
                generation_id_or_member_epoch=self._generation,
                member_id=self._member_id,
                topics=[
                    OffsetCommitRequestTopic(
                        name=self._topic.name,
                        partitions=[
                            OffsetCommitRequestPartition(
                                partition_index=partition,
                                committed_offset=offset,
                                committed_metadata="",
                            )
                            for partition, offset in positions.items()
                        ],
                    )
                ],
            ),
            OffsetCommitResponse,
        )
        for entry in answer.topics[0].partitions:
            if entry.error_code in _REJOIN:
                self.rebalance.set()
                return
            raise_for(entry.error_code, f"group {self._group} on {self._topic.name}")

    async def leave(self) -> None:
        """Leaves at once, so that the others need not wait for the session to time out."""
        await self._stop_heartbeats()
        if not self._member_id:
            return
        connection = await self._connection()
        await connection.request(
            LEAVE_GROUP,
            LeaveGroupRequest(
                group_id=self._group,
                members=[MemberIdentity(member_id=self._member_id, group_instance_id=None)],
            ),
            LeaveGroupResponse,
        )

    async def _connection(self) -> Connection:
        return await self._cluster.coordinator(self._group)

    async def _join_once(self) -> dict[str, list[int]]:
        connection = await self._connection()
        joined = await connection.request(
            JOIN_GROUP,
            JoinGroupRequest(
                group_id=self._group,
                session_timeout_ms=self._session_timeout_ms,
                rebalance_timeout_ms=self._rebalance_timeout_ms,
                member_id=self._member_id,
                protocol_type="consumer",
                protocols=[
                    JoinGroupRequestProtocol(
                        name="range", metadata=encode_subscription([self._topic.name])
                    )
                ],
            ),
            JoinGroupResponse,
            timeout_ms=self._rebalance_timeout_ms + 5_000,
        )
        if joined.member_id:
            self._member_id = joined.member_id
        raise_for(joined.error_code, f"group {self._group}")
        self._generation = joined.generation_id
        assignments: list[SyncGroupRequestAssignment] = []
        if joined.leader == self._member_id:
            shares = await self._shares(joined)
            assignments = [
                SyncGroupRequestAssignment(member_id=member, assignment=encode_assignment(share))
                for member, share in shares.items()
            ]
        synced = await connection.request(
            SYNC_GROUP,
            SyncGroupRequest(
                group_id=self._group,
                generation_id=self._generation,
                member_id=self._member_id,
                protocol_type="consumer",
                protocol_name="range",
                assignments=assignments,
            ),
            SyncGroupResponse,
            timeout_ms=self._rebalance_timeout_ms + 5_000,
        )
        raise_for(synced.error_code, f"group {self._group}")
        return parse_assignment(bytes(synced.assignment))

    async def _shares(self, joined: JoinGroupResponse) -> dict[str, dict[str, list[int]]]:
        """The leader's work: each topic's partitions go to the members that subscribe to it."""
        subscribers: dict[str, list[str]] = {}
        for member in joined.members:
            for topic in parse_subscription(bytes(member.metadata)):
                subscribers.setdefault(topic, []).append(member.member_id)
        view = await self._cluster.metadata(list(subscribers))
        shares: dict[str, dict[str, list[int]]] = {m.member_id: {} for m in joined.members}
        for topic, members in subscribers.items():
            partitions = [entry.partition for entry in view.topics[topic].partitions]
            for member_id, share in assign_by_range(members, partitions).items():
                shares[member_id][topic] = share
        return shares

    async def _beat(self) -> None:
        """Heartbeats until the group rebalances; a lost coordinator counts as a rebalance, so
        that the reader joins again and meets the error where it can report it."""
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_INTERVAL_MS / 1000)
                connection = await self._connection()
                answer = await connection.request(
                    HEARTBEAT,
                    HeartbeatRequest(
                        group_id=self._group,
                        generation_id=self._generation,
                        member_id=self._member_id,
                    ),
                    HeartbeatResponse,
                )
                if answer.error_code:
                    break
        except CommandFault:
            pass
        self.rebalance.set()

    async def _stop_heartbeats(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.cancel()
            await asyncio.gather(self._heartbeats, return_exceptions=True)
            self._heartbeats = None


def _encode_string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data
