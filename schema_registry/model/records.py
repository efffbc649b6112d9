"""Records of `_schemas`, byte for byte as the other registries write them.

A topic has one partition and is compacted by key, so the bytes of a key matter: the order of its
fields is fixed. What others wrote with another spelling of a key (Karapace's global config has
`"subject":null`, its old keys another order) is read too, and `Record.spelling` keeps the bytes, so
that a later record replaces that very one. An empty value is Karapace's way to take a key away.

    keytype          key, in this order                        value; null takes it away
    SCHEMA           keytype subject version magic=1            a version of a subject
    CONFIG, MODE     keytype subject? magic=0                   of a scope, or the global one
    CONTEXT          keytype tenant context magic=0             tenant context
    DELETE_SUBJECT   keytype subject magic=0                    soft delete of all up to `version`
    CLEAR_SUBJECT    keytype subject? magic=0                   what is soft deleted there is gone
    NOOP             keytype magic=0                            null: a barrier
    NOOP             keytype subject magic=0                    our own: `maxId` of a context
    others           left alone: compaction keeps them, and nothing here reads them

Source: the `_schemas` topic of Confluent Schema Registry 8 and of Karapace.
"""

from __future__ import annotations

import enum
import json
from binascii import a2b_base64
from typing import NamedTuple, TypeAlias, TypeVar

from sprawl.schema_registry.model.contracts import (
    Json,
    MalformedContract,
    parse_metadata,
    parse_rule_set,
)
from sprawl.schema_registry.model.entities import (
    Config,
    Level,
    Mode,
    StoredSchema,
    content_digest,
)
from sprawl.schema_registry.model.subjects import VERSION_MAX, QualifiedSubject, context_of
from sprawl.schema_registry.schemas import Reference, SchemaType

LogRecord: TypeAlias = tuple[bytes, bytes | None]
"""Key and value as the topic has them; no value is a tombstone."""

E = TypeVar("E", bound=enum.Enum)

_TENANT = "default"


class RecordFault(ValueError):
    """A record that cannot be used. Nothing of it is applied: skip it with one log line."""


class SchemaKey(NamedTuple):
    subject: str
    version: int


class ConfigKey(NamedTuple):
    """Args: subject: of the scope; None for the global one."""

    subject: str | None


class ModeKey(NamedTuple):
    """Args: subject: of the scope; None for the global one."""

    subject: str | None


class ContextKey(NamedTuple):
    context: str


class DeleteSubjectKey(NamedTuple):
    subject: str


class ClearSubjectKey(NamedTuple):
    """Args: subject: of the scope; None for all."""

    subject: str | None


class NoopKey(NamedTuple):
    """Args: context: whose highest id the value states; None for a barrier."""

    context: str | None = None


class ForeignKey(NamedTuple):
    """A record that this registry has no use for."""

    keytype: str


Key: TypeAlias = (
    SchemaKey
    | ConfigKey
    | ModeKey
    | ContextKey
    | DeleteSubjectKey
    | ClearSubjectKey
    | NoopKey
    | ForeignKey
)


class UpTo(NamedTuple):
    """Value of DELETE_SUBJECT: the highest version that is deleted."""

    version: int


class MaxId(NamedTuple):
    """Value of our own NOOP: no id up to this one is given out again."""

    id: int


class Present(NamedTuple):
    """Value of CONTEXT and CLEAR_SUBJECT, which say no more than their keys."""


Value: TypeAlias = StoredSchema | Config | Mode | UpTo | MaxId | Present


class Record(NamedTuple):
    """A record of the topic.

    Args:
        value: None takes away what the key stands for.
        spelling: the key's bytes, if they are not what `encode_key` gives.
    """

    key: Key
    value: Value | None
    spelling: bytes | None = None


def encode_key(key: Key) -> bytes:
    """The bytes that compaction compares."""
    match key:
        case SchemaKey():
            fields: Json = {"subject": key.subject, "version": key.version, "magic": 1}
        case ContextKey():
            fields = {"tenant": _TENANT, "context": key.context, "magic": 0}
        case NoopKey():
            context = key.context
            fields = {} if context is None else {"subject": QualifiedSubject(context, "").name}
            fields["magic"] = 0
        case ConfigKey() | ModeKey() | ClearSubjectKey() | DeleteSubjectKey():
            fields = {} if key.subject is None else {"subject": key.subject}
            fields["magic"] = 0
        case ForeignKey():
            raise ValueError("records of others are not ours to write")
    return _dump({"keytype": _KEYTYPES[type(key)], **fields})


def barrier() -> LogRecord:
    """What a new leader appends: once it is applied, all that came before is known."""
    return encode_key(NoopKey()), None


def encode_value(key: Key, value: Value | None) -> bytes | None:
    match value:
        case None:
            return None
        case StoredSchema():
            return _dump(_schema_to_json(value))
        case Config():
            return _dump({**_subject_of(key), **config_to_json(value)})
        case Mode():
            return _dump({**_subject_of(key), "mode": value.value})
        case UpTo():
            return _dump({**_subject_of(key), "version": value.version})
        case MaxId():
            return _dump({"maxId": value.id})
        case Present():
            if isinstance(key, ContextKey):
                return _dump({"tenant": _TENANT, "context": key.context})
            return _dump(_subject_of(key))


def decode(key: bytes | None, value: bytes | None) -> Record:
    """Read a record of the topic, whoever wrote it.

    Raises:
        RecordFault: whatever is wrong with it.
    """
    fields = _load(key, "key")
    parsed = _parse_key(fields)
    if isinstance(parsed, ForeignKey):
        return Record(parsed, None, key)
    spelling = None if encode_key(parsed) == key else key
    if not value or (isinstance(parsed, NoopKey) and parsed.context is None):
        return Record(parsed, None, spelling)
    try:
        return Record(parsed, _parse_value(parsed, _load(value, "value")), spelling)
    except MalformedContract as problem:
        raise RecordFault(f"value of {parsed}: {problem}") from None


def config_to_json(config: Config) -> Json:
    """The fields that are set, in the order of the topic; `GET /config` gives them as well."""
    level = config.compatibility_level
    metadata = (config.default_metadata, config.override_metadata)
    rule_sets = (config.default_rule_set, config.override_rule_set)
    fields: Json = {
        "alias": config.alias or None,
        "aliasForDeks": config.alias_for_deks or None,
        "normalize": config.normalize,
        "validateFields": config.validate_fields,
        "validateNewSchemas": config.validate_new_schemas,
        "validateRules": config.validate_rules,
        "compatibilityLevel": None if level is None else level.value,
        "compatibilityPolicy": config.compatibility_policy,
        "compatibilityGroup": config.compatibility_group or None,
    }
    for name, contract in zip(
        ("defaultMetadata", "overrideMetadata", "defaultRuleSet", "overrideRuleSet"),
        metadata + rule_sets,
        strict=True,
    ):
        fields[name] = None if contract is None else contract.to_json()
    return {name: field for name, field in fields.items() if field is not None}


def _schema_to_json(schema: StoredSchema) -> Json:
    fields: Json = {"subject": schema.subject, "version": schema.version, "id": schema.id}
    if schema.md5 is not None:
        fields["md5"] = schema.md5
    if schema.schema_type != SchemaType.AVRO.value:
        fields["schemaType"] = schema.schema_type
    if schema.references:
        fields["references"] = [reference._asdict() for reference in schema.references]
    if schema.metadata is not None:
        fields["metadata"] = schema.metadata.to_json()
    if schema.rule_set is not None:
        fields["ruleSet"] = schema.rule_set.to_json()
    fields["schema"] = schema.schema
    fields["deleted"] = schema.deleted
    return fields


def _subject_of(key: Key) -> Json:
    subject = getattr(key, "subject", None)
    return {} if subject is None else {"subject": subject}


def _dump(fields: Json) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _load(data: bytes | None, where: str) -> Json:
    if data is None:
        raise RecordFault(f"a record without a {where}")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise RecordFault(f"{where} is no JSON: {problem}") from None
    if not isinstance(fields, dict):
        raise RecordFault(f"{where} is no JSON object")
    return fields


def _parse_key(fields: Json) -> Key:
    keytype = fields.get("keytype")
    if not isinstance(keytype, str):
        raise RecordFault("key without a keytype")
    match keytype:
        case "SCHEMA":
            return SchemaKey(_text(fields, "subject"), _number(fields, "version", 1))
        case "CONFIG":
            return ConfigKey(_optional_text(fields, "subject"))
        case "MODE":
            return ModeKey(_optional_text(fields, "subject"))
        case "CONTEXT" if fields.get("tenant", _TENANT) == _TENANT:
            return ContextKey(_text(fields, "context"))
        case "DELETE_SUBJECT":
            return DeleteSubjectKey(_text(fields, "subject"))
        case "CLEAR_SUBJECT":
            return ClearSubjectKey(_optional_text(fields, "subject"))
        case "NOOP":
            scope = _optional_text(fields, "subject")
            return NoopKey(None if scope is None else context_of(scope))
        case _:
            return ForeignKey(keytype)


def _parse_value(key: Key, fields: Json) -> Value:
    match key:
        case SchemaKey():
            return _parse_schema(key, fields)
        case ConfigKey():
            return _parse_config(fields)
        case ModeKey():
            return _member(Mode, _text(fields, "mode"))
        case DeleteSubjectKey():
            return UpTo(_number(fields, "version", 0))
        case NoopKey():
            return MaxId(_number(fields, "maxId", 0))
        case _:
            return Present()


def _parse_schema(key: SchemaKey, fields: Json) -> StoredSchema:
    references = tuple(_parse_references(fields.get("references")))
    metadata = parse_metadata(fields.get("metadata"))
    rule_set = parse_rule_set(fields.get("ruleSet"))
    text = _text(fields, "schema")
    md5 = _optional_text(fields, "md5")
    return StoredSchema(
        subject=key.subject,
        version=key.version,
        id=_number(fields, "id", 0),
        schema_type=_optional_text(fields, "schemaType") or SchemaType.AVRO.value,
        references=references,
        metadata=metadata,
        rule_set=rule_set,
        schema=text,
        deleted=_optional_flag(fields, "deleted") or False,
        digest=(
            content_digest(text, references, metadata, rule_set)
            if md5 is None
            else _digest_of_md5(md5)
        ),
        md5=md5,
    )


def _digest_of_md5(md5: str) -> bytes:
    try:
        digest = a2b_base64(md5)
    except ValueError:
        digest = b""
    if len(digest) != 16:
        raise RecordFault("md5 is not the base64 of 16 bytes")
    return digest


def _parse_references(values: object) -> list[Reference]:
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RecordFault("references is no array of objects")
    return [
        Reference(_text(value, "name"), _text(value, "subject"), _number(value, "version", -1))
        for value in values
    ]


def _parse_config(fields: Json) -> Config:
    level = _optional_text(fields, "compatibilityLevel")
    return Config(
        alias=_optional_text(fields, "alias"),
        alias_for_deks=_optional_text(fields, "aliasForDeks"),
        normalize=_optional_flag(fields, "normalize"),
        validate_fields=_optional_flag(fields, "validateFields"),
        validate_new_schemas=_optional_flag(fields, "validateNewSchemas"),
        validate_rules=_optional_flag(fields, "validateRules"),
        compatibility_level=None if level is None else _member(Level, level),
        compatibility_policy=_optional_text(fields, "compatibilityPolicy"),
        compatibility_group=_optional_text(fields, "compatibilityGroup"),
        default_metadata=parse_metadata(fields.get("defaultMetadata")),
        override_metadata=parse_metadata(fields.get("overrideMetadata")),
        default_rule_set=parse_rule_set(fields.get("defaultRuleSet")),
        override_rule_set=parse_rule_set(fields.get("overrideRuleSet")),
    )


def _member(kind: type[E], name: str) -> E:
    try:
        return kind(name)
    except ValueError:
        raise RecordFault(f"{name!r} is no {kind.__name__.lower()}") from None


def _text(fields: Json, name: str) -> str:
    value = _optional_text(fields, name)
    if value is None:
        raise RecordFault(f"no {name}")
    return value


def _optional_text(fields: Json, name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise RecordFault(f"{name} is no text")


def _optional_flag(fields: Json, name: str) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise RecordFault(f"{name} is neither true nor false")


def _number(fields: Json, name: str, lowest: int) -> int:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= VERSION_MAX:
        return value
    raise RecordFault(f"{name} is no number from {lowest} to {VERSION_MAX}")


_KEYTYPES: dict[type[Key], str] = {
    SchemaKey: "SCHEMA",
    ConfigKey: "CONFIG",
    ModeKey: "MODE",
    ContextKey: "CONTEXT",
    DeleteSubjectKey: "DELETE_SUBJECT",
    ClearSubjectKey: "CLEAR_SUBJECT",
    NoopKey: "NOOP",
}
