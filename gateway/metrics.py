"""Counters of what the gateway does. Counting costs an index and an addition; text is made only
when somebody asks for it (gateway/http.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)
"""Upper bounds of the request latency histogram, seconds. A long poll counts with its wait."""


class ApiCounts:
    """Requests of one API."""

    __slots__ = ("buckets", "request_count", "seconds")

    def __init__(self) -> None:
        self.request_count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS_S) + 1)

    def answered(self, seconds: float) -> None:
        """One request was answered, `seconds` after it was started."""
        self.request_count += 1
        self.seconds += seconds
        self.buckets[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1


class GatewayMetrics:
    """All counters of a node's gateway."""

    __slots__ = (
        "apis",
        "bytes_in",
        "bytes_out",
        "connections_accepted",
        "connections_open",
        "connections_refused",
        "fetch_follower_bytes",
        "fetch_sent_on",
        "handler_failures",
        "malformed_requests",
        "schema_refusals",
        "unreachable_clients",
    )

    def __init__(self) -> None:
        self.apis: dict[int, ApiCounts] = {}
        self.bytes_in = 0
        self.bytes_out = 0
        self.connections_accepted = 0
        self.connections_open = 0
        self.connections_refused = 0
        self.fetch_follower_bytes = 0
        self.fetch_sent_on = 0
        self.handler_failures = 0
        self.malformed_requests = 0
        self.schema_refusals = 0
        self.unreachable_clients = 0

    def api(self, api_key: int) -> ApiCounts:
        """The counts of one API, made at first use."""
        counts = self.apis.get(api_key)
        if counts is None:
            counts = self.apis[api_key] = ApiCounts()
        return counts

    def totals(self) -> Iterator[tuple[str, str, int, bool]]:
        """(name, help, value, is a counter) of everything that is not kept by API."""
        yield "sprawl_received_bytes", "Bytes received on Kafka listeners", self.bytes_in, True
        yield "sprawl_sent_bytes", "Bytes of answers on Kafka listeners", self.bytes_out, True
        yield "sprawl_connections_open", "Open Kafka connections", self.connections_open, False
        yield (
            "sprawl_connections_accepted",
            "Kafka connections accepted",
            self.connections_accepted,
            True,
        )
        yield (
            "sprawl_connections_refused",
            "Connections over a limit",
            self.connections_refused,
            True,
        )
        yield (
            "sprawl_fetch_sent_on",
            "Partitions of fetches that were sent on to a replica in the consumer's rack",
            self.fetch_sent_on,
            True,
        )
        yield (
            "sprawl_fetch_follower_bytes",
            "Bytes of records that consumers read from followers on this node",
            self.fetch_follower_bytes,
            True,
        )
        yield (
            "sprawl_schema_refused_records",
            "Records refused because their topic wants the id of a registered schema",
            self.schema_refusals,
            True,
        )
        yield (
            "sprawl_malformed_requests",
            "Connections closed for a malformed or refused request",
            self.malformed_requests,
            True,
        )
        yield (
            "sprawl_handler_failures",
            "Requests that met a fault of the broker itself",
            self.handler_failures,
            True,
        )
        yield (
            "sprawl_unreachable_clients",
            "Connections of clients that cannot use the advertised address",
            self.unreachable_clients,
            True,
        )
