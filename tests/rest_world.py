"""A registry in memory behind its REST interface, and a client that checks what comes back.

Every answer is held against the OpenAPI description that the server itself gives out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import aiohttp
import jsonschema
from yarl import URL

from sprawl.gateway.sockets import bind
from sprawl.schema_registry.avro.schema import AvroFormat
from sprawl.schema_registry.json_schema import JsonSchemaFormat
from sprawl.schema_registry.model.cache import ParsedSchemas
from sprawl.schema_registry.model.records import LogRecord
from sprawl.schema_registry.model.registry import Judged, Registry, Settings
from sprawl.schema_registry.model.state import State
from sprawl.schema_registry.protobuf.schema import ProtobufFormat
from sprawl.schema_registry.rest import RegistryServer, ServerFacts
from sprawl.schema_registry.rest.routes import Router
from sprawl.schema_registry.rest.table import ROUTES, description
from sprawl.schema_registry.schemas import SchemaFormat, SchemaType
from sprawl.schema_registry.service import RegistryService

T = TypeVar("T")

FACTS = ServerFacts("a-kafka-cluster", version="1.2.3", commit_id="abc")
_DESCRIPTION = description(FACTS.version)


class MemoryService:
    """A `RegistryService` whose topic is a list.

    `failure` is raised by whatever is asked next, until it is taken away. `timestamp_ms` is that of
    the records that are written next.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        formats: dict[SchemaType, SchemaFormat] = {
            SchemaType.AVRO: AvroFormat(),
            SchemaType.JSON: JsonSchemaFormat(),
            SchemaType.PROTOBUF: ProtobufFormat(),
        }
        self.log: list[LogRecord] = []
        self.registry = Registry(State(), ParsedSchemas(formats), settings or Settings())
        self.failure: Exception | None = None
        self.read_failure: Exception | None = None
        self.timestamp_ms: int | None = None
        self._judging = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        return True

    async def write(self, command: Callable[[Registry], Judged[T]]) -> T:
        async with self._judging:
            if self.failure is not None:
                raise self.failure
            judged = command(self.registry)
            for key, value in judged.records:
                self.log.append((key, value))
                self.registry.state.apply(key, value, self.timestamp_ms)
            return judged.answer

    async def read(
        self,
        query: Callable[[Registry], T],
        *,
        is_short: Callable[[Registry], bool] | None = None,
    ) -> T:
        if self.read_failure is not None:
            raise self.read_failure
        return query(self.registry)


class Reply(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fault(self) -> tuple[int, int, str]:
        """Status, code and message of a refusal."""
        assert self.json.keys() == {"error_code", "message"}
        return self.status, self.json["error_code"], self.json["message"]

    @property
    def code(self) -> int:
        return self.fault[1]


class RestWorld:
    """One node."""

    def __init__(
        self,
        service: Any,
        server: RegistryServer,
        url: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self.service = service
        self.server = server
        self.url = url
        self.session = session
        self.visited: set[str] = set()

    async def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Args: target: path and query, sent as they are. body: sent as JSON."""
        if body is not None:
            data = json.dumps(body).encode()
            headers = {"Content-Type": "application/vnd.schemaregistry.v1+json", **(headers or {})}
        async with self.session.request(
            method,
            URL(self.url + target, encoded=True),
            data=data and BytesIO(data),
            headers=headers,
        ) as response:
            reply = Reply(response.status, await response.read(), dict(response.headers))
        self._check(method, target, reply)
        return reply

    async def good(self, method: str, target: str, body: object = None) -> Any:
        """The JSON of an answer that is no refusal."""
        reply = await self.ask(method, target, body)
        assert reply.status == 200, reply
        return reply.json

    async def register(self, subject: str, schema: str, **fields: object) -> int:
        """The id. Args: subject: encoded, as the path has it."""
        answer = await self.good(
            "POST", f"/subjects/{subject}/versions", {"schema": schema, **fields}
        )
        return int(answer["id"])

    def _check(self, method: str, target: str, reply: Reply) -> None:
        """Against the description."""
        schema: object = {"$ref": "#/components/schemas/Error"}
        if reply.status < 300:
            route = Router(ROUTES).find(method, target).route
            self.visited.add(route.name)
            paths: Any = _DESCRIPTION["paths"]
            answer = paths[route.path][route.method.lower()]["responses"][str(reply.status)]
            if "content" not in answer or method == "HEAD":
                assert reply.body == b""
                return
            schema = answer["content"][reply.headers["Content-Type"]]["schema"]
            if route.shape.is_text:
                return
        jsonschema.validate(
            reply.json, {"components": _DESCRIPTION["components"], "allOf": [schema]}
        )


@asynccontextmanager
async def rest_world(
    service: RegistryService | None = None, **options: Any
) -> AsyncIterator[RestWorld]:
    """A node that serves. Args: service: None: one in memory. options: of `RegistryServer`."""
    service = service or MemoryService()
    server = RegistryServer(service, facts=FACTS, bind=bind, **options)
    port = await server.start("127.0.0.1", 0)
    scheme = "https" if options.get("ssl_context") else "http"
    try:
        async with aiohttp.ClientSession() as session:
            yield RestWorld(service, server, f"{scheme}://127.0.0.1:{port}", session)
    finally:
        await server.stop()
