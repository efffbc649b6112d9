"""What the registry keeps: schemas under their subjects, configs and modes. Immutable."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias
from uuid import UUID

from sprawl.schema_registry.model.contracts import Metadata, RuleSet
from sprawl.schema_registry.schemas import Reference

Content: TypeAlias = tuple[str, str, tuple[Reference, ...], Metadata | None, RuleSet | None]
"""What makes a schema the same as another one: type, text, references, metadata, rules."""


class Mode(enum.Enum):
    """What may be written in a scope.

    READONLY_OVERRIDE is an older spelling of READONLY; FORWARD is IMPORT for all contexts at once.
    """

    READWRITE = "READWRITE"
    READONLY = "READONLY"
    READONLY_OVERRIDE = "READONLY_OVERRIDE"
    IMPORT = "IMPORT"
    FORWARD = "FORWARD"

    @property
    def is_read_only(self) -> bool:
        return self in (Mode.READONLY, Mode.READONLY_OVERRIDE)

    @property
    def takes_ids(self) -> bool:
        """Whether schemas come with the ids and versions that they have elsewhere."""
        return self in (Mode.IMPORT, Mode.FORWARD)


class Level(enum.Enum):
    """A compatibility level: which older schemas a new one is compared with, and which way."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def new_reads_old(self) -> bool:
        return self.name.startswith(("BACKWARD", "FULL"))

    @property
    def old_reads_new(self) -> bool:
        return self.name.startswith(("FORWARD", "FULL"))

    @property
    def is_transitive(self) -> bool:
        """Compared with all older schemas, not only with the latest."""
        return self.name.endswith("_TRANSITIVE")


class Config(NamedTuple):
    """The settings of one scope; None means that a wider scope says it."""

    alias: str | None = None
    alias_for_deks: str | None = None
    normalize: bool | None = None
    validate_fields: bool | None = None
    validate_new_schemas: bool | None = None
    validate_rules: bool | None = None
    compatibility_level: Level | None = None
    compatibility_policy: str | None = None
    compatibility_group: str | None = None
    default_metadata: Metadata | None = None
    override_metadata: Metadata | None = None
    default_rule_set: RuleSet | None = None
    override_rule_set: RuleSet | None = None

    @property
    def changes_contracts(self) -> bool:
        """Whether what is registered is not what was sent."""
        return self[9:] != (None, None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSchema:
    """One version of a subject.

    Args:
        subject: its normal name.
        schema_type: as `schemaType` says it; a log may have types that this node does not know.
        md5: base64 of the digest, when the record states it because its metadata is encrypted.
        digest: 16 bytes, the same for the same content in every registry.
        timestamp_ms: of its record; no part of what it is. None when that has none, or while it is
            not written.
    """

    subject: str
    version: int
    id: int
    schema_type: str
    references: tuple[Reference, ...]
    metadata: Metadata | None
    rule_set: RuleSet | None
    schema: str
    deleted: bool
    digest: bytes
    md5: str | None = None
    timestamp_ms: int | None = field(default=None, compare=False)

    @property
    def guid(self) -> str:
        """The digest spelled as a UUID."""
        return str(UUID(bytes=self.digest))

    @property
    def content(self) -> Content:
        return (self.schema_type, self.schema, self.references, self.metadata, self.rule_set)


def content_digest(
    schema: str,
    references: Sequence[Reference],
    metadata: Metadata | None,
    rule_set: RuleSet | None,
) -> bytes:
    """The identity of a schema: MD5 of its text, references, metadata and rules, in this order.

    The type is not part of it, and empty metadata is not the same as none: both as in the anchor
    registry, where the digest is also the schema's GUID.
    """
    digest = hashlib.md5(schema.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    for reference in references:
        digest.update(reference.name.encode("utf-8", "surrogatepass"))
        digest.update(reference.subject.encode("utf-8", "surrogatepass"))
        digest.update((reference.version & 0xFFFFFFFF).to_bytes(4, "big"))
    for contract in (metadata, rule_set):
        if contract is not None:
            digest.update(b"\x01")
            contract.hash_into(digest.update)
    return digest.digest()
