"""Who is at the other end, what may go wrong with it, and what can be tuned. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sprawl.core.errors import ErrorCode
from sprawl.core.ids import BrokerId
from sprawl.core.limits import (
    PEER_CALLS_MAX,
    PEER_FRAME_BYTES_MAX,
    PEER_SEND_QUEUE_BYTES_MAX,
    PEER_SERVED_CALLS_MAX,
)


class PeerAddress(NamedTuple):
    """Where a node listens for other nodes. Prints as `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIdentity:
    """One start of one data directory of one node.

    Args:
        node_id: what clients call the node.
        directory_id: random id of the data directory; a node that lost its disk has another.
        incarnation: random for each start of the process, in [0, 2^64).
    """

    node_id: BrokerId
    directory_id: UUID
    incarnation: int


class PeerUnreachable(Exception):
    """A call got no answer. The outcome is unknown unless `was_sent` is False.

    Args:
        peer: a node id or an address.
        reason: what happened, for the log.
        was_sent: whether the peer may have received the request.
    """

    def __init__(self, peer: BrokerId | PeerAddress, reason: str, *, was_sent: bool) -> None:
        super().__init__(f"{name_of(peer)} is unreachable: {reason}")
        self.peer = peer
        self.reason = reason
        self.was_sent = was_sent


class PeerRefused(Exception):
    """The peer answered a call with an error of Kafka's.

    Args:
        peer: a node id or an address.
        code: of the KafkaFault that the peer's handler raised.
        message: its text.
    """

    def __init__(self, peer: BrokerId | PeerAddress, code: ErrorCode, message: str) -> None:
        super().__init__(f"{name_of(peer)} answered {code.name}: {message}")
        self.peer = peer
        self.code = code
        self.message = message


def name_of(peer: BrokerId | PeerAddress) -> str:
    """A peer in a sentence."""
    return f"the node at {peer}" if isinstance(peer, PeerAddress) else f"node {peer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """What may be tuned. The times must be alike on all nodes."""

    dial_ms_max: int = 3_000
    """From the first packet to the end of the handshake: one lost packet (1 s) and a slow TLS
    handshake fit."""
    reconnect_ms_min: int = 50
    """First pause after a lost connection: a restarted process is back in about 400 ms."""
    reconnect_ms_max: int = 2_000
    """Longest pause: what a returned node waits for at most, while a dead one costs little."""
    dial_grace_ms: int = 100
    """How much later than the node with the smaller id the other one dials: a handshake within a
    data centre takes a few milliseconds, so the second dial is the exception."""
    ping_idle_ms: int = 500
    """Silence after which the peer is asked whether it is there: six times within lost_after_ms."""
    round_trip_ms_max_age: int = 5_000
    """A busy connection is pinged as often, to know its round trip."""
    lost_after_ms: int = 3_000
    """Silence, or unsent bytes of which the peer takes none, after which a connection is lost:
    above a retransmission and a pause of the interpreter, below the patience of clients."""
    visit_idle_ms: int = 10_000
    """A connection made for calls to a bare address is closed when idle for so long."""
    frame_bytes_max: int = PEER_FRAME_BYTES_MAX
    send_queue_bytes_max: int = PEER_SEND_QUEUE_BYTES_MAX
    calls_max: int = PEER_CALLS_MAX
    served_calls_max: int = PEER_SERVED_CALLS_MAX


@dataclass(slots=True, kw_only=True)
class TransportCounters:
    """What a transport has done since it was made."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    messages_dropped_full: int = 0
    """One-way messages for a peer whose queue was full."""
    messages_dropped_unconnected: int = 0
    """One-way messages for a peer without a connection, or caught in one that was given up."""
    messages_unknown: int = 0
    """Received messages of a kind that nobody here handles."""
    connections_opened: int = 0
    connections_lost: int = 0
    dials_failed: int = 0
    refused_by_us: int = 0
    refused_by_peer: int = 0
    faults: int = 0
    """Connections closed because the peer broke the protocol."""
    tls_failures: int = 0
    """Accepted connections whose TLS handshake failed or never came."""
    calls: int = 0
    calls_unreachable: int = 0
    calls_refused: int = 0
    calls_served: int = 0
    handler_failures: int = 0
