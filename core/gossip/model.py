"""What membership speaks of: members and their lives, events, effects. Pure.

A life is one stay of a member in the cluster, numbered by its epoch. DEAD and LEFT end a life for
good: whoever is alive after all takes a larger epoch. Within a life only the member itself raises
its incarnation, to refute a suspicion.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from uuid import UUID

from sprawl.core.cluster.peers import PeerAddress
from sprawl.core.ids import BrokerId

if TYPE_CHECKING:
    from sprawl.core.gossip.digest import LoadDigest

SEALED: Final = b"\x81"
"""What an encrypted packet begins with; a plain one begins with its version."""


def next_epoch(stored: int | None, wall_ms: int) -> int:
    """The epoch of a life that begins now: the wall clock, or more when the clock was set back.

    Args:
        stored: the last one this node had, if it kept it.
        wall_ms: milliseconds since the Unix epoch.
    """
    return wall_ms if stored is None else max(stored + 1, wall_ms)


class MemberId(NamedTuple):
    """One data directory of one node. A node that lost its disk is another member: its old
    directory dies, and which of the two counts is the controller's to say."""

    node_id: BrokerId
    directory_id: UUID

    def __str__(self) -> str:
        return f"node {self.node_id} ({self.directory_id})"


class MemberState(enum.IntEnum):
    """What a member is thought to be; the value is what the wire carries."""

    ALIVE = 0
    SUSPECT = 1
    """Did not answer; counts as present until it is DEAD."""
    DEAD = 2
    LEFT = 3


class Member(NamedTuple):
    """What is known of a member."""

    id: MemberId
    address: PeerAddress
    epoch: int
    incarnation: int
    state: MemberState
    since_ms: int
    """When it came into this state, as this node heard of it."""

    @property
    def is_present(self) -> bool:
        return self.state <= MemberState.SUSPECT

    @property
    def is_gone(self) -> bool:
        return self.state >= MemberState.DEAD


class EventKind(enum.Enum):
    """What can happen to another member. Each event carries the epoch of the life it is about.

    For one member epochs never fall. After DEAD or LEFT of an epoch nothing more comes of that
    epoch, but for a LEFT after DEAD: a member that was given up too early told that it left.
    """

    JOINED = enum.auto()
    """Alive, and not known before."""
    SUSPECT = enum.auto()
    """Does not answer; most suspects refute."""
    ALIVE = enum.auto()
    """A suspect refuted."""
    DEAD = enum.auto()
    """Did not refute in time. Wait, then repair: it may come back."""
    LEFT = enum.auto()
    """Left by its own word. It moved what it had away before, or means to be back soon."""
    REJOINED = enum.auto()
    """Began another life; the one before has ended even if nobody said so."""


class Event(NamedTuple):
    """Something happened to a member."""

    kind: EventKind
    id: MemberId
    epoch: int
    address: PeerAddress


class Send(NamedTuple):
    """Send a datagram; it may get lost.

    Args:
        address: where it goes, as that member tells it.
        to: the member it is for, so that a shell which knows better where that is sends it there;
            None for an answer, which goes to where the question came from.
    """

    address: PeerAddress
    data: bytes
    to: MemberId | None = None


class SendState(NamedTuple):
    """Open an exchange over a reliable channel: send `data`, and give the answer to
    `Membership.receive_state`. When it fails nothing needs to be told.

    Args:
        address: as for `Send`.
        to: the member it is for; None for a seed, of which only the address is known.
    """

    address: PeerAddress
    data: bytes
    to: MemberId | None = None


class AnswerState(NamedTuple):
    """Answer the exchange whose data was just received."""

    data: bytes


class EpochRaised(NamedTuple):
    """This node took a larger epoch; a shell that keeps it across starts stores it."""

    epoch: int


class Departed(NamedTuple):
    """The leave was told often enough: the shell may close."""


Effect: TypeAlias = Event | Send | SendState | AnswerState | EpochRaised | Departed


@dataclass(slots=True, kw_only=True)
class GossipCounters:
    """What membership has done and refused since it was made."""

    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    state_bytes_in: int = 0
    state_bytes_out: int = 0
    probes: int = 0
    probes_indirect: int = 0
    probes_failed: int = 0
    helps_refused: int = 0
    """Requests to probe for others beyond GOSSIP_HELPS_MAX."""
    suspicions: int = 0
    """Own ones and those heard of."""
    refutations: int = 0
    """Suspicions about us that we denied."""
    epochs_raised: int = 0
    stalls: int = 0
    rumours_stale: int = 0
    """About a former life."""
    members_refused: int = 0
    """Beyond GOSSIP_MEMBERS_MAX."""
    broadcasts_dropped: int = 0
    malformed: int = 0
    other_cluster: int = 0
    plain: int = 0
    """Without encryption where it is asked for, or the other way round."""
    key_unknown: int = 0
    forged: int = 0
    """Did not decrypt with the key it names."""
    replayed: int = 0
    stale: int = 0
    """Sealed in a former life of its sender, or long before its newest packet."""


class PacketFault(Exception):
    """Received bytes are not what they should be; `kind` names the counter."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class NodeLoad(NamedTuple):
    """The newest load digest of a member."""

    epoch: int
    sequence: int
    digest: LoadDigest
