"""What goes into the group coordinator and what comes out: events, results, effects, settings.

Everything here is plain data. The coordinator takes an event with the instant it happened at and
returns effects; the shell carries them out. Field names are Kafka's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType, Protocol

from sprawl.core.errors import ErrorCode

Token = NewType("Token", int)
"""Names one request that waits for its answer; the shell maps it to a future."""

OpId = NewType("OpId", int)
"""Names one append to __consumer_offsets; the shell reports its outcome under this number."""

NO_MEMBER = ""
"""The member id of a client that has none yet."""

NO_GENERATION = -1
"""The generation a client states when it commits without being a group member."""


LogRecord = tuple[bytes, bytes | None]
"""(key, value) of a record of __consumer_offsets; value None is a tombstone."""


class Reply(NamedTuple):
    """Effect: answer the request that waits under `token`."""

    token: Token
    result: object


class Append(NamedTuple):
    """Effect: append `records` to the partition of __consumer_offsets that the groups live in, then
    report the outcome with `CoordinatorState.appended(op, ...)` once they are committed or have
    failed. Reports must come in the order of the appends."""

    op: OpId
    records: Sequence[LogRecord]


Effect = Reply | Append


class BrokerSettings(Protocol):
    """The broker configs of the coordinator, as core/config has them."""

    @property
    def group_min_session_timeout_ms(self) -> int: ...
    @property
    def group_max_session_timeout_ms(self) -> int: ...
    @property
    def group_initial_rebalance_delay_ms(self) -> int: ...
    @property
    def group_max_size(self) -> int: ...
    @property
    def offsets_retention_minutes(self) -> int: ...
    @property
    def offsets_retention_check_interval_ms(self) -> int: ...
    @property
    def offset_metadata_max_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """Broker settings of the coordinator, by Kafka's names and with Kafka's defaults.

    Args:
        group_min_session_timeout_ms: smallest session timeout a member may ask for.
        group_max_session_timeout_ms: largest one.
        group_initial_rebalance_delay_ms: how long an empty group waits for further members after
            the first; extended once a period in which one arrived, up to the rebalance timeout.
        group_max_size: members of a group at most.
        group_new_member_join_timeout_ms: how long a member that is still unknown to its client may
            wait in JoinGroup (Kafka's constant, five minutes).
        offsets_retention_ms: `offsets.retention.minutes` in milliseconds.
        offsets_retention_check_interval_ms: period of the expiry pass.
        offset_metadata_max_bytes: longest metadata string of a commit, in characters as Kafka
            counts it.
    """

    group_min_session_timeout_ms: int = 6_000
    group_max_session_timeout_ms: int = 1_800_000
    group_initial_rebalance_delay_ms: int = 3_000
    group_max_size: int = 2_147_483_647
    group_new_member_join_timeout_ms: int = 300_000
    offsets_retention_ms: int = 7 * 24 * 60 * 60 * 1000
    offsets_retention_check_interval_ms: int = 600_000
    offset_metadata_max_bytes: int = 4_096

    @classmethod
    def from_broker(cls, settings: BrokerSettings) -> GroupConfig:
        """The settings as the broker is configured now."""
        return cls(
            group_min_session_timeout_ms=settings.group_min_session_timeout_ms,
            group_max_session_timeout_ms=settings.group_max_session_timeout_ms,
            group_initial_rebalance_delay_ms=settings.group_initial_rebalance_delay_ms,
            group_max_size=settings.group_max_size,
            offsets_retention_ms=settings.offsets_retention_minutes * 60_000,
            offsets_retention_check_interval_ms=settings.offsets_retention_check_interval_ms,
            offset_metadata_max_bytes=settings.offset_metadata_max_bytes,
        )


Protocols = tuple[tuple[str, bytes], ...]
"""A member's protocols in its order of preference: (name, metadata)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """JoinGroup. `requires_known_member_id` from v4, `supports_skipping_assignment` from v9."""

    group_id: str
    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: Protocols
    reason: str | None = None
    requires_known_member_id: bool = True
    supports_skipping_assignment: bool = True


class JoinMember(NamedTuple):
    """What the leader learns of a member."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinResult:
    error: ErrorCode = ErrorCode.NONE
    member_id: str = NO_MEMBER
    generation_id: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = NO_MEMBER
    skip_assignment: bool = False
    members: tuple[JoinMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """SyncGroup. Protocol type and name are None before v5 (KIP-559)."""

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


class HeartbeatRequest(NamedTuple):
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None


class LeavingMember(NamedTuple):
    """One identity of a LeaveGroup batch (KIP-345): by member id, by instance id, or both."""

    member_id: str
    group_instance_id: str | None = None
    reason: str | None = None


class MemberOutcome(NamedTuple):
    member_id: str
    group_instance_id: str | None
    error: ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveResult:
    error: ErrorCode = ErrorCode.NONE
    members: tuple[MemberOutcome, ...] = ()


class OffsetToCommit(NamedTuple):
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """OffsetCommit, with the topics already resolved to names that exist.

    `retention_time_ms` is -1 unless a v2-4 client set its own.
    `reports_missing_group`: from v9 a missing group is GROUP_ID_NOT_FOUND, until then
    ILLEGAL_GENERATION.
    """

    group_id: str
    member_id: str = NO_MEMBER
    generation_id: int = NO_GENERATION
    group_instance_id: str | None = None
    retention_time_ms: int = -1
    reports_missing_group: bool = True
    offsets: Sequence[OffsetToCommit] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """`error` covers the whole request; otherwise `errors[i]` belongs to `offsets[i]`."""

    error: ErrorCode = ErrorCode.NONE
    errors: Sequence[ErrorCode] = ()


class CommittedOffset(NamedTuple):
    """One committed position.

    Args:
        expire_timestamp_ms: None, or the wall time a v2-4 client's own retention ends at.
    """

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int | None = None


class FetchedOffset(NamedTuple):
    """One partition of an OffsetFetch answer; offset -1 without an error: nothing committed."""

    partition: int
    offset: int = -1
    leader_epoch: int = -1
    metadata: str = ""
    error: ErrorCode = ErrorCode.NONE


class MemberDescription(NamedTuple):
    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


class GroupDescription(NamedTuple):
    """DescribeGroups. A group that does not exist is described as Dead with GROUP_ID_NOT_FOUND."""

    group_id: str
    state: str
    error: ErrorCode = ErrorCode.NONE
    protocol_type: str = ""
    protocol_name: str = ""
    members: tuple[MemberDescription, ...] = ()


class GroupListing(NamedTuple):
    group_id: str
    protocol_type: str
    state: str
    group_type: str = "classic"
