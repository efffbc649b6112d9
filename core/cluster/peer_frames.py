"""Frames between nodes: u32 length of what follows, u8 type, body; integers are big-endian. Pure.

    HELLO     greeting (handshake.py)              first from each side, after the magic
    READY     u64 incarnation of the greeted       the dialer's last word of the handshake
    REFUSED   refusal (handshake.py)
    ONE_WAY   u16 kind, bytes
    REQUEST   u64 call, u32 timeout_ms, u8 size and method in ASCII, bytes
    RESPONSE  u64 call, bytes
    ERROR     u64 call, i16 Kafka error code, text
    PING      u64 token
    PONG      u64 token
    GOAWAY    u8 why, text

There is no checksum: TCP has one, TLS a far better one, and record batches and Raft entries carry a
CRC-32C of their own from the producer to the disk, which a checksum here would repeat.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from sprawl.core.cluster.handshake import Hello, printable
from sprawl.core.errors import ErrorCode, PeerFault

MAGIC = b"\x93SPRAWL\n"
"""First bytes of each direction: not ASCII, not TLS, and as a size of Kafka's absurd."""

LENGTH_BYTES = 4
METHOD_BYTES_MAX = 255
_ERROR_TEXT_BYTES_MAX = 1_024

_HEAD = struct.Struct(">IB")
_ONE_WAY = struct.Struct(">IBH")
_REQUEST = struct.Struct(">IBQIB")
_RESPONSE = struct.Struct(">IBQ")
_ERROR = struct.Struct(">IBQh")
_TOKEN = struct.Struct(">IBQ")
_GOAWAY = struct.Struct(">IBB")

_KIND = struct.Struct(">xH")
_ASKED = struct.Struct(">xQIB")
_ANSWERED = struct.Struct(">xQ")
_FAILED = struct.Struct(">xQh")

ONE_WAY_HEAD_BYTES = _ONE_WAY.size
REQUEST_HEAD_BYTES_MAX = _REQUEST.size + METHOD_BYTES_MAX
RESPONSE_HEAD_BYTES = _RESPONSE.size


class FrameType(enum.IntEnum):
    """The value is what the wire carries (u8)."""

    HELLO = 1
    READY = 2
    REFUSED = 3
    ONE_WAY = 4
    REQUEST = 5
    RESPONSE = 6
    ERROR = 7
    PING = 8
    PONG = 9
    GOAWAY = 10


class Goodbye(enum.IntEnum):
    """Why a side sends nothing new on a connection any more."""

    OTHER = 0
    """A reason of a later version."""
    SUPERSEDED = 1
    """The pair has another connection; calls under way here are still answered."""
    CLOSING = 2
    """The node stops."""
    FAULT = 3
    """The receiver of this broke the protocol; the text tells how."""


class Opened(NamedTuple):
    """The handshake is done."""

    peer: Hello


class Message(NamedTuple):
    """A one-way message."""

    kind: int
    body: memoryview


class Request(NamedTuple):
    """A call; its caller waits `timeout_ms` from when it was sent."""

    call: int
    timeout_ms: int
    method: str
    body: memoryview


class Response(NamedTuple):
    """The answer to a call."""

    call: int
    body: memoryview


class Failure(NamedTuple):
    """The error that a call met."""

    call: int
    code: ErrorCode
    text: str


class Ping(NamedTuple):
    """Is to be sent back as Pong."""

    token: int


class Pong(NamedTuple):
    """An answer to a Ping."""

    token: int


class Goaway(NamedTuple):
    """The peer sends nothing new on this connection."""

    why: Goodbye
    text: str


Event = Opened | Message | Request | Response | Failure | Ping | Pong | Goaway


# --- sending ----------------------------------------------------------------------------------


def encode_frame(kind: FrameType, body: bytes) -> bytes:
    """A small frame in one piece."""
    return _HEAD.pack(1 + len(body), kind) + body


def one_way_head(kind: int, body_bytes: int) -> bytes:
    """What goes before the body of a one-way message. `kind` in [0, 2^16)."""
    return _ONE_WAY.pack(3 + body_bytes, FrameType.ONE_WAY, kind)


def request_head(call: int, timeout_ms: int, method: bytes, body_bytes: int) -> bytes:
    """What goes before the body of a request."""
    size = 14 + len(method) + body_bytes
    return _REQUEST.pack(size, FrameType.REQUEST, call, timeout_ms, len(method)) + method


def response_head(call: int, body_bytes: int) -> bytes:
    """What goes before the body of a response."""
    return _RESPONSE.pack(9 + body_bytes, FrameType.RESPONSE, call)


def encode_error(call: int, code: ErrorCode, text: str) -> bytes:
    """An ERROR frame; a long text is cut."""
    data = text.encode()[:_ERROR_TEXT_BYTES_MAX]
    return _ERROR.pack(11 + len(data), FrameType.ERROR, call, code) + data


def encode_ping(token: int) -> bytes:
    """A PING frame."""
    return _TOKEN.pack(9, FrameType.PING, token)


def encode_pong(token: int) -> bytes:
    """A PONG frame."""
    return _TOKEN.pack(9, FrameType.PONG, token)


def encode_goaway(why: Goodbye, text: str) -> bytes:
    """A GOAWAY frame; a long text is cut."""
    data = text.encode()[:_ERROR_TEXT_BYTES_MAX]
    return _GOAWAY.pack(2 + len(data), FrameType.GOAWAY, why) + data


# --- receiving --------------------------------------------------------------------------------


def parse_event(frame: memoryview) -> Event:
    """What an open connection received.

    Args:
        frame: type and body, at least one byte, on a buffer of its own: bodies are views of it.

    Raises: PeerFault.
    """
    kind = frame[0]
    try:
        if kind == FrameType.ONE_WAY:
            return Message(_KIND.unpack_from(frame)[0], frame[3:])
        if kind == FrameType.RESPONSE:
            return Response(_ANSWERED.unpack_from(frame)[0], frame[9:])
        if kind == FrameType.REQUEST:
            return _parse_request(frame)
        if kind == FrameType.ERROR:
            call, code = _FAILED.unpack_from(frame)
            return Failure(call, _code_of(code), printable(bytes(frame[11:])))
        if kind in (FrameType.PING, FrameType.PONG):
            (token,) = _ANSWERED.unpack_from(frame)
            return Ping(token) if kind == FrameType.PING else Pong(token)
        if kind == FrameType.GOAWAY:
            why = frame[1]
            return Goaway(
                Goodbye(why) if why in _GOODBYES else Goodbye.OTHER, printable(bytes(frame[2:]))
            )
    except (struct.error, IndexError) as error:
        raise PeerFault(f"a frame of type {kind} ends after {len(frame)} bytes") from error
    raise PeerFault(f"a frame of type {kind} on an open connection")


def _parse_request(frame: memoryview) -> Request:
    call, timeout_ms, size = _ASKED.unpack_from(frame)
    body_at = 14 + size
    name = bytes(frame[14:body_at])
    if len(name) < size:
        raise PeerFault("a request ends inside the name of its method")
    try:
        method = name.decode("ascii")
    except UnicodeDecodeError as error:
        raise PeerFault("the name of a method is not ASCII") from error
    return Request(call, timeout_ms, method, frame[body_at:])


def _code_of(code: int) -> ErrorCode:
    """An error code; one of a later version is told by its text only."""
    return ErrorCode(code) if code in _CODES else ErrorCode.UNKNOWN_SERVER_ERROR


_CODES = frozenset(ErrorCode)
_GOODBYES = frozenset(Goodbye)
