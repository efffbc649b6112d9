"""A broker that answers from a script: handlers by API key, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from sprawl.core.errors import ErrorCode
from sprawl.gateway.codec import RequestHeader, decode_request, encode_response
from sprawl.gateway.codec._generated.k18_api_versions import ApiVersion, ApiVersionsResponse
from sprawl.gateway.codec.message import Struct

Answer = Callable[[RequestHeader, Struct], Struct | None]


class FakeBroker:
    """Listens while the context is open.

    Args:
        answers: by API key; a handler that returns None leaves the request without a response.
        versions: (lowest, highest) to announce by API key; 0 to 99 for those left out.
    """

    def __init__(
        self,
        answers: Mapping[int, Answer],
        versions: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self._answers = answers
        self._versions = versions or {}
        self.seen: list[tuple[RequestHeader, Struct]] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._server.close()
        self.drop_connections()
        await asyncio.gather(*(w.wait_closed() for w in self._writers), return_exceptions=True)
        await self._server.wait_closed()

    def drop_connections(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                header, body = decode_request(memoryview(await reader.readexactly(size)))
                self.seen.append((header, body))
                answer = self._answer(header, body)
                if answer is not None:
                    refused = getattr(answer, "error_code", 0) == ErrorCode.UNSUPPORTED_VERSION
                    version = 0 if refused else header.api_version
                    writer.writelines(
                        encode_response(header.api_key, version, header.correlation_id, answer)
                    )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, header: RequestHeader, body: Struct) -> Struct | None:
        if header.api_key == 18 and 18 not in self._answers:
            return ApiVersionsResponse(
                api_keys=[
                    ApiVersion(
                        api_key=key,
                        min_version=self._versions.get(key, (0, 99))[0],
                        max_version=self._versions.get(key, (0, 99))[1],
                    )
                    for key in {*self._answers, *self._versions}
                ]
            )
        return self._answers[header.api_key](header, body)
