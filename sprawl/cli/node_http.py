"""Reading a page of a node's HTTP port."""

from __future__ import annotations

import http.client
from typing import Final, NamedTuple

from sprawl.core.clock import SystemClock

HTTP_PORT: Final = 9644
"""Where nodes have it unless told otherwise."""


class Page(NamedTuple):
    """An answer.

    Args:
        date: the node's clock, as HTTP spells it; None when the answer does not tell.
        arrived_ms: this machine's clock when the answer's head was here, since the epoch.
    """

    status: int
    body: bytes
    date: str | None
    arrived_ms: int

    @property
    def text(self) -> str:
        """The body for people."""
        return self.body.decode(errors="replace").strip()


def read_page(host: str, port: int, path: str, *, timeout_s: float) -> Page:
    """Ask for a page, whatever its status.

    Raises:
        OSError, http.client.HTTPException: nobody answers, or not in HTTP.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        arrived_ms = SystemClock().now_ms()
        return Page(response.status, response.read(), response.getheader("Date"), arrived_ms)
    finally:
        connection.close()
