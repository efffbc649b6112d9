"""What a group wants its owner to do. The order of the duties is in the package's docstring."""

from __future__ import annotations

import enum
from typing import NamedTuple

from sprawl.core.ids import LogIndex, ReplicaId, Term
from sprawl.core.raft.configuration import Configuration
from sprawl.core.raft.hard_state import HardState
from sprawl.core.raft.messages import Message


class Role(enum.Enum):
    """What a replica is at the moment."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class RoleChange(NamedTuple):
    """Where a replica stands now. `leader` is None while it knows of none."""

    role: Role
    term: Term
    leader: ReplicaId | None


class ConfirmedRead(NamedTuple):
    """A read may be answered from a state that includes the entry at `index`."""

    context: int
    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, unused


class Ready(NamedTuple):
    """One round of duties.

    Args:
        hard_state: to be stored, synced; None when it did not change.
        token: for `hard_state_stored`; 0 when there is nothing to store.
        messages: to be sent after this hard state and all earlier ones are stored.
        needs_flush: entries were appended whose durability somebody waits for: flush the log, then
            report `durable`.
        commit_index: entries up to here are committed.
        configuration: the last one that came into force since the last Ready; None for none.
        configuration_index: index of its entry.
        reads: reads that were confirmed.
        reads_failed: contexts of reads that will not be, because the leader is another one now.
        role_change: None when role, term and leader are as they were told last.
        is_serving: leads, and an entry of its own term is committed.
        is_hibernating: needs no ticks until woken.
        snapshots: followers that lag behind what the log can give them entry by entry.
        faults: what went wrong without being a danger: for the log and the metrics.
    """

    hard_state: HardState | None
    token: int
    messages: tuple[Message, ...]
    needs_flush: bool
    commit_index: LogIndex
    configuration: Configuration | None
    configuration_index: LogIndex
    reads: tuple[ConfirmedRead, ...]
    reads_failed: tuple[int, ...]
    role_change: RoleChange | None
    is_serving: bool
    is_hibernating: bool
    snapshots: tuple[ReplicaId, ...]
    faults: tuple[Exception, ...]
