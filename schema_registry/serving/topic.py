"""The port to the topic `_schemas`: what the service needs of its one partition."""

from __future__ import annotations

import enum
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NamedTuple, Protocol

from sprawl.core.ids import TopicName
from sprawl.schema_registry.model.records import LogRecord

SCHEMAS_TOPIC: Final = TopicName("_schemas")
"""As all registries call it by default, kafkastore.topic."""


class Place(enum.Enum):
    """What this node has of the topic."""

    MISSING = enum.auto()
    """The topic does not exist."""
    ELSEWHERE = enum.auto()
    """Its replicas are on other nodes."""
    OPENING = enum.auto()
    """There is a replica here that cannot be used now, or not yet."""
    FOLLOWS = enum.auto()
    """A replica that does not lead, whether or not it knows who does."""
    LEADS = enum.auto()
    """The replica that takes appends; all that earlier leaders promised is committed."""


class Standing(NamedTuple):
    """How the topic stands here now.

    Args:
        incarnation: another number than before means that what is here does not go on from what was
            read before: it has to be read from the start. Means nothing in OPENING and ELSEWHERE.
        term: grows from leader to leader.
        is_current: whether a reader that is at the end knows all there is, but for what is on its
            way. A replica that is still being filled, or has just started, is not.
        leader_url: where the registry of the node that leads is reached; None when this node leads
            or none is known.
        advice: what a user can do about a leader that takes no writes; "" when there is nothing.
    """

    place: Place
    incarnation: int = 0
    term: int = 0
    is_current: bool = True
    leader_url: str | None = None
    advice: str = ""


class TopicRecord(NamedTuple):
    """A committed record; no value is a tombstone. Args: timestamp_ms: None: it has none."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int | None = None


class Piece(NamedTuple):
    """Whole batches of the log.

    Args:
        next_offset: where the next read goes on; where this one began when it is at the end.
    """

    records: Sequence[TopicRecord]
    next_offset: int


class Overtaken(Exception):
    """The log does not end where the writer took it to end; nothing was appended."""


class SchemasTopic(Protocol):
    """The topic as one node has it. All calls come from the event loop, from one task but `wake`.

    Faults are `KafkaFault`s of the core: NOT_LEADER_OR_FOLLOWER when the replica is not, or no
    more, of use for what was asked, and others for what is wrong with it.
    """

    def standing(self) -> Standing:
        """Look, without waiting."""
        ...

    async def prepare(self) -> None:
        """Create the topic if it does not exist.

        Raises:
            KafkaFault: it cannot be created; INVALID_CONFIG: there is one that would lose schemas.
        """
        ...

    def append(self, records: Sequence[LogRecord], *, at: int) -> Coroutine[Any, Any, int]:
        """Append records as one batch, if the log ends at an offset, with what is not committed.
        The batch is in the log when this returns.

        Returns:
            The offset after the last record, when the batch is committed.

        Raises:
            Overtaken: by the call, nothing was appended.
            KafkaFault: by the call, nothing was appended; by the coroutine, it may be in the log.
        """
        ...

    async def settle(self) -> None:
        """Returns when everything that was in the log at the call is committed.

        Raises:
            KafkaFault: it is not known to be.
        """
        ...

    async def confirm(self) -> int:
        """Ask up to where a reader has to go to see all that was committed before the call, by
        whichever leader.

        Raises:
            KafkaFault: NOT_LEADER_OR_FOLLOWER: this node does not lead, so it cannot say.
        """
        ...

    async def read(self, offset: int | None) -> Piece:
        """Committed records from an offset on, or from the start of the log (None).

        Raises:
            KafkaFault: OFFSET_OUT_OF_RANGE: the log begins later by now.
        """
        ...

    async def wait(self, offset: int | None, timeout_s: float) -> None:
        """Returns when there is something at an offset, when the standing may be another one, when
        `wake` was called, also before this call, or when the time is over."""
        ...

    def wake(self) -> None:
        """Have the `wait` that is under way, or the next one, return."""
        ...
