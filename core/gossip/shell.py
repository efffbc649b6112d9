"""Membership on real sockets: datagrams, exchanges of everything, and timers.

    datagram ---> receive ---+
    timer ------> tick ------+--> effects --> sendto, call, on_event
    call -------> receive_state

Datagrams go over sockets of its own, exchanges over the transport between nodes (core/cluster): a
call with a state each way, so that who exchanges is who may talk to this node at all, by mutual TLS
where that is on. Everything else is decided in membership.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from sprawl.core.cluster.peers import PeerAddress, PeerIdentity, PeerRefused, PeerUnreachable
from sprawl.core.gossip.membership import Membership
from sprawl.core.gossip.model import (
    AnswerState,
    Departed,
    Effect,
    EpochRaised,
    Event,
    Send,
    SendState,
)
from sprawl.core.ids import BrokerId
from sprawl.core.limits import GOSSIP_STATE_MS_MAX

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Iterable
    from random import Random

    from sprawl.core.gossip.digest import LoadDigest
    from sprawl.core.gossip.keyring import Keyring
    from sprawl.core.gossip.model import MemberId
    from sprawl.core.gossip.settings import GossipSettings

_log = logging.getLogger(__name__)
EXCHANGE: Final = "gossip/exchange"
"""The call that carries a state each way; an empty answer to what could not be read."""
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 what nothing is sent to
Place = tuple[str, int]
"""IP address and port."""


class Calls(Protocol):
    """What of the transport is used."""

    async def call(
        self, to: BrokerId | PeerAddress, method: str, body: bytes, *, timeout_ms: int
    ) -> bytes: ...

    def serve(
        self, method: str, handle: Callable[[PeerIdentity, memoryview], Awaitable[bytes]]
    ) -> None: ...


class GossipShell(asyncio.DatagramProtocol):
    """A member of the cluster.

    Args:
        me: this node and its data directory.
        told: what others are told of where this node is.
        epoch: see `model.next_epoch`.
        rng: where chance comes from.
        calls: the transport between nodes.
        place_of: where datagrams for a member go, by its id and what it tells; None for nowhere.
        peer_of: whom to call for an exchange with a member, or with a seed, whose id is None.
        on_event: is told of every event, in order.
        on_epoch: is told of every larger epoch this node takes, to keep it across starts.
        keyring: None for plain packets.
    """

    def __init__(
        self,
        *,
        settings: GossipSettings,
        me: MemberId,
        told: PeerAddress,
        epoch: int,
        rng: Random,
        calls: Calls,
        place_of: Callable[[MemberId, PeerAddress], Place | None],
        peer_of: Callable[[MemberId | None, PeerAddress], BrokerId | PeerAddress],
        on_event: Callable[[Event], None],
        on_epoch: Callable[[int], None] = lambda epoch: None,
        keyring: Keyring | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.membership = Membership(
            settings=settings,
            me=me,
            address=told,
            epoch=epoch,
            rng=rng,
            now_ms=self.now_ms(),
            keyring=keyring,
        )
        self.datagrams_unplaced = 0
        """Datagrams for members of which nobody knows where they are."""
        self._calls = calls
        self._place_of = place_of
        self._peer_of = peer_of
        self._on_event = on_event
        self._on_epoch = on_epoch
        self._transports: dict[bool, asyncio.DatagramTransport] = {}
        """By whether they are for IPv6."""
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        """When it fires: uvloop's handles do not always tell."""
        self._exchanges: set[asyncio.Task[None]] = set()
        self._departed = asyncio.Event()
        self._is_closed = False

    # --- what the node does -------------------------------------------------------------------

    async def start(
        self, sockets: Iterable[socket.socket], seeds: Iterable[PeerAddress] = ()
    ) -> None:
        """Take part, and join whoever is at the seeds.

        Args:
            sockets: bound ones for datagrams, one for each family of addresses; they are closed by
                `close`.
        """
        for each in sockets:
            is_ipv6 = ":" in str(each.getsockname()[0])
            transport, _ = await self._loop.create_datagram_endpoint(lambda: self, sock=each)
            self._transports[is_ipv6] = transport
        self._calls.serve(EXCHANGE, self._serve)
        self.seek(seeds)

    def seek(self, seeds: Iterable[PeerAddress]) -> None:
        """Join whoever is at these seeds, instead of the former ones."""
        self._act(self.membership.join(seeds, self.now_ms()))

    def leave(self) -> None:
        """Begin to tell everybody that we go; `departed` waits until that is done."""
        self._act(self.membership.leave(self.now_ms()))

    async def departed(self) -> None:
        """Returns when the leave was told often enough. Close then."""
        await self._departed.wait()

    def halt(self) -> None:
        """Say and begin nothing more. To the others who did not leave before has crashed."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()

    async def close(self) -> None:
        """`halt`, and wait until nothing runs any more."""
        self.halt()
        running = list(self._exchanges)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def update_digest(self, digest: LoadDigest) -> None:
        """Our load now; see `Membership.update_digest`."""
        self.membership.update_digest(digest, self.now_ms())
        self._set_timer()

    def now_ms(self) -> int:
        """The time that `membership` is told."""
        return int(self._loop.time() * 1_000)

    # --- datagrams and time -------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        sender = PeerAddress(str(addr[0]), int(addr[1]))
        self._act(self.membership.receive(data, sender, self.now_ms()))

    def error_received(self, exc: Exception) -> None:
        """A port is closed, or a network is not reachable: the failure detector finds out."""

    def _send(self, send: Send) -> None:
        place: Place | None = send.address
        if send.to is not None:
            place = self._place_of(send.to, send.address)
        transport = None if place is None else self._transports.get(":" in place[0])
        if place is None or transport is None or place[0] in _UNSPECIFIED:
            self.datagrams_unplaced += 1
            return
        transport.sendto(send.data, tuple(place))

    def _tick(self) -> None:
        self._timer = None
        self._act(self.membership.tick(self.now_ms()))

    def _set_timer(self) -> None:
        if self._is_closed:
            return
        due_s = (self.membership.deadline_ms + 1) / 1_000
        if self._timer is not None:
            if self._due_s <= due_s:
                return  # it looks again when it fires
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self._tick)

    def _act(self, effects: list[Effect]) -> bytes | None:
        """Do what membership wants.

        Returns: the answer to the exchange that it was just given, if any.
        """
        answer = None
        for effect in effects:
            match effect:
                case Send():
                    self._send(effect)
                case Event():
                    self._on_event(effect)
                case SendState(address, data, to):
                    self._begin(self._exchange(self._peer_of(to, address), data))
                case AnswerState(data):
                    answer = data
                case EpochRaised(epoch):
                    self._on_epoch(epoch)
                case Departed():
                    self._departed.set()
        self._set_timer()
        return answer

    # --- exchanges ----------------------------------------------------------------------------

    def _begin(self, exchange: Coroutine[None, None, None]) -> None:
        if self._is_closed:
            exchange.close()
            return
        task = self._loop.create_task(exchange, name="gossip exchange")
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)

    async def _exchange(self, peer: BrokerId | PeerAddress, data: bytes) -> None:
        try:
            answer = await self._calls.call(peer, EXCHANGE, data, timeout_ms=GOSSIP_STATE_MS_MAX)
        except (PeerUnreachable, PeerRefused) as failure:
            # The transport has said so, and gossip goes on with others.
            _log.debug("gossip: no exchange: %s", failure)
            return
        if answer and not self._is_closed:
            self._act(self.membership.receive_state(answer, self.now_ms()))

    async def _serve(self, peer: PeerIdentity, body: memoryview) -> bytes:
        if self._is_closed:
            return b""
        return self._act(self.membership.receive_state(bytes(body), self.now_ms())) or b""
