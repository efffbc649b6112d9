"""From a request or a stored version to a parsed schema, with what it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sprawl.schema_registry.model import faults, limits
from sprawl.schema_registry.model.contracts import Metadata, RuleSet, is_unicode
from sprawl.schema_registry.model.entities import Config, StoredSchema, content_digest
from sprawl.schema_registry.model.registry import Registry
from sprawl.schema_registry.model.scopes import config_in_scope, mode_in_scope
from sprawl.schema_registry.model.subjects import LATEST, qualified_by_parent
from sprawl.schema_registry.schemas import InvalidSchema, Parsed, Reference, SchemaType


class NewSchema(NamedTuple):
    """A schema as a client sends it, to be registered, looked up or compared.

    Args:
        schema: None or blank: the latest version's, when it is registered.
        schema_type: None means AVRO.
        version: 0 for the next one; -1 for the latest, when it is there already.
        id: -1 for one that the registry gives.
    """

    schema: str | None
    schema_type: str | None = None
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    version: int = 0
    id: int = -1

    @property
    def is_blank(self) -> bool:
        return self.schema is None or not self.schema.strip()

    @property
    def type_name(self) -> str:
        return self.schema_type or SchemaType.AVRO.value


class Canonical(NamedTuple):
    """A new schema as it would be stored.

    Args:
        references: with the versions that "latest" means now.
    """

    parsed: Parsed
    schema_type: str
    schema: str
    references: tuple[Reference, ...]
    metadata: Metadata | None
    rule_set: RuleSet | None
    digest: bytes


def canonical(
    registry: Registry,
    subject: str,
    new: NewSchema,
    *,
    normalize: bool,
    deleted_references: bool,
) -> Canonical:
    """Parse a new schema; where ids come from elsewhere it is not normalized.

    Args:
        deleted_references: whether versions that are soft-deleted may be referred to.

    Raises:
        RegistryFault: 42201.
    """
    text = new.schema or ""
    if not is_unicode(text, new.metadata, new.rule_set, new.references):
        raise faults.invalid_schema("Invalid schema: a text in it is not Unicode")
    try:
        registry.schemas.format_of(new.type_name)
    except InvalidSchema as problem:
        raise faults.invalid_schema(str(problem)) from None
    try:
        references, texts = _resolve(registry, subject, new.references, deleted=deleted_references)
        parsed = registry.schemas.parse(new.type_name, text, references, texts)
        if normalize and not mode_in_scope(registry, subject).takes_ids:
            parsed = parsed.normalized()
            references = tuple(sorted(set(references)))
    except InvalidSchema as problem:
        raise faults.invalid_schema(
            f"Invalid schema of type {new.type_name}, details: {problem}"
        ) from None
    return Canonical(
        parsed=parsed,
        schema_type=new.type_name,
        schema=parsed.canonical,
        references=references,
        metadata=new.metadata,
        rule_set=new.rule_set,
        digest=content_digest(parsed.canonical, references, new.metadata, new.rule_set),
    )


def parse_stored(registry: Registry, schema: StoredSchema) -> Parsed:
    """Raises: RegistryFault: 42201: the log has a schema that this node cannot read."""
    try:
        references, texts = _resolve(registry, schema.subject, schema.references, deleted=True)
        return registry.schemas.parse(schema.schema_type, schema.schema, references, texts)
    except InvalidSchema as problem:
        raise faults.invalid_schema(
            f"Invalid schema of type {schema.schema_type}, details: {problem}"
        ) from None


def prints_as(registry: Registry, schema: StoredSchema, canonical_text: str) -> bool:
    """Whether a stored text is canonically this one; not when this node cannot read it."""
    try:
        references, texts = _resolve(registry, schema.subject, schema.references, deleted=True)
        return registry.schemas.prints_as(
            schema.schema_type, schema.schema, references, texts, canonical_text
        )
    except InvalidSchema:
        return False


def formatted(registry: Registry, schema: StoredSchema, name: str | None) -> str:
    """A stored version as `format=` asks for it; as it is stored without one."""
    if name is None or not name.strip():
        return schema.schema
    return parse_stored(registry, schema).formatted(name)


def normalizes(registry: Registry, subject: str, *, asked: bool) -> bool:
    """Whether schemas of a subject are normalized: the request asks for it, or a config says it."""
    return asked or bool(config_in_scope(registry, subject).normalize)


def validates_new(registry: Registry, config: Config) -> bool:
    """Whether a new schema may refer only to what is not deleted."""
    validates = config.validate_new_schemas
    return registry.settings.validate_new_schemas if validates is None else validates


def _resolve(
    registry: Registry, subject: str, references: Sequence[Reference], *, deleted: bool
) -> tuple[tuple[Reference, ...], dict[str, str]]:
    """References with their versions, and the text that each name stands for, those of the
    references of references too. The first version that a name is found with counts.

    Raises:
        InvalidSchema: one is not there, or there are too many.
    """
    own: list[Reference] = []
    texts: dict[str, str] = {}
    visited: set[str] = set()
    waiting = [(subject, reference, True) for reference in reversed(references)]
    while waiting:
        parent, reference, is_own = waiting.pop()
        target = _referred(registry, parent, reference, deleted=deleted)
        if is_own:
            own.append(reference._replace(version=target.version))
        if reference.name in visited:
            continue
        visited.add(reference.name)
        if len(visited) > limits.REFERRED_SCHEMAS_MAX:
            raise InvalidSchema(f"more than {limits.REFERRED_SCHEMAS_MAX} schemas are referred to")
        texts[reference.name] = target.schema
        waiting += [(target.subject, inner, False) for inner in reversed(target.references)]
    return tuple(own), texts


def _referred(
    registry: Registry, parent: str, reference: Reference, *, deleted: bool
) -> StoredSchema:
    name = qualified_by_parent(reference.subject, parent)
    state = registry.state
    if reference.version == LATEST:
        target = state.latest(name)
    else:
        target = state.version(name, reference.version)
    if target is None or (target.deleted and not deleted):
        raise InvalidSchema(
            f'No schema reference found for subject "{name}" and version {reference.version}'
        )
    return target
