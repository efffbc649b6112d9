"""Where a client should have sent its request, told with the error (KIP-951).

An answer with NOT_LEADER_OR_FOLLOWER or FENCED_LEADER_EPOCH carries the leader and its address, so
that the client retries at once instead of asking for metadata first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sprawl.core.errors import ErrorCode

if TYPE_CHECKING:
    from sprawl.gateway.dispatch import RequestContext

MOVED = frozenset({ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH})
"""The errors after which a client looks for the leader."""


class LeaderEndpoint(NamedTuple):
    """A leader's address on the listener that the client uses."""

    node_id: int
    host: str
    port: int
    rack: str | None


def this_node(ctx: RequestContext) -> LeaderEndpoint | None:
    """This node as a leader to go to; None when the listener has no advertised address."""
    endpoint = ctx.broker.endpoints.get(ctx.connection.listener_name)
    if endpoint is None:
        return None
    broker = ctx.broker
    return LeaderEndpoint(broker.node_id, endpoint.host, endpoint.port, broker.rack)
