"""Connections that this node makes: TCP or TLS, and the handshake, all within one limit.

A visit is a connection to a bare address, for calls before and while joining. All calls to an
address share one; it is made when the first of them comes.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sprawl.core.cluster.handshake import Hello, Refused
from sprawl.core.cluster.peer_connection import Owner, PeerConnection
from sprawl.core.cluster.peer_link import Outcome
from sprawl.core.cluster.peer_log import PeerLog
from sprawl.core.cluster.peers import PeerAddress, PeerUnreachable
from sprawl.core.ids import BrokerId

if TYPE_CHECKING:
    from sprawl.core.cluster.peer_tls import PeerTls


class DialerOwner(Owner, Protocol):
    """Whose connections they are."""

    @property
    def is_closing(self) -> bool:
        """Whether nothing new may begin."""
        ...

    def dial_failed(
        self, node: BrokerId | PeerAddress, address: PeerAddress, outcome: Refused | str
    ) -> None:
        """A dial came to nothing."""
        ...


class PeerDialer:
    """Dials, for one transport.

    Args:
        owner: gets the connections, judges the peers, and says what is tuned.
        log: is told of refusals.
        tls: for mutual TLS; None for plain TCP.
    """

    __slots__ = ("_log", "_owner", "_tls", "_visits")

    def __init__(self, owner: DialerOwner, log: PeerLog, tls: PeerTls | None) -> None:
        self._owner = owner
        self._log = log
        self._tls = tls
        self._visits: dict[PeerAddress, asyncio.Task[Outcome]] = {}

    # --- visits -------------------------------------------------------------------------------

    async def visit(self, address: PeerAddress, hello: Hello) -> PeerConnection:
        """A connection to a bare address, made when needed.

        Raises: PeerUnreachable.
        """
        if self._owner.is_closing:
            raise PeerUnreachable(address, "this node stops", was_sent=False)
        visit = self._visits.get(address)
        if visit is None:
            visit = asyncio.get_running_loop().create_task(
                self._dial_visit(address, replace(hello, is_visit=True)), name=f"dial {address}"
            )
            self._visits[address] = visit
        await asyncio.wait([visit])
        outcome: Outcome = "this node stops" if visit.cancelled() else visit.result()
        if isinstance(outcome, PeerConnection):
            return outcome
        text = outcome.text if isinstance(outcome, Refused) else outcome
        raise PeerUnreachable(address, text, was_sent=False)

    def visit_ended(self, address: PeerAddress) -> None:
        """The connection is gone: the next call makes another."""
        self._visits.pop(address, None)

    def forget_visits(self) -> None:
        """The next call to any address makes another connection."""
        self._visits.clear()

    def close(self) -> None:
        """Give up what is being dialed."""
        for visit in list(self._visits.values()):
            visit.cancel()

    async def _dial_visit(self, address: PeerAddress, hello: Hello) -> Outcome:
        outcome = await self.dial(address, address, hello)
        if not isinstance(outcome, PeerConnection):
            self._visits.pop(address, None)
            self._owner.dial_failed(address, address, outcome)
        return outcome

    # --- one connection -----------------------------------------------------------------------

    async def dial(
        self, target: BrokerId | PeerAddress, address: PeerAddress, hello: Hello
    ) -> Outcome:
        """Connect and shake hands.

        Args:
            target: whom we want to reach.
            address: where.
            hello: our greeting.

        Returns: the open connection, the refusal of either side, or what went wrong.
        """
        connection = PeerConnection(self._owner, hello, is_dialer=True, target=target)
        loop = asyncio.get_running_loop()
        limit_s = self._owner.settings.dial_ms_max / 1_000
        outcome: Outcome | None
        try:
            async with asyncio.timeout(limit_s):
                if self._tls is None:
                    await loop.create_connection(lambda: connection, address.host, address.port)
                else:
                    await loop.create_connection(
                        lambda: connection,
                        address.host,
                        address.port,
                        ssl=self._tls.dialing(),
                        server_hostname=address.host,
                        ssl_handshake_timeout=limit_s,
                    )
                outcome = await connection.settled
        except TimeoutError:
            outcome = f"no answer within {self._owner.settings.dial_ms_max} ms"
        except (OSError, ValueError) as failure:  # ValueError: a host name that cannot be one
            outcome = str(failure) or type(failure).__name__
        finally:
            if connection.is_made and not (connection.is_open or connection.is_over):
                connection.abort("given up")
        if outcome is None:
            return connection
        if isinstance(outcome, str) and self._tls is not None and connection.is_made:
            # Asyncio's own loop closes without the alert that would say so.
            outcome += "; perhaps it does not accept this node's certificate"
        if isinstance(outcome, Refused) and not connection.is_refused_by_us:
            self._owner.counters.refused_by_peer += 1
            self._log.refused(connection, outcome)
        return outcome
