"""Routes under `/schemas` and `/contexts`: across subjects. Pure."""

from __future__ import annotations

from sprawl.schema_registry.model.deleting import delete_context
from sprawl.schema_registry.model.entities import StoredSchema
from sprawl.schema_registry.model.listings import (
    get_by_guid,
    get_by_id,
    list_contexts,
    list_ids_of_guid,
    list_schemas,
    list_subjects_of_id,
    list_versions_of_id,
)
from sprawl.schema_registry.model.parsing import formatted
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.scopes import resolve_alias
from sprawl.schema_registry.model.subjects import context_of
from sprawl.schema_registry.rest import shapes, short_reads
from sprawl.schema_registry.rest.answers import (
    context_id_to_json,
    listed_to_json,
    schema_of_guid_to_json,
    schema_string_to_json,
    subject_version_to_json,
)
from sprawl.schema_registry.rest.parameters import (
    CONTEXT,
    DELETED,
    FORMAT,
    GUID,
    ID,
    LIMIT,
    OFFSET,
    REFERENCE_FORMAT,
    WHERE,
    Ask,
    flag,
    text,
)
from sprawl.schema_registry.rest.routes import Reads, Route, Tells, Writes

_PREFIX = text("subjectPrefix", "Start of the names; `:*:` for all contexts.", in_context=True)
_ALIASES = flag("aliases", "Those that have an alias with this prefix too.")
_LATEST_ONLY = flag("latestOnly", "The latest version of each subject only.")
_RULE_TYPE = text("ruleType", "Only those with a rule of this type.")
_FETCH_MAX_ID = flag("fetchMaxId", "Tell the highest id of the context, too.")
_CONTEXT_PREFIX = text("contextPrefix", "Start of the names.")


def _list_types(ask: Ask) -> object:
    return [schema_type.value for schema_type in ask.facts.schema_types]


def _list_schemas(registry: Registry, ask: Ask) -> object:
    found = list_schemas(
        registry,
        ask[_PREFIX],
        aliases=ask[_ALIASES],
        deleted=ask[DELETED],
        latest_only=ask[_LATEST_ONLY],
        rule_type=ask[_RULE_TYPE] or None,
        offset=ask[OFFSET],
        limit=ask[LIMIT],
    )
    return [listed_to_json(registry, listed) for listed in found]


def _where(registry: Registry, ask: Ask) -> str:
    return resolve_alias(registry, ask[WHERE]) if ask[WHERE] else ""


def _by_id(registry: Registry, ask: Ask) -> StoredSchema:
    return get_by_id(registry, ask[ID], _where(registry, ask))


def _get_by_id(registry: Registry, ask: Ask) -> object:
    found = _by_id(registry, ask)
    fields = schema_string_to_json(
        registry, found, spelling=ask[FORMAT], references=ask[REFERENCE_FORMAT]
    )
    if ask[_FETCH_MAX_ID]:
        fields["maxId"] = registry.state.highest_id(context_of(found.subject))
    return fields


def _get_text(registry: Registry, ask: Ask) -> object:
    return formatted(registry, _by_id(registry, ask), ask[FORMAT])


def _list_subjects_of_id(registry: Registry, ask: Ask) -> object:
    return list_subjects_of_id(
        registry,
        ask[ID],
        _where(registry, ask),
        deleted=ask[DELETED],
        offset=ask[OFFSET],
        limit=ask[LIMIT],
    )


def _list_versions_of_id(registry: Registry, ask: Ask) -> object:
    found = list_versions_of_id(
        registry,
        ask[ID],
        _where(registry, ask),
        deleted=ask[DELETED],
        offset=ask[OFFSET],
        limit=ask[LIMIT],
    )
    return [subject_version_to_json(key) for key in found]


def _get_by_guid(registry: Registry, ask: Ask) -> object:
    return schema_of_guid_to_json(registry, get_by_guid(registry, ask[GUID]), ask[FORMAT])


def _list_ids_of_guid(registry: Registry, ask: Ask) -> object:
    return [context_id_to_json(found) for found in list_ids_of_guid(registry, ask[GUID])]


def _list_contexts(registry: Registry, ask: Ask) -> object:
    return list_contexts(registry, ask[_CONTEXT_PREFIX], offset=ask[OFFSET], limit=ask[LIMIT])


def _delete_context(registry: Registry, ask: Ask) -> Judged[object]:
    return judged(delete_context(registry, ask[CONTEXT]).records, None)


ROUTES = (
    Route(
        method="GET",
        path="/schemas",
        name="getSchemas",
        summary="Versions of subjects, sorted; the default context's, unless the prefix says else",
        handler=Reads(_list_schemas),
        parameters=(_PREFIX, _ALIASES, DELETED, _LATEST_ONLY, _RULE_TYPE, OFFSET, LIMIT),
        shape=shapes.SCHEMAS,
    ),
    Route(
        method="GET",
        path="/schemas/types",
        name="getSchemaTypes",
        summary="The schema types",
        handler=Tells(_list_types),
        shape=shapes.NAMES,
    ),
    Route(
        method="GET",
        path="/schemas/ids/{id}",
        name="getSchemaById",
        summary="A schema by its id",
        handler=Reads(_get_by_id, short_reads.is_id_short),
        parameters=(ID, WHERE, FORMAT, REFERENCE_FORMAT, _FETCH_MAX_ID),
        shape=shapes.SCHEMA_STRING,
    ),
    Route(
        method="GET",
        path="/schemas/ids/{id}/schema",
        name="getOnlySchemaById",
        summary="The text of a schema by its id",
        handler=Reads(_get_text, short_reads.is_id_short),
        parameters=(ID, WHERE, FORMAT),
        shape=shapes.SCHEMA_TEXT,
    ),
    Route(
        method="GET",
        path="/schemas/ids/{id}/subjects",
        name="getAllSubjectsById",
        summary="The subjects that have a schema",
        handler=Reads(_list_subjects_of_id, short_reads.are_holders_short),
        parameters=(ID, WHERE, DELETED, OFFSET, LIMIT),
        shape=shapes.NAMES,
    ),
    Route(
        method="GET",
        path="/schemas/ids/{id}/versions",
        name="getAllVersionsById",
        summary="The subjects and versions that have a schema",
        handler=Reads(_list_versions_of_id, short_reads.are_holders_short),
        parameters=(ID, WHERE, DELETED, OFFSET, LIMIT),
        shape=shapes.SUBJECT_VERSIONS,
    ),
    Route(
        method="GET",
        path="/schemas/guids/{guid}",
        name="getSchemaByGuid",
        summary="A schema by its GUID, which is the same in all registries",
        handler=Reads(_get_by_guid),
        parameters=(GUID, FORMAT),
        shape=shapes.SCHEMA_STRING,
    ),
    Route(
        method="GET",
        path="/schemas/guids/{guid}/ids",
        name="getAllIdsByGuid",
        summary="The contexts and ids that a schema has",
        handler=Reads(_list_ids_of_guid),
        parameters=(GUID,),
        shape=shapes.CONTEXT_IDS,
    ),
    Route(
        method="GET",
        path="/contexts",
        name="getAllContexts",
        summary="The contexts, the default one first",
        handler=Reads(_list_contexts),
        parameters=(_CONTEXT_PREFIX, OFFSET, LIMIT),
        shape=shapes.NAMES,
    ),
    Route(
        method="DELETE",
        path="/contexts/{context}",
        name="deleteContext",
        summary="Delete a context that has no versions",
        handler=Writes(_delete_context),
        parameters=(CONTEXT,),
        shape=shapes.NO_CONTENT,
    ),
)
