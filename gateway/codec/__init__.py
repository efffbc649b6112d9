"""The Kafka wire codec: bytes of a frame to message objects and back, every API and version.

A frame is what follows the int32 size on the wire. Importing this package loads no message class:
those come with the first message of their API, and each encoder and decoder is compiled when it is
first needed.

Malformed input raises `core.errors.PeerFault`, and nothing else. A message that its version cannot
carry raises ValueError: the mistake is ours. README.md holds the numbered rules.

Source: Kafka protocol guide; KIP-482 (flexible versions), KIP-511 (ApiVersions), KIP-896 (floor).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.core.limits import REQUEST_ELEMENTS_MAX, RESPONSE_ELEMENTS_MAX
from sprawl.gateway.codec._generated.api_ranges import RANGES

if TYPE_CHECKING:
    from sprawl.gateway.codec.compiled import Decoder, Encoder
    from sprawl.gateway.codec.message import Buffer, Struct

API_VERSIONS_KEY: Final = 18


class ApiInfo(NamedTuple):
    """Versions of one API. `max_version` is the highest stable one, which a broker may announce;
    the codec knows up to `latest_version`. `flexible_from` is above every version if none is
    flexible (KIP-482)."""

    key: int
    name: str
    min_version: int
    max_version: int
    latest_version: int
    flexible_from: int
    module: str


class RequestHeader(NamedTuple):
    """What precedes every request's body, header versions 1 and 2."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None


API_RANGES: Final[Mapping[int, ApiInfo]] = MappingProxyType(
    {row[0]: ApiInfo(*row) for row in RANGES}
)
"""API key -> its versions, as Apache Kafka 4.3 has them."""

_REQUEST_PREFIX: Final = struct.Struct(">hhih")
_SIZED_REQUEST_PREFIX: Final = struct.Struct(">ihhih")
_RESPONSE_PREFIX: Final = struct.Struct(">ii")
_SIZE: Final = struct.Struct(">i")
_UNSUPPORTED_VERSION: Final = ErrorCode.UNSUPPORTED_VERSION.to_bytes(2, "big")

_decoders: dict[tuple[int, int, bool], Decoder] = {}
_encoders: dict[tuple[int, int, bool], Encoder] = {}


def decode_request_header(frame: memoryview) -> tuple[RequestHeader, int]:
    """Read a request's header.

    An API or version that the codec does not know is no fault here: the caller decides what it
    answers. A version above the known ones is taken to be flexible when the API has gone flexible,
    which lets a newer client's ApiVersions request be answered (KIP-511).

    Returns: (header, position of the body in `frame`).
    Raises: PeerFault when the header is cut short or malformed.
    """
    frame = memoryview(frame)
    if len(frame) < 10:
        raise PeerFault(f"a request of {len(frame)} bytes has no complete header")
    api_key, api_version, correlation_id, length = _REQUEST_PREFIX.unpack_from(frame)
    client_id = None
    pos = 10
    if length >= 0:
        pos += length
        if pos > len(frame):
            raise PeerFault(f"client_id has the length {length}, which the frame cannot hold")
        client_id = str(frame[10:pos], "utf-8", "replace")
    info = API_RANGES.get(api_key)
    if info is not None and api_version >= info.flexible_from:
        pos = _skip_tags(frame, pos)
    return RequestHeader(api_key, api_version, correlation_id, client_id), pos


def decode_request_body(api_key: int, version: int, frame: memoryview, pos: int) -> Struct:
    """Read the body of a request, which starts at `pos`.

    Bytes after it are passed over, as Kafka does: librdkafka 2.16 ends Metadata v13 with three.

    Records fields are views of `frame`, not copies.

    Raises: PeerFault when the body is malformed, or the API or version is unknown.
    """
    return _decode(api_key, version, memoryview(frame), pos, is_request=True)


def decode_request(frame: memoryview) -> tuple[RequestHeader, Struct]:
    """Read a whole request. Raises PeerFault as the two functions above do."""
    header, pos = decode_request_header(frame)
    return header, decode_request_body(header.api_key, header.api_version, frame, pos)


def decode_response(api_key: int, version: int, frame: memoryview) -> tuple[int, Struct]:
    """Read a whole response to a request of this API and version.

    An ApiVersions response that says UNSUPPORTED_VERSION has a version 0 body, whatever was asked.

    Returns: (correlation id, body).
    Raises: PeerFault when the response is malformed.
    """
    frame = memoryview(frame)
    if len(frame) < 4:
        raise PeerFault(f"a response of {len(frame)} bytes has no correlation id")
    (correlation_id,) = _SIZE.unpack_from(frame)
    if api_key == API_VERSIONS_KEY and frame[4:6] == _UNSUPPORTED_VERSION:
        version = 0
    pos = _skip_tags(frame, 4) if _has_flexible_response_header(api_key, version) else 4
    return correlation_id, _decode(api_key, version, frame, pos, is_request=False)


def encode_request(header: RequestHeader, body: Struct) -> list[Buffer]:
    """A request with its size prefix, as buffers to be written in sequence.

    Raises: ValueError when the version cannot carry the message.
    """
    api_key, version, correlation_id, client_id = header
    name = b"" if client_id is None else client_id.encode()
    length = -1 if client_id is None else len(name)
    try:
        head = _SIZED_REQUEST_PREFIX.pack(0, api_key, version, correlation_id, length) + name
    except struct.error as error:
        raise ValueError(f"{header} does not fit the wire: {error}") from None
    info = API_RANGES.get(api_key)
    if info is not None and version >= info.flexible_from:
        head += b"\0"
    return _with_size(_encode(api_key, version, body, head, is_request=True))


def encode_response(api_key: int, version: int, correlation_id: int, body: Struct) -> list[Buffer]:
    """A response with its size prefix, as buffers to be written in sequence.

    Records fields are buffers of the list, not copies: they must not change until written.

    Raises: ValueError when the version cannot carry the message.
    """
    head = _RESPONSE_PREFIX.pack(0, correlation_id)
    if _has_flexible_response_header(api_key, version):
        head += b"\0"
    return _with_size(_encode(api_key, version, body, head, is_request=False))


def encode_body(api_key: int, version: int, is_request: bool, body: Struct) -> list[Buffer]:
    """A message without header and size prefix. Raises ValueError as `encode_response` does."""
    return _encode(api_key, version, body, b"", is_request=is_request)


def encode_api_versions_fallback(
    correlation_id: int, min_version: int, max_version: int
) -> list[Buffer]:
    """The answer to an ApiVersions request of an unknown version: a version 0 body that says
    UNSUPPORTED_VERSION and which versions the client can retry with (KIP-511).
    """
    from sprawl.gateway.codec._generated.k18_api_versions import ApiVersion, ApiVersionsResponse

    own = ApiVersion(api_key=API_VERSIONS_KEY, min_version=min_version, max_version=max_version)
    body = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[own])
    return encode_response(API_VERSIONS_KEY, 0, correlation_id, body)


def _has_flexible_response_header(api_key: int, version: int) -> bool:
    """Response header version 1, which ApiVersions never uses: its reader may know only 0."""
    info = API_RANGES.get(api_key)
    return info is not None and version >= info.flexible_from and api_key != API_VERSIONS_KEY


def _skip_tags(frame: memoryview, pos: int) -> int:
    if pos < len(frame) and not frame[pos]:
        return pos + 1
    from sprawl.gateway.codec.primitives import skip_tags

    return skip_tags(frame, pos)


def _decode(api_key: int, version: int, frame: memoryview, pos: int, *, is_request: bool) -> Struct:
    decode = _decoders.get((api_key, version, is_request))
    if decode is None:
        decode = _load_decoder(api_key, version, is_request=is_request)
    budget = REQUEST_ELEMENTS_MAX if is_request else RESPONSE_ELEMENTS_MAX
    try:
        body, pos = decode(frame, pos, budget)
    except (struct.error, IndexError):
        what = _describe(api_key, version, is_request=is_request)
        raise PeerFault(f"{what} ends after {len(frame)} bytes, inside a field") from None
    if pos != len(frame) and not is_request:
        what = _describe(api_key, version, is_request=is_request)
        raise PeerFault(f"{what} is followed by {len(frame) - pos} bytes that mean nothing")
    return body


def _encode(
    api_key: int, version: int, body: Struct, head: bytes, *, is_request: bool
) -> list[Buffer]:
    encode = _encoders.get((api_key, version, is_request))
    if encode is None:
        encode = _load_encoder(api_key, version, is_request=is_request)
    try:
        return encode(body, head)
    except (struct.error, AttributeError, TypeError) as error:
        what = _describe(api_key, version, is_request=is_request)
        raise ValueError(f"{what} holds a value of the wrong type or range: {error}") from error


def _with_size(buffers: list[Buffer]) -> list[Buffer]:
    """Patch the size into the first four bytes, which the head left open."""
    first = buffers[0]
    assert isinstance(first, bytearray)
    size = sum(map(len, buffers)) - 4
    try:
        _SIZE.pack_into(first, 0, size)
    except struct.error:
        raise ValueError(f"a frame of {size} bytes does not fit an int32 size") from None
    return buffers


def _load_decoder(api_key: int, version: int, *, is_request: bool) -> Decoder:
    info = API_RANGES.get(api_key)
    if info is None or not info.min_version <= version <= info.latest_version:
        raise PeerFault(f"{_describe(api_key, version, is_request=is_request)} is not supported")
    from sprawl.gateway.codec.compiled import compile_decoder

    decode = compile_decoder(info.module, version, is_request=is_request)
    _decoders[api_key, version, is_request] = decode
    return decode


def _load_encoder(api_key: int, version: int, *, is_request: bool) -> Encoder:
    info = API_RANGES.get(api_key)
    if info is None or not info.min_version <= version <= info.latest_version:
        raise ValueError(f"{_describe(api_key, version, is_request=is_request)} is not supported")
    from sprawl.gateway.codec.compiled import compile_encoder

    encode = compile_encoder(info.module, version, is_request=is_request)
    _encoders[api_key, version, is_request] = encode
    return encode


def _describe(api_key: int, version: int, *, is_request: bool) -> str:
    info = API_RANGES.get(api_key)
    name = info.name if info is not None else f"api {api_key}"
    return f"{name}{'Request' if is_request else 'Response'} v{version}"
