"""The asyncio shell of one connection between two nodes; peer_protocol.py decides.

             opened                    superseded              both said so, nothing under way
    HANDSHAKE ------> USED ----------------------> RETIRED --------------------------> gone
        |              |                              |
        +--------------+------- fault, silence, end --+------------------------------> gone

A retired connection answers the calls that are under way and starts none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, cast

from sprawl.core.cluster.handshake import Hello, Refused, are_members
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
    encode_error,
    encode_goaway,
    encode_ping,
    encode_pong,
    one_way_head,
    request_head,
    response_head,
)
from sprawl.core.cluster.peer_protocol import PeerSession
from sprawl.core.cluster.peers import (
    PeerAddress,
    PeerIdentity,
    PeerRefused,
    PeerUnreachable,
    TransportCounters,
    TransportSettings,
)
from sprawl.core.errors import ErrorCode, KafkaFault, PeerFault
from sprawl.core.ids import BrokerId
from sprawl.core.limits import PEER_CLOSING_MS_MAX, PEER_JOINED_BYTES_MAX
from sprawl.core.storage.port import Buffer

_log = logging.getLogger(__name__)

_ROUND_TRIP_SHARE = 0.125
"""Weight of a new measurement in the smoothed round trip, as TCP smooths its own (RFC 6298)."""


class Method(NamedTuple):
    """What serves calls of one name."""

    handle: Callable[[PeerIdentity, memoryview], Awaitable[bytes]]
    before_joining: bool


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
            frame_bytes_max=owner.settings.frame_bytes_max,
        )
        self.is_dialer = is_dialer
        self.target = target
        self.address = PeerAddress("", 0)
        self.is_open = False
        self.is_retired = False
        self.round_trip_ms: float | None = None
        self.opened_at = 0.0
        self.settled: asyncio.Future[Refused | str | None] = self._loop.create_future()
        self._scratch = owner.scratch()
        self._is_made = False
        self._is_over = False
        self._is_left = False
        """The peer said that it sends nothing new."""
        self._out: list[Buffer] = []
        self._out_bytes = 0
        self._written_bytes = 0
        self._is_flush_due = False
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._call_last = 0
        self._called_at = 0.0
        self._served: dict[asyncio.Task[None], None] = {}
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
    def hello(self) -> Hello:
        """Our greeting."""
        return self._session.hello

    @property
    def peer(self) -> PeerIdentity:
        """Who is at the other end; only once the connection is open, or was refused by name."""
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
    def are_members(self) -> bool:
        """Whether both belong to the same cluster."""
        peer = self._session.peer
        return peer is not None and are_members(self._session.hello, peer)

    @property
    def is_refused_by_us(self) -> bool:
        """Whether it was this side that refused."""
        return self._session.is_refused_by_us

    @property
    def is_made(self) -> bool:
        """Whether there was a connection at all, TLS included."""
        return self._is_made

    @property
    def is_over(self) -> bool:
        """Whether it can carry nothing more."""
        return self._is_over

    @property
    def dialer_id(self) -> BrokerId:
        """Which of the two dialed."""
        return self.hello.identity.node_id if self.is_dialer else self.peer.node_id

    def extra(self, name: str) -> object:
        """A fact about the socket, as asyncio names it."""
        return self._transport.get_extra_info(name)

    def _judge(self, ours: Hello, theirs: Hello) -> Refused | None:
        return self._owner.judge(self, ours, theirs)

    # --- asyncio.BufferedProtocol -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._is_made = True
        place = transport.get_extra_info("peername") or ("", 0)
        self.address = PeerAddress(str(place[0]), int(place[1]))
        now = self._loop.time()
        self._received_at = self._taken_at = self._called_at = now
        self.opened_at = now
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
        if self._is_over:
            return
        session = self._session
        events = session.received(self._scratch, nbytes)
        self._owner.counters.frames_in += len(events)
        if not self.is_open:
            self._write_handshake()
        for event in events:
            self._handle(event)
            if self._is_over:
                return
        if session.fault is not None:
            self.fail(session.fault)
        elif session.refused is not None:
            self._end(session.refused.text)
            self._shut()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection broke: {exc}" if exc else "the peer closed the connection")
        self._owner.gone(self)

    # --- sending ------------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._out_bytes + self._transport.get_write_buffer_size()

    def send(self, kind: int, body: Sequence[Buffer], body_bytes: int) -> bool:
        """Queue a one-way message. The buffers must not change afterwards.

        Returns: False when the queue is full; a message alone in it always fits.
        """
        unsent_bytes = self.unsent_bytes
        if unsent_bytes and unsent_bytes + body_bytes > self._owner.settings.send_queue_bytes_max:
            return False
        self._push(one_way_head(kind, body_bytes), *body)
        return True

    async def call(self, method: bytes, body: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer; the caller keeps the time.

        Raises: PeerUnreachable, PeerRefused.
        """
        settings = self._owner.settings
        peer = self.peer.node_id
        if self._is_over:
            raise PeerUnreachable(peer, "the connection has just ended", was_sent=False)
        if len(self._calls) >= settings.calls_max:
            raise PeerUnreachable(
                peer, f"{settings.calls_max} calls to it are under way", was_sent=False
            )
        unsent_bytes = self.unsent_bytes
        if unsent_bytes and unsent_bytes + len(body) > 2 * settings.send_queue_bytes_max:
            raise PeerUnreachable(peer, "it does not read what is sent to it", was_sent=False)
        self._call_last = call = self._call_last + 1
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._calls[call] = answer
        self._push(request_head(call, timeout_ms, method, len(body)), body)
        try:
            return await answer
        finally:
            self._calls.pop(call, None)
            self._called_at = self._loop.time()
            self._leave_if_done()

    def ping(self) -> None:
        """Ask whether the peer is there, which also finds out about a socket that is closed."""
        if self._is_over or not self.is_open:
            return
        self._ping_token += 1
        self._pinged_at = self._loop.time()
        self._is_pong_due = True
        self._push(encode_ping(self._ping_token))

    def _push(self, *pieces: Buffer) -> None:
        """Queue one frame. What is queued in one turn of the loop goes out together."""
        self._owner.counters.frames_out += 1
        self._out += pieces
        self._out_bytes += sum(map(len, pieces))
        if self._out_bytes > PEER_JOINED_BYTES_MAX:
            self._flush()
        elif not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self._is_flush_due = False
        if not self._is_over:
            self._flush()

    def _flush(self) -> None:
        """Write what is queued: small pieces joined, large ones as they lie."""
        out, self._out = self._out, []
        if not out:
            return
        self._owner.counters.bytes_out += self._out_bytes
        self._written_bytes += self._out_bytes
        whole = self._out_bytes <= PEER_JOINED_BYTES_MAX
        self._out_bytes = 0
        write = self._transport.write
        if whole:
            write(b"".join(out))
            return
        small: list[Buffer] = []
        for piece in out:
            if len(piece) <= PEER_JOINED_BYTES_MAX // 4:
                small.append(piece)
                continue
            if small:
                write(b"".join(small))
                small = []
            write(piece)
        if small:
            write(b"".join(small))

    def _write_handshake(self) -> None:
        data = self._session.output()
        if data:
            self._owner.counters.frames_out += 1
            self._owner.counters.bytes_out += len(data)
            self._written_bytes += len(data)
            self._transport.write(data)

    # --- receiving ----------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        match event:
            case Message():
                if self.is_visit:
                    self.fail(PeerFault("a one-way message on a connection for calls"))
                    return
                try:
                    self._owner.deliver(self, event)
                except PeerFault as fault:
                    self.fail(fault)
            case Request():
                self._serve(event)
            case Response() | Failure():
                self._answered(event)
            case Ping():
                self._push(encode_pong(event.token))
            case Pong():
                self._measure(event)
            case Goaway():
                self._part(event)
            case Opened():
                self._open()

    def _open(self) -> None:
        self.is_open = True
        self.opened_at = self._loop.time()
        self._owner.opened(self)
        if not self.settled.done():
            self.settled.set_result(None)
        self.ping()
        self._set_tick(self._loop.time() + self._owner.settings.ping_idle_ms / 1_000)

    def _answered(self, event: Response | Failure) -> None:
        answer = self._calls.pop(event.call, None)
        if answer is None:
            if not 0 < event.call <= self._call_last:
                self.fail(PeerFault(f"an answer to call {event.call}, which was not made"))
            return  # its caller has given up
        if answer.done():
            return
        if isinstance(event, Response):
            answer.set_result(bytes(event.body))
        else:
            answer.set_exception(PeerRefused(self.peer.node_id, event.code, event.text))

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
        """The peer sends nothing new."""
        if goaway.why is Goodbye.SUPERSEDED:
            self._is_left = True
            self._leave_if_done()
            return
        if goaway.why is Goodbye.FAULT:
            self._owner.warn("fault", self, f"the peer closed the connection: {goaway.text}")
        self._end(goaway.text or "the peer closes the connection")
        self._shut()

    # --- serving ------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        method = self._owner.method(request.method)
        settings = self._owner.settings
        refusal: tuple[ErrorCode, str] | None = None
        if method is None:
            refusal = (
                ErrorCode.UNSUPPORTED_VERSION,
                f"node {self.hello.identity.node_id} does not serve {request.method!r}",
            )
        elif not self.are_members and not method.before_joining:
            refusal = (
                ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
                f"{request.method!r} is for members of the cluster; join first",
            )
        elif (
            len(self._served) >= settings.served_calls_max
            or self.unsent_bytes > 2 * settings.send_queue_bytes_max
        ):
            refusal = (ErrorCode.THROTTLING_QUOTA_EXCEEDED, "too many calls are under way")
        if refusal is not None:
            self._push(encode_error(request.call, *refusal))
            return
        assert method is not None
        task = self._loop.create_task(self._answer(request, method.handle))
        self._served[task] = None
        self._owner.tasks[task] = None
        task.add_done_callback(self._unserve)

    def _unserve(self, task: asyncio.Task[None]) -> None:
        self._served.pop(task, None)
        self._owner.tasks.pop(task, None)
        self._leave_if_done()

    async def _answer(
        self, request: Request, handle: Callable[[PeerIdentity, memoryview], Awaitable[bytes]]
    ) -> None:
        """Serve one call for as long as its caller waits."""
        self._owner.counters.calls_served += 1
        deadline = asyncio.timeout(request.timeout_ms / 1_000)
        try:
            async with deadline:
                body = await handle(self.peer, request.body)
            if 9 + len(body) > self._owner.settings.frame_bytes_max:
                raise ValueError(f"an answer of {len(body)} bytes does not fit a frame")
        except (KafkaFault, PeerRefused) as fault:
            self._reply(encode_error(request.call, fault.code, fault.message))
        except PeerFault as fault:
            self.fail(fault)
        except Exception as failure:  # noqa: BLE001 it must not end the node
            if isinstance(failure, TimeoutError) and deadline.expired():
                return
            self._owner.counters.handler_failures += 1
            _log.exception("a fault of this node in %s; please report the trace", request.method)
            self._reply(
                encode_error(request.call, ErrorCode.UNKNOWN_SERVER_ERROR, "a fault of the node")
            )
        else:
            self._reply(response_head(request.call, len(body)), body)

    def _reply(self, *pieces: Buffer) -> None:
        if not self._is_over:
            self._push(*pieces)

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
        if self._has_lost(now, lost_s) or self._has_finished(now, lost_s):
            return
        silent_s = now - self._received_at
        age_s = now - self._pinged_at
        if age_s >= idle_s and (
            silent_s >= idle_s or age_s * 1_000 >= settings.round_trip_ms_max_age
        ):
            self.ping()
        self._set_tick(now + idle_s if silent_s >= idle_s else self._received_at + idle_s)

    def _has_lost(self, now: float, lost_s: float) -> bool:
        """Give up a peer that is silent or takes nothing."""
        taken_bytes = self._written_bytes - self._transport.get_write_buffer_size()
        if taken_bytes != self._taken_bytes or not self.unsent_bytes:
            self._taken_bytes = taken_bytes
            self._taken_at = now
        if now - self._received_at >= lost_s:
            self.abort(f"silent for {(now - self._received_at) * 1_000:.0f} ms")
        elif now - self._taken_at >= lost_s:
            self.abort(f"it has read nothing for {(now - self._taken_at) * 1_000:.0f} ms")
        return self._is_over

    def _has_finished(self, now: float, lost_s: float) -> bool:
        """Close what nobody needs."""
        idle_ms = (now - self._called_at) * 1_000
        if self.is_retired and not self._is_left and now - self._retired_at >= lost_s:
            self.close(Goodbye.SUPERSEDED, "replaced by another connection")
        elif (
            self.is_visit
            and self.is_dialer
            and not self._calls
            and idle_ms >= self._owner.settings.visit_idle_ms
        ):
            self.close(Goodbye.SUPERSEDED, "not needed any more")
        return self._is_over

    # --- the end ------------------------------------------------------------------------------

    def retire(self) -> None:
        """The pair has another connection: start nothing here, finish what is under way."""
        if self.is_retired or self._is_over:
            return
        self.is_retired = True
        self._retired_at = self._loop.time()
        self._push(encode_goaway(Goodbye.SUPERSEDED, "replaced by another connection"))
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        if self._is_over or not (self.is_retired and self._is_left):
            return
        if not self._calls and not self._served:
            self._flush()
            self._end("replaced by another connection")
            self._shut()

    def fail(self, fault: PeerFault) -> None:
        """The peer broke the protocol: one line, and the connection ends."""
        if self._is_over:
            return
        self._owner.counters.faults += 1
        self._owner.warn("fault", self, f"closed a connection: {fault}")
        self.close(Goodbye.FAULT, str(fault))

    def close(self, why: Goodbye, text: str) -> None:
        """Tell the peer, send what is queued and close."""
        if self._is_over:
            return
        if self.is_open:
            self._push(encode_goaway(why, text))
        self._flush()
        self._end(text)
        self._shut()

    def abort(self, reason: str) -> None:
        """Close at once, whatever is unsent."""
        self._end(reason)
        self._transport.abort()

    def _shut(self) -> None:
        self._transport.close()
        self._tick = self._loop.call_later(PEER_CLOSING_MS_MAX / 1_000, self._transport.abort)

    def _end(self, reason: str) -> None:
        """Nothing is sent or received from here on; those who wait are told."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._is_over:
            return
        self._is_over = True
        if not self.settled.done():
            self.settled.set_result(self._session.refused or reason)
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(PeerUnreachable(self.peer.node_id, reason, was_sent=True))
        for task in list(self._served):
            task.cancel()
        self._out.clear()
        self._out_bytes = 0
        if self.is_open:
            self._owner.ended(self, reason)
