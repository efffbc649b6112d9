"""All routes, and their description. Pure."""

from __future__ import annotations

from sprawl.schema_registry.rest import (
    schema_routes,
    scope_routes,
    shapes,
    subject_routes,
)
from sprawl.schema_registry.rest.answers import cluster_to_json
from sprawl.schema_registry.rest.bodies import parse_anything
from sprawl.schema_registry.rest.openapi import describe
from sprawl.schema_registry.rest.parameters import Ask, Json, body
from sprawl.schema_registry.rest.routes import Route, Tells

_NOTHING: object = None
_ANYTHING = body("Empty", "Nothing is read of it.", parse_anything, _NOTHING, required=False)


def _empty(_: Ask) -> object:
    return {}


def _no_exporters(_: Ask) -> object:
    """Clients ask for exporters to learn whether a registry has any."""
    return []


def _cluster(ask: Ask) -> object:
    return cluster_to_json(ask.facts)


def _version(ask: Ask) -> object:
    return {"version": ask.facts.version, "commitId": ask.facts.commit_id}


def _deployment(_: Ask) -> object:
    return {"attributes": []}


def description(version: str) -> Json:
    """The OpenAPI description of `ROUTES`. Args: version: of the software."""
    return describe(ROUTES, version)


def _describe(ask: Ask) -> object:
    return description(ask.facts.version)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/",
        name="getRootResource",
        summary="An empty object: somebody is there",
        handler=Tells(_empty),
        shape=shapes.EMPTY,
    ),
    Route(
        method="POST",
        path="/",
        name="postRootResource",
        summary="An empty object: somebody is there",
        handler=Tells(_empty),
        parameters=(_ANYTHING,),
        shape=shapes.EMPTY,
    ),
    *schema_routes.ROUTES,
    *subject_routes.ROUTES,
    *scope_routes.ROUTES,
    Route(
        method="GET",
        path="/exporters",
        name="getAllExporters",
        summary="The exporters: there are none",
        handler=Tells(_no_exporters),
        shape=shapes.NAMES,
    ),
    Route(
        method="GET",
        path="/v1/metadata/id",
        name="getClusterId",
        summary="Ids of the Kafka cluster and of the registry",
        handler=Tells(_cluster),
        shape=shapes.CLUSTER,
    ),
    Route(
        method="GET",
        path="/v1/metadata/version",
        name="getSchemaRegistryServerVersion",
        summary="Version of the software",
        handler=Tells(_version),
        shape=shapes.SERVER_VERSION,
    ),
    Route(
        method="GET",
        path="/v1/metadata/deployment",
        name="getSchemaRegistryServerDeployment",
        summary="What kind of deployment it is",
        handler=Tells(_deployment),
        shape=shapes.DEPLOYMENT,
    ),
    Route(
        method="GET",
        path="/openapi.json",
        name="getDescription",
        summary="This description",
        handler=Tells(_describe),
        shape=shapes.DESCRIPTION,
    ),
)
