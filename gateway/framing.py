"""Bytes of a connection to frames. Pure: no socket, no loop.

Each frame is a bytearray of its own, of the exact size, so that the log may keep views of it and
stamp batches in place. The bytes of a large frame are received straight into it; small frames are
copied once out of the scratch buffer that all connections of a server share.

    HEAD --4 bytes of size--> BODY --size bytes--> frame, back to HEAD

Rules:
1. A size is judged before anything is allocated for it.
2. Every byte in the scratch buffer is consumed before `received` returns.
"""

from __future__ import annotations

from sprawl.core.errors import PeerFault

_HTTP_METHODS = frozenset({b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN"})
_TLS_HANDSHAKE = b"\x16\x03"


class HttpFault(PeerFault):
    """A web browser or an HTTP client speaks to the Kafka port."""


class FrameReader:
    """The receiving half of one connection.

    Args:
        frame_bytes_max: larger frames are a fault (socket.request.max.bytes).
    """

    __slots__ = ("_filled", "_frame", "_frame_bytes_max", "_head", "_target", "frame_count")

    def __init__(self, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._head = b""
        self._frame: bytearray | None = None
        self._filled = 0
        self._target: memoryview | None = None
        self.frame_count = 0

    @property
    def mid_frame(self) -> bool:
        """Part of a frame has arrived and the rest has not."""
        return self._frame is not None or bool(self._head)

    def target(self) -> memoryview | None:
        """Where the next bytes belong, when they belong to a frame under way; None: the scratch
        buffer."""
        if self._frame is None:
            return None
        self._target = memoryview(self._frame)[self._filled :]
        return self._target

    def received(self, scratch: memoryview, count: int) -> list[bytearray]:
        """Take `count` bytes that were written to `target()`, or to `scratch` when it was None.

        Returns: the frames that are complete now, in order.
        Raises: PeerFault for a size no correct client sends.
        """
        if self._target is not None:
            self._target = None
            return self._grow(count)
        return self._parse(scratch, count)

    def _grow(self, count: int) -> list[bytearray]:
        frame = self._frame
        assert frame is not None
        self._filled += count
        if self._filled < len(frame):
            return []
        self._frame = None
        self.frame_count += 1
        return [frame]

    def _parse(self, scratch: memoryview, count: int) -> list[bytearray]:
        frames: list[bytearray] = []
        pos = 0
        while pos < count:
            if self._head or count - pos < 4:
                taken = min(4 - len(self._head), count - pos)
                self._head += bytes(scratch[pos : pos + taken])
                pos += taken
                if len(self._head) < 4:
                    break
                size = self._size(self._head)
                self._head = b""
            else:
                size = self._size(bytes(scratch[pos : pos + 4]))
                pos += 4
            if size <= count - pos:
                frames.append(bytearray(scratch[pos : pos + size]))
                self.frame_count += 1
                pos += size
                continue
            frame = bytearray(size)
            self._filled = count - pos
            frame[: self._filled] = scratch[pos:count]
            self._frame = frame
            break
        return frames

    def _size(self, head: bytes) -> int:
        if not self.frame_count:
            self._check_protocol(head)
        size = int.from_bytes(head, "big", signed=True)
        if size <= 0:
            raise PeerFault(f"a request size of {size} bytes")
        if size > self._frame_bytes_max:
            raise PeerFault(
                f"a request of {size} bytes is larger than"
                f" socket.request.max.bytes={self._frame_bytes_max}"
            )
        return size

    def _check_protocol(self, head: bytes) -> None:
        if head in _HTTP_METHODS:
            raise HttpFault("the peer speaks HTTP, but this is the Kafka port")
        if head[:2] == _TLS_HANDSHAKE:
            raise PeerFault(
                "the peer starts a TLS handshake, but this listener is PLAINTEXT:"
                " set security.protocol=PLAINTEXT in the client"
            )
