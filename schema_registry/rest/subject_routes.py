"""Routes under `/subjects` and `/compatibility`. Pure.

An alias stands for its subject in all of them.
"""

from __future__ import annotations

from sprawl.schema_registry.model.deleting import delete_subject, delete_version
from sprawl.schema_registry.model.listings import list_subjects
from sprawl.schema_registry.model.lookups import (
    Shown,
    get_latest_with_metadata,
    get_referrers,
    get_version,
    list_versions,
    look_up,
)
from sprawl.schema_registry.model.parsing import NewSchema, formatted
from sprawl.schema_registry.model.registering import (
    change_contracts,
    compare_with_all,
    compare_with_version,
    register,
)
from sprawl.schema_registry.model.registry import Judged, Registry, judged
from sprawl.schema_registry.model.scopes import resolve_alias
from sprawl.schema_registry.model.subjects import ANY_CONTEXT
from sprawl.schema_registry.rest import shapes, short_reads
from sprawl.schema_registry.rest.answers import (
    comparison_to_json,
    registered_to_json,
    schema_to_json,
)
from sprawl.schema_registry.rest.bodies import (
    ContractChange,
    parse_contract_change,
    parse_new_schema,
)
from sprawl.schema_registry.rest.parameters import (
    DELETED,
    DELETED_ONLY,
    FORCE,
    FORMAT,
    LIMIT,
    NORMALIZE,
    OFFSET,
    PERMANENT,
    REFERENCE_FORMAT,
    SUBJECT,
    VERBOSE,
    VERSION,
    Ask,
    body,
    flag,
    repeated,
    text,
)
from sprawl.schema_registry.rest.routes import Reads, Route, Writes

_PREFIX = text("subjectPrefix", "Start of the names; `:*:` for all contexts.", ANY_CONTEXT,
               in_context=True)  # fmt: skip
_DELETED_AS_NEGATIVE = flag("deletedAsNegative", "Soft-deleted ones too, with a minus sign.")
_KEY = repeated("key", "Names of metadata properties, in the order of `value`.")
_VALUE = repeated("value", "Values that they have to have.")
_SCHEMA = body("RegisterSchemaRequest", "A schema.", parse_new_schema, NewSchema(None))
_CHANGE = body("TagSchemaRequest", "The changes.", parse_contract_change, ContractChange())


def _subject(registry: Registry, ask: Ask) -> str:
    return resolve_alias(registry, ask[SUBJECT])


def _list_subjects(registry: Registry, ask: Ask) -> object:
    shown = Shown.ALIVE
    if ask[DELETED_ONLY]:
        shown = Shown.ONLY_DELETED
    elif ask[DELETED]:
        shown = Shown.ALL
    return list_subjects(registry, ask[_PREFIX], shown, offset=ask[OFFSET], limit=ask[LIMIT])


def _look_up(registry: Registry, ask: Ask) -> object:
    found = look_up(
        registry,
        _subject(registry, ask),
        ask[_SCHEMA],
        normalize=ask[NORMALIZE],
        deleted=ask[DELETED],
    )
    return schema_to_json(registry, found, spelling=ask[FORMAT])


def _delete_subject(registry: Registry, ask: Ask) -> Judged[object]:
    done = delete_subject(registry, _subject(registry, ask), permanent=ask[PERMANENT])
    return judged(done.records, done.answer)


def _get_latest_with_metadata(registry: Registry, ask: Ask) -> object:
    wanted = dict(zip(ask[_KEY], ask[_VALUE], strict=False))
    found = get_latest_with_metadata(
        registry, _subject(registry, ask), wanted, deleted=ask[DELETED]
    )
    return schema_to_json(registry, found, spelling=ask[FORMAT])


def _list_versions(registry: Registry, ask: Ask) -> object:
    shown = Shown.ALIVE
    if ask[_DELETED_AS_NEGATIVE]:
        shown = Shown.DELETED_AS_NEGATIVE
    elif ask[DELETED_ONLY]:
        shown = Shown.ONLY_DELETED
    elif ask[DELETED]:
        shown = Shown.ALL
    return list_versions(
        registry, _subject(registry, ask), shown, offset=ask[OFFSET], limit=ask[LIMIT]
    )


def _register(registry: Registry, ask: Ask) -> Judged[object]:
    done = register(
        registry,
        _subject(registry, ask),
        ask[_SCHEMA],
        normalize=ask[NORMALIZE],
        force=ask[FORCE],
    )
    return judged(done.records, registered_to_json(registry, done.answer, ask[FORMAT]))


def _get_version(registry: Registry, ask: Ask) -> object:
    found = get_version(registry, _subject(registry, ask), ask[VERSION], deleted=ask[DELETED])
    return schema_to_json(registry, found, spelling=ask[FORMAT], references=ask[REFERENCE_FORMAT])


def _get_text(registry: Registry, ask: Ask) -> object:
    found = get_version(registry, _subject(registry, ask), ask[VERSION], deleted=ask[DELETED])
    return formatted(registry, found, ask[FORMAT])


def _get_referrers(registry: Registry, ask: Ask) -> object:
    return get_referrers(
        registry,
        _subject(registry, ask),
        ask[VERSION],
        deleted=ask[DELETED],
        offset=ask[OFFSET],
        limit=ask[LIMIT],
    )


def _delete_version(registry: Registry, ask: Ask) -> Judged[object]:
    done = delete_version(registry, _subject(registry, ask), ask[VERSION], permanent=ask[PERMANENT])
    return judged(done.records, done.answer)


def _change_contracts(registry: Registry, ask: Ask) -> Judged[object]:
    change = ask[_CHANGE]
    done = change_contracts(
        registry,
        _subject(registry, ask),
        ask[VERSION],
        new_version=change.new_version,
        metadata=change.metadata,
        rule_set=change.rule_set,
        rules_to_merge=change.rules_to_merge,
        rules_to_remove=change.rules_to_remove,
    )
    return judged(done.records, registered_to_json(registry, done.answer, ""))


def _compare_with_version(registry: Registry, ask: Ask) -> object:
    comparison = compare_with_version(
        registry,
        _subject(registry, ask),
        ask[VERSION],
        ask[_SCHEMA],
        normalize=ask[NORMALIZE],
        verbose=ask[VERBOSE],
    )
    return comparison_to_json(comparison, verbose=ask[VERBOSE])


def _compare_with_all(registry: Registry, ask: Ask) -> object:
    comparison = compare_with_all(
        registry,
        _subject(registry, ask),
        ask[_SCHEMA],
        normalize=ask[NORMALIZE],
        verbose=ask[VERBOSE],
    )
    return comparison_to_json(comparison, verbose=ask[VERBOSE])


ROUTES = (
    Route(
        method="GET",
        path="/subjects",
        name="getAllSubjects",
        summary="The subjects, sorted",
        handler=Reads(_list_subjects),
        parameters=(_PREFIX, DELETED, DELETED_ONLY, OFFSET, LIMIT),
        shape=shapes.NAMES,
    ),
    Route(
        method="POST",
        path="/subjects/{subject}",
        name="lookUpSchemaUnderSubject",
        summary="The version of a subject that is this schema",
        handler=Reads(_look_up),
        parameters=(SUBJECT, NORMALIZE, FORMAT, DELETED, _SCHEMA),
        shape=shapes.SCHEMA,
    ),
    Route(
        method="DELETE",
        path="/subjects/{subject}",
        name="deleteSubject",
        summary="Delete all versions of a subject, softly or for good",
        handler=Writes(_delete_subject),
        parameters=(SUBJECT, PERMANENT),
        shape=shapes.NUMBERS,
    ),
    Route(
        method="GET",
        path="/subjects/{subject}/metadata",
        name="getLatestWithMetadata",
        summary="The highest version that has these metadata properties",
        handler=Reads(_get_latest_with_metadata),
        parameters=(SUBJECT, _KEY, _VALUE, FORMAT, DELETED),
        shape=shapes.SCHEMA,
    ),
    Route(
        method="GET",
        path="/subjects/{subject}/versions",
        name="getAllVersions",
        summary="The versions of a subject, lowest first",
        handler=Reads(_list_versions, short_reads.are_versions_short),
        parameters=(SUBJECT, DELETED, DELETED_ONLY, _DELETED_AS_NEGATIVE, OFFSET, LIMIT),
        shape=shapes.NUMBERS,
    ),
    Route(
        method="POST",
        path="/subjects/{subject}/versions",
        name="registerSchema",
        summary="Register a schema as the next version of a subject, unless it has it already",
        handler=Writes(_register),
        parameters=(SUBJECT, NORMALIZE, FORMAT, FORCE, _SCHEMA),
        shape=shapes.REGISTERED,
    ),
    Route(
        method="GET",
        path="/subjects/{subject}/versions/{version}",
        name="getSchemaByVersion",
        summary="A version of a subject",
        handler=Reads(_get_version, short_reads.is_version_short),
        parameters=(SUBJECT, VERSION, FORMAT, REFERENCE_FORMAT, DELETED),
        shape=shapes.SCHEMA,
    ),
    Route(
        method="GET",
        path="/subjects/{subject}/versions/{version}/schema",
        name="getVersionSchemaOnly",
        summary="The text of a version",
        handler=Reads(_get_text, short_reads.is_version_short),
        parameters=(SUBJECT, VERSION, FORMAT, DELETED),
        shape=shapes.SCHEMA_TEXT,
    ),
    Route(
        method="GET",
        path="/subjects/{subject}/versions/{version}/referencedby",
        name="getReferencedBy",
        summary="Ids of the schemas that refer to a version",
        handler=Reads(_get_referrers),
        parameters=(SUBJECT, VERSION, DELETED, OFFSET, LIMIT),
        shape=shapes.NUMBERS,
    ),
    Route(
        method="DELETE",
        path="/subjects/{subject}/versions/{version}",
        name="deleteSchemaVersion",
        summary="Delete a version, softly or for good",
        handler=Writes(_delete_version),
        parameters=(SUBJECT, VERSION, PERMANENT),
        shape=shapes.NUMBER,
    ),
    Route(
        method="POST",
        path="/subjects/{subject}/versions/{version}/tags",
        name="modifySchemaTags",
        summary="Register the schema of a version once more, with other metadata or rules",
        handler=Writes(_change_contracts),
        parameters=(SUBJECT, VERSION, _CHANGE),
        shape=shapes.REGISTERED,
    ),
    Route(
        method="POST",
        path="/compatibility/subjects/{subject}/versions/{version}",
        name="testCompatibilityBySubjectName",
        summary="Whether a schema may follow a version, by the subject's level",
        handler=Reads(_compare_with_version),
        parameters=(SUBJECT, VERSION, NORMALIZE, VERBOSE, _SCHEMA),
        shape=shapes.COMPARISON,
    ),
    Route(
        method="POST",
        path="/compatibility/subjects/{subject}/versions",
        name="testCompatibilityForSubject",
        summary="Whether a schema could be registered under a subject",
        handler=Reads(_compare_with_all),
        parameters=(SUBJECT, NORMALIZE, VERBOSE, _SCHEMA),
        shape=shapes.COMPARISON,
    ),
)
