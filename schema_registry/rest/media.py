"""Media types: what a request may be written in, and what the answer is written in. Pure.

An answer is JSON whatever it is called; the client's `Accept` chooses the name. Among names that it
likes the same, the first one here counts.

Source: RFC 9110, section 12.5.1.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus

from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.rest.faults import HttpFault

V1_JSON = "application/vnd.schemaregistry.v1+json"
ANSWERED = (V1_JSON, "application/vnd.schemaregistry+json", "application/json")
ACCEPTED = (*ANSWERED, "application/octet-stream")
"""octet-stream stands for no name at all."""


def check_content_type(header: str | None) -> None:
    """Raises: HttpFault: 415."""
    if header is None or not header.strip():
        return
    if header.partition(";")[0].strip().lower() not in ACCEPTED:
        raise HttpFault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


@lru_cache(limits.ACCEPT_HEADERS_KEPT_MAX)
def choose(accept: str | None) -> str:
    """The name for the answer.

    Args:
        accept: the header; None or blank takes anything.

    Raises:
        HttpFault: 406.
    """
    if accept is None or not accept.strip():
        return V1_JSON
    ranges = [_parse_range(item) for item in accept.split(",")]
    weighed = [(_weight(name, ranges), name) for name in ANSWERED]
    weight, name = max(weighed, key=lambda item: item[0])
    if weight <= 0:
        raise HttpFault(HTTPStatus.NOT_ACCEPTABLE)
    return name


def _parse_range(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, max(0.0, min(1.0, float(value)))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _weight(name: str, ranges: list[tuple[str, float]]) -> float:
    """How much a client likes a name: by the range that names it most closely."""
    weights = dict(reversed(ranges))
    for wanted in (name, f"{name.partition('/')[0]}/*", "*/*", "*"):
        if wanted in weights:
            return weights[wanted]
    return 0.0
