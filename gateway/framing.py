"""Bytes of a connection to frames. Pure: no socket, no loop.

Each frame is a bytearray of its own, of the exact size, so that the log may keep views of it and
stamp batches in place. The bytes of a large frame are received straight into it; small frames are
copied once out of the scratch buffer that all connections of a server share.

    HEAD --4 bytes of size--> BODY --size bytes--> frame, back to HEAD

Rules:
1. A size is judged before anything is allocated for it, and on its word alone no more than
   FRAME_BYTES_UPFRONT_MAX is: a larger frame grows as its bytes arrive.
2. Every byte in the scratch buffer is consumed before `received` returns.
3. The frames before a fault are returned whatever pieces the bytes came in. A fault is final.
"""

from __future__ import annotations

from sprawl.core.errors import PeerFault
from sprawl.core.limits import FRAME_BYTES_UPFRONT_MAX

_HTTP_METHODS = frozenset({b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN"})
_HTTP2_PREFACE = b"PRI "
_TLS_HANDSHAKE = b"\x16\x03"
_PROXY_HEADERS = frozenset({b"PROX", b"\r\n\r\n"})
_HEAD_BYTES = 4


class HttpFault(PeerFault):
    """A web browser or an HTTP client speaks to the Kafka port."""


class FrameReader:
    """The receiving half of one connection.

    Args:
        frame_bytes_max: larger frames are a fault (socket.request.max.bytes).

    `fault` is what the peer did wrong, None while all is well; after it nothing is taken.
    """

    __slots__ = (
        "_filled",
        "_frame",
        "_frame_bytes_max",
        "_head",
        "_is_first",
        "_size",
        "_target",
        "fault",
    )

    def __init__(self, frame_bytes_max: int) -> None:
        self.fault: PeerFault | None = None
        self._frame_bytes_max = frame_bytes_max
        self._is_first = True
        self._head = b""
        self._frame: bytearray | None = None
        self._size = 0
        self._filled = 0
        self._target: memoryview | None = None

    def target(self) -> memoryview | None:
        """Where the next bytes belong, when they belong to a frame under way; None: the scratch
        buffer. Views given out before must be gone by now."""
        frame = self._frame
        if frame is None:
            return None
        if self._filled == len(frame):
            frame.extend(bytes(min(len(frame), self._size - len(frame))))
        self._target = memoryview(frame)[self._filled :]
        return self._target

    def received(self, scratch: memoryview, count: int) -> list[bytearray]:
        """Take `count` bytes that were written to `target()`, or to `scratch` when it was None.

        Returns: the frames that are complete now, in order; look at `fault` afterwards.
        """
        if self._target is None:
            return self._parse(scratch[:count])
        self._target = None
        frame = self._frame
        assert frame is not None
        self._filled += count
        if self._filled < self._size:
            return []
        self._frame = None
        return [frame]

    def _parse(self, data: memoryview) -> list[bytearray]:
        frames: list[bytearray] = []
        pos = 0
        while pos < len(data) and self.fault is None:
            head = self._head + bytes(data[pos : pos + _HEAD_BYTES - len(self._head)])
            if len(head) < _HEAD_BYTES:
                self._head = head
                break
            pos += _HEAD_BYTES - len(self._head)
            self._head = b""
            size = int.from_bytes(head, "big", signed=True)
            self.fault = self._judge(head, size)
            if self.fault is not None:
                break
            body = data[pos : pos + size]
            pos += size
            if len(body) == size:
                frames.append(bytearray(body))
            else:
                self._begin(size, body)
        return frames

    def _begin(self, size: int, body: memoryview) -> None:
        """Start a frame of which `body` has arrived."""
        self._size = size
        self._filled = len(body)
        self._frame = bytearray(max(len(body), min(size, FRAME_BYTES_UPFRONT_MAX)))
        self._frame[: len(body)] = body

    def _judge(self, head: bytes, size: int) -> PeerFault | None:
        """What is wrong with a size, None if it is one that a correct client sends."""
        if self._is_first:
            self._is_first = False
            fault = _other_protocol(head)
            if fault is not None:
                return fault
        if size <= 0:
            return PeerFault(f"a request size of {size} bytes")
        if size > self._frame_bytes_max:
            return PeerFault(
                f"a request of {size} bytes is larger than"
                f" socket.request.max.bytes={self._frame_bytes_max}"
            )
        return None


def _other_protocol(head: bytes) -> PeerFault | None:
    """Recognise what is not Kafka by its first bytes; as sizes they are absurd or nearly so."""
    if head in _HTTP_METHODS or head == _HTTP2_PREFACE:
        return HttpFault("the peer speaks HTTP, but this is the Kafka port")
    if head[:2] == _TLS_HANDSHAKE:
        return PeerFault(
            "the peer starts a TLS handshake, but this listener is PLAINTEXT:"
            " set security.protocol=PLAINTEXT in the client"
        )
    if head in _PROXY_HEADERS:
        return PeerFault(
            "the peer sends a PROXY protocol header, which this listener does not read:"
            " turn it off in the load balancer"
        )
    return None
