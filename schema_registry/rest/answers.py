"""What answers say, as JSON, with the anchor registry's names of fields. Pure.

Fields that say nothing are absent: no references, no metadata, not deleted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sprawl.schema_registry.model.contracts import Json
from sprawl.schema_registry.model.entities import Config, Mode, StoredSchema
from sprawl.schema_registry.model.listings import Listed
from sprawl.schema_registry.model.lookups import qualified_references
from sprawl.schema_registry.model.parsing import formatted
from sprawl.schema_registry.model.records import SchemaKey, config_to_json
from sprawl.schema_registry.model.registering import Comparison
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.schemas import Reference, SchemaType


class ServerFacts(NamedTuple):
    """What a node says of itself.

    Args:
        kafka_cluster_id: of the cluster that keeps the topic.
        group_id: the registry's name, schema.registry.group.id.
        version, commit_id: of this software.
        schema_types: what this node can read.
    """

    kafka_cluster_id: str
    group_id: str = "schema-registry"
    version: str = ""
    commit_id: str = ""
    schema_types: tuple[SchemaType, ...] = tuple(SchemaType)


def encode(value: object) -> bytes:
    """JSON in UTF-8, without blanks. Half a character, which a message may quote, becomes `?`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fault_to_json(code: int, message: str) -> Json:
    return {"error_code": code, "message": message}


def schema_to_json(
    registry: Registry, schema: StoredSchema, *, spelling: str = "", references: str = ""
) -> Json:
    """A version of a subject.

    Args:
        spelling: `format=`.
        references: `referenceFormat=`.

    Raises:
        RegistryFault: 42201: this node cannot read it, so it cannot spell it otherwise.
    """
    return {
        "subject": schema.subject,
        "version": schema.version,
        "id": schema.id,
        **_content(registry, schema, spelling, references),
    }


def registered_to_json(registry: Registry, schema: StoredSchema, spelling: str) -> Json:
    """Answer to a registration: the id first, and no subject."""
    return {
        "id": schema.id,
        "version": schema.version,
        **_content(registry, schema, spelling, ""),
    }


def schema_string_to_json(
    registry: Registry, schema: StoredSchema, *, spelling: str = "", references: str = ""
) -> Json:
    """A schema that was asked for by its id."""
    return {
        "subject": schema.subject,
        "version": schema.version,
        **_content(registry, schema, spelling, references),
    }


def schema_of_guid_to_json(registry: Registry, schema: StoredSchema, spelling: str) -> Json:
    """A schema that was asked for by its GUID: whose it is does not matter."""
    return _content(registry, schema, spelling, "")


def listed_to_json(registry: Registry, listed: Listed) -> Json:
    fields = schema_to_json(registry, listed.schema)
    if listed.aliases:
        fields["aliases"] = list(listed.aliases)
    return fields


def subject_version_to_json(key: SchemaKey) -> Json:
    return {"subject": key.subject, "version": key.version}


def context_id_to_json(context_id: tuple[str, int]) -> Json:
    return {"context": context_id[0], "id": context_id[1]}


def comparison_to_json(comparison: Comparison, *, verbose: bool) -> Json:
    fields: Json = {"is_compatible": comparison.is_compatible}
    if verbose:
        fields["messages"] = list(comparison.messages)
    return fields


def config_update_to_json(config: Config) -> Json:
    """As `PUT /config` spells it: the level is `compatibility`, as in its request."""
    return {
        "compatibility" if name == "compatibilityLevel" else name: value
        for name, value in config_to_json(config).items()
    }


def mode_to_json(mode: Mode | None) -> Json:
    return {} if mode is None else {"mode": mode.value}


def cluster_to_json(facts: ServerFacts) -> Json:
    clusters: Json = {
        "kafka-cluster": facts.kafka_cluster_id,
        "schema-registry-cluster": facts.group_id,
    }
    return {"scope": {"path": [], "clusters": clusters}, "id": ""}


def _content(registry: Registry, schema: StoredSchema, spelling: str, references: str) -> Json:
    fields: Json = {"guid": schema.guid, "schemaType": schema.schema_type}
    shown = qualified_references(schema) if references == "qualified" else schema.references
    if shown:
        fields["references"] = _references(shown)
    if schema.metadata is not None:
        fields["metadata"] = schema.metadata.to_json()
    if schema.rule_set is not None:
        fields["ruleSet"] = schema.rule_set.to_json()
    fields["schema"] = formatted(registry, schema, spelling)
    if schema.timestamp_ms is not None:
        fields["ts"] = schema.timestamp_ms
    if schema.deleted:
        fields["deleted"] = True
    return fields


def _references(references: Sequence[Reference]) -> list[Json]:
    return [dict(reference._asdict()) for reference in references]
