"""Sends requests to the node that leads: writes, and reads that this node has no state for.

A request is forwarded once: it carries `X-Forward`, and whoever gets it and does not lead refuses
it. So two nodes that hold each other for the leader do not play ball with it.

A write is sent once: when the connection breaks it may have been carried out, and whoever sent it
to us is told so (50003). aiohttp would send DELETE and PUT a second time, as HTTP allows
(RFC 9110, section 9.2.2), and a second DELETE of a version is answered otherwise than the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from ssl import SSLContext
from typing import NamedTuple

import aiohttp
from yarl import URL

from sprawl.schema_registry.model.faults import FaultCode, RegistryFault
from sprawl.schema_registry.rest import limits

FORWARD = "X-Forward"
FORWARDED_FOR = "X-Forwarded-For"
_PASSED_ON = (
    "Accept",
    "Authorization",
    "Confluent-Accept-Unknown-Properties",
    "Content-Type",
    "X-Request-ID",
)


_SAFE = ("GET", "HEAD")


class _BrokenOff(aiohttp.ClientError):
    """The connection broke; unlike the faults that say the same, none that aiohttp tries again."""


class Outgoing(NamedTuple):
    """A request as it came.

    Args:
        target: path and query, still encoded.
        remote: address of the client.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    remote: str | None
    body: bytes | None


class Forwarder:
    """Connections to the leader.

    Args:
        ssl_context: for leaders with `https`; None is the system's.
    """

    def __init__(self, ssl_context: SSLContext | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.FORWARD_CONNECTIONS_MAX,
                ssl=True if ssl_context is None else ssl_context,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            middlewares=(_once,),
            timeout=aiohttp.ClientTimeout(
                total=limits.FORWARD_S, sock_connect=limits.FORWARD_CONNECT_S
            ),
        )

    async def forward(self, leader_url: str, outgoing: Outgoing) -> aiohttp.ClientResponse:
        """Returns: the leader's answer, whose body is still to be read; the caller closes it.

        Raises:
            RegistryFault: 50003.
        """
        headers = {name: outgoing.headers[name] for name in _PASSED_ON if name in outgoing.headers}
        headers |= {FORWARD: "true", "Accept-Encoding": "identity"}
        if outgoing.remote is not None:
            headers[FORWARDED_FOR] = outgoing.remote
        try:
            return await self._session.request(
                outgoing.method,
                URL(leader_url.rstrip("/") + outgoing.target, encoded=True),
                headers=headers,
                data=outgoing.body and BytesIO(outgoing.body),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            raise RegistryFault(
                FaultCode.REQUEST_FORWARDING_FAILED,
                f"Error while forwarding the request to the leader at {leader_url}: "
                f"{problem or type(problem).__name__}",
            ) from None

    async def close(self) -> None:
        await self._session.close()


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """What stands around each attempt of aiohttp to send a request."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # never sent
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
        if request.method in _SAFE:
            raise
        raise _BrokenOff(*broken.args) from broken
