"""Bytes to frames: what arrives, in whatever pieces, is what was sent."""

from __future__ import annotations

import tracemalloc

import pytest

from sprawl.core.limits import FRAME_BYTES_MAX, FRAME_BYTES_UPFRONT_MAX
from sprawl.gateway.framing import FrameReader, HttpFault

SCRATCH_BYTES = 64


def sized(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Feed:
    """A socket that fills whatever buffer the reader offers."""

    def __init__(self, reader: FrameReader, scratch_bytes: int = SCRATCH_BYTES) -> None:
        self.reader = reader
        self.scratch = memoryview(bytearray(scratch_bytes))
        self.received_in_place = 0

    def take(self, data: bytes) -> list[bytearray]:
        frames: list[bytearray] = []
        while data and self.reader.fault is None:
            target = self.reader.target()
            buffer = self.scratch if target is None else target
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            del buffer
            if target is not None:
                self.received_in_place += count
            del target
            frames += self.reader.received(self.scratch, count)
            data = data[count:]
        return frames


def test_several_frames_in_one_piece_come_in_order() -> None:
    feed = Feed(FrameReader(1_000))
    assert feed.take(sized(b"one") + sized(b"two") + sized(b"three")) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7])
def test_a_frame_cut_anywhere_is_put_together(step: int) -> None:
    feed = Feed(FrameReader(1_000))
    data = sized(b"first") + sized(b"second")
    frames = []
    for at in range(0, len(data), step):
        frames += feed.take(data[at : at + step])
    assert frames == [b"first", b"second"]


def test_what_does_not_fit_the_scratch_buffer_is_received_in_place() -> None:
    feed = Feed(FrameReader(10_000))
    body = bytes(range(256)) * 4
    assert feed.take(sized(body)) == [body]
    assert feed.received_in_place == len(body) + 4 - SCRATCH_BYTES


def test_a_frame_is_not_touched_by_the_bytes_that_follow() -> None:
    feed = Feed(FrameReader(1_000))
    [kept] = feed.take(sized(b"kept"))
    view = memoryview(kept)
    feed.take(sized(b"xxxx") + sized(b"y" * 100))
    assert bytes(view) == b"kept"


def test_every_frame_is_writable_and_of_the_exact_size() -> None:
    feed = Feed(FrameReader(1_000))
    for body in (b"small", b"larger than the scratch buffer" * 10):
        [frame] = feed.take(sized(body))
        assert isinstance(frame, bytearray)
        assert len(frame) == len(body)


def test_a_size_alone_does_not_make_the_reader_allocate_it() -> None:
    feed = Feed(FrameReader(FRAME_BYTES_MAX))
    tracemalloc.start()
    try:
        feed.take(FRAME_BYTES_MAX.to_bytes(4, "big") + b"\0")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * FRAME_BYTES_UPFRONT_MAX


def test_a_frame_beyond_the_first_allocation_grows_as_it_arrives() -> None:
    feed = Feed(FrameReader(FRAME_BYTES_MAX), scratch_bytes=65_536)
    body = b"0123456789abcdef" * (5 * FRAME_BYTES_UPFRONT_MAX // 16) + b"end"
    assert feed.take(sized(body)) == [body]


def test_the_largest_allowed_frame_passes_and_one_byte_more_does_not() -> None:
    feed = Feed(FrameReader(100))
    assert feed.take(sized(bytes(100))) == [bytes(100)]
    assert feed.reader.fault is None
    feed.take(sized(bytes(101)))
    assert "socket.request.max.bytes=100" in str(feed.reader.fault)


@pytest.mark.parametrize("size", [0, -1, -(2**31)])
def test_sizes_that_mean_nothing_are_a_fault(size: int) -> None:
    feed = Feed(FrameReader(100))
    assert feed.take(size.to_bytes(4, "big", signed=True)) == []
    assert f"size of {size} bytes" in str(feed.reader.fault)


@pytest.mark.parametrize("step", [1, 3, 1_000])
def test_frames_before_a_fault_are_given_however_the_bytes_were_cut(step: int) -> None:
    feed = Feed(FrameReader(100))
    data = sized(b"good") + sized(b"too") + b"\xff\xff\xff\xff" + sized(b"never")
    frames = []
    for at in range(0, len(data), step):
        frames += feed.take(data[at : at + step])
    assert frames == [b"good", b"too"]
    assert feed.reader.fault is not None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT"])
def test_http_is_recognised(method: str) -> None:
    feed = Feed(FrameReader(FRAME_BYTES_MAX))
    feed.take(f"{method} / HTTP/1.1\r\n".encode())
    assert isinstance(feed.reader.fault, HttpFault)


@pytest.mark.parametrize(
    ("first_bytes", "word"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "security.protocol=PLAINTEXT"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "PROXY protocol"),
        (b"\r\n\r\n\x00\r\nQUIT\n", "PROXY protocol"),
    ],
)
def test_other_protocols_are_called_by_name(first_bytes: bytes, word: str) -> None:
    feed = Feed(FrameReader(2**31 - 1))
    assert feed.take(first_bytes) == []
    assert word in str(feed.reader.fault)


def test_only_the_first_bytes_of_a_connection_are_taken_for_another_protocol() -> None:
    feed = Feed(FrameReader(2**31 - 1))
    feed.take(sized(b"kafka") + b"GET " + b"a long frame follows")
    assert feed.reader.fault is None
