"""The five codecs of a record batch, with a bound on what comes out.

| id | name | what producers write | what else is read |
|---|---|---|---|
| 0 | none | | |
| 1 | gzip | one member | members one after the other |
| 2 | snappy | xerial framing (Java, librdkafka) | a raw snappy block; framed streams in a row |
| 3 | lz4 | one frame, independent blocks | frames one after the other, linked blocks |
| 4 | zstd | one frame | frames one after the other, frames without content size |

A codec's library is loaded when a batch needs it. Decompression stops at `limit` bytes: a claimed
size is checked before anything of that size is allocated, and where nothing is claimed the output
is taken in steps (gzip, lz4) or its bound read off the block headers (zstd).

Source: KIP-110 (zstd), KIP-390 and KIP-780 (levels), xerial snappy-java's stream format, RFC 1952.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.limits import DECOMPRESSED_BYTES_MAX
from sprawl.core.records.crc import Readable

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4

CODEC_NAMES: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""Name by id, as producers' `compression.type` spells them; a topic's says `uncompressed` for 0."""

DEFAULT_LEVELS: Final = {GZIP: -1, LZ4: 9, ZSTD: 3}
"""Kafka's defaults of compression.{gzip,lz4,zstd}.level; snappy has no level."""

_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES: Final = 32_768
_SNAPPY_EXPANSION_MAX: Final = 22
"""A copy of three bytes makes at most 64: no raw block grows more than this."""
_INT32: Final = struct.Struct(">i")
_STEP_BYTES: Final = 1_048_576
_ZSTD_BLOCK_BYTES_MAX: Final = 131_072
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""Last three bytes of the magic of a frame that holds no data; the first is 0x50 to 0x5F."""


def compress(codec: int, data: Readable, level: int | None = None) -> bytes:
    """Compress the records section of a batch.

    Args:
        codec: id, 0 to 4.
        level: of the codec; None takes Kafka's default.

    Raises:
        ValueError: there is no such codec or level.
    """
    if codec == NONE:
        return bytes(data)
    if codec not in _COMPRESSORS:
        raise ValueError(f"no compression codec {codec}")
    return _COMPRESSORS[codec](data, DEFAULT_LEVELS.get(codec, 0) if level is None else level)


def decompress(codec: int, data: Readable, limit: int = DECOMPRESSED_BYTES_MAX) -> bytes:
    """Undo `compress`, whoever compressed.

    Args:
        limit: the most bytes that may come out.

    Raises:
        KafkaFault: UNSUPPORTED_COMPRESSION_TYPE for ids 5 to 7; INVALID_RECORD when the data is
            damaged, cut off, followed by something else, or larger than `limit`.
    """
    if codec == NONE:
        if len(data) > limit:
            raise _too_large(limit)
        return bytes(data)
    if codec not in _DECOMPRESSORS:
        raise KafkaFault(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"There is no compression codec {codec}."
        )
    return _DECOMPRESSORS[codec](data, limit)


def _damaged(codec: int, detail: object) -> KafkaFault:
    return KafkaFault(
        ErrorCode.INVALID_RECORD, f"The {CODEC_NAMES[codec]} data of a batch is damaged: {detail}."
    )


def _too_large(limit: int) -> KafkaFault:
    return KafkaFault(
        ErrorCode.INVALID_RECORD, f"A batch is larger than {limit} bytes when decompressed."
    )


# --- gzip ----------------------------------------------------------------------------------------


def _compress_gzip(data: Readable, level: int) -> bytes:
    try:
        stream = zlib.compressobj(level, zlib.DEFLATED, 31)
    except (zlib.error, ValueError):
        raise ValueError(f"gzip has no level {level}") from None
    return stream.compress(data) + stream.flush()


def _decompress_gzip(data: Readable, limit: int) -> bytes:
    rest = bytes(data)
    out = bytearray()
    while True:
        stream = zlib.decompressobj(31)
        try:
            out += stream.decompress(rest, limit - len(out) + 1)
        except zlib.error as error:
            raise _damaged(GZIP, error) from None
        if len(out) > limit:
            raise _too_large(limit)
        if not stream.eof:
            raise _damaged(GZIP, "it ends early")
        rest = stream.unused_data
        if not rest:
            return bytes(out)


# --- snappy --------------------------------------------------------------------------------------


def _compress_snappy(data: Readable, _level: int) -> bytes:
    from cramjam import snappy

    view = memoryview(data)
    parts = [_XERIAL_HEADER]
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        parts.append(_INT32.pack(len(block)))
        parts.append(block)
    return b"".join(parts)


def _decompress_snappy(data: Readable, limit: int) -> bytes:
    view = memoryview(data)
    if bytes(view[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return _decompress_snappy_block(view, limit)
    out = bytearray()
    pos = 0
    end = len(view)
    while pos < end:
        if bytes(view[pos : pos + len(_XERIAL_MAGIC)]) == _XERIAL_MAGIC:
            pos += len(_XERIAL_HEADER)
            if pos > end:
                raise _damaged(SNAPPY, "it ends early")
            continue
        if end - pos < _INT32.size:
            raise _damaged(SNAPPY, "it ends early")
        (size,) = _INT32.unpack_from(view, pos)
        pos += _INT32.size
        if not 0 <= size <= end - pos:
            raise _damaged(SNAPPY, f"a block of {size} bytes with {end - pos} left")
        out += _decompress_snappy_block(view[pos : pos + size], limit - len(out))
        pos += size
    return bytes(out)


def _decompress_snappy_block(block: memoryview, limit: int) -> bytes:
    from cramjam import DecompressionError, snappy

    try:
        size = snappy.decompress_raw_len(block)
        if size > limit:
            raise _too_large(limit)
        if size > len(block) * _SNAPPY_EXPANSION_MAX:
            raise _damaged(SNAPPY, f"{len(block)} bytes cannot hold {size}")
        return bytes(snappy.decompress_raw(block))
    except DecompressionError as error:
        raise _damaged(SNAPPY, error) from None


# --- lz4 -----------------------------------------------------------------------------------------


def _compress_lz4(data: Readable, level: int) -> bytes:
    from lz4 import frame

    # Java's reader refuses linked blocks.
    packed: bytes = frame.compress(
        data,
        compression_level=level,
        block_size=frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        store_size=False,
    )
    return packed


def _decompress_lz4(data: Readable, limit: int) -> bytes:
    from lz4 import frame

    rest = bytes(data)
    out = bytearray()
    while True:
        stream = frame.LZ4FrameDecompressor()
        while not stream.eof:
            try:
                part = stream.decompress(rest, min(_STEP_BYTES, limit - len(out) + 1))
            except (RuntimeError, EOFError, ValueError) as error:
                raise _damaged(LZ4, error) from None
            out += part
            if len(out) > limit:
                raise _too_large(limit)
            if not part and not stream.eof:
                raise _damaged(LZ4, "it ends early")
            rest = b""
        rest = stream.unused_data or b""
        if not rest:
            return bytes(out)


# --- zstd ----------------------------------------------------------------------------------------


def _compress_zstd(data: Readable, level: int) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=level).compress(data)


def _decompress_zstd(data: Readable, limit: int) -> bytes:
    import zstandard

    view = memoryview(data)
    out = bytearray()
    pos = 0
    try:
        while pos < len(view) or not pos:
            if bytes(view[pos + 1 : pos + 4]) == _ZSTD_SKIPPABLE and view[pos] >> 4 == 5:
                pos += 8 + int.from_bytes(view[pos + 4 : pos + 8], "little")
                continue
            end, size_max = _zstd_frame_end(view, pos, zstandard.frame_header_size(view[pos:]))
            frame = view[pos:end]
            left = limit - len(out)
            size = zstandard.frame_content_size(frame)
            if size > left:
                raise _too_large(limit)
            if size > size_max:
                raise _damaged(ZSTD, f"{len(frame)} bytes cannot hold {size}")
            bound = max(1, min(size_max, left))
            out += zstandard.ZstdDecompressor().decompress(frame, max_output_size=bound)
            pos = end
        if pos > len(view):
            raise IndexError
    except zstandard.ZstdError as error:
        raise _damaged(ZSTD, error) from None
    except IndexError:
        raise _damaged(ZSTD, "it ends early") from None
    return bytes(out)


def _zstd_frame_end(view: memoryview, start: int, header_bytes: int) -> tuple[int, int]:
    """Walk a frame's blocks (RFC 8878, 3.1.1): where it ends, and the most that it can make."""
    pos = start + header_bytes
    size_max = 0
    is_last = False
    while not is_last:
        block = view[pos] | view[pos + 1] << 8 | view[pos + 2] << 16
        is_last = bool(block & 1)
        is_run = (block >> 1) & 3 == 1
        size_max += block >> 3 if (block >> 1) & 3 <= 1 else _ZSTD_BLOCK_BYTES_MAX
        pos += 3 + (1 if is_run else block >> 3)
    has_checksum = view[start + 4] & 4
    pos += 4 if has_checksum else 0
    if pos > len(view):
        raise IndexError
    return pos, size_max


_COMPRESSORS: Final[dict[int, Callable[[Readable, int], bytes]]] = {
    GZIP: _compress_gzip,
    SNAPPY: _compress_snappy,
    LZ4: _compress_lz4,
    ZSTD: _compress_zstd,
}
_DECOMPRESSORS: Final[dict[int, Callable[[Readable, int], bytes]]] = {
    GZIP: _decompress_gzip,
    SNAPPY: _decompress_snappy,
    LZ4: _decompress_lz4,
    ZSTD: _decompress_zstd,
}
