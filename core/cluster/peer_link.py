"""The one connection that a pair of nodes keeps: who dials, when again, and which of two stays.

    UNWANTED --send, call--> DIALING --opened--> CONNECTED --lost--> PAUSED --timer--> DIALING
                                |                    ^                  ^
                                +--failed------------|------------------+
                                     the peer dials -+

Rules:
1. Both may dial, so that one side that knows an address is enough. The node with the smaller id
   dials at once, the other `dial_grace_ms` later, by when a connection is usually there.
2. When two connections are open, the one dialed by the smaller id stays: both sides come to the
   same answer without a word. The other is retired: calls under way on it are answered, one-way
   messages caught in it are lost, so that the link counts as up once more.
3. A connection that the same side dialed again, or that comes from another start of the peer,
   replaces the old one at once: the dialer has lost it.
4. The last word of a handshake may arrive late, from a peer that has given the connection up since,
   or has died. So dials have numbers, and an acceptor tells which of its own are history; what is
   opened by an older dial than that, or by another start of the peer that we greeted before we
   knew the present one, is closed again.
5. A link is redialed for as long as the node's address is known, from 50 ms after the loss, each
   pause twice as long up to 2 s, less a random half, so that not all nodes dial a returned one at
   once. A connection that did not live 2 s does not reset the pauses.
6. One-way messages wait for the first attempt only: what is older than a failed dial is stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from sprawl.core.cluster.handshake import Refusal, Refused
from sprawl.core.cluster.peer_connection import PeerConnection
from sprawl.core.cluster.peer_frames import Goodbye
from sprawl.core.cluster.peers import (
    PeerAddress,
    PeerIdentity,
    PeerUnreachable,
    TransportCounters,
    TransportSettings,
)
from sprawl.core.ids import BrokerId
from sprawl.core.storage.port import Buffer

_DOUBLINGS_MAX = 16

Outcome = PeerConnection | Refused | str
"""What came of a dial: a connection, the refusal of one side, or what else went wrong."""


class LinkOwner(Protocol):
    """What a link needs of its transport."""

    settings: TransportSettings
    counters: TransportCounters

    @property
    def node_id(self) -> BrokerId:
        """Our own id."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether nothing new may begin."""
        ...

    def address_of(self, node: BrokerId) -> PeerAddress | None:
        """Where to dial, None when it is not known."""
        ...

    async def dial(self, node: BrokerId, address: PeerAddress, number: int) -> Outcome:
        """Make a connection; never raises but for cancellation."""
        ...

    def jitter(self) -> float:
        """A random number in [0, 1)."""
        ...

    def link_is_up(self, node: BrokerId) -> None:
        """Messages can be sent from now on."""
        ...

    def link_is_down(self, node: BrokerId, reason: str) -> None:
        """The connection is gone, and with it what was under way."""
        ...

    def dial_failed(self, node: BrokerId, address: PeerAddress, outcome: Refused | str) -> None:
        """For the log."""
        ...


class PeerLink:
    """What this node has with one other.

    Args:
        owner: dials, and is told what happens.
        node: the other.
    """

    __slots__ = (
        "_callers",
        "_dial",
        "_dials",
        "_failures",
        "_loop",
        "_owner",
        "_pause",
        "_peer",
        "_peer_dial",
        "_peer_since",
        "_waiting",
        "_waiting_bytes",
        "current",
        "last_dial",
        "node",
    )

    def __init__(self, owner: LinkOwner, node: BrokerId) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.node = node
        self.current: PeerConnection | None = None
        self._dial: asyncio.Task[None] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._dials = 0
        self.last_dial = 0
        """The last of our dials that has come to nothing or to an end."""
        self._peer: PeerIdentity | None = None
        """The start of the node that we talked to last."""
        self._peer_since = 0.0
        self._peer_dial = 0
        """Its dials up to this one are history."""
        self._failures = 0
        self._waiting: list[tuple[int, Sequence[Buffer], int]] = []
        self._waiting_bytes = 0
        self._callers: dict[asyncio.Future[PeerConnection], None] = {}

    # --- use ----------------------------------------------------------------------------------

    def send(self, kind: int, body: Sequence[Buffer]) -> bool:
        """Queue a one-way message; see Transport.send."""
        counters = self._owner.counters
        body_bytes = sum(map(len, body))
        if self.current is not None:
            is_taken = self.current.send(kind, body, body_bytes)
            counters.messages_dropped_full += not is_taken
            return is_taken
        if not self._begin() or self._failures:
            counters.messages_dropped_unconnected += 1
            return False
        if self._waiting_bytes >= self._owner.settings.send_queue_bytes_max:
            counters.messages_dropped_full += 1
            return False
        self._waiting.append((kind, body, body_bytes))
        self._waiting_bytes += body_bytes
        return True

    async def connection(self) -> PeerConnection:
        """The connection, once there is one.

        Raises: PeerUnreachable when no address is known, or the next attempt fails.
        """
        if self.current is not None:
            return self.current
        if not self._begin():
            reason = "this node stops" if self._owner.is_closing else "its address is not known"
            raise PeerUnreachable(self.node, reason, was_sent=False)
        caller: asyncio.Future[PeerConnection] = self._loop.create_future()
        self._callers[caller] = None
        try:
            return await caller
        finally:
            self._callers.pop(caller, None)

    # --- what happens to connections ----------------------------------------------------------

    def adopt(self, connection: PeerConnection) -> None:
        """A connection with the node is open."""
        if self._is_stale(connection):
            connection.close(Goodbye.CLOSING, "the connection has been replaced meanwhile")
            return
        old = self.current
        if old is not None and old.peer == connection.peer:
            if old.dialer_id < connection.dialer_id:
                connection.retire()
                return
            if old.dialer_id > connection.dialer_id:
                self.current = connection
                old.retire()
                self._stop_dialing(connection)
                self._owner.link_is_up(self.node)
                return
        if old is not None:
            old.abort("the peer has made a new connection")
        self.current = connection
        self._stop_dialing(connection)
        for kind, body, body_bytes in self._take_waiting():
            connection.push(kind, body, body_bytes)
        for caller in list(self._callers):
            if not caller.done():
                caller.set_result(connection)
        self._owner.link_is_up(self.node)

    def _is_stale(self, connection: PeerConnection) -> bool:
        """Whether its peer has done something since that it must have known the end of."""
        peer, peer_dial = connection.peer, connection.peer_dial
        if peer != self._peer:
            if self._peer is not None and connection.greeted_at <= self._peer_since:
                return True
            self._peer, self._peer_since, self._peer_dial = peer, self._loop.time(), 0
        elif not connection.is_dialer and peer_dial <= self._peer_dial:
            return True
        self._peer_dial = max(self._peer_dial, peer_dial)
        return False

    def lose(self, connection: PeerConnection, reason: str) -> None:
        """A connection has ended."""
        if connection.is_dialer:
            self.last_dial = max(self.last_dial, connection.dial)
        if self.current is not connection:
            return
        self.current = None
        lived_ms = (self._loop.time() - connection.opened_at) * 1_000
        if lived_ms >= self._owner.settings.reconnect_ms_max:
            self._failures = 0
        else:
            self._failures += 1
        self._plan(self._pause_ms())
        self._owner.link_is_down(self.node, reason)

    def close(self, reason: str) -> None:
        """Stop dialing; who waits is told. The connection is the caller's to close."""
        self._stop_dialing(None)
        self._give_up(reason)

    # --- dialing ------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Make sure that somebody dials.

        Returns: False when there is nothing to dial.
        """
        if self._dial is not None or self._pause is not None:
            return True
        if self._owner.is_closing or self._owner.address_of(self.node) is None:
            return False
        self._plan(0)
        return True

    def _plan(self, pause_ms: float) -> None:
        """Dial after a pause."""
        if self._pause is not None or self._dial is not None or self._owner.is_closing:
            return
        if self.node < self._owner.node_id:
            pause_ms += self._owner.settings.dial_grace_ms
        if pause_ms:
            self._pause = self._loop.call_later(pause_ms / 1_000, self._start)
        else:
            self._start()

    def _pause_ms(self) -> float:
        settings = self._owner.settings
        doublings = min(self._failures, _DOUBLINGS_MAX)
        longest_ms = min(settings.reconnect_ms_max, settings.reconnect_ms_min << doublings)
        return longest_ms * (1 - self._owner.jitter() / 2)

    def _start(self) -> None:
        self._pause = None
        if self.current is not None or self._owner.is_closing:
            return
        address = self._owner.address_of(self.node)
        if address is None:  # the node has left: nobody is to be dialed until somebody asks again
            self._failures = 0
            self._give_up("its address is not known any more")
            return
        self._dials += 1
        self._dial = self._loop.create_task(
            self._run(address, self._dials), name=f"dial node {self.node}"
        )

    async def _run(self, address: PeerAddress, number: int) -> None:
        outcome = await self._owner.dial(self.node, address, number)
        self._dial = None
        if isinstance(outcome, PeerConnection):
            if self.current is None:  # it is gone already; `lose` could not plan while we dialed
                self._plan(self._pause_ms())
            return
        self.last_dial = max(self.last_dial, number)
        self._failures += 1
        self._owner.dial_failed(self.node, address, outcome)
        if not (isinstance(outcome, Refused) and outcome.refusal is Refusal.ALREADY_CONNECTED):
            text = outcome.text if isinstance(outcome, Refused) else outcome
            self._give_up(text)
        if self.current is None:
            self._plan(self._pause_ms())

    def _stop_dialing(self, made: PeerConnection | None) -> None:
        """No further connection is needed; the dial that `made` one ends by itself."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._dial is not None and (made is None or not made.is_dialer):
            self._dial.cancel()
            self._dial = None
            self.last_dial = self._dials

    def _give_up(self, reason: str) -> None:
        """The attempt has failed for those who wait."""
        self._owner.counters.messages_dropped_unconnected += len(self._take_waiting())
        for caller in list(self._callers):
            if not caller.done():
                caller.set_exception(PeerUnreachable(self.node, reason, was_sent=False))

    def _take_waiting(self) -> list[tuple[int, Sequence[Buffer], int]]:
        waiting, self._waiting = self._waiting, []
        self._waiting_bytes = 0
        return waiting
