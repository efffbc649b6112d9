"""One connection to one broker: version negotiation, correlation ids, responses in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, TypeVar

from sprawl import __version__
from sprawl.client.faults import Refused, Unreachable, cause_of
from sprawl.core.errors import ErrorCode, PeerFault
from sprawl.core.limits import FRAME_BYTES_MAX
from sprawl.gateway.codec import RequestHeader, decode_response, encode_request
from sprawl.gateway.codec._generated.k18_api_versions import (
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from sprawl.gateway.codec.message import Struct

API_VERSIONS = 18

SPOKEN: Final[Mapping[int, tuple[int, int]]] = {
    0: (3, 9),
    1: (4, 12),
    2: (2, 8),
    3: (9, 12),
    8: (2, 8),
    9: (8, 8),
    10: (4, 5),
    11: (5, 9),
    12: (3, 4),
    13: (3, 5),
    14: (3, 5),
    15: (4, 6),
    16: (3, 5),
    18: (3, 3),
    19: (5, 7),
    20: (4, 5),
    32: (3, 4),
    37: (2, 3),
    42: (2, 2),
    43: (1, 2),
    44: (1, 1),
    45: (0, 0),
    46: (0, 0),
    47: (0, 0),
    55: (0, 2),
    57: (1, 2),
    60: (0, 2),
    64: (0, 0),
}
"""(lowest, highest) version of each API that this client writes. Produce, Fetch and the offset
APIs stay below the versions that replace topic names by ids."""

ResponseType = TypeVar("ResponseType", bound=Struct)


class Connection:
    """A connection whose responses come back in the order of its requests.

    Args:
        host, port: the broker's address.
        client_id: what the broker's logs and quotas see.
        timeout_ms: the longest wait for a connection or a response.
    """

    def __init__(self, host: str, port: int, *, client_id: str, timeout_ms: int) -> None:
        self.host = host
        self.port = port
        self.versions: dict[int, tuple[int, int]] = {}
        self._client_id = client_id
        self._timeout_s = timeout_ms / 1000
        self._correlation_id = 0
        self._waiting: dict[int, tuple[int, int, asyncio.Future[Struct]]] = {}
        self._reader_task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_given_up = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def usable(self) -> bool:
        if self._is_given_up or self._reader_task is None:
            return False
        return not self._reader_task.done()

    async def open(self) -> None:
        """Connects and asks for the broker's versions.

        Raises:
            Unreachable: nobody listens, or what listens is no Kafka broker.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, self._writer = await asyncio.open_connection(self.host, self.port)
        except TimeoutError as error:
            raise Unreachable(self.address, "no answer to the connection attempt") from error
        except OSError as error:
            raise Unreachable(self.address, cause_of(error)) from error
        self._reader_task = asyncio.create_task(self._read_responses(reader))
        request = ApiVersionsRequest(
            client_software_name="sprawl-cli", client_software_version=__version__
        )
        answer = await self._exchange(API_VERSIONS, 3, request, ApiVersionsResponse, None)
        if answer.error_code == ErrorCode.UNSUPPORTED_VERSION:
            answer = await self._exchange(
                API_VERSIONS, 0, ApiVersionsRequest(), ApiVersionsResponse, None
            )
        self.versions = {
            entry.api_key: (entry.min_version, entry.max_version) for entry in answer.api_keys
        }

    async def request(
        self,
        api_key: int,
        body: Struct,
        response: type[ResponseType],
        *,
        timeout_ms: int | None = None,
    ) -> ResponseType:
        """Sends one request at the highest version both sides speak.

        Args:
            timeout_ms: waits longer than the connection's own limit, for long polls.

        Raises:
            Refused: the broker does not have the API at a version spoken here.
            Unreachable: the connection broke or the answer did not come in time.
        """
        version = self.version_for(api_key)
        return await self._exchange(api_key, version, body, response, timeout_ms)

    def version_for(self, api_key: int) -> int:
        """Raises: Refused when there is no common version."""
        lowest, highest = SPOKEN[api_key]
        offered = self.versions.get(api_key)
        if offered is None or offered[0] > highest or offered[1] < lowest:
            raise Refused(
                ErrorCode.UNSUPPORTED_VERSION, f"API {api_key} is not offered by {self.address}"
            )
        return min(highest, offered[1])

    async def send_only(self, api_key: int, body: Struct) -> None:
        """Sends a request that has no response (Produce with acks=0)."""
        self._correlation_id += 1
        await self._send(api_key, self.version_for(api_key), self._correlation_id, body)

    async def close(self) -> None:
        """Closes; requests still waiting fail with Unreachable."""
        if self._reader_task is not None:
            self._reader_task.cancel()
            await asyncio.gather(self._reader_task, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)
        self._fail_waiting("the connection was closed")

    async def _exchange(
        self,
        api_key: int,
        version: int,
        body: Struct,
        response: type[ResponseType],
        timeout_ms: int | None,
    ) -> ResponseType:
        if not self.usable:
            raise Unreachable(self.address, "the connection was closed")
        self._correlation_id += 1
        correlation_id = self._correlation_id
        future: asyncio.Future[Struct] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = (api_key, version, future)
        try:
            await self._send(api_key, version, correlation_id, body)
            async with asyncio.timeout(timeout_ms / 1000 if timeout_ms else self._timeout_s):
                answer = await future
        except TimeoutError as error:
            self._give_up()
            raise Unreachable(self.address, f"no answer to API {api_key} in time") from error
        finally:
            self._waiting.pop(correlation_id, None)
            if future.done() and not future.cancelled():
                future.exception()  # sending failed too, and that is what the caller is told
        if not isinstance(answer, response):
            raise TypeError(f"API {api_key} answers with {type(answer).__name__}")
        return answer

    def _give_up(self) -> None:
        """The other end may be gone without a word: the next request takes a new connection."""
        self._is_given_up = True
        if self._writer is not None:
            self._writer.transport.abort()

    async def _send(self, api_key: int, version: int, correlation_id: int, body: Struct) -> None:
        if self._writer is None:
            raise Unreachable(self.address, "the connection is not open")
        header = RequestHeader(
            api_key=api_key,
            api_version=version,
            correlation_id=correlation_id,
            client_id=self._client_id,
        )
        try:
            self._writer.writelines(encode_request(header, body))
            await self._writer.drain()
        except OSError as error:
            raise Unreachable(self.address, cause_of(error)) from error

    async def _read_responses(self, reader: asyncio.StreamReader) -> None:
        cause = "the broker closed the connection"
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
                if not 4 <= size <= FRAME_BYTES_MAX:
                    raise PeerFault(f"a frame of {size} bytes")
                self._deliver(memoryview(await reader.readexactly(size)))
        except asyncio.IncompleteReadError:
            pass
        except PeerFault as error:
            cause = f"what answers there does not speak the Kafka protocol ({error})"
        except OSError as error:
            cause = cause_of(error)
        finally:
            self._fail_waiting(cause)

    def _deliver(self, frame: memoryview) -> None:
        correlation_id = int.from_bytes(frame[:4], "big", signed=True)
        entry = self._waiting.get(correlation_id)
        if entry is None:
            return
        api_key, version, future = entry
        _, body = decode_response(api_key, version, frame)
        if not future.done():
            future.set_result(body)

    def _fail_waiting(self, cause: str) -> None:
        for _, _, future in self._waiting.values():
            if not future.done():
                future.set_exception(Unreachable(self.address, cause))
