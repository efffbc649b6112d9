"""Membership on real sockets: datagrams and exchanges of everything on one port, and timers.

    datagram ---> receive ---+
    timer ------> tick ------+--> effects --> sendto, exchange, on_event
    exchange ---> receive_state

An exchange is one connection: u32 length and a state each way. Everything else is decided in
membership.py.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import TYPE_CHECKING, Final

from sprawl.core.cluster.peers import PeerAddress
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
from sprawl.core.limits import (
    GOSSIP_STATE_BYTES_MAX,
    GOSSIP_STATE_EXCHANGES_MAX,
    GOSSIP_STATE_MS_MAX,
)
from sprawl.core.log_limit import LogLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from random import Random

    from sprawl.core.gossip.digest import LoadDigest
    from sprawl.core.gossip.keyring import Keyring
    from sprawl.core.gossip.model import MemberId
    from sprawl.core.gossip.settings import GossipSettings

_log = logging.getLogger(__name__)
_LENGTH: Final = struct.Struct(">I")


class GossipShell(asyncio.DatagramProtocol):
    """A member of the cluster.

    Args:
        me: this node and its data directory.
        bind: where to listen, both for datagrams and for exchanges.
        advertised: where others reach that; an IP address.
        epoch: see `model.next_epoch`.
        rng: where chance comes from.
        on_event: is told of every event, in order.
        on_epoch: is told of every larger epoch this node takes, to keep it across starts.
        keyring: None for plain packets.
    """

    def __init__(
        self,
        *,
        settings: GossipSettings,
        me: MemberId,
        bind: PeerAddress,
        advertised: PeerAddress,
        epoch: int,
        rng: Random,
        on_event: Callable[[Event], None],
        on_epoch: Callable[[int], None] = lambda epoch: None,
        keyring: Keyring | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.membership = Membership(
            settings=settings,
            me=me,
            address=advertised,
            epoch=epoch,
            rng=rng,
            now_ms=self._now_ms(),
            keyring=keyring,
        )
        self._bind = bind
        self._on_event = on_event
        self._on_epoch = on_epoch
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._exchanges: set[asyncio.Task[None]] = set()
        self._served: set[asyncio.Task[None]] = set()
        self._departed = asyncio.Event()
        self._limit = LogLimit()

    # --- what the node does -------------------------------------------------------------------

    async def start(self, seeds: Iterable[PeerAddress] = ()) -> None:
        """Listen, and join whoever is at the seeds.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._serve, *self._bind)
        try:
            self._transport, _ = await self._loop.create_datagram_endpoint(
                lambda: self, local_addr=(self._bind.host, self._bind.port)
            )
        except OSError:
            self._server.close()
            raise
        self._act(self.membership.join(seeds, self._now_ms()))

    async def leave(self) -> None:
        """Tell everybody that we go; returns when that was done often enough. Close then."""
        self._act(self.membership.leave(self._now_ms()))
        await self._departed.wait()

    async def close(self) -> None:
        """Stop at once. To the others a node that did not leave before has crashed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._server is not None:
            self._server.close()
        running = [*self._exchanges, *self._served]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def update_digest(self, digest: LoadDigest) -> None:
        """Our load now; see `Membership.update_digest`."""
        self.membership.update_digest(digest, self._now_ms())
        self._set_timer()

    # --- datagrams and time -------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        sender = PeerAddress(str(addr[0]), int(addr[1]))
        self._act(self.membership.receive(data, sender, self._now_ms()))

    def error_received(self, exc: Exception) -> None:
        """A port is closed, or a network is not reachable: the failure detector finds out."""

    def _tick(self) -> None:
        self._timer = None
        self._act(self.membership.tick(self._now_ms()))

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1_000)

    def _set_timer(self) -> None:
        if self._transport is None:
            return
        due_s = (self.membership.deadline_ms + 1) / 1_000
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return  # it looks again when it fires
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._tick)

    def _act(self, effects: list[Effect]) -> bytes | None:
        """Do what membership wants.

        Returns: the answer to the exchange that it was just given, if any.
        """
        answer = None
        for effect in effects:
            match effect:
                case Send(address, data):
                    if self._transport is not None:
                        self._transport.sendto(data, tuple(address))
                case Event():
                    self._on_event(effect)
                case SendState(address, data):
                    self._begin(self._exchange(address, data))
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
        task = self._loop.create_task(exchange, name="gossip exchange")
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)

    async def _exchange(self, address: PeerAddress, data: bytes) -> None:
        try:
            async with asyncio.timeout(GOSSIP_STATE_MS_MAX / 1_000):
                reader, writer = await asyncio.open_connection(*address)
                try:
                    writer.write(_LENGTH.pack(len(data)) + data)
                    answer = await _read_state(reader)
                finally:
                    writer.close()
        except (OSError, TimeoutError, EOFError, _TooLargeError) as fault:
            self._warn(str(address), f"no exchange with {address}: {fault!r}")
            return
        self._act(self.membership.receive_state(answer, self._now_ms()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        peer = str(writer.get_extra_info("peername"))
        try:
            if len(self._served) > GOSSIP_STATE_EXCHANGES_MAX:
                return
            async with asyncio.timeout(GOSSIP_STATE_MS_MAX / 1_000):
                request = await _read_state(reader)
                answer = self._act(self.membership.receive_state(request, self._now_ms()))
                if answer is not None:
                    writer.write(_LENGTH.pack(len(answer)) + answer)
                    await writer.drain()
        except (OSError, TimeoutError, EOFError, _TooLargeError) as fault:
            self._warn(peer, f"an exchange asked for by {peer} failed: {fault!r}")
        finally:
            writer.close()
            self._served.discard(task)

    def _warn(self, key: str, text: str) -> None:
        if self._limit.admit(key, self._now_ms()) is not None:
            _log.info("gossip: %s; gossip goes on with others", text)


class _TooLargeError(Exception):
    """An announced state is larger than any."""


async def _read_state(reader: asyncio.StreamReader) -> bytes:
    (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if size > GOSSIP_STATE_BYTES_MAX:
        raise _TooLargeError(f"a state of {size} bytes")
    return await reader.readexactly(size)
