"""Routes under `/config` and `/mode`: of all, of a context, of a subject. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sprawl.schema_registry.model.records import config_to_json
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.scopes import (
    delete_config,
    delete_mode,
    get_config,
    get_mode,
    put_config,
    put_mode,
)
from sprawl.schema_registry.rest import shapes, short_reads
from sprawl.schema_registry.rest.answers import config_update_to_json, mode_to_json
from sprawl.schema_registry.rest.bodies import parse_config, parse_mode
from sprawl.schema_registry.rest.parameters import (
    DEFAULT_TO_GLOBAL,
    FORCE,
    RECURSIVE,
    SCOPE,
    Ask,
    Parameter,
    body,
)
from sprawl.schema_registry.rest.routes import Reads, Route, Shape, Writes

_NOTHING: Mapping[str, object] = {}
_CONFIG = body("ConfigUpdateRequest", "Fields replace, null takes away.", parse_config, _NOTHING)
_NO_MODE: str | None = None
_MODE = body("ModeUpdateRequest", "The mode; null takes it away.", parse_mode, _NO_MODE)


def _scoped(
    *,
    method: str,
    path: str,
    names: tuple[str, str],
    summary: str,
    handler: Reads | Writes,
    parameters: tuple[Parameter[object], ...],
    shape: Shape,
) -> tuple[Route, Route]:
    """The route of all and the route of one scope. Args: names: one of each."""
    return (
        Route(
            method=method,
            path=path,
            name=names[0],
            summary=f"{summary} of all subjects that have none of their own",
            handler=handler,
            parameters=parameters,
            shape=shape,
        ),
        Route(
            method=method,
            path=f"{path}/{{subject}}",
            name=names[1],
            summary=f"{summary} of a subject or a context",
            handler=handler,
            parameters=(SCOPE, *parameters),
            shape=shape,
        ),
    )


def _get_config(registry: Registry, ask: Ask) -> object:
    config = get_config(registry, ask.get(SCOPE), default_to_global=ask[DEFAULT_TO_GLOBAL])
    return config_to_json(config)


def _put_config(registry: Registry, ask: Ask) -> Judged[object]:
    done = put_config(registry, ask.get(SCOPE), ask[_CONFIG])
    return judged(done.records, config_update_to_json(done.answer))


def _delete_config(registry: Registry, ask: Ask) -> Judged[object]:
    done = delete_config(registry, ask.get(SCOPE))
    return judged(done.records, config_to_json(done.answer))


def _get_mode(registry: Registry, ask: Ask) -> object:
    mode = get_mode(registry, ask.get(SCOPE), default_to_global=ask[DEFAULT_TO_GLOBAL])
    return mode_to_json(mode)


def _put_mode(registry: Registry, ask: Ask) -> Judged[object]:
    done = put_mode(registry, ask.get(SCOPE), ask[_MODE], force=ask[FORCE])
    return judged(done.records, mode_to_json(done.answer))


def _delete_mode(registry: Registry, ask: Ask) -> Judged[object]:
    done = delete_mode(registry, ask.get(SCOPE), recursive=ask[RECURSIVE])
    return judged(done.records, mode_to_json(done.answer))


ROUTES = (
    *_scoped(
        method="GET",
        path="/config",
        names=("getGlobalConfig", "getSubjectConfig"),
        summary="The config",
        handler=Reads(_get_config, short_reads.is_config_short),
        parameters=(DEFAULT_TO_GLOBAL,),
        shape=shapes.CONFIG,
    ),
    *_scoped(
        method="PUT",
        path="/config",
        names=("updateGlobalConfig", "updateSubjectConfig"),
        summary="Change the config",
        handler=Writes(_put_config),
        parameters=(_CONFIG,),
        shape=shapes.CONFIG_UPDATE,
    ),
    *_scoped(
        method="DELETE",
        path="/config",
        names=("deleteGlobalConfig", "deleteSubjectConfig"),
        summary="Take away the config",
        handler=Writes(_delete_config),
        parameters=(),
        shape=shapes.CONFIG,
    ),
    *_scoped(
        method="GET",
        path="/mode",
        names=("getGlobalMode", "getSubjectMode"),
        summary="The mode",
        handler=Reads(_get_mode, short_reads.always),
        parameters=(DEFAULT_TO_GLOBAL,),
        shape=shapes.MODE,
    ),
    *_scoped(
        method="PUT",
        path="/mode",
        names=("updateGlobalMode", "updateSubjectMode"),
        summary="Change the mode",
        handler=Writes(_put_mode),
        parameters=(FORCE, _MODE),
        shape=shapes.MODE,
    ),
    *_scoped(
        method="DELETE",
        path="/mode",
        names=("deleteGlobalMode", "deleteSubjectMode"),
        summary="Take away the mode",
        handler=Writes(_delete_mode),
        parameters=(RECURSIVE,),
        shape=shapes.MODE,
    ),
)
