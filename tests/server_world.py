"""A server on a real socket with handlers made for the test, and a peer that speaks bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, Self, cast

from sprawl.core.broker import Endpoint
from sprawl.core.controller.features import Levels
from sprawl.core.controller.state import ControllerState
from sprawl.gateway import dispatch
from sprawl.gateway.codec import RequestHeader, decode_response, encode_request
from sprawl.gateway.codec._generated.k00_produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from sprawl.gateway.codec._generated.k12_heartbeat import HeartbeatRequest, HeartbeatResponse
from sprawl.gateway.codec._generated.k18_api_versions import ApiVersionsRequest
from sprawl.gateway.codec.message import Struct
from sprawl.gateway.dispatch import HandlerSpec, RequestContext
from sprawl.gateway.handlers import k18_api_versions
from sprawl.gateway.listeners import Listener
from sprawl.gateway.metrics import GatewayMetrics
from sprawl.gateway.server import Server, ServerLimits

PRODUCE, FETCH, HEARTBEAT, API_VERSIONS = 0, 1, 12, 18
PRODUCE_VERSION, FETCH_VERSION, HEARTBEAT_VERSION = 9, 11, 4
CLIENT_ID = "test"
PATIENCE_S = 10.0
CONTROLLER = SimpleNamespace(levels=Levels(1, 2), state=ControllerState())
"""What ApiVersions looks at: a program that knows two levels, in a cluster at the first."""


@contextmanager
def serving(*specs: HandlerSpec) -> Iterator[None]:
    """Let exactly these APIs, and ApiVersions, be registered."""
    served = dispatch.registered()
    before = dict(served)
    served.clear()
    for spec in (k18_api_versions.HANDLER, *specs):
        dispatch.register(spec)
    try:
        yield
    finally:
        served.clear()
        served.update(before)


class Gates:
    """A Produce handler whose answers the test lets out: one gate a request, by its timeout_ms."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self._gates: dict[int, asyncio.Event] = {}

    def spec(self, api_key: int = PRODUCE, *, pipelined: bool = True) -> HandlerSpec:
        versions = {PRODUCE: (3, 13), HEARTBEAT: (0, 4), FETCH: (4, 18)}[api_key]
        return HandlerSpec(api_key, *versions, self._handle, pipelined)

    def open(self, number: int) -> None:
        self._gate(number).set()

    def _gate(self, number: int) -> asyncio.Event:
        return self._gates.setdefault(number, asyncio.Event())

    async def _handle(self, ctx: RequestContext, request: Any) -> Struct:
        number = ctx.correlation_id
        self.started.append(number)
        try:
            await self._gate(number).wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if ctx.api_key == PRODUCE:
            return produced(request)
        return HeartbeatResponse()


def produced(request: ProduceRequest) -> ProduceResponse:
    """A success for every partition of a request."""
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                partition_responses=[
                    PartitionProduceResponse(index=data.index) for data in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )


def answer_heartbeat(ctx: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    return HeartbeatResponse(throttle_time_ms=request.generation_id)


HEARTBEATS = HandlerSpec(HEARTBEAT, 0, 4, answer_heartbeat)


def frame_of(api_key: int, version: int, correlation_id: int, body: Struct) -> bytes:
    header = RequestHeader(api_key, version, correlation_id, CLIENT_ID)
    return b"".join(encode_request(header, body))


def heartbeat(correlation_id: int, generation_id: int = 1) -> bytes:
    body = HeartbeatRequest(group_id="g", generation_id=generation_id, member_id="m")
    return frame_of(HEARTBEAT, HEARTBEAT_VERSION, correlation_id, body)


def produce(correlation_id: int, records: bytes = b"r", *, acks: int = -1) -> bytes:
    data = PartitionProduceData(index=0, records=records)
    body = ProduceRequest(
        acks=acks,
        timeout_ms=1_000,
        topic_data=[TopicProduceData(name="t", partition_data=[data])],
    )
    return frame_of(PRODUCE, PRODUCE_VERSION, correlation_id, body)


def api_versions(correlation_id: int, version: int = 3) -> bytes:
    body = ApiVersionsRequest()
    if version >= 3:
        body = ApiVersionsRequest(client_software_name="test", client_software_version="1.0")
    return frame_of(API_VERSIONS, version, correlation_id, body)


class Peer:
    """The client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drained(self) -> None:
        """Wait until the operating system has taken what was sent."""
        with suppress(ConnectionError):  # the server has closed, which `rest` will show
            await self.writer.drain()

    def finish(self) -> None:
        """Send no more."""
        with suppress(OSError):  # the connection may be gone
            self.writer.write_eof()

    async def receive(self) -> bytes:
        """One response without its size prefix."""
        async with asyncio.timeout(PATIENCE_S):
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            return await self._reader.readexactly(size)

    async def correlation_ids(self, count: int) -> list[int]:
        """Those of the next responses."""
        return [int.from_bytes((await self.receive())[:4], "big") for _ in range(count)]

    async def response(self, api_key: int, version: int) -> Any:
        """The next response's body."""
        return decode_response(api_key, version, memoryview(await self.receive()))[1]

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    def reset(self) -> None:
        """End the connection without a goodbye, as a crashed machine's peer sees it (RST)."""
        end = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):  # the server may have been first
            await self.writer.wait_closed()


class World:
    """A running server on a free port of the loopback interface."""

    def __init__(
        self, limits: ServerLimits | None = None, advertised: Endpoint | None = None
    ) -> None:
        self.metrics = GatewayMetrics()
        endpoints = {} if advertised is None else {"PLAINTEXT": advertised}
        broker = cast("Any", SimpleNamespace(endpoints=endpoints, controller=CONTROLLER))
        self.server = Server(broker, self.metrics, limits)
        self.port = 0
        self._peers: list[Peer] = []

    async def __aenter__(self) -> Self:
        listener = Listener(
            name="PLAINTEXT",
            host="127.0.0.1",
            port=0,
            advertised_host="127.0.0.1",
            advertised_port=0,
        )
        self.port = await self.server.listen(listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(drain_s=0)
        for peer in self._peers:
            await peer.close()

    async def connect(self, **options: Any) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self._peers.append(peer)
        return peer


async def until(condition: Any) -> None:
    """Let the event loop run until `condition()` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0)
