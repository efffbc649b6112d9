"""What the compiled encoders and decoders call: varints, tagged fields, and the faults they raise.

The functions here run on the rare paths; the common ones are written inline by `decoder.py` and
`encoder.py`. Pure.

Source: Kafka protocol guide, "Protocol Primitive Types"; KIP-482 (compact types, tagged fields).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NoReturn
from uuid import UUID

from sprawl.core.errors import PeerFault
from sprawl.core.ids import ZERO_UUID
from sprawl.gateway.codec.message import Buffer

STRING_BYTES_MAX: Final = 32_767
"""Longest string in UTF-8 bytes, in the compact form too: what an int16 length can say."""

VARINT_MAX: Final = 0xFFFF_FFFF


def read_uvarint(buf: memoryview, pos: int, first: int) -> tuple[int, int]:
    """The rest of an unsigned varint whose first byte, just before `pos`, is above 127.

    Returns: (value in [128, 2^32) or a longer spelling of a small one, position after it).
    Raises: PeerFault for more than 32 bits; IndexError when the frame ends inside.
    """
    value = first & 0x7F
    shift = 7
    while True:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            if value > VARINT_MAX:
                raise PeerFault("a varint does not fit 32 bits")
            return value, pos
        shift += 7
        if shift > 28:
            raise PeerFault("a varint is longer than 5 bytes")


def uvarint(value: int) -> bytes:
    """Unsigned varint of `value` in [0, 2^32). Raises ValueError outside of it."""
    if not 0 <= value <= VARINT_MAX:
        raise ValueError(f"{value} does not fit an unsigned varint")
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=4096)
def uuid_of(raw: bytes) -> UUID:
    """UUID of 16 bytes. Cached, because topic ids repeat on every request."""
    return UUID(bytes=raw) if any(raw) else ZERO_UUID


def encode_tags(known: Mapping[int, bytes], unknown: Mapping[int, Buffer] | None) -> bytes:
    """A tagged-field section: count, then (tag, size, content) in ascending order of tags.

    Raises: ValueError when an unknown tag is one that this version defines.
    """
    fields: dict[int, Buffer] = dict(known)
    for tag, content in (unknown or {}).items():
        if tag in fields:
            raise ValueError(f"tag {tag} is both a known and an unknown field")
        fields[tag] = content
    parts: list[Buffer] = [uvarint(len(fields))]
    for tag in sorted(fields):
        parts += (uvarint(tag), uvarint(len(fields[tag])), fields[tag])
    return b"".join(parts)


def skip_tags(buf: memoryview, pos: int) -> int:
    """Position after a tagged-field section none of whose tags means anything to us.

    Raises: PeerFault when the section is malformed.
    """
    count, pos = read_length(buf, pos)
    if count * 2 > len(buf) - pos:
        bad_count(count, "tagged fields")
    for _ in range(count):
        _, pos = read_length(buf, pos)
        size, pos = read_length(buf, pos)
        pos += size
        if pos > len(buf):
            bad_length(size, "tagged field")
    return pos


def read_length(buf: memoryview, pos: int) -> tuple[int, int]:
    """An unsigned varint at `pos`. Returns: (value, position after it)."""
    if pos >= len(buf):
        raise PeerFault("the frame ends inside a varint")
    first = buf[pos]
    if first < 128:
        return first, pos + 1
    try:
        return read_uvarint(buf, pos + 1, first)
    except IndexError:
        raise PeerFault("the frame ends inside a varint") from None


def bad_length(length: int, field: str) -> NoReturn:
    """A string or bytes length that is null where null is not allowed, or past the frame's end."""
    raise PeerFault(f"{field} has the length {length}, which the frame cannot hold")


def bad_count(count: int, field: str) -> NoReturn:
    """An array count that is null where null is not allowed, or more than the frame can hold."""
    raise PeerFault(f"{field} announces {count} elements, more than the frame or the node allows")


def bad_tag(tag: int, field: str) -> NoReturn:
    """A tagged field whose content is not as long as its size says."""
    raise PeerFault(f"tagged field {tag} of {field} differs from its announced size")


def not_in_version(field: str, version: int) -> NoReturn:
    """Kafka's UnsupportedVersionException: a value was set that this version cannot carry."""
    raise ValueError(f"{field} is set, but version {version} does not carry it")


def too_long(field: str) -> NoReturn:
    """A string of more than STRING_BYTES_MAX bytes."""
    raise ValueError(f"{field} is longer than {STRING_BYTES_MAX} bytes")
