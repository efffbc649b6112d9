"""The OpenAPI 3.1 description of routes. Pure.

Each path is there twice on the wire: as described, and behind `/contexts/{context}`, where names
without a context are of that one.
"""

from __future__ import annotations

from collections.abc import Iterable

from sprawl.schema_registry.rest.media import ACCEPTED, ANSWERED
from sprawl.schema_registry.rest.parameters import Json, Parameter, Place
from sprawl.schema_registry.rest.routes import Route, Shape
from sprawl.schema_registry.rest.shapes import COMPONENTS

_ABOUT = (
    "Schemas, their versions, and what may follow what. Behind `/contexts/{context}` the same "
    "paths work on names of that context. Errors have a code whose first three digits are the "
    "status."
)


def describe(routes: Iterable[Route], version: str) -> Json:
    """Args: version: of the software."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sprawl schema registry",
            "version": version or "0",
            "description": _ABOUT,
        },
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "responses": {
                "Error": {"description": "Refused", "content": _content(_ERROR)},
            },
        },
    }


_ERROR: Json = {"$ref": "#/components/schemas/Error"}


def _operation(route: Route) -> Json:
    operation: Json = {"operationId": route.name, "summary": route.summary}
    given = [_parameter(item) for item in route.parameters if item.place is not Place.BODY]
    if given:
        operation["parameters"] = given
    if route.body is not None:
        operation["requestBody"] = {
            "description": route.body.description,
            "required": route.body.is_required,
            "content": {name: {"schema": route.body.schema} for name in ACCEPTED},
        }
    operation["responses"] = {
        str(route.shape.status.value): _answer(route.shape),
        "default": {"$ref": "#/components/responses/Error"},
    }
    return operation


def _parameter(parameter: Parameter[object]) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place.value,
        "required": parameter.place is Place.PATH,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _answer(shape: Shape) -> Json:
    if shape.schema is None:
        return {"description": shape.description}
    return {"description": shape.description, "content": _content(shape.schema)}


def _content(schema: Json) -> Json:
    return {name: {"schema": schema} for name in ANSWERED}
