"""Routes: one entry for each method and path, with all that it takes and gives, and how a path
finds its entry. From the same entries openapi.py makes the description. Pure.

    /subjects/a%2Fb/versions  ->  split at "/", then each segment decoded once: ("subjects", "a/b",
                                  "versions"): a subject may be any text, even "..", "/" or "latest"
    //subjects/               ->  empty segments are left out
    /contexts/c/subjects/s/…  ->  the route of /subjects/s/…, with names in the context `:.c:`
    /contexts/c/config        ->  that of /config/:.c:
    /contexts/c               ->  that of /contexts/c itself
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote

from sprawl.schema_registry.model.registry import Judged, Registry
from sprawl.schema_registry.model.subjects import parse_context
from sprawl.schema_registry.rest import limits
from sprawl.schema_registry.rest.faults import HttpFault, not_found
from sprawl.schema_registry.rest.parameters import Ask, Json, Parameter, Place, values_of

_CONTEXTS = "contexts"
_SCOPES = ("config", "mode")


class Reads(NamedTuple):
    """Answered from the state of any node.

    Args:
        is_short: whether that takes no time worth speaking of (short_reads.py); None: it may.
    """

    answer: Callable[[Registry, Ask], object]
    is_short: Callable[[Registry, Ask], bool] | None = None


class Writes(NamedTuple):
    """Judged by the leader."""

    command: Callable[[Registry, Ask], Judged[object]]


class Tells(NamedTuple):
    """Answered without the registry."""

    answer: Callable[[Ask], object]


Handler: TypeAlias = Reads | Writes | Tells


class Shape(NamedTuple):
    """What an answer looks like.

    Args:
        schema: JSON Schema; of a text that is answered as it is, not as JSON; None: no content.
    """

    description: str
    schema: Json | None
    is_text: bool = False

    @property
    def status(self) -> HTTPStatus:
        return HTTPStatus.NO_CONTENT if self.schema is None else HTTPStatus.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Args:
        path: with `{name}` where a parameter stands.
        name: for the description, as `getSchemaByVersion`: the anchor registry's where it has one.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    parameters: tuple[Parameter[object], ...] = ()
    shape: Shape

    @property
    def body(self) -> Parameter[object] | None:
        return next((item for item in self.parameters if item.place is Place.BODY), None)


class Target(NamedTuple):
    """What a request is for.

    Args:
        values: of the route's parameters, but for the body.
    """

    route: Route
    values: Mapping[str, object]


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    """Of the parameters in a route's path, by method."""


class Router:
    """Finds routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in _segments(route.path):
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literals.setdefault(segment, _Node())
            assert route.method not in node.routes, route
            node.routes[route.method] = route
            node.names[route.method] = [
                segment[1:-1] for segment in _segments(route.path) if segment.startswith("{")
            ]

    def find(self, method: str, raw_target: str) -> Target:
        """The route of a request; HEAD is that of GET.

        Args:
            raw_target: path and query as they came, still encoded.

        Raises:
            HttpFault: 404, 405; 400: the query has too many fields, or there is a fragment, which
                no client may send: whoever forwards the request would lose what stands behind it.
            RegistryFault: 42202: the path's version is none.
        """
        if "#" in raw_target:
            raise HttpFault(HTTPStatus.BAD_REQUEST, "A # in a path has to be written as %23")
        raw_path, _, raw_query = raw_target.partition("?")
        segments, context = _without_context([unquote(segment) for segment in _segments(raw_path)])
        node, texts = self._walk(segments)
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(sorted(node.routes))
            raise HttpFault(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})
        path = dict(zip(node.names[route.method], texts, strict=True))
        return Target(route, values_of(route.parameters, path, _parse_query(raw_query), context))

    def _walk(self, segments: list[str]) -> tuple[_Node, list[str]]:
        node = self._root
        texts: list[str] = []
        for segment in segments:
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif node.parameter is not None:
                texts.append(segment)
                node = node.parameter
            else:
                raise not_found()
        if not node.routes:
            raise not_found()
        return node, texts


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _without_context(segments: list[str]) -> tuple[list[str], str | None]:
    """The path without its context, and the context, qualified: "" for the default one; None when
    the path names none."""
    if len(segments) < 2 or segments[0] != _CONTEXTS:
        return segments, None
    context = parse_context(segments[1]).qualified_context
    inner = segments[2:]
    if not inner:
        return ([_CONTEXTS, segments[1]] if context else []), context
    if len(inner) == 1 and inner[0] in _SCOPES and context:
        return [*inner, context], context
    return inner, context


def _parse_query(raw_query: str) -> Mapping[str, list[str]]:
    if not raw_query:
        return {}
    try:
        return parse_qs(raw_query, keep_blank_values=True, max_num_fields=limits.QUERY_FIELDS_MAX)
    except ValueError:
        raise HttpFault(HTTPStatus.BAD_REQUEST, "The query has too many fields") from None
