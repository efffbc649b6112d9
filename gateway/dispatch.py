"""From a request's API key to the handler that answers it, and what a handler is given.

A handler module defines `HANDLER`; `gateway.handlers.load` registers them all when a server starts.
ApiVersions answers from this register, so what is announced is what is served.

A handler is a function `(ctx, request) -> response`. It may return the response at once, or an
awaitable of it when it has to wait. None stands for "no response" (Produce with acks=0).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio

    from sprawl.core.broker import Broker
    from sprawl.gateway.metrics import GatewayMetrics

ANONYMOUS = "User:ANONYMOUS"
"""Kafka's principal of an unauthenticated connection."""

LONG_POLLS = frozenset({1, 11, 14})
"""Fetch, JoinGroup and SyncGroup wait for what others do; a node that stops ends them early."""

Handle = Callable[["RequestContext", Any], Any | Awaitable[Any]]


class HandlerSpec(NamedTuple):
    """One API as this node serves it.

    Args:
        min_version, max_version: inclusive; an honest subset of the protocol's range.
        pipelined: requests of this API on one connection may be started while earlier ones of
            the same API are unanswered. Every other API waits its turn. Order of answers is
            kept either way.
    """

    api_key: int
    min_version: int
    max_version: int
    handle: Handle
    pipelined: bool = False


@dataclass(slots=True, kw_only=True)
class ConnectionInfo:
    """What is known of the peer. One object a connection; ApiVersions fills in the software."""

    id: int
    listener_name: str
    peer_host: str = ""
    peer_port: int = 0
    local_host: str = ""
    local_port: int = 0
    principal: str = ANONYMOUS
    client_software_name: str = ""
    client_software_version: str = ""
    held_produce: asyncio.Task[Any] | None = None
    """Appends of a Produce that wait for the schema registry; later ones wait for them."""


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One request's circumstances."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    connection: ConnectionInfo
    broker: Broker
    metrics: GatewayMetrics


_registered: dict[int, HandlerSpec] = {}


def register(spec: HandlerSpec) -> None:
    """Serve an API from now on."""
    _registered[spec.api_key] = spec


def registered() -> dict[int, HandlerSpec]:
    """The APIs served, by key."""
    return _registered
