"""The promise of the decoders: a message, or PeerFault. Nothing else, whatever the bytes.

What does decode must also encode again, to bytes that mean the same message.
"""

from __future__ import annotations

import random

import pytest
from codec_messages import MESSAGES, Maker, Message, random_of

from sprawl.core.errors import PeerFault
from sprawl.gateway.codec import (
    API_RANGES,
    decode_request,
    decode_request_header,
    decode_response,
    encode_body,
)

ROUNDS = 100
HOSTILE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff" * 5, b"\0", b"\1")


def mutate(frame: bytes, rng: random.Random) -> bytes:
    """One to three edits: bytes changed, cut, inserted or repeated, hostile lengths written."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.randint(1, 8)]
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                data[at:at] = data[at : at + rng.randint(1, 40)]
            case 4:
                hostile = rng.choice(HOSTILE)
                data[at : at + len(hostile)] = hostile
            case 5:
                del data[at:]
    return bytes(data)


def head(message: Message, version: int) -> bytes:
    """The smallest header: a request's up to a null client id, or a response's."""
    flexible = version in message.api.flexible
    if message.is_request:
        prefix = message.api.key.to_bytes(2, "big") + version.to_bytes(2, "big")
        return prefix + b"\0\0\0\7\xff\xff" + b"\0" * flexible
    return b"\0\0\0\7" + b"\0" * (flexible and message.api.key != 18)


def check_promise(message: Message, version: int, frame: bytes) -> bool:
    """Whether the frame decoded. Anything but a message or PeerFault fails the test."""
    key = message.api.key

    def decode(data: bytes) -> object:
        if message.is_request:
            return decode_request(memoryview(data))[1]
        return decode_response(key, version, memoryview(data))[1]

    if frame[: len(head(message, version))] != head(message, version):
        return False
    try:
        body = decode(frame)
    except PeerFault:
        return False
    written = b"".join(encode_body(key, version, message.is_request, body))
    again = decode(head(message, version) + written)
    assert b"".join(encode_body(key, version, message.is_request, again)) == written
    return True


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_bodies_decode_or_fault(message: Message) -> None:
    for version in message.versions:
        rng = random_of("fuzz", message, version)
        start = head(message, version)
        maker = Maker(message, version, rng, unknown_tags=True)
        valid = b"".join(encode_body(message.api.key, version, message.is_request, maker.build()))
        assert check_promise(message, version, start + valid)
        for _ in range(ROUNDS):
            check_promise(message, version, start + mutate(valid, rng))
            check_promise(message, version, start + rng.randbytes(rng.randrange(60)))


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_every_truncation_faults(message: Message) -> None:
    """A frame that lost its tail never passes for a shorter message."""
    for version in message.versions:
        rng = random_of("cut", message, version)
        body = Maker(message, version, rng).build()
        whole = b"".join(encode_body(message.api.key, version, message.is_request, body))
        for length in {*range(min(len(whole), 40)), *range(max(len(whole) - 20, 0), len(whole))}:
            assert not check_promise(message, version, head(message, version) + whole[:length])


def test_headers_decode_or_fault() -> None:
    rng = random_of("headers")
    keys = [*API_RANGES, 4, 99, -1, 32_767]
    for _ in range(5000):
        frame = rng.randbytes(rng.randrange(30))
        if rng.random() < 0.7:
            key, version = rng.choice(keys), rng.choice((0, 1, 5, 9, 13, 99, -1))
            frame = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
            frame += rng.randbytes(4) + rng.randbytes(rng.randrange(12))
        try:
            _, pos = decode_request_header(memoryview(frame))
        except PeerFault:
            continue
        assert 10 <= pos <= len(frame)
