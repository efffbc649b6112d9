"""What the log is told about peers: what, who and the next step; and no peer can fill it.

A node that is about to come, or has just gone, is dialed in vain for a moment: that is told only
once it lasts.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Hashable
from typing import Final

from sprawl.core.cluster.handshake import Refusal, Refused
from sprawl.core.cluster.peer_connection import PeerConnection
from sprawl.core.cluster.peers import PeerAddress, name_of
from sprawl.core.ids import BrokerId
from sprawl.core.limits import PEER_REFUSAL_WINDOW_MS
from sprawl.core.log_limit import LogLimit

_log = logging.getLogger(__name__)


LASTING_MS: Final = 5_000
"""A node is back, or has joined, in less."""
_PATIENCE_MAX: Final = 1_000
"""Peers of which it is remembered since when they are away."""


class PeerLog:
    """The lines of one transport."""

    __slots__ = ("_away_since", "_limit", "_once")

    def __init__(self) -> None:
        self._away_since: dict[Hashable, int] = {}
        self._limit = LogLimit()
        self._once = LogLimit(1, PEER_REFUSAL_WINDOW_MS)

    def listening_openly(self, place: PeerAddress) -> None:
        """The listener has no TLS."""
        try:
            is_loopback = ipaddress.ip_address(place.host.partition("%")[0]).is_loopback
        except ValueError:
            is_loopback = False
        if is_loopback or self._once.admit("openly", _now_ms()) is None:
            return
        _log.warning(
            "the listener for other nodes on %s has no TLS: whoever reaches it can speak as a node;"
            " next: give every node a certificate, or keep the port inside a trusted network",
            place,
        )

    def opened(self, connection: PeerConnection) -> None:
        """A connection with a member."""
        peer = connection.peer.node_id
        self._away_since.pop(peer, None)
        self._away_since.pop(connection.address.host, None)
        self._write(
            logging.INFO,
            self._limit.admit(("opened", peer), _now_ms()),
            "connected with node %s at %s, dialed by node %s",
            peer,
            connection.address,
            connection.dialer_id,
        )

    def lost(self, node: BrokerId, reason: str) -> None:
        """It is gone, and no other has taken its place."""
        suppressed = self._limit.admit(("lost", node), _now_ms())
        self._write(logging.INFO, suppressed, "lost the connection with node %s: %s", node, reason)

    def dial_failed(self, node: BrokerId | PeerAddress, address: PeerAddress, reason: str) -> None:
        """Nobody was reached; once for each reason, when it lasts."""
        if not self._lasts(node):
            _log.debug("cannot connect to %s at %s: %s", name_of(node), address, reason)
            return
        self._write(
            logging.WARNING,
            self._once.admit(("dial", node, reason), _now_ms()),
            "cannot connect to %s at %s: %s; next: see whether it runs there, and its log",
            name_of(node),
            address,
            reason,
        )

    def refused(self, connection: PeerConnection, refused: Refused) -> None:
        """One side does not talk to the other; once for each reason."""
        text, place = refused.text, connection.address
        is_coming = refused.refusal is Refusal.NOT_JOINED and not self._lasts(
            connection.target or place.host
        )
        if refused.refusal.is_quiet or is_coming:
            _log.debug("no connection with %s: %s", place, text)
            return
        suppressed = self._once.admit((connection.target or place.host, text), _now_ms())
        self._write(logging.WARNING, suppressed, "no connection with %s: %s", place, text)

    def _lasts(self, peer: Hashable) -> bool:
        """Whether it has been so for a while with a peer; begins to count at the first call."""
        now_ms = _now_ms()
        if len(self._away_since) >= _PATIENCE_MAX:
            self._away_since.clear()
        return now_ms - self._away_since.setdefault(peer, now_ms) >= LASTING_MS

    def warn(self, kind: Hashable, connection: PeerConnection, text: str) -> None:
        """Something else about a peer."""
        who = f"node {connection.peer.node_id}" if connection.is_known else "an unknown node"
        suppressed = self._limit.admit((kind, connection.address.host, who), _now_ms())
        self._write(logging.WARNING, suppressed, "%s at %s: %s", who, connection.address, text)

    def tls_failed(self) -> None:
        """Somebody did not get through the TLS handshake; the loop does not say who."""
        self._write(
            logging.WARNING,
            self._limit.admit("tls", _now_ms()),
            "an incoming connection did not get through the TLS handshake; next: the log of the"
            " node that dialed says why",
        )

    def our_fault(self, what: str) -> None:
        """A receiver or watcher raised; called where it is caught."""
        if (suppressed := self._limit.admit(("bug", what), _now_ms())) is not None:
            _log.exception(
                "a fault of this node with %s; please report the trace",
                what,
                extra=_extra(suppressed),
            )

    def _write(self, level: int, suppressed: int | None, text: str, *facts: object) -> None:
        if suppressed is not None:
            _log.log(level, text, *facts, extra=_extra(suppressed))


def _extra(suppressed: int) -> dict[str, object]:
    return {"suppressed_lines": suppressed} if suppressed else {}


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)
