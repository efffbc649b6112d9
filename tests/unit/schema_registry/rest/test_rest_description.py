"""The OpenAPI description, and that it says what handlers read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from rest_world import FACTS, MemoryService, RestWorld

from sprawl.schema_registry.rest.parameters import WHERE, Ask, Parameter, with_body
from sprawl.schema_registry.rest.routes import Reads, Route, Router, Tells
from sprawl.schema_registry.rest.table import ROUTES, description

BODIES = {
    "RegisterSchemaRequest": {"schema": '"int"'},
    "ConfigUpdateRequest": {"compatibility": "NONE"},
    "ModeUpdateRequest": {"mode": "READWRITE"},
    "TagSchemaRequest": {},
    "Empty": {},
}


async def test_it_is_served_and_every_name_in_it_is_defined(world: RestWorld) -> None:
    served = await world.good("GET", "/openapi.json")
    assert served == description(FACTS.version)
    assert served["openapi"].startswith("3.")
    names = set(served["components"]["schemas"])
    referred = {ref.rpartition("/")[2] for ref in _refs(served)}
    assert referred <= names | {"Error"}
    for schema in served["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_each_operation_has_its_own_name_and_its_parameters() -> None:
    names: list[str] = []
    paths: Any = description("1")["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            names.append(operation["operationId"])
            given = operation.get("parameters", [])
            in_path = {item["name"] for item in given if item["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
            assert all(item["required"] for item in given if item["in"] == "path")
            assert len({(item["in"], item["name"]) for item in given}) == len(given)
    assert len(names) == len(set(names)) == len(ROUTES)


class _Watched(Ask):
    """Notes what a handler reads."""

    def __init__(self, values: dict[str, object]) -> None:
        super().__init__(FACTS, values)
        self.read: set[int] = set()

    def __getitem__(self, parameter: Parameter[Any]) -> Any:
        self.read.add(id(parameter))
        return super().__getitem__(parameter)

    def get(self, parameter: Parameter[Any]) -> Any:
        self.read.add(id(parameter))
        return super().get(parameter)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_handler_reads_what_its_route_takes(world: RestWorld, route: Route) -> None:
    await world.register("s", '"int"', metadata={"properties": {"a": "b"}})
    guid = (await world.good("GET", "/schemas/ids/1"))["guid"]
    await world.good("PUT", "/config/s", {"compatibility": "FULL"})
    await world.good("PUT", "/mode/s", {"mode": "READWRITE"})
    texts = {"subject": "s", "version": "1", "id": "1", "guid": guid, "context": ".c"}
    target = route.path.format_map(texts)
    query = "?subject=s" if any(item is WHERE for item in route.parameters) else ""
    values = dict(Router(ROUTES).find(route.method, target + query).values)
    if route.body is not None:
        name = str(route.body.schema["$ref"]).rpartition("/")[2]
        values = with_body(values, route.body, BODIES[name])
    ask = _Watched(values)
    registry = MemoryService().registry._replace(state=world.service.registry.state)
    if isinstance(route.handler, Tells):
        route.handler.answer(ask)
    elif isinstance(route.handler, Reads):
        route.handler.answer(registry, ask)
    else:
        route.handler.command(registry, ask)
    unread = {item.name for item in route.parameters if id(item) not in ask.read}
    assert unread <= {"Empty"}


def _refs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)
