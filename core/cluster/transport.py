"""The traffic of a node with the other nodes of its cluster, on a listener of its own.

    Transport -- one PeerLink a node -- one PeerConnection in use -- PeerSession (pure)
              -- PeerDialer: makes connections; visits, to bare addresses

Everything happens on the running event loop, by its clock and by the given random numbers, so that
a simulated loop replays it. README.md has the rules.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from sprawl.core.cluster.handshake import (
    Hello,
    Refusal,
    Refused,
    judge_hello,
)
from sprawl.core.cluster.peer_calls import Method
from sprawl.core.cluster.peer_connection import PeerConnection
from sprawl.core.cluster.peer_dialer import PeerDialer
from sprawl.core.cluster.peer_frames import (
    METHOD_BYTES_MAX,
    ONE_WAY_HEAD_BYTES,
    REQUEST_HEAD_BYTES_MAX,
    Goodbye,
    Message,
)
from sprawl.core.cluster.peer_link import Outcome, PeerLink
from sprawl.core.cluster.peer_log import PeerLog
from sprawl.core.cluster.peers import (
    PeerAddress,
    PeerIdentity,
    PeerRefused,
    PeerUnreachable,
    TransportCounters,
    TransportSettings,
)
from sprawl.core.errors import PeerFault
from sprawl.core.ids import ZERO_UUID, BrokerId
from sprawl.core.limits import (
    PEER_ACCEPTED_CONNECTIONS_MAX,
    PEER_CLOSING_MS_MAX,
    PEER_HANDSHAKES_MAX,
    PEER_SCRATCH_BYTES,
)
from sprawl.core.storage.port import Buffer

if TYPE_CHECKING:
    from random import Random

    from sprawl.core.cluster.peer_tls import PeerTls

__all__ = [
    "PeerAddress",
    "PeerIdentity",
    "PeerRefused",
    "PeerUnreachable",
    "Transport",
    "TransportCounters",
    "TransportSettings",
]

_BACKLOG = 1_024


class Transport:
    """What a node says to other nodes, and hears from them.

    Args:
        identity: this start of this node.
        cluster_id: None until the node has joined a cluster; see `joined`.
        rng: for the pauses between dials.
        addresses: where a node listens, None when it is not known (any more).
        expected_directory: the data directory that the cluster knows a node by.
        tls: for mutual TLS; None for plain TCP.
        settings: what may be tuned.
    """

    def __init__(
        self,
        *,
        identity: PeerIdentity,
        cluster_id: str | None,
        rng: Random,
        addresses: Callable[[BrokerId], PeerAddress | None],
        expected_directory: Callable[[BrokerId], UUID | None],
        tls: PeerTls | None = None,
        settings: TransportSettings | None = None,
    ) -> None:
        self.settings = settings or TransportSettings()
        self.counters = TransportCounters()
        self.tasks: dict[asyncio.Task[None], None] = {}
        self.address_of = addresses
        self._expected_directory = expected_directory
        self._hello = Hello(identity=identity, cluster_id=cluster_id or "")
        self._rng = rng
        self.tls = tls
        self._is_closing = False
        self._scratch = memoryview(bytearray(PEER_SCRATCH_BYTES))
        self._servers: list[asyncio.Server] = []
        self._connections: dict[PeerConnection, None] = {}
        self._strangers: dict[PeerConnection, None] = {}
        self._links: dict[BrokerId, PeerLink] = {}
        self._receivers: dict[int, Callable[[PeerIdentity, memoryview], None]] = {}
        self._methods: dict[str, Method] = {}
        self._watchers: list[tuple[Callable[[BrokerId], None], Callable[[BrokerId], None]]] = []
        self._log = PeerLog()
        self._dialer = PeerDialer(self, self._log, tls)
        self._deserted: asyncio.Future[None] | None = None

    # --- set-up -------------------------------------------------------------------------------

    async def listen(self, host: str, port: int) -> int:
        """Accept other nodes.

        Args:
            host: a name or an address; empty for every address of this machine.
            port: 0 takes a free one.

        Returns: the bound port.
        Raises: OSError when the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        make = self._accept
        if self.tls is None:
            server = await loop.create_server(make, host or None, port, backlog=_BACKLOG)
        else:
            server = await loop.create_server(
                make,
                host or None,
                port,
                backlog=_BACKLOG,
                ssl=self.tls.accepting(),
                ssl_handshake_timeout=self.settings.dial_ms_max / 1_000,
            )
        self._servers.append(server)
        place = server.sockets[0].getsockname()
        if self.tls is None:
            self._log.listening_openly(PeerAddress(str(place[0]), int(place[1])))
        return int(place[1])

    def on_message(self, kind: int, receive: Callable[[PeerIdentity, memoryview], None]) -> None:
        """Let `receive` have the one-way messages of a kind; it may raise PeerFault.

        Args:
            kind: in [0, 2^16), one receiver each.
            receive: gets who sent it and the body, on a buffer of its own.
        """
        assert kind not in self._receivers
        self._receivers[kind] = receive

    def serve(
        self,
        method: str,
        handle: Callable[[PeerIdentity, memoryview], Awaitable[bytes]],
        *,
        before_joining: bool = False,
    ) -> None:
        """Let `handle` answer the calls of a method; it may raise KafkaFault and PeerFault.

        It is cancelled when its caller waits no longer, or the connection ends.

        Args:
            method: ASCII, at most 255 bytes.
            before_joining: also for nodes that do not belong to the cluster, whose identity then is
                only what they say (with TLS: their node id is proved).
        """
        assert method not in self._methods
        assert method.isascii()
        assert len(method) <= METHOD_BYTES_MAX
        self._methods[method] = Method(handle, before_joining)

    def on_peer(
        self, connected: Callable[[BrokerId], None], lost: Callable[[BrokerId], None]
    ) -> None:
        """Be told when a node can be talked to, and when the connection with it is gone and with it
        perhaps what was sent. `close` tells nobody."""
        self._watchers.append((connected, lost))

    def joined(self, cluster_id: str) -> None:
        """The node belongs to a cluster from now on."""
        self._hello = replace(self._hello, cluster_id=cluster_id)
        for connection in list(self._connections):
            if connection.is_visit and connection.is_dialer:
                connection.retire()
        self._dialer.forget_visits()

    # --- use ----------------------------------------------------------------------------------

    def send(self, to: BrokerId, kind: int, body: Sequence[Buffer]) -> bool:
        """Send a one-way message. Messages to a node arrive in order, or not at all.

        Args:
            to: another node.
            kind: what receives it there, in [0, 2^16).
            body: buffers, written one after another; they must not change afterwards.

        Returns: False when it was dropped: the queue is full, or the node is not connected and the
            last attempt failed.
        """
        if ONE_WAY_HEAD_BYTES + sum(map(len, body)) > self.settings.frame_bytes_max:
            raise ValueError(f"a message larger than {self.settings.frame_bytes_max} bytes")
        return self._link(to).send(kind, body)

    async def call(
        self, to: BrokerId | PeerAddress, method: str, body: bytes, *, timeout_ms: int
    ) -> bytes:
        """Ask another node.

        Args:
            to: another node, or an address whose node is not known yet.
            method: which the other side serves.
            timeout_ms: for connecting and for the answer together, at least 1.

        Returns: what the other side's handler returned.
        Raises: PeerUnreachable, PeerRefused.
        """
        if REQUEST_HEAD_BYTES_MAX + len(body) > self.settings.frame_bytes_max:
            raise ValueError(f"a request larger than {self.settings.frame_bytes_max} bytes")
        self.counters.calls += 1
        was_sent = False
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_ms / 1_000
        try:
            async with asyncio.timeout_at(ends_at):
                if isinstance(to, PeerAddress):
                    connection = await self._dialer.visit(to, self._hello)
                else:
                    connection = await self._link(to).connection()
                left_ms = max(1, int((ends_at - loop.time()) * 1_000))
                was_sent = True
                return await connection.call(method.encode("ascii"), body, left_ms)
        except TimeoutError:
            self.counters.calls_unreachable += 1
            reason = f"{method}: no answer within {timeout_ms} ms"
            raise PeerUnreachable(to, reason, was_sent=was_sent) from None
        except PeerUnreachable:
            self.counters.calls_unreachable += 1
            raise
        except PeerRefused:
            self.counters.calls_refused += 1
            raise

    def is_connected(self, node: BrokerId) -> bool:
        """Whether messages can be sent to a node now."""
        link = self._links.get(node)
        return link is not None and link.current is not None

    def certificate(self, node: BrokerId) -> bytes | None:
        """What a node showed, DER; None without TLS or without a connection."""
        link = self._links.get(node)
        if self.tls is None or link is None or link.current is None:
            return None
        return self.tls.shown(link.current.extra)

    def round_trip_ms(self, node: BrokerId) -> float | None:
        """The smoothed round trip to a node; None while there is no measurement. It is as exact as
        the loop's clock, and uvloop's counts whole milliseconds."""
        link = self._links.get(node)
        return None if link is None or link.current is None else link.current.round_trip_ms

    def disconnect(self, node: BrokerId, reason: str, *, directory: UUID | None = None) -> None:
        """End the connections with a node, one that was removed for example; with `directory` only
        those with that data of the node."""
        for connection in list(self._connections):
            if not connection.is_open or connection.peer.node_id != node:
                continue
            if directory in (None, connection.peer.directory_id):
                connection.close(Goodbye.CLOSING, reason)

    async def close(self) -> None:
        """End everything: calls fail, calls being served are cancelled, peers are told."""
        self._is_closing = True
        for server in self._servers:
            server.close()
        for link in self._links.values():
            link.close("this node stops")
        self._dialer.close()
        for connection in list(self._connections):
            connection.close(Goodbye.CLOSING, "the node stops")
        served = list(self.tasks)
        if served:
            await asyncio.wait(served)
        if self._connections:
            self._deserted = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._deserted], timeout=2 * PEER_CLOSING_MS_MAX / 1_000)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    # --- for links ----------------------------------------------------------------------------

    @property
    def node_id(self) -> BrokerId:
        """Our own id."""
        return self._hello.identity.node_id

    @property
    def is_closing(self) -> bool:
        """Whether nothing new may begin."""
        return self._is_closing

    def jitter(self) -> float:
        """A random number in [0, 1)."""
        return self._rng.random()

    async def dial(self, node: BrokerId, address: PeerAddress, number: int) -> Outcome:
        """Make the connection of a link."""
        expected = self._expected_directory(node) or ZERO_UUID
        hello = replace(self._hello, to_node_id=node, to_directory_id=expected, dial=number)
        return await self._dialer.dial(node, address, hello)

    def link_is_up(self, node: BrokerId) -> None:
        """Tell those who watch."""
        for connected, _ in self._watchers:
            self._tell(connected, node)

    def link_is_down(self, node: BrokerId, reason: str) -> None:
        """Tell those who watch."""
        self.counters.connections_lost += 1
        if self._is_closing:
            return
        self._log.lost(node, reason)
        for _, lost in self._watchers:
            self._tell(lost, node)

    def dial_failed(
        self, node: BrokerId | PeerAddress, address: PeerAddress, outcome: Refused | str
    ) -> None:
        """Say so, once for each reason; refusals were said already."""
        self.counters.dials_failed += 1
        if isinstance(outcome, str):
            self._log.dial_failed(node, address, outcome)

    def _tell(self, watcher: Callable[[BrokerId], None], node: BrokerId) -> None:
        try:
            watcher(node)
        except Exception:  # noqa: BLE001 the other watchers are told all the same
            self._log.our_fault("a change of peer")

    # --- for connections ----------------------------------------------------------------------

    def scratch(self) -> memoryview:
        """A receive buffer. All connections share one, because it is filled and emptied within one
        callback; only on Windows does the loop fill it in the meantime."""
        if sys.platform == "win32":
            return memoryview(bytearray(PEER_SCRATCH_BYTES))
        return self._scratch

    def judge(self, connection: PeerConnection, ours: Hello, theirs: Hello) -> Refused | None:
        """Whether to go on with a peer."""
        you = theirs.identity
        certified = None if self.tls is None else self.tls.certified(connection.extra)
        refused = judge_hello(ours, theirs, self._expected_directory(you.node_id), certified)
        if refused is None and self._is_closing:
            refused = Refused(Refusal.CLOSING, f"node {self.node_id} stops")
        if refused is None and not connection.is_dialer and not theirs.is_visit:
            refused = self._judge_second(you)
        if refused is not None:
            self.counters.refused_by_us += 1
            self._log.refused(connection, refused)
        return refused

    def _judge_second(self, you: PeerIdentity) -> Refused | None:
        """A pair that has the connection which its smaller id dialed needs no other."""
        link = self._links.get(you.node_id)
        current = None if link is None else link.current
        if current is None or current.peer != you or current.dialer_id != self.node_id:
            return None
        if you.node_id < self.node_id:
            return None
        current.ping()  # if the peer has lost it, we find out
        return Refused(
            Refusal.ALREADY_CONNECTED, f"node {self.node_id} is connected with node {you.node_id}"
        )

    def last_dial(self, node: BrokerId) -> int:
        """The last of our dials to a node that has come to nothing or to an end."""
        link = self._links.get(node)
        return 0 if link is None else link.last_dial

    def made(self, connection: PeerConnection) -> str | None:
        """A socket is connected."""
        self._connections[connection] = None
        if connection.is_dialer:
            return None
        self._strangers[connection] = None
        if self._is_closing:
            return "this node stops"
        if len(self._strangers) > PEER_HANDSHAKES_MAX:
            text = f"{PEER_HANDSHAKES_MAX} connections have not said yet who they are"
        elif len(self._connections) > PEER_ACCEPTED_CONNECTIONS_MAX:
            text = f"there are {PEER_ACCEPTED_CONNECTIONS_MAX} connections"
        else:
            return None
        self.counters.refused_by_us += 1
        self._log.warn("busy", connection, f"closed a connection: {text}; next: see who connects")
        return text

    def opened(self, connection: PeerConnection) -> None:
        """The handshake is done."""
        self._strangers.pop(connection, None)
        self.counters.connections_opened += 1
        if connection.is_visit:
            return
        self._log.opened(connection)
        self._link(connection.peer.node_id).adopt(connection)

    def ended(self, connection: PeerConnection, reason: str) -> None:
        """Nothing can be sent any more."""
        if connection.is_visit:
            if isinstance(connection.target, PeerAddress):
                self._dialer.visit_ended(connection.target)
        else:
            self._link(connection.peer.node_id).lose(connection, reason)

    def gone(self, connection: PeerConnection) -> None:
        """The socket is closed."""
        self._connections.pop(connection, None)
        self._strangers.pop(connection, None)
        if not self._connections and self._deserted is not None and not self._deserted.done():
            self._deserted.set_result(None)

    def deliver(self, connection: PeerConnection, message: Message) -> None:
        """Hand a one-way message to who receives its kind.

        Raises: PeerFault of the receiver.
        """
        peer = connection.peer
        if self._link(peer.node_id).current is not connection:
            self.counters.messages_dropped_unconnected += 1  # it would overtake, or be overtaken
            return
        receive = self._receivers.get(message.kind)
        if receive is None:
            self.counters.messages_unknown += 1
            self._log.warn("kind", connection, f"dropped a message of unknown kind {message.kind}")
            return
        try:
            receive(peer, message.body)
        except PeerFault:
            raise
        except Exception:  # noqa: BLE001 it must not end the node
            self.counters.handler_failures += 1
            self._log.our_fault(f"a message of kind {message.kind}")

    def method(self, name: str) -> Method | None:
        """Who serves a call."""
        return self._methods.get(name)

    def warn(self, kind: str, connection: PeerConnection, text: str) -> None:
        """Log a line about a peer."""
        self._log.warn(kind, connection, text)

    # --- connections --------------------------------------------------------------------------

    def _link(self, node: BrokerId) -> PeerLink:
        link = self._links.get(node)
        if link is None:
            assert node != self.node_id, "a node has no connection with itself"
            link = self._links[node] = PeerLink(self, node)
        return link

    def _accept(self) -> PeerConnection:
        connection = PeerConnection(self, self._hello, is_dialer=False)
        if self.tls is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(
                2 * self.settings.dial_ms_max / 1_000, partial(self._check_tls, connection)
            )
        return connection

    def _check_tls(self, connection: PeerConnection) -> None:
        """The loop does not tell of a TLS handshake that failed."""
        if connection.is_made or self._is_closing:
            return
        self.counters.tls_failures += 1
        self._log.tls_failed()
