"""One connection between two nodes, without the connection: bytes in, events and bytes out. Pure.

    dialer                                              acceptor
    GREETING  -- magic, HELLO(I am .., you are ..) -->  LISTENING
              <-- magic, HELLO(I am .., you are ..) --  WAITING     or REFUSED(why) --> ENDED
    OPEN      -- READY(your incarnation) ----------->   OPEN        or REFUSED(why) --> ENDED
              <=== frames of peer_frames.py ========>

Rules:
1. Nothing is believed before READY: only a peer that lives can answer the acceptor's greeting, so
   bytes that a dead process left in a socket open nothing and replace nobody.
2. A frame's length is judged before anything is allocated for it: PEER_HANDSHAKE_BYTES_MAX until
   the connection is open, `frame_bytes_max` afterwards.
3. Every frame is handed out as views on a buffer of its own. The bytes of a large frame are
   received straight into it; small frames are copied once out of the scratch buffer.
4. Any bytes give events or one `fault`, which is final; the events before it are valid.
5. Frames have no numbers: TCP keeps their order, and no state outlives a connection, so there is
   nothing to replay.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import replace

from sprawl.core.cluster.handshake import (
    Hello,
    Refused,
    encode_hello,
    encode_refused,
    parse_hello,
    parse_refused,
)
from sprawl.core.cluster.peer_frames import (
    LENGTH_BYTES,
    MAGIC,
    Event,
    FrameType,
    Opened,
    encode_frame,
    parse_event,
)
from sprawl.core.errors import PeerFault
from sprawl.core.limits import PEER_FRAME_BYTES_UPFRONT_MAX, PEER_HANDSHAKE_BYTES_MAX

_TLS_HANDSHAKE = b"\x16\x03"
_HTTP_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI")


class SessionState(enum.Enum):
    """How far a connection has come."""

    LISTENING = enum.auto()
    """The acceptor waits for a greeting."""
    GREETING = enum.auto()
    """The dialer has greeted and waits for the acceptor's greeting."""
    WAITING = enum.auto()
    """The acceptor has greeted and waits for READY."""
    OPEN = enum.auto()
    ENDED = enum.auto()
    """Refused by one side, or broken by a fault."""


class PeerSession:
    """The protocol of one connection.

    Args:
        hello: our greeting; an acceptor's is completed with whom it answers.
        last_dial: for an acceptor's greeting, given the peer's: see `Hello.dial`.
        is_dialer: whether we dialed.
        judge: why not to go on with the peer of this greeting, given ours; None to go on.
        frame_bytes_max: larger frames are a fault.

    After `received` look at `output`, `refused` and `fault`.
    """

    __slots__ = (
        "_filled",
        "_frame",
        "_frame_bytes_max",
        "_head",
        "_is_dialer",
        "_judge",
        "_last_dial",
        "_magic",
        "_output",
        "_size",
        "fault",
        "hello",
        "is_refused_by_us",
        "peer",
        "refused",
        "state",
    )

    def __init__(
        self,
        *,
        hello: Hello,
        is_dialer: bool,
        judge: Callable[[Hello, Hello], Refused | None],
        last_dial: Callable[[Hello], int] = lambda theirs: 0,
        frame_bytes_max: int,
    ) -> None:
        self.hello = hello
        self.peer: Hello | None = None
        self.fault: PeerFault | None = None
        self.refused: Refused | None = None
        self.is_refused_by_us = False
        self.state = SessionState.GREETING if is_dialer else SessionState.LISTENING
        self._is_dialer = is_dialer
        self._judge = judge
        self._last_dial = last_dial
        self._frame_bytes_max = frame_bytes_max
        self._output: list[bytes] = []
        self._magic = b""
        self._head = b""
        self._frame: bytearray | None = None
        self._size = 0
        self._filled = 0
        if is_dialer:
            self._greet()

    # --- bytes --------------------------------------------------------------------------------

    def output(self) -> bytes:
        """Bytes of the handshake that are to be sent now; empties itself."""
        out = b"".join(self._output)
        self._output.clear()
        return out

    def target(self) -> memoryview | None:
        """Where the next bytes belong, when they belong to a large frame under way; None: the
        scratch buffer."""
        frame = self._frame
        if frame is None:
            return None
        if self._filled == len(frame):  # a new buffer: views of the old one may still be around
            grown = bytearray(min(2 * len(frame), self._size))
            grown[: len(frame)] = frame
            self._frame = frame = grown
        return memoryview(frame)[self._filled :]

    def received(self, scratch: memoryview, count: int) -> list[Event]:
        """Take `count` bytes that were written to `target()`, or to `scratch` when it was None.

        Returns: what happened, in order.
        """
        events: list[Event] = []
        if self.state is SessionState.ENDED:
            return events
        try:
            if self._frame is None:
                self._parse(scratch[:count], events)
            else:
                self._filled += count
                if self._filled == self._size:
                    frame, self._frame = self._frame, None
                    self._take(frame, events)
        except PeerFault as fault:
            self.fault = fault
            self.state = SessionState.ENDED
        return events

    def _parse(self, data: memoryview, events: list[Event]) -> None:
        pos = 0 if len(self._magic) == len(MAGIC) else self._take_magic(data)
        end = len(data)
        while pos < end and self.state is not SessionState.ENDED:
            if self._head or end - pos < LENGTH_BYTES:
                wanted = LENGTH_BYTES - len(self._head)
                self._head += bytes(data[pos : pos + wanted])
                pos += wanted
                if len(self._head) < LENGTH_BYTES:
                    return
                size = int.from_bytes(self._head, "big")
                self._head = b""
            else:
                size = int.from_bytes(data[pos : pos + LENGTH_BYTES], "big")
                pos += LENGTH_BYTES
            self._judge_size(size)
            body = data[pos : pos + size]
            pos += size
            if len(body) == size:
                self._take(bytearray(body), events)
            else:
                self._size = size
                self._filled = len(body)
                self._frame = bytearray(max(len(body) + 1, min(size, PEER_FRAME_BYTES_UPFRONT_MAX)))
                self._frame[: len(body)] = body

    def _take_magic(self, data: memoryview) -> int:
        """Compare the first bytes; those of other protocols are told apart.

        Returns: where the frames begin.
        """
        taken = len(MAGIC) - len(self._magic)
        self._magic += bytes(data[:taken])
        if MAGIC.startswith(self._magic):
            return taken
        if self._magic.startswith(_TLS_HANDSHAKE):
            raise PeerFault(
                "the peer starts a TLS handshake, but this node has no TLS between nodes: set it up"
                " on all nodes, or on none"
            )
        if self._magic.startswith(_HTTP_METHODS):
            raise PeerFault("the peer speaks HTTP, but this port is for the nodes of a cluster")
        raise PeerFault(
            "the peer does not speak the protocol between nodes; if it is a Kafka client, give it"
            " the port of a Kafka listener"
        )

    def _judge_size(self, size: int) -> None:
        is_open = self.state is SessionState.OPEN
        size_max = self._frame_bytes_max if is_open else PEER_HANDSHAKE_BYTES_MAX
        if not 0 < size <= size_max:
            raise PeerFault(f"a frame of {size} bytes; 1 to {size_max} are allowed here")

    # --- frames -------------------------------------------------------------------------------

    def _take(self, frame: bytearray, events: list[Event]) -> None:
        view = memoryview(frame)
        if self.state is SessionState.OPEN:
            events.append(parse_event(view))
            return
        kind, body = view[0], view[1:]
        if kind == FrameType.REFUSED and self.state is not SessionState.LISTENING:
            self.refused = parse_refused(body)
            self.state = SessionState.ENDED
        elif kind == FrameType.HELLO and self.state is SessionState.GREETING:
            self._meet(parse_hello(body), events)
        elif kind == FrameType.HELLO and self.state is SessionState.LISTENING:
            self._answer(parse_hello(body))
        elif kind == FrameType.READY and self.state is SessionState.WAITING:
            self._open(body, events)
        else:
            raise PeerFault(f"a frame of type {kind} while {self.state.name}")

    def _greet(self) -> None:
        self._output.append(MAGIC + encode_frame(FrameType.HELLO, encode_hello(self.hello)))

    def _meet(self, theirs: Hello, events: list[Event]) -> None:
        """The dialer has heard who answers."""
        self.peer = theirs
        if self._refuse_if_judged(theirs):
            return
        ready = theirs.identity.incarnation.to_bytes(8, "big")
        self._output.append(encode_frame(FrameType.READY, ready))
        self.state = SessionState.OPEN
        events.append(Opened(theirs))

    def _answer(self, theirs: Hello) -> None:
        """The acceptor has heard who dialed."""
        self.peer = theirs
        you = theirs.identity
        self.hello = replace(
            self.hello,
            to_node_id=you.node_id,
            to_directory_id=you.directory_id,
            dial=self._last_dial(theirs),
            is_visit=theirs.is_visit,
        )
        if self._refuse_if_judged(theirs):
            self._output.insert(0, MAGIC)
            return
        self._greet()
        self.state = SessionState.WAITING

    def _open(self, body: memoryview, events: list[Event]) -> None:
        assert self.peer is not None
        if bytes(body) != self.hello.identity.incarnation.to_bytes(8, "big"):
            raise PeerFault("the peer is ready for another start of this node")
        self.state = SessionState.OPEN
        events.append(Opened(self.peer))

    def _refuse_if_judged(self, theirs: Hello) -> bool:
        refused = self._judge(self.hello, theirs)
        if refused is None:
            return False
        self.refused = refused
        self.is_refused_by_us = True
        self._output.append(encode_frame(FrameType.REFUSED, encode_refused(refused)))
        self.state = SessionState.ENDED
        return True
