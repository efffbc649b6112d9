"""The asyncio shell of one connection between two nodes; peer_protocol.py decides.

              opened              superseded              both said so, nothing under way
    HANDSHAKE ------> USED ---------------------> RETIRED -------------------------------> gone
        |              |                             |
        +--------------+------ fault, silence, end --+-----------------------------------> gone

A retired connection answers the calls that are under way and starts none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, assert_never, cast

from sprawl.core.cluster.handshake import Hello, Refused, are_members
from sprawl.core.cluster.peer_calls import CallsMade, CallsServed, Method
from sprawl.core.cluster.peer_frames import (
    Event,
    Failure,
    Goaway,
    Goodbye,
    Message,
    Opened,
    Ping,
    Pong,
    Request,
    Response,
    encode_goaway,
    encode_ping,
    encode_pong,
    one_way_head,
)
from sprawl.core.cluster.peer_outbox import Outbox
from sprawl.core.cluster.peer_protocol import PeerSession
from sprawl.core.cluster.peers import (
    PeerAddress,
    PeerIdentity,
    PeerUnreachable,
    TransportCounters,
    TransportSettings,
)
from sprawl.core.errors import PeerFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import PEER_CLOSING_MS_MAX
from sprawl.core.storage.port import Buffer

_ROUND_TRIP_SHARE = 0.125
"""Weight of a new measurement in the smoothed round trip, as TCP smooths its own (RFC 6298)."""
_SUPERSEDED = "replaced by another connection"


class Owner(Protocol):
    """What a connection needs of the transport it belongs to."""

    settings: TransportSettings
    counters: TransportCounters
    tasks: dict[asyncio.Task[None], None]
    """Calls that are being served; a dict, because its order does not vary from run to run."""

    def scratch(self) -> memoryview:
        """The shared receive buffer."""
        ...

    def judge(self, connection: PeerConnection, ours: Hello, theirs: Hello) -> Refused | None:
        """Whether to go on with a peer."""
        ...

    def last_dial(self, node: BrokerId) -> int:
        """The last of our dials to a node that has come to nothing or to an end."""
        ...

    def made(self, connection: PeerConnection) -> str | None:
        """A socket is connected. Returns: why it must be closed again, None when it is welcome."""
        ...

    def opened(self, connection: PeerConnection) -> None:
        """The handshake is done."""
        ...

    def ended(self, connection: PeerConnection, reason: str) -> None:
        """Nothing can be sent any more. Told once, if `opened` was."""
        ...

    def gone(self, connection: PeerConnection) -> None:
        """The socket is closed."""
        ...

    def deliver(self, connection: PeerConnection, message: Message) -> None:
        """A one-way message has arrived. Raises PeerFault."""
        ...

    def method(self, name: str) -> Method | None:
        """Who serves a call."""
        ...

    def warn(self, kind: str, connection: PeerConnection, text: str) -> None:
        """Log a line, unless there were too many like it."""
        ...


class PeerConnection(asyncio.BufferedProtocol):
    """One connection, from dial or accept to close.

    Args:
        owner: judges the peer, and is told what happens.
        hello: our greeting.
        is_dialer: whether we dialed.
        target: whom we dialed; None when accepted.

    `settled` gets the outcome of the handshake: None when it is done, or why not.
    """

    _transport: asyncio.Transport
    _outbox: Outbox
    _made: CallsMade
    _served: CallsServed

    def __init__(
        self,
        owner: Owner,
        hello: Hello,
        *,
        is_dialer: bool,
        target: BrokerId | PeerAddress | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._session = PeerSession(
            hello=hello,
            is_dialer=is_dialer,
            judge=self._judge,
            last_dial=lambda theirs: owner.last_dial(theirs.identity.node_id),
            frame_bytes_max=owner.settings.frame_bytes_max,
        )
        self.is_dialer = is_dialer
        self.target = target
        self.address = PeerAddress("", 0)
        self.settled: asyncio.Future[Refused | str | None] = self._loop.create_future()
        self.is_made = False
        """There was a connection at all, TLS included."""
        self.is_open = False
        """The handshake was done, whatever came afterwards."""
        self.is_over = False
        """It can carry nothing more."""
        self.is_retired = False
        self.greeted_at = -1.0
        """When we said who we are: what the peer answers to that, it says later."""
        self.opened_at = 0.0
        self.round_trip_ms: float | None = None
        self._scratch = owner.scratch()
        self._is_left = False  # the peer said that it starts nothing new
        self._tick: asyncio.TimerHandle | None = None
        self._ticks_at = 0.0
        self._received_at = 0.0
        self._pinged_at = 0.0
        self._ping_token = 0
        self._is_pong_due = False
        self._taken_bytes = 0
        self._taken_at = 0.0
        self._retired_at = 0.0

    # --- who ----------------------------------------------------------------------------------

    @property
    def peer(self) -> PeerIdentity:
        """Who is at the other end; only when `is_known`."""
        assert self._session.peer is not None
        return self._session.peer.identity

    @property
    def is_known(self) -> bool:
        """Whether the peer has said who it is."""
        return self._session.peer is not None

    @property
    def is_visit(self) -> bool:
        """Whether it is only for calls of its dialer."""
        return self._session.hello.is_visit

    @property
    def is_refused_by_us(self) -> bool:
        """Whether it was this side that refused."""
        return self._session.is_refused_by_us

    @property
    def dialer_id(self) -> BrokerId:
        """Which of the two dialed."""
        return self._session.hello.identity.node_id if self.is_dialer else self.peer.node_id

    @property
    def dial(self) -> int:
        """Our number of this dial, when we dialed."""
        return self._session.hello.dial

    @property
    def peer_dial(self) -> int:
        """What the peer says of its dials: see `Hello.dial`."""
        assert self._session.peer is not None
        return self._session.peer.dial

    def extra(self, name: str) -> object:
        """A fact about the socket, as asyncio names it."""
        return self._transport.get_extra_info(name)

    def _judge(self, ours: Hello, theirs: Hello) -> Refused | None:
        return self._owner.judge(self, ours, theirs)

    # --- asyncio.BufferedProtocol -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._outbox = Outbox(self._transport, self._owner.counters)
        self.is_made = True
        place = transport.get_extra_info("peername") or ("", 0)
        self.address = PeerAddress(str(place[0]), int(place[1]))
        now = self._loop.time()
        self._received_at = self._taken_at = now
        unwelcome = self._owner.made(self)
        if unwelcome is not None:
            self.abort(unwelcome)
            return
        self._set_tick(now + self._owner.settings.dial_ms_max / 1_000)
        self._write_handshake()

    def get_buffer(self, sizehint: int) -> memoryview:
        target = self._session.target()
        return self._scratch if target is None else target

    def buffer_updated(self, nbytes: int) -> None:
        self._owner.counters.bytes_in += nbytes
        self._received_at = self._loop.time()
        if self.is_over:
            return
        session = self._session
        events = session.received(self._scratch, nbytes)
        self._owner.counters.frames_in += len(events)
        if not self.is_open:
            self._write_handshake()
        for event in events:
            self._handle(event)
            if self.is_over:
                return
        if session.fault is not None:
            self.fail(session.fault)
        elif session.refused is not None:
            self._outbox.flush()
            self._end(session.refused.text)
            self._shut()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection broke: {exc}" if exc else "the peer closed the connection")
        self._owner.gone(self)

    # --- sending ------------------------------------------------------------------------------

    def send(self, kind: int, body: Sequence[Buffer], body_bytes: int) -> bool:
        """Queue a one-way message. The buffers must not change afterwards.

        Returns: False when the queue is full.
        """
        if self._outbox.unsent_bytes >= self._owner.settings.send_queue_bytes_max:
            return False
        self.push(kind, body, body_bytes)
        return True

    def push(self, kind: int, body: Sequence[Buffer], body_bytes: int) -> None:
        """Queue a one-way message that was queued elsewhere before."""
        self._outbox.push(one_way_head(kind, body_bytes), *body)

    async def call(self, method: bytes, body: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer; the caller keeps the time.

        Raises: PeerUnreachable, PeerRefused.
        """
        if self.is_over:
            text = "the connection has just ended"
            raise PeerUnreachable(self.peer.node_id, text, was_sent=False)
        try:
            return await self._made.call(method, body, timeout_ms)
        finally:
            self._leave_if_done()

    def ping(self) -> None:
        """Ask whether the peer is there, which also finds out about a socket that is closed."""
        if self.is_over:
            return
        self._ping_token += 1
        self._pinged_at = self._loop.time()
        self._is_pong_due = True
        self._outbox.push(encode_ping(self._ping_token))

    def _write_handshake(self) -> None:
        data = self._session.output()
        if data:
            if self.greeted_at < 0:
                self.greeted_at = self._loop.time()
            self._outbox.push(data)

    # --- receiving ----------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        try:
            match event:
                case Message():
                    if self.is_visit:
                        raise PeerFault("a one-way message on a connection for calls")
                    self._owner.deliver(self, event)
                case Request():
                    if self.is_visit and self.is_dialer:
                        raise PeerFault("a call on a connection for calls of the other side")
                    method = self._owner.method(event.method)
                    self._served.serve(event, method, is_member=self._are_members())
                case Response() | Failure():
                    self._made.answered(event)
                case Ping():
                    self._outbox.push(encode_pong(event.token))
                case Pong():
                    self._measure(event)
                case Goaway():
                    self._part(event)
                case Opened():
                    self._open()
                case _:
                    assert_never(event)
        except PeerFault as fault:
            self.fail(fault)

    def _are_members(self) -> bool:
        peer = self._session.peer
        return peer is not None and are_members(self._session.hello, peer)

    def _open(self) -> None:
        owner = self._owner
        self._made = CallsMade(self.peer.node_id, self._outbox, owner.settings)
        self._served = CallsServed(
            peer=self.peer,
            outbox=self._outbox,
            settings=owner.settings,
            counters=owner.counters,
            tasks=owner.tasks,
            fail=self.fail,
            done=self._leave_if_done,
        )
        self.is_open = True
        self.opened_at = self._loop.time()
        self._set_tick(self.opened_at + owner.settings.ping_idle_ms / 1_000)
        self.ping()
        owner.opened(self)
        if not self.settled.done():
            self.settled.set_result(None)

    def _measure(self, pong: Pong) -> None:
        if not self._is_pong_due or pong.token != self._ping_token:
            return
        self._is_pong_due = False
        measured_ms = (self._loop.time() - self._pinged_at) * 1_000
        before = self.round_trip_ms
        if before is None:
            self.round_trip_ms = measured_ms
        else:
            self.round_trip_ms = before + (measured_ms - before) * _ROUND_TRIP_SHARE

    def _part(self, goaway: Goaway) -> None:
        """The peer starts nothing new."""
        if goaway.why is Goodbye.SUPERSEDED:
            self._is_left = True
            self._leave_if_done()
            return
        if goaway.why is Goodbye.FAULT:
            self._owner.warn("fault", self, f"the peer closed the connection: {goaway.text}")
        self._end(goaway.text or "the peer closes the connection")
        self._shut()

    # --- time ---------------------------------------------------------------------------------

    def _set_tick(self, at: float) -> None:
        if self._tick is not None:
            self._tick.cancel()
        self._ticks_at = at
        self._tick = self._loop.call_at(at, self._on_tick)

    def _on_tick(self) -> None:
        now = self._loop.time()
        settings = self._owner.settings
        if not self.is_open:
            self.abort(f"no handshake within {settings.dial_ms_max} ms")
            return
        idle_s = settings.ping_idle_ms / 1_000
        lost_s = settings.lost_after_ms / 1_000
        if now - self._ticks_at > idle_s:  # this process stood still: what came is not read yet
            self._received_at = max(self._received_at, now - lost_s + idle_s)
            self._taken_at = max(self._taken_at, now - lost_s + idle_s)
        self._close_if_lost(now, lost_s)
        self._close_if_unneeded(now, lost_s)
        if self.is_over:
            return
        is_silent = now - self._received_at >= idle_s
        age_s = now - self._pinged_at
        if (is_silent and age_s >= idle_s) or age_s * 1_000 >= settings.round_trip_ms_max_age:
            self.ping()
        self._set_tick(now + idle_s if is_silent else self._received_at + idle_s)

    def _close_if_lost(self, now: float, lost_s: float) -> None:
        """Give up a peer that is silent or takes nothing."""
        taken_bytes = self._outbox.taken_bytes
        if taken_bytes != self._taken_bytes or not self._outbox.unsent_bytes:
            self._taken_bytes = taken_bytes
            self._taken_at = now
        if now - self._received_at >= lost_s:
            self.abort(f"silent for {(now - self._received_at) * 1_000:.0f} ms")
        elif now - self._taken_at >= lost_s:
            self.abort(f"it has read nothing for {(now - self._taken_at) * 1_000:.0f} ms")

    def _close_if_unneeded(self, now: float, lost_s: float) -> None:
        """Close a visit that is over, and a retired connection that the peer does not let go."""
        if self.is_visit and self.is_dialer:
            idle_ms = 0.0 if self._made else (now - self._made.ended_at) * 1_000
            if idle_ms >= self._owner.settings.visit_idle_ms:
                self.close(Goodbye.CLOSING, "not needed any more")
        elif self.is_retired and not self._is_left and now - self._retired_at >= lost_s:
            self.close(Goodbye.CLOSING, _SUPERSEDED)

    # --- the end ------------------------------------------------------------------------------

    def retire(self) -> None:
        """The pair has another connection: start nothing here, finish what is under way."""
        if self.is_retired or self.is_over:
            return
        self.is_retired = True
        self._retired_at = self._loop.time()
        self._outbox.push(encode_goaway(Goodbye.SUPERSEDED, _SUPERSEDED))
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self.is_over or not (self.is_retired and self._is_left):
            return
        if not self._made and not self._served:
            self._outbox.flush()
            self._end(_SUPERSEDED)
            self._shut()

    def fail(self, fault: PeerFault) -> None:
        """The peer broke the protocol: one line, and the connection ends."""
        if self.is_over:
            return
        self._owner.counters.faults += 1
        self._owner.warn("fault", self, f"closed a connection: {fault}")
        self.close(Goodbye.FAULT, str(fault))

    def close(self, why: Goodbye, text: str) -> None:
        """Tell the peer, send what is queued and close."""
        if self.is_over:
            return
        if self.is_open:
            self._outbox.push(encode_goaway(why, text))
        self._outbox.flush()
        self._end(text)
        self._shut()

    def abort(self, reason: str) -> None:
        """Close at once, whatever is unsent."""
        self._end(reason)
        self._transport.abort()

    def _shut(self) -> None:
        """Let the operating system have what is written, but not for long."""
        self._transport.close()
        self._tick = self._loop.call_later(PEER_CLOSING_MS_MAX / 1_000, self._transport.abort)

    def _end(self, reason: str) -> None:
        """Nothing is sent or received from here on; those who wait are told."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self.is_over:
            return
        self.is_over = True
        if not self.settled.done():
            self.settled.set_result(self._session.refused or reason)
        if self.is_made:
            self._outbox.close()
        if self.is_open:
            self._made.fail(reason)
            self._served.cancel()
            self._owner.ended(self, reason)
