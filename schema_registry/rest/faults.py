"""Refusals that are HTTP's own, with the anchor registry's texts: no code of the registry."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class HttpFault(Exception):
    """The request is refused before the registry sees it.

    Args:
        status: also the `error_code`.
        headers: for the answer.
    """

    def __init__(
        self, status: HTTPStatus, message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.message = message or f"HTTP {status.value} {status.phrase}"
        self.headers = headers or {}
        super().__init__(self.message)


def not_found() -> HttpFault:
    """No such path; also an id, a limit or an offset that is no number."""
    return HttpFault(HTTPStatus.NOT_FOUND)
