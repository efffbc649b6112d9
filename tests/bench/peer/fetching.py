"""A reader that costs next to nothing, so that what it measures is the broker.

It asks with Fetch as a consumer does (6 partitions, 1 MiB each, one request at a time), walks the
batches' headers for the next offset and leaves the records alone.
"""

from __future__ import annotations

import socket
import struct
import time
from uuid import UUID

from sprawl.gateway.codec import RequestHeader, decode_response, encode_request
from sprawl.gateway.codec._generated.k01_fetch import FetchPartition, FetchRequest, FetchTopic
from sprawl.gateway.codec._generated.k03_metadata import MetadataRequest, MetadataRequestTopic
from tests.bench.workloads import CpuMeter, Throughput

FETCH_VERSION = 13
METADATA_VERSION = 12
PARTITION_BYTES = 1 << 20
RESPONSE_BYTES = 50 << 20
LIMIT_S = 120.0
_BATCH = struct.Struct(">qi11xi")
"""Base offset, length, and, after epoch, magic, checksum and attributes, the last offset delta."""
_BATCH_HEAD = 12


class Wire:
    """One connection that asks one thing at a time; all answers lie in the same buffer."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(RESPONSE_BYTES + (1 << 20)))
        self._asked = 0

    def ask(self, key: int, version: int, request: object) -> object:
        self._asked += 1
        header = RequestHeader(key, version, self._asked, "bench")
        self._socket.sendall(b"".join(encode_request(header, request)))  # type: ignore[arg-type]
        size = int.from_bytes(self._read(4), "big")
        return decode_response(key, version, self._read(size))[1]

    def close(self) -> None:
        self._socket.close()

    def _read(self, count: int) -> memoryview:
        got = 0
        while got < count:
            more = self._socket.recv_into(self._buffer[got:count])
            if not more:
                raise ConnectionError("the broker closed the connection")
            got += more
        return self._buffer[:count]


def read_raw(
    bootstrap: str,
    topic: str,
    count: int,
    size: int,
    cpu: CpuMeter,
    *,
    partitions: int,
    passes: int = 4,
) -> Throughput:
    """Read `count` records from the start, several times over; fewer or more are failures."""
    wire = Wire(bootstrap)
    topic_id = _topic_id(wire, topic)
    read = 0
    began = time.perf_counter()
    for _ in range(passes):
        read += _one_pass(wire, topic_id, [0] * partitions, count)
    seconds = time.perf_counter() - began
    spent = cpu.spent()
    wire.close()
    return Throughput(
        records=count * passes,
        record_bytes=size,
        seconds=seconds,
        broker_cpu_s=spent,
        failures=abs(count * passes - read),
    )


def _one_pass(wire: Wire, topic_id: UUID, offsets: list[int], count: int) -> int:
    """Reads until all offsets together make `count`, or the time is up; returns their sum."""
    deadline = time.perf_counter() + LIMIT_S
    while sum(offsets) < count and time.perf_counter() < deadline:
        wanted = FetchTopic(
            topic_id=topic_id,
            partitions=[
                FetchPartition(
                    partition=index, fetch_offset=offset, partition_max_bytes=PARTITION_BYTES
                )
                for index, offset in enumerate(offsets)
            ],
        )
        request = FetchRequest(
            max_wait_ms=500,
            min_bytes=1,
            max_bytes=RESPONSE_BYTES,
            session_id=0,
            session_epoch=-1,
            topics=[wanted],
        )
        answer = wire.ask(1, FETCH_VERSION, request)
        for found in answer.responses:  # type: ignore[attr-defined]
            for part in found.partitions:
                if part.records:
                    index = part.partition_index
                    offsets[index] = _next_offset(part.records, offsets[index])
    return sum(offsets)


def _topic_id(wire: Wire, topic: str) -> UUID:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    [found] = wire.ask(3, METADATA_VERSION, request).topics  # type: ignore[attr-defined]
    assert found.error_code == 0, f"{topic}: error {found.error_code}"
    topic_id: UUID = found.topic_id
    return topic_id


def _next_offset(records: memoryview, offset: int) -> int:
    """The offset after the last whole batch; a batch that is cut off does not count."""
    place = 0
    while place + _BATCH.size <= len(records):
        base, length, delta = _BATCH.unpack_from(records, place)
        place += _BATCH_HEAD + length
        if place > len(records):
            break
        offset = base + delta + 1
    return offset
