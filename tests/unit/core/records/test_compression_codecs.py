"""Every codec both ways, in every framing that producers use, and never more than the limit."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib

import cramjam
import lz4.frame
import pytest
import zstandard

from sprawl.core.errors import ErrorCode, KafkaFault
from sprawl.core.records.compression import GZIP, LZ4, NONE, SNAPPY, ZSTD, compress, decompress

CODECS = [NONE, GZIP, SNAPPY, LZ4, ZSTD]
PACKING = [GZIP, SNAPPY, LZ4, ZSTD]
TEXT = b"the same words again and again, " * 4_000
SIZES = [b"", b"x", TEXT, bytes(range(256)) * 700]


SKIPPABLE = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"


def xerial(*blocks: bytes) -> bytes:
    """The stream format of snappy-java, written out."""
    out = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    for block in blocks:
        raw = bytes(cramjam.snappy.compress_raw(block))
        out += struct.pack(">i", len(raw)) + raw
    return out


def streamed_zstd(data: bytes) -> bytes:
    """A frame without its content size, as streaming encoders write it."""
    stream = zstandard.ZstdCompressor().compressobj()
    frame = stream.compress(data) + stream.flush()
    assert zstandard.frame_content_size(frame) == -1
    return frame


def checksummed_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", SIZES, ids=len)
def test_there_and_back(codec, data):
    assert decompress(codec, compress(codec, data)) == data
    assert decompress(codec, memoryview(compress(codec, memoryview(data)))) == data


@pytest.mark.parametrize("codec", PACKING)
def test_text_gets_smaller(codec):
    assert len(compress(codec, TEXT)) < len(TEXT) / 4


def test_the_libraries_read_what_we_write():
    assert gzip.decompress(compress(GZIP, TEXT)) == TEXT
    assert lz4.frame.decompress(compress(LZ4, TEXT)) == TEXT
    assert zstandard.decompress(compress(ZSTD, TEXT)) == TEXT


def test_snappy_is_written_in_javas_framing():
    data = bytes(range(256)) * 200  # two blocks of 32 KiB
    assert compress(SNAPPY, data) == xerial(data[:32_768], data[32_768:])


def test_lz4_is_written_as_java_reads_it():
    info = lz4.frame.get_frame_info(compress(LZ4, TEXT))
    assert info["block_linked"] is False


@pytest.mark.parametrize(
    ("codec", "packed"),
    [
        (SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))),
        (SNAPPY, xerial(TEXT[:50], TEXT[50:70], TEXT[70:])),
        (SNAPPY, xerial(TEXT[:50]) + xerial(TEXT[50:])),
        (GZIP, gzip.compress(TEXT)),
        (GZIP, gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:])),
        (LZ4, lz4.frame.compress(TEXT, block_linked=True, store_size=True)),
        (LZ4, lz4.frame.compress(TEXT[:50]) + lz4.frame.compress(TEXT[50:])),
        (LZ4, lz4.frame.compress(TEXT, content_checksum=True, block_checksum=True)),
        (ZSTD, streamed_zstd(TEXT)),
        (ZSTD, zstandard.compress(TEXT[:50]) + zstandard.compress(TEXT[50:])),
        (ZSTD, streamed_zstd(TEXT[:50]) + zstandard.compress(TEXT[50:])),
        (ZSTD, zstandard.compress(TEXT[:50]) + streamed_zstd(TEXT[50:])),
        (
            ZSTD,
            SKIPPABLE + zstandard.ZstdCompressor(write_checksum=True).compress(TEXT) + SKIPPABLE,
        ),
    ],
    ids=[
        "raw snappy",
        "snappy in odd blocks",
        "snappy streams in a row",
        "gzip with a file name field or time",
        "gzip members in a row",
        "lz4 linked blocks and content size",
        "lz4 frames in a row",
        "lz4 with checksums",
        "zstd without content size",
        "zstd frames in a row",
        "zstd mixed, unknown size first",
        "zstd mixed, known size first",
        "zstd with a checksum between frames to skip",
    ],
)
def test_other_framings_are_read(codec, packed):
    assert decompress(codec, packed) == TEXT


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_codecs_that_do_not_exist(codec):
    with pytest.raises(KafkaFault) as caught:
        decompress(codec, b"abc")
    assert caught.value.code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    with pytest.raises(ValueError):
        compress(codec, b"abc")


@pytest.mark.parametrize("codec", CODECS)
def test_exactly_the_limit_is_allowed_and_no_byte_more(codec):
    packed = compress(codec, TEXT)
    assert decompress(codec, packed, len(TEXT)) == TEXT
    with pytest.raises(KafkaFault) as caught:
        decompress(codec, packed, len(TEXT) - 1)
    assert caught.value.code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", PACKING)
def test_cut_data_is_invalid_wherever_it_is_cut(codec):
    packed = compress(codec, bytes(range(256)) * 200)
    for size in {0, 1, 2, 5, 17, len(packed) // 2, len(packed) - 5, len(packed) - 1}:
        if codec == SNAPPY and size == 16:
            continue
        with pytest.raises(KafkaFault) as caught:
            decompress(codec, packed[:size])
        assert caught.value.code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", PACKING)
def test_bytes_behind_the_data_are_invalid(codec):
    with pytest.raises(KafkaFault) as caught:
        decompress(codec, compress(codec, TEXT) + b"tail of something else")
    assert caught.value.code == ErrorCode.INVALID_RECORD


def test_a_snappy_size_without_the_bytes_for_it_allocates_nothing():
    liar = b"\xff\xff\xff\x7f" + b"\x00" * 20  # claims 256 MiB
    tracemalloc.start()
    with pytest.raises(KafkaFault) as caught:
        decompress(SNAPPY, liar)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == ErrorCode.INVALID_RECORD
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("codec", PACKING)
def test_a_bomb_is_stopped_near_the_limit(codec):
    zeros = bytes(64 * 1_048_576)
    bomb = streamed_zstd(zeros) if codec == ZSTD else compress(codec, zeros)
    del zeros
    tracemalloc.start()
    with pytest.raises(KafkaFault) as caught:
        decompress(codec, bomb, 1_048_576)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == ErrorCode.INVALID_RECORD
    assert peak_bytes < 8 * 1_048_576 + len(bomb)


def test_a_zstd_frame_that_claims_too_much_is_not_started():
    frame = zstandard.compress(bytes(2_000_000))
    with pytest.raises(KafkaFault) as caught:
        decompress(ZSTD, frame, 1_999_999)
    assert caught.value.code == ErrorCode.INVALID_RECORD


def test_a_zstd_frame_that_claims_more_than_its_blocks_hold_allocates_nothing():
    frame = bytearray(zstandard.compress(bytes(100_000)))
    # Frame header: magic, descriptor, then the content size in as many bytes as bits 6-7 say.
    assert frame[4] >> 6 == 2
    struct.pack_into("<I", frame, 5, 200_000_000)
    tracemalloc.start()
    with pytest.raises(KafkaFault) as caught:
        decompress(ZSTD, frame)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == ErrorCode.INVALID_RECORD
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize(
    ("codec", "level"), [(GZIP, 1), (GZIP, 9), (LZ4, 12), (ZSTD, 1), (ZSTD, 19)]
)
def test_levels_are_passed_on(codec, level):
    packed = compress(codec, TEXT, level)
    assert decompress(codec, packed) == TEXT
    libraries = {
        GZIP: lambda: zlib.compress(TEXT, level, 31),
        LZ4: lambda: lz4.frame.compress(
            TEXT,
            compression_level=level,
            block_linked=False,
            store_size=False,
            block_size=lz4.frame.BLOCKSIZE_MAX64KB,
        ),
        ZSTD: lambda: zstandard.ZstdCompressor(level=level).compress(TEXT),
    }
    assert packed == libraries[codec]()


def test_a_level_that_does_not_exist():
    with pytest.raises(ValueError):
        compress(GZIP, TEXT, 77)
